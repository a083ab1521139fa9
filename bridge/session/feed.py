"""All streams over a terminal: which there are, whose turn it is, and what to do when the terminal refuses.

Time is an argument; nothing here sleeps. One `poll` makes at most one call to the terminal, so that an order never waits for more.
"""

from __future__ import annotations

from collections.abc import Generator
from math import inf

from bridge.errors import InvalidParameters
from bridge.messages import SUSPECT
from bridge.replies import LogRecord
from bridge.session.account import AccountStream, TradeStream
from bridge.session.bars import BarStream, FormingStream
from bridge.session.book import BookStream, Releases, opening, pace
from bridge.session.calls import check_timeframe
from bridge.session.failures import NOT_FOUND, refusal
from bridge.session.market_watch import MarketWatch
from bridge.session.owner import Owner
from bridge.session.quotes import LONGEST_S, SHORTEST_S, Event, Stream, TickStream, Watch
from bridge.session.review import Review
from bridge.session.suspect import Suspects, of_state
from bridge.terminal import Terminal, TerminalError

LOOKS_PER_S = 2_000
"""Looks at last ticks in a second, of all symbols together, at most."""
FAILURE_WAIT_S = 1.0
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
        self._watches: dict[str, Watch] = {}
        self._prefixes: set[str] = set()
        self._market_watch: MarketWatch | None = None
        self._review = Review()
        self._releases = Releases()
        self._suspects = Suspects()
        self._pollers: list[Poller] = []
        self._next: Poller | None = None
        self._failing: set[Poller] = set()
        self._gone: set[str] = set()
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
        family, _, rest = topic.partition(":")
        if _is_prefix(topic):
            return self._begin_market_watch(topic, now)
        stream = self._streams.get(topic)
        symbol = None
        try:
            if stream is None:
                stream, symbol = self._make(topic, family, rest, resume)
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

    def _make(self, topic: str, family: str, rest: str, resume: bytes | None) -> tuple[Stream, str | None]:
        if topic == "account":
            return AccountStream(self._owner), None
        if topic == "trade":
            return TradeStream(self._owner, resume), None
        if family == "tick":
            return TickStream(rest, resume, self._suspects), rest
        if family == "book":
            return BookStream(rest, self._suspects), rest
        symbol, _, timeframe = rest.rpartition(":")
        if family not in ("bar", "forming") or not symbol:
            raise InvalidParameters(f"no topic {topic!r}", next_step="see the list of topics in docs/protocol.md", topic=topic)
        check_timeframe(timeframe)
        if family == "bar":
            return BarStream(symbol, timeframe, resume, self._suspects), symbol
        return FormingStream(symbol, timeframe, self._suspects), symbol

    def _attach(self, topic: str, stream: Stream, symbol: str | None, now: float) -> Stream:
        self._streams[topic] = stream
        if symbol is None or isinstance(stream, BookStream):
            stream.due = now
        else:
            watch = self._watches.get(symbol)
            if watch is None:
                watch = self._watches[symbol] = Watch(symbol, now)
            if not isinstance(stream, TickStream):
                stream.due = now
            watch.add(stream, now)
        self._arrange()
        return stream

    def _settler(self, stream: Stream) -> Poller:
        """What to poll so that a stream settles: a stream of ticks has to be told of a last tick first."""
        if stream.due == inf and isinstance(stream, TickStream):
            return self._watches[stream.symbol]
        return stream

    def stop(self, topic: str) -> None:
        """Nobody wants the topic any more."""
        if _is_prefix(topic):
            self._prefixes.discard(topic.rstrip("*"))
            if not self._prefixes:
                self._market_watch = None
        self._asked.discard(topic)
        for name in list(self._streams):
            if name not in self._asked and not self._follows(name):
                self._drop(name)
        self._arrange()

    def _follows(self, name: str) -> bool:
        """Whether a topic belongs to a prefix that somebody wants."""
        return any(name.startswith(prefix) for prefix in self._prefixes)

    def _drop(self, topic: str) -> None:
        stream = self._streams.pop(topic)
        if isinstance(stream, BookStream) and stream.opened:
            self._releases.add(stream.symbol)
        for symbol, watch in list(self._watches.items()):
            if stream in watch.streams:
                watch.streams.remove(stream)
                if not watch.streams:
                    del self._watches[symbol]

    def _begin_market_watch(self, topic: str, now: float) -> bytes | None:
        self._prefixes.add(topic.rstrip("*"))
        if self._market_watch is None:
            self._market_watch = MarketWatch(now, self._shown)
        self._market_watch.due = now
        self._arrange()
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
        self._arrange()

    def _arrange(self) -> None:
        """After streams came or went."""
        self._review.arrange(stream for stream in self._streams.values() if isinstance(stream, TickStream))
        self._pollers = [*self._watches.values(), *self._streams.values(), self._review, self._releases]
        if self._market_watch is not None:
            self._pollers.append(self._market_watch)
        self._failing &= set(self._pollers)
        self._gone &= self._watches.keys()
        shortest_s = min(max(SHORTEST_S, len(self._watches) / LOOKS_PER_S), LONGEST_S)
        for watch in self._watches.values():
            watch.shortest_s = shortest_s
        pace([stream for stream in self._streams.values() if isinstance(stream, BookStream)])
        self._choose()

    # ---- polling -----------------------------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        self._next = min(self._pollers, key=_due, default=None)

    def next_deadline(self) -> float:
        """When to poll next; infinity when nothing runs."""
        if self._later:
            return -inf
        return inf if self._next is None else self._next.due

    @property
    def slow(self) -> bool:
        """Whether the next poll may rightly take as long as `HISTORY_LIMIT_S`."""
        return self._next is not None and self._next.slow

    def poll(self, now: float) -> list[Event]:
        """Give the stream that is most overdue its turn; the events to publish, in order.

        Raises `TerminalError` when the link to the terminal was lost; other failures are published as `log` and tried again later.
        """
        events = self.collect()
        if self._next is not None and self._next.due <= now:
            events += self._run(self._next, now)
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
            events = self._failed(poller, error, now)
        else:
            self._failing.discard(poller)
            if isinstance(poller, Watch) and poller.symbol in self._gone:
                self._gone.discard(poller.symbol)
                events = [*_told(f"the symbol {poller.symbol} is there again", f"tick:{poller.symbol}"), *events]
        self._choose()
        return events

    def _failed(self, poller: Poller, error: TerminalError, now: float) -> list[Event]:
        """Try again later; say so once."""
        poller.due = now + FAILURE_WAIT_S
        streams: list[Stream] = []
        if isinstance(poller, Watch):
            topic, streams = f"tick:{poller.symbol}", poller.streams
        elif isinstance(poller, MarketWatch | Review | Releases):
            topic = poller.topic
        else:
            topic, streams = poller.topic, [poller]
        for stream in streams:
            if not stream.settled:
                stream.without_history()
        if isinstance(poller, Watch) and error.code == NOT_FOUND and poller.symbol not in self._gone:
            return self._vanished(poller, now)
        if poller in self._failing or getattr(poller, "symbol", None) in self._gone:
            return []
        self._failing.add(poller)
        return _told(f"{topic}: {error}; trying again each second", topic)

    def _vanished(self, watch: Watch, now: float) -> list[Event]:
        """The terminal does not have a symbol any more. It is looked for each second, and shown in Market Watch again then."""
        watch.restore(now)
        watch.due = now + FAILURE_WAIT_S
        self._gone.add(watch.symbol)
        self._failing.add(watch)
        text = f"the symbol {watch.symbol} is not there any more: the broker renamed or removed it; its streams wait for it"
        return _told(text, f"tick:{watch.symbol}")

    def gone(self) -> list[str]:
        """The symbols, of those streamed, that the terminal does not have any more."""
        return sorted(self._gone)

    def symbols(self) -> list[str]:
        """The symbols that are streamed."""
        return list(self._watches)

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
            self._choose()

    def restore(self, now: float) -> None:
        """The session was lost and is back: select the symbols again and catch up with what was missed."""
        for watch in self._watches.values():
            watch.restore(now)
        for stream in self._streams.values():
            stream.restore(now)
        self._review.restore(now)
        self._releases.restore()
        if self._market_watch is not None:
            self._market_watch.due = now
        self._choose()


def _told(message: str, topic: str) -> list[Event]:
    return [("log", 0, LogRecord("warning", message, topic))]


def _is_prefix(topic: str) -> bool:
    return topic.startswith("tick:") and (topic == "tick:" or topic.endswith("*"))


def _due(poller: Poller) -> float:
    return poller.due
