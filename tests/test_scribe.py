"""The scribe: answers in order, many orders in one transaction, and a disk that fails or is slow."""

from __future__ import annotations

import contextlib
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.entries import (
    AuditRecord,
    Durable,
    Existing,
    Found,
    NotOpened,
    NotWritten,
    Opened,
    Probe,
    Query,
    Record,
    Write,
    Written,
)
from bridge.errors import ConfigError, InternalError, JournalDamaged, JournalUnavailable
from bridge.journal import DAY_US, Journal, account_name
from bridge.scribe import Scribe
from tests.test_journal import LOGIN, NOW_US, SERVER, intent, opened, settled

PATIENCE_S = 20.0


class Desk:
    """A scribe, and what it has answered."""

    def __init__(self, folder: Path, point: Callable[[str], None] = lambda point: None) -> None:
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._answers: list[Written] = []
        self.now_us = NOW_US
        self.number = 0
        self.wakes = 0
        self.scribe = Scribe(folder, self._wake, point=point, now_us=lambda: self.now_us)

    def _wake(self) -> None:
        self.wakes += 1
        self._woken.put(None)

    def give(self, *records: Record) -> None:
        writes = [Write(self.number + at, record) for at, record in enumerate(records, 1)]
        self.number += len(records)
        self.scribe.write(writes)

    def take(self, count: int) -> list[Written]:
        """The next so many answers."""
        until_s = time.monotonic() + PATIENCE_S
        while len(self._answers) < count:
            with contextlib.suppress(queue.Empty):  # nobody is woken for lines of the audit
                self._woken.get(timeout=0.05)
            self._answers += self.scribe.take()
            assert time.monotonic() < until_s
        taken, self._answers = self._answers[:count], self._answers[count:]
        return taken

    def do(self, *records: Record) -> list[Written]:
        self.give(*records)
        return self.take(len(records))

    def open(self, login: int = LOGIN, server: str = SERVER) -> Written:
        self.scribe.open(login, server)
        return self.take(1)[0]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    assert made.scribe.close(PATIENCE_S)


class Gate:
    """Holds the scribe at a point, as a slow disk does."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.reached, self.free = threading.Event(), threading.Event()
        self.armed = False
        self.error: Exception | None = None

    def __call__(self, point: str) -> None:
        if self.armed and point == self.where:
            self.reached.set()
            assert self.free.wait(PATIENCE_S)
            if self.error is not None:
                raise self.error


def line(name: str) -> AuditRecord:
    return AuditRecord(NOW_US, "ma/1", "order", name, "d" * 16, "sent")


def test_before_a_journal_is_open(desk: Desk) -> None:
    [answer] = desk.do(intent("a"))
    assert isinstance(answer, NotWritten)
    assert isinstance(answer.error, JournalUnavailable)


def test_open_write_and_open_again(desk: Desk, tmp_path: Path) -> None:
    assert desk.open() == Opened(LOGIN, SERVER, (), (), {})
    assert desk.do(intent("a"), line("a"), settled("a"), intent("b"), Probe()) == [Durable(number) for number in (1, 3, 4, 5, 2)]
    [known, found] = desk.do(intent("a", 5), Query(id="b"))
    assert isinstance(known, Existing)
    assert known.entry.settlement == settled("a")
    assert isinstance(found, Found)
    again = desk.open()
    assert isinstance(again, Opened)
    assert [entry.intent.id for entry in again.open_entries] == ["b"]
    assert [entry.intent.id for entry in again.recent] == ["a"]
    assert desk.open(LOGIN + 1) == Opened(LOGIN + 1, SERVER, (), (), {})
    assert (tmp_path / f"{account_name(LOGIN + 1, SERVER)}.sqlite").exists()
    opened(tmp_path).close()  # the journal of the account before is free


def test_what_cannot_be_opened(desk: Desk, tmp_path: Path) -> None:
    other = opened(tmp_path)
    refused = desk.open()
    assert isinstance(refused, NotOpened)
    assert isinstance(refused.error, ConfigError)
    other.close()
    good = other.path.read_bytes()
    other.path.write_bytes(good[:5000])
    refused = desk.open()
    assert isinstance(refused, NotOpened)
    assert isinstance(refused.error, JournalDamaged)
    assert desk.do(intent("a")) == [NotWritten(1, refused.error)]
    other.path.write_bytes(good)
    assert isinstance(desk.open(), Opened)


def test_what_comes_meanwhile_goes_into_one_transaction(tmp_path: Path) -> None:
    gate = Gate("before_commit")
    desk = Desk(tmp_path, gate)
    desk.open()
    gate.armed = True
    desk.give(intent("first"))
    assert gate.reached.wait(PATIENCE_S)
    for number in range(50):  # a slow disk keeps nobody who writes
        desk.give(intent(f"o{number}"))
    assert desk.scribe.take() == []
    commits = desk.scribe.counters["commits"]
    gate.free.set()
    assert desk.take(51) == [Durable(number) for number in range(1, 52)]
    assert desk.scribe.counters["commits"] == commits + 1
    assert desk.wakes <= 3
    assert desk.scribe.close(PATIENCE_S)


def test_a_batch_fails_as_a_whole_and_the_next_is_tried_anew(tmp_path: Path) -> None:
    gate = Gate("before_commit")
    gate.free.set()
    desk = Desk(tmp_path, gate)
    desk.open()
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorcode = sqlite3.SQLITE_IOERR
    gate.armed, gate.error = True, failure
    first, third, second = desk.do(intent("a"), line("a"), intent("b"))
    assert isinstance(first, NotWritten)
    assert isinstance(third, NotWritten)
    assert second == Durable(2), "the audit is a file of its own"
    assert "its disk reports an error" in str(first.error)
    gate.error = ZeroDivisionError("a fault of ours")
    [answer] = desk.do(intent("a"))
    assert isinstance(answer, NotWritten)
    assert isinstance(answer.error, InternalError)
    gate.error = None
    assert desk.do(Query()) == [Found(5, ())]
    assert desk.do(intent("a")) == [Durable(6)]
    assert desk.scribe.counters["writes_failed"] == 3
    assert desk.scribe.close(PATIENCE_S)


def test_the_audit_fails_and_orders_go_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, records: object) -> None:
        raise OSError(28, "No space left on device")

    desk.open()
    with monkeypatch.context() as patch:
        patch.setattr("bridge.audit.Audit.append", full)
        second, first = desk.do(line("a"), intent("a"))
    assert isinstance(first, NotWritten)
    assert "the audit beside" in str(first.error)
    assert "No space left" in str(first.error)
    assert second == Durable(2)
    assert desk.scribe.counters["audit_failed"] == 1
    assert desk.do(line("b")) == [Durable(3)]


def test_closing_does_what_is_still_to_be_done(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.scribe.open(LOGIN, SERVER)
    desk.give(*[intent(f"o{number}") for number in range(100)])
    assert desk.scribe.close(PATIENCE_S)
    assert len(desk.scribe.take()) == 101
    journal = opened(tmp_path)
    assert len(journal.open_entries()) == 100
    journal.close()


def test_old_orders_are_removed_day_by_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    purged: list[int] = []
    monkeypatch.setattr(Journal, "purge", lambda self, now_us: purged.append(now_us))
    desk.open()
    desk.do(Probe())
    desk.now_us += DAY_US
    desk.do(Probe())
    desk.do(Probe())
    assert purged == [NOW_US, NOW_US + DAY_US]


def test_any_split_into_batches_is_answered_in_order(desk: Desk) -> None:
    desk.open()
    draw = random.Random(5)
    records: list[Record] = []
    for number in range(300):
        choices: list[Record] = [intent(f"o{number % 40}"), line("x"), Query(count=1), settled(f"o{number % 40}"), Probe()]
        records.append(draw.choice(choices))
    given = 0
    while given < len(records):
        size = draw.randint(1, 30)
        desk.give(*records[given : given + size])
        given += size
    answers = desk.take(len(records))
    numbers = [answer.number for answer in answers]  # type: ignore[union-attr]
    lines = [number for number in numbers if isinstance(records[number - 1], AuditRecord)]
    others = [number for number in numbers if not isinstance(records[number - 1], AuditRecord)]
    assert (lines, others) == (sorted(lines), sorted(others))
    assert sorted(numbers) == list(range(1, 301))
