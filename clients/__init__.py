"""Clients of the bridge: `with Client() as bridge: print(bridge.account().balance)`.

The errors that methods raise are re-exported; `bridge.errors` shows their tree. What subscriptions yield is in `clients.events`.
"""

from bridge.errors import (
    AccountChanged,
    BridgeError,
    BridgeUnreachable,
    Busy,
    CallError,
    ConfigError,
    DeadlinePassed,
    IdReused,
    InternalError,
    InvalidParameters,
    JournalDamaged,
    JournalUnavailable,
    LimitReached,
    MalformedMessage,
    MustStop,
    NotAllowed,
    NotConnected,
    OrderNotExecuted,
    OrderRejected,
    OutcomeUnknown,
    Stopping,
    TerminalRefused,
    TimedOut,
    TradingHalted,
    TryAgain,
    UnknownMethod,
    UnknownSymbol,
    UnknownTimeframe,
    WrongProtocol,
)
from bridge.trading import TradeRequest
from clients.aio import AsyncClient
from clients.blocking import Client
from clients.broker import MT5Broker
from clients.bulk import BulkReport
from clients.subscription import AsyncSubscription, Subscription

__all__ = [
    "AccountChanged",
    "AsyncClient",
    "AsyncSubscription",
    "BridgeError",
    "BridgeUnreachable",
    "BulkReport",
    "Busy",
    "CallError",
    "Client",
    "ConfigError",
    "DeadlinePassed",
    "IdReused",
    "InternalError",
    "InvalidParameters",
    "JournalDamaged",
    "JournalUnavailable",
    "LimitReached",
    "MT5Broker",
    "MalformedMessage",
    "MustStop",
    "NotAllowed",
    "NotConnected",
    "OrderNotExecuted",
    "OrderRejected",
    "OutcomeUnknown",
    "Stopping",
    "Subscription",
    "TerminalRefused",
    "TimedOut",
    "TradeRequest",
    "TradingHalted",
    "TryAgain",
    "UnknownMethod",
    "UnknownSymbol",
    "UnknownTimeframe",
    "WrongProtocol",
]
