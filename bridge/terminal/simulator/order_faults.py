"""Faults of trading: refusals, lost answers, late executions, and books that show late what happened."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bridge.mt5api.backend import LinkLost
from bridge.terminal.simulator.answers import OK, Answer
from bridge.terminal.simulator.failures import CallFailed
from bridge.terminal.simulator.fault import Fault, FaultRefused, Times
from bridge.terminal.simulator.ledger import Ledger
from bridge.terminal.simulator.retcodes import TEXTS, Retcode
from bridge.terminal.simulator.terminal_faults import check_range

if TYPE_CHECKING:
    from bridge.terminal.simulator.fault import Proceed
    from bridge.terminal.simulator.world import World

ACCEPTED = frozenset({Retcode.OK, Retcode.PLACED, Retcode.DONE, Retcode.DONE_PARTIAL})
"""Return codes of requests that were executed or placed."""

Book = Literal["all", "positions", "orders", "history", "deals"]
_BOOK_OF = {
    "positions_total": "positions", "positions_get": "positions", "orders_total": "orders", "orders_get": "orders",
    "history_orders_total": "history", "history_orders_get": "history", "history_deals_total": "deals",
    "history_deals_get": "deals",
}  # fmt: skip


def requote(count: int = 1) -> Fault:
    """10004 with the present prices."""
    return retcode(int(Retcode.REQUOTE), count)


def reject(count: int = 1) -> Fault:
    """10006."""
    return retcode(int(Retcode.REJECT), count)


def no_money(count: int = 1) -> Fault:
    """10019."""
    return retcode(int(Retcode.NO_MONEY), count)


def market_closed(count: int = 1) -> Fault:
    """10018."""
    return retcode(int(Retcode.MARKET_CLOSED), count)


def retcode(code: int, count: int = 1) -> Fault:
    """The next `count` requests (0: all) are refused with this return code, and not executed."""
    if code not in set(Retcode) - ACCEPTED:
        raise FaultRefused(f"code: {code} is not the return code of a refusal")
    times = _times(count)

    def change(world: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        if function != "order_send" or times.used:
            return proceed(function, args)
        forced = world.server.forced
        forced.appendleft(code)
        before = len(forced)
        answer = proceed(function, args)
        if len(forced) < before:
            times.take()
        else:  # what could not even be judged is no request that was refused
            forced.popleft()
        return answer

    return Fault(change=change, over=lambda: times.used)


def unanswered(answer: Literal["broken", "failed"] = "broken", executes: bool = True, count: int = 1) -> Fault:
    """The next `count` requests (0: all) have no answer: the connection breaks (None, -10002), or the call fails
    (None, -1).  They are executed nevertheless, or lost.
    """
    times = _times(count)

    def change(world: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        usual = _execution(world, function, args, proceed, executes)
        if not _accepted(function, usual) or not times.take():
            return usual
        if answer == "broken":
            raise LinkLost(sending=False)
        return (*CallFailed.error, None)

    return Fault(change=change, over=lambda: times.used)


def order_timeout(code: int = 10012, executes: bool = True, seconds: float = 0.0, count: int = 1) -> Fault:
    """The next `count` requests (0: all) get this return code although they are executed, `seconds` of server time
    later, or never.
    """
    if code not in set(Retcode) - ACCEPTED:
        raise FaultRefused(f"code: {code} is not the return code of a refusal")
    check_range("seconds", seconds, 0.0, 86_400.0)
    times = _times(count)
    waiting: list[tuple[int, list[Any]]] = []

    def change(world: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        if function != "order_send" or times.used:
            return proceed(function, args)
        usual = _execution(world, function, args, proceed, executes and not seconds)
        if not _accepted(function, usual) or not times.take():
            return usual
        if executes and seconds:
            waiting.append((world.now_msc + round(seconds * 1000), args))
        return (*OK, [code, 0, 0, 0.0, 0.0, 0.0, 0.0, TEXTS[code], 0, 0, args[0]])

    def elapse(world: World, moment_msc: int) -> None:
        while waiting and waiting[0][0] <= moment_msc:
            due_msc, args = waiting.pop(0)
            world.live(due_msc)
            world.answer("order_send", args, 0)

    return Fault(change=change, elapse=elapse, over=lambda: times.used and not waiting)


def _times(count: int) -> Times:
    check_range("count", count, 0, 1_000_000)
    return Times(count or None)


def _execution(world: World, function: str, args: list[Any], proceed: Proceed, executes: bool) -> Answer:
    """The answer of the call; a request that is not to be executed is judged only, as order_check does."""
    if function != "order_send" or executes or world.server.switches.tradeapi_disabled:
        return proceed(function, args)
    checked = proceed("order_check", args)
    return checked if _accepted("order_send", checked) else proceed(function, args)


def _accepted(function: str, answer: Answer) -> bool:
    return function == "order_send" and answer[0] == OK[0] and answer[2][0] in ACCEPTED


@dataclass(frozen=True, slots=True)
class _View:
    """The books as they were from a moment on."""

    since_msc: float
    ledger: Ledger
    version: int
    books: dict[str, dict[int, Any]]


def delayed_books(seconds: float = 2.0, book: Book = "all") -> Fault:
    """What happens shows in positions, orders, history or deals only `seconds` of server time later; the account's
    figures are up to date.
    """
    check_range("seconds", seconds, 0.0, 86_400.0)
    views: list[_View] = []

    def note(world: World, *_: Any) -> None:
        ledger = world.server.ledger
        if views and views[-1].ledger is not ledger:
            views.clear()
        if not views or views[-1].version != ledger.version:
            books = {name: dict(getattr(ledger, name)) for name in set(_BOOK_OF.values())}
            views.append(_View(world.now_msc if views else -math.inf, ledger, ledger.version, books))
        shown_msc = world.now_msc - seconds * 1000
        while len(views) > 1 and views[1].since_msc <= shown_msc:
            del views[0]

    def change(world: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        note(world)
        name = _BOOK_OF.get(function)
        if name is None or book not in ("all", name):
            try:
                return proceed(function, args)
            finally:
                note(world)
        server = world.server
        ledger = server.ledger
        server.ledger = copy(ledger)
        setattr(server.ledger, name, views[0].books[name])
        try:
            return proceed(function, args)
        finally:
            server.ledger = ledger

    return Fault(start=note, change=change, elapse=note)
