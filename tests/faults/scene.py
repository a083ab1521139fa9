"""The processes of a fault run: a simulated terminal that can be killed and started again, and a bridge attached to it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bridge.children import own_group
from bridge.simulation import LOGIN, PASSWORD, READY, SERVER, control
from bridge.terminal import Credentials
from bridge.terminal.metatrader import MetaTrader, open_terminal
from tests.processes import ANYWHERE, PATIENCE_S, Served, environment, first_line

AGAIN_S = 0.2


class SimulatedProcess:
    """`python -m bridge terminal` with a state file; after `kill`, `start` brings it back at the same address."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._words = [
            sys.executable, "-m", "bridge", "terminal", "--state", str(folder / "account.db"), "--exit-with-parent", *arguments,
        ]  # fmt: skip
        self._errors = folder / "terminal.txt"
        self._listen = "127.0.0.1:0"
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> None:
        """Start it and wait until programs can attach. Its port may be taken for a moment: that is tried again."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            with self._errors.open("a") as errors:
                self._process = subprocess.Popen(
                    [*self._words, "--listen", self._listen],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(), **own_group(),
                )  # fmt: skip
            try:
                self.address = first_line(self._process).removeprefix(READY).strip()
            except AssertionError:
                self.kill()
                if time.monotonic() > until_s:
                    raise AssertionError(f"the terminal does not start: {self._errors.read_text()[-2_000:]}") from None
                time.sleep(AGAIN_S)
            else:
                self._listen = self.address.removeprefix("tcp://")
                return

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it outright (SIGKILL)."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def fault(self, name: str, **arguments: Any) -> None:
        """Put a fault in force."""
        control(self.address, "control.fault", name, arguments)

    def clear(self, name: str | None = None) -> None:
        """End the faults of this name, or all."""
        control(self.address, "control.clear", *([name] if name else []))

    def hold(self) -> None:
        """Stop the market's clock."""
        control(self.address, "control.hold")

    @contextlib.contextmanager
    def inspected(self) -> Iterator[MetaTrader]:
        """The terminal as a program sees it that is attached beside the bridge, to whatever account is shown."""
        program = open_terminal("simulator")
        assert isinstance(program, MetaTrader)
        program.attach(Credentials(path=self.address))
        try:
            yield program
        finally:
            program.detach()


@contextlib.contextmanager
def simulated(folder: Path, *arguments: str) -> Iterator[SimulatedProcess]:
    """A terminal process for the length of a block."""
    terminal = SimulatedProcess(folder, *arguments)
    terminal.start()
    try:
        yield terminal
    finally:
        terminal.kill()


@contextlib.contextmanager
def served(folder: Path, terminal: SimulatedProcess, settings: str) -> Iterator[tuple[Served, Path]]:
    """`mt5bridge serve` attached to it, with these lines in its section `[bridge]`; and the file with its standard error."""
    config, errors = folder / "bridge.toml", folder / "bridge.txt"
    config.write_text(f"[bridge]\n{settings}\n", encoding="utf-8")
    words = [sys.executable, "-m", "bridge", "serve", "--config", str(config), "--terminal", "simulator"]
    account = {"MT5_PATH": terminal.address, "MT5_LOGIN": str(LOGIN), "MT5_PASSWORD": PASSWORD, "MT5_SERVER": SERVER}
    with errors.open("w") as written:
        process = subprocess.Popen(
            [*words, "--requests", ANYWHERE, "--events", ANYWHERE],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=written, text=True, env=environment(**account), **own_group(),
        )  # fmt: skip
    try:
        told = first_line(process).split()
        assert told[::2] == ["requests", "events"], told
        yield Served(process, told[1], told[3]), errors
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
