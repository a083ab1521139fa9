"""The conformance scenarios against this project's own clients; and whether they can fail. The blocking client and that of
docs/examples/node are played by `python -m tests.conformance client` in `.ci/run`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conformance import played_bridge
from tests.conformance.against_client import play_all
from tests.conformance.scenario import Unreadable, read, scenarios
from tests.processes import environment

ROOT = Path(__file__).resolve().parents[1]
ALL = scenarios("client")
DRIVER = [sys.executable, "-m", "tests.conformance.driver"]

LIAR = """
import asyncio
import sys
from tests.conformance import driver
from clients import async_driver, calls, clock, cursor, exchange, session
{lie}
asyncio.run(driver.Asyncio().run())
"""


def paths() -> dict[str, str]:
    """So that a program finds the project from anywhere."""
    return {**environment(), "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def test_the_asyncio_client_does_what_all_scenarios_say() -> None:
    wrong = {scenario.name: told for scenario, told in play_all(ALL, [*DRIVER, "asyncio"], environment=paths()) if told}
    assert not wrong


def test_the_blocking_client_does_what_some_scenarios_say() -> None:
    some = [scenario for scenario in ALL if scenario.name in ("order_without_a_reply", "sequence_too_high", "former_run")]
    wrong = {scenario.name: told for scenario, told in play_all(some, [*DRIVER, "blocking"], jobs=1, environment=paths()) if told}
    assert (len(some), wrong) == (3, {})


def test_there_are_scenarios_of_everything() -> None:
    assert len(ALL) >= 70
    assert all("(" in scenario.title for scenario in ALL), "each names the section that promises it"
    sections = {
        line.lstrip("# ").strip() for line in (ROOT / "docs" / "protocol.md").read_text().splitlines() if line.startswith("#")
    }
    assert {scenario.title.rpartition("(")[2].rstrip(")") for scenario in ALL} <= sections
    ways = {word for scenario in ALL for line in scenario.lines if line.mark == "@" for word in line.words[1:]}
    assert {"lost", "gone", "again", "former", "no_nul", "truncated", "other_version", "too_short", "more_elements"} <= ways


@pytest.mark.parametrize(
    ("lie", "name", "words"),
    [
        ("told = driver.hand\ndriver.hand = lambda item: (told(item), told(item))", "state_and_events",
         "it has told snapshot"),
        ("driver.hand = lambda item: None", "state_and_events", "it has told nothing"),
        ("cursor.Cursor._gap = lambda self, gap: None", "replay_that_is_gone", "it has told event"),
        ("cursor.Cursor.heartbeat = lambda self, newest: None", "lost_at_the_end", "it has told nothing"),
        ("session.ClientSession._silence_s = lambda self: None", "silence", "it has not asked"),
        ("clock.BridgeClock.bridge_msc = lambda self, now: 5", "deadline", "its deadline is -"),
        ("exchange.Exchange.refused = lambda self, error: False", "reply_of_another_version", "it has not said"),
        ("exchange.silence = lambda call, endpoint: driver.CallError('x')", "order_asked_again", "call_error"),
        ("session.ClientSession.goodbye = lambda *a: 1 / 0", "goodbye", "it has not asked"),
        ("driver.plain = lambda value: {}", "request", "is missing"),
        ("sys.exit('no more')", "request", "no more"),
        ("print('hello')", "request", "no JSON"),
    ],
)  # fmt: skip
def test_a_client_that_does_something_else_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str, name: str, words: str
) -> None:
    program = tmp_path / "liar.py"
    program.write_text(LIAR.format(lie=lie), encoding="utf-8")
    monkeypatch.setattr("tests.conformance.against_client.PATIENCE_S", 2.0)
    (scenario,) = (scenario for scenario in ALL if scenario.name == name)
    ((_, told),) = play_all([scenario], [sys.executable, str(program)], jobs=1, environment=paths())
    assert words in told
    assert told.startswith(f"{name}.def:")


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([b"\xc1"], "not msgpack"), ([b"\x80"], "envelope"), ([b"a", b"b"], "2 frames"),
        ([b"\x84\xa7version\x01\xa2id\xa0\xa6method\xa4ping\xa6params\x80"], "not an id"),
        ([b"\x85\xa7version\x01\xa2id\xa1x\xa6method\xa4ping\xa6params\x80\xa6client\xa1y"], "said hello as"),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_told(frames: list[bytes], words: str) -> None:
    bridge = played_bridge.PlayedBridge()
    try:
        with pytest.raises(played_bridge.Broken, match=words):
            bridge.take([b"peer", *frames])
    finally:
        bridge.close()


def test_an_order_of_another_content_is_told() -> None:
    bridge = played_bridge.PlayedBridge()
    order = b"\x84\xa7version\x01\xa2id\xa1x\xa6method\xa5order\xa6params\x81\xa1v"
    try:
        bridge.take([b"peer", order + b"\x01"])
        bridge.take([b"peer", order + b"\x01"])
        with pytest.raises(played_bridge.Broken, match="another content"):
            bridge.take([b"peer", order + b"\x02"])
    finally:
        bridge.close()


def test_a_line_of_another_kind_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.def"
    path.write_text("title: x (Frames)\nrestart\n", encoding="utf-8")
    assert read(path, "client").lines[0].mark == "restart"
    with pytest.raises(Unreadable, match=r"x\.def:2"):
        read(path, "bridge")
