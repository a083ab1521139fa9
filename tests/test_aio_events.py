"""Subscriptions of the asyncio client in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.errors import UnknownSymbol
from clients import AsyncClient, CallError, InvalidParameters
from clients.events import Gap, Item, Stale, Ticks
from tests.fake_link import DELAY_S
from tests.scripted_bridge import ScriptedBridge, bar_record, tick_record
from tests.virtual_sockets import Stage
from tests.virtual_time import VirtualTime


@pytest.fixture
def bridge() -> ScriptedBridge:
    return ScriptedBridge(heartbeat_s=1.0, replays=True)


@pytest.fixture
def stage(bridge: ScriptedBridge, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(VirtualTime(), bridge, monkeypatch.setattr)


def publish(stage: Stage, numbers: range, topic: str = "tick:EURUSD") -> None:
    bridge = stage.sockets.bridge
    assert isinstance(bridge, ScriptedBridge)
    for number in numbers:
        bridge.publish(topic, tick_record(number * 1_000))
    stage.sockets.flush()


def seconds(events: list[Item]) -> list[int]:
    return [event.last.time for event in events if isinstance(event, Ticks)]


def test_every_event_comes_once_and_in_order(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.publish("tick:EURUSD", tick_record(1_000))

    async def program() -> None:
        found: list[Item] = []
        async with AsyncClient() as client, client.subscribe("tick:EURUSD") as events:
            publish(stage, range(2, 700))
            async for event in events:
                found.append(event)
                if len(found) == 699:
                    break
            assert seconds(found) == list(range(1, 700))
            assert (events.queued, events.lag_s, events.counters.gaps) == (0, 0.0, 0)
            assert repr(events) == "<AsyncSubscription tick:EURUSD: 0 queued, lag 0.000 s, 0 gaps>"
        assert events.closed
        assert [event async for event in events] == []

    stage.run(program)
    assert b"client:" in bridge.subscriptions[-1]


def test_three_ways_to_begin(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient() as client:
            awaited = await client.subscribe("tick:A")
            entered = client.subscribe("tick:B")
            async with entered as same:
                assert same is entered
                iterated = client.subscribe("tick:C")
                first = asyncio.create_task(anext(iterated))
                await asyncio.sleep(0.1)
                for topic in "ABC":
                    publish(stage, range(1, 2), f"tick:{topic}")
                assert seconds([await first]) == [1]
                for subscription in (awaited, entered):
                    assert seconds([await anext(subscription)]) == [1]
            assert (awaited.closed, entered.closed, iterated.closed) == (False, True, False)

    stage.run(program)


def test_get_waits_so_long_and_no_longer(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient() as client, client.subscribe("tick:EURUSD") as events:
            start_s = stage.time.now
            assert await events.get(2.5) is None
            assert stage.time.now - start_s == pytest.approx(2.5)
            assert await events.get() is None
            stage.time.at(stage.time.now + 1.0, lambda: publish(stage, range(1, 3)))
            assert await events.get(60.0) is not None
            assert stage.time.now - start_s == pytest.approx(3.5 + DELAY_S)
            await asyncio.sleep(0.01)
            assert await events.get() is not None
            assert await events.get() is None

    stage.run(program)


def test_what_is_there_is_received_without_waiting(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient() as client, client.subscribe("tick:EURUSD") as events:
            publish(stage, range(1, 2))
            stage.time.run_for(1.0)  # the program works, and the loop stands still
            assert events.queued == 0
            assert await events.get() is not None

    stage.run(program)


def test_a_topic_that_cannot_be_served_is_an_error_of_its_subscription(stage: Stage, bridge: ScriptedBridge) -> None:
    def refuse(request: Any) -> None:
        raise UnknownSymbol("no such symbol")

    bridge.answers["snapshot"] = refuse

    async def program() -> None:
        async with AsyncClient() as client:
            with pytest.raises(UnknownSymbol, match="no such symbol"):
                await client.subscribe("tick:NOPE")
            with pytest.raises(UnknownSymbol):
                await anext(client.subscribe("tick:NOPE"))
            with pytest.raises(InvalidParameters):
                client.subscribe("")
            assert not client._driver.session.subscriptions.feeds

    stage.run(program)


def test_a_subscription_that_is_cancelled_on_its_way_is_none(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.proving = False  # its proof does not come

    async def program() -> None:
        async with AsyncClient() as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.subscribe("tick:EURUSD").__aenter__(), 0.5)
            await asyncio.sleep(0.1)
            assert not client._driver.session.subscriptions.feeds
            assert not any(prefix.startswith(b"tick") for prefix in stage.sockets.subscribed)

    stage.run(program)


def test_a_cancelled_wait_loses_no_event(stage: Stage) -> None:
    async def program() -> None:
        found: list[Item] = []
        async with AsyncClient() as client, client.subscribe("tick:EURUSD") as events:
            for number in range(1, 100):
                stage.time.after(0.01 * number, lambda number=number: publish(stage, range(number, number + 1)))  # type: ignore[misc]
            while len(found) < 99:
                try:
                    async with asyncio.timeout(0.0037):
                        found.append(await anext(events))
                except TimeoutError:
                    pass
        assert seconds(found) == list(range(1, 100))

    stage.run(program)


def test_who_is_slow_sees_how_far_behind_it_is_and_loses_nothing(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient() as client, client.subscribe("tick:EURUSD", queue_limit=50) as events:
            publish(stage, range(1, 201))
            await asyncio.sleep(1.5)
            assert (events.queued, events.counters.full) == (50, 1)
            assert events.lag_s == pytest.approx(1.5, abs=0.1)
            found: list[Item] = []
            while len(found) < 200:
                event = await events.get(60.0)
                assert event is not None
                assert not isinstance(event, Gap)
                found.append(event)
            assert seconds(found) == list(range(1, 201))

    stage.run(program)


def test_a_loop_over_many_events_leaves_turns_to_others(stage: Stage) -> None:
    async def program() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with AsyncClient() as client, client.subscribe("tick:EURUSD") as events:
            publish(stage, range(1, 101))
            await asyncio.sleep(0.1)
            assert events.queued == 100
            other = asyncio.create_task(others())
            await asyncio.sleep(0)
            before = turns
            for _ in range(100):
                await anext(events)
                stage.time.now += 0.001  # what the program does with it
            other.cancel()
            assert turns - before >= 15

    stage.run(program)


def test_an_idle_wait_sleeps(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wake-up for each heartbeat, not a poll."""

    async def program() -> None:
        async with AsyncClient() as client, client.subscribe("tick:EURUSD") as events:
            turns = 0
            work = client._driver._work

            def counted() -> None:
                nonlocal turns
                turns += 1
                work()

            monkeypatch.setattr(client._driver, "_work", counted)
            assert await events.get(100.0) is None
            assert 100 <= turns <= 350, turns

    stage.run(program)


def test_a_bridge_that_was_restarted_is_found_again(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient(timeout_s=2.0) as client, client.subscribe("tick:EURUSD", "connection") as events:
            publish(stage, range(1, 2))
            assert isinstance(await anext(events), Ticks)
            stage.sockets.cut()
            await asyncio.sleep(10.0)
            assert client.is_silent
            assert "the bridge is silent" in repr(client)
            again = ScriptedBridge(epoch=2, start_s=stage.time.now, heartbeat_s=1.0)
            again.publish("tick:EURUSD", tick_record(2_000))
            stage.sockets.heal(again)
            kinds = []
            async with asyncio.timeout(20.0):
                while "Ticks" not in kinds:
                    kinds.append(type(await anext(events)).__name__)
            assert kinds == ["Gap", "Gap", "Ticks"]  # one for each topic
            assert (await client.ping()).state == "connected"
            assert client.counters.restarts == 1

    stage.run(program)


def test_the_age_of_its_ticks(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient() as client, client.subscribe("tick:EURUSD") as events:
            events.tell_stale()
            publish(stage, range(1, 2))
            event = await anext(events)
            assert not isinstance(event, Stale)
            await asyncio.sleep(30.0)
            assert events.age_s("tick:EURUSD") == pytest.approx(30.0, abs=0.1)
            assert events.stale("tick:EURUSD") is None
            with pytest.raises(InvalidParameters, match="not a topic"):
                events.age_s("tick:GBPUSD")

    stage.run(program)


def test_a_loop_ends_when_another_task_closes_the_subscription(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient() as client:
            events = await client.subscribe("tick:EURUSD")

            async def read() -> list[Item]:
                return [event async for event in events]

            reading = asyncio.create_task(read())
            await asyncio.sleep(0.1)
            await events.close()
            assert await reading == []
            begun = client.subscribe("tick:EURUSD")
            joining = asyncio.ensure_future(begun.get())
            await asyncio.sleep(0)
            await begun.close()
            with pytest.raises(CallError, match="before it was in force"):
                await joining

    stage.run(program)


def test_an_event_that_is_printed_can_be_read(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.publish("tick:EURUSD", tick_record(1_000))
    bridge.publish("bar:EURUSD:M1", bar_record(60))

    async def program() -> list[str]:
        async with AsyncClient() as client, client.subscribe("tick:EURUSD", "bar:EURUSD:M1") as events:
            return sorted([repr(await anext(events)), repr(await anext(events))])

    bars, ticks = stage.run(program)
    assert ticks.startswith("<Ticks tick:EURUSD #1 (snapshot): 1, the newest Tick(time=1, bid=1.1,")
    assert bars.startswith("<Bars bar:EURUSD:M1 #1 (snapshot): 1, the newest Bar(time=60, open=1.1,")
