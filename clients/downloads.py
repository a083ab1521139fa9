"""Histories as DataFrames and as arrays, of any length: what a client asks for, part by part, and makes of the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from clients import history
from clients.moments import Moment, server_span
from clients.parts import Download, Progress
from clients.server_time import ServerTime

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class Knowing(Protocol):
    """What a download has to know of its client."""

    def bridge_msc(self) -> int:
        """The bridge's clock now, UTC; 0 while that is not known."""

    def telling(self, utc: bool | str) -> ServerTime:
        """What tells server time from UTC."""


def rates(
    client: Knowing,
    symbol: str,
    timeframe: str,
    count: int | None = None,
    start: int = 0,
    date_from: Moment | None = None,
    date_to: Moment | None = None,
    *,
    utc: bool | str = False,
    progress: Progress | None = None,
) -> Download[pd.DataFrame]:
    """Bars as a DataFrame (`clients.tables.rates_frame`), any number; which ones: see `clients.history.rates_parts`.

    Without rows (but with its columns) it says that the terminal has nothing there: what failed is raised. `progress(rows,
    fraction)` is called as the parts come (`clients.parts.Progress`); what it raises ends the download.

    Index and dates are server time. With `utc=True` both are UTC, by the one offset that was measured last: it is not applied
    to anything before the last change of daylight saving, where it may be an hour wrong; `InvalidParameters` is raised then.
    With `utc="America/New_York+7"` they are UTC by the zone, and the hours to add, that you say the server's clock has had all
    the time; this is refused when the measured offset contradicts it. Raises `TryAgain` while an offset is needed and not
    known. Bars of a day open at the server's midnight, whatever time of UTC that is.
    """
    told = client.telling(utc) if utc else None
    span = server_span(date_from, date_to, client.bridge_msc(), told)
    chunks = yield from history.rates_parts(symbol, timeframe, count, start, *span, progress=progress)
    from clients.tables import in_utc, rates_frame  # noqa: PLC0415 - pandas only when it is needed

    return rates_frame(chunks) if told is None else in_utc(rates_frame(chunks), told)


def ticks(
    client: Knowing,
    symbol: str,
    date_from: Moment,
    date_to: Moment | None = None,
    count: int | None = None,
    kind: history.Kind = "all",
    *,
    utc: bool | str = False,
    progress: Progress | None = None,
) -> Download[pd.DataFrame]:
    """Ticks as a DataFrame (`clients.tables.ticks_frame`), any number; which ones: see `clients.history.ticks_parts`. Index and
    dates are server time, or with `utc` UTC as for `rates`, and `progress` and what is empty as there."""
    told = client.telling(utc) if utc else None
    span = server_span(date_from, date_to, client.bridge_msc(), told)
    chunks = yield from history.ticks_parts(symbol, *span, count, kind, progress=progress)
    from clients.tables import in_utc, ticks_frame  # noqa: PLC0415 - pandas only when it is needed

    return ticks_frame(chunks) if told is None else in_utc(ticks_frame(chunks), told)


def rates_array(
    client: Knowing,
    symbol: str,
    timeframe: str,
    count: int | None = None,
    start: int = 0,
    date_from: Moment | None = None,
    date_to: Moment | None = None,
    *,
    progress: Progress | None = None,
) -> Download[NDArray[np.void]]:
    """Bars, of `clients.tables.BAR_DTYPE`; which ones: see `clients.history.rates_parts`."""
    span = server_span(date_from, date_to, client.bridge_msc())
    chunks = yield from history.rates_parts(symbol, timeframe, count, start, *span, progress=progress)
    from clients.tables import BAR_DTYPE, joined  # noqa: PLC0415 - numpy only when it is needed

    return joined(chunks, BAR_DTYPE)


def ticks_array(
    client: Knowing,
    symbol: str,
    date_from: Moment,
    date_to: Moment | None = None,
    count: int | None = None,
    kind: history.Kind = "all",
    *,
    progress: Progress | None = None,
) -> Download[NDArray[np.void]]:
    """Ticks, of `clients.tables.TICK_DTYPE`; which ones: see `clients.history.ticks_parts`."""
    span = server_span(date_from, date_to, client.bridge_msc())
    chunks = yield from history.ticks_parts(symbol, *span, count, kind, progress=progress)
    from clients.tables import TICK_DTYPE, joined  # noqa: PLC0415 - numpy only when it is needed

    return joined(chunks, TICK_DTYPE)
