"""The sockets with their options, on loopback ports of this test alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.sockets import Keys, check_libzmq, events_socket, is_loopback, link_socket, requests_socket

Context = zmq.Context[zmq.Socket[bytes]]
Maker = Callable[[Context, str], tuple[zmq.Socket[bytes], str]]
PATIENCE_MS = 5_000


class Kept:
    """A context whose sockets are closed at the end of the test."""

    def __init__(self) -> None:
        self.context: Context = zmq.Context()
        self._sockets: list[zmq.Socket[bytes]] = []

    def bound(self, make: Maker, endpoint: str = "tcp://127.0.0.1:*") -> tuple[zmq.Socket[bytes], str]:
        socket, bound = make(self.context, endpoint)
        self._sockets.append(socket)
        return socket, bound

    def peer(self, kind: int) -> zmq.Socket[bytes]:
        self._sockets.append(self.context.socket(kind))
        return self._sockets[-1]

    def close(self) -> None:
        for socket in self._sockets:
            socket.close(0)
        self.context.term()


@pytest.fixture
def kept() -> Iterator[Kept]:
    made = Kept()
    yield made
    made.close()


def receive(socket: zmq.Socket[bytes]) -> bytes:
    assert socket.poll(PATIENCE_MS), "nothing came"
    return socket.recv()


# ---- endpoints -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint", ["tcp://127.0.0.1:5555", "tcp://127.0.0.1:0", "tcp://127.0.0.1:*", "tcp://localhost:5555", "tcp://127.0.0.1:65535"]
)
def test_endpoints_on_this_machine(endpoint: str) -> None:
    assert is_loopback(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://0.0.0.0:5555", "tcp://*:5555", "tcp://192.168.1.5:5555", "tcp://example.com:1", "tcp://[::]:5555", "tcp://eth0:5555",
        "tcp://127.0.0.2:1", "tcp://[::1]:*", "tcp://[fe80::1%eth0]:1",
    ],
)  # fmt: skip
def test_endpoints_that_others_could_reach(endpoint: str) -> None:
    assert not is_loopback(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "", "127.0.0.1:5555", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:5555", "ipc://x", "inproc://x", "tcp://127.0.0.1:5555/x",
        "tcp://127.0.0.1:99999", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:x", "tcp://127.0.0.1: 5555", "tcp://127.0.0.1:5555\n",
        "http://127.0.0.1:1", "tcp://a@127.0.0.1:5555", "tcp://127.0.0.1:5555,tcp://0.0.0.0:5555",
        "tcp://127.0.0.1:5555;0.0.0.0:5555", "tcp://127.0.0.1\0:5555",
        "tcp://127.0.0.1:٥٥٥٥", "TCP://127.0.0.1:5555", "tcp://[::1:5555", "tcp://127.0.0.1:5555?x=y",
        "tcp://0.0.0.0;127.0.0.1:5555",
    ],
)  # fmt: skip
def test_what_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="endpoint") as caught:
        is_loopback(endpoint)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20) | st.text("tcp:/127.0*[]@;,:5 \0\n", max_size=24) | st.from_regex(r"tcp://127\.0\.0\.1.{0,9}"))
def test_any_text_is_an_endpoint_or_one_clear_error(text: str) -> None:
    try:
        here = is_loopback(text)
        told = None
    except ConfigError as error:
        here, told = False, str(error)
    assert here is (told is None and text.startswith(("tcp://127.0.0.1:", "tcp://localhost:")))
    assert text.startswith("tcp://") if told is None else "\n" not in told


def test_an_old_libzmq_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_libzmq()
    monkeypatch.setattr(zmq, "zmq_version_info", lambda: (4, 3, 4))
    with pytest.raises(ConfigError, match="too old"):
        check_libzmq()


# ---- binding ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [requests_socket, events_socket])
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://localhost:0"])
def test_the_bound_endpoint_is_told(kept: Kept, make: Maker, endpoint: str) -> None:
    _, bound = kept.bound(make, endpoint)
    host, _, port = bound.rpartition(":")
    assert host == "tcp://127.0.0.1"
    assert int(port) > 0


@pytest.mark.parametrize(("make", "what"), [(requests_socket, "--requests"), (events_socket, "--events")])
def test_a_port_in_use_is_one_clear_error(kept: Kept, make: Maker, what: str) -> None:
    _, bound = kept.bound(make)
    with pytest.raises(ConfigError) as caught:
        kept.bound(make, bound)
    told = str(caught.value)
    assert bound in told
    assert what in told
    assert "\n" not in told


def test_the_options_that_protect_the_bridge(kept: Kept) -> None:
    requests, _ = kept.bound(requests_socket)
    events, _ = kept.bound(events_socket)
    link, _ = kept.bound(link_without_keys)
    for socket in (requests, events):
        assert socket.get(zmq.HANDSHAKE_IVL) == 3_000
        assert socket.get(zmq.HEARTBEAT_IVL) == 0
        assert socket.get(zmq.TCP_KEEPALIVE) == 1
        assert socket.get(zmq.TCP_MAXRT) == (0 if sys.platform == "win32" else 5_000)
        assert socket.get(zmq.LINGER) == 500
        assert 0 < int(socket.get(zmq.MAXMSGSIZE)) <= 65_536
    assert (requests.get(zmq.RCVHWM), events.get(zmq.SNDHWM), link.get(zmq.SNDHWM), link.get(zmq.RCVHWM)) == (50, 100_000, 0, 0)
    assert link.get(zmq.LINGER) == 0


FLOOD = """
import os, sys, time, zmq

flooder = zmq.Context().socket(zmq.DEALER if sys.argv[1] == "requests" else zmq.XSUB)
flooder.set(zmq.SNDHWM, 0)
flooder.connect(sys.argv[2])
for number in range(100_000):
    flooder.send((b"" if sys.argv[1] == "requests" else b"\\1") + b"%0100d" % number)
time.sleep(0.5)
os._exit(0)
"""
FLOODED = f"""
import subprocess, sys, time, zmq
from bridge.sockets import events_socket, requests_socket

context = zmq.Context()
served, endpoint = (requests_socket if sys.argv[1] == "requests" else events_socket)(context, "tcp://127.0.0.1:*")
subprocess.run([sys.executable, "-c", {FLOOD!r}, sys.argv[1], endpoint], check=True)
time.sleep(1.5)
assert served.poll(1_000)
print("alive")
"""


@pytest.mark.parametrize("name", ["requests", "events"])
def test_a_client_that_floods_and_goes_does_not_take_the_bridge_with_it(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", FLOODED, name], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def link_without_keys(context: Context, endpoint: str) -> tuple[zmq.Socket[bytes], str]:
    return link_socket(context, endpoint, None)


def test_a_request_and_its_reply(kept: Kept) -> None:
    router, endpoint = kept.bound(requests_socket)
    dealer = kept.peer(zmq.DEALER)
    dealer.connect(endpoint)
    dealer.send(b"question")
    routing_id, frame = receive(router), receive(router)
    assert frame == b"question"
    router.send_multipart([routing_id, b"answer"])
    assert receive(dealer) == b"answer"
    with pytest.raises(zmq.ZMQError) as caught:
        router.send_multipart([b"nobody", b"answer"])
    assert caught.value.errno == zmq.EHOSTUNREACH


def test_subscriptions_are_in_force_only_when_they_are_put_so(kept: Kept) -> None:
    xpub, endpoint = kept.bound(events_socket)
    subscribers = [kept.peer(zmq.SUB) for _ in range(2)]
    for subscriber in subscribers:
        subscriber.connect(endpoint)
        for topic in (b"yes\0", b"no\0", b"proof\0"):
            subscriber.subscribe(topic)
    frames = []
    for _ in range(6):
        frame = receive(xpub)
        frames.append(frame)
        if frame[1:] != b"no\0":
            xpub.setsockopt(zmq.SUBSCRIBE, frame[1:])
    assert sorted(frames) == sorted(2 * [b"\1yes\0", b"\1no\0", b"\1proof\0"]), "each client's own, also of a topic that is known"
    for topic in (b"no\0", b"yes\0", b"proof\0"):
        xpub.send(topic + b"x")
    for subscriber in subscribers:
        assert [receive(subscriber), receive(subscriber)] == [b"yes\0x", b"proof\0x"]
    subscribers[0].close(0)
    assert sorted(receive(xpub) for _ in range(3)) == [b"\0no\0", b"\0proof\0", b"\0yes\0"], "a client that goes takes its own back"
    xpub.send(b"yes\0y")
    assert receive(subscribers[1]) == b"yes\0y"


def test_keys_never_show_their_secret() -> None:
    keys = Keys(*zmq.curve_keypair())
    assert keys.secret.decode() not in repr(keys) + str(keys)
    assert keys.public.decode() in repr(keys)


def test_the_link_with_keys_refuses_who_has_none(kept: Kept) -> None:
    keys = Keys(*zmq.curve_keypair())
    pair, endpoint = kept.bound(lambda context, endpoint: link_socket(context, endpoint, keys))
    stranger = kept.peer(zmq.PAIR)
    stranger.connect(endpoint)
    stranger.send(b"let me in")
    assert not pair.poll(200)
    stranger.close(0)
    session = kept.peer(zmq.PAIR)
    session.curve_publickey, session.curve_secretkey = zmq.curve_keypair()
    session.curve_serverkey = keys.public
    session.connect(endpoint)
    session.send(b"ready")
    assert receive(pair) == b"ready"
