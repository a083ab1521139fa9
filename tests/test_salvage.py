"""Salvage: what is intact of a damaged journal is kept, what is lost is told, and the damaged file stays as it is."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.entries import Entry, Note
from bridge.errors import ConfigError, JournalDamaged
from bridge.journal import Journal
from bridge.salvage import Salvaged, salvage
from tests.test_journal import LOGIN, NOW_US, SERVER, SMALL, everything, intent, opened, settled, write

NOW = datetime(2026, 11, 23, 22, 10, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed journal in small pages, with 12 orders."""
    journal = opened(tmp_path, page_bytes=SMALL)
    write(journal, *[intent(f"o{number:02}", number) for number in range(12)], Note("halted", "why"))
    write(journal, *[settled(f"o{number:02}") for number in range(10)])
    journal.close()
    return journal.path


def damage(path: Path, statement: str) -> bytes:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


def after(path: Path, done: Salvaged, damaged: bytes) -> Journal:
    """The journal that was made; the damaged one is still there."""
    assert done.kept_as == path.with_name(f"{path.stem}.damaged-20261123-221000.sqlite")
    assert done.kept_as.read_bytes() == damaged
    journal = opened(path.parent)
    assert len(everything(journal)) == done.orders
    return journal


def test_an_altered_row_is_left_out_and_told(path: Path) -> None:
    damaged = damage(path, "UPDATE intents SET time_us = 0 WHERE id = 'o03'")
    with pytest.raises(JournalDamaged, match="--salvage"):
        opened(path.parent)
    done = salvage(path, NOW)
    assert done.lost == (
        "a row of intents was altered: o03",
        "1 of 26 rows are lost in all",
        "order o03: its outcome is known, but not what it was; its id is forgotten",
    )
    journal = after(path, done, damaged)
    assert everything(journal) == {
        f"o{number:02}": Entry(intent(f"o{number:02}", number), settled(f"o{number:02}") if number < 10 else None)
        for number in range(12)
        if number != 3
    }
    assert journal.notes() == {"halted": "why"}
    journal.close()


def test_an_order_whose_outcome_is_lost_is_open_again(path: Path) -> None:
    damaged = damage(path, "DELETE FROM settlements WHERE id = 'o05'")
    journal = after(path, done := salvage(path, NOW), damaged)
    assert done.lost == ("1 of 26 rows are lost in all",)
    assert [entry.intent.id for entry in journal.open_entries()] == ["o05", "o10", "o11"]
    journal.close()


def test_each_page_in_turn(path: Path) -> None:
    """Whatever page is destroyed: what is salvaged was in the journal, and can be worked with."""
    good, guard = path.read_bytes(), path.with_suffix(".lock").read_bytes()
    held = opened(path.parent)
    before = everything(held)
    held.close()
    kept = []
    for at in range(0, len(good), SMALL):
        damaged = good[:at] + b"\xaa" * SMALL + good[at + SMALL :]
        path.write_bytes(damaged)
        path.with_suffix(".lock").write_bytes(guard)
        done = salvage(path, NOW)
        assert done.lost or done.orders == 12  # a page of the index: everything is still there
        journal = after(path, done, damaged)
        now = everything(journal)
        assert all(entry.intent == before[name].intent for name, entry in now.items())
        assert all(entry.settlement in (before[name].settlement, None) for name, entry in now.items())
        kept.append(len(now))
        journal.close()
        assert done.kept_as is not None
        done.kept_as.unlink()
    assert kept[0] == 0, "without its first page nothing can be read"
    assert max(kept) == 12
    assert sum(kept) > 6 * len(kept)


def test_what_a_lost_end_leaves(path: Path) -> None:
    old = path.read_bytes()
    journal = opened(path.parent)
    write(journal, intent("newer"))
    journal.close()
    path.write_bytes(old)
    with pytest.raises(JournalDamaged, match="2 commits too early"):
        opened(path.parent)
    done = salvage(path, NOW)
    assert done.lost == ("the newest 2 commits are lost",)
    after(path, done, old).close()


def test_a_file_that_is_gone(path: Path) -> None:
    path.unlink()
    assert salvage(path, NOW) == Salvaged(0, ("the file is not there: everything in it is lost",), None)
    journal = opened(path.parent)
    assert everything(journal) == {}
    journal.close()


def test_what_is_not_salvaged(path: Path, tmp_path: Path) -> None:
    good = path.read_bytes()
    with pytest.raises(ConfigError, match="is not damaged"):
        salvage(path, NOW)
    journal = opened(path.parent)
    with pytest.raises(ConfigError, match=f"another bridge .pid {os.getpid()}. serves"):
        salvage(path, NOW)
    journal.close()
    with pytest.raises(ConfigError, match="there is no journal"):
        salvage(tmp_path / "1@A.sqlite", NOW)
    with pytest.raises(ConfigError, match="is not the name of a journal"):
        salvage(tmp_path / "orders.sqlite", NOW)
    assert path.read_bytes()[100:] == good[100:] or path.stat().st_size >= len(good)


def test_a_name_that_was_cut_short(tmp_path: Path) -> None:
    server = "é" * 60
    journal = Journal(tmp_path, LOGIN, server, now_us=NOW_US)
    journal.close()
    damage(journal.path, "UPDATE tally SET seal = 0")
    assert salvage(journal.path, NOW).orders == 0
    Journal(tmp_path, LOGIN, server, now_us=NOW_US).close()
    assert SERVER not in journal.path.name
