"""The market of a fault run: recorded ticks of a payrolls window, or made ones as dense where there are no recorded ones."""

from __future__ import annotations

import csv
import gzip
import os
import random
from dataclasses import dataclass
from pathlib import Path

DATA_VARIABLE = "FAULTS_MARKET_DATA"
"""The folder with the recordings; without it, the one beside this checkout."""
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "replay"
RECORDED = {"EURUSD": "EURUSD_oanda_2014-05-02_NFP.csv.gz", "NZDUSD": "NZDUSD_fxcm_2014-05-02_NFP.csv.gz"}
FIRST_MSC = 1_399_032_000_000
"""2014-05-02 12:00 UTC; the figures come half an hour later."""
SPAN_MSC = 9_900_000
TIMES = 3
"""The window can be played so often, one after the other: until shortly before the end of the week."""
PER_MINUTE = ((30, 75), (1, 3_000), (4, 800), (5, 450), (30, 180), (95, 110))
"""Minutes, and ticks in each of them, as in the recorded window."""
PRICES = {"EURUSD": 1.3867, "NZDUSD": 0.8645}

Row = tuple[int, str, str]
"""Time in ms (UTC), bid and ask as they are written."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A market to replay: `files` as `--replay` takes them, and where its ticks come from."""

    source: str
    files: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """For `mt5bridge terminal`."""
        return tuple(word for file in self.files for word in ("--replay", file))


def recorded_folder() -> Path | None:
    """Where the recorded ticks are, if they are there."""
    folder = Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else BESIDE
    return folder if all(folder.joinpath(name).is_file() for name in RECORDED.values()) else None


def window(folder: Path, seed: int, times: int = TIMES) -> Recording:
    """The payrolls window, so many times in a row; its files are written to `folder`."""
    found = recorded_folder()
    files = []
    for symbol, name in RECORDED.items():
        rows = made(symbol, seed) if found is None else recorded(found / name)
        file = folder / f"{symbol}_window.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            out.write("time_msc,bid,ask\n")
            for again in range(times):
                out.writelines(f"{msc + again * SPAN_MSC},{bid},{ask}\n" for msc, bid, ask in rows)
        files.append(f"{symbol}={file}")
    return Recording("synthetic, as dense as the recorded window" if found is None else "recorded", tuple(files))


def recorded(file: Path) -> list[Row]:
    """The rows of a recording."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return [(int(row["time_msc"]), row["bid"], row["ask"]) for row in csv.DictReader(lines)]


def made(symbol: str, seed: int) -> list[Row]:
    """Made rows: as many in each minute as in the recorded window, in clusters, some in the same millisecond and some identical."""
    dice = random.Random(f"{symbol} {seed}")
    rows: list[Row] = []
    minute, points = 0, round(PRICES[symbol] * 1e5)
    for minutes, count in PER_MINUTE:
        for _ in range(minutes):
            begin = FIRST_MSC + minute * 60_000
            centres = [dice.randrange(60_000) for _ in range(max(1, count // 4))]
            for offset in sorted(min(59_999, dice.choice(centres) + int(dice.expovariate(1 / 40))) for _ in range(count)):
                points += dice.choice((-2, -1, 0, 0, 1, 2))
                rows.append((begin + offset, f"{points / 1e5:.5f}", f"{(points + dice.choice((8, 11, 13))) / 1e5:.5f}"))
            minute += 1
    return rows


BURST_SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "USDCHF", "AUDUSD", "USDCAD", "NZDUSD", "EURGBP", "EURJPY", "GBPJPY")
BURST_MSC = 2_000


def burst(folder: Path, ticks: int, seed: int) -> Recording:
    """For each of ten symbols one tick, a minute of nothing, and then their shares of `ticks` within two seconds."""
    dice = random.Random(f"burst {seed}")
    each = ticks // len(BURST_SYMBOLS)
    files = []
    for symbol in BURST_SYMBOLS:
        file = folder / f"{symbol}_burst.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            out.write("time_msc,bid,ask\n")
            out.write(f"{FIRST_MSC},1.20000,1.20010\n")
            for number in range(each):
                points = 120_000 + dice.randrange(-50, 50)
                out.write(f"{FIRST_MSC + 60_000 + number * BURST_MSC // each},{points / 1e5:.5f},{(points + 10) / 1e5:.5f}\n")
        files.append(f"{symbol}={file}")
    return Recording("made", tuple(files))
