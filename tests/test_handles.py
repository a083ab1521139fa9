"""Open files of a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from bridge.handles import raise_limit
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
print(raise_limit(200), resource.getrlimit(resource.RLIMIT_NOFILE)[0], raise_limit(100))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows")
def test_the_limit_is_raised_and_never_lowered() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["200", "200", "200"]
