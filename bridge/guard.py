"""The guard beside a journal: a small file that one bridge holds locked, and that knows how far the journal has come.

The operating system gives the lock back when its holder ends, however it ends. What the file says of the journal is written
after each commit and not waited for, so it is never ahead of the disk: a journal that knows less than its guard has lost something,
which a torn end or an older copy put in its place would not show by itself.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from zlib import crc32

from bridge.errors import ConfigError

_LINE = re.compile(rb"pid (\d{10}) revision (\d{16}) audit (\d{16}) ([0-9a-f]{8})\n")
_LOCKED_BYTE = 1 << 30
"""Windows keeps others from reading what is locked, so what is locked is far behind what is written."""


class Guard:
    """The locked file at `path`. Raises `ConfigError` while another bridge holds it, and `OSError`.

    `revision` and `audit` are the newest commit of the journal and the newest line of the audit that it knows of; 0 for nothing,
    also where it cannot be read.
    """

    def __init__(self, path: Path, account: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            self._lock(account)
        except BaseException:
            os.close(self._file)
            raise
        _, self.revision, self.audit = _read(self._line())
        self.write(self.revision, self.audit)

    def _lock(self, account: str) -> None:
        try:
            if sys.platform == "win32":
                import msvcrt  # noqa: PLC0415 - there is no other place for it

                os.lseek(self._file, _LOCKED_BYTE, os.SEEK_SET)
                msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl  # noqa: PLC0415

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            pid, _, _ = _read(self._line())
            who = f"pid {pid}" if pid else "its process is not known"
            raise ConfigError(
                f"another bridge ({who}) serves account {account}",
                next_step="stop that one, or ask it; two bridges on one account would not know of each other's orders",
            ) from None

    def _line(self) -> bytes:
        os.lseek(self._file, 0, os.SEEK_SET)
        return os.read(self._file, 200)

    def write(self, revision: int, audit: int) -> None:
        """The journal and the audit have come so far. Raises `OSError`."""
        text = b"pid %010d revision %016d audit %016d " % (os.getpid(), revision, audit)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, b"%s%08x\n" % (text, crc32(text)))
        self.revision, self.audit = revision, audit

    def release(self) -> None:
        """Let another bridge have it. The file stays."""
        os.close(self._file)


def _read(line: bytes) -> tuple[int, int, int]:
    found = _LINE.match(line)
    if found is None or crc32(line[: found.start(4)]) != int(found[4], 16):
        return 0, 0, 0
    return int(found[1]), int(found[2]), int(found[3])


def known_audit(path: Path) -> int:
    """The newest line of the audit that the guard at `path` knows of; 0 for none. Raises `OSError`."""
    return _read(path.read_bytes())[2] if path.exists() else 0
