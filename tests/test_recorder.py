"""The recorder between a subscription and a disk, both made up, in virtual time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bridge.errors import ConfigError, InvalidParameters, NotConnected
from bridge.messages import FOREIGN
from clients.events import Gap, Item, Ticks
from clients.recorder import Recording
from clients.recorder.columns import Arrival
from clients.recorder.disk import Disk
from clients.recorder.layout import Series
from clients.recorder.recorder import GAPS, DiskFull, Recorder, Terms
from clients.recorder.verification import verify
from clients.recorder.writing import Writer
from clients.tables import TICK_DTYPE
from tests.test_recorder_writing import DAY_S, EURUSD, tick

pytest.importorskip("pyarrow")


class FakeSubscription:
    """Gives what it is told to; `after` is what it was asked to go on behind."""

    def __init__(self, items: list[Item], after: dict[str, Any]) -> None:
        self.items, self.after, self.closed = deque(items), after, False

    def get(self, timeout_s: float = 0.0) -> Item | None:
        return self.items.popleft() if self.items else None

    def close(self) -> None:
        self.closed = True


class FakeClient:
    """A bridge at a server, whose subscription has these events."""

    is_connected = True

    def __init__(self, *items: Item, server: str = "Demo") -> None:
        self.items, self.server = list(items), server
        self.subscriptions: list[FakeSubscription] = []

    def connection(self) -> Any:
        return SimpleNamespace(server=self.server, clock=SimpleNamespace(offset_s=7_200))

    def bridge_msc(self) -> int:
        return DAY_S * 1_000

    @property
    def arrays(self) -> Any:
        empty = SimpleNamespace(tobytes=lambda: b"")
        return SimpleNamespace(ticks=lambda *_, **__: empty, rates=lambda *_, **__: empty)

    def subscribe(self, *topics: str, after: dict[str, Any]) -> FakeSubscription:
        self.subscriptions.append(FakeSubscription(self.items, after))
        return self.subscriptions[-1]


class HistoryClient(FakeClient):
    """A bridge whose terminal has a history of ticks."""

    def __init__(self, history: bytes) -> None:
        super().__init__()
        self.history = np.frombuffer(history, TICK_DTYPE)

    @property
    def arrays(self) -> Any:
        def found(symbol: str, date_from: int, date_to: int = 2**40, count: int = 2**40) -> Any:
            return self.history[(self.history["time"] >= date_from) & (self.history["time"] <= date_to)][:count]

        return SimpleNamespace(ticks=found)


def ticks(first: int, count: int, flags: int = 0, *, snapshot: bool = False) -> Ticks:
    rows = b"".join(tick(number, DAY_S + number) for number in range(first, first + count))
    return Ticks(7, first, 1, flags, snapshot, "EURUSD", memoryview(rows))


class Bench:
    """A recorder in virtual time: each look whether it is still wanted takes a second."""

    def __init__(self, folder: Path, client: FakeClient, disk: Disk | None = None, **terms: Any) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.each: Callable[[], None] = lambda: None
        self.recorder = Recorder(
            client, folder, [EURUSD], Terms(**terms), tell=self.told.append, disk=disk, now=lambda: self.now,  # type: ignore[arg-type]
        )  # fmt: skip

    def run(self, seconds: int) -> Any:
        until_s = self.now + seconds

        def wanted() -> bool:
            self.now += 1.0
            self.each()
            return self.now < until_s

        with self.recorder:
            return self.recorder.run(wanted)


def numbers(folder: Path) -> list[float]:
    return [float(bid) for bid in Recording(folder).ticks("EURUSD")["bid"]]


def test_it_records_and_goes_on_behind_what_it_has(tmp_path: Path) -> None:
    client = FakeClient(ticks(0, 3, snapshot=True), ticks(3, 2))
    assert Bench(tmp_path, client).run(3).rows == 5
    assert numbers(tmp_path) == [1.0, 2.0, 3.0, 4.0, 5.0]
    again = FakeClient(ticks(4, 1, snapshot=True), ticks(5, 1))
    assert Bench(tmp_path, again).run(3).rows == 1, "the state that is known already is not recorded again"
    (subscription,) = again.subscriptions
    assert bytes(subscription.after["tick:EURUSD"][-1].records)[-60:] == tick(4, DAY_S + 4)
    assert subscription.closed
    assert numbers(tmp_path)[-1] == 6.0


def test_what_is_missing_is_noted_where_it_is_missing(tmp_path: Path) -> None:
    done = Bench(tmp_path, FakeClient(ticks(0, 3), Gap("tick:EURUSD", 8, "epoch", None, None, None), ticks(9, 1))).run(3)
    assert (done.rows, done.gaps) == (4, 1)
    (line,) = (tmp_path / GAPS).read_text().splitlines()
    noted = json.loads(line)
    assert (noted["topic"], noted["after_number"], noted["reason"]) == ("tick:EURUSD", 3, "epoch")
    (checked,) = verify(tmp_path)
    assert (checked.gaps, checked.wrong) == (1, [])


def test_what_is_of_another_account_is_not_recorded(tmp_path: Path) -> None:
    assert Bench(tmp_path, FakeClient(ticks(0, 3), ticks(50, 2, FOREIGN), ticks(3, 1))).run(3).rows == 4


def test_a_folder_is_for_one_server(tmp_path: Path) -> None:
    Bench(tmp_path, FakeClient(ticks(0, 1))).run(2)
    with pytest.raises(ConfigError, match="recording of Demo, and the bridge is at Live"):
        Bench(tmp_path, FakeClient(server="Live"))
    Bench(tmp_path, FakeClient(ticks(1, 1))).run(2)


def test_a_folder_without_a_recording(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameters, match="no recording"):
        Recording(tmp_path)
    Bench(tmp_path, FakeClient(ticks(0, 1))).run(2)
    with pytest.raises(InvalidParameters, match="not recorded") as caught:
        Recording(tmp_path).ticks("GBPUSD")
    assert "EURUSD" in caught.value.next_step
    assert len(Recording(tmp_path).ticks("EURUSD", DAY_S + 1)) == 0


class FullDisk(Disk):
    """Takes nothing while it is full."""

    full = False

    def write(self, path: Path, content: bytes | memoryview) -> None:
        if self.full and path.suffix == ".parquet":
            raise OSError(28, "No space left on device")
        super().write(path, content)

    def append(self, path: Path, lines: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().append(path, lines)


class NoGaps(Disk):
    """Takes rows, but for a while no gaps."""

    full = True

    def append(self, path: Path, lines: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().append(path, lines)


def test_no_row_behind_a_gap_is_on_the_disk_before_the_gap_is(tmp_path: Path) -> None:
    disk = NoGaps()
    gap = Gap("tick:EURUSD", 8, "epoch", None, None, None)
    bench = Bench(tmp_path, FakeClient(ticks(0, 3), gap, ticks(9, 2)), disk, flush_s=1.0, patience_s=3.0)
    with pytest.raises(DiskFull):
        bench.run(50)
    assert not (tmp_path / GAPS).exists()
    assert not list(tmp_path.rglob("*.parquet")), "else it would look as if nothing were missing"
    disk.full = False
    done = Bench(tmp_path, FakeClient(ticks(0, 3), gap, ticks(9, 2)), disk).run(3)
    assert (done.rows, done.gaps, verify(tmp_path)[0].gaps) == (5, 1, 1)


def test_a_disk_that_is_full_while_it_catches_up_is_tried_again(tmp_path: Path) -> None:
    disk = FullDisk()
    client = HistoryClient(b"".join(tick(number, DAY_S + number) for number in range(30)))
    bench = Bench(tmp_path, client, disk, since_s=DAY_S)
    disk.full = True

    def each() -> None:
        disk.full = bench.now < 12.0

    bench.each = each
    assert bench.run(40).rows == 29, "the last second is left to the subscription"
    assert any("cannot write" in line for line in bench.told)
    assert any("takes it again" in line for line in bench.told)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError, match="cannot record to"):
        Bench(tmp_path / "file", FakeClient())


def test_a_bridge_that_does_not_know_its_server_is_waited_for(tmp_path: Path) -> None:
    client = FakeClient()
    client.server = None  # type: ignore[assignment]
    with pytest.raises(NotConnected, match="which server"):
        Bench(tmp_path, client)
    Bench(tmp_path, FakeClient(ticks(0, 1))).run(2)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda rows: rows, ""), (lambda rows: [*rows[:5], rows[6], rows[5], *rows[7:]], "2 rows are not in the order"),
        (lambda rows: [*rows[:5], *rows[6:]], "1 rows are recorded that"),
        (lambda rows: [*rows[:5], rows[5], *rows[5:]], "are not recorded"),
    ],
)  # fmt: skip
def test_the_order_of_the_history_counts(tmp_path: Path, changed: Callable[[list[bytes]], list[bytes]], words: str) -> None:
    rows = [tick(number, DAY_S + 86_395 + number // 3) for number in range(24)]  # of two days, three in a second
    writer = Writer(tmp_path, EURUSD, Disk(), {}, print)
    writer.add(Arrival(1, 1, 1, 0, b"".join(rows)))
    writer.flush()
    (checked,) = verify(tmp_path, HistoryClient(b"".join(changed(rows))))  # type: ignore[arg-type]
    assert checked.compared
    assert bool(checked.wrong) == bool(words), checked.wrong
    assert words in " ".join(checked.wrong)


def test_a_disk_that_is_full_for_a_while_costs_nothing(tmp_path: Path) -> None:
    disk = FullDisk()
    client = FakeClient(*(ticks(number, 1) for number in range(5)))
    bench = Bench(tmp_path, client, disk, flush_s=1.0, most_rows=3)
    waiting: list[int] = []

    def each() -> None:
        disk.full = bench.now < 12.0
        waiting.append(bench.recorder._pending())

    bench.each = each
    assert bench.run(40).rows == 5
    assert max(waiting) <= 4, "what there is no room for stays where it is"
    assert any("cannot write" in line for line in bench.told)
    assert any("takes it again" in line for line in bench.told)
    assert numbers(tmp_path) == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_disk_that_stays_full_ends_the_recorder(tmp_path: Path) -> None:
    disk = FullDisk()
    bench = Bench(tmp_path, FakeClient(ticks(0, 2)), disk, flush_s=1.0, patience_s=20.0)
    disk.full = True
    with pytest.raises(DiskFull, match="cannot write"):
        bench.run(100)
    assert bench.now < 40
    assert not Writer(tmp_path, Series("EURUSD"), Disk(), {}, print).last
