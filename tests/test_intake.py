"""What a strategy receives, in virtual time."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest

from bridge.errors import InvalidParameters, NotConnected, UnknownSymbol
from clients.events import Bars, Connection
from strategies.intake import RETRY_S, Intake, Stopped
from tests.scripted_bridge import ScriptedBridge, bar_record
from tests.virtual_client import VirtualClient
from tests.virtual_time import VirtualTime

BAR = "bar:EURUSD:M5"


class Bench:
    """An intake on a scripted bridge."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.time = VirtualTime()
        self.bridge = ScriptedBridge()
        self.client = VirtualClient(self.time, self.bridge, patch.setattr)
        self.reason: str | None = None
        self.intake = Intake(self.client, lambda: self.reason, self.time, logging.getLogger("strategies.test"))

    def publish(self, topic: str, seconds: int) -> None:
        self.bridge.publish(topic, bar_record(seconds))
        self.client.virtual.link.work()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_what_comes_while_it_waits_is_kept_in_order(bench: Bench) -> None:
    bench.intake.listen(BAR)
    bench.publish(BAR, 300)
    bench.intake.wait(1.0)
    assert bench.time.now >= 1_001.0
    bench.publish(BAR, 600)
    taken = [bench.intake.take(0.1) for _ in range(3)]
    assert [item.last.time for item in taken if isinstance(item, Bars)] == [300, 600]
    assert taken[2] is None


def test_another_subscription_takes_the_place_of_the_former(bench: Bench) -> None:
    bench.bridge.publish("connection", bench.bridge.connection)
    bench.intake.listen(BAR)
    bench.publish(BAR, 300)
    bench.intake.wait(0.5)
    bench.intake.listen()
    first = bench.intake.take(0.1)
    assert isinstance(first, Connection)
    assert first.snapshot
    bench.publish(BAR, 600)
    assert bench.intake.take(0.5) is None
    assert BAR.encode() + b"\0" not in bench.client.virtual.link.subscribed


def test_it_asks_until_the_bridge_can_answer(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.intake.listen()
    asked: list[float] = []

    def ask() -> str:
        asked.append(bench.time.now)
        if len(asked) < 4:
            raise NotConnected("not yet", state="connecting")
        return "answer"

    assert bench.intake.patiently("something", ask) == "answer"
    assert [round(later - sooner, 3) for sooner, later in pairwise(asked)] == [RETRY_S] * 3
    assert caplog.text.count("waiting for something: not yet") == 1


def test_what_cannot_succeed_is_not_tried_again(bench: Bench) -> None:
    bench.intake.listen()

    def ask() -> str:
        raise UnknownSymbol("no")

    with pytest.raises(UnknownSymbol):
        bench.intake.patiently("something", ask)
    with pytest.raises(InvalidParameters):
        bench.intake.listen("")
    bench.publish("trade", 300)
    assert not bench.client.virtual.session.subscriptions.feeds[0].closed


def test_the_reason_to_stop_ends_the_wait(bench: Bench) -> None:
    bench.intake.listen()

    def stop() -> None:
        bench.reason = "SIGTERM"

    bench.time.after(1.0, stop)
    with pytest.raises(Stopped, match="SIGTERM"):
        bench.intake.wait(60.0)
    assert bench.time.now < 1_002.0


def test_closing_before_listening_is_nothing(bench: Bench) -> None:
    bench.intake.close()
    bench.intake.listen(BAR)
    bench.intake.close()
    assert BAR.encode() + b"\0" not in bench.client.virtual.link.subscribed
