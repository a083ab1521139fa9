"""Requests that tell and steer what is simulated; they are not part of the MetaTrader5 API.

They travel like its functions, with names that begin with `control.`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.terminal.simulator.fault import FaultRefused
from bridge.terminal.simulator.faults import FAULTS, clear, inflict, listed
from bridge.terminal.simulator.replay import Replay
from bridge.terminal.simulator.retcodes import Retcode
from bridge.terminal.simulator.server import Switches

if TYPE_CHECKING:
    from bridge.terminal.simulator.process import TerminalProcess


_ACCEPTED = {Retcode.OK, Retcode.PLACED, Retcode.DONE, Retcode.DONE_PARTIAL}


class ControlRefused(Exception):
    """A control request has a wrong argument; the text says which."""


def _status(process: TerminalProcess, *_: Any) -> dict[str, Any]:
    process.world.advance(process.now_msc())
    now_msc, ledger = process.world.now_msc, process.world.server.ledger
    return {
        "now_msc": now_msc,
        "start_msc": process.clock.start_msc,
        "speed": process.clock.speed,
        "held": process.clock.held,
        "symbols": _replayed(process.replay, now_msc) if process.replay else {},
        "attached": len(process.attached),
        "orders": len(ledger.orders),
        "positions": len(ledger.positions),
        "deals": len(ledger.deals),
    }


def _replayed(replay: Replay, now_msc: int) -> dict[str, dict[str, int]]:
    """Progress of each replayed symbol; `emitted` are the rows that programs can have seen."""
    progress = {}
    for symbol in replay.symbols():
        first_msc, last_msc = replay.span_msc(symbol)
        rows = len(replay.ticks(symbol, first_msc, last_msc + 1))
        emitted = len(replay.ticks(symbol, first_msc, now_msc))
        progress[symbol] = {"first_msc": first_msc, "last_msc": last_msc, "rows": rows, "emitted": emitted}
    return progress


def _hold(process: TerminalProcess, *_: Any) -> None:
    process.set_clock(process.clock.hold(process.monotonic()))


def _release(process: TerminalProcess, *_: Any) -> None:
    process.set_clock(process.clock.release(process.monotonic()))


def _stop(process: TerminalProcess, *_: Any) -> None:
    process.stopping.set()


def _switch(process: TerminalProcess, *args: Any) -> None:
    """`[name, on]`: one of the permissions in `server.Switches`, such as `trade_allowed` or `connected`."""
    names = Switches.__slots__
    if len(args) != 2 or args[0] not in names or not isinstance(args[1], bool):
        raise ControlRefused(f"control.switch takes one of {', '.join(names)}, and true or false")
    server = process.world.server
    server.switches = replace(server.switches, **{args[0]: args[1]})


def _refuse(process: TerminalProcess, *args: Any) -> None:
    """`[retcode, count]`: answer the next `count` trade requests with this refusal, without executing them."""
    known = {int(code) for code in Retcode} - _ACCEPTED
    if len(args) != 2 or args[0] not in known or args[1] not in range(1, 1001):
        raise ControlRefused("control.refuse takes the return code of a refusal, and a count from 1 to 1000")
    process.world.server.forced.extend([args[0]] * args[1])


def _fault(process: TerminalProcess, *args: Any) -> None:
    """`[name, arguments]`: put one of `faults.FAULTS` in force."""
    if not args or len(args) > 2 or not isinstance(args[0], str) or not all(isinstance(given, dict) for given in args[1:]):
        raise ControlRefused("control.fault takes the name of a fault and a map of its arguments")
    try:
        inflict(process.world, args[0], args[1] if len(args) > 1 else {}, process.now_msc())
    except FaultRefused as refused:
        raise ControlRefused(str(refused)) from None


def _faults(process: TerminalProcess, *_: Any) -> list[dict[str, Any]]:
    process.world.advance(process.now_msc())
    return listed(process.world)


def _clear(process: TerminalProcess, *args: Any) -> None:
    """`[]` or `[name]`: end all faults, or those of this name."""
    if len(args) > 1 or (args and args[0] not in tuple(FAULTS)):
        raise ControlRefused("control.clear takes the name of a fault, or nothing")
    clear(process.world, *args)


CONTROLS: Mapping[str, Callable[..., Any]] = {
    "control.status": _status,
    "control.hold": _hold,
    "control.release": _release,
    "control.stop": _stop,
    "control.switch": _switch,
    "control.refuse": _refuse,
    "control.fault": _fault,
    "control.faults": _faults,
    "control.clear": _clear,
}
"""The requests that steer the simulation, by name."""
