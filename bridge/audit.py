"""The audit: one line of JSON for each decision, and in each line the hash of the one before.

Lines are only ever added, to `NAME.audit.NUMBER.jsonl`; a file that is full is followed by one with the next number, and the oldest
is removed beyond so many. The chain goes on over the files: a line that was changed, taken out or put in breaks it, and the guard
of the journal knows how many lines there have to be.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import msgspec

from bridge.entries import AuditRecord

FILE_BYTES = 10 << 20
KEEP = 20
BEGINNING = "0" * 64
"""What the first line of all names as the one before it."""
_LINE = re.compile(rb'(\{"number":(\d+),"before":"([0-9a-f]{64})",.*),"hash":"([0-9a-f]{64})"\}')
_FILE = re.compile(r"\.audit\.(\d{6})\.jsonl")


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at the whole audit found: how many files and lines there are, the numbers of the first and the last line, and in
    a line each what is wrong."""

    files: int
    lines: int
    first: int
    last: int
    problems: tuple[str, ...]


class Audit:
    """The audit of one account, open for adding. A torn last line is cut off; `noticed` says what was found. Raises `OSError`."""

    def __init__(self, folder: Path, name: str, *, known: int = 0, file_bytes: int = FILE_BYTES, keep: int = KEEP) -> None:
        self._folder, self._name = folder, name
        self._file_bytes, self._keep = file_bytes, keep
        self.noticed = ""
        self.number = 0
        self._before = BEGINNING
        found = audit_files(folder, name)
        self._at = _number_of(found[-1]) if found else 1
        self._file = self._opened()
        try:
            self._size = self._continue(found[:-1])
        except BaseException:
            os.close(self._file)
            raise
        if self.number < known:
            self._notice(f"it has {self.number} lines and should have {known}: its end was lost")
            self.number = known

    def _opened(self) -> int:
        path = self._folder / f"{self._name}.audit.{self._at:06}.jsonl"
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)

    def _continue(self, earlier: Sequence[Path]) -> int:
        """Find the last line, in the newest file or in the one before; where to go on in the newest is returned."""
        size = os.fstat(self._file).st_size
        os.lseek(self._file, 0, os.SEEK_SET)
        content = b""
        while part := os.read(self._file, max(1, size - len(content))):
            content += part
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._notice("a line that was never finished was cut off its end")
            os.ftruncate(self._file, whole)
        lines = content[:whole].splitlines() or [line for path in earlier[-1:] for line in path.read_bytes().splitlines()[-1:]]
        if lines:
            last = _LINE.fullmatch(lines[-1])
            if last is None or sha256(last[1]).hexdigest() != last[4].decode():
                self._notice("its last line was altered")
            self._before = last[4].decode() if last else sha256(lines[-1]).hexdigest()
            self.number = int(last[2]) if last else 0
        return whole

    def _notice(self, words: str) -> None:
        self.noticed = f"{self.noticed}; {words}" if self.noticed else f"audit: {words}"

    def append(self, records: Sequence[AuditRecord]) -> None:
        """Add lines, and wait until they are on the disk: all of them, or none and `OSError`."""
        if self._size >= self._file_bytes:
            self._rotate()
        number, before = self.number, self._before
        lines = []
        for record in records:
            number += 1
            line, before = made_line(number, before, record)
            lines.append(line)
        content = b"".join(lines)
        try:
            os.lseek(self._file, self._size, os.SEEK_SET)
            written = 0
            while written < len(content):
                written += os.write(self._file, content[written:])
            os.fsync(self._file)
        except OSError:
            with contextlib.suppress(OSError):  # what is left is written over by the next lines, or cut off at the next opening
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(content)
        self.number, self._before = number, before

    def _rotate(self) -> None:
        self._at += 1
        try:
            opened = self._opened()
        except OSError:
            self._at -= 1
            raise
        os.close(self._file)
        self._file, self._size = opened, 0
        for old in audit_files(self._folder, self._name)[: -self._keep]:
            with contextlib.suppress(OSError):  # somebody reads it: the next time
                old.unlink()

    def close(self) -> None:
        """All of it is on the disk already."""
        os.close(self._file)


def made_line(number: int, before: str, record: AuditRecord) -> tuple[bytes, str]:
    """A line of the audit, and its hash."""
    body = msgspec.json.encode({"number": number, "before": before} | msgspec.to_builtins(record))[:-1]
    digest = sha256(body).hexdigest()
    return body + b',"hash":"%s"}\n' % digest.encode(), digest


def audit_files(folder: Path, name: str) -> list[Path]:
    """The files of an account's audit, oldest first."""
    found = [
        path for path in folder.iterdir() if path.name.startswith(f"{name}.audit.") and _FILE.fullmatch(path.name[len(name) :])
    ]
    return sorted(found, key=_number_of)


def _number_of(path: Path) -> int:
    found = _FILE.search(path.name)
    assert found is not None
    return int(found[1])


def verify(folder: Path, name: str, known: int = 0) -> Verified:
    """Look at every line of an account's audit; `known` is the number of its newest, as the guard knows it. Raises `OSError`."""
    problems: list[str] = []
    count = first = number = 0
    before: str | None = None
    files = audit_files(folder, name)
    for earlier, later in pairwise(files):
        if _number_of(later) != _number_of(earlier) + 1:
            problems.append(f"between {earlier.name} and {later.name} a file is missing")
    for where, line in _lines(files):
        count += 1
        found = _LINE.fullmatch(line)
        if found is None:
            problems.append(f"{where}: this is not a line of an audit")
            before, number = None, number + 1
            continue
        if sha256(found[1]).hexdigest() != found[4].decode():
            problems.append(f"{where}: line {int(found[2])} was altered")
        if not first:
            first = int(found[2])
            if _number_of(files[0]) == 1 and (first, found[3].decode()) != (1, BEGINNING):
                problems.append(f"{where}: line {first} is not the first of all: the beginning is missing")
        elif int(found[2]) != number + 1 or (before is not None and found[3].decode() != before):
            problems.append(f"{where}: line {int(found[2])} does not follow line {number}")
        before, number = found[4].decode(), int(found[2])
    if number < known:
        problems.append(f"the last line is {number}, and should be {known}: the end is missing")
    return Verified(len(files), count, first, number, tuple(problems))


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        with path.open("rb") as file:
            for at, line in enumerate(file, 1):
                yield f"{path.name}:{at}", line.removesuffix(b"\n")
