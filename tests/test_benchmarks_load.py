"""The benchmarks with many symbols and many ticks at once: their parts, and each of them as small as it can be.

No figure is asserted, because a busy machine would fail it.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks import burst, inside, market, memory, symbols
from benchmarks.machine import resident_bytes
from benchmarks.rounds import Size
from benchmarks.stub import TOPIC, topic_of
from bridge.session.link import Publish, from_session
from bridge.ticks import RECORD_BYTES, iter_ticks, last_tick
from bridge.trading import TradeRequest

TINY = Size(1, 0.01)


# ---- what is published -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        inside.Order(1), inside.Order(1_000), inside.Order(129, records=1_000), inside.Order(2_345, symbols=100),
        inside.Order(500, symbols=7, rate=20_000), inside.Order(10, rate=1, base=3),
    ],
)  # fmt: skip
def test_an_order_is_carried_out_exactly(order: inside.Order) -> None:
    assert inside.Order.from_bytes(order.to_bytes()) == order
    published: list[tuple[str, bytes]] = []
    for before, token in order.tokens():
        assert before == len(published)
        message = from_session(inside.message(token))
        assert isinstance(message, Publish)
        assert len(message.events) <= order.together
        published += [(topic, body) for topic, _, body in message.events]
    assert [topic for topic, _ in published] == [topic_of(order.base + number % order.symbols) for number in range(order.count)]
    assert {len(body) for _, body in published} == {order.records * RECORD_BYTES}


def test_the_seconds_of_a_symbol_change() -> None:
    times = []
    for _, token in inside.Order(600, symbols=3).tokens():
        message = from_session(inside.message(token))
        assert isinstance(message, Publish)
        times += [last_tick(body).time for topic, _, body in message.events if topic == TOPIC]
    changes = sum(a != b for a, b in pairwise(times))
    assert changes == len(times) / inside.EACH_SECOND - 1


def test_what_is_no_token_stands_for_itself() -> None:
    assert inside.message(b"anything") == b"anything"


def test_each_tick_of_the_market_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    terminal: market.MarketTerminal = market.MarketTerminal(10, 100)  # type: ignore[abstract]
    name = topic_of(3).removeprefix("tick:")
    now_s = 5.0
    found = list(iter_ticks(terminal.ticks_from(name, market.BEGIN_S, 1_000)))
    assert [tick.time_msc for tick in found] == [market.BEGIN_S * 1_000 + 30 + 100 * number for number in range(50)]
    assert terminal.tick(name) == found[-1]
    assert list(iter_ticks(terminal.ticks_from(name, market.BEGIN_S + 2, 3))) == found[20:23]
    assert terminal.ticks_from(name, market.BEGIN_S + 6, 3) == b""


def test_ticks_happen_while_a_call_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    terminal: burst.BlockedTerminal = burst.BlockedTerminal()  # type: ignore[abstract]
    first = terminal.tick("A")
    for number in (1, 2):
        terminal.check(TradeRequest())
        rows = list(iter_ticks(terminal.ticks_from("A", first.time, 10**6)))
        assert len(rows) == 1 + number * burst.EACH
        assert rows[-1] == terminal.tick("A")
    assert slept == [burst.BLOCKED_S] * 2


def test_memory_is_told_in_bytes() -> None:
    before = resident_bytes()
    ballast = bytearray(b"x" * (64 << 20))
    assert (32 << 20) < resident_bytes() - before < (256 << 20)
    del ballast


# ---- for real --------------------------------------------------------------------------------------------------------------------


def test_symbols() -> None:
    with symbols.side(Size(1, 0.05), symbols=20) as measure:
        told = measure()
    assert set(told.cpu_us) == {"bridge", "subscriber", "session"}
    assert told.value == told.cpu_us["bridge"]
    assert "session % of a core" in told.more


def test_a_burst() -> None:
    with burst.published(TINY, symbols=10) as measure, burst.reference(TINY) as expected:
        told = measure()
        assert (told.value, told.lost) == (expected().value, 0)


def test_a_burst_after_a_blocked_call() -> None:
    with burst.blocked(TINY, symbols=10) as measure:
        told = measure()
        assert (told.value, told.lost) == (10 * burst.EACH, 0)


def test_memory() -> None:
    told = memory.published(30_000, symbols=20)
    assert {"MiB when idle", "MiB at most", "MiB after a 10th"} <= set(told.more)
    assert told.value > told.more["MiB when idle"]
