"""What the strategies of several parts say, bar by bar, against the same rules computed at once with pandas; every part of a rule
has to speak up in the market that it is compared on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridge.errors import InvalidParameters
from bridge.ticks import Bar
from strategies.index_breakout_pro import IndexBreakoutPro
from strategies.index_momentum import IndexMomentum
from strategies.quantumbotx_crypto import QuantumbotxCrypto
from strategies.quantumbotx_hybrid import QuantumbotxHybrid, is_coin
from strategies.reversal import Reversal
from strategies.trend_indicators import ADX, Change, Cross, Levels
from tests.test_rules import Signals, crossed, ema, market, rsi, same, sma, told, true_range

HOUR_S = 3_600
BEGUN = pd.Timestamp("2026-01-01")


def restless(seed: int) -> pd.DataFrame:
    """Bars of an hour, day and night, with uneven volume, and with openings away from the last close: one in five stays."""
    bars, dice = market(seed, 6_000), np.random.default_rng(100 + seed)
    count = len(bars)
    gap = np.where(dice.random(count) < 0.25, dice.uniform(-0.03, 0.03, count), 0.0)
    gap[0] = 0.0
    stays = dice.random(count) < 0.2
    shift = np.cumprod(1.0 + np.where(stays, gap, 0.0))
    bars = bars.mul(shift, axis=0)
    bars["open"] = bars.open * np.where(stays, 1.0, 1.0 + gap)
    bars["high"], bars["low"] = bars[["open", "high"]].max(axis=1), bars[["open", "low"]].min(axis=1)
    bars["volume"] = np.exp(dice.normal(7.0, 0.5, count)).astype(np.int64)
    bars["at"] = pd.date_range(BEGUN, periods=count, freq="h")
    return bars


@pytest.fixture(scope="module", params=[1, 2, 3])
def bars(request: pytest.FixtureRequest) -> pd.DataFrame:
    return restless(request.param)


def each(bars: pd.DataFrame) -> list[Bar]:
    rows = zip(bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    begun = int(BEGUN.timestamp())
    return [Bar(begun + HOUR_S * number, *row, 0, 0) for number, row in zip(bars.index, rows, strict=True)]


def said(strategy: Reversal, bars: pd.DataFrame) -> Signals:
    strategy.on_start()
    found = [(int(number), strategy.signal(bar)) for number, bar in zip(bars.index, each(bars), strict=True)]
    return [(number, signal) for number, signal in found if signal is not None]


def adx(bars: pd.DataFrame, period: int) -> Any:
    """By way of the directional indicators, which are divided by the true range."""
    higher, lower = bars.high.diff(), -bars.low.diff()
    up = higher.where((higher > lower) & (higher > 0), 0.0).where(higher.notna())
    down = lower.where((lower > higher) & (lower > 0), 0.0).where(lower.notna())
    usual = ema(true_range(bars).where(higher.notna()), period, 1 / period)
    plus, minus = (100 * ema(part, period, 1 / period) / usual for part in (up, down))
    return ema(100 * (plus - minus).abs() / (plus + minus), period, 1 / period)


def test_adx_is_that_of_a_computation_at_once(bars: pd.DataFrame) -> None:
    for period in (10, 14):
        wanted = adx(bars, period)
        same([one.add(bar) for one in [ADX(period)] for bar in each(bars)], wanted)
        assert wanted.first_valid_index() == 2 * period - 1
        assert wanted.min() < 15
        assert wanted.max() > 30


def test_adx_of_a_market_that_goes_one_way_or_none() -> None:
    up = [Bar(0, price, price + 1, price - 1, price, 1, 0, 0) for price in map(float, range(100, 140))]
    assert [ADX(3).add(bar) for bar in up[:1]] == [None]
    index = ADX(3)
    assert [index.add(bar) for bar in up][4:7] == [None, pytest.approx(100.0), pytest.approx(100.0)]
    index = ADX(3)
    assert [index.add(up[0]) for _ in range(10)][-1] == 0.0


def test_a_cross_needs_another_side_before() -> None:
    cross = Cross()
    assert [cross.add(line, 1.0) for line in (2.0, 1.0, 2.0, 1.0, 0.5, 1.0, 0.5, 1.5)] == [None] * 4 + [False, None, None, True]


def test_change(bars: pd.DataFrame) -> None:
    same([one.add(value) for one in [Change(7)] for value in bars.close], bars.close.diff(7))


# ---- hybrids ---------------------------------------------------------------------------------------------------------------------


def parts(bars: pd.DataFrame, numbers: tuple[int, float, int, int, int, float, int]) -> tuple[Any, Any, Any, Any]:
    """Long and short by a cross, long and short by the bands."""
    period, threshold, fast, slow, length, deviations, trend_of = numbers
    index, quick, late, trend = adx(bars, period), sma(bars.close, fast), sma(bars.close, slow), sma(bars.close, trend_of)
    middle, half = sma(bars.close, length), deviations * bars.close.rolling(length).std(ddof=0)
    golden, dead = crossed(quick > late, late.notna())
    trends, ranges = index > threshold, index <= threshold
    rising, falling = bars.close > trend, bars.close < trend
    return (
        trends & rising & golden,
        trends & falling & dead,
        ranges & rising & (bars.low <= middle - half),
        ranges & falling & (bars.high >= middle + half),
    )


USUAL = (14, 25.0, 20, 50, 20, 2.0, 200)
COINS = (10, 20.0, 12, 26, 18, 2.2, 100)


@pytest.mark.parametrize(("values", "numbers"), [
    ({}, USUAL),
    ({"symbol": "BTCUSD"}, COINS),
    ({"symbol": "BTCUSD", "crypto": False}, USUAL),
    ({"crypto": True, "adx_threshold": 25.0, "deviations": 1.5}, (10, 25.0, 12, 26, 18, 1.5, 100)),
    ({"adx_period": 7, "adx_threshold": 30.0, "fast": 5, "slow": 9, "bands": 11, "deviations": 1.0, "trend": 30},
     (7, 30.0, 5, 9, 11, 1.0, 30)),
])  # fmt: skip
def test_quantumbotx_hybrid(bars: pd.DataFrame, values: dict[str, Any], numbers: Any) -> None:
    up, down, low, high = parts(bars, numbers)
    assert said(QuantumbotxHybrid(**values), bars) == told(up | low, down | high)
    assert min(map(sum, (up, down, low, high))) > 0


COIN = ["BTCUSD", "btcusd", "Bitcoin", "BTCUSD.r", "BTCUSDm", "#ETHUSD", "ETH/EUR", "SOLUSDT"]
NONE = ["EURUSD", "EURUSD.raw", "USDTRY", "XAUUSD", "gold", "US500", "LINKEDIN", "ETHAN", ""]


def test_a_coin_is_known_by_its_name() -> None:
    assert [symbol for symbol in COIN + NONE if is_coin(symbol)] == COIN


def test_the_hybrid_needs_more_bars_where_its_trend_is_slower() -> None:
    assert QuantumbotxHybrid(symbol="EURUSD").warmup == 201
    assert QuantumbotxHybrid(symbol="BTCUSD").warmup == 101


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("weekend", [0.0, 5.0, 15.0])
def test_quantumbotx_crypto(bars: pd.DataFrame, narrow: bool, weekend: float) -> None:
    index, usual = rsi(bars.close), 100 * ema(true_range(bars), 14, 1 / 14) / bars.close
    upper, lower, calmest, wildest = 75.0, 25.0, 0.0, 2.0
    values: dict[str, Any] = {} if weekend == 15.0 else {"weekend": weekend}
    if narrow:
        upper, lower, (calmest, wildest) = 58.0, 42.0, usual.quantile([0.2, 0.8])
        values |= {"upper": upper, "lower": lower, "calmest": calmest, "wildest": wildest}
    up, down, low, high = parts(bars, (10, 20.0, 12, 26, 20, 2.2, 100))
    long, short = up | low, down | high
    calm, wild = usual < calmest, usual > wildest
    undecided = bars["at"].dt.day_name().isin(["Saturday", "Sunday"]) & ((index - 50).abs() < weekend)
    allowed = ~(calm | wild | undecided)
    wanted = told(long & (index <= upper) & allowed, short & (index >= lower) & allowed)
    assert said(QuantumbotxCrypto(**values), bars) == wanted
    assert {signal for _, signal in wanted} == {True, False}
    if narrow:
        assert min(map(sum, (long & (index > upper), short & (index < lower), (long | short) & calm, (long | short) & wild))) > 0
    if weekend:
        assert sum((long | short) & undecided) > 0


def test_limits_of_the_hybrids_that_contradict_each_other() -> None:
    for strategy in (QuantumbotxCrypto(calmest=2.0, wildest=1.0), QuantumbotxCrypto(fast=26), QuantumbotxHybrid(slow=20)):
        with pytest.raises(InvalidParameters):
            strategy.on_start()


# ---- indices ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fade", [False, True])
@pytest.mark.parametrize("session", [(0.0, 24.0), (8.0, 16.5), (22.0, 4.0)])
def test_index_momentum(bars: pd.DataFrame, fade: bool, session: tuple[float, float]) -> None:
    start, end = session
    index, change, last = rsi(bars.close), bars.close.diff(), bars.close.shift()
    loud = bars.volume > 1.3 * (bars.volume.rolling(20).sum() / 20)
    rise, fall = loud & (change > 0) & (index > 50) & (index < 70), loud & (change < 0) & (index < 50) & (index > 30)
    gap = 100 * (bars.open - last) / last
    follow_up, follow_down = gap > 2, gap < -2
    fade_up, fade_down = (fade & (part > 0.5) & (part < 1) for part in (-gap, gap))
    up, down = rise | follow_up | fade_up, fall | follow_down | fade_down
    hour = bars["at"].dt.hour + bars["at"].dt.minute / 60
    inside = (hour >= start) & (hour < end) if start < end else (hour >= start) | (hour < end)
    able = inside & (index >= 30) & (index <= 70) & (bars.index >= 19)
    wanted = told(up & ~down & able, down & ~up & able)
    assert said(IndexMomentum(fade=fade, session_start=start, session_end=end), bars) == wanted
    spoke = (rise, fall, follow_up, follow_down, *((fade_up, fade_down) if fade else ()))
    assert min(sum(part & able) for part in spoke) > 0
    assert sum(up & down & able) > 0 or session != (0.0, 24.0)
    assert sum((up | down) & ~able) > 0


def test_small_gaps_end_where_great_ones_begin() -> None:
    with pytest.raises(InvalidParameters):
        IndexMomentum(fade=True, fade_to=2.5).on_start()
    IndexMomentum(fade_to=2.5).on_start()


def pivots(values: Any, side: int) -> Any:
    """Where a value is the only greatest one of those around it."""
    around = pd.concat([values.shift(-step) for step in range(-side, side + 1) if step], axis=1)
    return values.where((values > around.max(axis=1)) & around.notna().all(axis=1)).to_numpy()


def levels(found: Any, number: int, side: int, window: int, tolerance: float, touches: int) -> list[float]:
    """Of the pivots that are known at a bar."""
    known = np.sort(found[max(0, number - window + 1) : max(0, number - side + 1)])
    known = known[~np.isnan(known)]
    made = []
    while len(known):
        near = known - known[0] <= known[0] * tolerance / 100
        if near.sum() >= touches:
            made.append(known[near].mean())
        known = known[~near]
    return made


LEVELS = [(20, 500, 0.2, 1), (5, 100, 0.5, 1), (3, 80, 0.5, 2)]


@pytest.mark.parametrize("numbers", LEVELS)
def test_levels(bars: pd.DataFrame, numbers: tuple[int, int, float, int]) -> None:
    side, window = numbers[:2]
    highs, lows = pivots(bars.high, side), -pivots(-bars.low, side)
    found = [tuple(map(list, one.add(bar))) for one in [Levels(*numbers)] for bar in each(bars)]
    together = 0
    for number, (resistance, support) in enumerate(found):
        for made, known in ((resistance, highs), (support, lows)):
            assert made == pytest.approx(levels(known, number, *numbers), rel=1e-12)
            together += int(len(made) < np.count_nonzero(~np.isnan(known[max(0, number - window + 1) : max(0, number - side + 1)])))
    assert together > 100
    late, begun = Levels(*numbers), 1_000
    part = [tuple(map(list, late.add(bar))) for bar in each(bars.iloc[begun:])]
    assert part[window + side - 1 :] == found[begun + window + side - 1 :]


def test_no_pivot_where_two_are_as_high() -> None:
    highs = [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 4.0, 1.0, 1.0]
    found = [one.add(Bar(0, 1.0, high, 0.5, 1.0, 1, 0, 0))[0] for one in [Levels(1, 100, 0.2)] for high in highs]
    assert found == [[]] * 7 + [[4.0]] * 2


BREAKOUTS: list[tuple[dict[str, Any], tuple[int, int, float, int], tuple[float, int, int, int]]] = [
    ({}, (20, 500, 0.2, 1), (0.2, 2, 5, 20)),
    ({"pivot": 5, "window": 100, "tolerance": 0.5, "recent": 60, "fast": 5}, (5, 100, 0.5, 1), (0.2, 2, 60, 5)),
    (
        {"pivot": 3, "window": 80, "tolerance": 0.5, "touches": 2, "beyond": 0.6, "confirm": 3, "recent": 8},
        (3, 80, 0.5, 2),
        (0.6, 3, 8, 20),
    ),
]


@pytest.mark.parametrize(("values", "numbers", "rule"), BREAKOUTS)
def test_index_breakout_pro(bars: pd.DataFrame, values: dict[str, Any], numbers: Any, rule: tuple[float, int, int, int]) -> None:
    beyond, confirm, recent, quick = rule
    close, usual = bars.close, ema(true_range(bars), 14, 1 / 14)
    fast, slow = ema(close, quick), ema(close, 50)
    prices, far = close.to_numpy(), (beyond * usual).to_numpy()
    changes = close.diff(recent), fast.diff(quick), slow.diff(50)
    known = changes[2].notna()
    loud = (bars.volume > 1.5 * (bars.volume.rolling(20).sum() / 20)).rolling(confirm).max() == 1
    signals, refused = [], {"far": 0, "loud": 0, "structure": 0, "vote": 0}
    for sign, found in ((1, pivots(bars.high, numbers[0])), (-1, -pivots(-bars.low, numbers[0]))):
        through, weak = np.zeros(len(bars), bool), np.zeros(len(bars), bool)
        for number in range(confirm, len(bars)):
            for level in levels(found, number, *numbers):
                past = sign * (prices[number - confirm : number + 1] - level)
                if past[0] <= 0 and (past[1:] > 0).all():
                    enough = past[-1] > far[number]
                    through[number] |= enough
                    weak[number] |= not enough
        structure, vote = sign * (fast - slow) > 0, sum((sign * change > 0).astype(int) for change in changes) >= 2
        signals += [(number, sign > 0) for number, _ in told(through & known & loud & structure & vote, False)]
        refused["far"] += sum(weak & ~through & known & loud & structure & vote)
        refused["loud"] += sum(through & known & ~loud & structure & vote)
        refused["structure"] += sum(through & known & loud & ~structure & vote)
        refused["vote"] += sum(through & known & loud & structure & ~vote)
    assert said(IndexBreakoutPro(**values), bars) == sorted(signals)
    assert {long for _, long in signals} == {True, False}
    if values:
        silent = "structure" if quick < 10 else "vote"  # a quick average follows at once; a slow one is what the votes mostly say
        assert min(count for part, count in refused.items() if part != silent) > 0


KINDS = [IndexBreakoutPro, IndexMomentum, QuantumbotxCrypto, QuantumbotxHybrid]


@pytest.mark.parametrize("kind", KINDS)
def test_its_first_signal_is_not_earlier_than_it_says(bars: pd.DataFrame, kind: type[Reversal]) -> None:
    """What was played before going live is enough: from then on it says what one says that has seen everything."""
    late = kind()
    begun = 2_000
    settled = max(late.warmup, 600)  # averages without an end forget their beginning slowly
    part = said(late, bars.iloc[begun - settled :])
    whole = [one for one in said(kind(), bars) if one[0] >= begun]
    assert [one for one in part if one[0] >= begun] == whole
    assert whole
    assert late.warmup > late.needs
    assert not [number for number, _ in said(kind(), bars) if number < min(late.needs, 2 * 14) - 1]
