"""What a replay came to: its deals as a table, the equity at every bar, and figures of both."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bridge.terminal.simulator.money import NoRate, price_gain, rate
from bridge.terminal.simulator.symbols import Contract
from bridge.trading import Deal
from bridge.virtual_account import VirtualAccount
from strategies.replay import Result

Floats = npt.NDArray[np.float64]
TRADING_DAYS = 252
"""Days of a year, by which daily returns are scaled."""


def deals_of(result: Result) -> pd.DataFrame:
    """The deals, a row each, without the deposit: `time` (server time), `ticket`, `position`, `symbol`, `side` (`buy`, `sell`),
    `entry` (`in`, `out`), `volume`, `price`, `profit`, `commission`, `swap`, `magic`, `comment`."""
    rows = [_row(deal) for deal in result.deals if deal.symbol]
    frame = pd.DataFrame(rows, columns=pd.Index(COLUMNS))
    frame["time"] = pd.to_datetime(frame["time"], unit="ms")
    return frame


COLUMNS = (
    "time", "ticket", "position", "symbol", "side", "entry", "volume", "price", "profit", "commission", "swap", "magic", "comment",
)  # fmt: skip


def _row(deal: Deal) -> tuple[Any, ...]:
    return (
        deal.time_msc, deal.ticket, deal.position_id, deal.symbol, "sell" if deal.type else "buy",
        ("in", "out", "inout", "out_by")[deal.entry], deal.volume, deal.price, deal.profit, deal.commission, deal.swap, deal.magic,
        deal.comment,
    )  # fmt: skip


def equity_of(result: Result, account: VirtualAccount) -> pd.Series[float]:
    """Equity in the account's currency at the close of every bar that was traded on, by the bar's opening in server time.

    What is open is valued at the bar's close, long positions at the bid and short ones a spread above it. A profit in another
    currency is converted at the rate at the end of the recording, unless the symbol itself has that rate.
    """
    track, server = result.track, account.world.server
    contract = server.contracts[track.symbol]
    closed = len(track.bars) - 1
    bids = np.ascontiguousarray(track.bars["close"][:closed])
    asks = bids + track.bars["spread"][:closed] * contract.point
    equity = np.full(closed, server.profile.balance)
    for place, holding in enumerate(result.holdings):
        until = result.holdings[place + 1].bar if place + 1 < len(result.holdings) else closed
        part = slice(holding.bar, until)
        equity[part] = holding.balance
        for held in holding.positions:
            prices = (asks if held.type else bids)[part]
            gains: Any = price_gain(contract, held.type, held.volume, held.price_open, prices)  # type: ignore[arg-type]
            equity[part] += gains * _rates(account, contract, prices) + held.swap
    times = pd.to_datetime(track.bars["time"][:closed], unit="s")
    return pd.Series(equity, index=pd.DatetimeIndex(times, name="time"), name="equity").iloc[result.started :]


def _rates(account: VirtualAccount, contract: Contract, prices: Floats) -> Any:
    server = account.world.server
    if contract.currency_profit == server.bank.currency:
        return 1.0
    if contract.currency_base == server.bank.currency:
        return 1.0 / prices
    try:
        return rate(contract.currency_profit, server.bank, server.quotes.get, gained=True)
    except NoRate:
        return 0.0


def figures_of(result: Result, equity: pd.Series[float]) -> dict[str, float | int | None]:
    """Figures; None where there is nothing to count. Money is in the account's currency, parts are percents.

    `sharpe` and `sortino` are of daily returns without a risk-free rate, scaled by the root of 252; `drawdown_percent` is the
    largest fall of the equity from a peak before it; `profit_factor` is won money by lost money of closed positions, all costs
    counted; `exposure_percent` is the part of the bars at whose close something was open.
    """
    deals = deals_of(result)
    whole = deals.assign(result=deals["profit"] + deals["commission"] + deals["swap"]).groupby("position")
    closed = (
        whole["result"].sum()[whole["entry"].apply(lambda kinds: (kinds != "in").any())] if len(deals) else pd.Series(dtype=float)
    )
    won, lost = closed[closed > 0].sum(), -closed[closed < 0].sum()
    start, end = (float(equity.iloc[0]), float(equity.iloc[-1])) if len(equity) else (math.nan, math.nan)
    daily = equity.groupby(pd.DatetimeIndex(equity.index).normalize()).last().pct_change().dropna()
    held = sum(
        (result.holdings[place + 1].bar if place + 1 < len(result.holdings) else len(result.track.bars) - 1) - holding.bar
        for place, holding in enumerate(result.holdings)
        if holding.positions
    )
    downside = math.sqrt(float((daily.clip(upper=0) ** 2).mean())) if len(daily) else 0.0
    return {
        "bars": result.bars,
        "ticks": result.ticks,
        "orders": result.orders,
        "refused": result.refused,
        "trades": len(closed),
        "net_profit": round(float(closed.sum()), 2),
        "end_equity": round(end, 2),
        "return_percent": _rounded(100 * (end / start - 1)) if start else None,
        "drawdown_percent": _rounded(float((1 - equity / equity.cummax()).max()) * 100),
        "sharpe": _rounded(float(daily.mean() / daily.std()) * math.sqrt(TRADING_DAYS)) if len(daily) > 1 and daily.std() else None,
        "sortino": _rounded(float(daily.mean()) / downside * math.sqrt(TRADING_DAYS)) if downside else None,
        "profit_factor": _rounded(float(won / lost)) if lost else None,
        "win_percent": _rounded(100 * float((closed > 0).mean())) if len(closed) else None,
        "exposure_percent": _rounded(100 * held / max(len(equity), 1)),
    }


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
