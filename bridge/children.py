"""Child processes on every operating system: kept out of Ctrl-C's reach, and asked to end."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any


def own_group() -> dict[str, Any]:
    """Arguments of `Popen` for a child that Ctrl-C does not reach: whoever started it ends it in order."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def ask_to_end(process: subprocess.Popen[Any]) -> None:
    """SIGTERM, or Ctrl-Break on Windows, to a child of a group of its own. Raises `OSError` when it is gone."""
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()
