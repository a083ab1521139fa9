"""Recorders, bridges and terminals killed while ticks and bars are recorded; in the end the recording is the terminal's history."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from clients import Client
from clients.recorder.layout import parts_in, periods_of, series_in
from tests.faults.outcome import Outcome, spread
from tests.faults.scene import BridgeProcess, SimulatedProcess, simulated
from tests.processes import PATIENCE_S, environment

MARKET = ("--profile", "hedging", "--start", "2026-03-04 14:00:00", "--speed", "60")
SYMBOLS = "EURUSD,GBPUSD,USDJPY"
KINDS = ("recorder", "recorder", "bridge", "terminal")
GROWN = 10


class Recording:
    """A recorder as a process, and what it has recorded."""

    def __init__(self, bridge: BridgeProcess, out: Path) -> None:
        self._bridge, self.out = bridge, out
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it."""
        words = [sys.executable, "-m", "bridge", "record", "--out", str(self.out), "--symbols", SYMBOLS, "--bars", "M1"]
        self._process = subprocess.Popen(
            [*words, "--flush", "0.2", "--endpoint", self._bridge.requests, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip

    def kill(self) -> None:
        """End it outright."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stop(self) -> dict[str, Any]:
        """End it in good order; what it says it has done. Raises `AssertionError` when it ends otherwise."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        told, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
        said: dict[str, Any] = json.loads(told)
        return said

    def rows(self) -> int:
        """Rows on the disk, by the names of the files."""
        folders = [folder for series in series_in(self.out) for folder in periods_of(self.out, series)]
        return sum(max((part.last for part in parts_in(folder)), default=0) for folder in folders)

    def wait_until_grown(self) -> float:
        """Until there are more rows; how long that took, in seconds."""
        began_s, before = time.monotonic(), self.rows()
        while self.rows() < before + GROWN:
            assert self._process is not None
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < began_s + 2 * PATIENCE_S, "nothing is recorded"
            time.sleep(0.05)
        return time.monotonic() - began_s

    def verify(self) -> list[dict[str, Any]]:
        """What `--verify` says, against the terminal's history."""
        words = [sys.executable, "-m", "bridge", "record", "--out", str(self.out), "--verify", "--json"]
        done = subprocess.run(
            [*words, "--endpoint", self._bridge.requests],
            capture_output=True, text=True, env=environment(), timeout=4 * PATIENCE_S, check=False,
        )  # fmt: skip
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == (1 if any(one["wrong"] for one in found) else 0), done.stderr
        assert found, done.stderr
        return found


def wait_until_healthy(bridge: BridgeProcess) -> None:
    """Until the bridge works."""
    with Client(bridge.requests, name="wait") as client:
        until_s = time.monotonic() + 2 * PATIENCE_S
        while not client.status().healthy:
            assert time.monotonic() < until_s, "the bridge does not become healthy"
            time.sleep(0.05)


def run(seed: int, count: int) -> Outcome:
    """So many kills, at random instants."""
    outcome = Outcome("recorder", seed)
    if sys.platform == "win32":
        outcome.skipped["all"] = "kills with SIGKILL"
        return outcome
    began_s = time.monotonic()
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, simulated(Path(folder), *MARKET) as terminal:
        bridge = BridgeProcess(Path(folder), terminal, "restarts_per_hour = 100000")
        bridge.start()
        try:
            wait_until_healthy(bridge)
            _kills(bridge, terminal, Recording(bridge, Path(folder) / "recording"), outcome, dice, count)
        finally:
            bridge.stop()
    outcome.figures["seconds"] = round(time.monotonic() - began_s, 1)
    return outcome


def _kills(
    bridge: BridgeProcess, terminal: SimulatedProcess, recording: Recording, outcome: Outcome, dice: random.Random, count: int
) -> None:
    plan = [KINDS[number % len(KINDS)] for number in range(count)]
    dice.shuffle(plan)
    back_s: list[float] = []
    recording.start()
    try:
        recording.wait_until_grown()
        for kind in plan:
            time.sleep(dice.uniform(0.0, 1.5))
            if kind == "recorder":
                recording.kill()
                time.sleep(dice.uniform(0.0, 1.0))
                recording.start()
            elif kind == "bridge":
                bridge.kill()
                bridge.start()
            else:
                terminal.kill()
                terminal.start()
            back_s.append(recording.wait_until_grown())
        said = recording.stop()
    except AssertionError as error:
        outcome.wrong.append(f"after {len(back_s)} kills: {error}")
        return
    finally:
        recording.kill()
    outcome.counts = dict(Counter(plan))
    outcome.figures |= {"gaps": said["gaps"], "recording_again_s": spread(back_s)}
    wait_until_healthy(bridge)
    found = recording.verify()
    outcome.figures["rows"] = {one["topic"]: one["rows"] for one in found}
    outcome.figures["files"] = sum(one["files"] for one in found)
    outcome.wrong += [f"{one['topic']}: {line}" for one in found for line in one["wrong"]]
    outcome.wrong += [f"{one['topic']}: {one['gaps']} gaps, but the terminal has it all" for one in found if one["gaps"]]
    outcome.wrong += [f"{one['topic']} was not compared" for one in found if not one["compared"]]
