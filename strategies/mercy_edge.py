"""Pulse sync with a slower trend."""

from __future__ import annotations

from strategies.commands import run
from strategies.pulse_sync import PulseSync


class MercyEdge(PulseSync):
    """Pulse sync with a slower trend: that of 200 bars."""

    trend = 200


if __name__ == "__main__":
    run(MercyEdge)
