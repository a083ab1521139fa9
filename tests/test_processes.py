"""Which processes run an executable."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bridge.terminal.processes import running_s

WINDOWS = sys.platform == "win32"
HERE = os.path.realpath(sys.executable)


@pytest.mark.skipif(not WINDOWS, reason="Windows only")
def test_the_youngest_process_counts() -> None:
    before = running_s(HERE)
    assert before is not None
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        while (age_s := running_s(HERE)) is None or age_s > time.monotonic() - started + 0.5:
            assert child.poll() is None
            assert time.monotonic() - started < 30
        child.kill()


@pytest.mark.skipif(not WINDOWS, reason="Windows only")
def test_a_process_of_the_same_name_elsewhere_is_another() -> None:
    folder, name = os.path.split(HERE)
    assert running_s(os.path.join(folder, "elsewhere", name)) is None
    assert running_s(os.path.join(folder, name.upper())) is not None


@pytest.mark.skipif(WINDOWS, reason="Windows knows")
def test_it_is_not_known_elsewhere() -> None:
    with pytest.raises(OSError, match="only looked for on Windows"):
        running_s(HERE)
