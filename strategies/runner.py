"""Runs one strategy: history first, then live events, in one thread, until it is told to stop.

The order at the start is: ask what the symbol's name means here, subscribe and keep what comes, `on_start`, play the history
through `on_bar`, go live once, then what came meanwhile. Bars are joined by their time, so that none is missed or seen twice. When
the bridge or the terminal is away the strategy waits; the bars that closed meanwhile are played as history before the next one.

When the bridge serves another account, or was started anew, the name is asked for again. Another symbol, or another server, is a
new start with the same parameters and magic number: `on_start`, history, live. Where the instrument does not exist the strategy
stays, not live, until the connection changes again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bridge.errors import BridgeError, CallError, OrderRejected, OutcomeUnknown, Stopping, TryAgain
from bridge.messages import FOREIGN
from bridge.replies import ConnectionState, FoundSymbol
from bridge.ticks import Bar, iter_bars
from clients import history
from clients.blocking import Client
from clients.events import Bars, Connection, Gap, Item, Ticks, TradeUpdate
from strategies.choice import Choice, served
from strategies.desk import ClientDesk
from strategies.intake import LONGEST_WAIT_S, RETRY_S, Intake, Stopped, is_news
from strategies.strategy import NotLive, Strategy

HISTORY_TRIES = 5
"""A terminal that has to load history first answers with a part of it for some seconds."""
NOT_FATAL = (TryAgain, OrderRejected, OutcomeUnknown, Stopping)
"""What may leave a callback without being a fault of the strategy: it is logged, and the strategy goes on."""


def is_refusal(error: BridgeError) -> bool:
    """Whether a strategy can go on after this: also when a rule refused its order, which the market may have moved away from."""
    return isinstance(error, NOT_FATAL) or "rule" in error.details


class StrategyFailed(Exception):
    """A callback raised; it is the cause."""


class StartRefused(CallError):
    """The strategy cannot start as it is."""

    code = "start_refused"


class Runner:
    """One strategy on one client. `stop_reason` gives the reason to stop once there is one; `clock` never steps back; with
    `short_history` it also starts when the terminal has fewer closed bars than the strategy asks for."""

    def __init__(
        self,
        strategy: Strategy,
        client: Client,
        stop_reason: Callable[[], str | None],
        clock: Callable[[], float] = time.monotonic,
        *,
        short_history: bool = False,
    ) -> None:
        self.strategy = strategy
        self.desk = ClientDesk(strategy, client, clock)
        self.bars = 0
        self.gaps = 0
        self._client = client
        self._stop_reason = stop_reason
        self._clock = clock
        self._short_history = short_history
        self._log = strategy.log
        self._intake = Intake(client, stop_reason, clock, strategy.log)
        self._choice = Choice(strategy.symbol, client)
        self._absent = False  # the instrument does not exist at this broker
        self._moved = False  # the newest bar that the bridge knows may still be the former broker's
        self._last_bar_s = -1
        self._hole = False
        self._lost = False
        self._before_loss: ConnectionState | None = None
        self._timer_s = 0.0
        self._wants_ticks = type(strategy).on_tick is not Strategy.on_tick
        self._wants_timer = type(strategy).on_timer is not Strategy.on_timer

    def run(self) -> int:
        """Run until told to stop; the exit code: 0, or 1 when the strategy failed or could not start."""
        reason = "stopped"
        try:
            self._intake.listen()
            self._begin(self._choose())
            while (asked := self._stop_reason()) is None:
                self._turn()
            reason = asked
        except Stopped as stopped:
            reason = str(stopped)
        except StrategyFailed as failed:
            self._log.error(
                "stopped: %s raised %r; its positions are left as they are", failed, failed.__cause__, exc_info=failed.__cause__
            )
            self._stop("failed")
            return 1
        except BridgeError as error:
            self._log.error("not started: %s", error)
            return 1
        finally:
            self._intake.close()
        return self._stop(reason)

    def _stop(self, reason: str) -> int:
        code = 0
        try:
            self._call(self.strategy.on_stop, reason)
        except (StrategyFailed, Stopped) as failed:
            self._log.error("on_stop did not end: %r", failed.__cause__ or failed)
            code = 1
        counts = self.desk.counts
        self._log.info(
            "stopped reason=%s bars=%d gaps=%d orders_done=%d orders_failed=%d orders_unknown=%d",
            reason, self.bars, self.gaps, counts.done, counts.failed, counts.unknown,
        )  # fmt: skip
        return code

    # ---- starting ----------------------------------------------------------------------------------------------------------------

    def _choose(self) -> FoundSymbol:
        """What the symbol's name means here."""
        return self._intake.patiently(f"the symbol of {self._choice.asked!r}", self._choice.make)

    def _begin(self, found: FoundSymbol) -> None:
        """Trade this symbol from now on."""
        strategy = self.strategy
        strategy.symbol = found.symbol
        self._log.info("symbol %s for %r by rule %s: %s", found.symbol, self._choice.asked, found.rule, found.explanation)
        ticks = [f"tick:{strategy.symbol}"] if self._wants_ticks else []
        self._intake.listen(f"bar:{strategy.symbol}:{strategy.timeframe}", *ticks)
        self._last_bar_s, self._hole = -1, False
        self._start()

    def _start(self) -> None:
        strategy = self.strategy
        strategy.use_desk(self.desk)
        self._log.info("starting magic=%d warmup=%d", strategy.magic, strategy.warmup)
        self._call(strategy.on_start)
        if strategy.warmup > 0:
            self._play(self._warmup_bars(), live=False)
        strategy.live = True
        self._timer_s = self._clock() + strategy.timer_s
        self._log.info("live after %d bars", self.bars)

    def _warmup_bars(self) -> list[Bar]:
        strategy = self.strategy
        bars: list[Bar] = []
        for _ in range(HISTORY_TRIES):
            bars = self._history(count=strategy.warmup, start=1)
            if len(bars) >= strategy.warmup:
                return bars
            if self._short_history:
                self._log.warning("the terminal has %d of %d bars to warm up with", len(bars), strategy.warmup)
                return bars
            self._intake.wait(RETRY_S)
        raise StartRefused(
            f"{strategy.name} needs {strategy.warmup} closed {strategy.timeframe} bars of {strategy.symbol}, there are {len(bars)}",
            next_step="open that chart in the terminal and scroll back, use smaller periods, or start with --short-history",
        )

    def _history(self, **which: Any) -> list[Bar]:
        """Closed bars."""
        strategy = self.strategy
        chunks = self._intake.patiently(
            "history", lambda: self._client.do(history.rates(strategy.symbol, strategy.timeframe, **which))
        )
        return [bar for chunk in chunks for bar in iter_bars(chunk)]

    # ---- another account ---------------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        """The bridge serves another account, or one where the instrument may exist: choose, and begin anew where that is needed."""
        strategy = self.strategy
        strategy.live = False
        before = self._choice.account
        try:
            found = self._choose()
            if self._absent or found.symbol != strategy.symbol or self._choice.is_elsewhere(before):
                self._log.warning("begins anew with %s, after %s", found.symbol, strategy.symbol)
                self._begin(found)
                self._moved = True
        except CallError as error:
            self._absent = True
            strategy.live = False
            self._log.warning("not live until the connection changes again: %s", error)
            self._intake.listen()
        else:
            self._absent = False
            strategy.live = True

    # ---- running -----------------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        timed = self._wants_timer and self.strategy.live
        wait_s = min(LONGEST_WAIT_S, max(0.0, self._timer_s - self._clock())) if timed else LONGEST_WAIT_S
        item = self._intake.take(wait_s)
        if item is None:
            self._watch_bridge()
        else:
            self._take(item)
        if timed and self.strategy.live and self._clock() >= self._timer_s:
            self._timer_s = self._clock() + self.strategy.timer_s
            self._call(self.strategy.on_timer, self._client.bridge_msc())

    def _take(self, item: Item) -> None:
        strategy = self.strategy
        match item:
            case Bars(flags=flags) | Ticks(flags=flags) if flags & FOREIGN:
                pass  # of the account that somebody logged the terminal in to; the bridge's own data follow when it is back
            case Bars():
                self._take_bars(item)
            case Ticks(snapshot=False):
                self._take_ticks(item)
            case Connection():
                self._connection(item.connection)
            case TradeUpdate():
                subject = item.trade.position or item.trade.order
                if subject is not None and subject.magic == strategy.magic and subject.symbol == strategy.symbol:
                    self._call(strategy.on_trade, item.trade)
            case Gap():
                self.gaps += 1
                self._log.warning("gap topic=%s reason=%s missing=%s", item.topic, item.reason, item.missing)
                self._hole = self._hole or item.topic.startswith("bar:")
                if item.reason == "epoch":
                    self._choice.doubt()

    def _take_bars(self, item: Bars) -> None:
        former, self._moved = self._moved and item.snapshot, False
        if former:
            return
        bars = [bar for bar in item if bar.time > self._last_bar_s]
        if not bars:
            return
        if self._hole and 0 <= self._last_bar_s < bars[0].time - 1:
            self._play(self._history(date_from=self._last_bar_s + 1, date_to=bars[0].time - 1), live=False)
        self._hole = False
        if is_news(item, self._client.bridge_msc()):
            self._play(bars[:-1], live=False)
            self._play(bars[-1:], live=True)
        else:
            self._play(bars, live=False)

    def _take_ticks(self, item: Ticks) -> None:
        was_live = self.strategy.live
        self.strategy.live = was_live and is_news(item, self._client.bridge_msc())
        for tick in item:
            self._call(self.strategy.on_tick, tick)
        self.strategy.live = was_live

    def _play(self, bars: list[Bar], *, live: bool) -> None:
        """Give bars to the strategy; unless they are news it cannot send orders on them."""
        was_live = self.strategy.live
        self.strategy.live = was_live and live
        for bar in bars:
            self._last_bar_s = bar.time
            self.bars += 1
            self._call(self.strategy.on_bar, bar)
        self.strategy.live = was_live

    def _watch_bridge(self) -> None:
        """Nothing came: does the bridge still live?"""
        silent = self._client.is_silent
        known = self.strategy.connection
        if silent and not self._lost and known is not None:
            self._lost = True
            self._before_loss = known
            self._connection(
                ConnectionState(
                    "reconnecting", "no sign of life from the bridge", self._client.bridge_msc(), "wait, or start the bridge again"
                )
            )
        elif not silent and self._lost:
            back = self._client.known_connection or self._before_loss
            if back is not None:
                self._connection(back)
        known = self._client.known_connection
        if known is not None and not silent and self._choice.is_outdated(known):
            # The subscription cannot begin again at a bridge whose broker does not have the symbol: nothing comes through it.
            self._connection(known)

    def _connection(self, connection: ConnectionState) -> None:
        self._lost = self._lost and connection.cause == "no sign of life from the bridge"
        strategy = self.strategy
        outdated = self._choice.is_outdated(connection)
        if connection != strategy.connection:
            if self._choice.is_of_another(connection):
                strategy.live = False  # no orders for the former symbol
            may_be_there = self._absent and served(connection) is not None
            strategy.connection = connection
            self._log.info("connection state=%s cause=%s", connection.state, connection.cause)
            self._call(strategy.on_connection, connection)
            outdated = outdated or may_be_there
        if outdated:
            self._move()

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            callback(*arguments)
        except NotLive:
            if self.strategy.live:
                raise
        except Exception as error:
            if isinstance(error, BridgeError) and is_refusal(error):
                self._log.warning("%s: %s", callback.__name__, error)
                return
            raise StrategyFailed(f"{self.strategy.name}.{callback.__name__}") from error
