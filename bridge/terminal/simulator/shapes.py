"""What a synthetic symbol looks like: price, volatility, spread, tick rate, burstiness, hours.

The feeds are the fits of log-intensity noise and clusters to recorded ticks (OANDA, FXCM, Dukascopy); rates, day profile
and spreads follow MT5 demo servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feed:
    """How the ticks of a minute bunch together.

    Ticks come in clusters of `cluster` on average (geometric), `gap_ms` apart (median; log sd `gap_sd`; at least
    `floor_ms`, but a share `same_ms` in the same millisecond).  `minute_sd` and `cell_sd` are the log sd of the
    intensity from minute to minute and between the 10 s cells of a minute.  Of the ticks `bid_only` and `ask_only` are
    meant to change one side only and `repeats` to change nothing; the bid often rounds to the same point, so that
    fewer bids change than meant.
    """

    cluster: float
    gap_ms: float
    gap_sd: float
    floor_ms: int
    minute_sd: float
    cell_sd: float
    bid_only: float = 0.30
    ask_only: float = 0.10
    repeats: float = 0.0
    same_ms: float = 0.0


OANDA = Feed(2.5, 90, 0.8, 1, 0.52, 0.35, same_ms=0.013)
METAL = Feed(5.5, 15, 1.3, 1, 0.55, 0.60, 0.10, 0.02, same_ms=0.055)
FXCM = Feed(4.3, 40, 1.3, 1, 0.60, 0.50, 0.72, 0.20)
THROTTLED = Feed(1.4, 90, 1.3, 50, 0.21, 0.15, 0.22, 0.08, 0.30)

Hours = tuple[float, ...]
_EUROPE: Hours = (14, 18, 24, 33, 29, 23, 19, 22, 28, 45, 54, 48, 40, 37, 44, 62, 67, 71, 56, 40, 31, 31, 25, 17)
_ASIA: Hours = (20, 30, 48, 60, 55, 42, 34, 32, 34, 44, 48, 42, 37, 36, 42, 56, 60, 62, 50, 38, 31, 32, 28, 22)
_CRYPTO: Hours = (30, 32, 33, 33, 31, 29, 28, 28, 30, 32, 34, 34, 35, 37, 41, 48, 51, 52, 48, 44, 40, 37, 34, 31)
_STOCKS: Hours = (*(1,) * 16, 150, 100, 70, 58, 54, 62, 105, 1)


@dataclass(frozen=True, slots=True)
class SymbolShape:
    """The parameters of a synthetic symbol.

    `price` is the level to which the price reverts over years; `volatility` the sd of a day's log return; `spread`,
    `spread_step`, `rollover_spread` and `news_spread` are points: the smallest spread, the distance of its levels, and
    how much it widens at the start of the server's day and with news of magnitude 1.  `rate` is the mean number of
    ticks a second over open hours, spread over the day as `hours` says (24 weights); `news_peak` the ticks added in
    the first minute of such news.  `schedule` names a schedule of `sessions.SCHEDULES`.
    """

    digits: int
    price: float
    volatility: float
    spread: int
    rate: float
    feed: Feed = OANDA
    schedule: str = "forex"
    hours: Hours = _EUROPE
    spread_step: int = 1
    rollover_spread: int = 120
    news_spread: int = 130
    news_peak: int = 2_500

    def __post_init__(self) -> None:
        if not (self.price > 0 and self.volatility > 0 and self.rate > 0 and 0 <= self.digits <= 8):
            raise ValueError("a symbol's price, volatility and rate are positive, its digits 0 to 8")
        if self.rate > 20 or self.news_peak > 10_000:
            raise ValueError("at most 20 ticks a second on average, and 10,000 more in a minute of news")
        if len(self.hours) != 24 or min(self.hours) <= 0:
            raise ValueError("a day profile is 24 positive weights")

    @property
    def scale(self) -> float:
        """Points in one unit of price: a price is an integer of points divided by this."""
        return float(10**self.digits)

    @property
    def point(self) -> float:
        """The value of the last digit of the price, such as 0.00001."""
        return float(f"1e-{self.digits}")


# name: digits, price, volatility %, spread, ticks/s
_FOREX: tuple[tuple[str, int, float, float, int, float], ...] = (
    ("EURUSD", 5, 1.14, 0.45, 2, 0.60), ("GBPUSD", 5, 1.31, 0.52, 4, 0.89), ("USDJPY", 3, 152.0, 0.60, 3, 0.87),
    ("USDCHF", 5, 0.86, 0.50, 5, 0.55), ("USDCAD", 5, 1.37, 0.40, 5, 0.56), ("AUDUSD", 5, 0.66, 0.62, 4, 0.60),
    ("NZDUSD", 5, 0.60, 0.64, 6, 1.10), ("EURGBP", 5, 0.870, 0.38, 5, 0.55), ("EURJPY", 3, 173.3, 0.62, 6, 0.90),
    ("GBPJPY", 3, 199.1, 0.70, 9, 1.10), ("EURCHF", 5, 0.980, 0.33, 7, 0.45), ("EURAUD", 5, 1.727, 0.58, 11, 0.80),
    ("EURCAD", 5, 1.562, 0.48, 10, 0.70), ("EURNZD", 5, 1.900, 0.60, 17, 0.80), ("GBPCHF", 5, 1.127, 0.50, 13, 0.65),
    ("GBPAUD", 5, 1.985, 0.60, 15, 0.90), ("GBPCAD", 5, 1.795, 0.52, 15, 0.80), ("GBPNZD", 5, 2.183, 0.65, 22, 0.90),
    ("AUDJPY", 3, 100.3, 0.75, 7, 0.75), ("AUDCAD", 5, 0.904, 0.48, 9, 0.60), ("AUDCHF", 5, 0.568, 0.58, 9, 0.50),
    ("AUDNZD", 5, 1.100, 0.38, 12, 0.55), ("NZDJPY", 3, 91.2, 0.75, 10, 0.65), ("NZDCAD", 5, 0.822, 0.50, 12, 0.50),
    ("NZDCHF", 5, 0.516, 0.60, 12, 0.45), ("CADJPY", 3, 110.9, 0.65, 8, 0.65), ("CADCHF", 5, 0.628, 0.48, 9, 0.45),
    ("CHFJPY", 3, 176.7, 0.62, 14, 0.70), ("USDSEK", 5, 9.80, 0.65, 250, 0.50), ("USDNOK", 5, 10.3, 0.70, 300, 0.50),
    ("USDMXN", 5, 18.6, 0.75, 350, 0.45), ("USDSGD", 5, 1.300, 0.28, 14, 0.40), ("USDTRY", 5, 38.0, 0.60, 2500, 0.20),
    ("USDZAR", 5, 17.8, 0.90, 900, 0.50), ("USDRUB", 3, 92.0, 1.10, 120, 0.05),
)  # fmt: skip


def _forex(name: str, digits: int, price: float, volatility: float, spread: int, rate: float) -> SymbolShape:
    return SymbolShape(
        digits, price, volatility / 100, spread, rate,
        feed=FXCM if name == "NZDUSD" else OANDA,
        hours=_ASIA if name[:3] in ("AUD", "NZD") or name[3:] == "JPY" else _EUROPE,
        spread_step=max(1, spread // 6), rollover_spread=100 + 6 * spread, news_spread=110 + 4 * spread,
        news_peak=max(100, round(3_000 * min(rate, 1.0))),
    )  # fmt: skip


def _cfd(
    digits: int, price: float, volatility: float, spread: int, rate: float, *, schedule: str = "index",
    feed: Feed = METAL, hours: Hours = _EUROPE, news_peak: int = 2_000,
) -> SymbolShape:  # fmt: skip
    return SymbolShape(
        digits, price, volatility / 100, spread, rate, feed, schedule, hours, max(1, spread // 8),
        5 * spread, 6 * spread, news_peak,
    )  # fmt: skip


def _stock(price: float, volatility: float, rate: float) -> SymbolShape:
    return _cfd(2, price, volatility, 4, rate, schedule="stocks", hours=_STOCKS, feed=OANDA, news_peak=200)


SHAPES: Mapping[str, SymbolShape] = {
    **{row[0]: _forex(*row) for row in _FOREX},
    "XAUUSD": _cfd(2, 2_650.0, 0.95, 14, 2.85, schedule="metals", news_peak=4_500),
    "XAGUSD": _cfd(3, 31.0, 1.80, 20, 1.80, schedule="metals", news_peak=2_500),
    "XTIUSD": _cfd(2, 72.0, 2.10, 3, 1.20, schedule="metals"),
    "US500": _cfd(1, 5_600.0, 1.05, 4, 2.50, news_peak=4_000),
    "US30": _cfd(1, 41_000.0, 0.95, 20, 1.74, news_peak=3_500),
    "NAS100": _cfd(1, 19_800.0, 1.35, 10, 3.00, news_peak=4_500),
    "GER40": _cfd(1, 19_500.0, 1.10, 10, 1.50),
    "UK100": _cfd(1, 8_400.0, 0.85, 10, 0.90),
    "JP225": _cfd(0, 39_000.0, 1.25, 7, 1.00, hours=_ASIA),
    "BTCUSD": _cfd(2, 68_000.0, 2.60, 800, 2.37, schedule="always", feed=THROTTLED, hours=_CRYPTO, news_peak=900),
    "ETHUSD": _cfd(2, 2_900.0, 3.30, 120, 2.00, schedule="always", feed=THROTTLED, hours=_CRYPTO, news_peak=800),
    "AAPL": _stock(215.0, 1.60, 1.20),
    "MSFT": _stock(430.0, 1.45, 1.00),
}
"""The synthetic symbols, by name."""
