"""Stands in for a terminal on Windows: a real `terminal64.exe`, with a terminal's pipe or without one, that never answers.

It is a copy of pythonw.exe in a folder of its own, whose `sitecustomize` calls `main` here. It is told what to be by a word in the
file `wanted` beside it, and tells what happened to it in the file `happened`.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

EXE = "terminal64.exe"
SILENT, MUTE, ENDED = "silent", "mute", "ended"
"""What it can be: without a pipe; with a pipe, at which it takes one program at a time and never answers; no more."""
LIBRARIES = ("python3.dll", "python311.dll", "vcruntime140.dll", "vcruntime140_1.dll")
CHECKOUT = Path(__file__).resolve().parents[2]
LOOK_S = 0.1
LONGEST_LIFE_S = 600.0


def install(folder: Path, python: Path, written: Callable[[Path], str] = str) -> Path:
    """Make one, and return its executable. `python` is the folder of a Python for Windows; `written` tells what Windows calls a
    path, where this program does not run on Windows itself."""
    folder.mkdir(parents=True)
    shutil.copy(python / "pythonw.exe", folder / EXE)
    for library in LIBRARIES:
        shutil.copy(python / library, folder)
    paths = [written(path) for path in (python / "Lib", python / "DLLs", python / "Lib" / "site-packages", CHECKOUT)]
    (folder / "terminal64._pth").write_text("\n".join([*paths, ".", "import site", ""]), encoding="utf-8")
    (folder / "sitecustomize.py").write_text("from tests.windows import terminal\nterminal.main()\n", encoding="utf-8")
    want(folder, SILENT)
    return folder / EXE


def want(folder: Path, state: str) -> None:
    """Tell it what to be; it looks every tenth of a second."""
    (folder / "wanting").write_text(state, encoding="utf-8")
    until_s = time.monotonic() + 10.0
    while True:
        try:
            (folder / "wanting").replace(folder / "wanted")
            return
        except PermissionError:  # it is being read: Windows does not replace an open file
            if time.monotonic() > until_s:
                raise
            time.sleep(0.01)


def happened(folder: Path, what: str) -> list[str]:
    """The lines of its log that begin with a word: `started` with its arguments, `connected`, `disconnected`, `failed`."""
    log = folder / "happened"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [line for line in lines if line.startswith(what)]


if sys.platform == "win32":
    import ctypes
    import threading
    from ctypes import wintypes

    from bridge.terminal.pipe import pipe_name

    _DUPLEX, _ONE, _BUFFER = 3, 1, 65_536
    _INVALID_HANDLE = ctypes.c_void_p(-1).value
    _PIPE_CONNECTED = 535

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.CreateNamedPipeW.restype = wintypes.HANDLE
    _kernel32.CreateNamedPipeW.argtypes = (wintypes.LPCWSTR, *(wintypes.DWORD,) * 6, wintypes.LPVOID)
    _kernel32.ConnectNamedPipe.argtypes = (wintypes.HANDLE, wintypes.LPVOID)
    _kernel32.DisconnectNamedPipe.argtypes = (wintypes.HANDLE,)
    _kernel32.ReadFile.argtypes = (wintypes.HANDLE, wintypes.LPVOID, wintypes.DWORD, *(wintypes.LPVOID,) * 2)
    _kernel32.PeekNamedPipe.argtypes = (wintypes.HANDLE, wintypes.LPVOID, wintypes.DWORD, *(wintypes.LPVOID,) * 3)

    def main() -> None:
        """Be a terminal until told otherwise."""
        folder = Path(sys.executable).parent
        _log(folder, f"started {os.getpid()} {' '.join(sys.orig_argv[1:])}")
        end_s = time.monotonic() + LONGEST_LIFE_S
        served = False
        while time.monotonic() < end_s and (wanted := (folder / "wanted").read_text(encoding="utf-8")) != ENDED:
            if wanted == MUTE and not served:
                served = True
                threading.Thread(target=_serve, args=(folder,), daemon=True).start()
            time.sleep(LOOK_S)
        os._exit(0)

    def _serve(folder: Path) -> None:
        name = pipe_name(os.path.realpath(folder / EXE))
        pipe = _kernel32.CreateNamedPipeW(name, _DUPLEX, 0, _ONE, _BUFFER, _BUFFER, 0, None)
        if pipe == _INVALID_HANDLE:
            _log(folder, f"failed: {ctypes.WinError(ctypes.get_last_error())}")
            return
        while _kernel32.ConnectNamedPipe(pipe, None) or ctypes.get_last_error() == _PIPE_CONNECTED:
            _log(folder, "connected")
            while _listen(pipe):
                time.sleep(LOOK_S)
            _kernel32.DisconnectNamedPipe(pipe)
            _log(folder, "disconnected")
        _log(folder, f"failed: {ctypes.WinError(ctypes.get_last_error())}")

    def _listen(pipe: int) -> bool:
        """Take what was asked and leave it at that; whether the other end is still there, which shows only when nothing is left."""
        waiting = wintypes.DWORD()
        there = _kernel32.PeekNamedPipe(pipe, None, 0, None, ctypes.byref(waiting), None)
        if there and waiting.value:
            _kernel32.ReadFile(pipe, ctypes.create_string_buffer(waiting.value), waiting, ctypes.byref(waiting), None)
        return bool(there)

    def _log(folder: Path, line: str) -> None:
        with (folder / "happened").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
