"""Status and events as text and as plain objects."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.replies import (
    Book,
    ClientStatus,
    ClockOffset,
    Condition,
    ConnectionState,
    LinkStatus,
    LogRecord,
    Status,
    TopicStatus,
    TradeSnapshot,
)
from bridge.report import age, condition_line, connection_line, event_line, event_object, history_line, offset_text, status_lines
from bridge.ticks import BAR_STRUCT, TICK_STRUCT
from bridge.trading import BookLevel
from clients import events
from tests.records import position

HEAD: dict[str, Any] = {"epoch": 7, "sequence": 3, "time_us": 1_700_000_000_000_000, "flags": 0, "snapshot": False}
TICK = TICK_STRUCT.pack(1_700_000_000, 1.1, 1.2, 0.0, 0, 1_700_000_000_123, 6, 0.0)
BAR = BAR_STRUCT.pack(1_700_000_000, 1.0, 2.0, 0.5, 1.5, 42, 3, 0)
NOW_MSC = 1_700_000_000_000
LOST = ConnectionState(
    "reconnecting", "the terminal closed", NOW_MSC, "wait", cause_code=-10_004, reason="link_lost", at_msc=NOW_MSC + 60_000
)
OFF = Condition("algo_trading_off", "the button is off", "press it", NOW_MSC, "trading")
GONE = Condition("symbol_gone", "X is not there any more", "use Y", NOW_MSC, "nothing")


def test_a_state_that_needs_somebody_names_the_next_step() -> None:
    line = connection_line(LOST)
    assert "reconnecting" in line
    assert "next step: wait" in line
    assert "[-10004]" in line
    assert "2023-11-14 22:13:20" in line
    assert "next step" not in connection_line(ConnectionState("connected", "fine", 0, "none"))
    assert connection_line(ConnectionState("connected", "the button is off", 0, "press it")).endswith("; next step: press it")


def test_a_state_names_its_reason() -> None:
    assert connection_line(LOST).startswith("reconnecting [link_lost]: the terminal closed (since ")
    assert connection_line(ConnectionState("connecting", "attaching", 0)).startswith("connecting: attaching")


def test_a_line_of_the_past_has_everything() -> None:
    """Time of the event, state, reason, cause, code, next step."""
    assert history_line(LOST) == (
        "2023-11-14 22:14:20.000 UTC reconnecting [link_lost]: the terminal closed [-10004]; next step: wait"
    )
    assert history_line(ConnectionState("starting", "it starts", NOW_MSC)) == "2023-11-14 22:13:20.000 UTC starting: it starts"


def test_a_condition_tells_what_it_stops() -> None:
    assert condition_line(OFF) == (
        "algo_trading_off: the button is off (stops trading, since 2023-11-14 22:13:20.000 UTC); next step: press it"
    )
    assert "stops" not in condition_line(GONE)


@pytest.mark.parametrize(
    ("age_ms", "words"),
    [
        (None, "never"), (0, "0 ms ago"), (999, "999 ms ago"), (1_000, "1 s ago"), (119_999, "119 s ago"), (120_000, "2 min ago"),
        (7_199_999, "119 min ago"), (7_200_000, "2 h ago"), (172_800_000, "2 d ago"),
    ],
)  # fmt: skip
def test_an_age_is_told_in_the_unit_that_fits(age_ms: int | None, words: str) -> None:
    assert age(age_ms) == words


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [(0, "UTC+0:00"), (10_800, "UTC+3:00"), (-12_600, "UTC-3:30"), (20_700, "UTC+5:45"), (-900, "UTC-0:15")],
)
def test_the_clock_of_the_server(offset_s: int, words: str) -> None:
    told = offset_text(ClockOffset(offset_s, NOW_MSC, "low", 1), NOW_MSC + 12_000)
    assert told == f"{words}, measured 12 s ago by 1 symbol, confidence low"
    assert offset_text(ClockOffset(), NOW_MSC) == "not known yet"


def test_status_names_links_conditions_and_the_clock() -> None:
    connection = ConnectionState(
        "connected", "fine", NOW_MSC, login=5, server="Demo", conditions=(OFF, GONE), clock=ClockOffset(7_200, NOW_MSC, "high", 3)
    )
    links = (
        LinkStatus("broker_terminal", False, 120, "the terminal is offline"), LinkStatus("terminal_session", True, 0),
        LinkStatus("session_gateway", True, 3_000), LinkStatus("gateway_client", None, None), LinkStatus("client", True, 1),
    )  # fmt: skip
    status = Status("1.2.3", False, 1.0, connection, 12, 42, (), (), {}, links)
    lines = status_lines(status, NOW_MSC + 1_000)
    assert "account 5 at Demo: ORDERS ARE NOT PASSED ON" in lines
    assert "server clock: UTC+2:00, measured 1 s ago by 3 symbols, confidence high" in lines
    assert [line.split(":")[0].strip() for line in lines[lines.index("conditions: 2") + 1 :][:2]] == [
        "algo_trading_off",
        "symbol_gone",
    ]
    assert lines[lines.index("links: 5") + 1 :][:5] == [
        "  broker_terminal: DOWN, last sign 120 ms ago, the terminal is offline",
        "  terminal_session: up, last sign 0 ms ago",
        "  session_gateway: up, last sign 3 s ago",
        "  gateway_client: not known, last sign never",
        "  client: up, last sign 1 ms ago",
    ]


def test_the_key_that_clients_pin_is_told() -> None:
    status = Status(
        "1.2.3", False, 1.0, ConnectionState("starting", "it starts", NOW_MSC), None, None, (), (), {}, server_key="z85"
    )
    assert "server key, for clients: z85" in status_lines(status, NOW_MSC)
    assert not any("server key" in line for line in status_lines(replace(status, server_key=""), NOW_MSC))


def test_status_names_clients_and_topics() -> None:
    status = Status(
        software="1.2.3",
        healthy=False,
        uptime_s=61.2,
        connection=LOST,
        session_age_ms=None,
        session_pid=42,
        clients=(ClientStatus("alpha", 9, "host", True, 12, 5, 1, 0), ClientStatus("beta", 9, "host", False, 12, 5, 1, 0)),
        topics=(TopicStatus("tick:EURUSD", 8, 2, "live"),),
        counters={},
    )
    text = "\n".join(status_lines(status, NOW_MSC))
    for word in ("NOT HEALTHY", "alpha", "tick:EURUSD", "sequence 8", "never", "reconnecting"):
        assert word in text
    gone = [line for line in text.splitlines() if "NO EVENT CONNECTION" in line]
    assert len(gone) == 1
    assert "beta" in gone[0]


def test_every_kind_of_event_has_a_line_and_an_object() -> None:
    every: list[events.Item] = [
        events.Ticks(**HEAD, symbol="EURUSD", records=memoryview(TICK * 2)),
        events.Bars(**HEAD, symbol="EURUSD", timeframe="M1", forming=False, records=memoryview(BAR)),
        events.BookUpdate(**HEAD, book=Book("EURUSD", (BookLevel(1, 1.2, 3, 3.5), BookLevel(2, 1.1, 2, 2.0)))),
        events.Connection(**HEAD, connection=LOST),
        events.LogLine(**HEAD, record=LogRecord("warning", "beware")),
        events.Gap("tick:EURUSD", 7, "sequence", 4, 5, 2),
        events.Other(**HEAD, topic="new", body={"a": 1}),
        events.OpenTrades(**HEAD, open=TradeSnapshot((position(5),), ())),
        events.Stale(**HEAD, topic="tick:EURUSD", age_s=12.0, expected_s=5.0),
        events.Fresh(**HEAD, topic="tick:EURUSD", silent_s=13.0),
    ]
    for event in every:
        assert event_line(event)
        json.dumps(event_object(event))
    assert len(event_object(every[0])["records"]) == 2
    assert event_object(every[1])["records"][0]["close"] == 1.5
    assert "bid 1.1" in event_line(every[0])
    assert "2 events missing" in event_line(every[5])
    assert event_line(every[7]) == "trade #3 open: 1 positions, 0 pending orders"
    assert [held["ticket"] for held in event_object(every[7])["positions"]] == [5]
    assert event_object(every[8])["age_s"] == 12.0
    assert event_line(every[2]) == "book:EURUSD #3 bid 1.1 x 2 ask 1.2 x 3.5 (1 bids, 1 asks)"
    assert event_object(every[2])["levels"][0] == {"type": 1, "price": 1.2, "volume": 3, "volume_dbl": 3.5}
    assert event_line(events.BookUpdate(**HEAD, book=Book("A", ()))) == "book:A #3 bid - ask - (0 bids, 0 asks)"


def test_a_time_that_is_none_is_told_as_it_is() -> None:
    """A terminal may send anything; `tail` goes on."""
    row = TICK_STRUCT.pack(2**62, float("nan"), 1.2, 0.0, 0, 2**62, 6, 0.0)
    event = events.Ticks(**HEAD, symbol="A", records=memoryview(row))
    assert event_line(event) == f"tick:A #3 {2**62} ms bid nan ask 1.2 (1 ticks)"
