"""The sockets that clients connect to, with keys and without, on loopback ports of this test alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from bridge import zap
from bridge.access import Access, Allowed
from bridge.doors import Doors, user_of
from bridge.errors import ConfigError
from bridge.key_files import Secret, key_id, new_secret
from bridge.rates import Rates
from bridge.sockets import Keys, link_socket

ANY = "tcp://127.0.0.1:*"
PATIENCE_MS = 5_000
Socket = zmq.Socket[bytes]


class Rig:
    """Doors, a thread that answers whoever asks about connections, and clients."""

    def __init__(self) -> None:
        self.context: zmq.Context[Socket] = zmq.Context()
        self.server = new_secret("server")
        self.alice = new_secret("alice")
        self.access = Access([Allowed(key_id(self.alice.public), self.alice.public, "alice", "trader")])
        self.zap = zap.Zap(self.access, lambda verdict: None)
        self.doors = Doors(self.context, ANY, ANY, Keys(self.server.public.encode(), self.server.secret.encode()))
        self._sockets: list[Socket] = []
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def answer(self, frames: list[bytes]) -> list[bytes]:
        return self.zap.answer(frames, 0)

    def serve(self) -> None:
        """Answer until the end."""

        def judge() -> None:
            asked = self.doors.asked
            assert asked is not None
            while not self._ending.is_set():
                if asked.poll(5):
                    self.doors.judge(self.answer)

        self._thread = threading.Thread(target=judge)
        self._thread.start()

    def client(self, kind: int, endpoint: str, secret: Secret | None, server: str | None = None) -> Socket:
        socket = self.context.socket(kind)
        self._sockets.append(socket)
        if secret is not None:
            socket.set(zmq.CURVE_SERVERKEY, (server or self.server.public).encode())
            socket.set(zmq.CURVE_PUBLICKEY, secret.public.encode())
            socket.set(zmq.CURVE_SECRETKEY, secret.secret.encode())
        socket.connect(endpoint)
        return socket

    def close(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        for socket in self._sockets:
            socket.close(0)
        self.doors.close()
        self.context.term()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def test_a_message_tells_whose_key_it_came_with(rig: Rig) -> None:
    rig.serve()
    client = rig.client(zmq.DEALER, rig.doors.requests_endpoint, rig.alice)
    client.send(b"hello")
    assert rig.doors.requests.poll(PATIENCE_MS)
    rig.doors.requests.recv()
    frame = rig.doors.requests.recv(copy=False)
    assert (frame.bytes, user_of(frame)) == (b"hello", key_id(rig.alice.public))
    subscriber = rig.client(zmq.SUB, rig.doors.events_endpoint, rig.alice)
    subscriber.subscribe(b"topic")
    assert rig.doors.events.poll(PATIENCE_MS)
    assert user_of(rig.doors.events.recv(copy=False)) == key_id(rig.alice.public)


def stranger(rig: Rig) -> Socket:
    return rig.client(zmq.DEALER, rig.doors.requests_endpoint, new_secret("mallory"))


def without_a_key(rig: Rig) -> Socket:
    return rig.client(zmq.DEALER, rig.doors.requests_endpoint, None)


def with_the_wrong_server_key(rig: Rig) -> Socket:
    return rig.client(zmq.DEALER, rig.doors.requests_endpoint, rig.alice, new_secret("other").public)


def with_a_password(rig: Rig) -> Socket:
    socket = rig.context.socket(zmq.DEALER)
    rig._sockets.append(socket)
    socket.set(zmq.PLAIN_USERNAME, b"alice")
    socket.set(zmq.PLAIN_PASSWORD, b"secret")
    socket.connect(rig.doors.requests_endpoint)
    return socket


@pytest.mark.parametrize("intruder", [stranger, without_a_key, with_the_wrong_server_key, with_a_password])
@pytest.mark.parametrize("answered", [True, False])
def test_nobody_else_gets_in_whether_anybody_answers_or_not(rig: Rig, intruder: Callable[[Rig], Socket], answered: bool) -> None:
    if answered:
        rig.serve()
    socket = intruder(rig)
    socket.send(b"let me in")
    assert not rig.doors.requests.poll(300)


def test_also_the_allowed_wait_until_somebody_answers(rig: Rig) -> None:
    client = rig.client(zmq.DEALER, rig.doors.requests_endpoint, rig.alice)
    client.send(b"hello")
    assert not rig.doors.requests.poll(200)
    rig.serve()
    assert rig.doors.requests.poll(PATIENCE_MS)


def came_back(rig: Rig, subscriber: Socket, within_s: float = PATIENCE_MS / 1e3) -> bool:
    """Whether it subscribes again; it sends that only while its program receives."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        subscriber.poll(5)
        if rig.doors.events.poll(5):
            return True
    return False


def test_cutting_events_asks_everybody_for_the_key_again(rig: Rig) -> None:
    rig.serve()
    subscriber = rig.client(zmq.SUB, rig.doors.events_endpoint, rig.alice)
    subscriber.subscribe(b"topic")
    assert rig.doors.events.poll(PATIENCE_MS)
    rig.doors.events.set(zmq.SUBSCRIBE, rig.doors.events.recv()[1:])
    before = rig.doors.events_endpoint
    rig.doors.cut_events()
    assert rig.doors.events_endpoint == before
    assert came_back(rig, subscriber), "by itself"
    rig.doors.events.set(zmq.SUBSCRIBE, rig.doors.events.recv()[1:])
    rig.doors.events.send(b"topic again")
    assert subscriber.poll(PATIENCE_MS)
    rig.access.replace(())
    rig.doors.cut_events()
    assert not came_back(rig, subscriber, 0.5), "not any more"


def test_the_link_of_a_session_is_not_asked_about(rig: Rig) -> None:
    own = new_secret("link")
    link, endpoint = link_socket(rig.context, ANY, Keys(own.public.encode(), own.secret.encode()))
    rig._sockets.append(link)
    session = rig.client(zmq.PAIR, endpoint, new_secret("session"), own.public)
    session.send(b"token")
    assert link.poll(PATIENCE_MS)


def test_the_proof(rig: Rig) -> None:
    rig.doors.prove_closed(rig.answer)
    lenient = [zap.VERSION, b"", zap.ADMITTED, b"OK", b"anybody", b""]
    with pytest.raises(ConfigError, match="let in a stranger"):
        rig.doors.prove_closed(lambda frames: [lenient[0], frames[1], *lenient[2:]])


def test_without_keys_nobody_is_asked() -> None:
    context: zmq.Context[Socket] = zmq.Context()
    with Doors(context, ANY, ANY) as doors:
        assert doors.asked is None
        doors.prove_closed(zap.refusal)
        doors.judge(zap.refusal)
        with context.socket(zmq.DEALER) as client:
            client.connect(doors.requests_endpoint)
            client.send(b"hello")
            assert doors.requests.poll(PATIENCE_MS)
            doors.requests.recv()
            assert user_of(doors.requests.recv(copy=False)) == ""
    context.term()


def test_a_port_that_is_taken_leaves_nothing_open() -> None:
    context: zmq.Context[Socket] = zmq.Context()
    with Doors(context, ANY, ANY) as first, pytest.raises(ConfigError, match="cannot bind the events endpoint"):
        Doors(context, ANY, first.events_endpoint)
    context.term()


def test_who_connects_too_often_comes_again_by_itself(rig: Rig) -> None:
    answers: list[bytes] = []

    def answer(frames: list[bytes]) -> list[bytes]:
        told = rig.zap.answer(frames, 0, time.monotonic())
        answers.append(told[2])
        return told

    rig.zap = zap.Zap(rig.access, lambda verdict: None, (), Rates(per_s=5, burst=1))
    rig.answer = answer  # type: ignore[method-assign]
    rig.serve()
    first, second = (rig.client(zmq.DEALER, rig.doors.requests_endpoint, rig.alice) for _ in range(2))
    for socket in (first, second):
        socket.send(b"hello")
        assert rig.doors.requests.poll(PATIENCE_MS)
        rig.doors.requests.recv_multipart()
    assert zap.LATER in answers
    assert answers.count(zap.ADMITTED) == 2
