"""A bridge for a short look, as a process: `python -m bridge.doctor_bridge`, started by `bridge.doctor_look` and by nobody else.

Its settings, password included, come as the first line of standard input. When standard input ends, it stops as after Ctrl-C; so it
does not outlive whoever started it, however that ended, and a terminal is never held by a bridge that nobody knows.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time

import msgspec

from bridge.config import Settings
from bridge.errors import BridgeError
from bridge.serve import serve

LAST_S = 10.0
"""A stop in order takes less, for a session that hangs is killed."""


def main() -> int:
    """Serve until standard input ends; the exit code."""
    descriptor = sys.stdin.fileno()
    settings = msgspec.json.decode(_first_line(descriptor), type=Settings)
    threading.Thread(target=_stop_with_parent, args=(descriptor,), name="parent", daemon=True).start()
    try:
        serve(settings, lambda requests, events: print(f"requests {requests} events {events}", flush=True))
    except BridgeError as error:
        print(error, flush=True)
        return 1
    return 0


def _first_line(descriptor: int) -> bytes:
    """Read without a buffer: the rest belongs to the thread that waits for the end."""
    read = bytearray()
    while not read.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            break
        read += byte
    return bytes(read)


def _stop_with_parent(descriptor: int) -> None:
    while os.read(descriptor, 4096):
        pass
    _thread.interrupt_main(signal.SIGINT)
    time.sleep(LAST_S)
    os._exit(1)


if __name__ == "__main__":
    code = 1
    try:
        code = main()
    finally:
        sys.stdout.flush()
        os._exit(code)  # without waiting for the thread that reads standard input
