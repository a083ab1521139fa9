"""The requests that the gateway answers by itself, without its session: a literal table from method to function. No I/O.

Part of the gateway, kept apart because it is a subject of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge import codec
from bridge.connection import State
from bridge.errors import InvalidParameters
from bridge.messages import (
    GetConnectionHistory,
    GetLimits,
    GetReplay,
    GetStatus,
    GetTick,
    Goodbye,
    Halt,
    Hello,
    Ping,
    Reconnect,
    Request,
    RequestMessage,
    Resume,
)
from bridge.overview import overview
from bridge.replies import (
    ConnectionHistory,
    ConnectionState,
    LastTick,
    LimitsInForce,
    Pong,
    Replayed,
    Status,
    TradingState,
    Welcome,
)
from bridge.ring import cut, first_since
from bridge.topics import Stream

if TYPE_CHECKING:
    from bridge.gateway import Gateway, GatewaySettings
    from bridge.supervision import Supervision


class Reception:
    """Answers at once, whatever the session does. `started` is when the bridge started, in monotonic seconds."""

    def __init__(self, gateway: Gateway, supervision: Supervision, settings: GatewaySettings, started: float) -> None:
        self._gateway = gateway
        self._supervision = supervision
        self._settings = settings
        self._started = started
        self._answers: dict[str, Callable[[Any, RequestMessage, float], Any]] = {
            "hello": self._hello,
            "goodbye": self._goodbye,
            "ping": self._ping,
            "status": self._status,
            "connection_history": self._history,
            "reconnect": self._reconnect,
            "replay": self._replay,
            "halt": self._halt,
            "resume": self._resume,
            "limits": self._limits,
        }

    def answer(self, request: Request[Any], message: RequestMessage, now: float) -> bytes | None:
        """The packed answer; None when the session has to be asked. Raises `BridgeError`."""
        answer = self._answers.get(message.method)
        return None if answer is None else codec.pack(answer(request, message, now))

    def known(self, request: Request[Any], now: float) -> bytes | None:
        """The last tick from its stream, when that is live and it is known when the terminal was last asked for the symbol, at the
        latest."""
        if not isinstance(request, GetTick) or request.fresh or self._gateway.connection.state is not State.CONNECTED:
            return None
        topic = self._gateway.topics.find(f"tick:{request.symbol}\0")
        if topic is None or topic.stream is not Stream.LIVE or not topic.body:
            return None
        asked_s = self._supervision.watch.asked_s
        if topic.published_s is not None and (asked_s is None or asked_s < topic.published_s):
            asked_s = topic.published_s
        if asked_s is None:
            return None
        return codec.pack(LastTick(topic.newest(), round((now - asked_s) * 1000), "stream"))

    def _hello(self, request: Hello, message: RequestMessage, now: float) -> Welcome:
        if ":" in request.client_id:
            raise InvalidParameters(
                "a client id has no colon", next_step="make another id: its topics are client:ID and client:ID:N", field="client_id"
            )
        self._gateway.peers.hello(request, now)
        settings = self._settings
        return Welcome(settings.software, settings.events, round(settings.heartbeat_s * 1000), self._gateway.connection.now)

    def _goodbye(self, request: Goodbye, message: RequestMessage, now: float) -> None:
        self._gateway.peers.goodbye(message.client)

    def _ping(self, request: Ping, message: RequestMessage, now: float) -> Pong:
        return Pong(self._gateway.connection.state.value, self._supervision.watch.age_ms(now))

    def _status(self, request: GetStatus, message: RequestMessage, now: float) -> Status:
        peer = self._gateway.peers.find(message.client, now)
        told = overview(self._gateway, self._supervision, self._settings.software, now - self._started, peer, now)
        return replace(told, server_key=self._settings.server_key)

    def _history(self, request: GetConnectionHistory, message: RequestMessage, now: float) -> ConnectionHistory:
        return ConnectionHistory(tuple(self._gateway.connection.history)[-request.count :])

    def _replay(self, request: GetReplay, message: RequestMessage, now: float) -> Replayed:
        topic = self._gateway.topics.find(request.topic + "\0")
        if topic is None or topic.pool is None:
            raise InvalidParameters(
                f"nothing was published on {request.topic!r}", next_step="subscribe it first", field="topic", value=request.topic
            )
        newest = topic.sequence
        first = request.from_sequence
        if request.since_us is not None:
            first = max(first, first_since(topic.frames, newest, request.since_us))
        last = newest if request.to_sequence is None else min(request.to_sequence, newest)
        if request.to_sequence is not None and request.to_sequence < request.from_sequence:
            raise InvalidParameters("to_sequence comes before from_sequence", field="to_sequence", value=request.to_sequence)
        found, events = cut(topic.frames, newest, first, last)
        return Replayed(topic.name, found, max(0, min(found, last + 1) - first), newest, events)

    def _reconnect(self, request: Reconnect, message: RequestMessage, now: float) -> ConnectionState:
        peer = self._gateway.peers.find(message.client, now)
        return self._gateway.reconnect(f"{peer.name if peer else 'a client'} asked the bridge to attach anew", now)

    def _halt(self, request: Halt, message: RequestMessage, now: float) -> TradingState:
        return self._gateway.dealing.halt(message, request.reason, self._name(message, now), now)

    def _resume(self, request: Resume, message: RequestMessage, now: float) -> TradingState:
        return self._gateway.dealing.resume(message, self._name(message, now), now)

    def _limits(self, request: GetLimits, message: RequestMessage, now: float) -> LimitsInForce:
        return self._gateway.dealing.rules.in_force(self._name(message, now) if request.name is None else request.name, now)

    def _name(self, message: RequestMessage, now: float) -> str:
        """What the client that asks calls itself; empty when it did not say."""
        peer = self._gateway.peers.find(message.client, now)
        return "" if peer is None else peer.name
