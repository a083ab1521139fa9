"""What a client knows of its bridge without asking; the same for every client."""

from __future__ import annotations

import copy
import os
import time
from dataclasses import replace
from datetime import datetime
from typing import Protocol, Self

from bridge.errors import InvalidParameters, OutcomeUnknown
from bridge.replies import ClockOffset, ConnectionState, Status
from clients.abandoned import Abandoned
from clients.moments import Moment, server_msc
from clients.server_time import MeasuredTime, ServerTime, as_datetime, server_time
from clients.session import ClientSession, Counters
from clients.sockets import default_endpoint

PROBE_S = 2.0
"""Longest wait of `is_connected`."""
LONGEST_NAME = 64


class Driver(Protocol):
    """What drives a session."""

    @property
    def session(self) -> ClientSession:
        """The client's side of the protocol."""

    @property
    def abandoned(self) -> Abandoned:
        """Orders that nobody waits for any more."""

    @property
    def state(self) -> str:
        """`new`, `open` or `closed`."""


class Knowledge:
    """What was received, and what follows from it. Nothing here waits or asks."""

    _driver: Driver
    _measured: tuple[ClockOffset, MeasuredTime] | None = None

    def __init__(self, endpoint: str | None, name: str | None, timeout_s: float) -> None:
        self.endpoint = endpoint or default_endpoint()
        self.name = (name or f"python-{os.getpid()}")[:LONGEST_NAME]
        self.timeout_s = timeout_s

    def __repr__(self) -> str:
        kind, session, state = type(self).__name__, self._driver.session, self._driver.state
        if state == "new":
            state = "not connected yet"
        elif state == "open":
            known = None if self.is_silent else session.connection
            state = "the bridge is silent" if known is None else f"the terminal is {known.state}"
        return f"<{kind} {self.name!r} at {self.endpoint}: {state}>"

    def within(self, timeout_s: float) -> Self:
        """This client with another `timeout_s`, as in `bridge.within(2.0).account()`; both share one connection."""
        if not timeout_s > 0:
            raise InvalidParameters(
                f"timeout_s must be above 0, not {timeout_s!r}", field="timeout_s", value=timeout_s, rule="above 0"
            )
        twin = copy.copy(self)
        twin.timeout_s = timeout_s
        return twin

    @property
    def is_silent(self) -> bool:
        """Whether no heartbeat of the bridge has come for three periods. Looks only at what was received."""
        return self._driver.session.is_silent(time.monotonic())

    @property
    def known_connection(self) -> ConnectionState | None:
        """Where the bridge's session with the terminal stood, by the last event that was received; `connection` asks."""
        return self._driver.session.connection

    @property
    def counters(self) -> Counters:
        """What went wrong without being an error of a call."""
        return self._driver.session.counters

    @property
    def abandoned(self) -> tuple[OutcomeUnknown, ...]:
        """The newest orders whose callers were cancelled or interrupted after they had left, so that their outcome was told to
        nobody: each with its `request_id`, by which `order` asks what became of it."""
        return self._driver.abandoned()

    def bridge_msc(self) -> int:
        """The bridge's clock now, in milliseconds since 1970-01-01 UTC, as far as it is known here."""
        return self._driver.session.clock.bridge_msc(time.monotonic()) or 0

    def _with_own_link(self, status: Status) -> Status:
        """The last of `links` is this client's own; by now the events that were waiting are taken in."""
        return replace(status, links=(*status.links, self._driver.session.link_status(time.monotonic())))

    # ---- time --------------------------------------------------------------------------------------------------------------------

    @property
    def clock(self) -> ClockOffset:
        """How far the trade server's clock is ahead of UTC, by the last `connection` event that was received. One comes when the
        offset or its confidence changes; `status().connection.clock` has the newest measurement."""
        return self._driver.session.server_clock

    def utc(self, server_time: Moment, zone: str | None = None) -> datetime:
        """UTC at a time of the server's clock, as in `bridge.utc(tick.time_msc / 1000)`; exact to the millisecond.

        By the offset that was measured last, also when its confidence is only `low` (`clock`); or by a `zone` that you name, as
        for `rates`. Raises `TryAgain` while the offset is not known, and `InvalidParameters` for a time before the last change of
        daylight saving, for which a measured offset may not hold (`clients.server_time`).
        """
        return as_datetime(self.telling(zone or True).utc_msc(server_msc(server_time, "server_time")))

    def server_time(self, utc: Moment, zone: str | None = None) -> datetime:
        """The time of the server's clock at a moment of UTC: `utc` the other way. Other methods take it as it is:
        `bridge.ticks("EURUSD", bridge.server_time(moment))`. Like the terminal's own times it is labelled UTC.

        A datetime with a zone is the moment that it names; one without, and a number, are UTC. Raises as `utc` does.
        """
        return as_datetime(self.telling(zone or True).server_msc(server_msc(utc, "utc")))

    def telling(self, utc: bool | str) -> ServerTime:
        """What tells server time from UTC: the measured offset, or the zone that `utc` names. Raises as `utc` does."""
        clock = self.clock
        if isinstance(utc, str):
            return server_time(clock, utc)
        if self._measured is None or self._measured[0] is not clock:
            self._measured = clock, MeasuredTime(clock)
        return self._measured[1]
