"""The reply to `status`: everything that the gateway knows of itself, and each link on the way with its evidence. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.connection import State
from bridge.peers import Peer
from bridge.replies import LinkStatus, Status, TopicStatus

if TYPE_CHECKING:
    from bridge.gateway import Gateway
    from bridge.supervision import Supervision


def overview(gateway: Gateway, supervision: Supervision, software: str, uptime_s: float, peer: Peer | None, now: float) -> Status:
    """`peer` is the client that asks, where it is known."""
    connection, watch = gateway.connection, supervision.watch
    conditions = supervision.standing.conditions.now
    topics = tuple(
        TopicStatus(topic.name if topic.exact else f"{topic.name}*", topic.sequence, topic.subscribers, topic.stream.value)
        for topic in gateway.topics
        if topic.subscribers and not topic.name.startswith("client:")
    )
    trading = all(condition.stops == "nothing" for condition in conditions)
    return Status(
        software=software,
        healthy=connection.state is State.CONNECTED and trading and not watch.overdue(now),
        uptime_s=round(uptime_s, 3),
        connection=replace(connection.now, clock=supervision.standing.offset(now)),
        session_age_ms=watch.age_ms(now) if watch.running else None,
        session_pid=supervision.session_pid,
        clients=tuple(peer.status(now) for peer in gateway.peers),
        topics=topics,
        counters=dict(gateway.counters),
        links=links(supervision, peer, now),
        trading=gateway.dealing.rules.halt.state,
    )


def links(supervision: Supervision, peer: Peer | None, now: float) -> tuple[LinkStatus, ...]:
    """From the trade server to the client that asks; `age_ms` is that of the evidence."""
    watch, standing = supervision.watch, supervision.standing
    health, running = standing.health, watch.running
    overdue = watch.overdue(now)
    seen_ms = None if standing.health_s is None else round((now - standing.health_s) * 1000)
    broker = LinkStatus("broker_terminal", None, seen_ms, "not known: the terminal cannot be asked")
    if health is not None:
        told = f"{health.standing.server}, ping {health.ping_us / 1000:.0f} ms" if health.connected else "the terminal is offline"
        broker = LinkStatus("broker_terminal", health.connected, seen_ms, told)
    age_ms = watch.age_ms(now) if running else None
    pid = f"process {supervision.session_pid}, generation {watch.generation}"
    return (
        broker,
        LinkStatus("terminal_session", health is not None and not overdue, seen_ms, "real calls" if health else "not attached"),
        LinkStatus("session_gateway", running and watch.ready and not overdue, age_ms, pid if running else "no session runs"),
        LinkStatus(
            "gateway_client",
            None if peer is None else True,
            None if peer is None else max(0, round((now - peer.seen_s) * 1000)),
            "the asking client did not say hello"
            if peer is None
            else peer.name + ("" if peer.subscribed else ", without event connection"),
        ),
    )
