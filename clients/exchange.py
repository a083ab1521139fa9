"""The calls of one client: which frames go out next, and which answers are still to come. No I/O."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, TypeVar

from bridge.codec import decode_result
from bridge.errors import BridgeError, InvalidParameters, MalformedMessage
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
        self._finished: OrderedDict[str, bool] = OrderedDict()  # id: whether it was answered
        self._outgoing: deque[Call[Any]] = deque()

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
    ) -> Call[R]:
        """Queue a request, with `first` before everything else that waits. Raises `InvalidParameters` for one that cannot
        travel."""
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
        self._finished.pop(call_id, None)
        self._calls[call_id] = call
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

    def answered(self, call_id: str) -> Call[Any] | None:
        """The call that a reply belongs to; it does not wait any more."""
        call = self._calls.pop(call_id, None)
        if call is None:
            answered = self._finished.get(call_id)
            if answered is None:
                self.unknown += 1
            elif answered:
                self.duplicate += 1
            else:
                self.late += 1
        else:
            self._finish(call_id, answered=True)
        return call

    def settle(self, call: Call[Any], reply: ReplyMessage) -> None:
        """Give a call its reply."""
        try:
            result = decode_result(call.request.method, reply)
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

    def _finish(self, call_id: str, *, answered: bool) -> None:
        self._finished[call_id] = answered
        if len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)

    def end(self, call: Call[Any], error: BridgeError) -> None:
        """Give up a call that was not answered."""
        del self._calls[call.id]
        self._finish(call.id, answered=False)
        call.fail(error)

    def next_deadline(self) -> float | None:
        """When the next call has waited for long enough."""
        return min((call.deadline_s for call in self._calls.values()), default=None)

    def on_time(self, now: float) -> None:
        """Give up those that have."""
        for call in [call for call in self._calls.values() if call.deadline_s <= now]:
            self.end(call, silence(call, self._endpoint))
