"""Files of a recording: what reaches the disk is whole, whatever ends when, and nothing is there twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.messages import BACKFILLED, LATE
from bridge.ticks import BAR_STRUCT, TICK_STRUCT
from clients.place import reached
from clients.recorder import Recording, read_ticks
from clients.recorder.columns import Arrival, DamagedRecording, read_part
from clients.recorder.disk import Disk, Lock
from clients.recorder.layout import Series, decoded, encoded, parts_in, periods_of, series_in
from clients.recorder.verification import verify
from clients.recorder.writing import TOGETHER, Writer

pytest.importorskip("pyarrow")
DAY_S = 1_772_582_400  # 2026-03-04
EURUSD = Series("EURUSD")


def tick(number: int, time_s: int) -> bytes:
    return TICK_STRUCT.pack(time_s, 1.0 + number, 2.0, 0.0, 0, time_s * 1_000 + number % 1_000, 6, 0.0)


def bar(time_s: int) -> bytes:
    return BAR_STRUCT.pack(time_s, 1.0, 2.0, 0.5, 1.5, 4, 1, 0)


def arrival(*rows: bytes, flags: int = 0) -> Arrival:
    return Arrival(7, 1, 1_772_582_400_000_000, flags, b"".join(rows))


class Crash(BaseException):
    """The process ends here."""


def writer(root: Path, point: Callable[[str], None] | None = None, told: list[str] | None = None) -> Writer:
    disk = Disk() if point is None else Disk(point)
    return Writer(root, EURUSD, disk, {}, (told if told is not None else []).append)


def numbers(root: Path) -> list[int]:
    return [int(number) for number in Recording(root).rows(EURUSD).origin["number"]]


# ---- names -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["EURUSD", "EUR/USD", "#AAPL", "US30.cash", "EURUSDm", "con", "a b", ".x.", "Ä€😀", "%41", 'x:y*?"<>|']
)
def test_any_name_of_a_symbol_is_a_folder_and_back(name: str) -> None:
    folder = encoded(name)
    assert decoded(f"symbol={folder}") == name
    assert all(letter.isascii() and letter not in '/\\:*?"<>| ' for letter in folder)
    assert not folder.endswith(".")


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, min_size=2, max_size=2))
def test_two_names_are_two_folders_also_where_case_does_not_count(names: list[str]) -> None:
    first, second = (encoded(name) for name in names)
    assert first.casefold() != second.casefold()


# ---- writing ---------------------------------------------------------------------------------------------------------------------


def test_rows_come_back_as_they_came(tmp_path: Path) -> None:
    one = writer(tmp_path)
    rows = [tick(number, DAY_S + number // 3) for number in range(20)]
    one.add(arrival(*rows[:10]))
    one.add(arrival(*rows[10:], flags=BACKFILLED))
    assert one.pending == 20
    assert one.flush() == 20
    assert (one.pending, one.last) == (0, 20)
    assert series_in(tmp_path) == [EURUSD]
    found = Recording(tmp_path).rows(EURUSD)
    assert found.records.tobytes() == b"".join(rows)
    assert list(found.origin["event_flags"]) == [0] * 10 + [BACKFILLED] * 10
    assert set(found.origin["epoch"]) == {7}
    frame = read_ticks(tmp_path, "EURUSD")
    assert len(frame) == 20
    assert str(frame.index.dtype) == "datetime64[ms, UTC]"


def test_a_day_that_ends_is_one_file_and_numbers_go_on(tmp_path: Path) -> None:
    one = writer(tmp_path)
    for number in range(5):
        one.add(arrival(tick(number, DAY_S + number)))
        one.flush()
    one.add(arrival(tick(5, DAY_S + 86_399), tick(6, DAY_S + 86_400), tick(7, DAY_S + 86_401)))
    one.flush()
    first, second = periods_of(tmp_path, EURUSD)
    assert [path.name for path in (first, second)] == ["date=2026-03-04", "date=2026-03-05"]
    assert [(part.first, part.last) for part in parts_in(first)] == [(1, 6)]
    assert [(part.first, part.last) for part in parts_in(second)] == [(7, 8)]


def test_small_files_become_one(tmp_path: Path) -> None:
    one = writer(tmp_path)
    for number in range(300):
        one.add(arrival(tick(number, DAY_S + number)))
        one.flush()
    (folder,) = periods_of(tmp_path, EURUSD)
    assert len(list(folder.iterdir())) < 4 * TOGETHER
    assert numbers(tmp_path) == list(range(1, 301))
    assert not verify(tmp_path)[0].wrong


def test_a_writer_goes_on_behind_the_newest_row(tmp_path: Path) -> None:
    one = writer(tmp_path)
    rows = [tick(number, DAY_S + number // 4) for number in range(10)]
    one.add(arrival(*rows))
    one.flush()
    again = writer(tmp_path)
    assert again.last == 10
    place = reached(again.newest())  # type: ignore[arg-type]
    assert place is not None
    assert (place.second, place.rows, place.begins) == (DAY_S + 2, rows[8:], "seen")
    assert again.last_record() == rows[-1]


def test_late_rows_are_kept_as_late_in_the_place_and_read_where_they_belong(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.add(arrival(tick(1, DAY_S), tick(2, DAY_S + 1), tick(3, DAY_S + 2)))
    one.add(arrival(tick(0, DAY_S), flags=LATE))
    one.flush()
    place = reached(writer(tmp_path).newest())  # type: ignore[arg-type]
    assert place is not None
    assert place.second == DAY_S + 2, "a late row is not the newest"
    assert list(read_ticks(tmp_path, "EURUSD")["bid"]) == [1.0, 2.0, 3.0, 4.0]
    (checked,) = verify(tmp_path)
    assert (checked.late, checked.wrong) == (1, [])


def test_the_newest_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.add(arrival(*(tick(number, DAY_S + number) for number in range(10))))
    one.flush()
    one.add(arrival(*(tick(number, DAY_S + number) for number in range(10, 12))))
    one.flush()
    (folder,) = periods_of(tmp_path, EURUSD)
    newest = parts_in(folder)[-1].path
    newest.write_bytes(newest.read_bytes()[:-20])
    told: list[str] = []
    again = writer(tmp_path, told=told)
    assert again.last == 10
    assert "set aside" in told[0]
    again.add(arrival(*(tick(number, DAY_S + number) for number in range(10, 12)), flags=BACKFILLED))
    again.flush()
    assert not verify(tmp_path)[0].wrong


def test_damage_elsewhere_is_found(tmp_path: Path) -> None:
    one = writer(tmp_path)
    for number in range(3):
        one.add(arrival(tick(number, DAY_S + number)))
        one.flush()
    (folder,) = periods_of(tmp_path, EURUSD)
    parts = parts_in(folder)
    content = bytearray(parts[0].path.read_bytes())
    content[4 : len(content) // 2 : 7] = bytes(len(content[4 : len(content) // 2 : 7]))
    parts[0].path.write_bytes(bytes(content))
    with pytest.raises(DamagedRecording, match="--verify"):
        read_part(parts[0], EURUSD)
    (checked,) = verify(tmp_path)
    assert len(checked.wrong) == 2, "the file, and the row that is missing"
    parts[1].path.unlink()
    assert any("missing" in line for line in verify(tmp_path)[0].wrong)


def test_one_recorder_has_a_folder(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"), pytest.raises(ConfigError, match="another recorder"):
        Lock(tmp_path / "lock")
    with Lock(tmp_path / "lock"):
        pass


# ---- crashes ---------------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 25), min_size=1, max_size=6))
def test_whatever_ends_when_the_rows_are_there_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, crashes: list[int]
) -> None:
    root = tmp_path_factory.mktemp("crash")
    dice = random.Random(seed)
    history = [tick(number, DAY_S + 86_380 + number // 2) for number in range(60)]

    for left in [*crashes, 0]:
        steps = [left]

        def point(name: str, steps: list[int] = steps) -> None:
            steps[0] -= 1
            if steps[0] == 0:
                raise Crash

        try:
            one = writer(root, point)
            while one.last + one.pending < len(history):
                done = one.last + one.pending
                one.add(arrival(*history[done : done + dice.randrange(1, 9)]))
                if dice.random() < 0.7:
                    before = one.last
                    written = one.flush()
                    assert one.last == before + written
            one.flush()
        except Crash:
            continue
    found = Recording(root).rows(EURUSD)
    assert found.records.tobytes() == b"".join(history)
    assert list(found.origin["number"]) == list(range(1, 61))
    assert not verify(root)[0].wrong


def test_a_disk_that_is_full_loses_nothing(tmp_path: Path) -> None:
    full = [False]

    def point(name: str) -> None:
        if full[0] and name == "before_sync":
            raise OSError(28, "No space left on device")

    one = writer(tmp_path, point)
    one.add(arrival(tick(0, DAY_S)))
    one.flush()
    full[0] = True
    one.add(arrival(tick(1, DAY_S + 1)))
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            one.flush()
    one.add(arrival(tick(2, DAY_S + 2)))
    assert one.pending == 2
    full[0] = False
    assert one.flush() == 2
    assert numbers(tmp_path) == [1, 2, 3]
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_file_that_was_merged_away_under_a_reader(tmp_path: Path) -> None:
    one = writer(tmp_path)
    for number in range(3):
        one.add(arrival(tick(number, DAY_S + number)))
        one.flush()
    recording = Recording(tmp_path)
    (folder,) = periods_of(tmp_path, EURUSD)
    parts = parts_in(folder)
    one.merge(folder, every=True)
    rows = recording._read(parts[1], EURUSD)
    assert list(rows.origin["number"]) == [2]
    assert np.isclose(rows.records["bid"][0], 2.0)
