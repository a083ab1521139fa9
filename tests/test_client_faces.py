"""Both clients have the same names, with the same parameters and results; `await` where the other waits."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable
from typing import Any, assert_type

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import clients
from bridge import errors
from bridge.errors import OutcomeUnknown
from bridge.messages import Ping
from bridge.records import Account, Symbol
from bridge.replies import ConnectionState, FoundSymbol, OrderOutcome, Pong, Status
from bridge.ticks import Tick
from bridge.trading import Order, OrderCheck, Position
from clients import AsyncClient, AsyncSubscription, BulkReport, Client, Subscription
from clients.arrays import Arrays, AsyncArrays
from clients.events import Item

ONLY_ASYNC = {"connect"}
"""A blocking client connects where it is made."""
PAIRS = [(Client, AsyncClient), (Arrays, AsyncArrays), (Subscription, AsyncSubscription)]


def public(face: type) -> set[str]:
    return {name for name in dir(face) if not name.startswith("_")}


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS, ids=lambda face: face.__name__)
def test_the_names_are_the_same(blocking: type, asynchronous: type) -> None:
    assert public(asynchronous) - ONLY_ASYNC == public(blocking)
    assert len(public(Client)) > 50


def faces() -> list[tuple[type, type, str]]:
    return [(blocking, other, name) for blocking, other in PAIRS for name in sorted(public(blocking))]


@pytest.mark.parametrize(("blocking", "asynchronous", "name"), faces(), ids=lambda value: getattr(value, "__name__", value))
def test_parameters_and_documentation_are_the_same(blocking: type, asynchronous: type, name: str) -> None:
    ours, theirs = inspect.getattr_static(blocking, name), inspect.getattr_static(asynchronous, name)
    assert type(ours) is type(theirs)
    if isinstance(ours, property):
        assert ours.fget is not None
        assert theirs.fget is not None
        ours, theirs = ours.fget, theirs.fget
    assert ours.__doc__
    assert theirs.__doc__
    one, other = inspect.signature(ours), inspect.signature(theirs)
    assert [str(parameter) for parameter in one.parameters.values()] == [
        str(parameter).replace("Async", "") for parameter in other.parameters.values()
    ]
    waits = inspect.iscoroutinefunction(theirs) or "Awaitable" in str(other.return_annotation)
    instant = ours is theirs or name in ("subscribe", "arrays")
    assert waits != instant, f"{name}: it waits in the blocking client, and should be awaited here"
    if inspect.iscoroutinefunction(theirs):
        assert other.return_annotation == one.return_annotation


def test_every_error_can_be_imported_from_the_clients() -> None:
    tree = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.BridgeError)}
    assert tree <= set(clients.__all__)


def test_signatures_say_what_is_returned() -> None:
    assert str(inspect.signature(AsyncClient.positions)) == (
        "(self, /, symbol: 'str | None' = None, *, ticket: 'int | None' = None) -> 'tuple[Position, ...]'"
    )
    assert "client" not in inspect.signature(AsyncClient.rates).parameters
    assert inspect.signature(Client.rates).return_annotation == "pd.DataFrame"


# Never called: mypy reads them, and fails when a type is another one.


def types_of_the_blocking_client(bridge: Client) -> None:
    """What `mypy --strict` sees."""
    assert_type(bridge.account(), Account)
    assert_type(bridge.symbols("*USD*"), tuple[Symbol, ...])
    assert_type(bridge.tick("EURUSD", fresh=True), Tick)
    assert_type(bridge.find_symbol("gold"), FoundSymbol)
    assert_type(bridge.positions(), tuple[Position, ...])
    assert_type(bridge.orders_frame(), pd.DataFrame)
    assert_type(bridge.rates("EURUSD", "M5", count=500), pd.DataFrame)
    assert_type(bridge.arrays.ticks("EURUSD", 0), NDArray[np.void])
    assert_type(bridge.buy("EURUSD", 0.1, sl=1.0), OrderOutcome)
    assert_type(bridge.check({}), OrderCheck)
    assert_type(bridge.close(5), OrderOutcome)
    assert_type(bridge.close_all(), BulkReport)
    assert_type(bridge.call(Ping()), Pong)
    assert_type(bridge.status(), Status)
    assert_type(bridge.is_connected, bool)
    assert_type(bridge.known_connection, ConnectionState | None)
    assert_type(bridge.abandoned, tuple[OutcomeUnknown, ...])
    assert_type(bridge.within(2.0), Client)
    with bridge.subscribe("tick:EURUSD") as events:
        assert_type(events, Subscription)
        assert_type(events.get(), Item | None)
        for event in events:
            assert_type(event, Item)


async def types_of_the_asyncio_client(bridge: AsyncClient) -> None:
    """What `mypy --strict` sees."""
    assert_type(await bridge.account(), Account)
    assert_type(await bridge.symbols("*USD*"), tuple[Symbol, ...])
    assert_type(await bridge.tick("EURUSD", fresh=True), Tick)
    assert_type(await bridge.find_symbol("gold"), FoundSymbol)
    assert_type(await bridge.positions(), tuple[Position, ...])
    assert_type(await bridge.orders_frame(), pd.DataFrame)
    assert_type(await bridge.rates("EURUSD", "M5", count=500), pd.DataFrame)
    assert_type(await bridge.arrays.ticks("EURUSD", 0), NDArray[np.void])
    assert_type(await bridge.buy("EURUSD", 0.1, sl=1.0), OrderOutcome)
    assert_type(await bridge.check({}), OrderCheck)
    assert_type(await bridge.close(5), OrderOutcome)
    assert_type(await bridge.close_all(), BulkReport)
    assert_type(await bridge.call(Ping()), Pong)
    assert_type(await bridge.status(), Status)
    assert_type(await bridge.is_connected, bool)
    assert_type(bridge.is_connected, Awaitable[bool])
    assert_type(bridge.known_connection, ConnectionState | None)
    assert_type(bridge.abandoned, tuple[OutcomeUnknown, ...])
    assert_type(bridge.within(2.0), AsyncClient)
    assert_type(await AsyncClient.connect(), AsyncClient)
    orders: tuple[Order, ...] = await bridge.orders()
    assert orders is not None
    async with bridge.subscribe("tick:EURUSD") as events:
        assert_type(events, AsyncSubscription)
        assert_type(await events.get(), Item | None)
        async for event in events:
            assert_type(event, Item)
    assert_type(await bridge.subscribe("tick:EURUSD"), AsyncSubscription)


async def mistakes_that_mypy_finds(bridge: AsyncClient) -> None:
    """Each of these lines is an error; were one none, mypy would say that its `type: ignore` is not needed."""
    print(bridge.account().balance)  # type: ignore[attr-defined]
    await bridge.rates("EURUSD")  # type: ignore[call-arg]
    await bridge.rates("EURUSD", "M5", cuont=5)  # type: ignore[call-arg]
    await bridge.tick(5)  # type: ignore[arg-type]
    await bridge.buy("EURUSD", 0.1, stoploss=1.0)  # type: ignore[call-arg]


def test_nothing_of_the_types_is_hidden() -> None:
    assert typing.get_overloads(Client.close)
    assert typing.get_overloads(AsyncClient.close)
    hints: Any = inspect.signature(AsyncClient.subscribe).return_annotation
    assert hints == "AsyncSubscription"
