"""How faults take effect in a world."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.terminal.simulator.fault import Entry, Fault, FaultRefused, Faults, Hold, Holds, Times, begin, end, hold_of
from tests.faulty_terminal import Faulty
from tests.scripted_market import START_MSC


def test_which_calls_are_hit() -> None:
    times = Times(2, skip=1)
    assert [times.take() for _ in range(5)] == [False, True, True, False, False]
    assert times.used
    every = Times(None)
    assert all(every.take() for _ in range(5))
    assert not every.used


def test_holds_are_released_together() -> None:
    holds = Holds()
    assert holds.none
    first, second = holds.add(1.0), holds.add(2.0, executes=False)
    assert (first, second) == (Hold(1.0, True), Hold(2.0, False))
    assert not holds.none
    holds.release()
    assert first.released
    assert second.released
    assert holds.none


def test_the_longest_delay_wins() -> None:
    faulty = Faulty()
    given = [Hold(1.0), Hold(3.0), Hold(2.0)]
    for hold in given:
        begin(faulty.world, Entry("x", {}, Fault(hold=lambda *_, hold=hold: hold)))
    assert hold_of(faulty.world, "version", []) is given[1]
    assert [hold.released for hold in given] == [True, False, True]


def test_the_youngest_fault_has_the_last_word() -> None:
    faulty = Faulty()

    def adding(amount: int) -> Entry:
        def change(_: Any, function: str, args: list[Any], proceed: Any) -> Any:
            code, text, value = proceed(function, args)
            return code, text, value * 10 + amount

        return Entry("x", {}, Fault(change=change))

    first, second = adding(1), adding(2)
    begin(faulty.world, first)
    begin(faulty.world, second)
    assert faulty.mt5.orders_total() == 12
    end(faulty.world, first)
    assert faulty.mt5.orders_total() == 2
    assert faulty.desk.error("orders_total", "too many")[0] == -2, "a malformed call reaches no fault"


def test_a_fault_that_cannot_begin_is_not_in_force() -> None:
    faulty = Faulty()

    def refuse(_: Any) -> None:
        raise FaultRefused("no")

    with pytest.raises(FaultRefused):
        begin(faulty.world, Entry("x", {}, Fault(start=refuse, permission="trade_allowed")))
    assert faulty.world.faults == Faults()
    assert faulty.retcode() == 10009


def test_time_stands_still_and_shifts() -> None:
    faulty = Faulty()
    world = faulty.world
    still, ahead = Entry("x", {}, Fault(stops_time=True)), Entry("x", {}, Fault(shift_msc=5000), until_msc=START_MSC + 3000)
    begin(world, still)
    begin(world, ahead)
    assert (world.now_msc, world.faults.shift_msc) == (START_MSC + 5000, 5000)
    faulty.pass_s(1)
    assert world.now_msc == START_MSC + 5000
    end(world, still)
    faulty.pass_s(1)
    assert world.now_msc == START_MSC + 7000
    faulty.pass_s(1)
    assert world.now_msc == START_MSC + 3000
    assert faulty.names == []
