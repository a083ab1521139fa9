"""The benchmarks of orders: their parts, and each of them as small as it can be. No figure is asserted."""

from __future__ import annotations

from benchmarks import orders, traders
from benchmarks.rounds import Size
from benchmarks.table import chosen
from bridge.ticks import RECORD_BYTES

TINY = Size(1, 0.01)


def test_the_rows() -> None:
    names = [benchmark.name for benchmark in chosen(("orders",))]
    assert names == ["orders-added", "orders-simulator", "orders-intents-1", "orders-intents-50", "orders-clients"]
    assert "orders-clients" not in {benchmark.name for benchmark in chosen(())}, "it takes a minute"


def test_a_tick_that_is_missing_is_found() -> None:
    history = orders.terminal().history()["EURUSD"][: 20 * RECORD_BYTES]
    newest = history[-RECORD_BYTES:]
    begun = history[5 * RECORD_BYTES :]
    assert traders.missing(begun, history, newest) == 0
    assert traders.missing(begun[:RECORD_BYTES] + begun[3 * RECORD_BYTES :], history, newest) == 2
    assert traders.missing(begun[:-RECORD_BYTES], history, newest) == 1, "the end"
    assert traders.missing(begun[:RECORD_BYTES] + begun, history, newest) == 1, "one came twice"


def test_intents() -> None:
    for under_way in (1, 50):
        with orders.intents(Size(1, 0.02), under_way=under_way) as measure:
            told = measure()
        assert 0 < told.value <= told.more["p99 ms"]


def test_what_the_bridge_adds() -> None:
    with orders.added(TINY) as measure:
        told = measure()
    assert set(told.cpu_us) == {"bridge", "client"}
    assert told.value > told.more["terminal's own ms"] > 0


def test_many_clients() -> None:
    with traders.ours(TINY) as measure, traders.reference(TINY) as expected:
        told = measure()
        assert (told.value, told.lost) == (expected().value, 0)
    assert told.more["ticks"] > 0
    assert told.more["least p50 of a client ms"] <= told.more["p50 ms"] <= told.more["greatest p50 of a client ms"]
