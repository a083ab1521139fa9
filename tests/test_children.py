"""Child processes in a group of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bridge.children import ask_to_end, own_group

WAITS = "import signal, sys, time; print('up', flush=True); time.sleep(60)"


def test_a_child_ends_when_it_is_asked_to() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, **own_group()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ask_to_end(process)
        assert process.wait(30) != 0


@pytest.mark.skipif(sys.platform == "win32", reason="process groups as POSIX has them")
def test_a_child_is_out_of_the_reach_of_ctrl_c() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, **own_group()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert os.getpgid(process.pid) != os.getpgid(0)
        process.kill()
