"""The processes of the demo: a bridge and strategies, started, watched and ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

from bridge.children import ask_to_end, own_group
from bridge.errors import ConfigError
from bridge.simulation import LOGIN, PASSWORD, SERVER, SimulatedTerminal

PATIENCE_S = 0.8
"""How long a part may take to end when it is asked to; all of them together stay below two seconds."""


class Part:
    """A process of the demo in a group of its own, so that Ctrl-C reaches the demo alone; its lines are kept."""

    def __init__(self, name: str, arguments: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.endpoint = ""
        self.lines: deque[str] = deque(maxlen=200)
        self.news: deque[str] = deque(maxlen=200)
        self._asked_at: float | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            **own_group(),
        )
        threading.Thread(target=self._read, daemon=True, name=f"lines of {name}").start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # closed under our hands at the end
            for line in self._process.stdout:
                self.lines.append(line.rstrip())
                self.news.append(line.rstrip())

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def ready(self) -> bool:
        """Whether a strategy has said that it is live."""
        return any(" live" in line for line in self.lines)

    def first_line(self, patience_s: float = 15.0) -> str:
        """Its first line. Raises `ConfigError` when none comes."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if self.lines:
                return self.lines[0]
            if self.exit_code is not None:
                break
            time.sleep(0.02)
        raise ConfigError(f"{self.name} did not start", next_step="; ".join(self.lines) or "no message")

    def ask_to_stop(self) -> None:
        """SIGTERM, or Ctrl-Break on Windows; once."""
        if self.exit_code is None and self._asked_at is None:
            self._asked_at = time.monotonic()
            with contextlib.suppress(OSError):
                ask_to_end(self._process)

    def close(self) -> None:
        """Ask it to end, wait a little, kill it."""
        self.ask_to_stop()
        asked_at = self._asked_at or time.monotonic()
        try:
            self._process.wait(max(0.05, asked_at + PATIENCE_S - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def start_bridge(terminal: SimulatedTerminal, journal: str) -> Part:
    """A bridge on free ports that attaches to the terminal, with its journal of orders in the folder `journal`; `endpoint` is where
    it serves requests."""
    environment = {"MT5_PATH": terminal.address, "MT5_LOGIN": str(LOGIN), "MT5_PASSWORD": PASSWORD, "MT5_SERVER": SERVER}
    environment["MT5BRIDGE_JOURNAL"] = journal
    anywhere = "tcp://127.0.0.1:*"
    part = Part("bridge", ["bridge", "serve", "--terminal", "simulator", "--requests", anywhere, "--events", anywhere], environment)
    try:
        words = part.first_line().split()
        if len(words) != 4 or words[0] != "requests":
            raise ConfigError(f"the bridge did not start: {part.lines[0]}", next_step="mend what it says")
    except ConfigError:
        part.close()
        raise
    part.endpoint = words[1]
    return part


def start_strategy(endpoint: str, symbol: str, instance: str, *, fast: int, slow: int) -> Part:
    """A moving-average strategy in a process of its own."""
    arguments = ["strategies", "run", "ma_crossover", "--symbol", symbol, "--timeframe", "M1", "--endpoint", endpoint]
    arguments += ["--fast", str(fast), "--slow", str(slow), "--instance", instance, "--short-history"]
    return Part(f"ma_crossover/{instance}", arguments)
