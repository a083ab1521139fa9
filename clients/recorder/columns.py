"""The columns of a recording: the terminal's own, and how each row came. Packed records to Parquet and back.

| column | type | meaning |
|---|---|---|
| the terminal's | as in `clients.tables` | `time` (s) and `time_msc` (ms) are the trade server's wall clock |
| `number` | int64 | counts the rows of the series from 1, in the order in which they were recorded |
| `received_us` | int64 | the bridge's clock (µs, UTC) when the event was published, or the history was read |
| `epoch`, `sequence` | int64 | of the event; both 0 where the recorder read the history itself |
| `event_flags` | uint8 | bits of `bridge.messages`: BACKFILLED 1, LATE 2, REPLAYED 8, SUSPECT 16 |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.errors import BridgeError, ConfigError
from bridge.ticks import RECORD_BYTES
from clients.recorder.layout import Part
from clients.tables import BAR_DTYPE, TICK_DTYPE

if TYPE_CHECKING:
    from clients.recorder.layout import Series

FORMAT = "1"
"""Of the files; a later one that cannot be read by this release has another."""
ORIGIN_DTYPE = np.dtype([("number", "<i8"), ("received_us", "<i8"), ("epoch", "<i8"), ("sequence", "<i8"), ("event_flags", "<u1")])
"""How a row came."""
COMPRESSION_LEVEL = 6
SORTED = frozenset({"number", "received_us", "sequence", "time", "time_msc"})


class DamagedRecording(BridgeError):
    """A file of a recording cannot be read, or is not what its name says."""

    code = "damaged_recording"


class Rows(NamedTuple):
    """Rows of a series: the terminal's records and, of the same length, how each came."""

    records: NDArray[np.void]
    origin: NDArray[np.void]

    def __len__(self) -> int:  # of rows, not of this pair
        return len(self.records)

    def picked(self, which: Any) -> Rows:
        """Some of them."""
        return Rows(self.records[which], self.origin[which])


class Arrival(NamedTuple):
    """Packed records as they came, oldest first."""

    epoch: int
    sequence: int
    time_us: int
    flags: int
    records: bytes | memoryview


def dtype_of(series: Series) -> np.dtype[np.void]:
    """The terminal's records of a series."""
    return TICK_DTYPE if series.timeframe is None else BAR_DTYPE


def arrow() -> Any:
    """pyarrow with its Parquet. Raises `ConfigError` where it is not installed."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise ConfigError("a recording needs pyarrow", next_step='pip install "mt5-zmq-bridge[backtest]"') from None
    return pa


def rows_of(series: Series, arrivals: Sequence[Arrival], first: int) -> Rows:
    """What has come, numbered from `first` on."""
    counts = [len(arrival.records) // RECORD_BYTES for arrival in arrivals]
    records = np.frombuffer(b"".join(arrival.records for arrival in arrivals), dtype_of(series))
    origin = np.zeros(len(records), ORIGIN_DTYPE)
    origin["number"] = np.arange(first, first + len(records))
    for name, at in (("epoch", 0), ("sequence", 1), ("received_us", 2), ("event_flags", 3)):
        origin[name] = np.repeat(np.array([arrival[at] for arrival in arrivals], "<i8"), counts)
    return Rows(records, origin)


def joined(parts: Sequence[Rows], series: Series) -> Rows:
    """All of them, by number."""
    if not parts:
        return Rows(np.zeros(0, dtype_of(series)), np.zeros(0, ORIGIN_DTYPE))
    whole = Rows(np.concatenate([part.records for part in parts]), np.concatenate([part.origin for part in parts]))
    return whole.picked(np.argsort(whole.origin["number"], kind="stable"))


def parquet(rows: Rows, metadata: Mapping[str, str]) -> memoryview:
    """A file with these rows. `metadata` is kept in its schema."""
    pa = arrow()
    columns = {
        **{name: rows.records[name] for name in rows.records.dtype.names or ()},
        **{name: rows.origin[name] for name in ORIGIN_DTYPE.names or ()},
    }
    arrays = {name: pa.array(np.ascontiguousarray(column)) for name, column in columns.items()}
    if "time_msc" in arrays:
        arrays["time_msc"] = arrays["time_msc"].cast(pa.timestamp("ms"))
    table = pa.table(arrays)
    table = table.replace_schema_metadata({"mt5bridge.format": FORMAT, "mt5bridge.rows": str(len(rows)), **metadata})
    sink = pa.BufferOutputStream()
    floats = {name for name, column in columns.items() if column.dtype.kind == "f"}
    pa.parquet.write_table(
        table, sink, compression="zstd", compression_level=COMPRESSION_LEVEL, write_page_checksum=True,
        use_dictionary=sorted(floats | {"volume", "flags", "epoch", "event_flags", "spread", "tick_volume", "real_volume"}),
        column_encoding=dict.fromkeys(SORTED & set(columns), "DELTA_BINARY_PACKED"),
    )  # fmt: skip
    return memoryview(sink.getvalue())


def read_part(part: Part, series: Series, *, origin: bool = True) -> Rows:
    """The rows of a file, looked at as far as that is possible without any other: checksums, columns, numbers.

    Without `origin` only the number and the flags of how they came are read. Raises `DamagedRecording`, and `FileNotFoundError` for
    one that was merged into another meanwhile.
    """
    pa = arrow()
    dtype = dtype_of(series)
    wanted = [*(dtype.names or ()), *(ORIGIN_DTYPE.names or () if origin else ("number", "event_flags"))]
    try:
        with part.path.open("rb") as file:
            table = pa.parquet.ParquetFile(file, page_checksum_verification=True).read(columns=wanted)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise damaged(part.path, f"cannot be read: {error}") from None
    if table.column_names != wanted:
        raise damaged(part.path, f"has the columns {', '.join(table.column_names)}")
    said = (table.schema.metadata or {}).get(b"mt5bridge.rows", b"").decode()
    if said != str(table.num_rows):
        raise damaged(part.path, f"has {table.num_rows} rows, and says that it has {said or 'an unknown number of'}")
    records, origins = np.zeros(table.num_rows, dtype), np.zeros(table.num_rows, ORIGIN_DTYPE)
    for name in wanted:
        column = table.column(name)
        into = records if name in (dtype.names or ()) else origins
        if column.null_count:
            raise damaged(part.path, f"has rows without {name}")
        values = column.to_numpy()
        into[name] = values.astype("M8[ms]").view("<i8") if values.dtype.kind == "M" else values
    numbers = origins["number"]
    if not len(numbers) or numbers[0] != part.first or numbers[-1] != part.last or (np.diff(numbers) <= 0).any():
        raise damaged(part.path, "has other numbers than its name says")
    return Rows(records, origins)


def damaged(path: Path, what: str) -> DamagedRecording:
    """The error for a file."""
    return DamagedRecording(
        f"{path} {' '.join(what.split())}", next_step="look at the whole recording with: mt5bridge record --out DIR --verify"
    )
