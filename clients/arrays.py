"""History as numpy arrays of the terminal's own records, for programs that do without pandas: `bridge.arrays.rates(…)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from clients import history
from clients.history import Kind, Moment
from clients.moments import server_span
from clients.parts import Download, Driver, Progress, fetch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")


class Arrays:
    """Bars and ticks in server time. The arrays are read-only and of one dimension; an empty one says that the terminal has nothing
    there, what failed is raised."""

    def __init__(self, timeout_s: float, driver: Driver, bridge_msc: Callable[[], int]) -> None:
        self._timeout_s = timeout_s
        self._driver = driver
        self._bridge_msc = bridge_msc

    def fetch(self, download: Download[T]) -> T:
        """Go through a download of `clients.history`."""
        return fetch(self._driver, download, self._timeout_s)

    def rates(
        self,
        symbol: str,
        timeframe: str,
        count: int | None = None,
        start: int = 0,
        date_from: Moment | None = None,
        date_to: Moment | None = None,
        *,
        progress: Progress | None = None,
    ) -> NDArray[np.void]:
        """Bars, of `clients.tables.BAR_DTYPE`; which ones: see `clients.history.rates_parts`."""
        span = server_span(date_from, date_to, self._bridge_msc())
        chunks = self.fetch(history.rates_parts(symbol, timeframe, count, start, *span, progress=progress))
        from clients.tables import BAR_DTYPE, joined  # noqa: PLC0415 - numpy only when it is needed

        return joined(chunks, BAR_DTYPE)

    def ticks(
        self,
        symbol: str,
        date_from: Moment,
        date_to: Moment | None = None,
        count: int | None = None,
        kind: Kind = "all",
        *,
        progress: Progress | None = None,
    ) -> NDArray[np.void]:
        """Ticks, of `clients.tables.TICK_DTYPE`; which ones: see `clients.history.ticks_parts`."""
        span = server_span(date_from, date_to, self._bridge_msc())
        chunks = self.fetch(history.ticks_parts(symbol, *span, count, kind, progress=progress))
        from clients.tables import TICK_DTYPE, joined  # noqa: PLC0415 - numpy only when it is needed

        return joined(chunks, TICK_DTYPE)
