"""The command of the fault runs and its judgement; `python -m tests.faults connection` injects faults in numbers."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bridge.messages import FOREIGN
from bridge.replies import ConnectionState, Heartbeat, TradeEvent
from bridge.trading import Order, Position
from clients import events
from tests.fake_terminal import record, tick
from tests.faults import connection
from tests.faults.__main__ import main
from tests.faults.outcome import Outcome, spread
from tests.faults.sequences import wrong
from tests.faults.table import RUNS, SMOKE, Run
from tests.faults.verdict import books, compare, foreign, heartbeat_gaps_s, strangers, streams
from tests.faults.witness import Seen, Sent, told_apart

# ---- the command -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], f"there is no run 'nonsense'; there are {', '.join([*RUNS, SMOKE])}"),
        (["connection", "--count", "0"], "--count is a number from 1 on"),
        (["smoke", "--count", "3"], "--count is not for smoke"),
        (["connection", "--seed", "x"], "invalid int value"),
        ([], "NAME"),
    ],
)
def test_wrong_usage(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert says in capsys.readouterr().err


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """In place of the real runs, one that finds fault with even seeds; the seeds and counts that it was called with."""
    called: list[tuple[int, int]] = []

    def run(seed: int, count: int) -> Outcome:
        called.append((seed, count))
        if count == 99:
            raise RuntimeError("no terminal")
        return Outcome("made", seed, {"kill": count}, {"recovery_s": spread([1.0, 2.0])}, [] if seed % 2 else ["a tick twice: 7"])

    for name in list(RUNS):
        monkeypatch.delitem(RUNS, name)
    monkeypatch.setitem(RUNS, "made", Run("a run", run, count=5, small=2))
    return called


def test_one_object_on_standard_output(runs: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["made", "--seed", "7", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["name"], told["ok"], told["seed"], told["counts"]) == ("made", True, 7, {"kill": 5})
    assert told["figures"] == {"recovery_s": {"p50": 1.0, "p95": 2.0, "max": 2.0}}
    assert "seed 7" in err
    assert runs == [(7, 5)]


def test_lines_begin_with_the_seed_and_say_what_was_wrong(runs: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["made", "--seed", "8", "--count", "3"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "made: seed 8"
    assert "WRONG: a tick twice: 7" in lines
    assert lines[-1] == "made: NOT ok, 1 wrong; repeat with --seed 8"


def test_without_a_seed_there_is_another_one_each_time(runs: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]) -> None:
    main(["made"])
    main(["made"])
    lines = capsys.readouterr().out.splitlines()
    (first, _), (second, _) = runs
    assert first != second
    assert {f"made: seed {first}", f"made: seed {second}"} <= set(lines)


def test_smoke_is_every_run_small(runs: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "--seed", "8", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["counts"], told["wrong"]) == ("smoke", {"made": {"kill": 2}}, ["made: a tick twice: 7"])
    assert runs == [(8, 2)]


def test_a_run_that_cannot_go_on_does_not_end_the_others(
    runs: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RUNS, "made", replace(RUNS["made"], small=99))
    monkeypatch.setitem(RUNS, "other", RUNS["made"])
    assert main(["smoke", "--seed", "7", "--json"]) == 1
    wrong = json.loads(capsys.readouterr().out)["wrong"]
    assert [text.partition(":")[0] for text in wrong] == ["made", "other"]
    assert runs == [(7, 99), (7, 99)]


def test_what_was_skipped_is_told(
    runs: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    skipping = Run("a run", lambda seed, count: Outcome("made", seed, skipped={"network": "only root can"}), count=5, small=2)
    monkeypatch.setitem(RUNS, "made", skipping)
    assert main(["smoke", "--seed", "7", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["skipped"] == {"made: network": "only root can"}
    assert "SKIPPED: made: network: only root can" in err
    assert main(["made", "--seed", "7"]) == 0
    assert "SKIPPED: network: only root can" in capsys.readouterr().out


def test_a_run_that_cannot_go_on_has_failed(runs: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["made", "--count", "99", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert "no terminal" in told["wrong"][0]


# ---- what a fault has to announce ------------------------------------------------------------------------------------------------


def states(text: str) -> list[ConnectionState]:
    """`state/reason#attempt`, one after the other."""
    found = []
    for at, said in enumerate(text.split()):
        state, _, rest = said.partition("/")
        reason, _, attempt = rest.partition("#")
        made: dict[str, Any] = {"state": state, "reason": reason, "attempt": int(attempt or 1), "trading": state == "connected"}
        found.append(ConnectionState(cause="made", since_msc=0, at_msc=at, **made))
    return found


BEFORE = states("connected/attached")[0]


@pytest.mark.parametrize(
    ("kind", "announced", "fits"),
    [
        ("broker", "degraded/broker_down connected/", True),
        ("broker", "connected/", False),
        ("broker", "", False),
        ("broker", "degraded/broker_down", False),
        ("broker", "degraded/broker_down connected/ degraded/broker_down connected/", False),
        ("broker", "degraded/broker_down degraded/broker_down connected/", False),
        ("broker", "degraded/broker_down connected/ connected/", False),
        ("broker", "degraded/wrong_account connected/", False),
        ("nothing", "", True),
        ("nothing", "degraded/broker_down connected/", False),
        ("account", "degraded/wrong_account connected/", True),
        ("account", "degraded/wrong_account reconnecting/link_lost connecting/ connected/", False),
        ("hang", "reconnecting/session_hung#1 connecting/#2 connected/#2", True),
        ("hang", "reconnecting/session_hung#1 connecting/#2 reconnecting/session_hung#2 connecting/#3 connected/#3", False),
        ("hang", "reconnecting/session_exited#1 connecting/#2 connected/#2", False),
        ("kill", "reconnecting/link_lost#1 connecting/#2 connected/#2", True),
        ("kill", "reconnecting/link_lost#1 connecting/#2 reconnecting/not_started#2 connecting/#3 connected/#3", True),
        ("kill", "reconnecting/link_lost#1 connecting/#2 reconnecting/not_started#2 connecting/#2 connected/#2", False),
        ("kill", "reconnecting/link_lost#1 reconnecting/link_lost#2 connecting/#3 connected/#3", False),
        ("kill", "reconnecting/link_lost#1 connecting/#2 connected/#2 reconnecting/link_lost#1 connecting/#2 connected/#2", False),
        ("kill", "reconnecting/session_exited#1 connecting/#2 connected/#2", False),
        ("kill", "reconnecting/link_lost#1 connecting/#2", False),
        ("kill", "degraded/broker_down connected/", False),
    ],
)
def test_what_is_announced(kind: str, announced: str, fits: bool) -> None:
    assert (not wrong(kind, BEFORE, states(announced))) is fits


def test_news_beside_the_state_may_be_told_in_between() -> None:
    noticed = replace(BEFORE, cause="the trade server's clock: +2 h from UTC", at_msc=9)
    down, up = states("degraded/broker_down connected/")
    assert not wrong("broker", BEFORE, [noticed, down, replace(down, cause="another trouble"), up])
    assert wrong("broker", BEFORE, [replace(BEFORE, at_msc=9), down, up])


def test_trading_goes_with_the_state() -> None:
    down, up = states("degraded/broker_down connected/")
    assert wrong("broker", BEFORE, [replace(down, trading=True), up])
    assert wrong("broker", BEFORE, [down, replace(up, trading=False)])


def test_the_plan_is_in_proportion_and_follows_from_the_seed() -> None:
    assert connection.shares(130) == connection.OF_130
    assert connection.shares(26) == {"kill": 10, "hang": 4, "broker": 10, "account": 2}
    assert connection.shares(3) == {"kill": 1, "hang": 1, "broker": 1, "account": 0}
    assert all(sum(connection.shares(count).values()) == count for count in range(1, 200))
    assert all(connection.shares(RUNS["connection"].small).values())
    planned = connection.plan(26, random.Random(4))
    assert planned == connection.plan(26, random.Random(4)) != connection.plan(26, random.Random(5))
    assert Counter(planned) == connection.shares(26)


# ---- what was received -----------------------------------------------------------------------------------------------------------


def ticks(sequence: int, *msc: int, flags: int = 0, at_s: float = 0.0, symbol: str = "EURUSD") -> Seen:
    return Seen(at_s, events.Ticks(1, sequence, 0, flags, False, symbol, memoryview(b"".join(map(tick, msc)))))


def announced(state: str, at_s: float = 0.0) -> Seen:
    return Seen(at_s, events.Connection(1, 1, 0, 0, False, states(state)[0]))


def test_sequences_count_one_by_one_or_there_is_a_gap() -> None:
    assert not streams([ticks(1, 1), ticks(7, 1, symbol="GBPUSD"), ticks(2, 2, 3)]).irregular
    assert streams([ticks(1, 1), ticks(3, 2)]).irregular
    assert streams([ticks(1, 1), ticks(1, 2)]).irregular
    gap = Seen(0.0, events.Gap("tick:EURUSD", 1, "sequence", 2, 2, 1))
    found = streams([ticks(1, 1), gap, ticks(3, 2), ticks(4, 9, flags=FOREIGN)])
    assert (len(found.gaps), found.irregular) == (1, [])
    assert found.ticks["EURUSD"] == tick(1) + tick(2)


def packed(msc: Sequence[int]) -> bytes:
    return b"".join(map(tick, msc))


@pytest.mark.parametrize(
    ("received", "lost", "duplicated", "out_of_order"),
    [
        ([2, 3, 4, 5], 0, 0, 0),
        ([2, 4, 5], 1, 0, 0),
        ([2, 3, 4], 1, 0, 0),
        ([2, 3, 3, 4, 5], 0, 1, 0),
        ([2, 4, 3, 5], 0, 0, 1),
        ([2, 3, 4, 5, 3], 0, 1, 1),
        ([], 5, 0, 0),
    ],
)
def test_ticks_against_the_history(received: list[int], lost: int, duplicated: int, out_of_order: int) -> None:
    found = compare(packed(received), packed([1, 2, 3, 4, 5]))
    assert (found.lost, found.duplicated, found.out_of_order) == (lost, duplicated, out_of_order)
    assert found.received == len(received)


def test_another_accounts_ticks_are_marked_from_its_announcement_to_its_end() -> None:
    switched = [(1.0, 2.0)]
    other, own = announced("degraded/wrong_account", 1.2), announced("connected/", 1.8)
    good = [ticks(1, 1), ticks(2, 2, at_s=1.1), other, ticks(3, 3, flags=FOREIGN, at_s=1.3), own, ticks(4, 3, at_s=1.9)]
    assert foreign(good, switched) == (1, [])
    assert foreign([other, ticks(3, 3, at_s=1.3)], switched)[1]
    assert foreign([ticks(3, 3, flags=FOREIGN, at_s=2.1)], switched)[1]


def test_another_accounts_positions_are_told_apart() -> None:
    def opened(ticket: int, volume: float) -> Seen:
        position = record(Position, ticket=ticket, volume=volume)
        return Seen(0.0, events.TradeUpdate(1, 1, 0, 0, False, TradeEvent("position_opened", position)))

    theirs = {told_apart(record(Position, ticket=5, volume=0.1))}
    assert not strangers([opened(5, 0.01), opened(6, 0.1)], theirs)
    assert len(strangers([opened(5, 0.01), opened(5, 0.1)], theirs)) == 1


def test_heartbeats_are_measured_by_the_bridge() -> None:
    beats = [
        Seen(9.0, events.Heartbeat(1, n, at, 0, False, Heartbeat(1_000, "", 0, {})))
        for n, at in enumerate((0, 1_000_000, 3_500_000))
    ]
    assert heartbeat_gaps_s(beats) == ([1.0, 2.5], 1.0)
    assert heartbeat_gaps_s([]) == ([], 0.0)


def test_orders_against_the_books() -> None:
    def orders(*tickets: int) -> list[Order]:
        return [record(Order, ticket=ticket) for ticket in tickets]

    done, refused, unknown = Sent("a", 0.0, outcome="done", ticket=5), Sent("b", 0.0, outcome="refused"), Sent("c", 0.0)
    well = books([done, refused, unknown], {"a": orders(5), "c": orders(6)})
    assert (well.done, well.refused, well.unknown, well.unknown_executed, well.twice, well.wrong) == (1, 1, 1, 1, 0, [])
    assert books([done], {}).wrong
    assert books([done], {"a": orders(7)}).wrong
    assert books([done], {"a": orders(5, 6)}).twice == 1
    assert books([unknown], {"c": orders(5, 6)}).wrong
    assert books([refused], {"b": orders(5)}).wrong
    assert books([], {"z": orders(5)}).wrong
