"""A feed over a terminal in memory, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge.session.feed import Feed
from bridge.terminal import Terminal
from tests.fake_terminal import FakeTerminal, rows


class Run:
    """A feed and the time; `server` lets a terminal's own clock follow."""

    def __init__(self, terminal: Terminal, server: Callable[[float], None] = lambda seconds: None) -> None:
        self.terminal = terminal
        self.feed = Feed(terminal)
        self.now = 100.0
        self.polls = 0
        self._server = server

    def start(self, topic: str, resume: bytes | None = None) -> bytes | None:
        return self.feed.start(topic, self.now, resume)

    def pass_time(self, seconds: float = 1.0) -> list[tuple[str, int, Any]]:
        """The events until then. Each poll makes at most one call."""
        end = self.now + seconds
        events = []
        while self.feed.next_deadline() <= end:
            self._move(max(self.now, self.feed.next_deadline()))
            before = self._calls()
            events += self.feed.poll(self.now)
            assert self._calls() <= before + 1
            self.polls += 1
            assert self.polls < 100_000
        self._move(end)
        return events

    def _move(self, to: float) -> None:
        if to > self.now:
            self._server(to - self.now)
            self.now = to

    def _calls(self) -> int:
        return len(self.terminal.calls) if isinstance(self.terminal, FakeTerminal) else 0

    def records(self, seconds: float = 1.0, flags: int = 0) -> list[bytes]:
        found = []
        for _, flagged, body in self.pass_time(seconds):
            assert flagged == flags
            found += rows(body)
        return found
