"""The stream of one symbol's ticks: its tick history, read whenever its last tick has changed."""

from __future__ import annotations

from collections import deque
from itertools import groupby
from math import inf
from typing import Any, Protocol

from bridge.messages import BACKFILLED, LATE
from bridge.session.repeat import STEP_S, Repeat
from bridge.session.suspect import Found, Suspects, of_ticks
from bridge.session.tail import BATCH, Tail, batches, rows_of
from bridge.terminal import Terminal
from bridge.ticks import RECORD_BYTES, TICK_STRUCT, Tick, last_tick

Event = tuple[str, int, Any]
"""Topic, flags and body of an event: packed records, or a message."""

REREAD_S = 5.0
"""The history is read this often even if the last tick seems unchanged."""
SOON_S = 0.005
LATER_S = 1.0
"""Bounds of the waits while the history does not have yet what the last tick shows."""
CATCH_UP_S = 1.0
"""For this long after the session is back, what comes counts as found afterwards: the terminal itself is catching up."""
LOOK_BACK_S = 60
"""A symbol that had no tick: this long before its first one, ticks may already be in the history."""
REVIEW_BACK_S = 60
"""A review reads at least this much of server time again."""
FAR_S = 600
"""Ticks so much older than the newest one are perhaps not in the terminal's memory."""
REVIEW_MARKS = 5
"""A review reads again what was delivered since so many reviews ago: before an outage, too, for that long after it."""


class Stream(Protocol):
    """Something that asks the terminal from time to time. `poll` makes exactly one call to the terminal."""

    due: float
    """When to poll next, on the clock that is given to `poll`."""
    slow: bool
    """The next poll may take long: the terminal may have to download history."""
    settled: bool
    """The first state is known."""

    @property
    def topic(self) -> str:
        """The topic of its events."""

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Ask; the events that follow."""

    def quote(self, tick: Tick, now: float) -> None:
        """The symbol's last tick has changed."""

    def body(self) -> bytes | None:
        """The newest state, or `None` while there is none."""

    def without_history(self) -> None:
        """The terminal could not give the first state; go on without."""

    def restore(self, now: float) -> None:
        """The session was lost and is back: catch up."""


class TickStream:
    """Every tick of a symbol, each once, from the terminal's tick history.

    The first answer of the history sets the starting point: its rows count as delivered and the last one is the first state. With
    `resume`, the last records that an earlier session delivered, the starting point is behind those of their newest second; what
    comes before that second is only remembered, see `Tail`.
    """

    def __init__(self, symbol: str, resume: bytes | None = None, suspects: Suspects | None = None) -> None:
        self.topic = f"tick:{symbol}"
        self.symbol = symbol
        self.due = inf
        self.slow = True
        self.settled = False
        self._hint: Tick | None = None
        self._tail: Tail | None = None
        self._last: bytes | None = None
        self._count = 0
        self._resume: bytes | None
        self._resume, self._past = (None, b"") if resume is None else _newest_second(resume)
        self._suspects = suspects or Suspects()
        self._before: bytes | None = None
        self._lacking = 0
        self._quotes = 0
        self._ahead_at = self._quoted_at = self._earliest = -inf
        self._repeat: Repeat | None = None
        self._marks: deque[int] = deque(maxlen=REVIEW_MARKS)
        self._live_at = -inf if resume is None else inf
        self._wait_s = SOON_S

    def quote(self, tick: Tick, now: float) -> None:
        """There is something to read, unless the symbol was never quoted."""
        self._hint = tick
        self._quotes += 1
        self._quoted_at = now
        if self._tail is None or not self._steps_back(tick, self._tail):
            self._ahead_at = now
        self._wait_s = SOON_S
        if tick.time_msc or self._tail is not None:
            self.due = min(self.due, max(now, self._earliest))
        else:
            self.settled = True

    def poll(self, terminal: Terminal, now: float) -> list[Event]:
        """Read the history once."""
        hint = self._hint
        assert hint is not None, "due only after a quote"
        if self._tail is None and self.settled and self._resume is None:
            self._tail = Tail(hint.time - LOOK_BACK_S)
        if self._tail is None:
            self._begin(terminal, hint, now)
            return []
        tail = self._tail
        if self._repeat is None and self._quotes > 1 and self._steps_back(hint, tail):
            self._repeat = Repeat(tail, hint, now - self._ahead_at)
        if self._repeat is not None and not self._repeat.over:
            return self._read_again(self._repeat, tail, terminal, hint, now)
        self._repeat = None
        from_s, count = tail.question(hint.time)
        answer = terminal.ticks_from(self.symbol, from_s, count)
        late, new = tail.take(from_s, answer)
        if late or new:
            self._last = (new or late)[-RECORD_BYTES:]
        flags = BACKFILLED if now < self._live_at else 0
        short = ("short",) if new and tail.lacking > self._lacking else ()
        self._lacking = tail.lacking
        events = self._events(late, LATE, now) + self._events(new, flags, now, short)
        if len(answer) >= count * RECORD_BYTES:
            self.due = now
            return events
        self.slow = False
        if hint.time_msc > tail.newest_msc:
            # The history lags behind the last tick.
            self.due = now + self._wait_s
            self._wait_s = min(2 * self._wait_s, LATER_S)
        else:
            self._live_at = min(self._live_at, now + CATCH_UP_S)
            self.due = now + REREAD_S
        return events

    def _events(self, rows: bytes, flags: int, now: float, known: tuple[str, ...] = (), *, every: bool = False) -> list[Event]:
        """Rows as events, marked where something is wrong with them, or is `known` to be: with one of them, or with every one."""
        late = bool(flags & LATE)
        events: list[Event] = []
        for part in batches(rows):
            found = of_ticks(part, None if late else self._before).also(*known)
            if every:
                found = Found(len(part) // RECORD_BYTES, found.kinds)
            events += self._suspects.event(self.topic, flags, part, found, now)
            if not late:
                self._before = part[-RECORD_BYTES:]
        return events

    # ---- a time that comes twice -------------------------------------------------------------------------------------------------

    def _steps_back(self, hint: Tick, tail: Tail) -> bool:
        """Whether the last tick is of a time before all that is remembered, or much older than the newest one: the server's clock
        stepped back. The first look after an outage does not count, for a terminal may begin with an old tick."""
        return bool(hint.time_msc) and hint.time < max(tail.floor_s, tail.second - STEP_S)

    def _read_again(self, repeat: Repeat, tail: Tail, terminal: Terminal, hint: Tick, now: float) -> list[Event]:
        """Read the history once. All that is new is marked, for its time was there before."""
        if hint.time < repeat.second - STEP_S:
            repeat = self._repeat = Repeat(tail, hint, STEP_S)  # once more
        from_s, count = repeat.question()
        new = repeat.take(from_s, terminal.ticks_from(self.symbol, from_s, count), hint, self._quoted_at, now)
        if new is None:
            self.due = now
            return []
        self.slow = False
        lacks = repeat.lacks(hint)
        if lacks:
            new.append(TICK_STRUCT.pack(*hint))
            self.due = now + max(self._wait_s, repeat.pause_s)
            self._wait_s = min(2 * self._wait_s, LATER_S)
        else:
            self._live_at = min(self._live_at, now + CATCH_UP_S)
            self.due = now + REREAD_S
        self._earliest = now + repeat.pause_s
        flags = BACKFILLED if now < self._live_at else 0
        events: list[Event] = []
        for marked, rows in groupby(new, repeat.marked):
            packed = b"".join(rows)
            self._last = packed[-RECORD_BYTES:]
            events += self._events(packed, flags, now, ("backwards",) if marked else (), every=marked)
        return events

    # ---- older seconds -----------------------------------------------------------------------------------------------------------

    @property
    def reviews_far(self) -> bool:
        """Whether the next review reaches back over a time without ticks, which the terminal may have to download first."""
        return self._tail is not None and bool(self._marks) and self._marks[0] < self._tail.second - FAR_S

    def review(self, terminal: Terminal, now: float) -> list[Event]:
        """Read again what was delivered since the review before the last few, however long ago that was: so the time before an
        outage is read again, too. One call to the terminal at most."""
        tail = self._tail
        if tail is None or self.slow or self._repeat is not None:
            return []  # it has to catch up first
        mark_s = self._marks[0] if self._marks else tail.floor_s
        question = tail.review_question(min(mark_s, tail.second - REVIEW_BACK_S))
        answer = b"" if question is None else terminal.ticks_from(self.symbol, *question)
        self._marks.append(tail.second)
        return self._events(tail.review(answer), LATE, now)

    # ---- start and restart -------------------------------------------------------------------------------------------------------

    def _begin(self, terminal: Terminal, hint: Tick, now: float) -> None:
        self._count = max(BATCH, 2 * self._count)
        resume = self._resume
        from_s = hint.time if resume is None else last_tick(resume).time
        answer = terminal.ticks_from(self.symbol, from_s, self._count)
        found = -1 if resume is None else _place(resume, answer)
        if resume is not None and found >= 0:
            self._tail = Tail(from_s, answer[:found], past=self._past)
            self._last = self._before = resume[-RECORD_BYTES:]
        elif not answer:
            self.without_history()
        elif len(answer) < self._count * RECORD_BYTES:
            if resume is None:
                self._tail = Tail(from_s, answer)
                self._last = self._before = answer[-RECORD_BYTES:]
                self.slow = False
            else:
                self.without_history()
        self.settled = self._tail is not None
        self.due = now + REREAD_S if self.settled and resume is None else now

    def body(self) -> bytes | None:
        """The delivered records of the newest second; at least the last one."""
        rows = b"" if self._tail is None else self._tail.rows
        return rows if self._last is not None and rows.endswith(self._last) else self._last

    def without_history(self) -> None:
        """Begin after the last tick that the terminal shows."""
        hint = self._hint
        self.settled = True
        if self._tail is not None:
            return
        if self._resume is not None:
            last = last_tick(self._resume)
            self._tail = Tail(last.time, before_msc=last.time_msc)
            self._last = self._resume[-RECORD_BYTES:]
        elif hint is not None and hint.time_msc:
            self._tail = Tail(hint.time, before_msc=hint.time_msc)
            self._last = TICK_STRUCT.pack(*hint)

    def restore(self, now: float) -> None:
        """What comes until the history is read to its end was found afterwards; the watch's first look makes it due."""
        self.slow = True
        self._live_at = inf
        self._quotes = 0
        self.due = inf


def _newest_second(resume: bytes) -> tuple[bytes, bytes]:
    """The delivered rows of the newest second, which come last, and those before them."""
    rows = rows_of(resume)
    second = last_tick(resume).time
    at = len(rows)
    while at and last_tick(rows[at - 1]).time == second:
        at -= 1
    return b"".join(rows[at:]), b"".join(row for row in rows[:at] if last_tick(row).time < second)


def _place(resume: bytes, answer: bytes) -> int:
    """Where the rows after the delivered ones begin, in bytes; -1 when they are not in the answer.

    The delivered rows of that second settle it, also where rows are equal; should the broker have inserted some meanwhile, the
    last row that equals the last delivered one does.
    """
    if answer.startswith(resume):
        return len(resume)
    record = resume[-RECORD_BYTES:]
    rows = rows_of(answer)
    return next((at * RECORD_BYTES for at in range(len(rows), 0, -1) if rows[at - 1] == record), -1)
