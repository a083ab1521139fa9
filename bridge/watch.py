"""The watch over the session: when to start one, when it has been silent for too long, when to try again. No I/O, no clock.

A terminal call holds the whole session for as long as it takes, so silence is the only sign of a hang. The session tells of
progress at least once a second, and announces calls that may rightly take long; beyond that the gateway has it killed and
replaced.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Seconds. `silence_s` is well above the longest ordinary read, and below what a trader waits for.

    An attempt to attach costs little, a new session process more: the pauses between them grow to `last_attempt_s` and to
    `last_start_s`. What holds for `settled_s` ends the row. Sessions are replaced at most `restarts_per_hour` times in an hour.
    """

    silence_s: float = 5.0
    start_s: float = 30.0
    stop_s: float = 2.0
    first_retry_s: float = 0.1
    last_attempt_s: float = 3.0
    last_start_s: float = 30.0
    settled_s: float = 1.0
    restarts_per_hour: int = 30


HOUR_S = 3600.0


class Watch:
    """One generation after the other: `start_at_s` is when a session should be started, `attempt_at_s` when it should be told to
    attach, `asked_s` up to when every stream's newest state is surely known; `ending` says that the session was told to end."""

    def __init__(self, settings: WatchSettings, random: Random) -> None:
        self._settings = settings
        self._random = random
        self.generation = 0
        self.running = False
        self.ready = False
        self.progress_s: float | None = None
        self.asked_s: float | None = None
        self.attempt = 0
        self._starts = 0
        self.start_at_s: float | None = None
        self.attempt_at_s: float | None = None
        self._silent_at_s: float | None = None
        self._attached_s: float | None = None
        self._checked_s: float | None = None
        self.ending = False
        self._replaced: deque[float] = deque()

    def started(self, now: float) -> int:
        """A session is being started; its generation."""
        self.generation += 1
        self.running, self.ready, self.ending = True, False, False
        self.start_at_s = self.attempt_at_s = None
        self._silent_at_s = now + self._settings.start_s
        return self.generation

    def progressed(self, now: float, limit_s: float | None = None) -> None:
        """The session said something; it may now be silent for `limit_s`. One that was told to end gains no time by it."""
        self.progress_s = now
        if not self.ending:
            self._silent_at_s = now + (limit_s or self._settings.silence_s)

    def attached(self, now: float) -> None:
        """The terminal answers."""
        self._attached_s = now
        self.asked_s = self._checked_s = None

    def checked(self, now: float) -> None:
        """A regular check of the terminal. Between two of them every stream had its turn, which is not sure since the last one."""
        self.asked_s, self._checked_s = self._checked_s, now

    def lost(self, now: float, every_s: float | None = None) -> float:
        """The terminal or the session went: when to try again. Short at first, longer while nothing holds; `every_s` where it is
        only a matter of waiting."""
        if self._attached_s is not None and now - self._attached_s >= self._settings.settled_s:
            self.attempt = self._starts = 0
        self._attached_s = None
        settings = self._settings
        # A terminal that was away for long is no reason to wait long for a new session.
        failures, longest_s = (self.attempt, settings.last_attempt_s) if self.running else (self._starts, settings.last_start_s)
        delay_s = min(settings.first_retry_s * 2.0 ** min(failures, 100), longest_s) if every_s is None else every_s
        self.attempt += 1
        self._starts += not self.running
        again_s = now + delay_s * self._random.uniform(0.8, 1.2)
        if self.running:
            self.attempt_at_s = again_s
        else:
            self.start_at_s = again_s
        return again_s

    def suspended_until(self, now: float) -> float | None:
        """Count one more session that has to be replaced; when that may be done, if it was done too often within the hour."""
        while self._replaced and now - self._replaced[0] >= HOUR_S:
            self._replaced.popleft()
        if len(self._replaced) >= self._settings.restarts_per_hour:
            return (self._replaced[0] if self._replaced else now) + HOUR_S
        self._replaced.append(now)
        return None

    def forget_restarts(self) -> None:
        """Somebody looked into it: the count begins anew."""
        self._replaced.clear()

    def resume_at(self, at_s: float) -> None:
        """Start the next session then, as if it were the first."""
        self.attempt = self._starts = 0
        self._attached_s = None
        self.start_at_s = at_s

    def ended(self) -> None:
        """The session's process is gone."""
        self.running = self.ready = self.ending = False
        self._silent_at_s = self.attempt_at_s = None

    def stopping(self, now: float) -> None:
        """The session was told to end; it may take a moment."""
        self.start_at_s = self.attempt_at_s = None
        if self.running and not self.ending:  # who is told so again has no longer for it
            self._silent_at_s = now + self._settings.stop_s
        self.ending = True

    def overdue(self, now: float) -> bool:
        """Whether the session has been silent for too long."""
        return self._silent_at_s is not None and now >= self._silent_at_s

    def age_ms(self, now: float) -> int | None:
        """Age of the last sign of progress."""
        return None if self.progress_s is None else max(0, round((now - self.progress_s) * 1000))

    def next_deadline(self) -> float | None:
        """When something falls due."""
        return min((at for at in (self.start_at_s, self.attempt_at_s, self._silent_at_s) if at is not None), default=None)
