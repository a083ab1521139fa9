"""How many connections a process may hold: every one of them is an open file."""

from __future__ import annotations

import contextlib
import sys

WANTED = 65_536


def raise_limit(wanted: int = WANTED) -> int | None:
    """Allow this process as many open files as it may have, up to `wanted`; how many that is, None where there is no such limit
    (Windows). Where connections use up all of them, libzmq can take no other and tries without a pause."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
