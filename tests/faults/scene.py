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

    def release(self) -> None:
        """Let the market's clock go on."""
        control(self.address, "control.release")

    def now_msc(self) -> int:
        """The server's time, in milliseconds."""
        now_msc: int = control(self.address, "control.status")["now_msc"]
        return now_msc

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


class BridgeProcess:
    """`mt5bridge serve` attached to a terminal; after `kill`, `start` brings it back at the same endpoints. What it writes to
    standard error is in `errors`."""

    def __init__(self, folder: Path, terminal: SimulatedProcess, settings: str) -> None:
        """`settings` are the lines of the section `[bridge]`."""
        config = folder / "bridge.toml"
        config.write_text(f"[bridge]\n{settings}\n", encoding="utf-8")
        self.errors = folder / "bridge.txt"
        self.errors.touch()
        self._words = [
            sys.executable,
            "-m",
            "bridge",
            "serve",
            "--config",
            str(config),
            "--terminal",
            "simulator",
            "--journal",
            str(folder / "journal"),
        ]
        self._account = {"MT5_PATH": terminal.address, "MT5_LOGIN": str(LOGIN), "MT5_PASSWORD": PASSWORD, "MT5_SERVER": SERVER}
        self.requests = self.events = ANYWHERE
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Served:
        """Start it and wait for its endpoints. Its ports may be taken for a moment: that is tried again."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            with self.errors.open("a") as written:
                self.process = subprocess.Popen(
                    [*self._words, "--requests", self.requests, "--events", self.events],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=written, text=True,
                    env=environment(**self._account), **own_group(),
                )  # fmt: skip
            try:
                told = first_line(self.process).split()
            except AssertionError:
                self.kill()
                if time.monotonic() > until_s:
                    raise AssertionError(f"the bridge does not start: {self.errors.read_text()[-2_000:]}") from None
                time.sleep(AGAIN_S)
            else:
                break
        assert told[::2] == ["requests", "events"], told
        self.requests, self.events = told[1], told[3]
        return Served(self.process, told[1], told[3])

    def kill(self) -> None:
        """End it outright (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self._reap()

    def stop(self) -> None:
        """Ask it to end."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
            self._reap()

    def _reap(self) -> None:
        process, self.process = self.process, None
        assert process is not None
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def served(folder: Path, terminal: SimulatedProcess, settings: str) -> Iterator[tuple[Served, Path]]:
    """A bridge for the length of a block, and the file with its standard error."""
    bridge = BridgeProcess(folder, terminal, settings)
    try:
        yield bridge.start(), bridge.errors
    finally:
        bridge.stop()
