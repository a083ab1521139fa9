"""The 11 struct types and the two array record types of MetaTrader5 5.0.6231.

Instances are tuples with named, read-only fields, `_asdict()` (not recursive) and `n_fields`; they have no `_fields`, `_replace` or
`_make`, cannot be pickled, and serialise to JSON as lists.  All times are seconds (or, `…_msc`, milliseconds) of the trade
server's clock as if it were UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bridge.mt5api.structseq import new_type

# Field types: the C types of the extension.
_LAYOUTS: dict[str, tuple[str, str]] = {
    "TradePosition": (
        "Trade position structure",
        "ticket:u64 time:i64 time_msc:i64 time_update:i64 time_update_msc:i64 type:u32 magic:u64 "
        "identifier:u64 reason:u32 volume:f64 price_open:f64 sl:f64 tp:f64 price_current:f64 swap:f64 "
        "profit:f64 symbol:str comment:str external_id:str",
    ),
    "TradeOrder": (
        "Trade order structure",
        "ticket:u64 time_setup:i64 time_setup_msc:i64 time_done:i64 time_done_msc:i64 time_expiration:i64 "
        "type:u32 type_time:u32 type_filling:u32 state:u32 magic:u64 position_id:u64 position_by_id:u64 "
        "reason:u32 volume_initial:f64 volume_current:f64 price_open:f64 sl:f64 tp:f64 price_current:f64 "
        "price_stoplimit:f64 symbol:str comment:str external_id:str",
    ),
    "TradeDeal": (
        "Trade deal structure",
        "ticket:u64 order:u64 time:i64 time_msc:i64 type:u32 entry:u32 magic:u64 position_id:u64 "
        "reason:u32 volume:f64 price:f64 commission:f64 swap:f64 profit:f64 fee:f64 symbol:str "
        "comment:str external_id:str",
    ),
    "TradeRequest": (
        "Trade request structure",
        "action:u32 magic:u64 order:u64 symbol:str volume:f64 price:f64 stoplimit:f64 sl:f64 tp:f64 "
        "deviation:u64 type:u32 type_filling:u32 type_time:u32 expiration:i64 comment:str position:u64 "
        "position_by:u64",
    ),
    "SymbolInfo": (
        "This is a structure for storing symbol information",
        "custom:bool chart_mode:u32 select:bool visible:bool session_deals:u64 session_buy_orders:u64 "
        "session_sell_orders:u64 volume:u64 volumehigh:u64 volumelow:u64 time:i64 digits:u32 spread:i32 "
        "spread_float:bool ticks_bookdepth:u32 trade_calc_mode:u32 trade_mode:u32 start_time:i64 "
        "expiration_time:i64 trade_stops_level:i32 trade_freeze_level:i32 trade_exemode:u32 swap_mode:u32 "
        "swap_rollover3days:u32 margin_hedged_use_leg:bool expiration_mode:i32 filling_mode:i32 "
        "order_mode:i32 order_gtc_mode:u32 option_mode:u32 option_right:u32 bid:f64 bidhigh:f64 "
        "bidlow:f64 ask:f64 askhigh:f64 asklow:f64 last:f64 lasthigh:f64 lastlow:f64 volume_real:f64 "
        "volumehigh_real:f64 volumelow_real:f64 option_strike:f64 point:f64 trade_tick_value:f64 "
        "trade_tick_value_profit:f64 trade_tick_value_loss:f64 trade_tick_size:f64 "
        "trade_contract_size:f64 trade_accrued_interest:f64 trade_face_value:f64 trade_liquidity_rate:f64 "
        "volume_min:f64 volume_max:f64 volume_step:f64 volume_limit:f64 swap_long:f64 swap_short:f64 "
        "margin_initial:f64 margin_maintenance:f64 session_volume:f64 session_turnover:f64 "
        "session_interest:f64 session_buy_orders_volume:f64 session_sell_orders_volume:f64 "
        "session_open:f64 session_close:f64 session_aw:f64 session_price_settlement:f64 "
        "session_price_limit_min:f64 session_price_limit_max:f64 margin_hedged:f64 price_change:f64 "
        "price_volatility:f64 price_theoretical:f64 price_greeks_delta:f64 price_greeks_theta:f64 "
        "price_greeks_gamma:f64 price_greeks_vega:f64 price_greeks_rho:f64 price_greeks_omega:f64 "
        "price_sensitivity:f64 basis:str category:str currency_base:str currency_profit:str "
        "currency_margin:str bank:str description:str exchange:str formula:str isin:str name:str page:str "
        "path:str",
    ),
    "OrderCheckResult": (
        "order_check result structure",
        "retcode:u32 balance:f64 equity:f64 profit:f64 margin:f64 margin_free:f64 margin_level:f64 "
        "comment:str request:TradeRequest",
    ),
    "OrderSendResult": (
        "order_send result structure",
        "retcode:u32 deal:u64 order:u64 volume:f64 price:f64 bid:f64 ask:f64 comment:str request_id:u32 "
        "retcode_external:i32 request:TradeRequest",
    ),
    "Tick": (
        "This is a structure for storing latest symbol prices",
        "time:i64 bid:f64 ask:f64 last:f64 volume:u64 time_msc:i64 flags:u32 volume_real:f64",
    ),
    "TerminalInfo": (
        "This is a structure for storing terminal information",
        "community_account:bool community_connection:bool connected:bool dlls_allowed:bool "
        "trade_allowed:bool tradeapi_disabled:bool email_enabled:bool ftp_enabled:bool "
        "notifications_enabled:bool mqid:bool build:u32 maxbars:u32 codepage:i32 ping_last:i32 "
        "community_balance:f64 retransmission:f64 company:str name:str language:str path:str "
        "data_path:str commondata_path:str",
    ),
    "AccountInfo": (
        "This is a structure for storing account information",
        "login:u64 trade_mode:u32 leverage:u32 limit_orders:u32 margin_so_mode:u32 trade_allowed:bool "
        "trade_expert:bool margin_mode:u32 currency_digits:u32 fifo_close:bool balance:f64 credit:f64 "
        "profit:f64 equity:f64 margin:f64 margin_free:f64 margin_level:f64 margin_so_call:f64 "
        "margin_so_so:f64 margin_initial:f64 margin_maintenance:f64 assets:f64 liabilities:f64 "
        "commission_blocked:f64 name:str server:str currency:str company:str",
    ),
    "BookInfo": (
        "This is a structure for storing Depth of Market information",
        "type:u32 price:f64 volume:u64 volume_dbl:f64",
    ),
}

FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    struct: tuple((name, kind) for name, _, kind in (field.partition(":") for field in layout.split()))
    for struct, (_, layout) in _LAYOUTS.items()
}
"""Struct type to its fields, in order, as `(name, kind)`; kind is one of bool, i32, u32, i64, u64, f64, str, TradeRequest."""

TYPES: dict[str, Any] = {
    struct: new_type(struct, doc, tuple(name for name, _ in FIELDS[struct])) for struct, (doc, _) in _LAYOUTS.items()
}

TradePosition = TYPES["TradePosition"]
TradeOrder = TYPES["TradeOrder"]
TradeDeal = TYPES["TradeDeal"]
TradeRequest = TYPES["TradeRequest"]
SymbolInfo = TYPES["SymbolInfo"]
OrderCheckResult = TYPES["OrderCheckResult"]
OrderSendResult = TYPES["OrderSendResult"]
Tick = TYPES["Tick"]
TerminalInfo = TYPES["TerminalInfo"]
AccountInfo = TYPES["AccountInfo"]
BookInfo = TYPES["BookInfo"]

RATE_DTYPE: np.dtype[np.void] = np.dtype(
    [
        ("time", "<i8"),  # open time of the bar, s
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("tick_volume", "<u8"),
        ("spread", "<i4"),  # points
        ("real_volume", "<u8"),
    ]
)
"""One bar of copy_rates_*: 60 packed bytes."""

TICK_DTYPE: np.dtype[np.void] = np.dtype(
    [
        ("time", "<i8"),  # s
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("last", "<f8"),
        ("volume", "<u8"),
        ("time_msc", "<i8"),  # ms
        ("flags", "<u4"),
        ("volume_real", "<f8"),
    ]
)
"""One tick of copy_ticks_*: 60 packed bytes."""


def _request(values: Sequence[Any]) -> Any:
    return build("TradeRequest", values)


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "i32": int,
    "u32": int,
    "i64": int,
    "u64": int,
    "f64": float,
    "str": str,
    "TradeRequest": _request,
}


def build(struct: str, values: Sequence[Any]) -> Any:
    """A struct from the values of its fields, in order, each brought to the field's Python type.

    Raises ValueError when the number of values is wrong, TypeError when one has no such value (None, for example).
    """
    fields = FIELDS[struct]
    if len(values) != len(fields):
        raise ValueError(f"{struct} has {len(fields)} fields, the terminal sent {len(values)}")
    return TYPES[struct](tuple(_CONVERT[kind](value) for (_, kind), value in zip(fields, values, strict=True)))


def records(packed: bytes, dtype: np.dtype[np.void]) -> np.ndarray[Any, np.dtype[np.void]]:
    """Packed 60-byte records as a one-dimensional, read-only array that owns its data.

    Raises ValueError when the bytes are not a whole number of records.
    """
    rows = np.frombuffer(packed, dtype=dtype).copy()
    rows.setflags(write=False)
    return rows
