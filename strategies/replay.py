"""A strategy over recorded data: the same class, the same callbacks, an account at the simulated broker, in virtual time.

A bar is given to the strategy when the first tick after it has come, as a bridge does, and what it orders then is executed at that
tick. Between the bars of a strategy that wants no ticks, ticks are only looked at where a stop, a target, a stop-out or the night's
swap could be due.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bridge.errors import BridgeError, UnknownSymbol
from bridge.messages import GetPositions, SendOrder
from bridge.replies import ConnectionState, OrderOutcome, Positions
from bridge.terminal.simulator.quotes import Market
from bridge.ticks import Bar, iter_bars, iter_ticks
from bridge.trading import Deal, Position
from bridge.virtual_account import DAY_MSC, VirtualAccount
from clients import changes, orders
from clients.tasks import Ask, Steps, run
from strategies.runner import StartRefused, StrategyFailed, is_refusal
from strategies.strategy import NotLive, Strategy
from strategies.track import Track

FAR = 2**62
CHUNK = 4_096
TICK_BARS = 256
"""Bars whose ticks are made at a time."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What was open from a bar on, until the next holding: `balance` is the account's after what led to it."""

    bar: int
    balance: float
    positions: tuple[Position, ...]


@dataclass(slots=True)
class Result:
    """What a replay gave: `deals` in their order, `holdings` by bar, and how much of the track was played."""

    track: Track
    started: int
    """Number of the first bar on which the strategy could trade."""
    deals: list[Deal] = field(default_factory=list)
    holdings: list[Holding] = field(default_factory=list)
    bars: int = 0
    ticks: int = 0
    orders: int = 0
    refused: int = 0


class ReplayDesk:
    """The desk of a strategy at a virtual account."""

    def __init__(self, strategy: Strategy, account: VirtualAccount) -> None:
        self._strategy = strategy
        self._account = account
        self.done = 0
        self.refused = 0
        self.now_msc = 0

    def enter(self, side: str, volume: float, sl: float | None, tp: float | None, comment: str) -> OrderOutcome:
        """Open a position. Raises `BridgeError`."""
        send = orders.buy if side == "buy" else orders.sell
        strategy = self._strategy
        sl, tp = (None if price is None else self._account.on_grid(strategy.symbol, price) for price in (sl, tp))
        return self._counted(send(strategy.symbol, volume, sl=sl, tp=tp, comment=comment, magic=strategy.magic))

    def leave(self, ticket: int, volume: float | None, comment: str) -> OrderOutcome:
        """Close a position, or a part of it. Raises `BridgeError`."""
        return self._counted(changes.close(ticket, volume, comment=comment))

    def positions(self) -> tuple[Position, ...]:
        """Open positions of this strategy, the oldest first."""
        if self._account.is_flat():
            return ()
        self._account.go(self.now_msc)
        return self._account.positions(self._strategy.symbol, self._strategy.magic)

    def _counted(self, steps: Steps[OrderOutcome]) -> OrderOutcome:
        self._account.go(self.now_msc)
        try:
            outcome = run(steps, self._answer)
        except BridgeError:
            self.refused += 1
            raise
        self.done += 1
        return outcome

    def _answer(self, asked: Ask) -> Any:
        request = asked.request
        if isinstance(request, SendOrder):
            return self._account.place(request.request)
        assert isinstance(request, GetPositions), f"an order of a replay asked for {request}"
        found = self._account.world.server.ledger.positions.get(request.ticket or 0)
        return Positions((found,) if found is not None else ())


class Replay:
    """One strategy on one track; `market` has the track's symbol. Raises `UnknownSymbol` where the broker does not have it."""

    def __init__(self, strategy: Strategy, track: Track, market: Market, account: VirtualAccount) -> None:
        if track.symbol not in account.world.server.contracts:
            raise UnknownSymbol(f"the simulated broker has no symbol {track.symbol!r}", symbol=track.symbol)
        self.strategy = strategy
        self.track = track
        self._market = market
        self._account = account
        self._desk = ReplayDesk(strategy, account)
        self._horizon = FAR  # the first bar in which something can happen by itself
        self._version = account.version
        self._times_msc: list[int] = track.opened_msc.tolist()
        self._wants_timer = type(strategy).on_timer is not Strategy.on_timer
        self._timer_msc = 0
        self.result = Result(track, min(strategy.warmup, max(len(self._times_msc) - 1, 0)))

    def run(self) -> Result:
        """Play it from the first bar to the last. Raises `StartRefused`, and `StrategyFailed` with its cause."""
        strategy, result = self.strategy, self.result
        strategy.symbol = self.track.symbol
        closed = len(self._times_msc) - 1
        if strategy.warmup > closed or closed < 1:
            raise StartRefused(
                f"{strategy.name} warms up with {strategy.warmup} closed {self.track.timeframe} bars, the recording has {closed}",
                next_step="use a longer recording or smaller periods",
            )
        strategy.use_desk(self._desk)
        start_msc = self._times_msc[result.started]
        self._account.go(start_msc + 1)
        state = ConnectionState("connected", "a replay", start_msc, "")
        strategy.connection = state
        self._call(strategy.on_connection, state)
        self._call(strategy.on_start)
        bars = list(iter_bars(self.track.bars[:closed].tobytes()))
        for bar in bars[: result.started]:
            self._call(strategy.on_bar, bar)
        strategy.live = True
        self._timer_msc = start_msc
        self._note(result.started)
        if type(strategy).on_tick is Strategy.on_tick:
            self._play_bars(bars)
        else:
            self._play_ticks(bars)
        self._account.go(self.track.end_msc)
        self._call(strategy.on_stop, "the recording ended")
        self._trades(closed)
        result.bars, result.deals = len(bars), self._account.deals()
        result.orders, result.refused = self._desk.done, self._desk.refused
        return result

    # ---- bars --------------------------------------------------------------------------------------------------------------------

    def _play_bars(self, bars: list[Bar]) -> None:
        desk, call, on_bar, times_msc, account = self._desk, self._call, self.strategy.on_bar, self._times_msc, self._account
        for number in range(self.result.started, len(bars)):
            desk.now_msc = now_msc = times_msc[number + 1] + 1
            if number + 1 >= self._horizon:
                self._settle(number, now_msc)
            if self._wants_timer:
                self._timer(now_msc)
            call(on_bar, bars[number])
            if account.version != self._version:
                self._trades(number + 1)
        if not account.is_flat():
            desk.now_msc = self.track.end_msc
            if self._horizon < FAR:
                self._settle(len(bars), self.track.end_msc)

    def _settle(self, number: int, now_msc: int) -> None:
        """Live through what may happen before `now_msc`, when the bar `number` has closed."""
        account = self._account
        midnight_msc = -(-account.world.now_msc // DAY_MSC) * DAY_MSC
        account.go(min(self._times_msc[self._horizon], midnight_msc))
        account.live(now_msc)
        if account.version != self._version:
            self._trades(number + 1)
        elif number >= self._horizon:
            self._look_ahead(number + 1)

    def _look_ahead(self, number: int) -> None:
        """From which bar on something can happen to what is open."""
        if self._account.is_flat():
            self._horizon = FAR
            return
        track = self.track
        low_bid, high_bid, low_ask, high_ask = self._account.bounds(track.symbol)
        midnight_msc = -(-max(self._account.world.now_msc, 1) // DAY_MSC) * DAY_MSC
        last = min(int(np.searchsorted(track.opened_msc, midnight_msc)), len(self._times_msc) - 1)
        for first in range(number, last, CHUNK):
            part = slice(first, min(first + CHUNK, last))
            near = np.flatnonzero(
                (track.low_bid[part] <= low_bid) | (track.high_bid[part] >= high_bid)
                | (track.low_ask[part] <= low_ask) | (track.high_ask[part] >= high_ask)
            )  # fmt: skip
            if near.size:
                last = first + int(near[0])
                break
        self._horizon = last

    # ---- ticks -------------------------------------------------------------------------------------------------------------------

    def _play_ticks(self, bars: list[Bar]) -> None:
        desk, call, strategy, account, times_msc = self._desk, self._call, self.strategy, self._account, self._times_msc
        on_tick, number, ends = strategy.on_tick, self.result.started, [*times_msc, self.track.end_msc]
        for first in range(number, len(times_msc), TICK_BARS):
            last = min(first + TICK_BARS, len(times_msc))
            ticks = self._market.ticks(self.track.symbol, ends[first], ends[last])
            self.result.ticks += ticks.size
            for tick in iter_ticks(ticks.tobytes()):
                if tick.bid <= 0 or tick.ask <= 0:
                    continue
                desk.now_msc = now_msc = tick.time_msc + 1
                if self._horizon < FAR:
                    account.live(now_msc)
                    if account.version != self._version:
                        self._trades(number)
                if self._wants_timer:
                    self._timer(now_msc)
                call(on_tick, tick)
                if number < len(bars) and tick.time_msc >= times_msc[number + 1]:
                    number += 1
                    call(strategy.on_bar, bars[number - 1])
                if account.version != self._version:
                    self._trades(number)

    # ---- both --------------------------------------------------------------------------------------------------------------------

    def _timer(self, now_msc: int) -> None:
        if now_msc >= self._timer_msc:
            self._timer_msc = now_msc + int(self.strategy.timer_s * 1000)
            self._call(self.strategy.on_timer, now_msc)

    def _trades(self, number: int) -> None:
        """Something has changed: tell the strategy, whose orders may change more."""
        strategy = self.strategy
        while self._account.version != self._version:
            self._version = self._account.version
            for event in self._account.news():
                subject = event.position or event.order
                if subject is not None and (subject.magic, subject.symbol) == (strategy.magic, strategy.symbol):
                    self._call(strategy.on_trade, event)
        self._note(number)
        self._look_ahead(number)

    def _note(self, number: int) -> None:
        held = tuple(self._account.world.server.ledger.positions.values())
        self.result.holdings.append(Holding(number, self._account.balance(), held))

    def _call(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            callback(*arguments)
        except NotLive:
            if self.strategy.live:
                raise
        except Exception as error:
            if isinstance(error, BridgeError) and is_refusal(error):
                self.strategy.log.warning("%s: %s", callback.__name__, error)
                return
            raise StrategyFailed(f"{self.strategy.name}.{callback.__name__}") from error
