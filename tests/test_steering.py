"""`mt5bridge terminal COMMAND`, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from bridge.__main__ import commands, terminal
from bridge.simulation import SimulatedTerminal
from bridge.steering import COMMANDS
from tests.test_main import run

NOBODY = ("--terminal", "tcp://127.0.0.1:1")


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedTerminal]:
    started = SimulatedTerminal(["--fresh", "--start", "2024-01-10 12:00:00", "--held"])
    yield started
    started.close()


def told(running: SimulatedTerminal, *words: str) -> str:
    done = CliRunner().invoke(commands, ["terminal", *words, "--terminal", running.address], standalone_mode=False)
    assert done.exit_code == 0, done
    return done.output


def test_commands_are_named_and_described() -> None:
    assert list(terminal.commands) == [command.name for command in COMMANDS]
    assert all(command.help for command in COMMANDS)


def test_faults_come_and_go(running: SimulatedTerminal) -> None:
    assert told(running, "faults") == ""
    assert told(running, "fault", "broker_down", "seconds=30") == ""
    assert told(running, "fault", "algo_off") == ""
    assert told(running, "faults") == "broker_down seconds=30.0\nalgo_off\n"
    told(running, "clear", "broker_down")
    assert told(running, "faults") == "algo_off\n"
    told(running, "clear")
    assert told(running, "faults") == ""


def test_the_clock_and_the_status(running: SimulatedTerminal) -> None:
    assert json.loads(told(running, "status"))["held"] is True
    told(running, "release")
    assert json.loads(told(running, "status"))["held"] is False
    told(running, "hold")
    assert json.loads(told(running, "status"))["held"] is True


def test_what_the_terminal_refuses_is_one_line_and_exit_code_2(running: SimulatedTerminal) -> None:
    done = run("terminal", "fault", "symbol_gone", "symbol=NOPE", "--terminal", running.address)
    assert (done.returncode, done.stderr) == (2, "mt5bridge: symbol: the broker has no symbol 'NOPE'\n")


@pytest.mark.parametrize(
    "words", [["fault", "nope"], ["fault", "hang", "nth=x"], ["fault", "retcode"], ["status", "--terminal", "x"]]
)
def test_wrong_words_are_one_line_and_exit_code_2(words: list[str]) -> None:
    done = run("terminal", *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("mt5bridge: ")


def test_no_terminal_is_one_line_and_exit_code_1() -> None:
    done = run("terminal", "fault", "crash", *NOBODY)
    assert done.returncode == 1
    assert done.stderr.startswith("mt5bridge: no simulated terminal answers at tcp://127.0.0.1:1: ")
    assert done.stderr.count("\n") == 1


def test_stop_ends_the_terminal_in_order() -> None:
    started = SimulatedTerminal(["--fresh"])
    try:
        told(started, "stop")
        assert started.process.wait(10) == 0
    finally:
        started.close()
