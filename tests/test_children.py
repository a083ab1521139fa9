"""Child processes in a group of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bridge.children import ask_to_end, outliving, own_group

WAITS = "import signal, sys, time; print('up', flush=True); time.sleep(60)"


def test_a_child_ends_when_it_is_asked_to() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, **own_group()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            ask_to_end(process)
        except OSError:
            process.kill()
            if sys.platform != "win32":
                raise
            pytest.skip("no console, or one that knows no Ctrl-Break")
        assert process.wait(30) != 0


def test_a_child_that_has_ended_is_not_asked_any_more() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"], **own_group()) as process:
        process.wait(30)
        ask_to_end(process)


def test_a_program_that_outlives_us_has_a_group_of_its_own() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"], **outliving()) as process:
        assert process.wait(30) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="process groups as POSIX has them")
def test_a_child_is_out_of_the_reach_of_ctrl_c() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, **own_group()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert os.getpgid(process.pid) != os.getpgid(0)
        process.kill()
