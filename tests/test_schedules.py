"""Any schedule of loss, doubling, disorder, delay, cuts and restarts ends, for every client, in the same stream: the terminal's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.ticks import RECORD_BYTES
from clients.events import AccountUpdate
from tests.many_clients import SYMBOLS, Strategy, Town

KINDS: tuple[Callable[[Town, float], None], ...] = (
    Town.wait, Town.lose, Town.shuffle, Town.delay, Town.stop, Town.cut, Town.restart, Town.kill_session, Town.lag, Town.load,
    Town.insert, Town.silence, Town.arrive, Town.pay,
)  # fmt: skip
RECORDS = ("tick:EUR", "tick:GBP", "bar:")
SCHEDULES = st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0.01, 6.0)), max_size=8)


@given(st.integers(0, 10_000), SCHEDULES, st.sampled_from([3_000, 1 << 20]))
@example(97, [(Town.cut, 5.0), (Town.insert, 1.0)], 3_000)
@example(120, [(Town.cut, 0.125), (Town.cut, 3.0)], 3_000)
@settings(max_examples=12, deadline=None)
def test_any_schedule_ends_in_the_same_stream(
    seed: int, schedule: list[tuple[Callable[[Town, float], None], float]], replay_bytes: int
) -> None:
    town = Town(seed, replay_bytes=replay_bytes)
    town.join("tick:EURUSD", "bar:EURUSD:M1", "tick:GBPUSD", "account", "forming:EURUSD:M1")
    town.join("tick:EURUSD", "tick:GBPUSD", limit=6, pause_s=0.4)
    every = town.join("tick:*")
    town.wait(1.0)
    for _ in range(2):  # before these a prefix does not know of the topics, and does not miss them
        for symbol in SYMBOLS:
            town.tick(symbol, twins=False)
        town.wait(1.1)
    town.trade(town.time.now + 16.0)
    for happen, seconds in schedule:
        happen(town, seconds)
    town.calm_down()
    for client in town.clients:
        check(town, client, symbols=SYMBOLS if client is every else ())


def check(town: Town, client: Strategy, symbols: tuple[str, ...] = ()) -> None:
    """Everything from the first on, once, in order; what came late apart, marked."""
    assert client.feed is not None, "it could never subscribe"
    assert client.gaps == []
    assert (client.feed.counters.gaps, client.feed.counters.missing) == (0, 0)
    if "account" in client.topics:
        newest = [item for item in client.taken if isinstance(item, AccountUpdate)][-1]
        assert newest.account == town.terminal.figures
        assert client.records("forming:EURUSD:M1")[-1] == town.terminal.bars["EURUSD", "M1"][-RECORD_BYTES:]
    for topic in (*(f"tick:{symbol}" for symbol in symbols), *(topic for topic in client.topics if topic.startswith(RECORDS))):
        truth = town.truth(topic)
        inserted = town.inserted.get(topic.removeprefix("tick:"), [])
        found = [row for row in client.records(topic) if row not in inserted]
        assert found == truth[len(truth) - len(found) :], f"{topic}: {len(found)} records are not the newest of {len(truth)}"
        assert len(found) > 0 or not client.begins_with_state(topic)
        if client.begins_with_state(topic):
            assert len(found) >= len(truth) - client.least[topic]
        extra = Counter(row for row in [*client.records(topic), *client.records(topic, late=True)] if row in inserted)
        assert max(extra.values(), default=0) <= 1, "delivered twice"
        assert all(row in inserted for row in client.records(topic, late=True)), "marked as late, and was not"
