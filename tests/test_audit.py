"""The audit: its chain over files, its torn end, and whatever is done to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from bridge.audit import Audit, audit_files, verify
from bridge.entries import AuditRecord

NAME = "5000001@MetaQuotes-Demo"


def record(number: int) -> AuditRecord:
    return AuditRecord(1_700_000_000_000_000 + number, "ma/1", "order", f"o{number}", "ab" * 8, "refused", 'no "symbol" é\n', 41)


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    made = Audit(tmp_path, NAME, file_bytes=2_000, keep=3)
    yield made
    made.close()


def fill(audit: Audit, count: int, together: int = 1) -> None:
    for number in range(count // together):
        audit.append([record(number)] * together)


def test_lines(audit: Audit, tmp_path: Path) -> None:
    audit.append([record(1), record(2)])
    [path] = audit_files(tmp_path, NAME)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["number"] for line in lines] == [1, 2]
    assert lines[1]["before"] == lines[0]["hash"]
    assert {name: lines[0][name] for name in asdict(record(1))} == asdict(record(1))
    assert verify(tmp_path, NAME, 2).problems == ()


def test_the_chain_goes_on_over_files_and_openings(audit: Audit, tmp_path: Path) -> None:
    fill(audit, 30)
    for _ in range(10):
        audit.close()
        audit.__init__(tmp_path, NAME, file_bytes=2_000, keep=3)  # type: ignore[misc]
        assert audit.noticed == ""
        fill(audit, 4, 2)
    files = audit_files(tmp_path, NAME)
    assert len(files) == 3
    assert all(path.stat().st_size < 2_000 + 800 for path in files)
    found = verify(tmp_path, NAME, 70)
    assert (found.files, found.last, found.problems) == (3, 70, ())
    assert found.first > 1
    assert found.lines == 70 - found.first + 1


def test_an_opening_behind_a_file_that_is_full(audit: Audit, tmp_path: Path) -> None:
    while len(audit_files(tmp_path, NAME)) == 1:
        audit.append([record(1)])
    number = audit.number
    newest = audit_files(tmp_path, NAME)[-1]
    newest.write_bytes(b"")
    audit.close()
    audit.__init__(tmp_path, NAME, known=number - 1)  # type: ignore[misc]
    assert (audit.number, audit.noticed) == (number - 1, "")
    audit.append([record(2)])
    assert verify(tmp_path, NAME, number).problems == ()


@pytest.mark.parametrize("kept", [1, 5, 100])
def test_a_torn_end_is_cut(audit: Audit, tmp_path: Path, kept: int) -> None:
    fill(audit, 3)
    [path] = audit_files(tmp_path, NAME)
    whole = path.read_bytes()
    audit.append([record(9)])
    path.write_bytes(path.read_bytes()[: len(whole) + kept])
    audit.close()
    audit.__init__(tmp_path, NAME, known=3)  # type: ignore[misc]
    assert audit.noticed == "audit: a line that was never finished was cut off its end"
    fill(audit, 2)
    assert path.read_bytes().startswith(whole)
    assert (verify(tmp_path, NAME, 5).last, verify(tmp_path, NAME, 5).problems) == (5, ())


def test_a_failure_leaves_nothing_behind(audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    fill(audit, 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            audit.append([record(3), record(4)])
    assert verify(tmp_path, NAME, 2).last == 2
    fill(audit, 1)
    assert (verify(tmp_path, NAME).last, verify(tmp_path, NAME).problems) == (3, ())


def test_every_byte_and_every_line(audit: Audit, tmp_path: Path) -> None:
    """Whatever is changed, taken out or put in is found; and the audit can still be opened and added to."""
    for number in range(4):
        audit.append([record(number)])
    [path] = audit_files(tmp_path, NAME)
    good = path.read_bytes()
    lines = good.splitlines(keepends=True)
    versions = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(0, len(good), 7)]
    versions += [good[:length] for length in range(0, len(good) - 1, 7)]
    versions += [b"".join(lines[:at] + lines[at + 1 :]) for at in range(4)]
    versions += [b"".join([*lines[:at], lines[at], *lines[at:]]) for at in range(4)]
    for version in versions:
        path.write_bytes(version)
        assert verify(tmp_path, NAME, 4).problems
    for version in versions[::20]:
        path.write_bytes(version)
        again = Audit(tmp_path, NAME, known=4)
        again.append([record(5)])
        again.close()
        assert verify(tmp_path, NAME, 5).problems, "and it stays visible"
    path.write_bytes(good)
    assert verify(tmp_path, NAME, 4).problems == ()


def test_a_file_that_is_missing(audit: Audit, tmp_path: Path) -> None:
    fill(audit, 18)
    files = audit_files(tmp_path, NAME)
    assert len(files) == 3
    files[1].unlink()
    assert any("a file is missing" in problem for problem in verify(tmp_path, NAME, 18).problems)


def test_names_that_begin_alike(tmp_path: Path) -> None:
    for name in ("1@A", "1@A.audit.x"):
        made = Audit(tmp_path, name)
        made.append([record(1)])
        made.close()
    assert [path.name for path in audit_files(tmp_path, "1@A")] == ["1@A.audit.000001.jsonl"]
