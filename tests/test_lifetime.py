"""Where a terminal listens, what tells it to stop, and how it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from bridge.terminal.simulator.lifetime import listen, stop_signals


def test_an_address_is_taken_once_and_free_again_at_once() -> None:
    first = listen(("127.0.0.1", 0))
    address = first.getsockname()
    with pytest.raises(OSError):
        listen(address)
    first.close()
    listen(address).close()


def test_stop_signals_set_the_event_and_are_given_back() -> None:
    stopping = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    with stop_signals(stopping):
        signal.raise_signal(signal.SIGINT)
        assert stopping.is_set()
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_the_signals_alone() -> None:
    seen = []

    def look() -> None:
        with stop_signals(threading.Event()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_death_is_sudden() -> None:
    code = "import atexit; from bridge.terminal.simulator.lifetime import die; atexit.register(print, 'the end'); die()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode in (-9, 137)
    assert done.stdout == ""
