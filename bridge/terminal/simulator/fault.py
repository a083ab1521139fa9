"""What a fault does to a terminal, and the faults that are in force in a world.

A fault is a bundle of effects: it may change the answers of calls, withhold them, stop the world's time or shift it,
take a permission away, or end the terminal.  `faults.FAULTS` has them by name.  Nothing here blocks, sleeps or touches
a socket: `World.call` changes answers or raises LinkLost, whoever delivers them (`process`, `direct`) waits as `Hold`
says and ends as `Fate` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.terminal.simulator.answers import Answer
    from bridge.terminal.simulator.world import World

    Proceed = Callable[[str, list[Any]], Answer]
    """Goes on to the answer that there would be without this fault."""

    Change = Callable[[World, str, list[Any], Proceed], Answer]
    """World, function, its arguments (right in number and type), how to proceed: the changed answer."""


class FaultRefused(ValueError):
    """There is no such fault, or an argument of it is wrong; the text says so in one line."""


@dataclass(slots=True)
class Times:
    """Which of the calls in question are hit: after the first `skip` ones, the next `count` (None: all)."""

    count: int | None = 1
    skip: int = 0

    def take(self) -> bool:
        """Whether the present call is hit; counts it."""
        if self.skip:
            self.skip -= 1
            return False
        if self.count is None:
            return True
        if not self.count:
            return False
        self.count -= 1
        return True

    @property
    def used(self) -> bool:
        """Whether no further call will be hit."""
        return self.count == 0


@dataclass(slots=True)
class Hold:
    """An answer that is withheld for `seconds` of this machine's clock (infinity: until released or the program is
    gone).  With `executes` the call is executed first, else it would be only afterwards.  Whoever delivers the answer
    sets `released` when it is done with it.
    """

    seconds: float = math.inf
    executes: bool = True
    released: bool = False


@dataclass(slots=True)
class Holds:
    """The answers that one fault withholds."""

    held: list[Hold] = field(default_factory=list)

    def add(self, seconds: float, executes: bool = True) -> Hold:
        """Withhold one more."""
        self.held = [hold for hold in self.held if not hold.released]
        self.held.append(Hold(seconds, executes))
        return self.held[-1]

    def release(self, *_: Any) -> None:
        """Let all be delivered."""
        for hold in self.held:
            hold.released = True

    @property
    def none(self) -> bool:
        """Whether all are delivered or released."""
        return all(hold.released for hold in self.held)


@dataclass(frozen=True, slots=True)
class Fate:
    """The terminal ends at once and breaks every connection; it is back `back_after_s` seconds of this machine's clock
    later (None: never), then of another `build` if that is given.
    """

    back_after_s: float | None = None
    build: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """The effects of one fault; what is not given it does not have.

    `start` and `stop` act on the world when it begins and ends (`stop` may be called twice).  `change` changes
    answers, `hold` withholds them.  `elapse` acts whenever time passes, up to the given moment.  `stops_time` keeps
    the world at its moment, `shift_msc` moves its clock, `permission` is the field of `server.Switches` that is off.
    `away` tells that another account than the kept one is shown.  It ends by itself when `over` says so, or after
    `seconds` of server time.
    """

    start: Callable[[World], None] | None = None
    stop: Callable[[World], None] | None = None
    change: Change | None = None
    hold: Callable[[str, list[Any]], Hold | None] | None = None
    elapse: Callable[[World, int], None] | None = None
    over: Callable[[], bool] | None = None
    stops_time: bool = False
    away: bool = False
    shift_msc: int = 0
    permission: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A fault in force, with the name and the arguments it was asked for with; `until_msc` by the unshifted clock."""

    name: str
    arguments: Mapping[str, Any]
    fault: Fault
    until_msc: float = math.inf


@dataclass(slots=True)
class Faults:
    """The faults of one world, oldest first, and the end of the terminal that one of them asks for."""

    in_force: list[Entry] = field(default_factory=list)
    fate: Fate | None = None

    @property
    def away(self) -> bool:
        """Whether the world shows another account than the one that is kept."""
        return any(entry.fault.away for entry in self.in_force)

    @property
    def stops_time(self) -> bool:
        """Whether the world stays at its moment."""
        return any(entry.fault.stops_time for entry in self.in_force)

    @property
    def shift_msc(self) -> int:
        """How far the world's clock is ahead of the one it is told."""
        return sum(entry.fault.shift_msc for entry in self.in_force)


def begin(world: World, entry: Entry) -> None:
    """Put a fault in force.  Raises FaultRefused when it has no meaning in this world."""
    fault = entry.fault
    if fault.start:
        fault.start(world)
    world.faults.in_force.append(entry)
    _permit(world, fault, False)
    if fault.shift_msc:
        world.turn(world.now_msc + fault.shift_msc)


def end(world: World, entry: Entry) -> None:
    """End a fault."""
    fault = entry.fault
    world.faults.in_force = [other for other in world.faults.in_force if other is not entry]
    if fault.stop:
        fault.stop(world)
    _permit(world, fault, not any(other.fault.permission == fault.permission for other in world.faults.in_force))
    if fault.shift_msc:
        world.turn(world.now_msc - fault.shift_msc)


def _permit(world: World, fault: Fault, on: bool) -> None:
    if fault.permission:
        world.server.switches = replace(world.server.switches, **{fault.permission: on})


def prune(world: World) -> None:
    """End the faults that are used up."""
    for entry in world.faults.in_force[::-1]:
        if entry.fault.over and entry.fault.over():
            end(world, entry)


def elapse(world: World, now_msc: int) -> int:
    """The world's moment when the clock that it is told shows `now_msc`; ends the faults whose time is over."""
    for entry in world.faults.in_force[::-1]:
        if now_msc >= entry.until_msc:
            end(world, entry)
    if world.faults.stops_time:
        return world.now_msc
    moment_msc = now_msc + world.faults.shift_msc
    for entry in world.faults.in_force[:]:
        if entry.fault.elapse:
            entry.fault.elapse(world, moment_msc)
    prune(world)
    return moment_msc


def changed(world: World, function: str, args: list[Any], client: int) -> Answer:
    """The answer of a call as the faults in force change it, the youngest last.  Raises LinkLost."""
    changes = [entry.fault.change for entry in world.faults.in_force if entry.fault.change]

    def proceed_from(rank: int) -> Proceed:
        if not rank:
            return lambda asked, given: world.answer(asked, given, client)
        return lambda asked, given: changes[rank - 1](world, asked, given, proceed_from(rank - 1))

    try:
        return proceed_from(len(changes))(function, args)
    finally:
        prune(world)


def hold_of(world: World, function: str, args: list[Any]) -> Hold | None:
    """How the answer of a call is to be withheld; every fault counts the call, the one that withholds longest wins."""
    asked = (entry.fault.hold(function, args) for entry in world.faults.in_force if entry.fault.hold)
    holds = sorted((hold for hold in asked if hold), key=lambda hold: hold.seconds)
    for hold in holds[:-1]:
        hold.released = True
    return holds[-1] if holds else None
