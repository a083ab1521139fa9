"""A bad network between a client and a bridge: `python -m tests.faults.tunnel REQUESTS EVENTS SEED`. Linux, and root only.

The process makes two network namespaces, which vanish with it, and in each a TUN device, and moves the packets from one to the
other itself: late, in another order, twice or not at all. A connection of a client is taken on loopback, goes on from one namespace
to the other as TCP of this machine's kernel, and from there to the bridge. Says `ready ENDPOINT`; then each line on its standard
input is a JSON object with fields of `Weather`, the others being as in fine weather. Ends, and says what happened to the packets,
when its standard input ends.
"""

from __future__ import annotations

import ctypes
import heapq
import json
import os
import random
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from tests.faults.proxy import LOOPBACK, Proxy, Route, dialling, listening, port_of

DEVICE = "/dev/net/tun"
NAMESPACE = "/proc/thread-self/ns/net"
CLONE_NEWNET = 0x4000_0000
TUNSETIFF, IFF_TUN_NO_PI = 0x4004_54CA, 0x1001
SIOCSIFADDR, SIOCSIFDSTADDR, SIOCSIFFLAGS, SIOCSIFMTU = 0x8916, 0x8918, 0x8914, 0x8922
IFF_UP = 1
MTU = 1_400
CLIENT, BRIDGE = "10.77.0.1", "10.77.0.2"
PACKETS = 64


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to packets on their way. `cut` names the directions in which none arrives: `to client`, `to bridge`, `both`."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    duplicated: float = 0.0
    reordered: float = 0.0
    cut: str = ""


class Link:
    """Packets that are under way between the ends 0 (of the client) and 1 (of the bridge). No I/O; times are seconds."""

    def __init__(self, dice: random.Random) -> None:
        self.weather = Weather()
        self.lost = self.doubled = self.passed = 0
        self._dice = dice
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._newest_s = [0.0, 0.0]
        self._numbers = count()

    def take(self, end: int, packet: bytes, now: float) -> None:
        """A packet that was sent from an end."""
        weather, dice = self.weather, self._dice
        if weather.cut in ("both", ("to bridge", "to client")[end]) or dice.random() < weather.loss:
            self.lost += 1
            return
        copies = 1 + (dice.random() < weather.duplicated)
        self.doubled += copies - 1
        for _ in range(copies):
            at_s = now + max(0.0, weather.delay_ms + dice.uniform(-1, 1) * weather.jitter_ms) / 1e3
            if dice.random() >= weather.reordered:
                at_s = self._newest_s[end] = max(at_s, self._newest_s[end])
            heapq.heappush(self._under_way, (at_s, next(self._numbers), 1 - end, packet))

    def arrived(self, now: float) -> Iterator[tuple[int, bytes]]:
        """The packets that are there by now, with their ends."""
        while self._under_way and self._under_way[0][0] <= now:
            _, _, end, packet = heapq.heappop(self._under_way)
            self.passed += 1
            yield end, packet

    def next_s(self) -> float | None:
        """When the next one arrives."""
        return self._under_way[0][0] if self._under_way else None


# ---- the system ------------------------------------------------------------------------------------------------------------------


def unavailable() -> str:
    """Why there can be no such network here, or nothing."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are of Linux"
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return f"there is no {DEVICE}"
    return ""


def _libc(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """This thread's sockets and devices are of a namespace."""
    home = os.open(NAMESPACE, os.O_RDONLY)
    _libc("setns", namespace, CLONE_NEWNET)
    try:
        yield
    finally:
        _libc("setns", home, CLONE_NEWNET)
        os.close(home)


def new_namespace() -> int:
    """A descriptor of a new network namespace."""
    home = os.open(NAMESPACE, os.O_RDONLY)
    _libc("unshare", CLONE_NEWNET)
    try:
        return os.open(NAMESPACE, os.O_RDONLY)
    finally:
        _libc("setns", home, CLONE_NEWNET)
        os.close(home)


def new_device(own: str, peer: str) -> int:
    """A TUN device with an address, and the address of its peer, in the present namespace; the descriptor of its packets."""
    import fcntl  # noqa: PLC0415 - this is only called on Linux

    device = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK)
    name = b"faults0"
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name, IFF_TUN_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as setting:
        for code, address in ((SIOCSIFADDR, own), (SIOCSIFDSTADDR, peer)):
            fcntl.ioctl(setting, code, struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address)))
        fcntl.ioctl(setting, SIOCSIFMTU, struct.pack("16si", name, MTU))
        fcntl.ioctl(setting, SIOCSIFFLAGS, struct.pack("16sH", name, IFF_UP))
    return device


def route_through(name: str, endpoint: str, near: int, far: int) -> tuple[Route, Route]:
    """A route from loopback into the first namespace, and one from the second one to the bridge."""
    port = port_of(endpoint)

    def into() -> socket.socket:
        with inside(near):
            return dialling(BRIDGE, port)

    with inside(far):
        listener = listening(BRIDGE, port)
    return Route(name, listening(), into), Route(name, listener, lambda: dialling(LOOPBACK, port))


def move(link: Link, devices: tuple[int, int], commands: Callable[[bytes], bool]) -> None:
    """Move packets until `commands` says no to what came on standard input."""
    selector = selectors.DefaultSelector()
    for end, device in enumerate(devices):
        selector.register(device, selectors.EVENT_READ, end)
    selector.register(0, selectors.EVENT_READ, None)
    while True:
        next_s = link.next_s()
        wait_s = 1.0 if next_s is None else max(0.0, next_s - time.monotonic())
        for key, _ in selector.select(wait_s):
            if key.data is None:
                if not commands(os.read(0, 65_536)):
                    return
                continue
            for _ in range(PACKETS):
                try:
                    packet = os.read(devices[key.data], 65_536)
                except BlockingIOError:
                    break
                link.take(key.data, packet, time.monotonic())
        for end, packet in link.arrived(time.monotonic()):
            os.write(devices[end], packet)


def main(requests: str, events: str, seed: str) -> None:
    """Serve until standard input ends."""
    assert Path(NAMESPACE).exists()
    namespaces = [new_namespace(), new_namespace()]
    devices = []
    for namespace, own, peer in zip(namespaces, (CLIENT, BRIDGE), (BRIDGE, CLIENT), strict=True):
        with inside(namespace):
            devices.append(new_device(own, peer))
    pairs = [route_through(name, endpoint, *namespaces) for name, endpoint in (("requests", requests), ("events", events))]
    mine = [f"tcp://{LOOPBACK}:{near.listener.getsockname()[1]}" for near, _ in pairs]
    near = Proxy([pair[0] for pair in pairs], (events.encode(), mine[1].encode()))
    far = Proxy([pair[1] for pair in pairs])
    near.start()
    far.start()
    link = Link(random.Random(int(seed)))
    unread = bytearray()

    def commands(received: bytes) -> bool:
        unread.extend(received)
        while (end := unread.find(b"\n")) >= 0:
            link.weather = Weather(**json.loads(unread[:end]))
            del unread[: end + 1]
        return bool(received)

    print(f"ready {mine[0]}", flush=True)
    move(link, (devices[0], devices[1]), commands)
    print(json.dumps({"passed": link.passed, "lost": link.lost, "doubled": link.doubled}), flush=True)
    near.end()
    far.end()


def as_line(weather: Weather) -> str:
    """A weather as the process is told it."""
    return json.dumps(asdict(weather)) + "\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
