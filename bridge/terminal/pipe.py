"""The named pipe of a MetaTrader 5 terminal: its name, and whether `initialize()` would find somebody at it.

The MetaTrader5 package waits for the pipe without a time limit of its own and with Python's lock held, so whoever calls it looks
first. Looking opens no connection, and the terminal does not notice it. Observed with MetaTrader5 5.0.6231.
"""

from __future__ import annotations

import hashlib
import sys
from enum import Enum

PREFIX = "\\\\.\\pipe\\MT5.Terminal."
_EXTENDED, _EXTENDED_SHARE, _SHARE = "\\\\?\\", "\\\\?\\UNC\\", "\\\\"
_LOOK_MS = 1
"""0 would mean the time that the server has set, which may be long."""
_FILE_NOT_FOUND, _SEM_TIMEOUT = 2, 121  # winerror.h


class PipeState(Enum):
    """What a look at a pipe shows."""

    ABSENT = "absent"
    """No terminal has it: none runs from that path, or it has not got that far."""
    FREE = "free"
    """A terminal waits for a program. Whether it will answer one cannot be seen."""
    BUSY = "busy"
    """Another program has the terminal; `initialize()` would wait until that one ends."""


def pipe_name(path: str) -> str:
    """The name of the pipe that the terminal with this executable listens on.

    `path` is the file's final path, as `os.path.realpath` on Windows tells it: absolute, links and short names resolved. The name
    is the SHA-256 of that path as GetFinalPathNameByHandleW writes it, with its `\\\\?\\`, in small letters and UTF-16.
    """
    if path.startswith(_EXTENDED):
        final = path
    elif path.startswith(_SHARE):
        final = _EXTENDED_SHARE + path.removeprefix(_SHARE)
    else:
        final = _EXTENDED + path
    return PREFIX + hashlib.sha256(_lower(final).encode("utf-16-le", "surrogatepass")).hexdigest().upper()


def _lower(text: str) -> str:
    """As CharLowerBuffW does: one character for one, never two."""
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)


if sys.platform == "win32":

    def probe(name: str) -> PipeState:
        """Look at a pipe; takes a few milliseconds. Raises `OSError` for what no such pipe has shown, as when it is forbidden."""
        import ctypes  # noqa: PLC0415 - WinDLL exists on Windows only

        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.WaitNamedPipeW.argtypes = (ctypes.c_wchar_p, ctypes.c_uint32)
        if kernel32.WaitNamedPipeW(name, _LOOK_MS):
            return PipeState.FREE
        code = ctypes.get_last_error()
        if code == _FILE_NOT_FOUND:
            return PipeState.ABSENT
        if code == _SEM_TIMEOUT:
            return PipeState.BUSY
        raise ctypes.WinError(code)
else:

    def probe(name: str) -> PipeState:
        """There are no such pipes here: raises `OSError`."""
        raise OSError(f"only Windows has pipes like {name}")
