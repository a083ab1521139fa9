"""A strategy as a process of the supervisor: started, asked to stop, killed; what it says goes to the log."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from bridge.children import ask_to_end, own_group

LOG_BYTES = 5 * 1024 * 1024
LOG_FILES = 5
"""How many there are of an instance, the one being written among them."""
LINE_BYTES = 8192
"""A longer line is cut into several: what a strategy says cannot fill our memory."""
_PREFIXED = re.compile(r"\d{4}-\d\d-\d\dT")
"""A line of log of a strategy, which says itself whose it is."""


class _File(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name in the standard library
        """A full disk stops no strategy; the line is on standard error, without a traceback for each."""


class Voice:
    """Where the lines of an instance go, whichever process says them. Used by the threads of its processes."""

    def __init__(self, instance: str, log_folder: Path | None) -> None:
        self.instance = instance
        self.last_line = ""
        self._file: _File | None = None
        if log_folder is not None:
            path = log_folder / f"{instance}.log"
            self._file = _File(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8", delay=True)

    def say(self, line: str) -> None:
        """Take a line. A full disk, or nobody who reads our standard error, stops no strategy."""
        if line.strip():
            self.last_line = line
        shown = line if _PREFIXED.match(line) else f"{self.instance} | {line}"
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(shown + "\n")
            sys.stderr.flush()
        if self._file is not None:
            self._file.handle(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


class Child:
    """A running process. Raises `OSError` when it cannot be made."""

    def __init__(self, command: Sequence[str], voice: Voice) -> None:
        # Standard input is never written to: that it ends tells the strategy that we are gone.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"},
            **own_group(),
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=_read, args=(self._process.stdout, voice), name=voice.instance, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def ask(self) -> None:
        """Ask it to stop, by the end of its standard input where no signal reaches it: a service of Windows has no console."""
        try:
            ask_to_end(self._process)
        except OSError:
            self._close_input()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def forget(self, patience_s: float) -> None:
        """It has ended: wait for its last lines, which somebody it started may keep from ending."""
        self._close_input()
        self._reader.join(patience_s)

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def _read(output: IO[bytes], voice: Voice) -> None:
    with output, contextlib.suppress(OSError, ValueError):
        while line := output.readline(LINE_BYTES):
            voice.say(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))
