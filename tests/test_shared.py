"""One call to the terminal for everybody who asks the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from bridge import codec
from bridge.errors import DeadlinePassed, NotConnected, TerminalRefused, TimedOut
from bridge.messages import GetPositions, GetRates, GetTicks, Request
from bridge.replies import Records
from bridge.session import link
from bridge.shared import LIMIT_BYTES, LONG_S, SHORT_S, Shared
from bridge.ticks import BAR_STRUCT
from tests.scripted_session import WALL_US, Bench, health

RATES = GetRates("EURUSD", "M5", count=3)
NOW_S = WALL_US // 1_000_000


def bars(*times: int) -> bytes:
    return b"".join(BAR_STRUCT.pack(time, 1.0, 1.0, 1.0, 1.0, 5, 0, 0) for time in times)


def records(*times: int) -> Raw:
    return Raw(codec.pack(Records(len(times), bars(*times))))


def connected() -> Bench:
    bench = Bench(grace_s=0.25).connect()
    bench.healthy()
    return bench


def ask(bench: Bench, *numbers: int, request: Request[Any] = RATES, deadline_s: float | None = None) -> None:
    for number in numbers:
        bench.ask(request, f"{number}", peer=b"p%d" % number, deadline_s=deadline_s)


def told(bench: Bench, number: int) -> Records:
    return bench.result(GetRates, f"{number}", b"p%d" % number)


def test_ten_who_ask_at_the_same_time_cost_one_call() -> None:
    bench = connected()
    ask(bench, *range(10))
    assert len(bench.calls("rates")) == 1
    bench.say(link.Result(bench.calls()[0].id, records(NOW_S)))
    assert {told(bench, number) for number in range(10)} == {Records(1, bars(NOW_S))}


def test_who_asks_soon_after_gets_the_same_with_its_age() -> None:
    bench = connected()
    ask(bench, 1)
    bench.run(0.2)
    bench.say(link.Result(bench.calls()[0].id, records(NOW_S)))
    bench.run(0.1)
    ask(bench, 2)
    assert told(bench, 2) == Records(1, bars(NOW_S), age_ms=300), "since the terminal was asked"
    bench.run(SHORT_S)
    ask(bench, 3)
    assert len(bench.calls("rates")) == 2


@pytest.mark.parametrize(
    "other", [GetRates("EURUSD", "M5", count=4), GetRates("GBPUSD", "M5", count=3), GetRates("EURUSD", "M5", count=3, fresh=True)]
)
def test_what_is_another_question_is_asked(other: GetRates) -> None:
    bench = connected()
    ask(bench, 1)
    ask(bench, 2, request=other)
    ask(bench, 3, request=other)
    assert len(bench.calls("rates")) == (3 if other.fresh else 2)


def test_what_belongs_to_an_account_is_never_shared() -> None:
    bench = connected()
    ask(bench, 1, 2, request=GetPositions())
    assert len(bench.calls("positions")) == 2


def test_an_error_is_for_all_who_waited_and_is_not_kept() -> None:
    bench = connected()
    ask(bench, 1, 2)
    bench.say(link.failed(bench.calls()[0].id, TerminalRefused("no")))
    assert [type(bench.error(f"{number}", b"p%d" % number)) for number in (1, 2)] == [TerminalRefused] * 2
    ask(bench, 3)
    assert len(bench.calls("rates")) == 2


def test_each_has_its_own_deadline() -> None:
    bench = connected()
    ask(bench, 1, deadline_s=1.0)
    ask(bench, 2, deadline_s=3.0)
    bench.run(2.0)
    assert isinstance(bench.error("1", b"p1"), TimedOut)
    bench.say(link.Result(bench.calls()[0].id, records(NOW_S)))
    assert told(bench, 2).rows == 1
    ask(bench, 3, deadline_s=0.5)
    bench.run(5.0)
    bench.say(link.Result(99, records(NOW_S)))
    ask(bench, 4)
    assert len(bench.calls("rates")) >= 2


def test_a_call_that_was_too_late_for_the_first_is_asked_again_for_the_others() -> None:
    bench = connected()
    ask(bench, 1, deadline_s=1.0)
    ask(bench, 2, 3, deadline_s=5.0)
    bench.run(1.1)
    bench.say(link.failed(bench.calls()[0].id, DeadlinePassed("late")))
    assert isinstance(bench.error("1", b"p1"), DeadlinePassed)
    first, again = bench.calls("rates")
    assert (again.params, again.deadline_s) == (first.params, pytest.approx(5.0, abs=0.01))
    bench.say(link.Result(again.id, records(NOW_S)))
    assert told(bench, 2) == told(bench, 3) == Records(1, bars(NOW_S))


def test_the_past_is_kept_longer_where_the_clock_is_known() -> None:
    for clock, calls in ((False, 2), (True, 1)):
        bench = connected()
        if clock:
            for second in range(1, 60):
                bench.run(0.5)
                for symbol in ("A", "B"):
                    bench.say(health(quote=(symbol, WALL_US // 1000 + 3_600_000 + second * 500)))
        ask(bench, 1, request=GetTicks("EURUSD", from_s=5))
        bench.say(link.Result(bench.calls()[0].id, records(NOW_S - 3 * 86_400)))
        bench.run(60.0)
        ask(bench, 2, request=GetTicks("EURUSD", from_s=5))
        assert len(bench.calls("ticks")) == calls, clock


def test_nothing_is_kept_across_a_loss_of_the_session() -> None:
    bench = connected()
    ask(bench, 1, 2)
    bench.exit()
    assert [type(bench.error(f"{number}", b"p%d" % number)) for number in (1, 2)] == [NotConnected] * 2
    assert bench.gateway.calls.shared.size == 0


def test_the_bound_holds_and_the_least_used_goes_first() -> None:
    shared = Shared(limit_bytes=1_000)
    packed = codec.pack(Records(5, bars(1, 2, 3, 4, 5)))
    for number in range(4):
        shared.keep(("rates", b"%d" % number), packed, 0.0, None)
        assert shared.known(("rates", b"0"), 0.1) is not None
    assert shared.size <= 1_000
    assert shared.known(("rates", b"1"), 0.1) is None
    assert shared.known(("rates", b"3"), 0.1) is not None


@pytest.mark.parametrize("age_s", [0.0, 0.001, 0.05, 0.127, 0.128, 0.255, 0.256, 0.5, LONG_S])
def test_the_age_is_put_in_place(age_s: float) -> None:
    shared = Shared()
    shared.keep(("rates", b""), codec.pack(Records(1, bars(5))), 10.0, 1e9)
    known = shared.known(("rates", b""), 10.0 + age_s)
    assert known is not None
    assert msgspec.msgpack.decode(known, type=Records) == Records(1, bars(5), age_ms=round(age_s * 1000))


def test_an_empty_answer_is_kept_for_a_short_time() -> None:
    shared = Shared(limit_bytes=LIMIT_BYTES)
    shared.keep(("rates", b""), codec.pack(Records(0, b"")), 0.0, 1e9)
    assert shared.known(("rates", b""), SHORT_S) is not None
    assert shared.known(("rates", b""), SHORT_S + 0.01) is None
