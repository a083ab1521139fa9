"""Faults of the terminal's program: it ends, comes back, does not answer, or lets nobody in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bridge.mt5api.backend import LinkLost
from bridge.mt5api.wire import ARGUMENTS
from bridge.terminal.simulator.answers import BUILD, FUNCTIONS, Answer
from bridge.terminal.simulator.fault import Fate, Fault, FaultRefused, Hold, Holds, Times

if TYPE_CHECKING:
    from bridge.terminal.simulator.fault import Proceed
    from bridge.terminal.simulator.world import World

_LONGEST_S = 86_400.0
_LOGINS = ("initialize", "login")


def crash(during: str = "", nth: int = 1, executes: bool = True) -> Fault:
    """The process ends at once; or only in the `nth` call of the function `during`, executed before or not."""
    check_function(during, "during")
    check_range("nth", nth, 1, 1_000_000)
    if not during:
        return _fated(Fate())
    times = Times(1, nth - 1)

    def change(world: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        if function != during or not times.take():
            return proceed(function, args)
        if executes:
            proceed(function, args)
        world.faults.fate = Fate()
        raise LinkLost(sending=False)

    return Fault(change=change, over=lambda: times.used)


def restart(seconds: float = 3.0) -> Fault:
    """The terminal ends, and is back after so many seconds with its state."""
    check_range("seconds", seconds, 0.0, _LONGEST_S)
    return _fated(Fate(seconds))


def liveupdate(build: int = BUILD + 10, seconds: float = 3.0) -> Fault:
    """A restart with a new build number."""
    check_range("seconds", seconds, 0.0, _LONGEST_S)
    check_range("build", build, 1, 99_999)
    return _fated(Fate(seconds, build))


def _fated(fate: Fate) -> Fault:
    def start(world: World) -> None:
        world.faults.fate = fate

    return Fault(start=start, over=lambda: True)


def hang(function: str = "", nth: int = 1, count: int = 1, seconds: float | None = None, executes: bool = True) -> Fault:
    """The answers of `count` calls (0: all) from the `nth` on are withheld, for ever unless `seconds` are given."""
    check_range("nth", nth, 1, 1_000_000)
    return _held(function, Times(count or None, nth - 1), count, math.inf if seconds is None else seconds, executes)


def slow(seconds: float = 1.0, function: str = "", count: int = 0) -> Fault:
    """The answers of `count` calls (0: all) come late."""
    return _held(function, Times(count or None), count, seconds, True)


def busy(seconds: float | None = None) -> Fault:
    """Nobody can attach: initialize() blocks."""
    if seconds is not None:
        check_range("seconds", seconds, 0.0, _LONGEST_S)
    return _held("initialize", Times(None), 0, math.inf, False, lasting_s=seconds)


def _held(function: str, times: Times, count: int, seconds: float, executes: bool, *, lasting_s: float | None = None) -> Fault:
    check_function(function, "function")
    check_range("count", count, 0, 1_000_000)
    if seconds != math.inf:
        check_range("seconds", seconds, 0.0, _LONGEST_S)
    holds = Holds()

    def hold(called: str, _: list[Any]) -> Hold | None:
        return holds.add(seconds, executes) if function in ("", called) and times.take() else None

    return Fault(hold=hold, stop=holds.release, over=lambda: times.used and holds.none, seconds=lasting_s)


def wizard() -> Fault:
    """The terminal shows its first-run wizard: initialize() and login() end with -10005 after their timeout."""
    holds = Holds()

    def hold(function: str, args: list[Any]) -> Hold | None:
        timeout_ms = args[ARGUMENTS[function].index("timeout_ms")] if function in _LOGINS else None
        return holds.add(timeout_ms / 1000) if timeout_ms else None

    return Fault(change=_no_login(-10005, "IPC timeout"), hold=hold, stop=holds.release)


def wrong_build() -> Fault:
    """Terminal and Python module do not fit: initialize() and login() end with -5."""
    text = "Terminal: Incompatible versions, please install the latest version of Terminal and Python module"
    return Fault(change=_no_login(-5, text))


def otp() -> Fault:
    """The account wants a one-time password or a certificate: initialize() and login() end with -7."""
    return Fault(change=_no_login(-7, "Unsupported authorization mode, OTP or certificate password needed"))


def _no_login(code: int, text: str) -> Any:
    def change(_: World, function: str, args: list[Any], proceed: Proceed) -> Answer:
        return (code, text, False) if function in _LOGINS else proceed(function, args)

    return change


def check_function(function: str, name: str) -> None:
    """Refuse a name that is no function of the API that reaches the terminal; empty stands for any."""
    if function and function not in FUNCTIONS:
        raise FaultRefused(f"{name}: there is no function {function!r} of the API that reaches the terminal")


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside of its range, and NaN."""
    if not least <= value <= most:
        raise FaultRefused(f"{name} must be from {least:g} to {most:g}, not {value:g}")
