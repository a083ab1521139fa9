"""Answers that several clients can share: the same history asked for by ten strategies costs the terminal one call. No I/O.

Requests for bars and ticks with the same parameters that come while the first is under way wait for its answer; for a short time
afterwards they get it as it was, with its age. What lies wholly in the past is kept longer. `fresh` asks the terminal in any case.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from bridge import codec
from bridge.messages import GetRates, GetTicks, Request, RequestMessage
from bridge.ticks import RECORD_BYTES, TIME_BYTES

SHORT_S = 0.5
"""Age up to which an answer that may have changed since is given again."""
LONG_S = 600.0
"""The same for history whose newest record is older than `PAST_S`: it only changes when the broker rewrites it."""
PAST_S = 86_400
LIMIT_BYTES = 32 << 20
_LAST_FIELD = codec.pack("age_ms")

HISTORIES = (GetRates, GetTicks)

Key = tuple[str, bytes]


@dataclass(slots=True)
class _Answer:
    """A packed `Records` whose age is 0, until when it may be given, and when the terminal gave it."""

    packed: bytes
    until_s: float
    asked_s: float


@dataclass(slots=True)
class Shared:
    """The answers, least recently used first."""

    limit_bytes: int = LIMIT_BYTES
    size: int = 0
    _answers: OrderedDict[Key, _Answer] = field(default_factory=OrderedDict)

    def key(self, request: Request[Any], message: RequestMessage) -> Key | None:
        """What makes two requests the same; None for those that nobody shares."""
        if not isinstance(request, HISTORIES) or request.fresh:
            return None
        return message.method, bytes(message.params)

    def known(self, key: Key, now: float) -> bytes | None:
        """The answer, if there is one that may still be given."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        if now > answer.until_s:
            self._forget(key)
            return None
        self._answers.move_to_end(key)
        return _aged(answer.packed, round((now - answer.asked_s) * 1000))

    def keep(self, key: Key, packed: bytes, asked_s: float, server_s: float | None) -> None:
        """Keep what the terminal answered; `server_s` is the trade server's time now, where it is known."""
        newest_s = _newest_s(packed)
        past = server_s is not None and newest_s is not None and newest_s < server_s - PAST_S
        self._forget(key)
        self._answers[key] = _Answer(packed, asked_s + (LONG_S if past else SHORT_S), asked_s)
        self.size += len(packed)
        while self.size > self.limit_bytes:
            self._forget(next(iter(self._answers)))

    def clear(self) -> None:
        """The session was lost, or another terminal answers now: nothing of it counts any more."""
        self._answers.clear()
        self.size = 0

    def _forget(self, key: Key) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            self.size -= len(answer.packed)


def _aged(packed: bytes, age_ms: int) -> bytes:
    """The age is the last field, and 0 is one byte: it is put in place without unpacking the records."""
    if age_ms == 0 or not packed.endswith(_LAST_FIELD + b"\0"):
        return packed
    return packed[:-1] + codec.pack(age_ms)


def _newest_s(packed: bytes) -> int | None:
    """The time of the last record, which stands before the last field."""
    end = len(packed) - len(_LAST_FIELD) - 1
    begin = end - RECORD_BYTES
    return int.from_bytes(packed[begin : begin + TIME_BYTES], "little", signed=True) if begin > 0 else None
