"""The demo as a newcomer runs it: it checks itself, ends when it is told to, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import PATIENCE_S, environment, running

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "replay"


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 3,
        env=environment(),
        check=False,
    )


def test_the_synthetic_demo_works() -> None:
    done = demo("--seconds", "11", "--speed", "240", "--headless")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all worked" in done.stdout
    assert "gaps 0  errors 0" in done.stdout
    assert "EURUSD" in done.stdout


def test_a_replay_delivers_exactly_the_recorded_ticks(tmp_path: Path) -> None:
    rows = [(1_399_032_000_560 + 137 * n, 1.38669 + (n * 7 % 23) * 1e-5, 1.38682 + (n * 7 % 23) * 1e-5) for n in range(3_000)]
    file = tmp_path / "EURUSD_made.csv.gz"
    with gzip.open(file, "wt") as out:
        out.write("time_msc,bid,ask\n")
        out.writelines(f"{time_msc},{bid:.5f},{ask:.5f}\n" for time_msc, bid, ask in rows)
    done = demo("--seconds", "9", "--speed", "300", "--replay", str(file), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ok"]
    assert told["errors"] == told["gaps"] == 0
    assert told["ticks"] == told["compared_with_terminal"]["EURUSD"] == 3_000
    assert isinstance(told["epoch"], int)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded market data are not beside this checkout")
def test_a_real_recording_is_replayed_without_a_difference() -> None:
    done = demo("--seconds", "9", "--speed", "120", "--replay", str(SHARED / "EURUSD_oanda_2014-05-02_NFP.csv.gz"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ticks"] == told["compared_with_terminal"]["EURUSD"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="looks for processes as POSIX does")
def test_ctrl_c_ends_every_child_within_two_seconds() -> None:
    marker = f"demo-test-{os.getpid()}"
    with running(["bridge", "demo", "--headless"], DEMO_MARKER=marker) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "orders" in line:
                break
        assert len(children_with(marker)) >= 6
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        process.wait(PATIENCE_S)
        elapsed_s = time.monotonic() - asked
        assert process.returncode == 0
        assert not children_with(marker)
        assert elapsed_s < 10, "generous: the promise is two seconds on a machine of its own"


def children_with(marker: str) -> list[int]:
    """The processes whose environment has the marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if marker.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
