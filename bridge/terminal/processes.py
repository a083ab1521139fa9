"""Which processes of this machine run an executable. Windows only.

A snapshot of all processes (Toolhelp) is what the MetaTrader5 package itself looks at to find a terminal. It needs no right that an
ordinary user lacks, and no other program: `tasklist` tells neither a process's path nor when it began.
"""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import ctypes
    import time
    from collections.abc import Iterator
    from ctypes import wintypes

    _SNAPSHOT_OF_PROCESSES = 2  # tlhelp32.h
    _MAY_QUERY = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
    _STILL_ACTIVE = 259
    _LONGEST_PATH = 32_768
    _INVALID_HANDLE = ctypes.c_void_p(-1).value
    _TO_UNIX_S = 11_644_473_600
    """Windows counts from 1601."""

    class _Entry(ctypes.Structure):
        """PROCESSENTRY32W."""

        _fields_ = (
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("pid", wintypes.DWORD),
            ("heap", ctypes.c_size_t),
            ("module", wintypes.DWORD),
            ("threads", wintypes.DWORD),
            ("parent", wintypes.DWORD),
            ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
            ("name", wintypes.WCHAR * 260),
        )

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
    _kernel32.CreateToolhelp32Snapshot.argtypes = (wintypes.DWORD, wintypes.DWORD)
    _kernel32.Process32FirstW.argtypes = _kernel32.Process32NextW.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Entry))
    _kernel32.OpenProcess.restype = wintypes.HANDLE
    _kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    _kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    _kernel32.QueryFullProcessImageNameW.argtypes = (
        wintypes.HANDLE, wintypes.DWORD, wintypes.LPWSTR, ctypes.POINTER(wintypes.DWORD),
    )  # fmt: skip
    _kernel32.GetExitCodeProcess.argtypes = (wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD))
    _kernel32.GetProcessTimes.argtypes = (wintypes.HANDLE, *(ctypes.POINTER(ctypes.c_uint64),) * 4)

    def running_s(path: str) -> float | None:
        """Seconds since the youngest process of this executable began, or None while there is none.

        `path` is its final path (`os.path.realpath`). Processes that this user may not ask about do not count. Raises `OSError`.
        """
        wanted = os.path.normcase(path)
        ages = [age_s for pid, name in _processes() if _may_be(name, wanted) and (age_s := _age_s(pid, wanted)) is not None]
        return min(ages, default=None)

    def _may_be(name: str, wanted: str) -> bool:
        return os.path.normcase(name) == os.path.basename(wanted)

    def _processes() -> Iterator[tuple[int, str]]:
        snapshot = _kernel32.CreateToolhelp32Snapshot(_SNAPSHOT_OF_PROCESSES, 0)
        if snapshot == _INVALID_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            entry = _Entry(size=ctypes.sizeof(_Entry))
            more = _kernel32.Process32FirstW(snapshot, ctypes.byref(entry))
            while more:
                yield entry.pid, entry.name
                more = _kernel32.Process32NextW(snapshot, ctypes.byref(entry))
        finally:
            _kernel32.CloseHandle(snapshot)

    def _age_s(pid: int, wanted: str) -> float | None:
        process = _kernel32.OpenProcess(_MAY_QUERY, False, pid)
        if not process:
            return None
        try:
            path = ctypes.create_unicode_buffer(_LONGEST_PATH)
            length = wintypes.DWORD(_LONGEST_PATH)
            code = wintypes.DWORD()
            times = [ctypes.c_uint64() for _ in range(4)]  # the first is when it began
            if not _kernel32.QueryFullProcessImageNameW(process, 0, path, ctypes.byref(length)):
                return None
            if os.path.normcase(os.path.realpath(path.value)) != wanted:
                return None
            if not _kernel32.GetExitCodeProcess(process, ctypes.byref(code)) or code.value != _STILL_ACTIVE:
                return None
            if not _kernel32.GetProcessTimes(process, *map(ctypes.byref, times)):
                return None
            return max(0.0, time.time() - (times[0].value / 1e7 - _TO_UNIX_S))
        finally:
            _kernel32.CloseHandle(process)
else:

    def running_s(path: str) -> float | None:
        """Not known here: raises `OSError`."""
        raise OSError(f"processes are only looked for on Windows, not those of {path}")
