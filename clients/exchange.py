"""The calls of one client: which frames go out next, and which answers are still to come. No I/O."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, TypeVar

from bridge.codec import decode_result
from bridge.errors import BridgeError, InvalidParameters, MalformedMessage, WrongProtocol
from bridge.messages import ReplyMessage, Request
from clients.calls import Call, silence, unknown_outcome

R = TypeVar("R")

REMEMBERED = 1_000
"""Ids of finished calls that are kept, to tell a late reply from one that was never asked for."""


class Exchange:
    """What was asked. Counts replies that came `late`, twice (`duplicate`) or unasked (`unknown`), and `malformed` ones."""

    def __init__(self, endpoint: str, client_id: str, new_id: Callable[[], str]) -> None:
        """`endpoint` is named in errors; `new_id` makes ids that never repeat."""
        self.late = self.duplicate = self.unknown = self.malformed = 0
        self._endpoint = endpoint
        self._client_id = client_id
        self._new_id = new_id
        self._calls: dict[str, Call[Any]] = {}
        self._finished: OrderedDict[str, bool | None] = OrderedDict()  # id: whether it was answered, None if it need not be
        self._outgoing: deque[Call[Any]] = deque()
        self._soonest_s = math.inf  # no deadline is earlier

    def call(
        self,
        request: Request[R],
        now: float,
        timeout_s: float,
        deadline_msc: int | None,
        request_id: str | None,
        on_done: Callable[[Call[R]], None] | None,
        *,
        first: bool = False,
        views: bool = False,
    ) -> Call[R]:
        """Queue a request, with `first` before everything else that waits; `views` as for `bridge.codec.decode_result`. Raises
        `InvalidParameters` for one that cannot travel."""
        call_id = request_id or self._new_id()
        if call_id in self._calls:
            raise InvalidParameters(f"request {call_id} is still waiting for its answer", request_id=call_id)
        call = Call(
            request,
            call_id,
            deadline_s=now + timeout_s,
            timeout_s=timeout_s,
            deadline_msc=deadline_msc,
            client_id=self._client_id,
            on_done=on_done,
        )
        call.views = views
        self._finished.pop(call_id, None)
        self._calls[call_id] = call
        self._soonest_s = min(self._soonest_s, call.deadline_s)
        if first:
            self._outgoing.appendleft(call)
        else:
            self._outgoing.append(call)
        return call

    def next_outgoing(self) -> Call[Any] | None:
        """The next call whose frame is to be sent, if any."""
        while self._outgoing and self._outgoing[0].done:
            self._outgoing.popleft()
        return self._outgoing[0] if self._outgoing else None

    def sent(self, call: Call[Any], now: float) -> None:
        """The frame of the call that `next_outgoing` gave is on its way."""
        call.sent_s = now
        self._outgoing.popleft()

    def repeat_orders(self) -> None:
        """Another bridge answers now: orders that the former one did not answer are asked for again, with the same ids, which never
        sends one twice."""
        waiting = set(map(id, self._outgoing))
        self._outgoing += [call for call in self._calls.values() if call.is_order and id(call) not in waiting]

    def answered(self, call_id: str) -> Call[Any] | None:
        """The call that a reply belongs to; it does not wait any more."""
        call = self._calls.pop(call_id, None)
        if call is None:
            if call_id not in self._finished:
                self.unknown += 1
            elif (answered := self._finished[call_id]) is not None:
                self.duplicate += answered
                self.late += not answered
        else:
            self._finish(call_id, answered=True)
        return call

    def settle(self, call: Call[Any], reply: ReplyMessage) -> None:
        """Give a call its reply."""
        try:
            result = decode_result(call.request.method, reply, views=call.views)
        except MalformedMessage as error:
            if reply.error is None:
                self.malformed += 1
                call.fail(unknown_outcome(call, "its answer cannot be read") if call.is_order else error)
            else:
                call.fail(error)
        except BridgeError as error:
            call.fail(error)
        else:
            call.succeed(result)

    def _finish(self, call_id: str, *, answered: bool | None) -> None:
        self._finished[call_id] = answered
        if len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)

    def end(self, call: Call[Any], error: BridgeError) -> None:
        """Give up a call that was not answered."""
        del self._calls[call.id]
        self._finish(call.id, answered=False)
        call.fail(error)

    def refused(self, error: WrongProtocol) -> bool:
        """The answer is of another version, of which no more can be read than whose it is; whether that is a call which
        waits. What it says of an order nobody knows."""
        call = self._calls.get(error.request_id or "")
        if call is not None:
            self.end(call, unknown_outcome(call, f"its answer cannot be read: {error.message}") if call.is_order else error)
        return call is not None

    def forget(self, call: Call[Any]) -> None:
        """Nobody wants the answer of a call any more; it may come."""
        if self._calls.pop(call.id, None) is not None:
            self._finish(call.id, answered=None)
            call.done = True

    def next_deadline(self) -> float | None:
        """When the next call has waited for long enough."""
        return min((call.deadline_s for call in self._calls.values()), default=None)

    def on_time(self, now: float) -> None:
        """Give up those that have."""
        if now < self._soonest_s:
            return
        for call in [call for call in self._calls.values() if call.deadline_s <= now]:
            self.end(call, silence(call, self._endpoint))
        self._soonest_s = min((call.deadline_s for call in self._calls.values()), default=math.inf)
