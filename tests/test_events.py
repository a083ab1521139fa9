"""What subscriptions yield."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import Raw

from bridge import codec
from bridge.errors import MalformedMessage
from bridge.messages import BACKFILLED
from bridge.replies import Book, LogRecord, TradeEvent, TradeSnapshot
from bridge.replies import Heartbeat as HeartbeatBody
from bridge.trading import BookLevel
from clients.events import (
    AccountUpdate,
    Bars,
    BookUpdate,
    Connection,
    Gap,
    Heartbeat,
    Item,
    LogLine,
    OpenTrades,
    Other,
    Ticks,
    TradeUpdate,
    maker,
)
from tests.records import ACCOUNT, order, position
from tests.scripted_bridge import CONNECTED, bar_record, tick_record


def made(topic: str, body: object, *, snapshot: bool = False, flags: int = 0) -> Item:
    """The event of a topic, through the bytes."""
    plain = body if isinstance(body, bytes) else codec.plain_body(body)
    frame = codec.encode_event(topic.encode() + b"\0", 7, 3, 1_000_000, flags, plain)
    return maker(topic)(codec.decode_event(frame), snapshot)


def test_ticks() -> None:
    event = made("tick:EURUSD", tick_record(1_000, bid=1.5) + tick_record(2_000, bid=2.5), snapshot=True, flags=BACKFILLED)
    assert isinstance(event, Ticks)
    assert (event.topic, event.symbol, event.epoch, event.sequence, event.time_us) == ("tick:EURUSD", "EURUSD", 7, 3, 1_000_000)
    assert (event.flags, event.snapshot, len(event)) == (BACKFILLED, True, 2)
    assert [tick.bid for tick in event] == [1.5, 2.5]
    assert event.last.time_msc == 2_000
    assert np.shares_memory(event.array, np.frombuffer(event.records, np.uint8))
    assert list(event.array["bid"]) == [1.5, 2.5]


@pytest.mark.parametrize("family", ["bar", "forming"])
def test_bars_of_a_symbol_with_colons(family: str) -> None:
    event = made(f"{family}:A:B:M5", bar_record(300) + bar_record(600))
    assert isinstance(event, Bars)
    assert (event.topic, event.symbol, event.timeframe, event.forming) == (f"{family}:A:B:M5", "A:B", "M5", family == "forming")
    assert [bar.time for bar in event] == list(event.array["time"]) == [300, 600]
    assert (event.last.time, len(event)) == (600, 2)


@pytest.mark.parametrize(
    ("topic", "body", "kind", "field"),
    [
        ("connection", CONNECTED, Connection, "connection"),
        ("trade", TradeEvent("position_opened", position(5)), TradeUpdate, "trade"),
        ("account", ACCOUNT, AccountUpdate, "account"),
        ("book:A:B", Book("A:B", (BookLevel(1, 1.2, 3, 3.5), BookLevel(2, 1.1, 2, 2.0))), BookUpdate, "book"),
        ("book:A", Book("A", ()), BookUpdate, "book"),
        ("log", LogRecord("warning", "words"), LogLine, "record"),
        ("heartbeat", HeartbeatBody(1_000, "connected", 0, {"tick:EURUSD": 4}), Heartbeat, "heartbeat"),
    ],
)
def test_messages(topic: str, body: object, kind: type, field: str) -> None:
    event = made(topic, body)
    assert type(event) is kind
    assert getattr(event, field) == body
    assert not isinstance(event, Gap)
    assert event.sequence == 3


def test_a_subscription_to_trade_begins_with_what_is_open() -> None:
    snapshot = TradeSnapshot((position(5), position(6)), (order(7),))
    event = made("trade", snapshot, snapshot=True)
    assert isinstance(event, OpenTrades)
    assert (event.open, event.snapshot, event.sequence) == (snapshot, True, 3)


@pytest.mark.parametrize("body", [{"positions": []}, TradeEvent("position_opened", position(5)), 3, b"x"])
def test_what_is_not_what_is_open_is_refused(body: object) -> None:
    with pytest.raises(MalformedMessage, match="not a snapshot of trade"):
        made("trade", body, snapshot=True)


def test_a_topic_of_a_later_release_is_passed_on() -> None:
    event = made("weather:London", {"rain": True})
    assert isinstance(event, Other)
    assert (event.topic, event.body) == ("weather:London", {"rain": True})


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("tick:X", b""),
        ("tick:X", b"x" * 59),
        ("bar:X:M1", b"x" * 61),
        ("connection", {"state": 5}),
        ("trade", 1),
        ("book:X", {"symbol": "X", "levels": [[1, 1.0]]}),
    ],
)
def test_a_body_of_another_type_is_malformed(topic: str, body: object) -> None:
    with pytest.raises(MalformedMessage):
        made(topic, body)


def test_a_malformed_raw_body_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        maker("account")(codec.Event("account", 1, 1, 1, 0, Raw(b"\xff\xff")), False)


def test_making_an_event_does_not_decode_its_records() -> None:
    records = memoryview(tick_record(1_000))
    event = maker("tick:X")(codec.Event("tick:X", 1, 1, 1, 0, records), False)
    assert isinstance(event, Ticks)
    assert event.records is records
