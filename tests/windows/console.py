"""Runs a program in a hidden console of its own and sends it Ctrl-C, as a person at a console window does. Windows only.

    python -m tests.windows.console PROGRAM…

starts this Python with PROGRAM…; the line `ctrl-c` on standard input sends Ctrl-C to everything in that console, the end of
standard input ends the program outright. The exit code is the program's.

A process reaches another's console by attaching to it. Ctrl-Break, which can be sent to one group of processes, is not used: Wine 8
cannot send it.
"""

from __future__ import annotations

import subprocess
import sys

WORD = "ctrl-c"

if sys.platform == "win32":
    import ctypes

    _CTRL_C, _EVERYBODY = 0, 0

    def main() -> int:
        """The program's exit code."""
        process = subprocess.Popen(
            [sys.executable, "-u", *sys.argv[1:]],
            creationflags=subprocess.CREATE_NO_WINDOW,
            stdin=subprocess.DEVNULL,
            stdout=sys.stdout,
            stderr=sys.stderr,
        )
        for line in sys.stdin:
            if line.strip() == WORD:
                _send_ctrl_c(process.pid)
                return process.wait()
        process.kill()
        return process.wait()

    def _send_ctrl_c(pid: int) -> None:
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.FreeConsole()
        if not (
            kernel32.AttachConsole(pid)
            and kernel32.SetConsoleCtrlHandler(None, True)  # not to us
            and kernel32.GenerateConsoleCtrlEvent(_CTRL_C, _EVERYBODY)
        ):
            raise ctypes.WinError(ctypes.get_last_error())

    if __name__ == "__main__":
        sys.exit(main())
