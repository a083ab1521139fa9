"""Strategies over recorded data: what is skipped is what cannot matter, and the trades are those of a computation at once."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridge.replies import TradeEvent
from bridge.terminal.simulator.profile import PROFILES
from bridge.ticks import Bar, Tick
from bridge.virtual_account import VirtualAccount
from strategies.ma_crossover import MACrossover
from strategies.replay import Replay, Result
from strategies.reversal import Reversal
from strategies.rsi_crossover import RSICrossover
from strategies.runner import StartRefused, StrategyFailed
from strategies.strategy import NotLive, Strategy
from strategies.track import Recorded, track_of
from tests.test_bar_market import recorded

PROFILE = replace(PROFILES["hedging-cfd"], commission=3.0, slippage=1)


class Dice(Reversal):
    """Long or short by the last digits of the close, with near stops."""

    sl_atr = 0.8
    tp_atr = 1.1
    atr_period = 3

    def signal(self, bar: Bar) -> bool | None:
        """By the digits."""
        return (None, True, None, False)[round(bar.close * 1e5) % 4]


class Watch(Strategy):
    """Notes all that it is told."""

    lots = 0.1

    def on_start(self) -> None:
        """Empty."""
        self.seen: list[Any] = []

    def on_bar(self, bar: Bar) -> None:
        """Buy at once, and again when flat."""
        self.seen.append((bar.time, self.live))
        if self.live and self.position is None:
            self.buy(self.lots, sl=bar.close - 0.0004, tp=bar.close + 0.0004)

    def on_trade(self, trade: TradeEvent) -> None:
        """Note its kind."""
        self.seen.append(trade.kind)


class Ticking(Watch):
    """The same with ticks."""

    def on_tick(self, tick: Tick) -> None:
        """Note its time."""
        self.seen.append(("tick", tick.time_msc))


def played(strategy: Strategy, seed: int, *, every: bool = False, profile: Any = PROFILE, count: int = 400) -> Result:
    """The result on a random walk; with `every`, nothing is skipped."""
    bars = recorded(seed, 2 * count)
    times_s = bars.rows["time"]
    quoted = ((times_s // 86_400 + 3) % 7 < 5) & (times_s // 3_600 % 24 > 0) & (times_s // 3_600 % 24 < 23)
    own = Recorded("EURUSD", bars._replace(rows=bars.rows[quoted][:count]))
    track = track_of(own, strategy.timeframe, 1e-5)
    replay = Replay(strategy, track, own.market, VirtualAccount(own.market, int(track.opened_msc[0]), profile))
    if every:
        replay._look_ahead = lambda number: setattr(replay, "_horizon", number)  # type: ignore[method-assign]
    return replay.run()


@pytest.mark.parametrize("seed", range(8))
def test_what_is_skipped_cannot_matter(seed: int) -> None:
    fast, slow = (played(Dice(timeframe="H1"), seed, every=every) for every in (False, True))
    assert [replace(deal, ticket=0) for deal in fast.deals] == [replace(deal, ticket=0) for deal in slow.deals]
    reasons = {deal.reason for deal in fast.deals}
    assert {3, 4, 5} <= reasons, "orders, stops and targets occurred"
    assert any(deal.swap for deal in fast.deals)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_a_stop_out_is_not_skipped(seed: int) -> None:
    poor = replace(PROFILE, balance=400.0, leverage=500)

    class Long(Watch):
        """Far too much."""

        lots = 1.0

        def on_bar(self, bar: Bar) -> None:
            """Once."""
            if self.live and not self.positions:
                self.buy(self.lots)

    fast, slow = (played(Long(timeframe="H1"), seed, every=every, profile=poor, count=900) for every in (False, True))
    assert fast.deals == slow.deals
    assert any(deal.reason == 6 for deal in fast.deals)


def test_ticks_bars_and_trades_come_in_their_order() -> None:
    watch, ticking = Watch("watch", timeframe="H1"), Ticking("watch", timeframe="H1")
    bars, ticks = played(watch, 3), played(ticking, 3)
    assert [item for item in ticking.seen if item[0] != "tick"] == watch.seen
    assert [replace(deal, ticket=0) for deal in bars.deals] == [replace(deal, ticket=0) for deal in ticks.deals]
    assert ticks.ticks == sum(item[0] == "tick" for item in ticking.seen) > 1_000
    opened = watch.seen.index("position_opened")
    assert watch.seen[opened - 1] == "order_filled"
    assert "position_closed" in watch.seen
    assert all(live for _, live in (item for item in watch.seen if isinstance(item, tuple)))


def test_warming_up_sends_no_orders() -> None:
    class Eager(Watch):
        """Does not look whether it is live."""

        warmup = 5

        def on_bar(self, bar: Bar) -> None:
            """Buy."""
            self.seen.append(self.live)
            self.buy(0.1)

    eager = Eager(timeframe="H1")
    result = played(eager, 1, count=12)
    assert eager.seen.count(False) == 5
    assert len([deal for deal in result.deals if deal.symbol]) == eager.seen.count(True) == 6

    class Long(Watch):
        """Asks for more than there is."""

        warmup = 12

    with pytest.raises(StartRefused, match="warms up with 12 closed H1 bars, the recording has 11"):
        played(Long(timeframe="H1"), 1, count=12)


def test_a_fault_of_the_strategy_is_named_and_a_refused_order_is_none() -> None:
    class Faulty(Watch):
        """Raises."""

        def on_bar(self, bar: Bar) -> None:
            """Divide."""
            raise ZeroDivisionError

    with pytest.raises(StrategyFailed, match=r"Faulty/EURUSD\.on_bar"):
        played(Faulty(timeframe="H1"), 1)

    class Wrong(Watch):
        """Its stops are on the wrong side."""

        def on_bar(self, bar: Bar) -> None:
            """Buy with a stop above."""
            self.seen.append(bar.time)
            self.buy(0.1, sl=bar.close + 0.01)

    wrong = Wrong(timeframe="H1")
    result = played(wrong, 1, count=50)
    assert (result.orders, result.refused) == (0, 49)
    assert len(wrong.seen) == 49
    with pytest.raises(NotLive):
        Watch().buy(0.1)


def test_trades_of_crossing_averages_are_those_of_a_computation_at_once() -> None:
    result = played(MACrossover(timeframe="H1", fast=5, slow=12), 5, profile=PROFILES["hedging-cfd"], count=1_500)
    bars = pd.DataFrame(result.track.bars)
    gap = (bars.close.rolling(5).mean() - bars.close.rolling(12).mean()).round(12)
    gap = gap[gap != 0].dropna()
    side = pd.Series(np.sign(gap), index=gap.index)
    turns = side[(side != side.shift()) & side.shift().notna()]
    turns = turns[(turns.index >= result.started) & (turns.index < len(bars) - 1)]
    after = bars.loc[[at + 1 for at in turns.index.tolist()]]
    wanted = [
        (int(time), "buy" if up > 0 else "sell", round(opened + (spread * 1e-5 if up > 0 else 0), 5))
        for time, opened, spread, up in zip(after.time, after.open, after.spread, turns, strict=True)
    ]
    entries = [deal for deal in result.deals if deal.symbol and deal.entry == 0]
    assert [(deal.time_msc // 1000, "sell" if deal.type else "buy", deal.price) for deal in entries] == wanted
    assert len(wanted) > 50


def test_trades_of_the_strength_index_are_those_of_a_computation_at_once() -> None:
    result = played(RSICrossover(timeframe="H1", sl_atr=0.0, tp_atr=0.0), 6, profile=PROFILES["hedging-cfd"], count=2_000)
    close = pd.DataFrame(result.track.bars).close.tolist()
    gains, losses, rsi = [0.0], [0.0], [math.nan]
    for before, now in pairwise(close):
        gains.append(max(now - before, 0.0))
        losses.append(max(before - now, 0.0))
        if len(gains) <= 14:
            rsi.append(math.nan)
            continue
        if len(gains) == 15:
            gain, loss = sum(gains[1:]) / 14, sum(losses[1:]) / 14
        else:
            gain, loss = (gain * 13 + gains[-1]) / 14, (loss * 13 + losses[-1]) / 14
        rsi.append(100 * gain / (gain + loss))
    frame = pd.DataFrame({"close": close, "rsi": rsi})
    gap, trend = (frame.rsi - frame.rsi.rolling(10).mean()).round(9), frame.close - frame.close.rolling(50).mean()
    gap = gap[gap != 0].dropna()
    side = pd.Series(np.sign(gap), index=gap.index)
    crossed = side[(side != side.shift()) & side.shift().notna()]
    wished = [
        (at, up > 0)
        for at, up in zip(crossed.index.tolist(), crossed.tolist(), strict=True)
        if trend[at] * up > 0 and result.started <= at < len(close) - 1
    ]
    turned = [item for number, item in enumerate(wished) if number == 0 or item[1] != wished[number - 1][1]]
    times = result.track.bars["time"]
    entries = [deal for deal in result.deals if deal.symbol and deal.entry == 0]
    assert [(deal.time_msc // 1000, deal.type == 0) for deal in entries] == [(int(times[at + 1]), up) for at, up in turned]
    assert len(turned) > 20
