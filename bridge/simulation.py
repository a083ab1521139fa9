"""A simulated terminal as a child process of this one, for `serve --terminal simulator` and the demo."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bridge.children import own_group
from bridge.errors import ConfigError
from bridge.terminal import Credentials
from bridge.terminal.simulator.link import FrameReader, parse_address, send_message

READY = "terminal listening on "
LOGIN, PASSWORD, SERVER = 5_000_001, "simulated", "MetaQuotes-Demo"


class SimulatedTerminal:
    """A terminal process that ends with this one; `address` is where programs attach to it.

    `arguments` are those of `mt5bridge terminal`. Raises `ConfigError` with the terminal's own words when it does not start.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "terminal", "--listen", "127.0.0.1:0", "--exit-with-parent", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **own_group(),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith(READY):
            self.close()
            raise ConfigError("the simulated terminal did not start", next_step="see its message above")
        self.address = line.removeprefix(READY).strip()

    def credentials(self, given: Credentials) -> Credentials:
        """The credentials that reach this terminal; without a login, those of its account."""
        if given.login is not None:
            return replace(given, path=self.address)
        return replace(given, path=self.address, login=LOGIN, password=PASSWORD, server=SERVER)

    def control(self, function: str, *arguments: Any, timeout_s: float = 10.0) -> Any:
        """Ask the simulation itself (`control.status`, `control.hold`, `control.release`, `control.stop`). Raises `OSError`."""
        return control(self.address, function, *arguments, timeout_s=timeout_s)

    def close(self, patience_s: float = 2.0) -> None:
        """End the terminal: its standard input ends, then it is killed."""
        process = self.process
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def control(address: str, function: str, *arguments: Any, timeout_s: float = 10.0) -> Any:
    """Ask a simulated terminal's control function. Raises `OSError` when it does not answer, `ValueError` with its words when
    it refuses."""
    with socket.create_connection(parse_address(address), timeout_s) as connection:
        connection.settimeout(timeout_s)
        send_message(connection, [function, list(arguments)])
        reader = FrameReader()
        while True:
            received = connection.recv(65_536)
            if not received:
                raise ConnectionResetError(f"the terminal at {address} closed the connection")
            for code, text, value in reader.feed(received):
                if code != 1:
                    raise ValueError(text)
                return value
