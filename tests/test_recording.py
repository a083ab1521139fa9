"""Recorded files: the three formats, and what is said about files that cannot be used."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.terminal.simulator.bars import bars_of_ticks
from bridge.terminal.simulator.recording import (
    RecordedBars,
    RecordingError,
    read_recorded,
    read_recordings,
    read_ticks,
    server_time,
    symbol_and_file,
)

DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "replay"
HEADER = "time_msc,bid,ask\n"
TICK_HEADER = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\r\n"
TABLE = "time,open,high,low,close\n"
BAR_HEADER = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
DAY_HEADER = "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
# 2026-01-05 and 2026-07-06, both Mondays, 00:00 UTC
WINTER, SUMMER = 1_767_571_200_000, 1_783_296_000_000


def read(folder: Path, content: str | bytes, *, utc: bool = True, name: str = "EURUSD.csv") -> Any:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_ticks(file, utc=utc)


def test_ticks_in_utc_become_server_time(tmp_path: Path) -> None:
    rows = read(tmp_path, f"{HEADER}{WINTER},1.1,1.2\n{WINTER + 5},1.1,1.3\n{WINTER + 5},1.0,1.3\n{SUMMER},1.0,1.3\n")
    hour = 3_600_000
    assert rows["time_msc"].tolist() == [WINTER + 2 * hour, WINTER + 2 * hour + 5, WINTER + 2 * hour + 5, SUMMER + 3 * hour]
    assert (rows["time"] == rows["time_msc"] // 1000).all()
    assert rows["bid"].tolist() == [1.1, 1.1, 1.0, 1.0]
    assert rows["ask"].tolist() == [1.2, 1.3, 1.3, 1.3]
    assert rows["flags"].tolist() == [6, 4, 2, 6]
    same = read(tmp_path, f"{HEADER}{WINTER},1.1,1.2\n", utc=False)
    assert same["time_msc"].tolist() == [WINTER]


@given(st.integers(1_262_304_000, 2_145_916_800))
@settings(deadline=None, max_examples=50)
def test_server_time_is_new_york_plus_seven_hours(second: int) -> None:
    wall = datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo("America/New_York")) + timedelta(hours=7)
    expected = int(wall.replace(tzinfo=UTC).timestamp())
    assert server_time(np.array([second * 1000 + 7])).tolist() == [expected * 1000 + 7]


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=40))
@settings(deadline=None, max_examples=40)
def test_prices_are_the_floats_of_their_text(tmp_path_factory: pytest.TempPathFactory, prices: list[float]) -> None:
    texts = [repr(price) if index % 2 else f"{price:.25g}" for index, price in enumerate(prices)]
    lines = "".join(f"{WINTER + index},{text},{text}\n" for index, text in enumerate(texts))
    rows = read(tmp_path_factory.mktemp("prices"), HEADER + lines)
    assert rows["bid"].tolist() == [float(text) for text in texts]


def test_columns_in_any_order_and_unknown_ones(tmp_path: Path) -> None:
    rows = read(tmp_path, f"ask,note,time_msc,bid\n1.2,x,{WINTER},1.1\n\n1.3,,{WINTER},1.1")
    assert rows["ask"].tolist() == [1.2, 1.3]


def test_gzip_and_byte_order_marks(tmp_path: Path) -> None:
    text = f"{HEADER}{WINTER},1.1,1.2\n"
    for content in (gzip.compress(text.encode(), mtime=0), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
        assert read(tmp_path, content)["bid"].tolist() == [1.1]


def test_exported_ticks(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        TICK_HEADER
        + "2026.01.05\t00:00:00.100\t1.10000\t\t\t\t2\r\n"
        + "2026.01.05\t00:00:00.200\t\t1.10010\t\t\t1028\r\n"
        + "2026.01.05\t00:00:01.000\t1.10005\t\t\t\t\r\n"
        + "2026.01.05\t00:00:01.000\t1.10006\t1.10011\t1.10008\t3\t1030\r\n"
        + "2026.01.06\t23:59:59.999\t\t1.10012\r\n",
    )
    assert rows.tolist() == [
        (WINTER // 1000, 1.1, 1.1001, 0.0, 0, WINTER + 200, 1028, 0.0),
        (WINTER // 1000 + 1, 1.10005, 1.1001, 0.0, 0, WINTER + 1000, 2, 0.0),
        (WINTER // 1000 + 1, 1.10006, 1.10011, 1.10008, 3, WINTER + 1000, 1030, 3.0),
        (WINTER // 1000 + 172_799, 1.10006, 1.10012, 1.10008, 3, WINTER + 172_799_999, 4, 3.0),
    ]


def test_an_exported_empty_book(tmp_path: Path) -> None:
    rows = read(tmp_path, TICK_HEADER + "2026.01.05\t00:00:00\t1.1\t1.2\t\t\t6\r\n2026.01.05\t00:00:01\t0\t0\t\t\t6\r\n")
    assert rows["bid"].tolist() == [1.1, 0.0]


@st.composite
def exported_bars(draw: st.DrawFn) -> list[tuple[int, int, int, int, int, int, int]]:
    made = []
    minute = 0
    for _ in range(draw(st.integers(1, 12))):
        opened, closed = draw(st.integers(99_000, 101_000)), draw(st.integers(99_000, 101_000))
        high = max(opened, closed) + draw(st.integers(0, 1) | st.integers(0, 500))
        low = min(opened, closed) - draw(st.integers(0, 1) | st.integers(0, 500))
        volume = draw(st.integers(0, 6) | st.integers(0, 300))
        made.append((minute, opened, high, low, closed, volume, draw(st.integers(0, 30))))
        minute += draw(st.integers(1, 3))
    return made


def test_a_table_of_bars_is_what_an_export_of_them_is(tmp_path: Path) -> None:
    exported = read(tmp_path, BAR_HEADER + "2026.01.05\t00:01:00\t1.1\t1.3\t1.05\t1.2\t9\t7\t3\r\n")
    named = "time,open,high,low,close,tick_volume,spread,real_volume\n"
    for time in ("2026-01-05 00:01:00", "2026-01-05T00:01", "2026-01-05 00:01:00+00:00", "1767571260"):
        assert (read(tmp_path, f"{named}{time},1.1,1.3,1.05,1.2,9,3,7\n") == exported).all()
    found = read_recorded(tmp_path / "EURUSD.csv")
    assert isinstance(found, RecordedBars)
    assert found.has_spread
    assert found.rows["real_volume"].tolist() == [7]
    read(tmp_path, TABLE.replace("close", "close,volume") + "1767571260,1.1,1.3,1.05,1.2,9\n")
    found = read_recorded(tmp_path / "EURUSD.csv")
    assert isinstance(found, RecordedBars)
    assert not found.has_spread
    assert found.rows["tick_volume"].tolist() == [9]


def test_a_parquet_file_of_bars(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    times = pd.to_datetime([1767571260, 1767571320], unit="s", utc=True)
    prices: dict[str, Any] = {name: [1.10001, 1.1] for name in ("open", "high", "low", "close")}
    frame = pd.DataFrame({"time": times, "year": 2026, **prices})
    frame.to_parquet(tmp_path / "EURUSD_M1.parquet")
    found = read_recorded(tmp_path / "EURUSD_M1.parquet")
    assert isinstance(found, RecordedBars)
    assert found.rows["time"].tolist() == [1767571260, 1767571320]
    assert found.rows["close"].tolist() == [1.10001, 1.1]
    assert (found.period_s, found.digits, found.has_spread) == (60, 5, False)
    frame.drop(columns="low").to_parquet(tmp_path / "EURUSD_M1.parquet")
    with pytest.raises(RecordingError, match="no column low"):
        read_recorded(tmp_path / "EURUSD_M1.parquet")
    (tmp_path / "EURUSD_M1.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(RecordingError, match="cannot be read as Parquet"):
        read_recorded(tmp_path / "EURUSD_M1.parquet")


@given(exported_bars())
@settings(deadline=None, max_examples=60)
def test_ticks_of_exported_bars_add_up_to_them(
    tmp_path_factory: pytest.TempPathFactory, exported: list[tuple[int, int, int, int, int, int, int]]
) -> None:
    lines = [
        f"2026.01.05\t{minute // 60:02}:{minute % 60:02}:00\t"
        + "\t".join(f"{price / 1e5:.5f}" for price in prices)
        + f"\t{volume}\t0\t{spread}\r\n"
        for minute, *prices, volume, spread in exported
    ]
    content = BAR_HEADER + "".join(lines)
    folder = tmp_path_factory.mktemp("bars")
    rows = read(folder, content, name="EURUSD_M1_202601050000.csv")
    assert (rows == read(folder, content, name="EURUSD_M1_202601050000.csv")).all()
    bars = bars_of_ticks(rows, 1, 0.00001)
    assert bars["time"].tolist() == [WINTER // 1000 + 60 * bar[0] for bar in exported]
    for place, name in enumerate(("open", "high", "low", "close"), 1):
        assert bars[name].tolist() == [float(f"{bar[place] / 1e5:.5f}") for bar in exported]
    assert bars["spread"].tolist() == [bar[6] for bar in exported]
    for made, (_, o, h, low, c, volume, _) in zip(bars["tick_volume"].tolist(), exported, strict=True):
        needed = len({o, h, low, c})
        assert made == volume if volume >= 4 else made in (volume, 4)
        assert made >= needed


def test_exported_daily_bars_have_no_time(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        DAY_HEADER + "2026.01.05\t1.10\t1.20\t1.00\t1.15\t60000\t0\t3\r\n2026.01.06\t1.15\t1.15\t1.15\t1.15\t1\t0\t3\r\n",
    )
    bars = bars_of_ticks(rows, 0x4018, 0.01)
    assert bars["tick_volume"].tolist() == [60_000, 1]
    assert bars[["open", "high", "low", "close"]].tolist() == [(1.1, 1.2, 1.0, 1.15), (1.15, 1.15, 1.15, 1.15)]


def test_the_timeframe_of_bars_without_a_name_is_their_smallest_distance(tmp_path: Path) -> None:
    lines = [f"2026.01.05\t{hour:02}:00:00\t1.1\t1.3\t1.0\t1.2\t9\t0\t3\r\n" for hour in (0, 4, 12)]
    assert np.diff(read(tmp_path, BAR_HEADER + "".join(lines))["time"]).tolist() == [1600] * 17 + [1600 + 4 * 3600] + [1600] * 8
    weekly = read(tmp_path, DAY_HEADER + "2026.01.04\t1\t1\t1\t1\t2\t0\t3\r\n", name="EURUSD_Weekly_2026.csv")
    assert np.diff(weekly["time"]).tolist() == [43_200]


ROW = f"{WINTER},1.1,1.2\n"
TICK_ROW = "2026.01.05\t00:00:00.100\t1.1\t1.2\t\t\t6\r\n"
BAR_ROW = "2026.01.05\t00:00:00\t1.1\t1.2\t1.0\t1.15\t9\t0\t3\r\n"


@pytest.mark.parametrize(
    ("content", "line", "field", "problem"),
    [
        ("", None, None, "the file is empty"),
        (" \n\n", None, None, "the file is empty"),
        (HEADER, None, None, "has a header but no rows"),
        ("time,bid,ask\n1,2,3\n", 1, "header", "no column time_msc (format time_msc,bid,ask)"),
        ("<DATE>\t<TIME>\t<BID>\n", 1, "header", "no column <ASK> (format MetaTrader 5 tick export)"),
        ("time_msc,bid,ask,bid\n", 1, "header", "a column occurs twice"),
        (HEADER + ROW + f"{WINTER},x,1.2\n", 3, "bid", "'x' is not a number"),
        (HEADER + ROW + f"\n{WINTER},1.1,\n", 4, "ask", "'' is not a number"),
        (HEADER + ROW + f"{WINTER},nan,1.2\n", 3, "bid", "'nan' is not a number"),
        (HEADER + ROW + f"{WINTER},1.1,inf\n", 3, "ask", "'inf' is not a number"),
        (HEADER + f"{WINTER}.5,1.1,1.2\n", 2, "time_msc", f"'{WINTER}.5' is not a whole number"),
        (HEADER + ROW + f"{WINTER},1.1\n", 3, None, "the row has 2 fields, the header 3"),
        (HEADER + ROW + f"{WINTER},1.1,1.2,1.3\n", 3, None, "the row has 4 fields, the header 3"),
        (HEADER + ROW + f"{WINTER},1,1,1,2\n", 3, None, "the row has 5 fields, the header 3"),
        (HEADER + ROW + f"{WINTER},0,1.2\n", 3, "bid", "the price 0 is not positive"),
        (HEADER + ROW + f"{WINTER},1.1,-1.2\n", 3, "ask", "the price -1.2 is not positive"),
        (HEADER + ROW + f"{WINTER - 1},1.1,1.2\n", 3, "time_msc", f"{WINTER - 1} is earlier than the row before"),
        (HEADER + f"{WINTER // 1000},1.1,1.2\n", 2, "time_msc", "too small for milliseconds since 1970"),
        (HEADER + f"{WINTER * 1000},1.1,1.2\n", 2, "time_msc", "is after 2038-01-19"),
        (HEADER.encode() + ROW.encode() + b"1,\xe9,2\n", 3, None, "not UTF-8 text"),
        ((HEADER + ROW + "1,\u20ac,2\n").encode(), 3, None, "unexpected character"),
        (b"PK\x03\x04\x00\x00\x00\x00", 1, None, "binary data, not text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", 1, None, "not UTF-8 text"),
        (gzip.compress((HEADER + ROW * 50).encode(), mtime=0)[:-12], None, None, "the gzip file ends too early"),
        (gzip.compress((HEADER + ROW).encode(), mtime=0)[:-8] + b"12345678", None, None, "damaged gzip file"),
        (TICK_HEADER + TICK_ROW + "2026.01.05\t24:00:00.000\t1\t1\t\t\t6\r\n", 3, "<TIME>", "is not a time"),
        (TICK_HEADER + TICK_ROW + "2026.01.05\t0:00:00\t1\t1\t\t\t6\r\n", 3, "<TIME>", "is not a time"),
        (TICK_HEADER + TICK_ROW + "2026-01-05\t00:00:01\t1\t1\t\t\t6\r\n", 3, "<DATE>", "is not a date like"),
        (TICK_HEADER + TICK_ROW + "2026.02.30\t00:00:01\t1\t1\t\t\t6\r\n", 3, "<DATE>", "2026.02.30 is not a date"),
        (TICK_HEADER + TICK_ROW + "2026.01.05\t00:00:00.099\t1\t1\t\t\t6\r\n", 3, "<TIME>", "earlier than the row"),
        (TICK_HEADER + TICK_ROW + "2026.01.05\t00:00:01\t0\t1\t\t\t6\r\n", 3, "<BID>", "the price 0 is not positive"),
        (TICK_HEADER + TICK_ROW + "2026.01.05\t00:00:01\t1\t1\t\t\tx\r\n", 3, "<FLAGS>", "'x' is not a whole number"),
        (TICK_HEADER + TICK_ROW + "2026.01.05\t00:00:01\t1\t1\t\t\t6.5\r\n", 3, "<FLAGS>", "'6.5' is not a whole"),
        (TICK_HEADER + "2026.01.05\t00:00:01\t1\t\t\t\t2\r\n", None, None, "no row has a bid and an ask"),
        (BAR_HEADER + BAR_ROW + "2026.01.05\t00:01:00\t1.1\t1.0\t1.0\t1.0\t9\t0\t3\r\n", 3, "<HIGH>", "1.0 is below"),
        (BAR_HEADER + BAR_ROW + "2026.01.05\t00:01:00\t1.1\t1.2\t1.05\t1.0\t9\t0\t3\r\n", 3, "<LOW>", "1.05 is above"),
        (BAR_HEADER + BAR_ROW + BAR_ROW, 3, "<DATE>", "the bar before has the same time"),
        (BAR_HEADER + BAR_ROW + "2026.01.05\t00:01:00\t1\t1\t1\t1\t-9\t0\t3\r\n", 3, "<TICKVOL>", "-9 is negative"),
        (TABLE + "2024-01-31 23:00,1,1,1,1\n2024-01-31 23:00:00,1,1,1,1\n", 3, "time", "the bar before has the same time"),
        (TABLE + "2024-01-31 23:00,1,1,1,1\n2024-01-31 22:00,1,1,1,1\n", 3, "time", "earlier than the row"),
        (TABLE + "yesterday,1,1,1,1\n", 2, "time", "is not a time like"),
        (TABLE + "2024-02-31 23:00,1,1,1,1\n", None, "time", "24-02-31"),
        (TABLE + "2024-01-31 23:00,1,1,0,1\n", 2, "low", "the price 0 is not positive"),
        (TABLE + "2024-01-31 23:00,1,1,1,\n", 2, "close", "is not a number"),
        ("time,open,high,low,close,symbol\n1,1,1,1,1,EURUSD\n2,1,1,1,1,GBPUSD\n", 3, "symbol", "'GBPUSD' after 'EURUSD'"),
        ("time,open,high,low\n1,1,1,1\n", 1, "header", "no column close"),
    ],
)
def test_unusable_files_are_described(
    tmp_path: Path, content: str | bytes, line: int | None, field: str | None, problem: str
) -> None:
    with pytest.raises(RecordingError, match=re.escape(problem)) as caught:
        read(tmp_path, content)
    text = str(caught.value)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert "\n" not in text
    assert text.startswith(str(tmp_path / "EURUSD.csv"))
    assert isinstance(caught.value, ValueError)


def test_a_missing_file_is_described(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be opened: No such file"):
        read_ticks(tmp_path / "none.csv")


def test_symbol_and_file() -> None:
    assert symbol_and_file("a/EURUSD_oanda_2014.csv.gz") == ("EURUSD", Path("a/EURUSD_oanda_2014.csv.gz"))
    assert symbol_and_file("US500.cash=b/x=1.csv") == ("US500.cash", Path("b/x=1.csv"))
    assert symbol_and_file("b/GER40=1.csv") == ("GER40", Path("b/GER40=1.csv"))
    with pytest.raises(RecordingError, match="write SYMBOL=FILE"):
        symbol_and_file("a/_x.csv")


def test_files_of_one_symbol_are_joined(tmp_path: Path) -> None:
    late, early = tmp_path / "EURUSD-1.csv", tmp_path / "EURUSD-2.csv"
    late.write_text(f"{HEADER}{WINTER + 9},1.1,1.2\n")
    early.write_text(f"{HEADER}{WINTER},1.0,1.2\n{WINTER + 9},1.0,1.3\n")
    assert read_recordings([str(late), str(early)])["EURUSD"]["bid"].tolist() == [1.0, 1.0, 1.1]
    early.write_text(f"{HEADER}{WINTER},1.0,1.2\n{WINTER + 10},1.0,1.3\n")
    with pytest.raises(RecordingError, match="overlaps in time with"):
        read_recordings([str(late), f"EURUSD={early}"])


@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data are not beside the repository")
@pytest.mark.parametrize("name", ["EURUSD_oanda_2014-05-02_NFP.csv.gz", "BTCUSD_dukascopy_2023-02-20_12h.csv.gz"])
def test_real_files_are_read_to_the_bit(name: str) -> None:
    rows = read_ticks(DATA / name)
    lines = gzip.decompress((DATA / name).read_bytes()).decode().split("\n")[1:-1]
    assert rows["bid"].tolist() == [float(line.split(",")[1]) for line in lines]
    assert rows["ask"].tolist() == [float(line.split(",")[2]) for line in lines]
    assert ((rows["flags"] & 6) > 0).all()
