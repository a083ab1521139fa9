"""A terminal in virtual time over a scripted market, and a program that uses it through the MetaTrader5 API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.terminal.simulator.direct import DirectTerminal
from bridge.terminal.simulator.faults import listed
from bridge.terminal.simulator.profile import Profile
from tests.scripted_market import START_MSC, START_S, Desk, Ticks

EVER = (0, 2**31 - 1)
LINK_BROKEN = (-10002, "IPC recv failed")
SEND_FAILED = (-10001, "IPC send failed")
NO_LINK = (-10004, "No IPC connection")
FAILED = (-1, "Terminal: Call failed")
MOVING: Ticks = [(second * 1000, 1.1 + second * 1e-5, 1.1002 + second * 1e-5) for second in range(-60, 600)]


class Hung(Exception):
    """A call that would never return."""


class Faulty:
    """`mt5` is the API of an attached program, `waited` are the seconds it was blocked for."""

    def __init__(self, quotes: Mapping[str, Ticks] | None = None, of: Profile | None = None) -> None:
        self.desk = Desk({"EURUSD": MOVING, **(quotes or {})}, of)
        self.world = self.desk.world
        self.waited: list[float] = []
        self.terminal = DirectTerminal(self.world, lambda: self.desk.now_msc, self._wait)
        self.mt5 = self.terminal.module()
        assert self.mt5.initialize()

    def _wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        if seconds == float("inf"):
            raise Hung
        self.pass_s(seconds)

    def pass_s(self, seconds: float) -> None:
        self.desk.wait(round(seconds * 1000))

    def fault(self, name: str, **arguments: Any) -> None:
        self.terminal.fault(name, **arguments)

    def clear(self, name: str | None = None) -> None:
        self.terminal.clear(name)

    @property
    def names(self) -> list[str]:
        return [str(entry["name"]) for entry in listed(self.world)]

    def send(self, **fields: Any) -> Any:
        asked = {"action": 1, "type": 0, "symbol": "EURUSD", "volume": 0.1, "magic": 7, **fields}
        return self.mt5.order_send(asked)

    def retcode(self, **fields: Any) -> int:
        return int(self.send(**fields).retcode)

    @property
    def error(self) -> tuple[int, str]:
        code, text = self.mt5.last_error()
        return code, text

    @property
    def tick(self) -> Any:
        return self.mt5.symbol_info_tick("EURUSD")

    def ticks(self, from_s: int = START_S - 60) -> Any:
        return self.mt5.copy_ticks_from("EURUSD", from_s, 10_000, -1)

    @property
    def now_s(self) -> float:
        return (self.desk.now_msc - START_MSC) / 1000
