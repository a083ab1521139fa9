"""One request on its way, and what its silence means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from bridge.codec import MAX_REQUEST_BYTES, encode_request
from bridge.errors import BridgeError, BridgeUnreachable, InvalidParameters, OutcomeUnknown, TimedOut
from bridge.messages import Request, SendOrder

R = TypeVar("R")

DEADLINE_SHARE = 0.9
"""Part of a call's time after which the bridge must not begin it any more; the rest is left for the refusal to come back, so that a
late order is known to be refused instead of being of unknown outcome."""


class Call(Generic[R]):
    """A request, its id, and later its result or its error. `deadline_s` is on the session's clock, `deadline_msc` on the
    bridge's."""

    __slots__ = ("_error", "_result", "deadline_s", "done", "frame", "id", "on_done", "request", "sent_s", "timeout_s", "views")

    def __init__(
        self,
        request: Request[R],
        call_id: str,
        *,
        deadline_s: float,
        timeout_s: float,
        deadline_msc: int | None,
        client_id: str,
        on_done: Callable[[Call[R]], None] | None = None,
    ) -> None:
        """Raises `InvalidParameters` for a request that cannot travel."""
        self.request = request
        self.id = call_id
        self.deadline_s = deadline_s
        self.timeout_s = timeout_s
        self.sent_s: float | None = None
        self.done = False
        self.views = False
        self.on_done = on_done
        self._result: Any = None
        self._error: BridgeError | None = None
        try:
            self.frame = encode_request(request, call_id, deadline_msc, client_id)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidParameters(f"{request.method}: {error}", method=request.method) from None
        if len(self.frame) > MAX_REQUEST_BYTES:
            raise InvalidParameters(
                f"{request.method}: the request has {len(self.frame)} bytes, at most {MAX_REQUEST_BYTES} are allowed",
                method=request.method,
            )

    @property
    def is_order(self) -> bool:
        """Whether silence leaves open what happened."""
        return isinstance(self.request, SendOrder)

    @property
    def error(self) -> BridgeError | None:
        """Why it failed, if it did."""
        return self._error

    def succeed(self, result: R) -> None:
        """The reply came."""
        self._result = result
        self._finish()

    def fail(self, error: BridgeError) -> None:
        """It failed, or no reply came."""
        self._error = error
        self._finish()

    def _finish(self) -> None:
        self.done = True
        if self.on_done is not None:
            self.on_done(self)

    def result(self) -> R:
        """The result of a call that is done. Raises its error."""
        if self._error is not None:
            raise self._error
        return cast(R, self._result)


def silence(call: Call[Any], endpoint: str) -> BridgeError:
    """The error of a call whose time is over without a reply."""
    if call.sent_s is None:
        return unreachable(endpoint, call.timeout_s, call.id)
    if call.is_order:
        return unknown_outcome(call, f"no answer within {call.timeout_s:g} s")
    return TimedOut(
        f"{call.request.method}: no answer within {call.timeout_s:g} s",
        next_step="ask again, with a longer timeout_s if the terminal is slow",
        request_id=call.id,
    )


def unreachable(endpoint: str, timeout_s: float, request_id: str | None = None) -> BridgeUnreachable:
    """Nothing was sent, because nobody answers there."""
    return BridgeUnreachable(
        f"no bridge answers at {endpoint} within {timeout_s:g} s",
        next_step="start one with `mt5bridge serve`, or give its address: Client('tcp://HOST:PORT') or MT5BRIDGE_ENDPOINT",
        request_id=request_id,
        endpoint=endpoint,
    )


def unknown_outcome(call: Call[Any], why: str) -> OutcomeUnknown:
    """An order left this program and nothing certain came back."""
    trade = call.request.request if isinstance(call.request, SendOrder) else None
    return OutcomeUnknown(
        f"order {call.id}: {why}; it may or may not have been executed",
        next_step=f"look at positions(), orders() and deals() before sending another, or ask with order(…, request_id='{call.id}')",
        request_id=call.id,
        symbol=trade.symbol if trade else "",
        volume=trade.volume if trade else 0.0,
        magic=trade.magic if trade else 0,
    )
