"""What the strategies say, bar by bar, against the same rules computed at once with pandas; and their indicators likewise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridge.ticks import Bar
from strategies.bollinger_reversion import BollingerReversion
from strategies.bollinger_squeeze import BollingerSqueeze
from strategies.dynamic_breakout import DynamicBreakout
from strategies.ichimoku_cloud import IchimokuCloud
from strategies.indicators import MACD, Bollinger, Ichimoku, Range, Stochastic
from strategies.mercy_edge import MercyEdge
from strategies.pulse_sync import PulseSync
from strategies.quantum_velocity import QuantumVelocity
from strategies.reversal import Reversal
from strategies.rsi_crossover import RSICrossover
from strategies.turtle_breakout import TurtleBreakout

Signals = list[tuple[int, bool]]


def market(seed: int, count: int = 3_000) -> pd.DataFrame:
    """Bars of a random walk whose restlessness changes."""
    dice = np.random.default_rng(seed)
    restless = np.exp(np.cumsum(dice.normal(0, 0.05, count)) * 0.5).clip(0.2, 5.0)
    close = 100.0 + np.cumsum(dice.normal(0, 0.1, count) * restless)
    opened = np.concatenate([[100.0], close[:-1]])
    reach = np.abs(dice.normal(0, 0.06, (2, count))) * restless
    return pd.DataFrame({
        "open": opened, "close": close, "high": np.maximum(opened, close) + reach[0], "low": np.minimum(opened, close) - reach[1],
    })  # fmt: skip


@pytest.fixture(scope="module", params=[1, 2, 3])
def bars(request: pytest.FixtureRequest) -> pd.DataFrame:
    return market(request.param)


def each(bars: pd.DataFrame) -> list[Bar]:
    rows = zip(bars.open, bars.high, bars.low, bars.close, strict=True)
    return [Bar(60 * number, *row, 1, 0, 0) for number, row in enumerate(rows)]


def said(strategy: Reversal, bars: pd.DataFrame) -> Signals:
    strategy.on_start()
    found = [(number, strategy.signal(bar)) for number, bar in enumerate(each(bars))]
    return [(number, signal) for number, signal in found if signal is not None]


def told(long: Any, short: Any) -> Signals:
    return [(int(number), bool(long[number])) for number in np.flatnonzero(long | short)]


def ema(values: Any, period: int, alpha: float | None = None) -> Any:
    """Begun with the mean of the first values that there are."""
    begun = values.copy()
    first = int(np.flatnonzero(values.notna())[0])
    begun.iloc[first + period - 1] = values.iloc[first : first + period].mean()
    begun.iloc[: first + period - 1] = np.nan
    return begun.ewm(alpha=2 / (period + 1) if alpha is None else alpha, adjust=False, ignore_na=True).mean()


def sma(values: Any, period: int) -> Any:
    return values.rolling(period).mean()


def rsi(close: Any, period: int = 14) -> Any:
    change = close.diff()
    gain, loss = (ema(part.where(change.notna()), period, 1 / period) for part in (change.clip(lower=0), -change.clip(upper=0)))
    return 100 * gain / (gain + loss)


def true_range(bars: pd.DataFrame) -> Any:
    before = bars.close.shift().fillna(bars.open)
    return np.maximum(bars.high, before) - np.minimum(bars.low, before)


def bands(close: Any) -> tuple[Any, Any, Any]:
    middle, half = sma(close, 20), 2 * close.rolling(20).std(ddof=0)
    return middle - half, middle + half, 2 * half / middle


def crossed(above: Any, known: Any) -> tuple[Any, Any]:
    """Where one line came above another, and where below; there is no cross at the first place where both are known."""
    before = above.shift(fill_value=False) & known.shift(fill_value=False)
    was = known & known.shift(fill_value=False)
    return was & above & ~before, was & ~above & before


def stochastic(bars: pd.DataFrame) -> tuple[Any, Any]:
    lowest, highest = bars.low.rolling(14).min(), bars.high.rolling(14).max()
    k = sma(100 * (bars.close - lowest) / (highest - lowest), 3)
    return k, sma(k, 3)


def histogram(close: Any) -> Any:
    line = ema(close, 12) - ema(close, 26)
    return line - ema(line, 9)


def ichimoku(bars: pd.DataFrame) -> tuple[Any, Any, Any, Any]:
    tenkan, kijun, senkou = ((bars.high.rolling(n).max() + bars.low.rolling(n).min()) / 2 for n in (9, 26, 52))
    a, b = ((tenkan + kijun) / 2).where(senkou.notna()).shift(26), senkou.shift(26)
    return tenkan, kijun, np.maximum(a, b), np.minimum(a, b)


def same(found: list[float | None], wanted: Any) -> None:
    np.testing.assert_allclose([np.nan if one is None else one for one in found], wanted, rtol=1e-9, atol=1e-9)


def test_indicators_are_those_of_a_computation_at_once(bars: pd.DataFrame) -> None:
    close, rows = bars.close, each(bars)
    found = [indicator.add(bar.close) for indicator in [Bollinger()] for bar in rows]
    lower, upper, width = bands(close)
    same([None if one is None else one.lower for one in found], lower)
    same([None if one is None else one.upper for one in found], upper)
    same([None if one is None else one.width for one in found], width)
    same([one.add(value) for one in [MACD()] for value in close], histogram(close))
    pairs = [one.add(bar) for one in [Stochastic()] for bar in rows]
    k, d = stochastic(bars)
    same([pair and pair[0] for pair in pairs], k.where(d.notna()))
    same([pair and pair[1] for pair in pairs], d)
    ranges = [one.add(bar) for one in [Range(20)] for bar in rows]
    same([pair and pair[0] for pair in ranges], bars.high.rolling(20).max())
    same([pair and pair[1] for pair in ranges], bars.low.rolling(20).min())
    lines = [one.add(bar) for one in [Ichimoku()] for bar in rows]
    tenkan, kijun, top, bottom = ichimoku(bars)
    for name, wanted in (("tenkan", tenkan), ("kijun", kijun), ("top", top), ("bottom", bottom)):
        same([None if line is None else getattr(line, name) for line in lines], wanted.where(top.notna()))


def test_rsi_crossover(bars: pd.DataFrame) -> None:
    index = rsi(bars.close)
    average, trend = sma(index, 10), sma(bars.close, 50)
    up, down = crossed(index > average, average.notna())
    wanted = told(up & (bars.close > trend), down & (bars.close < trend))
    assert said(RSICrossover(), bars) == wanted
    assert len(wanted) > 50


def test_turtle_breakout(bars: pd.DataFrame) -> None:
    highest, lowest = bars.high.rolling(20).max().shift(), bars.low.rolling(20).min().shift()
    wanted = told(bars.close > highest, bars.close < lowest)
    assert said(TurtleBreakout(), bars) == wanted
    assert len(wanted) > 50


def test_the_exits_of_turtle_breakout(bars: pd.DataFrame) -> None:
    strategy = TurtleBreakout()
    strategy.on_start()
    found = []
    for bar in each(bars):
        strategy.signal(bar)
        found.append((strategy.leaves(bar, long=True), strategy.leaves(bar, long=False)))
    highest, lowest = bars.high.rolling(10).max().shift(), bars.low.rolling(10).min().shift()
    assert found == list(zip(bars.close < lowest, bars.close > highest, strict=True))


def test_bollinger_reversion(bars: pd.DataFrame) -> None:
    lower, upper, _ = bands(bars.close)
    trend = sma(bars.close, 200)
    wanted = told((bars.close > trend) & (bars.low <= lower), (bars.close < trend) & (bars.high >= upper))
    assert said(BollingerReversion(), bars) == wanted
    assert len(wanted) > 20


def squeezed(bars: pd.DataFrame, part: float) -> tuple[Any, Any]:
    lower, upper, width = bands(bars.close)
    narrow = (width < part * sma(width, 10)).shift(fill_value=False)
    return narrow & (bars.close > upper.shift()), narrow & (bars.close < lower.shift())


def test_bollinger_squeeze(bars: pd.DataFrame) -> None:
    up, down = squeezed(bars, 0.9)
    index = rsi(bars.close)
    wanted = told(up & (index < 70), down & (index > 30))
    assert said(BollingerSqueeze(squeeze=0.9), bars) == wanted
    assert len(wanted) > 5


def test_quantum_velocity(bars: pd.DataFrame) -> None:
    up, down = squeezed(bars, 0.9)
    trend = ema(bars.close, 200)
    wanted = told(up & (bars.close > trend), down & (bars.close < trend))
    assert said(QuantumVelocity(squeeze=0.9), bars) == wanted
    assert len(wanted) > 5


@pytest.mark.parametrize("cloud", [True, False])
def test_ichimoku_cloud(bars: pd.DataFrame, cloud: bool) -> None:
    tenkan, kijun, top, bottom = ichimoku(bars)
    known = top.notna() & (tenkan != kijun)
    above = (tenkan > kijun).where(known).ffill().fillna(False).astype(bool)  # where they are equal it is as before
    up, down = crossed(above, top.notna() & known.cummax())
    wanted = told(up & (bars.close > top), down & (bars.close < bottom)) if cloud else told(up, down)
    assert said(IchimokuCloud(cloud=cloud), bars) == wanted
    assert len(wanted) > 10


@pytest.mark.parametrize(("kind", "period"), [(PulseSync, 100), (MercyEdge, 200)])
def test_pulse_sync_and_mercy_edge(bars: pd.DataFrame, kind: type[Reversal], period: int) -> None:
    k, d = stochastic(bars)
    trend, bars_of = sma(bars.close, period), histogram(bars.close)
    up, down = crossed(k > d, d.notna())
    wanted = told(up & (bars.close > trend) & (bars_of > 0), down & (bars.close < trend) & (bars_of < 0))
    assert said(kind(), bars) == wanted
    assert len(wanted) > 20


def test_dynamic_breakout(bars: pd.DataFrame) -> None:
    highest, lowest = bars.high.rolling(20).max().shift(), bars.low.rolling(20).min().shift()
    trend, usual = ema(bars.close, 50), ema(true_range(bars), 14, 1 / 14)
    wide = bars.high - bars.low > 0.8 * usual
    wanted = told(wide & (bars.close > highest) & (bars.close > trend), wide & (bars.close < lowest) & (bars.close < trend))
    assert said(DynamicBreakout(), bars) == wanted
    assert len(wanted) > 50


KINDS = [
    BollingerReversion, BollingerSqueeze, DynamicBreakout, IchimokuCloud, MercyEdge, PulseSync, QuantumVelocity, RSICrossover,
    TurtleBreakout,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_its_first_signal_is_not_earlier_than_it_says(bars: pd.DataFrame, kind: type[Reversal]) -> None:
    """What was played before going live is enough: from then on it says what one says that has seen everything."""
    strategy, late = kind(), kind()
    begun = 1_000
    whole = [one for one in said(strategy, bars) if one[0] >= begun]
    settled = 20 * strategy.warmup  # averages without an end forget their beginning slowly
    part = said(late, bars.iloc[max(0, begun - settled) :].reset_index(drop=True))
    shift = max(0, begun - settled)
    assert [(number + shift, long) for number, long in part if number + shift >= begun] == whole
    assert strategy.warmup > strategy.needs
