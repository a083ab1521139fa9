"""Status and events as lines of text and as plain objects, for the commands that print them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bridge.codec import plain_body
from bridge.replies import ConnectionState, Status
from clients import events

STATES_WITHOUT_WORRY = ("connected",)


def clock(time_msc: int) -> str:
    """Milliseconds since 1970 as a time of day with the date."""
    return datetime.fromtimestamp(time_msc / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def connection_line(state: ConnectionState) -> str:
    """Where the connection stands, why, since when, and what to do."""
    line = f"{state.state}: {state.cause} (since {clock(state.since_msc)} UTC)"
    if state.cause_code is not None:
        line += f" [{state.cause_code}]"
    if state.next_step and state.state not in STATES_WITHOUT_WORRY:
        line += f"; next step: {state.next_step}"
    return line


def status_lines(status: Status) -> list[str]:
    """What `mt5bridge status` prints."""
    connection = status.connection
    lines = [
        f"{'healthy' if status.healthy else 'NOT HEALTHY'}, bridge {status.software}, up {status.uptime_s:.0f} s",
        connection_line(connection),
    ]
    if connection.login is not None:
        lines.append(f"account {connection.login} at {connection.server}")
    age = "never" if status.session_age_ms is None else f"{status.session_age_ms} ms ago"
    lines.append(f"session: process {status.session_pid}, generation {connection.generation}, last sign of progress {age}")
    lines.append(f"clients: {len(status.clients)}")
    lines += [
        f"  {client.name} (process {client.pid} on {client.host}), seen {client.seen_age_ms} ms ago, {client.requests} requests, "
        f"{client.orders_done} orders done, {client.orders_failed} failed{'' if client.subscribed else ', NO EVENT CONNECTION'}"
        for client in status.clients
    ]
    lines.append(f"topics: {len(status.topics)}")
    lines += [
        f"  {topic.topic}: {topic.stream}, sequence {topic.sequence}, {topic.subscribers} subscribers" for topic in status.topics
    ]
    return lines


def event_line(event: events.Item) -> str:
    """One event as one line."""
    match event:
        case events.Ticks():
            tick = event.last
            return f"{event.topic} #{event.sequence} {clock(tick.time_msc)} bid {tick.bid} ask {tick.ask} ({len(event)} ticks)"
        case events.Bars():
            bar = event.last
            return (
                f"{event.topic} #{event.sequence} {clock(bar.time * 1000)} open {bar.open} high {bar.high} low {bar.low} "
                f"close {bar.close} volume {bar.tick_volume}"
            )
        case events.Connection():
            return f"connection #{event.sequence} {connection_line(event.connection)}"
        case events.Gap():
            return f"GAP {event.topic}: {event.missing if event.missing is not None else 'unknown'} events missing ({event.reason})"
        case events.LogLine():
            return f"log #{event.sequence} {event.record.level}: {event.record.message}"
        case _:
            told = event_object(event)
            return f"{told.pop('topic')} #{told.pop('sequence', '-')} {told}"


def event_object(event: events.Item) -> dict[str, Any]:
    """One event as plain types: the envelope, and the records as lists of fields."""
    if isinstance(event, events.Gap):
        names = ("topic", "epoch", "reason", "from_sequence", "to_sequence", "missing")
        return {"gap": True} | {name: getattr(event, name) for name in names}
    if isinstance(event, events.Ticks | events.Bars):
        return _envelope(event, event.topic) | {"records": [record._asdict() for record in event]}
    if isinstance(event, events.Other):
        return _envelope(event, event.topic) | {"body": event.body}
    topic, body = _STATES[type(event)]
    return _envelope(event, topic) | plain_body(getattr(event, body))  # type: ignore[no-any-return]


_STATES: dict[type[events.Item], tuple[str, str]] = {
    events.Connection: ("connection", "connection"),
    events.TradeUpdate: ("trade", "trade"),
    events.AccountUpdate: ("account", "account"),
    events.LogLine: ("log", "record"),
    events.Heartbeat: ("heartbeat", "heartbeat"),
}
"""Topic of each kind of event that carries a message, and where it carries it."""


def _envelope(event: events.Envelope, topic: str) -> dict[str, Any]:
    return {
        "topic": topic,
        "epoch": event.epoch,
        "sequence": event.sequence,
        "time_us": event.time_us,
        "flags": event.flags,
        "snapshot": event.snapshot,
    }
