"""The asyncio client in virtual time: calls, cancellation, downloads, where it may be used, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bridge.errors import InternalError, OrderRejected, WrongProtocol
from bridge.messages import MAX_ROWS, Ping
from bridge.replies import ConnectionState, OrderOutcome, Records
from bridge.trading import OrderResult, TradeRequest
from clients import AsyncClient, BridgeUnreachable, CallError, Client, InvalidParameters, OutcomeUnknown, TimedOut
from tests.fake_link import DELAY_S
from tests.records import ACCOUNT, symbol
from tests.scripted_bridge import Nil, ScriptedBridge, bar_record, tick_record
from tests.stand_in import stand_in
from tests.virtual_sockets import Stage
from tests.virtual_time import VirtualTime

HOP_S = 2 * DELAY_S
"""There and back."""
BUY = TradeRequest(action=1, symbol="EURUSD", volume=0.1)


@pytest.fixture
def bridge() -> ScriptedBridge:
    return ScriptedBridge()


@pytest.fixture
def stage(bridge: ScriptedBridge, monkeypatch: pytest.MonkeyPatch) -> Stage:
    bridge.answers |= {"account": lambda request: ACCOUNT, "symbol": lambda request: symbol(request.symbol), "order": executed}
    return Stage(VirtualTime(), bridge, monkeypatch.setattr)


def executed(request: Any) -> OrderOutcome:
    return OrderOutcome("done", OrderResult(10009, 2, 3, request.request.volume, 1.1, 1.1, 1.2, "", 1, 0, request.request))


def silence(request: Any) -> None:
    return None


def refusing(error: Exception) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        raise error

    return answer


# ---- calls -----------------------------------------------------------------------------------------------------------------------


def test_calls_of_many_tasks_are_under_way_at_the_same_time(stage: Stage) -> None:
    async def program() -> float:
        async with AsyncClient() as client:
            assert await client.account() == ACCOUNT
            start_s = stage.time.now
            names = [f"S{number}" for number in range(500)]
            found = await asyncio.gather(*(client.symbol(name) for name in names))
            assert [one.name for one in found] == names
            return stage.time.now - start_s

    assert stage.run(program) == pytest.approx(HOP_S)


def test_many_answers_that_came_while_the_loop_stood_still(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient() as client:
            calls = [asyncio.create_task(client.symbol(f"S{number}")) for number in range(600)]
            await asyncio.sleep(0)
            stage.time.run_for(HOP_S)  # the program computes
            assert [one.name for one in await asyncio.gather(*calls)] == [f"S{number}" for number in range(600)]

    stage.run(program)


@pytest.mark.parametrize("count", [1, 600])
def test_what_was_answered_while_the_loop_stood_still_is_in_time(stage: Stage, bridge: ScriptedBridge, count: int) -> None:
    async def program() -> None:
        async with AsyncClient() as client, client.subscribe("tick:EURUSD"):
            bridge.publish("tick:EURUSD", tick_record(1_000))
            stage.sockets.flush()  # its event comes before the answer
            calls = [asyncio.create_task(client.within(1.0).account()) for _ in range(count)]
            await asyncio.sleep(0)
            stage.time.run_for(5.0)  # the program computes, for longer than the call may take
            assert await asyncio.gather(*calls) == [ACCOUNT] * count

    stage.run(program)


def test_it_says_who_it_is_and_takes_leave(stage: Stage, bridge: ScriptedBridge) -> None:
    async def program() -> None:
        client = AsyncClient(name="ma/EURUSD")
        assert "not connected yet" in repr(client)
        async with client:
            assert (await client.ping()).state == "connected"
            assert repr(client) == "<AsyncClient 'ma/EURUSD' at tcp://127.0.0.1:5555: the terminal is connected>"
        assert repr(client) == "<AsyncClient 'ma/EURUSD' at tcp://127.0.0.1:5555: closed>"

    stage.run(program)
    assert bridge.seen[0][1].name == "ma/EURUSD"  # type: ignore[attr-defined]
    assert bridge.methods() == ["hello", "ping", "goodbye"]
    assert stage.sockets.closed


def test_it_connects_without_a_block_too(stage: Stage) -> None:
    async def program() -> None:
        client = await AsyncClient.connect(timeout_s=3.0)
        assert (client.timeout_s, await client.is_connected) == (3.0, True)
        await client.close()
        await client.close()

    stage.run(program)


def test_an_error_of_the_bridge_is_raised_with_what_it_knows(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers["order"] = refusing(OrderRejected("no money", next_step="use less", retcode=10019))

    async def program() -> None:
        async with AsyncClient() as client:
            with pytest.raises(OrderRejected, match="no money; use less") as caught:
                await client.buy("EURUSD", 0.1, request_id="mine")
            assert (caught.value.details["retcode"], caught.value.request_id) == (10019, "mine")

    stage.run(program)


def test_each_call_has_its_own_time(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers |= {"account": silence, "order": silence}

    async def program() -> None:
        async with AsyncClient(timeout_s=5.0) as client:
            start_s = stage.time.now
            with pytest.raises(TimedOut, match=r"within 5 s"):
                await client.account()
            assert stage.time.now - start_s == pytest.approx(5.0)
            with pytest.raises(TimedOut, match=r"within 0.5 s"):
                await client.within(0.5).account()
            assert stage.time.now - start_s == pytest.approx(5.5)
            slow = asyncio.create_task(client.account())
            assert (await client.call(Ping(), timeout_s=0.1)).state == "connected"
            with pytest.raises(TimedOut):
                await slow
            with pytest.raises(OutcomeUnknown, match="look at positions"):
                await client.order(BUY, timeout_s=0.2)
            assert client.abandoned == (), "it was told to its caller"
            with pytest.raises(InvalidParameters, match="above 0"):
                client.within(0.0)

    stage.run(program)


def test_who_wants_to_know_whether_it_is_connected_has_to_wait(stage: Stage, bridge: ScriptedBridge) -> None:
    async def program() -> None:
        async with AsyncClient() as client:
            assert await client.is_connected
            with pytest.raises(CallError, match=r"await bridge\.is_connected"):
                bool(client.is_connected)
            bridge.connection = ConnectionState("reconnecting", "pipe broke", 0)
            assert not await client.is_connected
            bridge.answers["ping"] = silence
            start_s = stage.time.now
            assert not await client.is_connected
            assert stage.time.now - start_s == pytest.approx(2.0)

    stage.run(program)


def test_several_at_a_time_are_executed_at_once_and_reported_apart(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers["order"] = lambda request: executed(request) if request.request.volume < 1 else refusing(OrderRejected("big"))(0)

    async def program() -> list[Any]:
        async with AsyncClient() as client:
            orders = (client.buy("EURUSD", volume) for volume in (0.1, 1.0, 0.2))
            return [*await asyncio.gather(*orders, return_exceptions=True)]

    first, second, third = stage.run(program)
    assert (first.outcome, type(second), third.result.volume) == ("done", OrderRejected, 0.2)


# ---- cancellation ----------------------------------------------------------------------------------------------------------------


def test_a_cancelled_call_is_forgotten(stage: Stage, bridge: ScriptedBridge) -> None:
    async def program() -> None:
        async with AsyncClient() as client:
            call = asyncio.create_task(client.account())
            await asyncio.sleep(HOP_S / 2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.sleep(1.0)  # its answer comes, and disturbs nobody
            assert (client.counters.unknown, client.counters.late, client.counters.duplicate) == (0, 0, 0)
            assert client.abandoned == ()
            assert await client.account() == ACCOUNT

    stage.run(program)
    assert bridge.methods().count("account") == 2


def test_a_cancelled_order_that_has_left_is_told(stage: Stage, bridge: ScriptedBridge, caplog: pytest.LogCaptureFixture) -> None:
    bridge.answers["order"] = silence

    async def program() -> None:
        async with AsyncClient() as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await client.buy("EURUSD", 0.3, magic=7, request_id="mine")
            (lost,) = client.abandoned
            assert (lost.request_id, lost.details["symbol"], lost.details["volume"], lost.details["magic"]) == (
                "mine",
                "EURUSD",
                0.3,
                7,
            )
            assert "order(…, request_id='mine')" in lost.next_step

    with caplog.at_level(logging.WARNING, "clients.abandoned"):
        stage.run(program)
    assert "order mine" in caplog.text


def test_an_order_whose_answer_came_too_late_for_its_cancelled_caller_is_told(stage: Stage) -> None:
    async def program() -> None:
        async with AsyncClient() as client:
            task = asyncio.create_task(client.buy("EURUSD", 0.1, request_id="mine"))
            await asyncio.sleep(0)

            def cancel() -> None:
                task.cancel()

            stage.time.at(stage.time.now + HOP_S, cancel)  # in the turn in which the answer arrives
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [lost.request_id for lost in client.abandoned] == ["mine"]

    stage.run(program)


def test_a_cancelled_order_that_has_not_left_never_leaves(stage: Stage, bridge: ScriptedBridge) -> None:
    async def program() -> None:
        async with AsyncClient() as client:
            stage.sockets.cut()
            task = asyncio.create_task(client.buy("EURUSD", 0.1))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert client.abandoned == ()
            stage.sockets.heal(bridge)
            await asyncio.sleep(1.0)

    stage.run(program)
    assert "order" not in bridge.methods()


def test_a_socket_that_becomes_ready_unnoticed_is_looked_at_again(stage: Stage) -> None:
    async def program() -> float:
        async with AsyncClient() as client:
            stage.sockets.requests.up, stage.sockets.requests.up_next = False, True
            start_s = stage.time.now
            await client.ping()
            return stage.time.now - start_s

    assert stage.run(program) == pytest.approx(HOP_S)


def test_nothing_that_waits_is_sent_once_it_is_too_late(stage: Stage, bridge: ScriptedBridge) -> None:
    async def program() -> None:
        async with AsyncClient(timeout_s=2.0) as client:
            stage.sockets.cut()
            with pytest.raises(BridgeUnreachable, match="no bridge answers"):
                await client.buy("EURUSD", 0.1)
            stage.sockets.heal(bridge)
            assert (await client.ping()).state == "connected"

    stage.run(program)
    assert "order" not in bridge.methods()


# ---- downloads -------------------------------------------------------------------------------------------------------------------

BARS = [bar_record(60 * (number + 1)) for number in range(6 * MAX_ROWS)]


def rates(request: Any) -> Records:
    last = len(BARS) - request.start if request.to_s is None else request.to_s // 60
    chosen = BARS[max(0, last - request.count) : last]
    return Records(len(chosen), b"".join(chosen))


def test_a_download_has_parts_under_way_and_tells_its_progress(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers["rates"] = rates
    told: list[tuple[int, float | None]] = []

    async def program() -> float:
        async with AsyncClient() as client:
            start_s = stage.time.now
            frame = await client.rates("EURUSD", "M1", count=4 * MAX_ROWS, progress=lambda rows, part: told.append((rows, part)))
            assert (len(frame), frame.index.is_unique, frame.index.is_monotonic_increasing) == (4 * MAX_ROWS, True, True)
            took_s = stage.time.now - start_s
            array = await client.arrays.rates("EURUSD", "M1", count=3)
            assert list(array["time"]) == list(frame.index[-3:].astype("datetime64[s, UTC]").astype("int64"))
            return took_s

    assert stage.run(program) == pytest.approx(HOP_S)
    assert told == [(20_000, 0.25), (40_000, 0.5), (60_000, 0.75), (80_000, 1.0)]


def test_a_cancelled_download_asks_for_nothing_more(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers["rates"] = rates

    async def program() -> None:
        async with AsyncClient() as client:
            task = asyncio.create_task(client.rates("EURUSD", "M1", count=6 * MAX_ROWS, progress=lambda rows, part: task.cancel()))
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(60.0)
            assert bridge.methods().count("rates") == 5, "the four that were under way, and one behind the first"
            assert len(await client.rates("EURUSD", "M1", count=5)) == 5

    stage.run(program)


def test_a_progress_that_raises_ends_the_download(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers["rates"] = rates

    def enough(rows: int, part: float | None) -> None:
        raise KeyError("enough")

    async def program() -> None:
        async with AsyncClient() as client:
            with pytest.raises(KeyError, match="enough"):
                await client.rates("EURUSD", "M1", count=6 * MAX_ROWS, progress=enough)
            assert await client.account() == ACCOUNT

    stage.run(program)


def test_ticks_and_calls_go_together(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers["ticks"] = lambda request: Records(1, tick_record(request.from_s * 1_000))

    async def program() -> None:
        async with AsyncClient() as client:
            frame, account = await asyncio.gather(client.ticks("EURUSD", 1_000), client.account())
            assert (len(frame), account) == (1, ACCOUNT)
            with pytest.raises(InvalidParameters, match="date_from"):
                await client.ticks("EURUSD", "yesterday")  # type: ignore[arg-type]

    stage.run(program)


# ---- where it may be used, and how it ends ---------------------------------------------------------------------------------------


def test_it_cannot_be_used_before_it_is_connected_nor_afterwards(stage: Stage) -> None:
    async def program() -> None:
        client = AsyncClient()
        with pytest.raises(CallError, match=r"not connected yet; write `async with"):
            await client.ping()
        async with client:
            subscription = await client.subscribe("tick:EURUSD")
        for call in (client.ping, client.account, client.status):
            with pytest.raises(CallError, match="is closed; make a new AsyncClient"):
                await call()
        with pytest.raises(CallError, match="is closed"):
            client.subscribe("tick:EURUSD")
        with pytest.raises(CallError, match="used before"):
            await client.__aenter__()
        assert [event async for event in subscription] == []

    stage.run(program)


def test_another_loop_thread_or_process_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[str] = []

    async def program() -> None:
        async with AsyncClient() as client:

            def use() -> None:
                try:
                    asyncio.run(client.ping())
                except CallError as error:
                    caught.append(str(error))

            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
            with monkeypatch.context() as patched:
                patched.setattr("clients.async_driver.os.getpid", lambda: -1)
                with pytest.raises(CallError, match="process"):
                    await client.ping()
                await client.close()
            assert await client.is_connected, "what a fork closes stays open here"

    stage.run(program)
    assert "one AsyncClient in each event loop" in caught[0]


def test_leaving_in_a_cancelled_task_closes_the_sockets(stage: Stage, bridge: ScriptedBridge) -> None:
    async def use(again: bool) -> None:
        async with AsyncClient() as client:
            async for _ in client.subscribe("tick:EURUSD"):
                pass

    async def program(again: bool) -> None:
        task = asyncio.create_task(use(again))
        await asyncio.sleep(0.5)
        bridge.answers["goodbye"] = silence
        start_s = stage.time.now
        task.cancel()
        if again:
            await asyncio.sleep(0.1)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stage.sockets.closed
        assert stage.time.now - start_s == pytest.approx(0.1 if again else 0.3)

    stage.run(lambda: program(False))
    bridge.answers["goodbye"] = lambda request: Nil
    stage.run(lambda: program(True))


def test_who_waits_while_it_is_closed_is_told(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers |= {"account": silence, "order": silence}

    async def program() -> None:
        client = await AsyncClient.connect()
        read = asyncio.create_task(client.account())
        order = asyncio.create_task(client.buy("EURUSD", 0.1, request_id="mine"))
        events = asyncio.create_task(_all(client, "tick:EURUSD"))
        await asyncio.sleep(1.0)
        joining = asyncio.create_task(_all(client, "tick:GBPUSD"))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(CallError, match="closed while the call waited"):
            await read
        with pytest.raises(OutcomeUnknown, match="the client was closed") as caught:
            await order
        assert caught.value.request_id == "mine"
        assert len(await events) == 1, "the state that it began with, and the end"
        with pytest.raises(CallError, match="closed"):
            await joining

    async def late() -> None:
        bridge.answers["goodbye"] = silence
        client = await AsyncClient.connect()
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0.1)
        with pytest.raises(CallError, match="closed while the call waited"):
            await client.account()
        await closing

    bridge.publish("tick:EURUSD", tick_record(1_000))
    stage.run(program)
    stage.run(late)


async def _all(client: AsyncClient, topic: str) -> list[Any]:
    return [event async for event in client.subscribe(topic)]


def test_a_refused_hello_is_raised_at_once(stage: Stage, bridge: ScriptedBridge) -> None:
    bridge.answers["hello"] = refusing(WrongProtocol("this bridge speaks protocol 2"))

    async def program() -> None:
        start_s = stage.time.now
        with pytest.raises(WrongProtocol, match="protocol 2"):
            async with AsyncClient():
                raise AssertionError
        assert stage.time.now - start_s == pytest.approx(HOP_S)
        assert stage.sockets.closed

    stage.run(program)


def test_a_fault_of_the_client_itself_is_told_to_everybody(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    def broken(now: float) -> None:
        raise ZeroDivisionError

    async def program() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: shown.append(context["exception"]))
        client = await AsyncClient.connect()
        calls = [asyncio.create_task(client.account()) for _ in range(2)]
        await asyncio.sleep(0)
        monkeypatch.setattr(client._driver.session, "on_time", broken)
        for call in (*calls, client.ping()):
            with pytest.raises(InternalError, match="the client has failed: ZeroDivisionError"):
                await call
        await client.close()
        assert stage.sockets.closed

    stage.run(program)
    assert [type(error) for error in shown] == [ZeroDivisionError]


def test_an_interrupted_order_of_the_blocking_client_is_told_too() -> None:
    interrupting: list[bool] = []

    def interrupt() -> None:
        if interrupting:
            raise KeyboardInterrupt

    with stand_in() as server, Client(server.endpoint, on_turn=interrupt) as client:
        server.bridge.answers["order"] = silence
        interrupting.append(True)
        with pytest.raises(KeyboardInterrupt):
            client.order(BUY, request_id="mine")
        interrupting.clear()
        assert [lost.request_id for lost in client.abandoned] == ["mine"]
        assert client.is_connected
