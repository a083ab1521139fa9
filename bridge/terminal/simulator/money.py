"""Profit, margin and swap of one position or order, in the account's currency.

Formulas: MQL5, "Calculation formulas" of ENUM_SYMBOL_CALC_MODE and ENUM_SYMBOL_SWAP_MODE.  How amounts are converted
is not documented; what follows reproduces every published figure known (tests/test_money.py names them): an amount
that the account gains is converted at the side of the conversion pair that gives less of the account's currency, an
amount that it loses at the side that gives more; when the symbol itself is the conversion pair, at the price of the
calculation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.terminal.simulator.enums import BUY, SELL, CalcMode, SwapMode
from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.symbols import Contract

QuoteOf = Callable[[str], Quote | None]
"""Gives the newest quote of a symbol, or None."""

_FOREX_MODES = (CalcMode.FOREX, CalcMode.FOREX_NO_LEVERAGE)
_TICK_VALUE_MODES = (CalcMode.FUTURES, CalcMode.EXCH_FUTURES)
_LEVERAGED_MODES = (CalcMode.FOREX, CalcMode.CFD_LEVERAGE)
_PRICELESS_MODES = (*_FOREX_MODES, *_TICK_VALUE_MODES)
_BOND_MODES = (CalcMode.EXCH_BONDS, CalcMode.EXCH_BONDS_MOEX)
_CROSS_CURRENCY = "USD"


class NoRate(Exception):
    """Two currencies cannot be converted: no pair of the broker connects them, or it has no quote yet."""


@dataclass(frozen=True, slots=True)
class Bank:
    """Everything a conversion needs: the account's currency and leverage, and the pairs that connect currencies."""

    currency: str
    digits: int
    leverage: int
    pairs: Mapping[tuple[str, str], str]

    @classmethod
    def of(cls, contracts: Mapping[str, Contract], currency: str, digits: int, leverage: int) -> Bank:
        """A bank that converts through the forex symbols among `contracts`."""
        pairs = {
            (contract.currency_base, contract.currency_profit): name
            for name, contract in contracts.items()
            if contract.calc_mode in _FOREX_MODES
        }
        return cls(currency, digits, leverage, pairs)

    def round(self, amount: float) -> float:
        """Money rounded half away from zero to the currency's digits."""
        return round_money(amount, self.digits)


def round_money(amount: float, digits: int) -> float:
    """Round half away from zero, forgiving the binary noise of decimal fractions."""
    scale = 10.0**digits
    rounded = math.floor(abs(amount) * scale + 0.5 + 1e-9) / scale
    return math.copysign(rounded, amount) if rounded else 0.0


def route(source: str, bank: Bank) -> tuple[tuple[str, bool], ...]:
    """The symbols that convert `source` into the account's currency, with whether each is multiplied (True) or
    divided by.

    Empty when the two are the same; through US dollars when no symbol connects them directly.  Raises NoRate.
    """
    if source == bank.currency:
        return ()
    for legs in ((source, bank.currency),), ((source, _CROSS_CURRENCY), (_CROSS_CURRENCY, bank.currency)):
        steps = [_step(bank, *leg) for leg in legs]
        if all(steps):
            return tuple(step for step in steps if step)
    raise NoRate(f"no symbols convert {source} into {bank.currency}")


def _step(bank: Bank, source: str, target: str) -> tuple[str, bool] | None:
    if (source, target) in bank.pairs:
        return bank.pairs[source, target], True
    if (target, source) in bank.pairs:
        return bank.pairs[target, source], False
    return None


def rate(source: str, bank: Bank, quote: QuoteOf, *, gained: bool) -> float:
    """One unit of `source` in the account's currency, at the side that is worse for the account.

    Raises NoRate when no pair connects the two or a pair has no quote.
    """
    value = 1.0
    for symbol, multiplied in route(source, bank):
        prices = quote(symbol)
        if prices is None or prices.bid <= 0 or prices.ask <= 0:
            raise NoRate(f"{symbol} has no quote")
        if multiplied:
            value *= prices.bid if gained else prices.ask
        else:
            value /= prices.ask if gained else prices.bid
    return value


def _is_own_pair(contract: Contract, bank: Bank) -> bool:
    return contract.currency_base == bank.currency and contract.calc_mode in _FOREX_MODES


def price_gain(contract: Contract, side: int, volume: float, price_open: float, price_close: float) -> float:
    """Profit in the symbol's profit currency, unrounded, negative for a loss."""
    change = price_close - price_open if side == BUY else price_open - price_close
    if contract.calc_mode in _TICK_VALUE_MODES:
        return change * volume * contract.tick_value / contract.tick_size
    if contract.calc_mode in _BOND_MODES:
        return change * volume * contract.contract_size * contract.face_value
    if contract.calc_mode == CalcMode.SERV_COLLATERAL:
        return 0.0
    return change * volume * contract.contract_size


def profit(
    contract: Contract, side: int, volume: float, price_open: float, price_close: float, bank: Bank, quote: QuoteOf
) -> float:
    """Profit in the account's currency, rounded to its digits.  Raises NoRate."""
    gain = price_gain(contract, side, volume, price_open, price_close)
    if contract.currency_profit == bank.currency:
        return bank.round(gain)
    if _is_own_pair(contract, bank):
        return bank.round(gain / price_close)
    return bank.round(gain * rate(contract.currency_profit, bank, quote, gained=gain >= 0))


def tick_value(contract: Contract, bank: Bank, quote: QuoteOf, *, gained: bool) -> float:
    """What one tick of one lot is worth in the account's currency, unrounded; 0.0 as long as it cannot be
    converted.
    """
    if contract.calc_mode in _TICK_VALUE_MODES:
        value = contract.tick_value
    else:
        value = price_gain(contract, BUY, 1.0, 0.0, contract.tick_size)
    if contract.currency_profit == bank.currency:
        return value
    try:
        return value * rate(contract.currency_profit, bank, quote, gained=gained)
    except NoRate:
        return 0.0


def margin_raw(contract: Contract, volume: float, price: float, leverage: int) -> float:
    """Margin in the symbol's margin currency, unrounded, before the margin rate (MQL5, ENUM_SYMBOL_CALC_MODE)."""
    size, mode = contract.contract_size, contract.calc_mode
    # A fixed margin per lot replaces the contract size in forex, and is the only margin that futures have.
    if mode in _TICK_VALUE_MODES or (contract.margin_initial and mode in _FOREX_MODES):
        size, price = contract.margin_initial, 1.0
    amount = volume * size
    if mode not in _PRICELESS_MODES:
        amount *= price
    if mode in _LEVERAGED_MODES:
        amount /= leverage
    elif mode == CalcMode.CFD_INDEX:
        amount *= (contract.tick_value or contract.tick_size) / contract.tick_size
    elif mode in _BOND_MODES:
        amount *= contract.face_value / 100
    elif mode == CalcMode.SERV_COLLATERAL:
        amount = 0.0
    return amount


def margin(contract: Contract, side: int, volume: float, price: float, bank: Bank, quote: QuoteOf) -> float:
    """Margin in the account's currency for this volume alone, unrounded.  Raises NoRate.

    Converted at the ask for buying and the bid for selling; a forex symbol quoted in the account's currency converts
    its own base at `price`.
    """
    amount = margin_raw(contract, volume, price, bank.leverage) * contract.margin_rate
    if contract.currency_margin == bank.currency:
        return amount
    if contract.calc_mode in _FOREX_MODES and (contract.currency_margin, contract.currency_profit) == (
        contract.currency_base, bank.currency,
    ):  # fmt: skip
        return amount * price
    return amount * rate(contract.currency_margin, bank, quote, gained=side == SELL)


def swap(contract: Contract, side: int, volume: float, price_open: float, price_now: float, bank: Bank, quote: QuoteOf) -> float:
    """Swap of one night in the account's currency, rounded.  Raises NoRate.

    `price_now` is the closing price of the position at the rollover.  The re-open modes cost nothing here: they move
    the open price.
    """
    value = contract.swap_long if side == BUY else contract.swap_short
    mode = contract.swap_mode
    if mode == SwapMode.POINTS:
        amount, currency = volume * contract.contract_size * contract.point * value, contract.currency_profit
    elif mode == SwapMode.CURRENCY_SYMBOL:
        amount, currency = volume * value, contract.currency_base
    elif mode == SwapMode.CURRENCY_MARGIN:
        amount, currency = volume * value, contract.currency_margin
    elif mode == SwapMode.CURRENCY_DEPOSIT:
        amount, currency = volume * value, bank.currency
    elif mode in (SwapMode.INTEREST_CURRENT, SwapMode.INTEREST_OPEN):
        price = price_now if mode == SwapMode.INTEREST_CURRENT else price_open
        amount, currency = volume * contract.contract_size * price * value / 100 / 360, contract.currency_profit
    else:
        return 0.0
    return bank.round(amount * rate(currency, bank, quote, gained=amount >= 0))
