"""A client as a program that is driven by lines of JSON (`README.md` of this folder)."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Ended(Exception):
    """The program is gone, or says something else than lines of JSON."""


class ClientProgram:
    """A process; it may be connected to one bridge after the other."""

    def __init__(self, command: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
            cwd=folder, env=None if environment is None else dict(environment),
        )  # fmt: skip
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._errors: list[str] = []
        for read in (self._read, self._read_errors):
            threading.Thread(target=read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line)

    @property
    def ended(self) -> bool:
        """Whether it cannot be used any more."""
        return self._process.poll() is not None

    def do(self, command: dict[str, Any]) -> None:
        """Tell it to do something. Raises `Ended`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise Ended(self._why()) from None

    def said(self) -> list[dict[str, Any]]:
        """What it has said since the last time. Raises `Ended`."""
        told = []
        while not self._lines.empty():
            line = self._lines.get()
            if not line:
                raise Ended(self._why())
            try:
                told.append(json.loads(line))
            except json.JSONDecodeError:
                raise Ended(f"the client said no JSON: {line!r}") from None
        return told

    def _why(self) -> str:
        self._process.wait(5.0)
        return f"the client has ended with {self._process.returncode}: {''.join(self._errors)[-2_000:]}"

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # what it did not read any more
                    stream.close()
