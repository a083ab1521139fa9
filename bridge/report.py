"""Status and events as lines of text and as plain objects, for the commands that print them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bridge.codec import plain_body
from bridge.replies import ClockOffset, Condition, ConnectionState, LinkStatus, Status
from bridge.trading import BookLevel
from clients import events

_AGES: tuple[tuple[int, str], ...] = ((172_800_000, "d"), (7_200_000, "h"), (120_000, "min"), (1_000, "s"))
"""From how many milliseconds on an age is told in a unit."""
_SELL, _BUY = 1, 2
"""Types of the levels of a book that have a price."""
_UNIT_MS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1_000}


def clock(time_msc: int) -> str:
    """Milliseconds since 1970 as a time of day with the date; as they are, where a terminal's time is none."""
    try:
        return datetime.fromtimestamp(time_msc / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return f"{time_msc} ms"


def age(age_ms: int | None) -> str:
    """How long ago something was, in the unit that fits; None is never."""
    if age_ms is None:
        return "never"
    for least_ms, unit in _AGES:
        if age_ms >= least_ms:
            return f"{age_ms // _UNIT_MS[unit]} {unit} ago"
    return f"{age_ms} ms ago"


def connection_line(state: ConnectionState) -> str:
    """Where the connection stands, why, since when, and what to do."""
    return _state_line(state, f" (since {clock(state.since_msc)} UTC)")


def history_line(state: ConnectionState) -> str:
    """One event of the connection's past: when it was published, and what it said."""
    return f"{clock(state.at_msc or state.since_msc)} UTC {_state_line(state, '')}"


def _state_line(state: ConnectionState, since: str) -> str:
    reason = f" [{state.reason}]" if state.reason else ""
    line = f"{state.state}{reason}: {state.cause}{since}"
    if state.cause_code is not None:
        line += f" [{state.cause_code}]"
    if state.next_step not in ("", "none"):
        line += f"; next step: {state.next_step}"
    return line


def condition_line(condition: Condition) -> str:
    """What is not as it should be, since when, what does not work because of it, and what to do."""
    stops = "" if condition.stops == "nothing" else f"stops {condition.stops}, "
    line = f"{condition.reason}: {condition.message} ({stops}since {clock(condition.since_msc)} UTC)"
    return f"{line}; next step: {condition.next_step}" if condition.next_step else line


def offset_text(offset: ClockOffset, now_msc: int) -> str:
    """The trade server's clock against UTC, with the age of the measurement and what it is worth."""
    if offset.offset_s is None:
        return "not known yet"
    minutes = abs(offset.offset_s) // 60
    sign = "-" if offset.offset_s < 0 else "+"
    measured = age(None if offset.measured_msc is None else max(0, now_msc - offset.measured_msc))
    symbols = f"{offset.symbols} symbol{'' if offset.symbols == 1 else 's'}"
    return f"UTC{sign}{minutes // 60}:{minutes % 60:02d}, measured {measured} by {symbols}, confidence {offset.confidence}"


def status_lines(status: Status, now_msc: int) -> list[str]:
    """What `mt5bridge status` prints; `now_msc` is the bridge's clock."""
    connection = status.connection
    lines = [
        f"{'healthy' if status.healthy else 'NOT HEALTHY'}, bridge {status.software}, up {status.uptime_s:.0f} s",
        connection_line(connection),
    ]
    if connection.login is not None:
        trading = "orders are passed on" if connection.trading else "ORDERS ARE NOT PASSED ON"
        lines.append(f"account {connection.login} at {connection.server}: {trading}")
    if status.server_key:
        lines.append(f"server key, for clients: {status.server_key}")
    lines.append(f"server clock: {offset_text(connection.clock, now_msc)}")
    lines.append(
        f"session: process {status.session_pid}, generation {connection.generation}, "
        f"last sign of progress {age(status.session_age_ms)}"
    )
    lines.append(f"conditions: {len(connection.conditions)}")
    lines += [f"  {condition_line(condition)}" for condition in connection.conditions]
    lines.append(f"links: {len(status.links)}")
    lines += [f"  {_link_line(link)}" for link in status.links]
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


def _link_line(link: LinkStatus) -> str:
    stands = {True: "up", False: "DOWN", None: "not known"}[link.up]
    return f"{link.link}: {stands}, last sign {age(link.age_ms)}{f', {link.detail}' if link.detail else ''}"


def event_line(event: events.Item) -> str:
    """One event as one line."""
    match event:
        case events.Ticks() | events.Bars() | events.BookUpdate():
            return f"{event.topic} #{event.sequence} {_market_text(event)}"
        case events.Connection():
            return f"connection #{event.sequence} {connection_line(event.connection)}"
        case events.Gap():
            return f"GAP {event.topic}: {event.missing if event.missing is not None else 'unknown'} events missing ({event.reason})"
        case events.OpenTrades():
            return f"trade #{event.sequence} open: {len(event.open.positions)} positions, {len(event.open.orders)} pending orders"
        case events.LogLine():
            return f"log #{event.sequence} {event.record.level}: {event.record.message}"
        case _:
            told = event_object(event)
            return f"{told.pop('topic')} #{told.pop('sequence', '-')} {told}"


def _market_text(event: events.Ticks | events.Bars | events.BookUpdate) -> str:
    if isinstance(event, events.BookUpdate):
        return _book_text(event.book.levels)
    if isinstance(event, events.Ticks):
        tick = event.last
        return f"{clock(tick.time_msc)} bid {tick.bid} ask {tick.ask} ({len(event)} ticks)"
    bar = event.last
    return f"{clock(bar.time * 1000)} open {bar.open} high {bar.high} low {bar.low} close {bar.close} volume {bar.tick_volume}"


def _book_text(levels: tuple[BookLevel, ...]) -> str:
    """The best prices with their volumes in lots, and how many levels there are on each side."""
    asks = [level for level in levels if level.type == _SELL]
    bids = [level for level in levels if level.type == _BUY]
    bid = max(bids, key=lambda level: level.price, default=None)
    ask = min(asks, key=lambda level: level.price, default=None)
    best = [f"{word} -" if at is None else f"{word} {at.price} x {at.volume_dbl:g}" for word, at in (("bid", bid), ("ask", ask))]
    return f"{' '.join(best)} ({len(bids)} bids, {len(asks)} asks)"


def event_object(event: events.Item) -> dict[str, Any]:
    """One event as plain types: the envelope, and the records as lists of fields."""
    if isinstance(event, events.Gap):
        names = ("topic", "epoch", "reason", "from_sequence", "to_sequence", "missing")
        return {"gap": True} | {name: getattr(event, name) for name in names}
    if isinstance(event, events.Ticks | events.Bars):
        return _envelope(event, event.topic) | {"records": [record._asdict() for record in event]}
    if isinstance(event, events.Stale | events.Fresh):
        told = ("age_s", "expected_s") if isinstance(event, events.Stale) else ("silent_s",)
        return _envelope(event, event.topic) | {name: getattr(event, name) for name in told}
    if isinstance(event, events.Other):
        return _envelope(event, event.topic) | {"body": event.body}
    if isinstance(event, events.BookUpdate):
        return _envelope(event, event.topic) | {"levels": [level._asdict() for level in event.book.levels]}
    topic, body = _STATES[type(event)]
    return _envelope(event, topic) | plain_body(getattr(event, body))  # type: ignore[no-any-return]


_STATES: dict[type[events.Item], tuple[str, str]] = {
    events.Connection: ("connection", "connection"),
    events.OpenTrades: ("trade", "open"),
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
