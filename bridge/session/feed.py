"""All streams over a terminal: which there are, whose turn it is, and what to do when the terminal refuses.

Time is an argument; nothing here sleeps. One `poll` makes at most one call to the terminal, so that an order never waits for more.
"""

from __future__ import annotations

from collections.abc import Generator
from math import inf

from bridge.messages import SUSPECT
from bridge.session.book import BookStream, Releases, opening, pace
from bridge.session.failures import NOT_FOUND, refusal
from bridge.session.families import make
from bridge.session.looks import Looks, Watch
from bridge.session.market_watch import MarketWatch
from bridge.session.owner import Owner
from bridge.session.quotes import Event, Stream, TickStream
from bridge.session.review import Review
from bridge.session.suspect import Suspects, of_state
from bridge.session.trades import TradeStream
from bridge.session.troubles import FAILURE_WAIT_S, Troubles
from bridge.session.turns import Turns
from bridge.terminal import Terminal, TerminalError

HISTORY_LIMIT_S = 90.0
"""How long the terminal may take for a symbol's first history (MQL5 CopyTicks: up to 45 s of download, and then the reading)."""

Begin = Generator[float, None, bytes | None]
"""The start of a stream: yields before each call to the terminal how long that call may rightly take (0: not long); returns the
newest state, packed."""


Poller = Stream | Watch | MarketWatch | Review | Releases


class Feed:
    """The streams that somebody wants."""

    def __init__(self, terminal: Terminal, owner: Owner | None = None) -> None:
        self._terminal = terminal
        self._owner = owner or Owner()
        self._streams: dict[str, Stream] = {}
        self._asked: set[str] = set()
        self._prefixes: set[str] = set()
        self._market_watch: MarketWatch | None = None
        self._review = Review()
        self._releases = Releases()
        self._suspects = Suspects()
        self._troubles = Troubles()
        self._looks = Looks()
        self._turns: Turns[Stream | MarketWatch | Review | Releases] = Turns()
        self._turns.add(self._review)
        self._turns.add(self._releases)
        self._later: list[Event] = []

    # ---- starting and stopping ---------------------------------------------------------------------------------------------------

    def start(self, topic: str, now: float, resume: bytes | None = None) -> bytes | None:
        """`begin`, run to its end."""
        steps = self.begin(topic, now, resume)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                body: bytes | None = end.value
                return body

    def begin(self, topic: str, now: float, resume: bytes | None = None) -> Begin:
        """Start a topic's stream, or return the state of the one that runs.

        `tick:` and `tick:PREFIX*` stream every symbol that Market Watch shows, or those whose names begin so; they have no state.
        `resume` is the last record that was delivered by an earlier session: ticks and bars after it come as found afterwards.
        What happened until the state was known is in `collect`.

        Raises `InvalidParameters` for what is no topic of a session, `UnknownTimeframe`, `UnknownSymbol`, `NotConnected`,
        `TerminalRefused`; the last three have the `TerminalError` as their cause.
        """
        if _is_prefix(topic):
            return self._begin_market_watch(topic, now)
        stream = self._streams.get(topic)
        symbol = None
        try:
            if stream is None:
                stream, symbol = make(topic, resume, self._owner, self._suspects)
                if symbol is not None:
                    yield 0.0
                    found = self._terminal.symbol(symbol)
                    yield 0.0
                    self._terminal.select(symbol)
                    if isinstance(stream, BookStream) and not self._releases.withdraw(symbol):
                        yield from opening(self._terminal, found)
                stream = self._streams.get(topic) or self._attach(topic, stream, symbol, now)
            self._asked.add(topic)
            while not stream.settled:
                poller = self._settler(stream)
                yield HISTORY_LIMIT_S if poller.slow else 0.0
                self._later += self._run(poller, now)
        except TerminalError as error:
            self.stop(topic)
            raise refusal(error, symbol) from error
        except GeneratorExit:
            self.stop(topic)
            raise
        return stream.body()

    def _attach(self, topic: str, stream: Stream, symbol: str | None, now: float) -> Stream:
        self._streams[topic] = stream
        if not isinstance(stream, TickStream):
            stream.due = now
        if symbol is not None and not isinstance(stream, BookStream):
            self._looks.follow(symbol, stream, now)
        self._turns.add(stream)
        self._arrange(stream)
        return stream

    def _settler(self, stream: Stream) -> Poller:
        """What to poll so that a stream settles: a stream of ticks has to be told of a last tick first."""
        watch = self._looks.watch(stream.symbol) if stream.due == inf and isinstance(stream, TickStream) else None
        return watch or stream

    def stop(self, topic: str) -> None:
        """Nobody wants the topic any more."""
        self._asked.discard(topic)
        if _is_prefix(topic):
            self._prefixes.discard(topic.rstrip("*"))
            if not self._prefixes and self._market_watch is not None:
                self._turns.discard(self._market_watch)
                self._market_watch = None
            for name in list(self._streams):
                self._drop_unwanted(name)
        elif topic in self._streams:
            self._drop_unwanted(topic)

    def _drop_unwanted(self, topic: str) -> None:
        if topic not in self._asked and not self._follows(topic):
            self._drop(topic)

    def _follows(self, name: str) -> bool:
        """Whether a topic belongs to a prefix that somebody wants."""
        return any(name.startswith(prefix) for prefix in self._prefixes)

    def _drop(self, topic: str) -> None:
        stream = self._streams.pop(topic)
        self._turns.discard(stream)
        self._troubles.forget(stream)
        symbol = getattr(stream, "symbol", None)
        watch = None if symbol is None else self._looks.leave(symbol, stream)
        if watch is not None:
            self._troubles.forget(watch)
        if isinstance(stream, TickStream):
            self._review.discard(stream)
        if isinstance(stream, BookStream) and stream.opened:
            self._releases.add(stream.symbol)
        self._arrange(stream)

    def _begin_market_watch(self, topic: str, now: float) -> bytes | None:
        self._prefixes.add(topic.rstrip("*"))
        if self._market_watch is None:
            self._market_watch = MarketWatch(now, self._shown)
            self._turns.add(self._market_watch)
        self._market_watch.due = now
        self._turns.changed((self._market_watch,))
        return None

    def _shown(self, names: set[str], now: float) -> None:
        """Market Watch was read: stream what it shows, and end what it does not show and nobody asked for."""
        for symbol in sorted(names):
            topic = f"tick:{symbol}"
            if topic not in self._streams and self._follows(topic):
                self._attach(topic, TickStream(symbol, suspects=self._suspects), symbol, now)
        for topic in list(self._streams):
            if topic not in self._asked and topic.removeprefix("tick:") not in names:
                self._drop(topic)

    def _arrange(self, stream: Stream) -> None:
        """After a stream came or went."""
        if isinstance(stream, TickStream):
            if stream.topic in self._streams:
                self._review.add(stream)
            self._turns.changed((self._review,))
        elif isinstance(stream, BookStream):
            pace([stream for stream in self._streams.values() if isinstance(stream, BookStream)])
            self._turns.changed((self._releases,))

    # ---- polling -----------------------------------------------------------------------------------------------------------------

    def _next(self) -> Poller | None:
        """Who has the next turn."""
        due = self._looks.due
        if due <= self._turns.due:
            return None if due == inf else self._looks.first()
        return self._turns.first()

    def next_deadline(self) -> float:
        """When to poll next; infinity when nothing runs."""
        if self._later:
            return -inf
        return min(self._looks.due, self._turns.due)

    @property
    def slow(self) -> bool:
        """Whether the next poll may rightly take as long as `HISTORY_LIMIT_S`."""
        poller = self._next()
        return poller is not None and poller.slow

    def poll(self, now: float) -> list[Event]:
        """Give the stream that is most overdue its turn; the events to publish, in order.

        Raises `TerminalError` when the link to the terminal was lost; other failures are published as `log` and tried again later.
        """
        events = self.collect()
        poller = self._next()
        if poller is not None and min(self._looks.due, self._turns.due) <= now:
            events += self._run(poller, now)
        return events

    def collect(self) -> list[Event]:
        """The events of starts since the last `poll` or `collect`."""
        events, self._later = self._later, []
        return events

    def _run(self, poller: Poller, now: float) -> list[Event]:
        try:
            events = poller.poll(self._terminal, now)
        except TerminalError as error:
            if error.link_lost:
                raise
            return self._failed(poller, error, now)
        else:
            return [*self._troubles.over(poller), *events]
        finally:
            if isinstance(poller, Watch):
                self._looks.took(poller, now)
                self._turns.changed(poller.streams)
            else:
                self._turns.changed((poller,))

    def _failed(self, poller: Poller, error: TerminalError, now: float) -> list[Event]:
        """Try again later; say so once."""
        streams = poller.streams if isinstance(poller, Watch) else (poller,)
        for stream in streams:
            if not isinstance(stream, MarketWatch | Review | Releases) and not stream.settled:
                stream.without_history()
        if isinstance(poller, Watch) and error.code == NOT_FOUND:
            poller.restore(now)  # it is shown in Market Watch again when it is there again
        poller.due = now + FAILURE_WAIT_S
        return self._troubles.failed(poller, poller.topic, error)

    def gone(self) -> list[str]:
        """The symbols, of those streamed, that the terminal does not have any more."""
        return self._troubles.gone()

    def symbols(self) -> list[str]:
        """The symbols that are streamed."""
        return self._looks.symbols()

    def flags(self, topic: str) -> int:
        """The flags of a stream's state."""
        stream = self._streams.get(topic)
        return SUSPECT if stream is not None and of_state(topic.partition(":")[0], stream.body()).records else 0

    def take_suspect_records(self) -> int:
        """How many records of the events since this was asked last are suspect."""
        return self._suspects.take()

    def kept(self) -> dict[str, bytes]:
        """What a next session needs to go on behind the events so far, of the topics of which that has changed."""
        stream = self._streams.get("trade")
        state = stream.keep() if isinstance(stream, TradeStream) else None
        return {} if state is None else {"trade": state}

    def ordered(self, now: float) -> None:
        """An order was sent: look at the account's positions and orders, if somebody wants to know."""
        stream = self._streams.get("trade")
        if isinstance(stream, TradeStream):
            stream.ordered(now)
            self._turns.changed((stream,))

    def restore(self, now: float) -> None:
        """The session was lost and is back: select the symbols again and catch up with what was missed."""
        self._looks.restore(now)
        for stream in self._streams.values():
            stream.restore(now)
        self._review.restore(now)
        self._releases.restore()
        self._turns.changed((*self._streams.values(), self._review, self._releases))
        if self._market_watch is not None:
            self._market_watch.due = now
            self._turns.changed((self._market_watch,))


def _is_prefix(topic: str) -> bool:
    return topic.startswith("tick:") and (topic == "tick:" or topic.endswith("*"))
