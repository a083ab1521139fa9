"""Where the socket of the link to a session process is: a folder that nobody else may enter, and that is gone once it came.

On Windows, where there are no such sockets for ZeroMQ, and where no folder can be had, the link is a port of the loopback with keys
of its own (`bridge.sessions`). Encrypting costs half of what a long history takes on its way."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import zmq

LONGEST_BYTES = 100
"""Of the path of a socket; systems allow 104 or 108."""


def private_place() -> Path | None:
    """The path for a socket in a new folder of this user's own (mode 0700, as `tempfile.mkdtemp` makes it); None where there can be
    none."""
    if sys.platform == "win32" or not zmq.has("ipc"):
        return None
    try:
        path = Path(tempfile.mkdtemp(prefix="mt5bridge-"), "link")
    except OSError:
        return None
    if len(os.fsencode(path)) > LONGEST_BYTES:
        remove(path)
        return None
    return path


def remove(path: Path | None) -> None:
    """Nobody finds it any more, if there is one; who is connected stays so."""
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()
