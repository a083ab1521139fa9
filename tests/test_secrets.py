"""The password shows nowhere: not in what a bridge prints or publishes, nor in the environment and command line of its children."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bridge.codec import plain_body
from clients import Client
from tests.processes import serving

CANARY = "canary-7f3a"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_refused_password_is_not_told() -> None:
    account = {"MT5_LOGIN": "5000001", "MT5_SERVER": "MetaQuotes-Demo", "MT5_PASSWORD": CANARY}
    with serving(**account) as served, Client(served.requests) as client, client.subscribe("connection", "log") as events:
        told: list[str] = []
        while not told or "refused" not in told[-1]:
            item = events.get(20)
            assert item is not None, told
            told.append(repr(item))
        told += [str(plain_body(client.status())), _children(served.process.pid)]
        served.process.terminate()
        told += [*served.process.communicate(timeout=20)]
    assert "bad_credentials" in "".join(told)
    assert CANARY not in "".join(told)


def _children(pid: int) -> str:
    """Command lines and environments of all descendants."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        for name in ("cmdline", "environ"):
            found.append(Path(f"/proc/{child}/{name}").read_bytes().decode(errors="replace"))
        found.append(_children(int(child)))
    return "\n".join(found)
