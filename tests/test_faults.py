"""The table of faults, their arguments, and the page that describes them."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.terminal.simulator.fault import FaultRefused
from bridge.terminal.simulator.faults import FAULTS, clear, inflict, kinds, listed, made, read_arguments
from bridge.terminal.simulator.server import Switches
from tests.faulty_terminal import Faulty
from tests.scripted_market import START_MSC, Desk

PAGE = Path(__file__).parents[1] / "docs" / "simulator-faults.md"
NEEDED: dict[str, dict[str, Any]] = {"retcode": {"code": 10024}, "clock_jump": {"seconds": 60.0}}


def shown(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "…"
    if isinstance(default, float):
        return f"{default:g}"
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def test_the_page_has_the_same_faults_and_arguments() -> None:
    described = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if re.fullmatch(r"`\w+`", cells[1] if len(cells) > 2 else ""):
            assert len(cells) == 6, line
            described[cells[1].strip("`")] = [word.strip("`") for word in cells[2].split()]
            assert cells[3], line
            assert cells[4], line
    wanted = {
        name: [f"{p.name}={shown(p.default)}" for p in inspect.signature(make).parameters.values()] for name, make in FAULTS.items()
    }
    assert described == wanted
    assert list(described) == list(wanted), "in the same order"


def test_every_fault_begins_is_listed_and_ends() -> None:
    for name, make in FAULTS.items():
        desk = Desk()
        inflict(desk.world, name, NEEDED.get(name, {}), START_MSC)
        once = name in ("crash", "restart", "liveupdate")
        assert listed(desk.world) == ([] if once else [{"name": name, "arguments": NEEDED.get(name, {})}])
        clear(desk.world, name)
        assert listed(desk.world) == []
        assert (desk.world.server.switches, desk.world.now_msc) == (Switches(), START_MSC), name
        assert inspect.getdoc(make), name


def test_each_fault_has_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*_faults.py"))
    assert [name for name in FAULTS if f'"{name}"' not in tests] == []


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("nope", {}, "there is no fault 'nope': choose one of broker_down, crash"),
        ("broker_down", {"second": 1.0}, "broker_down has no argument 'second': it takes seconds"),
        ("algo_off", {"seconds": 1.0}, "algo_off has no argument 'seconds': it takes no arguments"),
        ("broker_down", {"seconds": "1"}, "seconds must be a number, not '1'"),
        ("broker_down", {"seconds": True}, "seconds must be a number, not True"),
        ("hang", {"nth": 1.5}, "nth must be a whole number, not 1.5"),
        ("hang", {"nth": True}, "nth must be a whole number, not True"),
        ("hang", {"executes": 1}, "executes must be true or false, not 1"),
        ("hang", {"function": 1}, "function must be a word, not 1"),
        ("unanswered", {"answer": "lost"}, "answer must be one of broken, failed, not 'lost'"),
        ("retcode", {}, "retcode needs code=…"),
        ("retcode", {"code": None}, "code must be a whole number, not None"),
    ],
)
def test_what_cannot_be_asked_for(name: str, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(FaultRefused) as refused:
        made(name, arguments)
    assert str(refused.value).startswith(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "words", "arguments"),
    [
        ("broker_down", [], {}),
        ("broker_down", ["seconds=5"], {"seconds": 5.0}),
        ("hang", ["function=order_send", "nth=2", "executes=no"], {"function": "order_send", "nth": 2, "executes": False}),
        ("clock_jump", ["seconds=-1e3"], {"seconds": -1000.0}),
        ("symbol_renamed", ["to=A=B"], {"to": "A=B"}),
        ("unanswered", ["answer=failed", "executes=TRUE"], {"answer": "failed", "executes": True}),
    ],
)
def test_arguments_as_words(name: str, words: list[str], arguments: dict[str, Any]) -> None:
    assert read_arguments(name, words) == arguments


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["5"], "'5' is not of the form ARGUMENT=VALUE"),
        (["count=x"], "count must be a whole number, not 'x'"),
        (["executes=maybe"], "executes must be true or false, not 'maybe'"),
        (["seconds="], "seconds must be a number, not ''"),
        (["colour=red"], "hang has no argument 'colour': it takes function, nth, count, seconds, executes"),
    ],
)
def test_words_that_are_no_arguments(words: list[str], text: str) -> None:
    with pytest.raises(FaultRefused, match=re.escape(text)):
        read_arguments("hang", words)


def test_every_argument_has_a_kind_that_can_be_typed() -> None:
    for name in FAULTS:
        assert set(kinds(name)) == set(inspect.signature(FAULTS[name]).parameters)


def test_clearing_everything_ends_what_was_set_by_hand_too() -> None:
    faulty = Faulty()
    faulty.world.server.switches = Switches(trade_allowed=False)
    faulty.world.server.forced.append(10006)
    faulty.fault("reject")
    faulty.clear("reject")
    assert faulty.retcode() == 10006
    assert faulty.retcode() == 10027
    faulty.world.server.forced.append(10006)
    faulty.clear()
    assert faulty.retcode() == 10009
