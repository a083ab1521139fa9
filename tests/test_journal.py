"""The journal of orders: what it holds, what it refuses, and that no damage to its file goes unseen."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bridge import seals
from bridge.entries import Durable, Entry, Existing, Found, Intent, Kind, Note, NotWritten, Probe, Query, Record, Settlement, Write
from bridge.errors import BridgeError, ConfigError, InternalError, JournalDamaged, JournalUnavailable
from bridge.journal import DAY_US, Journal, account_name
from bridge.trading import TradeRequest
from tests.message_strategies import instances

ROOT = Path(__file__).parents[1]
LOGIN, SERVER = 5_000_001, "MetaQuotes-Demo"
NOW_US = 1_700_000_000_000_000
SMALL = 512
"""Bytes in a page of a journal that is to be damaged everywhere."""


def intent(name: str, at: int = 0, **changes: object) -> Intent:
    request = TradeRequest(action=1, symbol="EURUSD", volume=0.1 + 0.2, type=1, sl=1.05, comment="café")
    made = Intent(name, "ma/1", LOGIN, SERVER, request, "~ABC234", NOW_US + at, 1_700_007_200.5)
    return replace(made, **changes)  # type: ignore[arg-type]


def settled(name: str, kind: Kind = "done", at: int = 1, **changes: object) -> Settlement:
    return replace(Settlement(name, kind, b"\x81packed\xff", NOW_US + at, 7, 8, "order 7"), **changes)  # type: ignore[arg-type]


def opened(folder: Path, **changes: object) -> Journal:
    arguments: dict[str, object] = {"now_us": NOW_US} | changes
    return Journal(folder, LOGIN, SERVER, **arguments)  # type: ignore[arg-type]


def write(journal: Journal, *records: Record) -> list[object]:
    """Write them together; what is answered, in short."""
    answers = journal.write([Write(number, record) for number, record in enumerate(records, 1)])
    assert [answer.number for answer in answers] == list(range(1, len(records) + 1))  # type: ignore[union-attr]
    return [Durable if isinstance(answer, Durable) else answer for answer in answers]


def everything(journal: Journal) -> dict[str, Entry]:
    return {entry.intent.id: entry for entry in journal.read(Query(count=10_000))}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = opened(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True, scope="module")
def unhurried() -> Iterator[None]:
    """Nothing here loses power: a commit need not wait for the disk. Processes that are killed below do wait."""

    def connect(path: Path) -> sqlite3.Connection:
        made = seals.connect(path)
        made.execute("PRAGMA synchronous = OFF")
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.journal.connect", connect)
        yield


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """As it is where nothing is patched: a log written ahead, each commit synced, nobody else at the file."""
    seals.create(tmp_path / "a.sqlite", {"facts": []}, 1)
    connection = seals.connect(tmp_path / "a.sqlite")
    told = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "locking_mode")]
    connection.close()
    assert told == ["wal", 2, "exclusive"]


# ---- what it holds ---------------------------------------------------------------------------------------------------------------


def test_an_order_and_its_outcome(journal: Journal, tmp_path: Path) -> None:
    assert write(journal, intent("a"), Note("halted", "why"), intent("b", 5)) == [Durable] * 3
    assert write(journal, settled("a")) == [Durable]
    assert journal.open_entries() == (Entry(intent("b", 5)),)
    assert journal.recent(5) == (Entry(intent("a"), settled("a")),)
    journal.close()
    again = opened(tmp_path)
    assert (again.open_entries(), again.notes()) == ((Entry(intent("b", 5)),), {"halted": "why"})
    assert again.recent(5) == (Entry(intent("a"), settled("a")),)
    assert again.repaired == ""
    journal.guard = again.guard  # the fixture closes it
    again._connection.close()


def test_an_id_is_taken(journal: Journal) -> None:
    write(journal, intent("a"))
    other = intent("a", 9, request=TradeRequest(symbol="GBPUSD"))
    assert write(journal, other, intent("b")) == [Existing(1, Entry(intent("a"))), Durable]
    write(journal, settled("a", "unknown"))
    assert write(journal, other) == [Existing(1, Entry(intent("a"), settled("a", "unknown")))]


def test_what_was_not_sent_may_be_sent_again(journal: Journal) -> None:
    write(journal, intent("a"), settled("a", "not_sent"))
    assert write(journal, intent("a", 9)) == [Durable]
    assert journal.open_entries() == (Entry(intent("a", 9)),), "the outcome of the first try is not one of the second"
    write(journal, settled("a", "done", 10))
    assert write(journal, intent("a", 11)) == [Existing(1, Entry(intent("a", 9), settled("a", "done", 10)))]


def test_a_later_settlement_replaces_the_one_before_and_both_are_kept(journal: Journal) -> None:
    write(journal, intent("a"), settled("a", "unknown", 1))
    assert journal.open_entries() == (Entry(intent("a"), settled("a", "unknown", 1)),)
    write(journal, settled("a", "done", 2))
    assert journal.open_entries() == ()
    assert everything(journal) == {"a": Entry(intent("a"), settled("a", "done", 2))}
    kinds = journal._connection.execute("SELECT kind FROM settlements WHERE id = 'a' ORDER BY number").fetchall()
    assert kinds == [("unknown",), ("done",)]


def test_what_cannot_be_is_refused_and_harms_nothing_else(journal: Journal) -> None:
    strange = write(journal, settled("nobody"), intent("x", login=1), intent("a"), Probe())
    assert [type(answer) for answer in strange[:2]] == [NotWritten, NotWritten]
    assert all(isinstance(answer.error, InternalError) for answer in strange[:2] if isinstance(answer, NotWritten))
    assert strange[2:] == [Durable, Durable]
    assert everything(journal) == {"a": Entry(intent("a"))}


def test_queries(journal: Journal) -> None:
    write(journal, *[intent(f"o{number}", number) for number in range(5)])
    write(journal, settled("o0"), settled("o1", "unknown"), settled("o3", "rejected"))

    def ids(query: Query) -> list[str]:
        [found] = journal.write([Write(3, query)])
        assert isinstance(found, Found)
        return [entry.intent.id for entry in found.entries]

    assert ids(Query()) == ["o4", "o3", "o2", "o1", "o0"]
    assert ids(Query(since_us=NOW_US + 3)) == ["o4", "o3"]
    assert ids(Query(count=2)) == ["o4", "o3"]
    assert ids(Query(unknown=True)) == ["o4", "o2", "o1"]
    assert ids(Query(unknown=True, since_us=NOW_US + 2, count=1)) == ["o4"]
    assert ids(Query(id="o3")) == ["o3"]
    assert ids(Query(id="o9")) == []


def test_old_orders_are_removed_but_never_open_ones(journal: Journal, tmp_path: Path) -> None:
    write(journal, *[intent(f"o{number}", number) for number in range(4)], Note("kept", "yes"))
    write(journal, settled("o0", at=10), settled("o1", "unknown", 10), settled("o2", at=DAY_US))
    assert journal.purge(NOW_US + 30 * DAY_US + 10) == 0
    assert journal.purge(NOW_US + 30 * DAY_US + 11) == 1
    assert sorted(everything(journal)) == ["o1", "o2", "o3"]
    journal.close()
    again = opened(tmp_path, now_us=NOW_US + 60 * DAY_US)
    assert sorted(everything(again)) == ["o1", "o3"]
    assert again.notes() == {"kept": "yes"}
    again._connection.close()
    journal.guard = again.guard


@settings(max_examples=40)
@given(made=instances(Intent).filter(lambda made: made.server_s is None or made.server_s == made.server_s))
def test_every_intent_comes_back_as_it_was(made: Intent, tmp_path_factory: pytest.TempPathFactory) -> None:
    with_account = replace(made, login=LOGIN, server=SERVER)
    folder = tmp_path_factory.mktemp("journal")
    journal = opened(folder)
    assert write(journal, with_account) == [Durable]
    journal.close()
    journal = opened(folder)
    assert journal.open_entries() == (Entry(with_account),)
    journal.close()
    shutil.rmtree(folder)


class Life(RuleBasedStateMachine):
    """Against a dict: any sequence of batches, failures and openings."""

    IDS = st.sampled_from("abcd")
    KINDS = st.sampled_from(["done", "not_sent", "unknown", "rejected"])

    @initialize()
    def begin(self) -> None:
        self.folder = Path(os.environ["PYTEST_CURRENT_FOLDER"]) / f"{id(self)}"
        self.journal = opened(self.folder)
        self.model: dict[str, Entry] = {}

    @rule(batch=st.lists(st.tuples(IDS, st.none() | KINDS), max_size=5), at=st.integers(0, 99), fails=st.booleans())
    def batch(self, batch: list[tuple[str, Kind | None]], at: int, fails: bool) -> None:
        model = dict(self.model)
        records: list[Record] = []
        expected: list[type] = []
        for name, kind in batch:
            known = model.get(name)
            if kind is None:
                free = known is None or (known.settlement is not None and known.settlement.kind == "not_sent")
                records.append(intent(name, at))
                expected.append(Durable if free else Existing)
                if free:
                    model[name] = Entry(intent(name, at))
            else:
                records.append(settled(name, kind, at))
                expected.append(NotWritten if known is None else Durable)
                if known is not None:
                    model[name] = Entry(known.intent, settled(name, kind, at))
        if fails and records:
            self.journal._connection.execute("PRAGMA query_only = 1")
            answers = self.journal.write([Write(1, record) for record in records])
            self.journal._connection.execute("PRAGMA query_only = 0")
            assert not any(isinstance(answer, Durable) for answer in answers)
        else:
            answers = self.journal.write([Write(1, record) for record in records])
            assert [type(answer) for answer in answers] == expected
            self.model = model

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self.journal = opened(self.folder)

    @invariant()
    def same(self) -> None:
        assert everything(self.journal) == self.model
        unsettled = {name for name, entry in self.model.items() if entry.settlement is None or entry.settlement.kind == "unknown"}
        assert {entry.intent.id for entry in self.journal.open_entries()} == unsettled

    def teardown(self) -> None:
        self.journal.close()
        shutil.rmtree(self.folder)


def test_any_life_of_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_CURRENT_FOLDER", str(tmp_path))
    run_state_machine_as_test(Life, settings=settings(max_examples=15, stateful_step_count=12, deadline=None))


# ---- whose it is -----------------------------------------------------------------------------------------------------------------


def test_names_of_files() -> None:
    assert account_name(7, "MetaQuotes-Demo") == "7@MetaQuotes-Demo"
    strange = account_name(7, "a/b\\c:d*é\0")
    assert not set(strange) & set('/\\:*?"<>|\0')
    assert strange.isascii()
    long = {account_name(7, "é" * 60 + end) for end in "ab"}
    assert len(long) == 2
    assert max(map(len, long)) < 130


def test_two_bridges_on_one_account(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"another bridge \(pid {os.getpid()}\) serves account {LOGIN} at {SERVER}; stop"):
        opened(tmp_path)
    other = Journal(tmp_path, LOGIN + 1, SERVER, now_us=NOW_US)
    other.close()
    assert write(journal, intent("a")) == [Durable], "the first goes on"


def test_the_file_of_another_account(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    theirs = Journal(tmp_path, LOGIN + 1, SERVER, now_us=NOW_US)
    theirs.close()
    shutil.copy(theirs.path, journal.path)
    with pytest.raises(JournalDamaged, match=f"it is of account {LOGIN + 1} at {SERVER}"):
        opened(tmp_path)
    theirs.guard = journal.guard
    journal.guard.release = lambda: None  # type: ignore[method-assign]


# ---- a disk that fails -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_full_disk_and_room_again(journal: Journal) -> None:
    import resource  # noqa: PLC0415

    write(journal, intent("a"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = journal.path.with_name(f"{journal.path.name}-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 100, limits[1]))
    try:
        answers = write(journal, intent("b"), Query(), intent("a", 5), Note("n", "v"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    refused, found, known, note = answers
    assert isinstance(refused, NotWritten)
    assert isinstance(refused.error, JournalUnavailable)
    assert str(journal.path) in str(refused.error)
    assert refused.error.next_step
    assert found == Found(2, (Entry(intent("a")),)), "reading goes on"
    assert known == Existing(3, Entry(intent("a"))), "and what is known is told"
    assert isinstance(note, NotWritten)
    assert write(journal, intent("b", 7)) == [Durable]
    assert everything(journal) == {"a": Entry(intent("a")), "b": Entry(intent("b", 7))}


@pytest.mark.parametrize(
    ("statement", "undo", "words"),
    [
        ("PRAGMA query_only = 1", "PRAGMA query_only = 0", "it cannot be written to"),
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 100000", "its disk is full"),
    ],
)
def test_nothing_of_a_failed_batch_is_left(journal: Journal, statement: str, undo: str, words: str) -> None:
    write(journal, intent("a"))
    journal._connection.execute(statement)
    answers = write(journal, *[intent(f"b{number}") for number in range(60)], settled("a"))
    assert all(isinstance(answer, NotWritten) and words in str(answer.error) for answer in answers)
    journal._connection.execute(undo)
    assert everything(journal) == {"a": Entry(intent("a"))}
    assert journal.open_entries() == (Entry(intent("a")),)
    assert write(journal, intent("b1")) == [Durable]


def test_a_fault_before_the_commit_leaves_nothing(tmp_path: Path) -> None:
    points: list[str] = []

    def fail(point: str) -> None:
        points.append(point)
        if point == "before_commit" and len(points) > 3:
            raise OSError(5, "Input/output error")

    journal = opened(tmp_path, point=fail)
    [answer] = write(journal, intent("a"))
    assert isinstance(answer, NotWritten)
    assert "Input/output error" in str(answer.error)
    assert points[-2:] == ["before_write", "before_commit"]
    assert everything(journal) == {}
    journal.close()
    journal = opened(tmp_path)
    assert everything(journal) == {}
    journal.close()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(JournalUnavailable, match="cannot be used"):
        opened(tmp_path / "taken")


# ---- damage ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, bytes, dict[str, Entry]]:
    """A small journal in small pages, closed: its folder, the bytes of the file and of its guard, and what it holds."""
    folder = tmp_path_factory.mktemp("small")
    journal = opened(folder, page_bytes=SMALL)
    write(journal, intent("a"), intent("b"), Note("halted", "no"))
    write(journal, settled("a"), settled("b", "unknown"))
    held = everything(journal)
    journal.close()
    return folder, journal.path.read_bytes(), _guard(journal.path).read_bytes(), held


def _guard(path: Path) -> Path:
    return path.with_suffix(".lock")


def _look(folder: Path) -> dict[str, Entry] | BridgeError:
    """What a bridge that starts finds: all entries, or the error that it tells."""
    error: BridgeError
    try:
        journal = opened(folder)
    except (JournalDamaged, JournalUnavailable) as caught:
        error = caught
    else:
        try:
            assert journal.notes() == {"halted": "no"}
            assert write(journal, Probe()) == [Durable]
            return everything(journal)
        finally:
            journal.close()
    assert error.next_step
    assert str(folder) in error.message
    return error


def _damages(
    small: tuple[Path, bytes, bytes, dict[str, Entry]], versions: Iterator[bytes], *, told: Callable[[int, int], bool]
) -> None:
    folder, good, guard, held = small
    path = folder / f"{account_name(LOGIN, SERVER)}.sqlite"
    errors = count = 0
    for version in versions:
        path.write_bytes(version)
        _guard(path).write_bytes(guard)
        found = _look(folder)
        count += 1
        if isinstance(found, BridgeError):
            errors += 1
            assert path.read_bytes() == version, "a damaged file was written to"
        else:
            assert found == held
    path.write_bytes(good)
    _guard(path).write_bytes(guard)
    assert told(errors, count)


def test_every_byte_flipped(small: tuple[Path, bytes, bytes, dict[str, Entry]]) -> None:
    good = small[1]
    flips = (good[:at] + bytes([good[at] ^ (1 << at % 8)]) + good[at + 1 :] for at in range(0, len(good), FLIP_EVERY))
    _damages(small, flips, told=lambda errors, count: 0.2 * count < errors < count)


FLIP_EVERY = int(os.environ.get("JOURNAL_FLIP_EVERY", "29"))


def test_every_length(small: tuple[Path, bytes, bytes, dict[str, Entry]]) -> None:
    good = small[1]
    cuts = (good[:length] for length in range(0, len(good), FLIP_EVERY))
    _damages(small, cuts, told=lambda errors, count: 0.9 * count < errors)


def test_a_damaged_guard_harms_nothing(small: tuple[Path, bytes, bytes, dict[str, Entry]]) -> None:
    folder, _, guard, held = small
    path = _guard(folder / f"{account_name(LOGIN, SERVER)}.sqlite")
    for at in range(len(guard)):
        path.write_bytes(guard[:at] + bytes([guard[at] ^ 1]) + guard[at + 1 :])
        assert _look(folder) == held
        path.write_bytes(guard[:at])
        assert _look(folder) == held


def test_a_row_that_is_changed_taken_or_added_by_hand(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    write(journal, intent("a"), settled("a"), intent("b"))
    journal.close()
    good, guard = journal.path.read_bytes(), _guard(journal.path).read_bytes()
    for statement, words in {
        "UPDATE settlements SET kind = 'rejected'": r"a row of settlements was altered \('a'\)",
        "UPDATE intents SET time_us = time_us + 1": "a row of intents was altered",
        "UPDATE tally SET count = count - 1": "a row of tally was altered",
        "DELETE FROM intents WHERE id = 'a'": "it should have 6, and has 5",
        "INSERT INTO notes SELECT name, value, seal FROM facts WHERE name = 'login'": "a row of notes was altered",
        "DELETE FROM tally": "its format is '1'",
        "UPDATE facts SET value = '2' WHERE name = 'format'": "a row of facts was altered",
        "DROP INDEX intents_by_time": "does not have the tables",
    }.items():
        connection = sqlite3.connect(journal.path)
        connection.execute(statement)
        connection.commit()
        connection.close()
        with pytest.raises(JournalDamaged, match=words):
            opened(tmp_path)
        journal.path.write_bytes(good)
        _guard(journal.path).write_bytes(guard)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], dict[str, Entry]]:
    """A journal whose bridge was killed after three commits: its folder with the log beside the file, and what it holds."""
    folder = tmp_path_factory.mktemp("killed")
    journal = opened(folder, page_bytes=SMALL)
    write(journal, intent("a"), Note("halted", "no"))
    write(journal, settled("a"), intent("b"))
    write(journal, settled("b", "unknown"))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    held = everything(journal)
    journal.close()
    return folder, files, held


def test_every_byte_of_the_log_of_a_killed_bridge(killed: tuple[Path, dict[str, bytes], dict[str, Entry]]) -> None:
    """A log whose end does not fit is taken for an unfinished write; the guard knows better."""
    folder, files, held = killed
    [log] = [name for name in files if name.endswith("-wal")]
    told = 0

    def look(content: bytes) -> dict[str, Entry] | BridgeError:
        for path in folder.iterdir():
            path.unlink()
        for name, good in files.items():
            (folder / name).write_bytes(content if name == log else good)
        return _look(folder)

    assert look(files[log]) == held
    for at in range(0, len(files[log]), FLIP_EVERY * 5):
        for content in (files[log][:at] + bytes([files[log][at] ^ 0x10]) + files[log][at + 1 :], files[log][:at]):
            found = look(content)
            if isinstance(found, BridgeError):
                told += 1
                assert (folder / log).exists() == bool(content) or not content
            else:
                assert found == held
    assert told


def test_a_torn_end_is_cut(killed: tuple[Path, dict[str, bytes], dict[str, Entry]]) -> None:
    folder, files, held = killed
    for path in folder.iterdir():
        path.unlink()
    for name, good in files.items():
        torn = b""
        if name.endswith("-wal"):
            torn = good[32:56] + b"?" * 100  # the head of a frame of this run, and less than its page
        (folder / name).write_bytes(good + torn)
    journal = opened(folder)
    assert journal.repaired == "a write that was never finished was cut off its end"
    assert everything(journal) == held
    journal.close()


def test_a_file_that_is_gone_or_old(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.close()
    old = journal.path.read_bytes()
    journal = opened(tmp_path)
    write(journal, intent("a"))
    journal.close()
    journal.path.write_bytes(old)
    with pytest.raises(JournalDamaged, match="it ends 2 commits too early: its end was lost, or it is an old copy"):
        opened(tmp_path)
    journal.path.unlink()
    with pytest.raises(JournalDamaged, match="is not there"):
        opened(tmp_path)
    _guard(journal.path).unlink()
    journal = opened(tmp_path)  # all of it is gone: nothing is known of it
    assert everything(journal) == {}
    journal.close()


# ---- crashes ---------------------------------------------------------------------------------------------------------------------

CRASHING = """
import os, signal, sys
from pathlib import Path
from tests.test_journal import intent, opened, settled, write
folder, wanted, which = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
seen = 0
def crash(point):
    global seen
    seen += point == wanted
    if seen > which and point == wanted:
        print(point, flush=True)
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
journal = opened(folder)
journal._point = crash
print("a", [answer.__name__ for answer in write(journal, intent("a"))], flush=True)
print("s", [answer.__name__ for answer in write(journal, settled("a"))], flush=True)
"""
SENT = "print('a'"


@pytest.mark.parametrize(
    ("point", "which", "left"),
    [
        ("before_write", 0, {}),
        ("before_commit", 0, {}),
        ("after_commit", 0, {"a": Entry(intent("a"))}),
        ("before_commit", 1, {"a": Entry(intent("a"))}),
        ("after_commit", 1, {"a": Entry(intent("a"), settled("a"))}),
    ],
)
def test_killed_at_each_point(tmp_path: Path, point: str, which: int, left: dict[str, Entry]) -> None:
    words = [sys.executable, "-c", CRASHING, str(tmp_path), point, str(which)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] == point
    journal = opened(tmp_path)
    assert everything(journal) == left
    assert write(journal, intent("z")) == [Durable]
    journal.close()
