"""The commands of the kill switch, with a bridge that is only a list of what it was asked."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.__main__ import commands
from bridge.errors import BridgeError, OrderRejected, OutcomeUnknown
from bridge.limits import OPERATOR
from bridge.replies import LimitSection, LimitsInForce, TradingState

HALTED = TradingState(True, 1_700_000_000_000, "news", OPERATOR)


class Bridge:
    """What the commands use of a client. `failures` are raised by closing or cancelling a ticket, one after another."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.held: dict[int, str] = {}
        self.waiting: dict[int, str] = {}
        self.failures: dict[int, list[BridgeError]] = {}
        self.filled: dict[int, str] = {}
        self.outcomes: dict[int, str] = {}

    def __call__(self, endpoint: str | None, name: str) -> Bridge:
        assert name == OPERATOR
        return self

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *error: object) -> None:
        self.asked.append("left")

    def halt(self, reason: str) -> TradingState:
        self.asked.append("halt")
        return replace(HALTED, reason=reason)

    def resume(self) -> TradingState:
        return TradingState(False, 1_700_000_000_000, "", OPERATOR)

    def limits(self, name: str | None) -> LimitsInForce:
        sections = () if name is None else (LimitSection('[clients."a*"]', {"symbols": ["E*"], "max_volume": 0.5}),)
        return LimitsInForce(name or OPERATOR, sections, 1, 2, HALTED)

    def orders(self) -> list[Any]:
        return [SimpleNamespace(ticket=ticket, symbol=symbol) for ticket, symbol in self.waiting.items()]

    def positions(self) -> list[Any]:
        return [SimpleNamespace(ticket=ticket, symbol=symbol) for ticket, symbol in self.held.items()]

    def cancel(self, ticket: int) -> Any:
        self._act("cancel", ticket)
        del self.waiting[ticket]
        return SimpleNamespace(outcome="done")

    def close(self, ticket: int) -> Any:
        self._act("close", ticket)
        outcome = self.outcomes.pop(ticket, "done")
        if outcome == "done":
            del self.held[ticket]
        self.held |= self.filled
        self.filled = {}
        return SimpleNamespace(outcome=outcome)

    def _act(self, what: str, ticket: int) -> None:
        self.asked.append(f"{what} {ticket}")
        if self.failures.get(ticket):
            raise self.failures[ticket].pop(0)


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> Bridge:
    made = Bridge()
    monkeypatch.setattr("clients.Client", made)
    return made


def run(*words: str) -> Result:
    answer = CliRunner().invoke(commands, words)
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer


def test_halt_and_resume(bridge: Bridge) -> None:
    answer = run("halt", "--reason", "news")
    assert (answer.exit_code, bridge.asked) == (0, ["halt", "left"])
    assert answer.output == "trading was halted by operator: news (since 2023-11-14 22:13:20.000 UTC)\n"
    assert run("resume").output == "trading is not halted (since 2023-11-14 22:13:20.000 UTC)\n"
    assert json.loads(run("halt", "--json").output)["trading"]["halted"] is True
    assert json.loads(run("resume", "--json").output)["trading"]["halted"] is False


def test_halted_first_then_everything_is_cancelled_and_closed(bridge: Bridge) -> None:
    bridge.waiting, bridge.held, bridge.filled = {5: "EURUSD"}, {1: "EURUSD", 2: "GBPUSD"}, {9: "EURUSD"}
    answer = run("halt", "--close")
    assert bridge.asked == ["halt", "cancel 5", "close 1", "close 2", "close 9", "left"], "what was filled meanwhile is closed too"
    assert answer.exit_code == 0
    assert answer.output.splitlines()[1:] == [
        "order 5: cancelled", "position 1: closed", "position 2: closed", "position 9: closed", "nothing is left",
    ]  # fmt: skip


def test_a_failure_stops_nothing_and_is_tried_again(bridge: Bridge) -> None:
    bridge.held = {1: "A", 2: "B", 3: "C"}
    requote = OrderRejected("the order was rejected: requote", retcode=10004)
    bridge.failures = {1: [requote], 2: [requote] * 9}
    answer = run("halt", "--close")
    assert bridge.asked == ["halt", "close 1", "close 2", "close 3", "close 1", "close 2", "close 2", "left"]
    assert answer.exit_code == 1
    assert "position 1: FAILED, order_rejected: the order was rejected: requote" in answer.output
    assert answer.output.splitlines()[-1] == "LEFT: 1: position 2 B"


def test_what_may_have_been_executed_is_not_tried_again(bridge: Bridge) -> None:
    bridge.held = {1: "A"}
    bridge.failures = {1: [OutcomeUnknown("no answer", next_step="look")]}
    answer = run("halt", "--close", "--json")
    assert bridge.asked == ["halt", "close 1", "left"]
    assert answer.exit_code == 1
    told = json.loads(answer.output)
    assert (told["told"], told["left"]) == (["position 1: UNKNOWN, outcome_unknown: no answer; look"], ["position 1 A"])


def test_a_part_is_not_all_and_a_dry_run_is_nothing(bridge: Bridge) -> None:
    bridge.held, bridge.outcomes = {1: "A", 2: "B"}, {1: "partial", 2: "dry_run"}
    answer = run("halt", "--close")
    assert answer.output.splitlines()[1:] == [
        "position 1: closed in part", "position 2: NOT SENT, dry_run is in force", "position 1: closed", "LEFT: 1: position 2 B",
    ]  # fmt: skip
    assert answer.exit_code == 1


def test_limits(bridge: Bridge) -> None:
    assert run("limits").output.splitlines()[1:] == ["orders of the last minute: 1 of 'operator', 2 of all", "no limits"]
    told = run("limits", "--client", "ab").output.splitlines()
    assert told[2:] == ['[clients."a*"]', '  symbols = ["E*"]', "  max_volume = 0.5"]
    assert json.loads(run("limits", "--json").output)["orders_of_all"] == 2


@pytest.mark.parametrize("words", [["halt", "now"], ["resume", "--close"], ["limits", "--client"]])
def test_wrong_usage(words: list[str]) -> None:
    assert run(*words).exit_code == 2
