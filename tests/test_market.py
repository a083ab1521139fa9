"""The synthetic market: one world however it is asked, bars that are their ticks, and the statistics of real feeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.bars import TIMEFRAMES, bars_of_ticks, merge_bars, period_start
from bridge.terminal.simulator.market import SHAPES, Markets, SymbolShape, SyntheticMarket

SYMBOLS = ("EURUSD", "USDJPY", "XAUUSD", "BTCUSD", "AAPL", "USDRUB")
MARKET = SyntheticMarket(7)
HOUR_MSC = 3_600_000
FIRST_MSC, END_MSC = 1_262_304_000_000, 2_145_916_800_000  # 2010-01-01, 2038-01-01

symbols = st.sampled_from(SYMBOLS)
moments = st.integers(FIRST_MSC, END_MSC)
timeframes = st.sampled_from(sorted(TIMEFRAMES))
spans = st.integers(0, 3 * HOUR_MSC)


def msc(text: str) -> int:
    return int(np.datetime64(text, "ms").astype(np.int64))


def same(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype) and bool(one.tobytes() == other.tobytes())


@given(symbols, moments, spans, spans, spans)
@settings(deadline=None, max_examples=12)
def test_overlapping_requests_agree(symbol: str, start: int, first: int, second: int, third: int) -> None:
    whole = MARKET.ticks(symbol, start, start + first + second + third)
    part = SyntheticMarket(7).ticks(symbol, start + first, start + first + second)
    times = whole["time_msc"]
    assert same(whole[(times >= start + first) & (times < start + first + second)], part)
    assert (np.diff(times) >= 0).all()
    assert not times.size or (times[0] >= start and times[-1] < start + first + second + third)


@given(symbols, st.permutations(range(6)), st.integers(14_700, 24_000))
@settings(deadline=None, max_examples=5)
def test_the_order_of_requests_does_not_matter(symbol: str, order: list[int], day: int) -> None:
    market = SyntheticMarket(7)
    start = day * 24 * HOUR_MSC + 15 * HOUR_MSC
    parts = {part: market.ticks(symbol, start + part * HOUR_MSC, start + (part + 1) * HOUR_MSC) for part in order}
    assert same(np.concatenate([parts[part] for part in range(6)]), MARKET.ticks(symbol, start, start + 6 * HOUR_MSC))


def test_another_seed_is_another_world() -> None:
    start = msc("2026-03-04T12:00")
    one, other = (SyntheticMarket(seed).ticks("EURUSD", start, start + HOUR_MSC) for seed in (7, 8))
    assert not same(one, other)
    alone = SyntheticMarket(7, {"EURUSD": SHAPES["EURUSD"]})
    assert same(one, alone.ticks("EURUSD", start, start + HOUR_MSC))


@given(symbols, timeframes, moments, spans)
@settings(deadline=None, max_examples=25)
def test_bars_are_their_ticks(symbol: str, timeframe: int, now: int, span: int) -> None:
    point = SHAPES[symbol].point
    if TIMEFRAMES[timeframe].length_s <= 4 * 3600:
        bars = MARKET.rates(symbol, timeframe, (now - span) // 1000, now // 1000, now)
        ticks = MARKET.ticks(symbol, now - span - TIMEFRAMES[timeframe].length_s * 1000, now)
        expected = bars_of_ticks(ticks, timeframe, point)
        expected = expected[expected["time"] >= (now - span) // 1000]
    else:
        bars = MARKET.last_rates(symbol, timeframe, 0, 1, now)
        start = int(bars["time"][0]) if bars.size else now // 1000
        expected = merge_bars(MARKET.rates(symbol, 1, start, now // 1000, now), timeframe)
    assert same(bars, expected)


@pytest.mark.parametrize("timeframe", sorted(TIMEFRAMES))
def test_the_forming_bar_has_the_ticks_so_far(timeframe: int) -> None:
    now = msc("2026-03-04T16:12:31.587")
    start = period_start(timeframe, now // 1000)
    ticks = MARKET.ticks("EURUSD", start * 1000, now)
    assert same(MARKET.last_rates("EURUSD", timeframe, 0, 1, now), bars_of_ticks(ticks, timeframe, 0.00001))
    assert same(
        MARKET.last_rates("EURUSD", timeframe, 0, 1, int(ticks["time_msc"][-1]) + 1), bars_of_ticks(ticks, timeframe, 0.00001)
    )
    earlier = MARKET.last_rates("EURUSD", timeframe, 0, 1, int(ticks["time_msc"][-1]))
    assert same(earlier[earlier["time"] == start], bars_of_ticks(ticks[:-1], timeframe, 0.00001))


@given(symbols, moments)
@settings(deadline=None, max_examples=6)
def test_a_day_is_its_ticks(symbol: str, moment: int) -> None:
    start = moment - moment % (24 * HOUR_MSC)
    day = MARKET.rates(symbol, 0x4018, start // 1000, start // 1000, END_MSC)
    assert same(day, bars_of_ticks(MARKET.ticks(symbol, start, start + 24 * HOUR_MSC), 0x4018, SHAPES[symbol].point))


@given(symbols, timeframes, moments, st.integers(0, 20), st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_positions_count_from_the_newest_bar(symbol: str, timeframe: int, now: int, position: int, count: int) -> None:
    span_s = TIMEFRAMES[timeframe].length_s * 300 + 20 * 86_400
    bars = MARKET.rates(symbol, timeframe, now // 1000 - span_s, now // 1000, now)
    if bars.size > position + count:
        expected = bars[bars.size - position - count : bars.size - position]
        assert same(MARKET.last_rates(symbol, timeframe, position, count, now), expected)


@given(symbols, moments, st.integers(0, 3000))
@settings(deadline=None, max_examples=12)
def test_first_ticks_and_last_tick(symbol: str, moment: int, count: int) -> None:
    ticks = MARKET.ticks(symbol, moment, moment + 8 * HOUR_MSC)
    assert same(MARKET.first_ticks(symbol, moment, count, moment + 8 * HOUR_MSC), ticks[:count])
    last = MARKET.last_tick(symbol, moment + 8 * HOUR_MSC)
    if ticks.size:
        assert last is not None
        assert last == ticks[-1]
    elif last is not None:
        assert int(last["time_msc"]) < moment


@given(symbols, moments)
@settings(deadline=None, max_examples=12)
def test_ticks_are_well_formed(symbol: str, moment: int) -> None:
    shape = SHAPES[symbol]
    ticks = MARKET.ticks(symbol, moment, moment + 2 * HOUR_MSC)
    for price in (*ticks["bid"].tolist(), *ticks["ask"].tolist()):
        assert price > 0
        assert price == float(f"{price:.{shape.digits}f}")
    assert (np.rint((ticks["ask"] - ticks["bid"]) / shape.point) >= shape.spread).all()
    assert (ticks["time"] == ticks["time_msc"] // 1000).all()
    assert set(np.unique(ticks["flags"]).tolist()) <= {1026, 1028, 1030, 1154, 1156, 1158}
    changed = ticks["bid"][1:] != ticks["bid"][:-1]
    same_hour = ticks["time"][1:] // 3600 == ticks["time"][:-1] // 3600
    repeated = ~changed & (ticks["ask"][1:] == ticks["ask"][:-1])
    assert (((ticks["flags"][1:] & 2 > 0) == (changed | repeated))[same_hour]).all()


def test_history_has_ends() -> None:
    assert MARKET.last_tick("BTCUSD", FIRST_MSC) is None
    assert MARKET.ticks("BTCUSD", FIRST_MSC - HOUR_MSC, FIRST_MSC).size == 0
    assert MARKET.ticks("BTCUSD", END_MSC, END_MSC + HOUR_MSC).size == 0
    first = MARKET.last_rates("BTCUSD", 0xC001, 0, 10_000, END_MSC)
    assert first["time"][[0, -1]].tolist() == [FIRST_MSC // 1000, msc("2037-12-01") // 1000]
    assert MARKET.last_rates("EURUSD", 0x4018, 5, 0, END_MSC).size == 0
    assert MARKET.last_rates("EURUSD", 0x4018, 100_000, 5, END_MSC).size == 0
    assert MARKET.rates("EURUSD", 1, 10, 5, END_MSC).size == 0


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(KeyError):
        MARKET.ticks("NONE", FIRST_MSC, END_MSC)
    with pytest.raises(ValueError, match="unknown timeframe 7"):
        MARKET.rates("EURUSD", 7, 0, 1, END_MSC)
    with pytest.raises(ValueError, match="negative bar position -1"):
        MARKET.last_rates("EURUSD", 1, -1, 1, END_MSC)


@pytest.mark.parametrize(
    ("symbol", "opens", "closes"),
    [
        ("EURUSD", ("1 00:00", "2 00:00"), ("1 23:59", "5 23:56")),
        ("XAUUSD", ("1 01:00", "2 01:00"), ("1 23:59", "5 23:56")),
        ("AAPL", ("1 16:30", "2 16:30"), ("1 22:59", "5 22:59")),
    ],
)
def test_sessions(symbol: str, opens: tuple[str, str], closes: tuple[str, str]) -> None:
    sunday = msc("2026-03-01") // 1000
    bars = MARKET.rates(symbol, 1, sunday, sunday + 7 * 86_400 - 1, END_MSC)
    week = [f"{(time - sunday) // 86_400} {time % 86_400 // 3600:02}:{time % 3600 // 60:02}" for time in bars["time"].tolist()]
    assert week[0] == opens[0]
    assert week[-1] == closes[1]
    assert opens[1] in week
    monday = [minute for minute in week if minute.startswith("1 ")]
    assert monday[-1] == closes[0]


def test_crypto_has_no_week_and_christmas_is_quiet() -> None:
    assert MARKET.rates("BTCUSD", 0x4018, msc("2026-12-20") // 1000, msc("2027-01-02") // 1000, END_MSC).size == 14
    days = MARKET.rates("EURUSD", 0x4018, msc("2026-12-20") // 1000, msc("2027-01-02") // 1000, END_MSC)["time"]
    assert [str(np.datetime64(day, "s"))[5:10] for day in days.tolist()] == [
        "12-21", "12-22", "12-23", "12-24", "12-28", "12-29", "12-30", "12-31",
    ]  # fmt: skip


def _fano(times_msc: Any, width_s: int) -> float:
    hours = times_msc // HOUR_MSC
    factors = []
    for hour in np.unique(hours):
        inside = times_msc[hours == hour] - hour * HOUR_MSC
        if inside.size >= 300:
            counts = np.bincount(inside // (width_s * 1000), minlength=3600 // width_s)
            factors.append(counts.var() / counts.mean())
    return float(np.median(factors))


@pytest.mark.parametrize(
    ("symbol", "target"),
    [
        ("EURUSD", (3.1, 6.2, 12.0)),  # OANDA
        ("NZDUSD", (6.0, 12.0, 24.0)),  # FXCM
        ("XAUUSD", (11.0, 28.0, 58.0)),  # OANDA
        ("BTCUSD", (1.8, 3.3, 6.4)),  # Dukascopy
    ],
)
def test_ticks_come_in_bursts_like_recorded_ones(symbol: str, target: tuple[float, float, float]) -> None:
    start = msc("2026-03-02")
    times = np.ascontiguousarray(MARKET.ticks(symbol, start, start + 2 * 24 * HOUR_MSC)["time_msc"])
    for width_s, wanted in zip((1, 10, 60), target, strict=True):
        assert wanted / 1.5 < _fano(times, width_s) < wanted * 1.5


def test_a_day_is_shaped_like_a_recorded_one() -> None:
    """Ticks a minute by server hour of a real EURUSD feed; a sticky spread, shared milliseconds, one-sided updates."""
    recorded = [14, 18, 24, 33, 29, 23, 19, 22, 28, 45, 54, 48, 40, 37, 44, 62, 67, 71, 56, 40, 31, 31, 25, 17]
    start = msc("2026-03-02")
    ticks = MARKET.ticks("EURUSD", start, start + 5 * 24 * HOUR_MSC)
    hours = np.bincount((ticks["time_msc"] // HOUR_MSC) % 24, minlength=24)
    assert np.corrcoef(hours, recorded).item(1) > 0.9
    spread = np.rint((ticks["ask"] - ticks["bid"]) * 1e5)
    assert np.corrcoef(spread[1:], spread[:-1]).item(1) > 0.95
    assert 0.004 < (np.diff(ticks["time_msc"]) == 0).mean() < 0.02
    changed = ticks["flags"] & 6
    assert min((changed == side).mean() for side in (2, 4)) > 0.05


def test_symbols_are_busy_together() -> None:
    start = msc("2026-03-03")
    counts = [
        np.bincount((MARKET.ticks(symbol, start, start + 48 * HOUR_MSC)["time_msc"] - start) // 60_000, minlength=48 * 60)
        for symbol in ("EURUSD", "XAUUSD")
    ]
    assert 0.6 < np.corrcoef(counts[0], counts[1]).item(1) < 0.9


def test_payrolls() -> None:
    release = msc("2026-03-06T15:30")  # the first Friday of March
    bars = MARKET.rates("EURUSD", 1, release // 1000 - 1800, release // 1000, END_MSC)
    usual, burst = np.median(bars["tick_volume"][:-1]), bars["tick_volume"][-1]
    assert burst > 10 * usual
    ticks = MARKET.ticks("EURUSD", release - 600_000, release + 60_000)
    spread = np.rint((ticks["ask"] - ticks["bid"]) * 1e5)
    after = ticks["time_msc"] >= release
    assert np.median(spread[after]) > 5 * np.median(spread[~after])
    gold = MARKET.ticks("XAUUSD", release, release + 60_000)["time_msc"]
    assert 100 < np.bincount((gold - release) // 1000).max() < 400


def test_the_spread_is_wide_at_rollover() -> None:
    bars = MARKET.rates("EURUSD", 1, msc("2026-03-01") // 1000, msc("2026-03-31") // 1000, END_MSC)
    of_day = bars["time"] % 86_400 // 60
    assert np.median(bars["spread"][of_day < 5]) > 20
    assert np.median(bars["spread"][(of_day > 600) & (of_day < 900)]) <= 3


@pytest.mark.parametrize("symbol", ["EURUSD", "XAUUSD", "BTCUSD", "AAPL"])
def test_volatility(symbol: str) -> None:
    days = MARKET.rates(symbol, 0x4018, msc("2012-01-01") // 1000, msc("2026-01-01") // 1000, END_MSC)
    returns = np.diff(np.log(days["close"]))
    assert returns.std() == pytest.approx(SHAPES[symbol].volatility, rel=0.25)
    ranges = (days["high"] - days["low"]) / days["close"]
    assert 1.0 < ranges.mean() / returns.std() < 2.2
    assert days["close"].min() / SHAPES[symbol].price > 0.3
    assert days["close"].max() / SHAPES[symbol].price < 4.0


def test_the_path_is_continuous() -> None:
    bars = MARKET.rates("EURUSD", 1, msc("2026-03-03") // 1000, msc("2026-03-04") // 1000, END_MSC)
    gaps = np.abs(bars["open"][1:] - bars["close"][:-1]) * 1e5
    assert np.median(gaps) <= 3
    assert gaps.max() < np.median(bars["high"] - bars["low"]) * 1e5 * 4


def test_the_table_of_shapes() -> None:
    assert len(SHAPES) >= 30
    assert MARKET.symbols() == list(SHAPES)
    now = msc("2026-03-04T18:00")
    for symbol, shape in SHAPES.items():
        tick = MARKET.last_tick(symbol, now)
        assert tick is not None
        assert 0.3 < float(tick["bid"]) / shape.price < 3.5
        assert now - int(tick["time_msc"]) < 600_000


def test_markets_take_each_symbol_from_the_first_that_has_it() -> None:
    other = SyntheticMarket(8, {"EURUSD": SymbolShape(3, 5.0, 0.01, 1, 1.0)})
    markets = Markets(other, MARKET)
    now = msc("2026-03-04T18:00")
    assert markets.symbols() == ["EURUSD", *(symbol for symbol in SHAPES if symbol != "EURUSD")]
    for symbol, market in (("EURUSD", other), ("GBPUSD", MARKET)):
        assert same(markets.ticks(symbol, now - HOUR_MSC, now), market.ticks(symbol, now - HOUR_MSC, now))
        assert same(markets.first_ticks(symbol, now - HOUR_MSC, 9, now), market.first_ticks(symbol, now - HOUR_MSC, 9, now))
        assert markets.last_tick(symbol, now) == market.last_tick(symbol, now)
        start_s = now // 1000 - 3_600
        assert same(markets.rates(symbol, 5, start_s, 2**31, now), market.rates(symbol, 5, start_s, 2**31, now))
        assert same(markets.last_rates(symbol, 5, 0, 9, now), market.last_rates(symbol, 5, 0, 9, now))
    with pytest.raises(KeyError):
        markets.last_tick("NONE", now)
