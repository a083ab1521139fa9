"""`python -m bridge.session.child`: the session as a process of its own, started by the bridge and by nobody else.

It reads one line of JSON (`SessionSettings`) from standard input; the end of standard input means that the bridge is gone, and then
it ends at once. An interrupt from the keyboard goes to the whole process group; it is the bridge that decides what to do about it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import zmq

from bridge.errors import BridgeError
from bridge.session.host import FAULT, MISUSED, run
from bridge.session.settings import SessionSettings

__all__ = ["ORPHANED", "SessionSettings", "main"]

ORPHANED = 3
"""Exit code of a session whose bridge is gone."""


def main() -> int:
    """Serve until told to stop; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _no_core_dump()
    descriptor = sys.stdin.fileno()
    line = _first_line(descriptor)
    try:
        settings = SessionSettings.from_json(line)
    except BridgeError as error:
        sys.stderr.write(f"session: {error}\n")
        return MISUSED
    threading.Thread(target=_end_with_parent, args=(descriptor,), name="parent", daemon=True).start()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        return run(settings, context)
    finally:
        context.destroy(0)


def _no_core_dump() -> None:
    """The password is in this process's memory. Windows writes no dumps unless it was told to."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - there is none on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _first_line(descriptor: int) -> bytes:
    """Read without a buffer: the rest belongs to the thread that waits for the end."""
    read = bytearray()
    while not read.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            break
        read += byte
    return bytes(read)


def _end_with_parent(descriptor: int) -> None:
    """Wait for the end of standard input; nothing can be saved then, the bridge's journal knows what was under way."""
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:
        os._exit(ORPHANED)
    os._exit(ORPHANED)


if __name__ == "__main__":
    code = FAULT
    try:
        code = main()
    finally:
        sys.stderr.flush()
        # Without the interpreter's own end, which would wait for the thread that reads standard input on some systems.
        os._exit(code)
