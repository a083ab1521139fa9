"""The poll loop with real sockets and a session that is only a socket: what goes in comes out, and bad peers do no harm."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import msgspec
import pytest
import zmq
from msgspec import Raw

from bridge import codec
from bridge.doors import Doors
from bridge.errors import ConfigError
from bridge.gateway import Gateway, GatewaySettings
from bridge.loop import LARGE_BYTES, drive
from bridge.messages import GetAccount, Ping
from bridge.session import link
from bridge.sockets import Bell
from bridge.terminal import Credentials
from bridge.watch import WatchSettings
from tests.fake_scribe import FakeScribe
from tests.scripted_session import obliging

PATIENCE_MS = 20_000
Socket = zmq.Socket[bytes]


class InlineSessions:
    """A session at the other end of an inproc socket that answers at once."""

    def __init__(self, context: zmq.Context[Socket]) -> None:
        self._context = context
        self._far = context.socket(zmq.PAIR)
        self.link: Socket | None = None
        self.sockets = [self._far]
        self.killed: list[int] = []
        self.credentials = Credentials()
        self.wrong: list[ConfigError] = []

    def start(self, number: int) -> str | None:
        """Begin with what a session begins with."""
        if self.wrong:
            raise self.wrong.pop()
        self.link = self._context.socket(zmq.PAIR)
        self.sockets.append(self.link)
        self.link.bind(f"inproc://session-{number}")
        self._far.connect(f"inproc://session-{number}")
        self._far.send(link.pack(link.Ready("", 1)))
        return None

    def receive(self, limit: int) -> Iterator[bytes]:
        """What it has sent."""
        assert self.link is not None
        yield self.link.recv(zmq.NOBLOCK)

    def send(self, frame: bytes) -> None:
        """What it is told, and its answers."""
        for message in link.all_to_session(frame):
            for answer in obliging(message):
                self._far.send(link.pack(answer))

    def exited(self) -> list[tuple[int, str]]:
        """Never by itself."""
        return []

    def kill(self, number: int) -> None:
        """Noted."""
        self.killed.append(number)


class Rig:
    """A driven gateway and a client's sockets."""

    def __init__(self, context: zmq.Context[Socket], *wrong: ConfigError) -> None:
        doors = Doors(context, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*")
        self.stop = threading.Event()
        settings = GatewaySettings(
            software="test", epoch=5, wall_us=time.time_ns() // 1000, heartbeat_s=0.1, watch=WatchSettings(stop_s=0.2)
        )
        self.gateway = Gateway(settings, time.monotonic())
        self.sessions = InlineSessions(context)
        self.sessions.wrong += wrong
        self.changed = threading.Event()
        self.bell = Bell(context)
        arguments = (self.gateway, doors, self.sessions, FakeScribe(self.bell.ring), self.bell)
        asked = {"stop_asked": self.stop.is_set, "settings_changed": self.changed.is_set}
        self.thread = threading.Thread(target=drive, args=arguments, kwargs=asked)
        self.thread.start()
        self.dealer = context.socket(zmq.DEALER)
        self.dealer.connect(doors.requests_endpoint)
        self.sub = context.socket(zmq.SUB)
        self.sub.connect(doors.events_endpoint)
        self.sockets = [doors.requests, doors.events, self.dealer, self.sub, self.bell.socket, self.bell._other]

    def ask(self, *frames: bytes) -> bytes:
        """A request and its reply."""
        self.dealer.send_multipart(frames)
        assert self.dealer.poll(PATIENCE_MS), "no reply"
        return self.dealer.recv()

    def until(self, state: str) -> None:
        """Wait until the connection is in a state."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        ping = codec.encode_request(Ping(), "p")
        while (found := codec.decode_result("ping", codec.decode_reply(self.ask(ping))).state) != state:
            assert time.monotonic() < deadline, found
            time.sleep(0.01)

    def connected(self) -> None:
        """Wait until the session is attached."""
        self.until("connected")

    def close(self) -> None:
        """End the loop, and close everything."""
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive(), "the loop did not end when it was asked to"
        for socket in [*self.sockets, *self.sessions.sockets]:
            socket.close(0)


@pytest.fixture
def rig() -> Iterator[Rig]:
    context: zmq.Context[Socket] = zmq.Context()
    made = Rig(context)
    yield made
    made.close()
    context.term()


def test_a_request_goes_through_to_the_session_and_back(rig: Rig) -> None:
    rig.connected()
    reply = codec.decode_reply(rig.ask(codec.encode_request(GetAccount(), "a1")))
    assert (reply.id, reply.epoch, reply.error) == ("a1", 5, None)


def test_of_many_requests_at_once_each_is_answered_in_order(rig: Rig) -> None:
    rig.connected()
    for number in range(100):
        rig.dealer.send(codec.encode_request(Ping() if number % 3 else GetAccount(), f"r{number}"))
    answered = []
    for _ in range(100):
        assert rig.dealer.poll(PATIENCE_MS), "a reply is missing"
        answered.append(codec.decode_reply(rig.dealer.recv()).id)
    own, asked = ([reply for reply in answered if bool(int(reply[1:]) % 3) is pinged] for pinged in (True, False))
    assert own == [f"r{number}" for number in range(100) if number % 3]
    assert asked == [f"r{number}" for number in range(0, 100, 3)]


@pytest.mark.parametrize("size", [1, LARGE_BYTES - 1_000, 3 * LARGE_BYTES])
def test_a_reply_of_any_size_arrives_as_it_was(rig: Rig, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    rig.connected()
    body = bytes(number % 251 for number in range(1_000)) * (size // 1_000 + 1)
    usual = obliging

    def answers(message: link.ToSession) -> list[link.FromSession]:
        return [link.Result(message.id, Raw(codec.pack(body)))] if isinstance(message, link.Call) else usual(message)

    monkeypatch.setattr("tests.test_loop.obliging", answers)
    for number in range(3):
        reply = codec.decode_reply(rig.ask(codec.encode_request(GetAccount(), f"a{number}")))
        assert msgspec.msgpack.decode(reply.result) == body


def test_messages_of_many_frames_are_taken_whole(rig: Rig) -> None:
    for frames in ([b""], [b"x"] * 9, [b"", b""], [b"y" * 60_000] * 12):
        reply = codec.decode_reply(rig.ask(*frames))
        assert reply.error is not None
        assert reply.error.code == "malformed_message"
    rig.connected()


def test_events_reach_subscribers_once_the_proof_has(rig: Rig) -> None:
    rig.sub.subscribe(b"heartbeat\0")
    rig.sub.subscribe(b"client:me\0")
    topics: list[str] = []
    while len(topics) < 4:
        assert rig.sub.poll(PATIENCE_MS)
        topics.append(codec.decode_event(rig.sub.recv()).topic)
    assert sorted(set(topics)) == ["client:me", "heartbeat"]
    assert topics.count("client:me") == 1


def test_an_answer_to_a_client_that_has_gone_is_counted(rig: Rig) -> None:
    rig.connected()
    gone: zmq.Context[Socket] = zmq.Context()
    dealer = gone.socket(zmq.DEALER)
    dealer.linger = 1_000
    dealer.connect(rig.dealer.get_string(zmq.LAST_ENDPOINT))
    for number in range(50):
        dealer.send(codec.encode_request(Ping(), f"g{number}"))
    dealer.close(1_000)
    gone.term()
    rig.connected()


def test_settings_that_are_wrong_are_refused_until_a_file_changes() -> None:
    context: zmq.Context[Socket] = zmq.Context()
    made = Rig(context, ConfigError("MT5_LOGIN is wrong", next_step="correct it"))
    made.until("refused")
    assert made.gateway.connection.now.cause == "MT5_LOGIN is wrong"
    assert made.sessions.link is None
    made.sessions.credentials = Credentials(login=5001, server="Demo")
    made.changed.set()
    made.connected()
    assert made.gateway.connection.now.login == 5001
    made.close()
    context.term()


def test_a_loop_that_is_refused_can_be_ended() -> None:
    context: zmq.Context[Socket] = zmq.Context()
    made = Rig(context, ConfigError("MT5_LOGIN is wrong"))
    made.until("refused")
    made.close()
    context.term()


def test_a_file_that_changes_while_all_is_well_changes_nothing(rig: Rig) -> None:
    rig.connected()
    known = len(rig.gateway.connection.history)
    rig.changed.set()
    time.sleep(0.3)  # three looks
    rig.connected()
    assert len(rig.gateway.connection.history) == known
