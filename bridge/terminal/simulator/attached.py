"""A program that is attached to a terminal process, as the process sees it."""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from bridge.terminal.simulator.fault import Hold
from bridge.terminal.simulator.link import FrameReader


@dataclass(frozen=True, slots=True)
class Withheld:
    """A call whose answer a fault withholds until the monotonic clock shows `due_s`; `reply` is None while it is not
    executed.
    """

    hold: Hold
    due_s: float
    function: str
    args: list[Any]
    reply: bytes | None


@dataclass(slots=True)
class Attached:
    """One attached program: its connection, what it asked, what it has not read yet, and what a fault keeps from it."""

    number: int
    connection: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)
    asked: deque[Any] = field(default_factory=deque)
    unsent: bytearray = field(default_factory=bytearray)
    withheld: Withheld | None = None
