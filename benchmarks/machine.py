"""What the figures were measured on."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import msgpack
import numpy as np
import zmq


def cpu_model() -> str:
    """The processor's name, as the operating system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def resident_bytes() -> int:
    """Memory of this process that is in use now. Raises `OSError` where the operating system does not tell."""
    if sys.platform == "win32":
        sizes = (ctypes.c_size_t * 10)()  # PROCESS_MEMORY_COUNTERS: two 32-bit numbers, then WorkingSetSize is the second size
        handle = ctypes.c_void_p(ctypes.windll.kernel32.GetCurrentProcess())
        if not ctypes.windll.psapi.GetProcessMemoryInfo(handle, ctypes.byref(sizes), ctypes.sizeof(sizes)):
            raise ctypes.WinError()
        return sizes[2]
    elif sys.platform == "linux":  # noqa: RET505 - so that each platform is a branch
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    else:
        told = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], check=True, capture_output=True, text=True)
        return int(told.stdout) * 1024


def describe() -> dict[str, str | int]:
    """Processor, cores that this process may use, and the versions that matter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "cpu": cpu_model(),
        "cores": cores,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pyzmq": zmq.__version__,
        "libzmq": zmq.zmq_version(),
        "msgpack": ".".join(map(str, msgpack.version)),
        "numpy": np.__version__,
    }


def one_line(machine: dict[str, str | int]) -> str:
    """The description for people."""
    versions = ", ".join(f"{name} {machine[name]}" for name in ("pyzmq", "libzmq", "msgpack", "numpy"))
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}, {versions}"
