"""Ticks and bars on disk, each exactly once: `mt5bridge record` writes them, `read_ticks` and `read_bars` read them back.

What is written, and what is promised of it, is in `docs/recorder.md`. Needs pyarrow (`pip install "mt5-zmq-bridge[backtest]"`).
"""

from clients.recorder.reading import Recording, read_bars, read_ticks

__all__ = ["Recording", "read_bars", "read_ticks"]
