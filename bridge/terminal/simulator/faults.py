"""Faults on demand: what can be asked for by name, and the asking.

The same table serves tests (`inflict` on a world), running terminals (`control.fault`) and the command line
(`mt5bridge terminal fault`).  `docs/simulator-faults.md` tells what each does.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from bridge.terminal.simulator import account_faults, order_faults, quote_faults, symbol_faults, terminal_faults
from bridge.terminal.simulator.fault import Entry, Fate, Fault, FaultRefused, begin, end, prune
from bridge.terminal.simulator.server import Switches

if TYPE_CHECKING:
    from bridge.terminal.simulator.world import World

FAULTS: Mapping[str, Callable[..., Fault]] = {
    "broker_down": account_faults.broker_down,
    "crash": terminal_faults.crash,
    "restart": terminal_faults.restart,
    "liveupdate": terminal_faults.liveupdate,
    "hang": terminal_faults.hang,
    "slow": terminal_faults.slow,
    "busy": terminal_faults.busy,
    "wizard": terminal_faults.wizard,
    "wrong_build": terminal_faults.wrong_build,
    "otp": terminal_faults.otp,
    "requote": order_faults.requote,
    "reject": order_faults.reject,
    "no_money": order_faults.no_money,
    "market_closed": order_faults.market_closed,
    "retcode": order_faults.retcode,
    "unanswered": order_faults.unanswered,
    "order_timeout": order_faults.order_timeout,
    "delayed_books": order_faults.delayed_books,
    "duplicate_quote": quote_faults.duplicate_quote,
    "late_quote": quote_faults.late_quote,
    "out_of_order_quote": quote_faults.out_of_order_quote,
    "crossed_quote": quote_faults.crossed_quote,
    "zero_quote": quote_faults.zero_quote,
    "nan_quote": quote_faults.nan_quote,
    "clock_jump": account_faults.clock_jump,
    "dst_shift": account_faults.dst_shift,
    "account_switched": account_faults.account_switched,
    "algo_off": account_faults.algo_off,
    "api_disabled": account_faults.api_disabled,
    "investor": account_faults.investor,
    "robots_off": account_faults.robots_off,
    "symbol_renamed": symbol_faults.symbol_renamed,
    "symbol_gone": symbol_faults.symbol_gone,
    "history_missing": symbol_faults.history_missing,
}
"""What makes each fault from its arguments, by name."""


def inflict(world: World, name: str, arguments: Mapping[str, Any], now_msc: int) -> None:
    """Put a fault in force at this moment of the clock that the world is told.

    Raises FaultRefused for an unknown name, a wrong argument, and what has no meaning in this world.
    """
    fault = made(name, arguments)
    world.advance(now_msc)
    until_msc = math.inf if fault.seconds is None else now_msc + fault.seconds * 1000
    begin(world, Entry(name, dict(arguments), fault, until_msc))


def clear(world: World, name: str | None = None) -> None:
    """End all faults of this name, youngest first; without a name all there are, and permissions and refusals that were
    set by hand.
    """
    for entry in world.faults.in_force[::-1]:
        if name in (None, entry.name):
            end(world, entry)
    if name is None:
        world.faults.fate = None
        world.server.switches = Switches()
        world.server.forced.clear()


def listed(world: World) -> list[dict[str, Any]]:
    """The faults in force, oldest first: name and given arguments."""
    prune(world)
    return [{"name": entry.name, "arguments": dict(entry.arguments)} for entry in world.faults.in_force]


def restarted(world: World, fate: Fate) -> None:
    """Let a world go on in a new terminal: without faults."""
    clear(world)
    if fate.build is not None:
        world.build = fate.build


def made(name: str, arguments: Mapping[str, Any]) -> Fault:
    """The fault of this name with these arguments.  Raises FaultRefused."""
    hints = kinds(name)
    for given, value in arguments.items():
        if given not in hints:
            takes = f"takes {', '.join(hints)}" if hints else "takes no arguments"
            raise FaultRefused(f"{name} has no argument {given!r}: it {takes}")
        if not _is_of(hints[given], value):
            raise FaultRefused(f"{given} must be {_spoken(hints[given])}, not {value!r}")
    for parameter in inspect.signature(FAULTS[name]).parameters.values():
        if parameter.default is parameter.empty and parameter.name not in arguments:
            raise FaultRefused(f"{name} needs {parameter.name}=…")
    return FAULTS[name](**arguments)


def read_arguments(name: str, words: Iterable[str]) -> dict[str, Any]:
    """`ARG=VALUE …` of a command line as arguments of a fault.  Raises FaultRefused."""
    hints, arguments = kinds(name), {}
    for word in words:
        given, equals, text = word.partition("=")
        if not equals:
            raise FaultRefused(f"{word!r} is not of the form ARGUMENT=VALUE")
        arguments[given] = _read(hints[given], text) if given in hints else text
    made(name, arguments)
    return arguments


@cache
def kinds(name: str) -> Mapping[str, Any]:
    """The types of a fault's arguments.  Raises FaultRefused for an unknown name."""
    if name not in FAULTS:
        raise FaultRefused(f"there is no fault {name!r}: choose one of {', '.join(FAULTS)}")
    return {argument: hint for argument, hint in get_type_hints(FAULTS[name]).items() if argument != "return"}


def _is_of(hint: Any, value: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is types.UnionType:
        return any(_is_of(part, value) for part in get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _read(hint: Any, text: str) -> Any:
    """A word as a value of this type; the word itself when it is none."""
    if hint is bool:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    for kind in get_args(hint) if get_origin(hint) is types.UnionType else (hint,):
        if kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def _spoken(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) is types.UnionType:
        hint = get_args(hint)[0]
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[hint]
