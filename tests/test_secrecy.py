"""A bridge's password and the secret keys of it and of its clients are in no log, event, reply, journal, error or command line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from bridge import codec
from bridge.children import own_group
from bridge.errors import BridgeError, NotConnected
from bridge.key_files import ALLOWED, allowed, new_secret, own_secret, read_secret, write_allowed, write_secret
from bridge.messages import GetJournal, GetStatus, Hello, Reconnect, Request
from bridge.simulation import LOGIN, SERVER
from clients import Client
from tests.faults.scene import SimulatedProcess, simulated
from tests.processes import ANYWHERE, PATIENCE_S, Served, environment, first_line
from tests.secrecy import PASSWORD, WRONG, Search, spellings

GARBAGE = (b"", b"\xc1", b"\x80", PASSWORD.encode()[:4], os.urandom(200), b"\x93\x01\x02")


class Scene:
    """A folder with keys and a configuration, its bridge, and all that anybody was told by it."""

    def __init__(self, folder: Path, terminal: SimulatedProcess) -> None:
        self.folder, self.keys, self.config = folder, folder / "keys", folder / "bridge.toml"
        self.told: list[tuple[str, bytes]] = []
        self._terminal = terminal
        self.server = own_secret(self.keys)
        self.client = new_secret("admin")
        write_secret(self.keys / "admin.key", self.client)
        write_allowed(self.keys / ALLOWED, (allowed("admin", self.client.public, "admin"),))
        self.configure(PASSWORD)

    def configure(self, password: str, tail: str = '"') -> None:
        """Write the configuration; without `tail` it is not TOML."""
        self.config.write_text(
            f"[bridge]\nrequire_keys = true\nkeys = '{self.keys.as_posix()}'\njournal = '{(self.folder / 'journal').as_posix()}'\n"
            f'terminal = "tests.secrecy:terminal"\n[mt5]\nlogin = {LOGIN}\nserver = "{SERVER}"\n'
            f'path = "{self._terminal.address}"\npassword = "{password}{tail}\n'
        )
        self.config.chmod(0o600)

    def search(self) -> Search:
        """For all that is secret here."""
        return Search(
            {"the password": PASSWORD, "the wrong password": WRONG},
            {"the server's key": self.server.secret, "the client's key": self.client.secret},
        )

    def command(self, *words: str) -> None:
        """Run a command; what it prints is kept."""
        flags = {"MT5BRIDGE_KEY": str(self.keys / "admin.key"), "MT5BRIDGE_SERVER_KEY": self.server.public}
        done = subprocess.run(
            [sys.executable, "-m", "bridge", *words], capture_output=True, env=environment(**flags), timeout=PATIENCE_S, check=False
        )
        self.told.append((" ".join(words[:2]), done.stdout + done.stderr))

    def connect(self, served: Served) -> Client:
        """An admin."""
        return Client(served.requests, timeout_s=PATIENCE_S, key=self.keys / "admin.key", server_key=self.server.public)

    def ask_raw(self, served: Served, context: zmq.Context[zmq.Socket[bytes]], subscriber: zmq.Socket[bytes]) -> None:
        """Requests, and frames that are none; all that comes back is kept."""
        with context.socket(zmq.DEALER) as dealer:
            self.locked(dealer).connect(served.requests)
            requests: list[Request[Any]] = [Hello("admin", "raw", 1, "here"), GetStatus(), GetJournal()]
            for number, request in enumerate(requests):
                dealer.send(codec.encode_request(request, f"{number}", None, "raw"))
            for frame in GARBAGE:
                dealer.send(frame)
            while dealer.poll(500):
                self.told.append(("a reply", dealer.recv()))
        while subscriber.poll(0):
            self.told.append(("an event", subscriber.recv()))

    def locked(self, socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
        """A socket with the admin's key."""
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.CURVE_SERVERKEY, self.server.public.encode())
        socket.set(zmq.CURVE_PUBLICKEY, self.client.public.encode())
        socket.set(zmq.CURVE_SECRETKEY, self.client.secret.encode())
        return socket


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    until_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < until_s, what
        time.sleep(0.02)


def command_lines() -> bytes:
    """Those of all processes, where the system tells."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes())
    return b"\n".join(lines)


def test_what_is_secret_is_nowhere(tmp_path: Path) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    output = tmp_path / "output.txt"
    with simulated(tmp_path, "--profile", "hedging", "--start", "2026-03-03 10:00:00") as terminal, output.open("wb") as written:
        scene = Scene(tmp_path, terminal)
        words = [sys.executable, "-m", "bridge", "serve", "--config", str(scene.config)]
        process = subprocess.Popen(
            [*words, "--requests", ANYWHERE, "--events", ANYWHERE],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=written, text=True, env=environment(), **own_group(),
        )  # fmt: skip
        try:
            first = first_line(process)
            served = Served(process, first.split()[1], first.split()[3])
            with scene.locked(context.socket(zmq.SUB)) as subscriber, scene.connect(served) as client:
                for topic in ("connection", "log", "account", "trade", "heartbeat"):
                    subscriber.subscribe(f"{topic}\0")
                subscriber.connect(served.events)
                a_day_at_the_bridge(scene, served, client)
                scene.told.append(("command lines", command_lines()))
                scene.ask_raw(served, context, subscriber)
                reprs = [repr(client), repr(client.status()), repr(read_secret(scene.keys / "admin.key")), repr(scene.server)]
                scene.told.append(("a repr", "\n".join(reprs).encode()))
        finally:
            process.terminate()
            scene.told.append(("standard output", process.communicate(timeout=PATIENCE_S)[0].encode()))
            context.destroy(0)
        for line in ("status --json", "status --history 50", "doctor", "keys list", "orders list"):
            scene.command(*line.split())
        scene.configure(PASSWORD, tail="")
        scene.command("serve", "--config", str(scene.config))
        scene.command("doctor", "--config", str(scene.config))
    search = scene.search()
    secret_files = {scene.config, *scene.keys.glob("*.key")}
    assert {kind for kind, _ in scene.told} >= {"a reply", "an event", "command lines"}
    assert any((tmp_path / "journal").rglob("*"))
    leaks = search.below(tmp_path, secret_files) + [line for where, content in scene.told for line in search.found(where, content)]
    assert not leaks, leaks


def a_day_at_the_bridge(scene: Scene, served: Served, client: Client) -> None:
    """An order, one that is refused, a session that is killed, a password that changes to a wrong one and back."""

    def state() -> str:
        return client.status().connection.state

    until(lambda: state() == "connected", "it is never connected")
    client.buy("EURUSD", 0.01, comment="secrecy")
    with contextlib.suppress(BridgeError):
        client.buy("NOSUCH", 0.01)
    before = client.status().session_pid
    assert before is not None
    os.kill(before, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    until(lambda: client.status().session_pid not in (None, before) and state() == "connected", "the session is not replaced")
    scene.configure(WRONG)
    client.call(Reconnect())
    until(lambda: state() == "refused", "a wrong password is not refused")
    with pytest.raises(NotConnected):
        client.account()
    scene.configure(PASSWORD)
    client.call(Reconnect())
    until(lambda: state() == "connected", "it does not come back")
    with pytest.raises(BridgeError), Client(served.requests, timeout_s=2.0):
        pass


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    secret = new_secret("alice").secret
    search = Search({"word": PASSWORD}, {"key": secret})
    for place, text in enumerate([*spellings(PASSWORD), *spellings(secret, key=True)]):
        (tmp_path / f"{place}.log").write_bytes(b"before" + text + b"after")
        assert search.found("log", b"before" + text + b"after")
    assert len({line.split()[2] for line in search.below(tmp_path, set())}) == place + 1
    assert not search.below(tmp_path, set(tmp_path.iterdir()))
