"""The symbols a simulated broker offers: contract parameters that do not change while the terminal runs.

The figures are those a retail demo account shows: five-digit forex at 100,000 a lot, gold at 100 ounces, CFD on
indices, crypto that trades all week.  Swaps are in points a day unless `swap_mode` says otherwise, levels in points,
volumes in lots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.terminal.simulator.enums import CalcMode, Execution, GtcMode, SwapMode, TradeMode


@dataclass(frozen=True, slots=True)
class Contract:
    """The fixed part of a symbol (MQL5: SymbolInfo* properties of the same names).

    `schedule` names a trading schedule of `sessions.py`; `selected` says whether the symbol is in Market Watch at
    first. `tick_value` is in the profit currency and used by futures only; elsewhere a tick is worth `tick_size *
    contract_size`.  `shape` names the synthetic symbol (`shapes.SHAPES`) that its prices look like: its own name at a
    broker that gives symbols their plain names.
    """

    name: str
    description: str
    path: str
    digits: int
    currency_base: str
    currency_profit: str
    currency_margin: str
    contract_size: float = 100_000.0
    calc_mode: int = CalcMode.FOREX
    schedule: str = "forex"
    selected: bool = False
    tick_size: float = 0.0
    tick_value: float = 0.0
    volume_min: float = 0.01
    volume_max: float = 500.0
    volume_step: float = 0.01
    volume_limit: float = 0.0
    swap_mode: int = SwapMode.POINTS
    swap_long: float = 0.0
    swap_short: float = 0.0
    swap_rollover3days: int = 3
    exemode: int = Execution.MARKET
    filling_mode: int = 3
    order_mode: int = 127
    expiration_mode: int = 15
    gtc_mode: int = GtcMode.GTC
    trade_mode: int = TradeMode.FULL
    stops_level: int = 0
    freeze_level: int = 0
    bookdepth: int = 0
    margin_initial: float = 0.0
    margin_maintenance: float = 0.0
    margin_hedged: float = 100_000.0
    margin_hedged_use_leg: bool = False
    margin_rate: float = 1.0
    pending_margin_rate: float = 0.0
    face_value: float = 0.0
    accrued_interest: float = 0.0
    liquidity_rate: float = 0.0
    chart_mode: int = 0
    shape: str = ""

    def __post_init__(self) -> None:
        if not self.shape:
            object.__setattr__(self, "shape", self.name)
        if not self.tick_size:
            object.__setattr__(self, "tick_size", self.point)

    @property
    def point(self) -> float:
        """The value of the last digit of the price, such as 0.00001."""
        return float(f"1e-{self.digits}")

    def price(self, value: float) -> float:
        """`value` rounded to the symbol's digits."""
        return round(value, self.digits)


_CURRENCIES = {
    "AUD": "Australian Dollar", "CAD": "Canadian Dollar", "CHF": "Swiss Franc", "EUR": "Euro",
    "GBP": "Pound Sterling", "JPY": "Japanese Yen", "MXN": "Mexican Peso", "NOK": "Norwegian Krone",
    "NZD": "New Zealand Dollar", "RUB": "Russian Ruble", "SEK": "Swedish Krona", "SGD": "Singapore Dollar", "TRY": "Turkish Lira",
    "USD": "US Dollar", "XAG": "Silver", "XAU": "Gold", "ZAR": "South African Rand",
}  # fmt: skip

# name, swap long, swap short, in Market Watch at first
_FOREX: tuple[tuple[str, float, float, bool], ...] = (
    ("EURUSD", -7.6, 0.6, True), ("GBPUSD", -4.2, -2.6, True), ("USDJPY", 18.4, -28.7, True), ("USDCHF", 6.1, -12.7, True),
    ("AUDUSD", -4.7, 0.2, True), ("USDCAD", -2.1, -5.1, True), ("NZDUSD", -1.8, -1.5, True), ("EURGBP", -5.4, 0.4, True),
    ("EURJPY", 14.5, -21.9, True), ("GBPJPY", 22.8, -33.0, True), ("EURCHF", 3.7, -8.8, False), ("EURAUD", -4.0, -3.6, False),
    ("EURCAD", -6.9, 1.6, False), ("EURNZD", -13.3, -1.1, False), ("GBPCHF", 8.5, -13.3, False), ("GBPAUD", 1.7, -10.4, False),
    ("GBPCAD", -2.4, -3.7, False), ("GBPNZD", -4.2, -3.9, False), ("AUDJPY", 9.0, -14.0, False), ("AUDCAD", -4.8, 0.2, False),
    ("AUDCHF", 2.8, -5.0, False), ("AUDNZD", -5.7, 1.0, False), ("NZDJPY", 11.4, -16.1, False), ("NZDCAD", -1.4, -2.2, False),
    ("NZDCHF", 4.0, -6.6, False), ("CADJPY", 13.9, -18.5, False), ("CADCHF", 4.6, -7.9, False), ("CHFJPY", 4.4, -13.4, False),
    ("USDSEK", -23.9, -113.1, False), ("USDNOK", -6.1, -80.7, False), ("USDMXN", -325.0, 213.8, False),
    ("USDSGD", 2.7, -9.1, False), ("USDTRY", -2918.3, -253.8, False), ("USDZAR", -180.0, 70.0, False),
    ("USDRUB", -160.0, 40.0, False),
)  # fmt: skip


def _forex(name: str, swap_long: float, swap_short: float, selected: bool) -> Contract:
    base, profit = name[:3], name[3:]
    return Contract(
        name, f"{_CURRENCIES[base]} vs {_CURRENCIES[profit]}", f"Forex\\{name}", 3 if profit in ("JPY", "RUB") else 5,
        base, profit, base, swap_long=swap_long, swap_short=swap_short, selected=selected,
        bookdepth=10 if name == "EURUSD" else 0, swap_rollover3days=4 if name in ("USDCAD", "USDTRY") else 3,
    )  # fmt: skip


def _index(name: str, description: str, currency: str, *, contract_size: float = 1.0, digits: int = 1) -> Contract:
    return Contract(
        name, description, f"Indices\\{name}", digits, currency, currency, currency, contract_size=contract_size,
        calc_mode=CalcMode.CFD_LEVERAGE, schedule="index", volume_max=250.0, volume_min=0.1, volume_step=0.1,
        swap_mode=SwapMode.INTEREST_CURRENT, swap_long=-6.4, swap_short=2.1, swap_rollover3days=5,
        margin_hedged=contract_size,
    )  # fmt: skip


def _crypto(name: str, description: str, *, digits: int, bookdepth: int = 0) -> Contract:
    return Contract(
        name, description, f"Crypto\\{name}", digits, name[:3], "USD", "USD", contract_size=1.0,
        calc_mode=CalcMode.CFD_LEVERAGE, schedule="always", volume_max=50.0, swap_mode=SwapMode.INTEREST_CURRENT,
        swap_long=-30.0, swap_short=-30.0, swap_rollover3days=5, margin_hedged=1.0, bookdepth=bookdepth,
        selected=bookdepth > 0,
    )  # fmt: skip


def _stock(name: str, description: str) -> Contract:
    return Contract(
        name, description, f"Stocks\\{name}", 2, "USD", "USD", "USD", contract_size=1.0, calc_mode=CalcMode.CFD,
        schedule="stocks", volume_min=1.0, volume_step=1.0, volume_max=10_000.0, swap_mode=SwapMode.INTEREST_CURRENT,
        swap_long=-7.2, swap_short=-2.3, swap_rollover3days=5, margin_hedged=1.0, margin_rate=0.2,
    )  # fmt: skip


def _table(*contracts: Contract) -> dict[str, Contract]:
    return {contract.name: contract for contract in contracts}


CONTRACTS: Mapping[str, Contract] = _table(
    *(_forex(*row) for row in _FOREX),
    Contract(
        "XAUUSD", "Gold vs US Dollar", "Metals\\XAUUSD", 2, "XAU", "USD", "USD", contract_size=100.0, schedule="metals",
        calc_mode=CalcMode.CFD_LEVERAGE, volume_max=100.0, swap_long=-38.6, swap_short=22.5, margin_hedged=100.0, selected=True,
    ),
    Contract(
        "XAGUSD", "Silver vs US Dollar", "Metals\\XAGUSD", 3, "XAG", "USD", "USD", contract_size=5_000.0, schedule="metals",
        calc_mode=CalcMode.CFD_LEVERAGE, volume_max=100.0, swap_long=-4.4, swap_short=2.6, margin_hedged=5_000.0, selected=True,
    ),
    Contract(
        "XTIUSD", "US Crude Oil vs US Dollar", "Energies\\XTIUSD", 2, "USD", "USD", "USD", contract_size=1_000.0,
        schedule="metals", calc_mode=CalcMode.CFD_LEVERAGE, volume_max=100.0, swap_mode=SwapMode.CURRENCY_MARGIN,
        swap_long=-2.4, swap_short=-31.0, margin_hedged=1_000.0,
    ),
    _index("US500", "US 500 Index", "USD"),
    _index("US30", "US 30 Index", "USD"),
    _index("NAS100", "US Tech 100 Index", "USD"),
    _index("GER40", "Germany 40 Index", "EUR"),
    _index("UK100", "UK 100 Index", "GBP"),
    _index("JP225", "Japan 225 Index", "JPY", digits=0, contract_size=10.0),
    _crypto("BTCUSD", "Bitcoin vs US Dollar", digits=2, bookdepth=10),
    _crypto("ETHUSD", "Ethereum vs US Dollar", digits=2),
    _stock("AAPL", "Apple Inc."),
    _stock("MSFT", "Microsoft Corporation"),
)  # fmt: skip
"""Every symbol of the default broker, by name, in the order in which symbols_get lists them."""
