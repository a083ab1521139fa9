"""What the terminal refuses to tell a stream: said once, until it is over, and tried again each second."""

from __future__ import annotations

from bridge.replies import LogRecord
from bridge.session.failures import NOT_FOUND
from bridge.session.looks import Watch
from bridge.session.quotes import Event
from bridge.terminal import TerminalError

FAILURE_WAIT_S = 1.0


class Troubles:
    """Which of those that ask the terminal failed last, and which symbols it does not have any more. What asks is known here by
    itself, its topic and, where it has one, its symbol."""

    def __init__(self) -> None:
        self._failing: set[object] = set()
        self._gone: set[str] = set()

    def gone(self) -> list[str]:
        """The symbols, of those streamed, that the terminal does not have any more."""
        return sorted(self._gone)

    def forget(self, poller: object) -> None:
        """It does not ask any more."""
        self._failing.discard(poller)
        if isinstance(poller, Watch):
            self._gone.discard(poller.symbol)

    def over(self, poller: object) -> list[Event]:
        """It was answered."""
        if not self._failing:
            return []
        self._failing.discard(poller)
        if not isinstance(poller, Watch) or poller.symbol not in self._gone:
            return []
        self._gone.discard(poller.symbol)
        return _told(f"the symbol {poller.symbol} is there again", poller.topic)

    def failed(self, poller: object, topic: str, error: TerminalError) -> list[Event]:
        """It was not."""
        if isinstance(poller, Watch) and error.code == NOT_FOUND and poller.symbol not in self._gone:
            self._failing.add(poller)
            self._gone.add(poller.symbol)
            why = "the broker renamed or removed it; its streams wait for it"
            return _told(f"the symbol {poller.symbol} is not there any more: {why}", topic)
        if poller in self._failing or getattr(poller, "symbol", None) in self._gone:
            return []
        self._failing.add(poller)
        return _told(f"{topic}: {error}; trying again each second", topic)


def _told(message: str, topic: str) -> list[Event]:
    return [("log", 0, LogRecord("warning", message, topic))]
