"""Other processes on every operating system: children kept out of Ctrl-C's reach and asked to end, programs that outlive us."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any


def own_group() -> dict[str, Any]:
    """Arguments of `Popen` for a child that Ctrl-C does not reach: whoever started it ends it in order."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    else:  # noqa: RET505 - mypy leaves out the branch of the other platform
        return {"start_new_session": True}


def outliving() -> dict[str, Any]:
    """Arguments of `Popen` for a program that is to live on without us: it shares no console, group or stream with us."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    else:  # noqa: RET505 - as above
        return {"start_new_session": True}


def ask_to_end(process: subprocess.Popen[Any]) -> None:
    """SIGTERM, or Ctrl-Break on Windows, to a child of a group of its own.

    Raises `OSError` when it is gone, and on Windows where it shares no console with us: a service has none.
    """
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - WinDLL exists on Windows only

        # Not os.kill(): where the event cannot be sent, that of Python 3.11 terminates the process and raises SystemError.
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        if process.poll() is None and not kernel32.GenerateConsoleCtrlEvent(signal.CTRL_BREAK_EVENT, process.pid):
            raise ctypes.WinError(ctypes.get_last_error())
    else:
        process.terminate()
