"""This project's own clients as programs that the kit can drive: `python -m tests.conformance.driver blocking|asyncio`."""

from __future__ import annotations

import asyncio
import json
import queue
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgpack
import msgspec

from bridge.codec import decode_params
from bridge.errors import BridgeError, CallError
from clients import AsyncClient, Client
from clients.events import Bars, Gap, Item, Other, Ticks

TURN_S = 0.005


def plain(value: Any) -> Any:
    """As JSON can have it."""
    built = msgspec.to_builtins(value, builtin_types=(bytes, bytearray, memoryview))

    def walk(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {name: walk(field) for name, field in inner.items()}
        if isinstance(inner, list | tuple):
            return [walk(field) for field in inner]
        return {"hex": bytes(inner).hex()} if isinstance(inner, bytes | bytearray | memoryview) else inner

    return walk(built)


def tell(**told: Any) -> None:
    """A line of output."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def hand(item: Item) -> None:
    """What a subscription has yielded."""
    if isinstance(item, Gap):
        numbers = {"first": item.from_sequence, "last": item.to_sequence, "count": item.missing}
        tell(gap={"topic": item.topic, "epoch": item.epoch, "reason": item.reason, **numbers})
        return
    family = {
        "Connection": "connection",
        "OpenTrades": "trade",
        "TradeUpdate": "trade",
        "AccountUpdate": "account",
        "LogLine": "log",
    }
    topic = getattr(item, "topic", None) or family.get(type(item).__name__, "heartbeat")
    if isinstance(item, Ticks | Bars):
        body: Any = item.records
    elif isinstance(item, Other):
        body = item.body
    else:
        name = next(field for field in item.__struct_fields__ if field not in ("epoch", "sequence", "time_us", "flags", "snapshot"))
        body = getattr(item, name)
    kind = "snapshot" if item.snapshot else "event"
    place = {"epoch": item.epoch, "sequence": item.sequence, "flags": item.flags}
    tell(**{kind: {"topic": topic, **place, "body": plain(body)}})


def failed(error: BridgeError, ref: Any) -> None:
    """What went wrong."""
    body = {"code": error.code, "action": error.action, "message": error.message, "next_step": error.next_step}
    tell(error={**body, "details": plain(error.details), "id": error.request_id}, ref=ref)


def request(command: dict[str, Any]) -> Any:
    """The request that a command wants to be sent."""
    method = "order" if command["do"] == "order" else command["method"]
    params = {"request": command["request"]} if method == "order" else command.get("params", {})
    return decode_params(method, msgspec.Raw(msgpack.packb(params)))


def timing(command: dict[str, Any]) -> dict[str, Any]:
    """How long it may take, and its id."""
    timeout = command.get("timeout_ms")
    return {"timeout_s": None if timeout is None else timeout / 1e3, "request_id": command.get("id")}


def lines() -> Iterator[dict[str, Any]]:
    """Commands."""
    for line in sys.stdin:
        yield json.loads(line)


# ---- the blocking client ---------------------------------------------------------------------------------------------------------


class Blocking:
    """`clients.Client`: one thing after the other, in one thread; between them it receives."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._feeds: dict[tuple[str, ...], Any] = {}
        self._commands: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Until the end of the input."""
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            try:
                command = self._commands.get(timeout=TURN_S if self._client is None else 0.001)
            except queue.Empty:
                self._look()
                continue
            if command is None:
                return
            try:
                tell(result=plain(self._do(command)), ref=command.get("ref"))
            except BridgeError as error:
                failed(error, command.get("ref"))
            self._look()

    def _read(self) -> None:
        for command in lines():
            self._commands.put(command)
        self._commands.put(None)

    def _look(self) -> None:
        for feed in list(self._feeds.values()):
            wait_s = TURN_S
            while (item := feed.get(wait_s)) is not None:
                hand(item)
                wait_s = 0.0

    def _do(self, command: dict[str, Any]) -> Any:
        what = command["do"]
        if what == "connect":
            self._client = Client(command["endpoint"], name=command.get("name"), timeout_s=command.get("timeout_ms", 10_000) / 1e3)
            return {}
        if what == "close":
            client, self._client = self._client, None
            self._feeds.clear()
            return None if client is None else client.__exit__(None, None, None)
        if self._client is None:
            raise CallError("connect first")
        if what in ("request", "order"):
            return self._client.call(request(command), **timing(command))
        if what == "subscribe":
            self._feeds[tuple(command["topics"])] = self._client.subscribe(*command["topics"])
        elif what == "follow":
            prefix = f"{command['prefix']}*"
            self._feeds[(prefix,)] = self._client.subscribe(prefix)
        elif what == "unsubscribe":
            self._feeds.pop(tuple(command["topics"])).close()
        else:
            raise CallError(f"there is no command {what!r}")
        return None


# ---- the asyncio client ----------------------------------------------------------------------------------------------------------


class Asyncio:
    """`clients.AsyncClient`: everything at once."""

    def __init__(self) -> None:
        self._client: AsyncClient | None = None
        self._feeds: dict[tuple[str, ...], Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the end of the input."""
        async for command in self._commands():
            task = asyncio.create_task(self._take(command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _commands() -> AsyncIterator[dict[str, Any]]:
        loop, waiting = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None]()

        def read() -> None:
            for command in lines():
                loop.call_soon_threadsafe(waiting.put_nowait, command)
            loop.call_soon_threadsafe(waiting.put_nowait, None)

        threading.Thread(target=read, daemon=True).start()
        while (command := await waiting.get()) is not None:
            yield command

    async def _take(self, command: dict[str, Any]) -> None:
        try:
            tell(result=plain(await self._do(command)), ref=command.get("ref"))
        except BridgeError as error:
            failed(error, command.get("ref"))

    async def _listen(self, feed: Any) -> None:
        async for item in feed:
            hand(item)

    async def _subscribe(self, topics: tuple[str, ...]) -> None:
        assert self._client is not None
        feed = await self._client.subscribe(*topics)
        self._feeds[topics] = feed
        task = asyncio.create_task(self._listen(feed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, command: dict[str, Any]) -> Any:
        what = command["do"]
        if what == "connect":
            wait_s = command.get("timeout_ms", 10_000) / 1e3
            self._client = await AsyncClient.connect(command["endpoint"], name=command.get("name"), timeout_s=wait_s)
            return {}
        if what == "close":
            client, self._client = self._client, None
            self._feeds.clear()
            return None if client is None else await client.__aexit__(None, None, None)
        if self._client is None:
            raise CallError("connect first")
        if what in ("request", "order"):
            return await self._client.call(request(command), **timing(command))
        if what == "subscribe":
            await self._subscribe(tuple(command["topics"]))
        elif what == "follow":
            await self._subscribe((f"{command['prefix']}*",))
        elif what == "unsubscribe":
            await self._feeds.pop(tuple(command["topics"])).close()
        else:
            raise CallError(f"there is no command {what!r}")
        return None


if __name__ == "__main__":
    if sys.argv[1:] == ["blocking"]:
        Blocking().run()
    elif sys.argv[1:] == ["asyncio"]:
        asyncio.run(Asyncio().run())
    else:
        sys.exit("usage: python -m tests.conformance.driver blocking|asyncio")
