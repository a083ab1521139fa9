"""A simulated terminal inside the program that uses it, in virtual time: no process, no socket, no waiting.

It shows a program what a terminal process would, faults included, and is made for tests of what must survive them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from bridge.mt5api.backend import LinkLost, OpenFailed
from bridge.mt5api.namespace import namespace
from bridge.terminal.simulator.fault import hold_of
from bridge.terminal.simulator.faults import clear, inflict, restarted
from bridge.terminal.simulator.world import World, fits


class DirectTerminal:
    """A terminal around a world.

    `now_msc` tells the server's time.  `wait` is called with the seconds for which a fault withholds an answer, and has
    to let that much time pass; with infinity it has to raise, since such a call never returns.
    """

    def __init__(self, world: World, now_msc: Callable[[], int], wait: Callable[[float], None]) -> None:
        self.world = world
        self.now_msc = now_msc
        self.wait = wait
        self.life = 0
        """How often the terminal has ended; connections of an earlier life are broken."""
        self._numbers = itertools.count(1)
        self._back_msc = -math.inf

    @property
    def listens(self) -> bool:
        """Whether programs can attach: not between an end and the return."""
        return self.now_msc() >= self._back_msc

    def fault(self, name: str, **arguments: Any) -> None:
        """Put one of `faults.FAULTS` in force.  Raises FaultRefused."""
        inflict(self.world, name, arguments, self.now_msc())
        self.end_if_fated()

    def clear(self, name: str | None = None) -> None:
        """End the faults of this name, or all."""
        clear(self.world, name)

    def end_if_fated(self) -> None:
        """End, if a fault demands it."""
        fate = self.world.faults.fate
        if fate:
            self.life += 1
            self._back_msc = math.inf if fate.back_after_s is None else self.now_msc() + fate.back_after_s * 1000
            restarted(self.world, fate)

    def module(self) -> Any:
        """An object with the MetaTrader5 API, for one more program, not connected yet."""
        return SimpleNamespace(**namespace(DirectBackend(self, next(self._numbers))))


class DirectBackend:
    """A Backend (`bridge.mt5api.backend`) of a program that is number `client` at the terminal."""

    def __init__(self, terminal: DirectTerminal, client: int) -> None:
        self._terminal = terminal
        self._client = client
        self._life: int | None = None

    @property
    def connected(self) -> bool:
        """Whether a connection is open, as far as is known without using it."""
        return self._life is not None

    def open(self, path: str | None) -> None:
        """Connect; the path does not matter.  Raises OpenFailed while the terminal is away."""
        self.close()
        if not self._terminal.listens:
            raise OpenFailed(f"Process create failed '{path}'" if path else "MetaTrader 5 x64 not found")
        self._life = self._terminal.life

    def call(self, function: str, args: list[Any]) -> tuple[int, str, Any]:
        """Ask, and let time pass as faults demand.  Raises LinkLost."""
        if self._life != self._terminal.life:
            self.close()
            raise LinkLost(sending=True)
        terminal, world = self._terminal, self._terminal.world
        hold = hold_of(world, function, args) if world.faults.in_force and fits(function, args) else None
        try:
            if hold and not hold.executes:
                terminal.wait(hold.seconds)
            answer = world.call(function, args, terminal.now_msc(), self._client)
            if hold and hold.executes:
                terminal.wait(hold.seconds)
        except BaseException:
            self.close()
            raise
        finally:
            if hold:
                hold.released = True
            terminal.end_if_fated()
        return answer

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._life is not None:
            self._terminal.world.detach(self._client)
            self._life = None
