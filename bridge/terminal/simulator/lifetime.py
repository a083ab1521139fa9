"""The terminal as a process of the operating system: where it listens, what tells it to stop, how it dies."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator


def listen(address: tuple[str, int]) -> socket.socket:
    """A listening socket at host and port.  Raises OSError when the address is taken or is not one of this machine."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # On Windows SO_REUSEADDR would let two terminals share the port; elsewhere it only skips TIME_WAIT.
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def die() -> None:
    """End this process at once, as if it were killed: nothing is flushed, closed or told."""
    if sys.platform != "win32":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)


def await_end_of_input(stopping: threading.Event) -> None:
    """Set the event when standard input ends."""
    # Not through sys.stdin.buffer: a thread that waits in it makes Python abort when the terminal is stopped otherwise.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stopping.set()


@contextlib.contextmanager
def stop_signals(stopping: threading.Event) -> Iterator[None]:
    """Let the stop signals set the event; only the main thread can, elsewhere nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [(number, signal.signal(number, lambda *_: stopping.set())) for number in numbers]
    try:
        yield
    finally:
        for number, previous in before:
            signal.signal(number, previous)
