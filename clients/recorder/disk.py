"""What reaches the disk whole or not at all, and the lock that keeps a second recorder out of a folder.

A file is written under another name, brought to the disk, and then renamed; its folder is brought to the disk after that. So what
has its own name is complete, whatever was killed when, and what was said to be there survives the loss of power.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.errors import ConfigError
from clients.recorder.layout import TEMPORARY

_LOCKED_BYTE = 1 << 30
"""Windows keeps others from reading what is locked, so what is locked is far behind what is written."""


def _nothing(_name: str) -> None:
    return


class Disk:
    """`point(name)` is called between the steps, for tests that end there."""

    def __init__(self, point: Callable[[str], None] = _nothing) -> None:
        self._point = point

    def write(self, path: Path, content: bytes | memoryview) -> None:
        """A new file with this content. Raises `OSError`, and leaves nothing behind then."""
        make_folder(path.parent)
        temporary = path.with_name(f"_{path.name}{TEMPORARY}")
        try:
            with temporary.open("wb") as file:
                self._point("before_write")
                file.write(content)
                file.flush()
                self._point("before_sync")
                os.fsync(file.fileno())
            self._point("before_rename")
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self._point("after_rename")
        sync_folder(path.parent)

    def remove(self, path: Path) -> None:
        """Remove what is not needed any more. What somebody still reads stays for now (Windows)."""
        self._point("before_remove")
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            return

    def append(self, path: Path, lines: bytes) -> None:
        """Add whole lines to a file, behind the last whole one. Raises `OSError`; then nothing was added."""
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            end = whole_end(handle)
            try:
                os.ftruncate(handle, end)
                os.lseek(handle, end, os.SEEK_SET)
                self._point("before_append")
                written = 0
                while written < len(lines):
                    written += os.write(handle, lines[written:])
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, end)
                raise
        finally:
            os.close(handle)


def whole_end(handle: int) -> int:
    """Where the last whole line of an open file ends: one that was cut short has no end."""
    end = os.lseek(handle, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 4096)
        os.lseek(handle, start, os.SEEK_SET)
        at = os.read(handle, end - start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def make_folder(folder: Path) -> None:
    """Make a folder and those around it, so that they survive the loss of power."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk. Windows does that by itself, and cannot be asked to."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _recorder_refusal(path: Path, holder: str) -> ConfigError:
    return ConfigError(
        f"another recorder ({holder}) writes to {path.parent}", next_step="stop that one, or record to another folder"
    )


class Lock:
    """Holds a folder for this process. The operating system gives it back when its holder ends, however it ends."""

    def __init__(self, path: Path, refusal: Callable[[Path, str], ConfigError] = _recorder_refusal) -> None:
        """Raises what `refusal` makes of the path and its holder while another one holds it, and `OSError`."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            if sys.platform == "win32":
                import msvcrt  # noqa: PLC0415 - there is no other place for it

                os.lseek(self._file, _LOCKED_BYTE, os.SEEK_SET)
                msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl  # noqa: PLC0415

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, b"pid %010d\n" % os.getpid())
        except (BlockingIOError, PermissionError):
            os.lseek(self._file, 0, os.SEEK_SET)
            holder = os.read(self._file, 100).decode("ascii", "replace").strip() or "its process is not known"
            os.close(self._file)
            raise refusal(path, holder) from None
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._file)
