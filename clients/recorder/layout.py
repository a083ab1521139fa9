"""How a recording is laid out in its folder: which series is where, and what the name of a file says.

`ticks/symbol=EURUSD/date=2026-03-04/000000000001-000000000500.parquet` has the ticks number 1 to 500 of that symbol, as far as they
are of that day (server time); bars are in `bars/symbol=EURUSD/timeframe=M1/month=2026-03/`. Rows are numbered by series from 1, in
the order in which they were recorded. A file whose numbers lie within those of another one in the same folder was merged into that
one and does not count any more, so that a merge needs no other sign of being done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_PART = re.compile(r"(\d{12})-(\d{12})\.parquet")
SUFFIX = ".parquet"
TEMPORARY = ".tmp"


class Series(NamedTuple):
    """The ticks of a symbol, or with a timeframe its bars."""

    symbol: str
    timeframe: str | None = None

    @property
    def topic(self) -> str:
        """The topic that they are published under."""
        return f"tick:{self.symbol}" if self.timeframe is None else f"bar:{self.symbol}:{self.timeframe}"

    @property
    def folder(self) -> Path:
        """Where its periods are, inside the recording."""
        symbol = f"symbol={encoded(self.symbol)}"
        return Path("ticks", symbol) if self.timeframe is None else Path("bars", symbol, f"timeframe={self.timeframe}")

    def period(self, time_s: int) -> str:
        """The folder that a row of this time (s, server time) belongs in: a day of ticks, a month of bars."""
        moment = datetime.fromtimestamp(time_s, UTC)
        return f"date={moment:%Y-%m-%d}" if self.timeframe is None else f"month={moment:%Y-%m}"


class Part(NamedTuple):
    """A file, and the numbers of its first and its last row."""

    path: Path
    first: int
    last: int


def encoded(symbol: str) -> str:
    """A symbol's name as part of a folder's: percent-encoded as in a URI, so that readers of hive-style folders know it again.

    Small letters are encoded as well: on file systems that do not tell them from capitals `EURUSDm` and `EURUSDM` would be one.
    So is a full stop at either end, which Windows drops.
    """
    last = len(symbol) - 1
    return "".join(
        letter
        if letter in _PLAIN and not (letter == "." and at in (0, last))
        else "".join(f"%{byte:02X}" for byte in letter.encode())
        for at, letter in enumerate(symbol)
    )


def decoded(name: str) -> str:
    """The symbol of a folder `symbol=…`."""
    return unquote(name.removeprefix("symbol="))


def part_name(first: int, last: int) -> str:
    """The name of the file with these rows."""
    return f"{first:012d}-{last:012d}{SUFFIX}"


def parts_in(folder: Path) -> list[Part]:
    """The files of one period that count, in order. Raises `OSError`."""
    return counting(_all_in(folder))


def _all_in(folder: Path) -> Iterator[Part]:
    if folder.is_dir():
        for path in folder.iterdir():
            found = _PART.fullmatch(path.name)
            if found is not None:
                yield Part(path, int(found[1]), int(found[2]))


def counting(parts: Iterable[Part]) -> list[Part]:
    """Those that were not merged into another one, in order of their numbers."""
    kept: list[Part] = []
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        if not kept or part.last > kept[-1].last:
            kept.append(part)
    return kept


def merged_away(folder: Path) -> list[Part]:
    """The files of one period that do not count any more."""
    every = list(_all_in(folder))
    return sorted(set(every) - set(counting(every)))


def periods_of(root: Path, series: Series) -> list[Path]:
    """The folders of a series, oldest period first."""
    folder = root / series.folder
    return sorted(path for path in folder.iterdir() if path.is_dir() and "=" in path.name) if folder.is_dir() else []


def series_in(root: Path) -> list[Series]:
    """Everything that a recording has rows of, or had."""
    found = [Series(decoded(path.name)) for path in root.glob("ticks/symbol=*") if path.is_dir()]
    for path in root.glob("bars/symbol=*/timeframe=*"):
        found.append(Series(decoded(path.parent.name), path.name.removeprefix("timeframe=")))
    return sorted(found, key=lambda series: (series.symbol, series.timeframe or ""))
