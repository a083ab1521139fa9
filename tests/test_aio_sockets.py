"""The asyncio client over real sockets; and both clients where something else listens than a bridge, or a bridge dies."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import zmq

from bridge.errors import BridgeError, NotAllowed, WrongProtocol
from clients import AsyncClient, BridgeUnreachable, CallError, Client, ConfigError, TimedOut
from clients.events import Ticks
from tests.records import ACCOUNT
from tests.scripted_bridge import ScriptedBridge, tick_record
from tests.stand_in import StandIn, stand_in


class WithoutReaders(asyncio.SelectorEventLoop):
    """A loop that watches no descriptors, as Windows' Proactor loop; a thread has to."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:  # type: ignore[override]
        raise NotImplementedError


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"own": asyncio.new_event_loop, "without-readers": WithoutReaders}


def run(program: Coroutine[Any, Any, Any], loop: str = "own") -> Any:
    """Run to the end; nothing may be left behind."""
    wrong: list[Any] = []
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: wrong.append(context))
        result = runner.run(asyncio.wait_for(program, 20.0))
        assert not asyncio.all_tasks(runner.get_loop())
    assert not wrong, wrong
    assert not [thread for thread in threading.enumerate() if thread.name == "mt5bridge-readiness"]
    return result


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as running:
        running.bridge.answers["account"] = lambda request: ACCOUNT
        yield running


@pytest.mark.parametrize("loop", LOOPS)
def test_calls_and_events(server: StandIn, loop: str) -> None:
    server.run(lambda bridge: bridge.publish("tick:EURUSD", tick_record(1_000)))

    async def program() -> list[int]:
        async with AsyncClient(server.endpoint, name="test", timeout_s=5.0) as client:
            assert client.endpoint == server.endpoint
            assert await asyncio.gather(*(client.account() for _ in range(300))) == [ACCOUNT] * 300
            seen = []
            async with client.subscribe("tick:EURUSD") as events:
                server.run(lambda bridge: [bridge.publish("tick:EURUSD", tick_record(number * 1_000)) for number in range(2, 900)])
                async for event in events:
                    assert isinstance(event, Ticks)
                    seen.append(event.last.time)
                    if len(seen) == 899:
                        break
            assert (await client.account(), await client.is_connected) == (ACCOUNT, True)
            return seen

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert run(program(), loop) == list(range(1, 900))
        gc.collect()
    assert not warned


def test_one_after_the_other_and_many_at_a_time_never_hang(server: StandIn) -> None:
    """Edges of the sockets' descriptors are not lost, whatever was sent and received when they came."""

    async def one(client: AsyncClient, count: int) -> None:
        for _ in range(count):
            await client.ping()

    async def program() -> None:
        async with AsyncClient(server.endpoint, timeout_s=5.0) as client, client.subscribe("tick:EURUSD") as events:
            calls = asyncio.gather(*(one(client, 20) for _ in range(20)))
            for number in range(1, 40):
                server.run(lambda bridge, number=number: bridge.publish("tick:EURUSD", tick_record(number * 1_000)))  # type: ignore[misc]
                assert await events.get(5.0) is not None
            await calls
            assert client.counters.late == client.counters.unknown == 0

    run(program())


def test_a_blocking_client_works_inside_a_running_loop(server: StandIn) -> None:
    async def cell() -> Any:
        with Client(server.endpoint) as client, client.subscribe("tick:EURUSD") as events:
            server.run(lambda bridge: bridge.publish("tick:EURUSD", tick_record(1_000)))
            return client.account(), type(events.get(5.0))

    assert run(cell()) == (ACCOUNT, Ticks)


def test_a_blocking_client_that_is_printed_can_be_read(server: StandIn) -> None:
    with Client(server.endpoint, name="me") as client, client.subscribe("tick:A", "tick:B*", "bar:A:M1", "log", "trade") as events:
        assert repr(client) == f"<Client 'me' at {server.endpoint}: the terminal is connected>"
        assert repr(events) == "<Subscription tick:A, bar:A:M1, log, trade and 1 more: 0 queued, lag 0.000 s, 0 gaps>"
        assert repr(client.within(2.0)) == repr(client)
    assert repr(client) == f"<Client 'me' at {server.endpoint}: closed>"
    assert "trade and 1 more: closed, 0 queued" in repr(events)


def test_each_task_and_each_thread_with_a_loop_of_its_own(server: StandIn) -> None:
    found: list[Any] = []

    async def program() -> None:
        async with AsyncClient(server.endpoint) as one, AsyncClient(server.endpoint) as other:
            found.extend(await asyncio.gather(one.account(), other.account()))

    threads = [threading.Thread(target=lambda: asyncio.run(program())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [ACCOUNT] * 4


def test_nothing_is_left_of_clients_that_came_and_went(server: StandIn) -> None:
    async def program() -> None:
        for _ in range(3):
            async with AsyncClient(server.endpoint) as client:
                await client.account()

    tracemalloc.start()
    try:
        run(program())
        gc.collect()
    finally:
        tracemalloc.stop()
    assert not [one for one in gc.get_objects() if isinstance(one, AsyncClient) and one._driver.state == "open"]


# ---- both clients: who listens there ---------------------------------------------------------------------------------------------


def begin(kind: str, endpoint: str, timeout_s: float = 0.2) -> BridgeError:
    """The error with which a client cannot begin."""

    async def begin_async() -> None:
        async with AsyncClient(endpoint, timeout_s=timeout_s):
            pass

    with pytest.raises(BridgeError) as caught:
        Client(endpoint, timeout_s=timeout_s) if kind == "blocking" else run(begin_async())
    assert "\n" not in str(caught.value)
    assert caught.value.next_step
    return caught.value


KINDS = pytest.mark.parametrize("kind", ["blocking", "asyncio"])


@contextlib.contextmanager
def listening(say: bytes = b"", *, hang_up: bool = False) -> Iterator[str]:
    """A plain TCP server that says something to each who comes."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ending = threading.Event()

    def serve() -> None:
        kept = []
        while not ending.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.sendall(say)
                kept.append(connection)
                if hang_up:
                    kept.pop().close()
        for connection in kept:
            connection.close()
        listener.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ending.set()
        thread.join()


@KINDS
def test_nobody_listens(kind: str) -> None:
    error = begin(kind, "tcp://127.0.0.1:1")
    assert isinstance(error, BridgeUnreachable)
    assert "no bridge answers at tcp://127.0.0.1:1 within 0.2 s; start one with `mt5bridge serve`" in str(error)


@KINDS
def test_what_is_no_endpoint(kind: str) -> None:
    assert isinstance(begin(kind, "127.0.0.1:5555"), ConfigError)


@KINDS
@pytest.mark.parametrize(
    ("say", "hang_up"),
    [(b"", False), (b"HTTP/1.1 400 Bad Request\r\n\r\n", True), (b"SSH-2.0-OpenSSH_9.6\r\n", False), (b"", True)],
)
def test_another_program_listens(kind: str, say: bytes, hang_up: bool) -> None:
    with listening(say, hang_up=hang_up) as endpoint:
        error = begin(kind, endpoint)
    assert isinstance(error, BridgeUnreachable)
    assert f"something listens at {endpoint}, but it does not speak ZeroMQ" in str(error)


@KINDS
def test_the_events_are_no_requests(kind: str, server: StandIn) -> None:
    start_s = time.monotonic()
    error = begin(kind, server.bridge.events_endpoint, timeout_s=10.0)
    assert isinstance(error, WrongProtocol)
    assert "a ZeroMQ socket of another kind; give the first of the two endpoints" in str(error)
    assert time.monotonic() - start_s < 5.0, "it is told at once"


@KINDS
def test_a_handshake_that_is_refused_is_raised_at_once(kind: str) -> None:
    context = zmq.Context()
    locked = context.socket(zmq.ROUTER)
    locked.curve_server = True
    locked.curve_secretkey = zmq.curve_keypair()[1]
    endpoint = f"tcp://127.0.0.1:{locked.bind_to_random_port('tcp://127.0.0.1')}"
    start_s = time.monotonic()
    try:
        error = begin(kind, endpoint, timeout_s=10.0)
    finally:
        context.destroy(0)
    assert isinstance(error, NotAllowed)
    assert "wants a key" in str(error)
    assert time.monotonic() - start_s < 5.0


@KINDS
def test_a_bridge_that_says_nothing(kind: str, server: StandIn) -> None:
    server.bridge.answers["hello"] = lambda request: None
    error = begin(kind, server.endpoint)
    assert isinstance(error, BridgeUnreachable)
    assert "something listens" in str(error)
    assert "does not answer within 0.2 s" in str(error)


@KINDS
def test_a_bridge_whose_events_are_nowhere(kind: str, server: StandIn) -> None:
    server.bridge.events_endpoint = "nowhere"
    error = begin(kind, server.endpoint, timeout_s=10.0)
    assert isinstance(error, ConfigError)
    assert "not an endpoint" in str(error)


@KINDS
def test_a_bridge_of_another_protocol(kind: str, server: StandIn) -> None:
    def refuse(request: Any) -> None:
        raise WrongProtocol("version 1 is not spoken here", next_step="use the client of this bridge's release")

    server.bridge.answers["hello"] = refuse
    error = begin(kind, server.endpoint, timeout_s=10.0)
    assert isinstance(error, WrongProtocol)
    assert "use the client of this bridge's release" in str(error)


@KINDS
def test_a_bridge_that_dies_before_it_answers(kind: str) -> None:
    dying = stand_in(ScriptedBridge(start_s=time.monotonic()))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(dying)

        async def ask() -> None:
            async with AsyncClient(server.endpoint) as client:
                server.bridge.answers["account"] = lambda request: server._ending.set()
                with pytest.raises(TimedOut, match=r"no answer within 0\.2 s"):
                    await client.within(0.2).account()
                with pytest.raises((BridgeUnreachable, TimedOut)):
                    await client.within(0.2).account()

        if kind == "asyncio":
            run(ask())
        else:
            with Client(server.endpoint) as client:
                server.bridge.answers["account"] = lambda request: server._ending.set()
                with pytest.raises(TimedOut, match=r"no answer within 0\.2 s"):
                    client.within(0.2).account()
                with pytest.raises((BridgeUnreachable, TimedOut)):
                    client.within(0.2).account()


def test_a_client_of_another_loop_is_refused_and_one_of_a_loop_that_is_no_more_is_closed(server: StandIn) -> None:
    client, forgotten = AsyncClient(server.endpoint), AsyncClient(server.endpoint)

    async def begin_both() -> None:
        await client.__aenter__()
        await forgotten.__aenter__()

    async def close_elsewhere() -> None:
        with pytest.raises(CallError, match="another event loop"):
            await client.close()

    with asyncio.Runner() as runner:
        runner.run(begin_both())
        run_in_thread(lambda: asyncio.run(close_elsewhere()))
        runner.run(client.close())
    with pytest.raises(CallError, match="another event loop"):
        asyncio.run(forgotten.ping())
    asyncio.run(forgotten.close())
    assert "closed" in repr(forgotten)


def run_in_thread(act: Callable[[], None]) -> None:
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            act()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    assert not failed, failed
