"""Which call comes next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from bridge.session.calls import CALLS
from bridge.session.link import Call, StartStream
from bridge.session.schedule import RANKS, STREAM_RANK, Schedule, too_late


def call(number: int, method: str, deadline_s: float = 10.0) -> Call:
    return Call(number, method, Raw(b"\x80"), deadline_s)


def test_every_method_has_a_rank() -> None:
    assert RANKS.keys() == CALLS.keys()


def test_orders_overtake_everything() -> None:
    schedule = Schedule()
    for item in (call(1, "rates"), StartStream("account"), call(2, "tick"), call(3, "deals"), call(4, "margin")):
        schedule.add(item)
    urgent = schedule.urgent
    schedule.add(call(5, "order"))
    assert (urgent, schedule.urgent) == (False, True)
    assert [item.id if isinstance(item, Call) else item.topic for item in drain(schedule)] == [5, 4, 3, 2, "account", 1]


def test_precedes_streams() -> None:
    schedule = Schedule()
    schedule.add(call(1, "rates"))
    before = schedule.precedes_streams
    schedule.add(call(2, "symbol"))
    assert (before, schedule.precedes_streams) == (False, True)


def test_a_stream_that_nobody_wants_any_more_is_not_started() -> None:
    schedule = Schedule()
    for topic in ("a", "b", "a"):
        schedule.add(StartStream(topic))
    schedule.forget("a")
    schedule.forget("c")
    assert drain(schedule) == [StartStream("b")]


def test_a_call_after_its_deadline_is_refused() -> None:
    assert too_late(call(1, "order", 10.0), 10.0) is None
    refusal = too_late(call(1, "order", 10.0), 10.25)
    assert refusal is not None
    assert refusal.code == "deadline_passed"
    assert "250 ms" in str(refusal)


def drain(schedule: Schedule) -> list[Call | StartStream]:
    taken = []
    while (item := schedule.take()) is not None:
        taken.append(item)
    assert not schedule
    assert len(schedule) == 0
    return taken


@given(st.lists(st.sampled_from([*RANKS, "", "unheard_of"])))
def test_by_rank_and_then_by_arrival(methods: list[str]) -> None:
    schedule = Schedule()
    items: list[Call | StartStream] = [
        call(number, method) if method else StartStream(str(number)) for number, method in enumerate(methods)
    ]
    for item in items:
        schedule.add(item)

    def rank(item: Call | StartStream) -> int:
        return STREAM_RANK if isinstance(item, StartStream) else RANKS.get(item.method, 5)

    assert drain(schedule) == sorted(items, key=rank)
