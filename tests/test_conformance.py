"""The conformance scenarios against a bridge over a simulated terminal; and whether they can fail."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import Client
from tests.conformance.against_bridge import play
from tests.conformance.scenario import Scenario, Unreadable, differs, read, scenarios
from tests.processes import PATIENCE_S, Served, serving

SYMBOL = "BTCUSD"  # quoted on every day of the week
ALL = scenarios("bridge")


@pytest.fixture(scope="module")
def bridge() -> Iterator[Served]:
    with serving() as served:
        with Client(served.requests) as client, client.subscribe(f"tick:{SYMBOL}") as events:
            until_s = time.monotonic() + PATIENCE_S
            while not client.status().healthy or events.get(0.1) is None:
                assert time.monotonic() < until_s
        yield served


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_the_bridge_does_what_a_scenario_says(bridge: Served, scenario: Scenario) -> None:
    assert not play(scenario, bridge.requests, SYMBOL)


def test_there_are_scenarios_of_everything() -> None:
    assert len(ALL) >= 45
    assert all("(" in scenario.title for scenario in ALL), "each names the section that promises it"
    assert {line.mark for scenario in ALL for line in scenario.lines} >= {">", "<", "!<", "+", "-", "*", "!*", "."}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('> ping\n< R ok {"state": "asleep"}', "not 'asleep'"),
        ('> ping\n< R ok {"state": "<int>"}', "no int"),
        ('> ping\n< R ok {"nonsense": "<any>"}', "is missing"),
        ("> ping\n< R unknown_method fix", "it was answered"),
        ("> nonsense\n< R ok", "it was refused: unknown_method"),
        ("> nonsense\n< R unknown_method retry", "unknown_method (fix)"),
        ("> ping\n!< R 0.2", "a reply came"),
        ('+ heartbeat\n* heartbeat {"version": 1}\n!* heartbeat 1.3', "one came"),
        ("> ping id=A\n< A ok\n> account id=B\n< B ok\n= A B", "they are"),
    ],
)
def test_a_scenario_that_says_something_else_fails(bridge: Served, tmp_path: Path, lines: str, words: str) -> None:
    path = tmp_path / "wrong.def"
    path.write_text(f"title: wrong (nowhere)\n{lines}\n", encoding="utf-8")
    told = play(read(path), bridge.requests, SYMBOL)
    assert words in told
    assert told.startswith("wrong.def:")


def test_a_line_that_is_left_out_is_missed(bridge: Served) -> None:
    """Without its request each reply is waited for in vain."""
    ping = next(scenario for scenario in ALL if scenario.name == "ping")
    mute = dataclasses.replace(ping, lines=ping.lines[1:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.conformance.against_bridge.PATIENCE_S", 0.3)
        assert "no reply came" in play(mute, bridge.requests, SYMBOL)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: x\n? ping", "x.def:2: one of > <"), ("title: x\n<", "2 words"), ("title: x\n> ping {", "x.def:2: JSON"),
        ("> ping", "x.def:1"),
        ("title: only", "at least one line"),
    ],
)  # fmt: skip
def test_a_line_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.def"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Unreadable) as caught:
        read(path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True), ({"a": 1}, {"a": 1.0}, True), ({"a": 1}, {"a": True}, False),
        ({"a": "<absent>"}, {}, True),
        ({"a": "<absent>"}, {"a": None}, False), ([1, "<str>"], [1, "x"], True), ([1], [1, 2], False), ("<has b>", "abc", True),
        ("<int>", True, False), ("<not x>", "x", False), ("<any>", None, True), ({"a": {}}, {"a": 5}, False),
    ],
)  # fmt: skip
def test_what_is_the_same(wanted: Any, found: Any, same: bool) -> None:
    assert (not differs(wanted, found)) is same
