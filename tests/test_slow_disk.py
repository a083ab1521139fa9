"""A slow or full disk under the journal keeps orders and nothing else: the loop, the gateway and the scribe are the real ones."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from bridge import codec
from bridge.journalling import AGAIN_S
from bridge.messages import Hello, ReplyMessage
from bridge.scribe import Scribe
from bridge.session import link
from tests.scripted_session import BUY, done, ticks
from tests.test_loop import PATIENCE_MS, Rig

TOPIC = b"tick:EURUSD\0"
REFUSED_S = 0.1


class Disk:
    """What a journal's commits meet: a disk that does not answer until it is let, or one that is full."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.reached = threading.Event()
        self.full = False

    def __call__(self, point: str) -> None:
        if point == "before_commit":
            if not self.free.is_set():
                self.reached.set()
                assert self.free.wait(PATIENCE_MS / 1e3)
            if self.full:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error


class Desk:
    """A driven gateway over a journal on this disk, a client of it, and the session's end of the link."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.sent: list[link.Call] = []
        plainly = rig.sessions.send

        def send(frame: bytes) -> None:
            for message in link.all_to_session(frame):
                if isinstance(message, link.Call) and message.method == "order":
                    self.sent.append(message)
                    rig.sessions._far.send(link.pack(done(message)))
                else:
                    plainly(link.pack(message))

        rig.sessions.send = send  # type: ignore[method-assign]

    def begin(self) -> None:
        """The journal is open, and ticks are streamed."""
        self.rig.connected()
        self.rig.ask(codec.encode_request(Hello("test", "me"), "hello"))
        self.rig.sub.subscribe(TOPIC)
        self.rig.sub.subscribe(b"client:me\0")
        assert self.rig.sub.poll(PATIENCE_MS)
        self.rig.sub.recv()
        until_s = time.monotonic() + PATIENCE_MS / 1e3
        while (reply := self.ask("first")).error is not None:
            assert time.monotonic() < until_s, reply
            time.sleep(0.02)

    def give(self, order_id: str) -> None:
        """Send an order."""
        self.rig.dealer.send(codec.encode_request(BUY, order_id))

    def ask(self, order_id: str) -> ReplyMessage:
        """Send an order and wait for its answer."""
        self.give(order_id)
        assert self.rig.dealer.poll(PATIENCE_MS)
        return codec.decode_reply(self.rig.dealer.recv())

    def tick(self, bid: float) -> None:
        """A tick goes from the session to the subscriber."""
        self.rig.sessions._far.send(link.pack(link.Publish([("tick:EURUSD", 0, ticks(bid))])))
        while True:
            assert self.rig.sub.poll(PATIENCE_MS), "no tick"
            if codec.decode_event(self.rig.sub.recv()).topic == "tick:EURUSD":
                return


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def desk(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    scribes: list[Scribe] = []

    def scribe(ring: Callable[[], object]) -> Scribe:
        scribes.append(Scribe(tmp_path, ring, point=disk))
        return scribes[0]

    monkeypatch.setattr("tests.test_loop.FakeScribe", scribe)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made = Desk(rig := Rig(context))
    try:
        made.begin()
        yield made
    finally:
        disk.free.set()
        for one in scribes:
            one.close()
        rig.close()
        context.term()


def test_a_disk_that_does_not_answer_keeps_orders_and_no_ticks(desk: Desk, disk: Disk) -> None:
    disk.free.clear()
    sent = len(desk.sent)
    desk.give("late")
    assert disk.reached.wait(PATIENCE_MS / 1e3)
    for number in range(50):
        desk.tick(1.0 + number / 1e4)
    assert len(desk.sent) == sent, "sent before its intent was durable"
    assert not desk.rig.dealer.poll(0)
    disk.free.set()
    assert desk.rig.dealer.poll(PATIENCE_MS)
    reply = codec.decode_reply(desk.rig.dealer.recv())
    assert (reply.id, reply.error, len(desk.sent)) == ("late", None, sent + 1)


def test_a_full_disk_refuses_orders_at_once_and_they_go_on_by_themselves(desk: Desk, disk: Disk) -> None:
    disk.full = True
    sent = len(desk.sent)
    for number in range(5):
        begun_s = time.monotonic()
        reply = desk.ask(f"refused-{number}")
        assert reply.error is not None
        assert reply.error.code == "journal_unavailable"
        assert time.monotonic() - begun_s < REFUSED_S
        desk.tick(1.0 + number / 1e4)
    assert len(desk.sent) == sent
    disk.full = False
    until_s = time.monotonic() + AGAIN_S + PATIENCE_MS / 1e3
    while (reply := desk.ask("refused-0")).error is not None:
        assert reply.error.code == "journal_unavailable"
        assert time.monotonic() < until_s
        time.sleep(0.05)
    assert len(desk.sent) == sent + 1
