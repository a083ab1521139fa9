"""Faults of the link to the broker, the account, the permissions to trade and the server's clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.terminal.simulator import triggers
from bridge.terminal.simulator.enums import BUY, OrderState, OrderType
from bridge.terminal.simulator.fault import Fault
from bridge.terminal.simulator.fills import fill, new_order
from bridge.terminal.simulator.server import Server
from bridge.terminal.simulator.symbol_faults import check_symbol
from bridge.terminal.simulator.terminal_faults import check_range

if TYPE_CHECKING:
    from bridge.terminal.simulator.answers import Answer
    from bridge.terminal.simulator.fault import Proceed
    from bridge.terminal.simulator.world import World

_DAY_S = 86_400.0


def broker_down(seconds: float | None = None) -> Fault:
    """No link to the trade server.

    The terminal shows what it knew: its time stands still.  The server lives on, stop levels and all: what it did
    shows, with its own times, when the link is back.
    """
    if seconds is not None:
        check_range("seconds", seconds, 0.0, 30 * _DAY_S)
    return Fault(stops_time=True, permission="connected", seconds=seconds)


def algo_off() -> Fault:
    """The Algo Trading button is off: 10027."""
    return Fault(permission="trade_allowed")


def api_disabled() -> Fault:
    """The option "Disable algorithmic trading via external Python API" is on: order_send() is None, -8."""
    return Fault(start=_api_option(True), stop=_api_option(False))


def _api_option(on: bool) -> Any:
    def act(world: World) -> None:
        world.server.switches = replace(world.server.switches, tradeapi_disabled=on)

    return act


def investor() -> Fault:
    """Logged in with the investor password: 10017."""
    return Fault(permission="account_trade_allowed")


def robots_off() -> Fault:
    """The server does not let robots trade: 10026."""
    return Fault(permission="account_trade_expert")


def clock_jump(seconds: float) -> Fault:
    """The server's clock is put forward, or back (negative): nobody lives through the time it leaves out, and what it
    goes through again comes again.
    """
    check_range("seconds", seconds, -30 * _DAY_S, 30 * _DAY_S)
    return Fault(shift_msc=round(seconds * 1000))


def dst_shift(hours: int = 1) -> Fault:
    """The server's zone changes its distance from UTC."""
    check_range("hours", hours, -24, 24)
    return Fault(shift_msc=hours * 3_600_000)


def account_switched(
    login: int = 5_000_002, server: str = "Elsewhere-Demo", balance: float = 5_000.0, symbol: str = "EURUSD"
) -> Fault:
    """A person logs the terminal in to another account, which has this balance and a position of 0.1 lots of the symbol
    (empty: none).  A program that logs in with the number of the first account ends it.
    """
    check_range("login", login, 1, 2**63 - 1)
    check_range("balance", balance, 0.0, 1e12)
    left: list[tuple[Server, Any, int]] = []

    def start(world: World) -> None:
        if symbol:
            check_symbol(world, symbol)
        home = world.server
        left.append((home, world.credentials, world.now_msc))
        other = Server.opened(replace(home.profile, balance=balance, account_name="Somebody Else"), home.market)
        other.switches, other.watch = home.switches, dict(home.watch)
        other.ledger.deposit(balance, world.now_msc, "Initial deposit")
        other.quotes.move(world.now_msc)
        world.server, world.credentials = other, replace(world.credentials, login=login, server=server)
        world.books.clear()
        quote = other.quotes.get(symbol) if symbol else None
        if quote:
            order = new_order(other, symbol, OrderType.BUY, 0.1, quote.ask, world.now_msc)
            fill(other, order, 0.1, quote.side(BUY), world.now_msc, None)
            other.ledger.end_order(replace(order, volume_current=0.0), OrderState.FILLED, world.now_msc)

    def stop(world: World) -> None:
        if left:
            home, credentials, left_msc = left.pop()
            home.switches = world.server.switches
            world.server, world.credentials = home, credentials
            world.books.clear()
            if world.now_msc > left_msc:
                triggers.advance(home, left_msc, world.now_msc)
            home.quotes.move(world.now_msc)

    def change(world: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        given = args[1:4] if function == "initialize" else args[:3] if function == "login" else None
        if given and left and given[0] == left[0][1].login:
            stop(world)
        return proceed(function, args)

    return Fault(start=start, stop=stop, change=change, over=lambda: not left, away=True)
