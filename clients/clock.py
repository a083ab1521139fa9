"""The bridge's clock as seen from a client, learned from the times in its replies."""

from __future__ import annotations

TRUST_S = 60.0
"""Age after which a measurement is replaced by the next one even if that is less precise: clocks drift."""


class BridgeClock:
    """The difference between the bridge's clock and the session's.

    A reply was stamped between sending and receiving; taking the moment of receiving makes every deadline too early by at most one
    round trip, and never too late. Of several replies the one with the shortest round trip is believed.
    """

    __slots__ = ("_measured_s", "_offset_ms", "_round_trip_s")

    def __init__(self) -> None:
        self._offset_ms: float | None = None
        self._round_trip_s = 0.0
        self._measured_s = 0.0

    def observe(self, sent_s: float, received_s: float, time_msc: int) -> None:
        """A reply that was asked for at `sent_s`, arrived at `received_s` and carries the bridge's time."""
        round_trip_s = received_s - sent_s
        if self._offset_ms is None or round_trip_s <= self._round_trip_s or received_s - self._measured_s > TRUST_S:
            self._offset_ms = time_msc - received_s * 1e3
            self._round_trip_s = round_trip_s
            self._measured_s = received_s

    def forget(self) -> None:
        """Another bridge has another clock; until it is measured, the old difference serves."""
        self._round_trip_s = float("inf")

    def bridge_msc(self, at_s: float) -> int | None:
        """The bridge's clock, in milliseconds, at a moment of the session's; None before the first reply."""
        return None if self._offset_ms is None else int(self._offset_ms + at_s * 1e3)
