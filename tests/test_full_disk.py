"""A real bridge whose journal is on a real disk that fills up: no order is taken, everything else goes on, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import BridgeError, JournalUnavailable
from clients import Client
from tests.faults.scene import BridgeProcess, SimulatedProcess, simulated
from tests.processes import PATIENCE_S

SIZE = 3_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where such a thing can be made."""
    if not sys.platform.startswith("linux"):
        pytest.skip("a small disk is made with Linux's tmpfs")
    folder = tmp_path / "journal"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "small", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no disk can be made here (needs root): {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            os.fsync(filler.fileno())
    return file


def bought(client: Client, request_id: str) -> int:
    """The order's ticket, as soon as one is taken."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return client.buy("EURUSD", 0.01, request_id=request_id).result.order
        except BridgeError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.05)


def buy_many(client: Client) -> None:
    """Use up what room the journal's own file still has."""
    for number in range(1_000):
        client.buy("EURUSD", 0.01, request_id=f"full-{number}")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[SimulatedProcess]:
    with simulated(tmp_path, "--profile", "netting", "--start", "2026-03-03 10:00:00") as running:
        yield running


def test_a_full_disk_stops_orders_only(disk: Path, terminal: SimulatedProcess, tmp_path: Path) -> None:
    bridge = BridgeProcess(tmp_path, terminal, "")
    bridge.start()
    try:
        with Client(bridge.requests, timeout_s=PATIENCE_S) as client:
            before = bought(client, "before")
            filler = fill(disk)
            with pytest.raises(JournalUnavailable) as refused:
                buy_many(client)
            assert "full" in str(refused.value)
            assert refused.value.next_step
            deals = len(client.deals(0))
            assert client.account().balance > 0
            with client.subscribe("tick:EURUSD") as ticks:
                assert ticks.get(PATIENCE_S) is not None
            assert client.buy("EURUSD", 0.01, request_id="before").result.order == before, "known outcomes are told"
            bridge.kill()
            bridge.start()
            assert client.status().connection
            filler.unlink()
            after = bought(client, "after")
            assert after != before
            assert client.buy("EURUSD", 0.01, request_id="before").result.order == before
            assert len(client.deals(0)) == deals + 1
    finally:
        bridge.stop()
