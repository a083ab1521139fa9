"""What the doctor learns from a bridge: from one that runs, or from one that it starts for a short look.

A terminal serves one program at a time. So a running bridge is asked and nothing else is attached; and when one seems to be there
but does not answer, nothing is started either.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from bridge.children import own_group
from bridge.config import ENVIRONMENT, Settings
from bridge.doctor_facts import ATTACHED, LATER, Look, SymbolSeen, Trouble
from bridge.errors import AccountChanged, BridgeError, BridgeUnreachable, ConfigError, UnknownSymbol
from bridge.messages import FindSymbol, GetSymbols
from bridge.replies import Status

if TYPE_CHECKING:
    from clients import Client

ANSWER_S = 2.0
"""A running bridge answers within milliseconds, whatever its session does."""
READ_S = 10.0
START_S = 20.0
END_S = 15.0
SETTLE_PART = 0.5
"""Part of the time for attaching that an attached session is given to measure the clock, and its terminal to reach the trade
server."""
LOOK_EVERY_S = 0.1
SOME = 5
"""So many symbols speak for Market Watch."""
PASSING = ("", "starting", "not_started", "link_lost", "attached")
"""Reasons of `reconnecting` that may pass by themselves within seconds."""
TRIES = 3
"""A terminal that has just been left by another program is busy for a moment."""
ANYWHERE = "tcp://127.0.0.1:*"


def ask_running(endpoint: str, symbols: Sequence[str]) -> Look | Trouble | None:
    """What the bridge at the endpoint says; None when no bridge answers there."""
    from clients import Client  # noqa: PLC0415 - the bridge does not need its clients

    try:
        with Client(endpoint, name="doctor", timeout_s=ANSWER_S) as client:
            client.timeout_s = READ_S
            return _seen(client, symbols, own=False)
    except BridgeUnreachable:
        return None
    except BridgeError as error:
        return Trouble(f"the bridge at {endpoint} answers with an error: {error.message}", error.next_step or "restart the bridge")


def start_and_ask(settings: Settings, symbols: Sequence[str], seconds: float) -> Look | Trouble:
    """What a bridge says that is started on free ports, given at most `seconds` to attach, and ended again."""
    from clients import Client  # noqa: PLC0415 - the bridge does not need its clients

    with ended(OwnBridge(elsewhere(settings))) as bridge:
        try:
            endpoint = bridge.endpoint()
            with Client(endpoint, name="doctor", timeout_s=READ_S) as client:
                _await(client, seconds)
                return replace(_seen(client, symbols, own=True), said=bridge.said())
        except BridgeError as error:
            return Trouble(
                f"a bridge started for a look failed: {bridge.said() or error.message}", error.next_step or "mend what it says"
            )


def elsewhere(settings: Settings) -> Settings:
    """The same settings, but anywhere on this machine, and with a session that can be killed."""
    bridge = msgspec.structs.replace(settings.bridge, requests=ANYWHERE, events=ANYWHERE, session="process", require_keys=False)
    return msgspec.structs.replace(settings, bridge=bridge)


class OwnBridge:
    """A bridge as a child process that ends with this one. Its settings, password included, are in nobody's environment."""

    def __init__(self, settings: Settings) -> None:
        self._lines: deque[str] = deque(maxlen=50)
        self._first = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bridge.doctor_bridge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name not in ENVIRONMENT},
            **own_group(),
        )
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it is gone: its lines say why
            self.process.stdin.write(msgspec.json.encode(settings) + b"\n")
            self.process.stdin.flush()
        self._reader = threading.Thread(target=self._read, daemon=True, name="lines of the bridge")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line.decode(errors="replace").strip())
            self._first.set()
        self._first.set()

    def endpoint(self) -> str:
        """Where it serves requests. Raises `ConfigError` when it does not start."""
        self._first.wait(START_S)
        words = self._lines[0].split() if self._lines else []
        if len(words) != 4 or words[0] != "requests":
            raise ConfigError("it did not start", next_step="run mt5bridge serve, and mend what it says")
        return words[1]

    def said(self) -> str:
        """The last line of its own or of its session, if there was one."""
        lines = [line for line in self._lines if line and not line.startswith("requests tcp:")]
        return lines[-1] if lines else ""

    def close(self) -> None:
        """End it in order, so that the session detaches from the terminal; kill it when that takes too long."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(1.0)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()


@contextlib.contextmanager
def ended(bridge: OwnBridge) -> Iterator[OwnBridge]:
    """For the length of a block."""
    try:
        yield bridge
    finally:
        bridge.close()


def _await(client: Client, seconds: float) -> None:
    """Until the session stands where it will stand, or the time for it is over."""
    deadline = time.monotonic() + seconds * (1 + SETTLE_PART)
    attach_until = deadline - seconds * SETTLE_PART
    attached_at: float | None = None
    while (now := time.monotonic()) < deadline:
        status = client.status()
        if status.connection.state not in ATTACHED:
            attached_at = None
            if concluded(status) or now >= attach_until:
                return
        else:
            attached_at = attached_at or now
            if settled(status) or now >= attached_at + seconds * SETTLE_PART:
                return
        time.sleep(LOOK_EVERY_S)


def concluded(status: Status) -> bool:
    """Whether the session has not attached and will not within seconds."""
    connection = status.connection
    if connection.state == "reconnecting":
        return connection.reason not in PASSING and (connection.reason != "busy" or connection.attempt > TRIES)
    return connection.state in ("refused", "suspended", "stopping", "stopped")


def settled(status: Status) -> bool:
    """Whether the clock is known, and the terminal has reached the trade server."""
    connection = status.connection
    return connection.clock.offset_s is not None and all(found.reason != "broker_down" for found in connection.conditions)


def _seen(client: Client, wanted: Sequence[str], *, own: bool) -> Look:
    status = client.status()
    look = Look(client.endpoint, own, status, client.bridge_msc())
    if status.connection.state not in ATTACHED:
        return look
    try:
        look = replace(look, terminal=client.terminal())
        with contextlib.suppress(AccountChanged):  # that is a condition of the connection, too
            look = replace(look, account=client.account())
    except BridgeError as error:
        return replace(look, trouble=Trouble(f"attached, but not readable: {error.message}", error.next_step or LATER))
    symbols = [_symbol(client, name) for name in wanted] if wanted else _market_watch(client, status)
    return replace(look, symbols=tuple(symbols))


def _symbol(client: Client, name: str) -> SymbolSeen:
    try:
        return SymbolSeen(name, wanted=True, record=client.symbol(name))
    except UnknownSymbol as error:
        return SymbolSeen(name, wanted=True, trouble=Trouble(error.message, _other_name(client, name)))
    except BridgeError as error:
        return SymbolSeen(name, wanted=True, trouble=Trouble(error.message, error.next_step or LATER))


def _other_name(client: Client, name: str) -> str:
    try:
        found = client.call(FindSymbol(name))
    except BridgeError:  # it is not known by another name either
        return "look for its name in the terminal's window Symbols (Ctrl+U): brokers have names of their own"
    return f"use {found.symbol}: {found.explanation}"


def _market_watch(client: Client, status: Status) -> list[SymbolSeen]:
    """Of a running bridge the symbols that it streams: to read all of them keeps orders waiting where there are thousands."""
    streamed = [
        topic.topic.removeprefix("tick:")
        for topic in status.topics
        if topic.topic.startswith("tick:") and not topic.topic.endswith("*") and topic.stream == "live"
    ]
    try:
        if streamed:
            records = [client.symbol(name) for name in streamed[:SOME]]
        else:
            shown = [symbol for symbol in client.call(GetSymbols()).symbols if symbol.visible]
            records = sorted(shown, key=lambda symbol: -symbol.time)[:SOME]
    except BridgeError as error:
        return [SymbolSeen("", wanted=False, trouble=Trouble(error.message, error.next_step or LATER))]
    return [SymbolSeen(record.name, wanted=False, record=record) for record in records]
