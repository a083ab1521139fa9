"""Status and events as text and as plain objects."""

from __future__ import annotations

import json
from typing import Any

from bridge.replies import ClientStatus, ConnectionState, LogRecord, Status, TopicStatus
from bridge.report import connection_line, event_line, event_object, status_lines
from bridge.ticks import BAR_STRUCT, TICK_STRUCT
from clients import events

HEAD: dict[str, Any] = {"epoch": 7, "sequence": 3, "time_us": 1_700_000_000_000_000, "flags": 0, "snapshot": False}
TICK = TICK_STRUCT.pack(1_700_000_000, 1.1, 1.2, 0.0, 0, 1_700_000_000_123, 6, 0.0)
BAR = BAR_STRUCT.pack(1_700_000_000, 1.0, 2.0, 0.5, 1.5, 42, 3, 0)
LOST = ConnectionState("reconnecting", "the terminal closed", 1_700_000_000_000, "wait", cause_code=-10_004)


def test_a_state_that_needs_somebody_names_the_next_step() -> None:
    line = connection_line(LOST)
    assert "reconnecting" in line
    assert "next step: wait" in line
    assert "[-10004]" in line
    assert "2023-11-14 22:13:20" in line
    assert "next step" not in connection_line(ConnectionState("connected", "fine", 0, "none"))


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
    text = "\n".join(status_lines(status))
    for word in ("NOT HEALTHY", "alpha", "tick:EURUSD", "sequence 8", "never", "reconnecting"):
        assert word in text
    gone = [line for line in text.splitlines() if "NO EVENT CONNECTION" in line]
    assert len(gone) == 1
    assert "beta" in gone[0]


def test_every_kind_of_event_has_a_line_and_an_object() -> None:
    every: list[events.Item] = [
        events.Ticks(**HEAD, symbol="EURUSD", records=memoryview(TICK * 2)),
        events.Bars(**HEAD, symbol="EURUSD", timeframe="M1", forming=False, records=memoryview(BAR)),
        events.Connection(**HEAD, connection=LOST),
        events.LogLine(**HEAD, record=LogRecord("warning", "beware")),
        events.Gap("tick:EURUSD", 7, "sequence", 4, 5, 2),
        events.Other(**HEAD, topic="new", body={"a": 1}),
    ]
    for event in every:
        assert event_line(event)
        json.dumps(event_object(event))
    assert len(event_object(every[0])["records"]) == 2
    assert event_object(every[1])["records"][0]["close"] == 1.5
    assert "bid 1.1" in event_line(every[0])
    assert "2 events missing" in event_line(every[4])
