"""`mt5bridge record` as a process: what it refuses, and what it reads back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import Client
from clients.recorder import read_bars, read_ticks
from tests.faults.recorder import MARKET, Recording, wait_until_healthy
from tests.faults.scene import BridgeProcess, simulated
from tests.processes import PATIENCE_S, environment

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BridgeProcess]:
    folder = tmp_path_factory.mktemp("recorder")
    with simulated(folder, *MARKET) as terminal:
        made = BridgeProcess(folder, terminal, "")
        made.start()
        wait_until_healthy(made)
        yield made
        made.stop()


def command(bridge: BridgeProcess, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "bridge", "record", "--out", str(out), "--endpoint", bridge.requests, *more]
    return subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=PATIENCE_S, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="ends it with SIGTERM")
def test_what_is_recorded_reads_as_what_the_client_reads(tmp_path: Path, bridge: BridgeProcess) -> None:
    recording = Recording(bridge, tmp_path / "recording")
    recording.start()
    try:
        recording.wait_until_grown()
        second = command(bridge, recording.out, "--symbols", "EURUSD")
        assert second.returncode == 2
        assert "another recorder" in second.stderr
        assert "Traceback" not in second.stderr
        recording.kill()
        recording.start()
        recording.wait_until_grown()
        assert recording.stop()["gaps"] == 0
    finally:
        recording.kill()
    found = recording.verify()
    assert {one["topic"] for one in found} >= {"tick:EURUSD", "tick:USDJPY", "bar:EURUSD:M1"}
    assert all(one["compared"] and not one["wrong"] and not one["gaps"] for one in found), found
    ticks, bars = read_ticks(recording.out, "EURUSD"), read_bars(recording.out, "EURUSD", "M1")
    with Client(bridge.requests) as client:
        same = client.ticks("EURUSD", ticks.index[1].to_pydatetime(), ticks.index[-2].to_pydatetime())
        same_bars = client.rates("EURUSD", "M1", date_from=bars.index[0].to_pydatetime(), date_to=bars.index[-1].to_pydatetime())
    assert same.equals(ticks.loc[same.index[0] : same.index[-1]])
    assert same_bars.equals(bars)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--symbols", "ZZZ*"), "no symbol fits"), (("--symbols", "NOSUCH"), "NOSUCH"), (("--bars", "m1"), "write 'M1'"),
        (("--no-ticks",), "nothing is to be recorded"), (("--since", "yesterday"), "is not a time"),
        (("--verify",), "no recording"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded(tmp_path: Path, bridge: BridgeProcess, more: tuple[str, ...], word: str) -> None:
    done = command(bridge, tmp_path / "recording", *more)
    assert done.returncode not in (0, None)
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.parquet"))
