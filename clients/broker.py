"""`MT5Broker`: the methods of QuantumBotX's `BaseBroker` on top of a bridge, so that pages and strategies that were written against
that class need no MetaTrader5 import. New programs use `Client`, whose results are typed.

Results are plain: dicts with the terminal's field names, lists of them, DataFrames. Failures are raised (`bridge.errors`), never
told as an empty result.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from bridge.errors import CallError, InvalidParameters, UnknownSymbol
from clients.blocking import Client
from clients.moments import refused
from clients.orders import Side

if TYPE_CHECKING:
    import pandas as pd

DAY_S = 86_400
QUIET_S = 300.0
"""A market whose last tick is older is taken to be closed."""
_CLOSES = frozenset({1, 2, 3})
"""`DEAL_ENTRY_OUT`, `DEAL_ENTRY_INOUT`, `DEAL_ENTRY_OUT_BY`."""
OrderKind = Literal["market", "limit", "stop"]


class MT5Broker:
    """A broker of one bridge, for one thread. Volumes are in lots, times the trade server's."""

    def __init__(
        self, endpoint: str | None = None, *, name: str = "broker", timeout_s: float = 10.0, magic: int = 0, **keys: Any
    ) -> None:
        """Nothing is connected yet. `magic` marks the orders; `keys` are `key` and `server_key` of `Client`."""
        self._made = {"endpoint": endpoint, "name": name, "timeout_s": timeout_s, **keys}
        self._magic = magic
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The connection. Raises `CallError` before `connect`."""
        if self._client is None:
            raise CallError("the broker is not connected", next_step="call connect() first")
        return self._client

    # ---- connection ----------------------------------------------------------------------------------------------------------

    def connect(self) -> bool:
        """Connect to the bridge; True, or what `Client` raises."""
        if self._client is None:
            self._client = Client(**self._made)
        return True

    initialize = connect

    def disconnect(self) -> None:
        """End the connection; the bridge goes on."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def is_connected(self) -> bool:
        """Whether the bridge answers and its terminal works."""
        return self._client is not None and self._client.is_connected

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.disconnect()

    # ---- market --------------------------------------------------------------------------------------------------------------

    def get_symbols(self, group: str | None = None) -> list[str]:
        """Names of the symbols, of a group such as `*USD*` if one is given."""
        return [symbol.name for symbol in self.client.symbols(group)]

    def get_symbol_info(self, symbol: str) -> dict[str, Any]:
        """A symbol's properties."""
        return asdict(self.client.symbol(symbol))

    def normalize_symbol(self, symbol: str) -> str:
        """The broker's name of an instrument, as `Client.find_symbol` finds it."""
        return self.client.find_symbol(symbol).symbol

    def validate_symbol(self, symbol: str) -> bool:
        """Whether the broker has a symbol of exactly this name."""
        try:
            self.client.symbol(symbol)
        except UnknownSymbol:
            return False
        return True

    def get_market_data(self, symbol: str, timeframe: str, count: int = 100) -> pd.DataFrame:
        """The newest bars, the one that is not closed last, as `Client.rates` has them."""
        return self.client.rates(symbol, timeframe, count)

    get_rates = get_market_data

    def get_current_price(self, symbol: str) -> dict[str, float]:
        """`bid`, `ask`, `last`, and `time` (s) of the newest tick."""
        tick = self.client.tick(symbol)
        return {"bid": tick.bid, "ask": tick.ask, "last": tick.last, "time": tick.time_msc / 1_000}

    def is_market_open(self, symbol: str) -> bool:
        """Whether the symbol may be traded and had a tick within five minutes: the package tells no trading hours. Raises
        `TryAgain` while the server's clock is not known."""
        if self.client.symbol(symbol).trade_mode == 0:
            return False
        ticked = self.client.utc(self.client.tick(symbol).time_msc / 1_000)
        now = datetime.fromtimestamp(self.client.bridge_msc() / 1_000, UTC)
        return (now - ticked).total_seconds() < QUIET_S

    # ---- trading -------------------------------------------------------------------------------------------------------------

    def place_order(
        self,
        symbol: str,
        side: Side,
        volume: float,
        order_type: OrderKind = "market",
        price: float | None = None,
        sl: float | None = None,
        tp: float | None = None,
        comment: str = "",
    ) -> dict[str, Any]:
        """Send an order; the terminal's result with `outcome`. Raises `OrderRejected` and the others of `Client.buy`."""
        terms: dict[str, Any] = {"sl": sl, "tp": tp, "comment": comment, "magic": self._magic}
        if order_type == "market":
            if price is not None:
                raise refused("price", price, "left out for an order at the market")
            made = {"buy": self.client.buy, "sell": self.client.sell}
            if side not in made:
                raise refused("side", side, "'buy' or 'sell'")
            outcome = made[side](symbol, volume, **terms)
        else:
            pending = {
                ("buy", "limit"): self.client.buy_limit, ("sell", "limit"): self.client.sell_limit,
                ("buy", "stop"): self.client.buy_stop, ("sell", "stop"): self.client.sell_stop,
            }  # fmt: skip
            if (side, order_type) not in pending:
                raise refused("order_type", order_type, "'market', 'limit' or 'stop', with side 'buy' or 'sell'")
            if price is None:
                raise refused("price", price, "given for a pending order")
            outcome = pending[side, order_type](symbol, volume, price, **terms)
        return asdict(outcome.result) | {"outcome": outcome.outcome}

    def close_position(self, ticket: int, volume: float | None = None) -> dict[str, Any]:
        """Close a position, all of it or a part."""
        outcome = self.client.close(ticket, volume)
        return asdict(outcome.result) | {"outcome": outcome.outcome}

    def cancel_order(self, ticket: int) -> bool:
        """Remove a pending order; True, or what `Client.cancel` raises."""
        self.client.cancel(ticket)
        return True

    def calculate_position_size(self, symbol: str, side: Side, sl: float, risk_percent: float) -> float:
        """The lots of `Client.size`, which never risk more."""
        return self.client.size(side, symbol, sl=sl, risk_percent=risk_percent).volume

    # ---- account -------------------------------------------------------------------------------------------------------------

    def get_account_info(self) -> dict[str, Any]:
        """The account."""
        return asdict(self.client.account())

    def get_positions(self, symbol: str | None = None) -> list[dict[str, Any]]:
        """Open positions."""
        return [asdict(held) for held in self.client.positions(symbol)]

    get_open_positions = get_positions

    def get_orders(self, symbol: str | None = None) -> list[dict[str, Any]]:
        """Pending orders."""
        return [asdict(order) for order in self.client.orders(symbol)]

    def get_trade_history(self, days: int = 30) -> list[dict[str, Any]]:
        """Deals that closed something in the last so many days, oldest first; `net` is profit with swap, commission and fee."""
        if not isinstance(days, int) or isinstance(days, bool) or days < 1:
            raise InvalidParameters(f"days must be a whole number from 1 on, not {days!r}", field="days", value=str(days))
        since_s = self.client.summary().since_s - (days - 1) * DAY_S
        deals = [deal for deal in self.client.deals(since_s) if deal.entry in _CLOSES and deal.type in (0, 1)]
        return [asdict(deal) | {"net": deal.profit + deal.swap + deal.commission + deal.fee} for deal in deals]

    def get_todays_profit(self) -> float:
        """What the trades of the server's day have brought, net of swap, commission and fees."""
        return self.client.summary().realised
