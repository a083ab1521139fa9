"""Downloads with several parts under way, against a bridge that finds their places as the real one does."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec import pack
from bridge.errors import BridgeError, MalformedMessage, TimedOut
from bridge.messages import GetRates, GetTicks, Ping, Request
from bridge.parts import NOTHING, Parts
from bridge.replies import Records
from bridge.ticks import RECORD_BYTES
from clients import history
from clients.calls import Call
from clients.exchange import Exchange
from clients.parts import MOST_PARTS, Download, fetch
from tests.scripted_bridge import bar_record, tick_record

T = TypeVar("T")
R = TypeVar("R")


class Driver:
    """Answers a request when its answer is waited for, the oldest first."""

    def __init__(self, rows: list[bytes]) -> None:
        self.rows = rows
        self.parts: Parts[None] = Parts()
        self.under_way: deque[Call[Any]] = deque()
        self.asked: list[GetRates | GetTicks] = []
        self.timeouts_s: list[float] = []
        self.most = 0
        self.forgotten: list[str] = []
        self.fails_at: int | None = None

    def begin(self, request: Request[R], timeout_s: float, request_id: str | None) -> Call[R]:
        assert request_id
        call = Call(request, request_id, deadline_s=0.0, timeout_s=timeout_s, deadline_msc=None, client_id="me")
        assert isinstance(request, GetRates | GetTicks)
        self.parts.begun((b"", request_id), request)
        self.under_way.append(call)
        self.most = max(self.most, len(self.under_way))
        self.timeouts_s.append(timeout_s)
        return call

    def wait(self, call: Call[R]) -> R:
        assert self.under_way.popleft() is call, "the oldest is wanted first"
        request: Any = call.request
        found = self.parts.resolve((b"", call.id), request, None)
        assert found is not None
        if self.fails_at == len(self.asked):
            raise TimedOut("too slow")
        rows = [] if found == NOTHING else self._answer(found)  # type: ignore[arg-type]
        records = Records(len(rows), b"".join(rows))
        self.parts.answered((b"", call.id), pack(records))
        return records  # type: ignore[return-value]

    def _answer(self, request: GetRates | GetTicks) -> list[bytes]:
        self.asked.append(request)
        times = [int.from_bytes(row[:8], "little") for row in self.rows]
        if isinstance(request, GetTicks):
            return [row for row, time in zip(self.rows, times, strict=True) if time >= request.from_s][: request.count]
        end = len(self.rows) - request.start
        if request.to_s is not None:
            end = sum(time <= request.to_s for time in times)
        return self.rows[max(0, end - request.count) : max(0, end)]

    def forget(self, call: Call[Any]) -> None:
        self.forgotten.append(call.id)


def rows_of(driver: Driver, download: Download[list[bytes]]) -> list[bytes]:
    whole = b"".join(fetch(driver, download, 10.0))
    return [whole[at : at + RECORD_BYTES] for at in range(0, len(whole), RECORD_BYTES)]


@given(
    st.lists(st.integers(1_000, 20_000), max_size=90),
    st.integers(0, 20_500),
    st.none() | st.integers(0, 20_500),
    st.none() | st.integers(1, 95),
    st.integers(12, 20),
    st.integers(1, 5),
)
@settings(max_examples=120, deadline=None)
def test_ticks(times_msc: list[int], from_msc: int, to_msc: int | None, count: int | None, part: int, most: int) -> None:
    per_second = max((sum(time // 1000 == second for time in times_msc) for second in range(1, 21)), default=0)
    if per_second >= part or (to_msc is not None and to_msc < from_msc):
        return
    driver = Driver([tick_record(time, bid=float(at)) for at, time in enumerate(sorted(times_msc))])
    told: list[tuple[int, float | None]] = []
    with patch.object(history, "MAX_ROWS", part):
        date_to = None if to_msc is None else to_msc / 1e3
        download = history.ticks_parts("X", from_msc / 1e3, date_to, count, progress=lambda *now: told.append(now), most=most)
        found = rows_of(driver, download)
    wanted = [row for row, time in zip(driver.rows, sorted(times_msc), strict=True) if from_msc <= time <= (to_msc or 10**6)]
    assert found == wanted[:count]
    assert driver.most <= most
    assert told[-1] == (len(found), 1.0)
    assert [rows for rows, _ in told] == sorted(rows for rows, _ in told)
    assert all(fraction is None or 0 <= fraction <= 1 for _, fraction in told)


@given(
    st.sets(st.integers(1, 90)), st.none() | st.integers(1, 95), st.integers(0, 5), st.none() | st.integers(0, 5_500),
    st.none() | st.integers(0, 5_500), st.integers(1, 9), st.integers(1, 5),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_rates(minutes: set[int], count: int | None, start: int, one: int | None, other: int | None, part: int, most: int) -> None:
    first, last = (one, other) if one is None or other is None else sorted((one, other))
    start = 0 if last is not None else start
    driver = Driver([bar_record(60 * minute) for minute in sorted(minutes)])
    with patch.object(history, "MAX_ROWS", part):
        found = rows_of(driver, history.rates_parts("X", "M1", count, start, first, last, most=most))
    wanted = driver.rows[: max(0, len(driver.rows) - start)]
    wanted = [row for row in wanted if (first or 0) <= int.from_bytes(row[:8], "little") <= (10**9 if last is None else last)]
    given_count = count if count is not None or first is not None else history.DEFAULT_BARS
    assert found == (wanted if given_count is None else wanted[-given_count:])
    assert driver.most <= most


def long_driver(ticks: int = 400) -> Driver:
    return Driver([tick_record(1_000 * second) for second in range(1, ticks + 1)])


def long_download(count: int | None = None, progress: Any = None, **changes: Any) -> Download[list[bytes]]:
    return history.ticks_parts("X", 1, count=count, progress=progress, **changes)


def test_few_parts_are_under_way_and_each_has_its_time() -> None:
    driver = long_driver()
    with patch.object(history, "MAX_ROWS", 10):
        fetch(driver, long_download(), 10.0)
    assert driver.most == MOST_PARTS
    assert (min(driver.timeouts_s), max(driver.timeouts_s)) == (10.0, 10.0 * MOST_PARTS)


@pytest.mark.parametrize(("seconds", "calls"), [(5, 1), (9, 1), (45, 5), (90, 9)])
def test_no_more_than_the_range_is_asked_for(seconds: int, calls: int) -> None:
    driver = long_driver()
    with patch.object(history, "MAX_ROWS", 11):
        found = rows_of(driver, long_download(date_to=seconds))
    assert len(found) == seconds
    assert len(driver.asked) == calls


def test_a_count_is_asked_for_exactly() -> None:
    driver = long_driver()
    with patch.object(history, "MAX_ROWS", 11):
        assert len(rows_of(driver, long_download(count=35))) == 35
    assert [request.count for request in driver.asked] == [11, 11, 11, 5], "a part gives up its last second to the next"


def test_an_error_ends_it_and_nobody_waits_for_the_rest() -> None:
    driver = long_driver()
    driver.fails_at = 3
    with patch.object(history, "MAX_ROWS", 10), pytest.raises(BridgeError, match="too slow"):
        fetch(driver, long_download(), 10.0)
    assert len(driver.forgotten) >= len(driver.under_way) == MOST_PARTS - 1


def test_who_watches_may_end_it() -> None:
    driver = long_driver()

    def watch(rows: int, fraction: float | None) -> None:
        assert fraction == rows / 100
        if rows > 30:
            raise KeyboardInterrupt

    with patch.object(history, "MAX_ROWS", 10), pytest.raises(KeyboardInterrupt):
        fetch(driver, long_download(100, watch), 10.0)
    assert len(driver.asked) == 4
    assert {call.id for call in driver.under_way} <= set(driver.forgotten)


def test_a_bridge_that_does_not_know_how_to_go_on_is_found_out() -> None:
    driver = long_driver()
    with patch.object(driver.parts, "resolve", lambda place, request, waiter: request), patch.object(history, "MAX_ROWS", 10):
        with pytest.raises(MalformedMessage, match="does not go on"):
            fetch(driver, long_download(), 10.0)
        driver.rows = [bar_record(60 * minute) for minute in range(1, 100)]
        driver.under_way.clear()
        with pytest.raises(MalformedMessage, match="does not go on"):
            fetch(driver, history.rates_parts("X", "M1", 90), 10.0)


def test_an_answer_that_nobody_wants_any_more_is_no_fault() -> None:
    ids = iter("ab")
    exchange = Exchange("tcp://127.0.0.1:5555", "me", lambda: next(ids))
    done: list[Call[Any]] = []
    call = exchange.call(Ping(), 0.0, 5.0, None, None, done.append)
    other = exchange.call(Ping(), 0.0, 9.0, None, None, done.append)
    exchange.forget(call)
    assert exchange.next_outgoing() is other, "it is not even sent"
    assert exchange.next_deadline() == 9.0
    assert exchange.answered("a") is None
    assert (done, exchange.late, exchange.unknown, exchange.duplicate) == ([], 0, 0, 0)
    exchange.forget(call)
    assert exchange.answered("b") is other
    assert exchange.answered("b") is None
    assert exchange.duplicate == 1
