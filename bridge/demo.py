"""`mt5bridge demo`: a simulated terminal, a bridge, two strategy processes and a monitor, all at once on free loopback ports.

The demo checks what it shows. The simulated clock is held until everybody is there and held again at the end, so that the ticks
that the monitor received can be compared with the terminal's own history of the same span: same number, same order, same bytes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import click

from bridge.demo_parts import Part, start_bridge, start_strategy
from bridge.demo_profit import profit_by_magic
from bridge.demo_verdict import Verdict, compare_with_terminal
from bridge.demo_view import LinesView, TableView, View
from bridge.errors import BridgeError, ConfigError
from bridge.records import Account
from bridge.replies import ConnectionState, Status
from bridge.simulation import SimulatedTerminal
from clients import Client, events
from strategies.strategy import magic_of

SYNTHETIC = ("EURUSD", "GBPUSD")
SYNTHETIC_START = "2026-03-04 14:00:00"
"""A Wednesday afternoon by the server's clock, so that the markets are open whenever the demo is run."""
WITHOUT_END_S = 10.0 * 365 * 86_400
READY_S = 20.0
DRAIN_S = 5.0


@dataclass(slots=True)
class Scene:
    """What the monitor has seen so far."""

    symbols: tuple[str, ...]
    epoch: int | None = None
    connection: ConnectionState | None = None
    account: Account | None = None
    first_balance: float | None = None
    status: Status | None = None
    ticks: dict[str, bytearray] = field(default_factory=dict)
    ticks_by_symbol: dict[str, int] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    profits: dict[str, float] = field(default_factory=dict)
    bars: int = 0
    gaps: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def tick_count(self) -> int:
        """Ticks received, the snapshots left out."""
        return sum(self.ticks_by_symbol.values())

    def take(self, event: events.Item) -> None:
        """One event of the monitor's subscription."""
        self.epoch = event.epoch
        match event:
            case events.Ticks():
                self.last[event.symbol] = event.last
                if not event.snapshot:
                    self.ticks[event.symbol] += event.records
                    self.ticks_by_symbol[event.symbol] += len(event)
            case events.Bars():
                if not event.snapshot:
                    self.bars += len(event)
            case events.Connection():
                self.connection = event.connection
            case events.AccountUpdate():
                self.account = event.account
                if self.first_balance is None:
                    self.first_balance = event.account.balance
            case events.Gap():
                self.gaps += 1
                self.errors.append(f"gap in {event.topic}: {event.missing} events ({event.reason})")
            case events.LogLine():
                self.errors.append(f"bridge: {event.record.message}")


def run(*, seconds: float | None, headless: bool, replay: tuple[str, ...], speed: float, as_json: bool) -> int:
    """Run the demo; the exit code is 0 only if every part did its work."""
    began = time.monotonic()
    symbols = _symbols(replay)
    scene = Scene(symbols, ticks={s: bytearray() for s in symbols}, ticks_by_symbol=dict.fromkeys(symbols, 0))
    verdict = Verdict()
    view: View = LinesView(quiet=as_json) if headless or not sys.stdout.isatty() else TableView()
    until = began + (WITHOUT_END_S if seconds is None else seconds)
    with _interruptible() as interrupted, ExitStack() as stack:
        try:
            _play(scene, verdict, view, stack, replay, speed, began, until, interrupted)
        except BridgeError as error:
            verdict.errors.append(str(error))
        except KeyboardInterrupt:
            verdict.interrupted = True
    verdict.finish(scene, needs_bars=not replay, seconds=seconds, speed=speed)
    if as_json:
        click.echo(json.dumps(verdict.summary(scene)))
    else:
        for line in verdict.lines(scene):
            click.echo(line)
    return 0 if verdict.ok else 1


def _play(
    scene: Scene,
    verdict: Verdict,
    view: View,
    stack: ExitStack,
    replay: tuple[str, ...],
    speed: float,
    began: float,
    until: float,
    interrupted: Interrupted,
) -> None:
    arguments = ["--fresh", "--held", "--speed", str(speed)]
    arguments += [word for file in replay for word in ("--replay", file)] if replay else ["--start", SYNTHETIC_START]
    terminal = SimulatedTerminal(arguments)
    stack.callback(terminal.close, 0.5)
    journal = stack.enter_context(tempfile.TemporaryDirectory(prefix="mt5bridge-demo-", ignore_cleanup_errors=True))
    bridge = start_bridge(terminal, journal)
    stack.callback(bridge.close)
    view.say(f"terminal {terminal.address}; bridge requests {bridge.endpoint}")
    client = stack.enter_context(Client(bridge.endpoint, name="demo-monitor"))
    topics = [f"tick:{s}" for s in scene.symbols] + [f"bar:{s}:M1" for s in scene.symbols]
    _await_connection(client, interrupted)
    subscription = stack.enter_context(client.subscribe(*topics, "connection", "account", "log"))
    strategies = _strategies(scene.symbols, bridge.endpoint)
    for part in strategies:
        stack.callback(part.close)
    stack.callback(_ask_all_to_stop, strategies)
    _await_strategies(client, strategies, interrupted)
    terminal.control("control.release")
    view.say(f"{len(strategies)} strategies are ready; the market starts at {speed:g} times real time")
    until = max(until, time.monotonic() + (until - began) / 2)  # a slow start must not leave nothing to see
    with view:
        looked_at = 0.0
        while (now := time.monotonic()) < until and not interrupted.stop:
            event = subscription.get(min(0.2, until - now))
            while event is not None:
                scene.take(event)
                event = subscription.get(0) if time.monotonic() < now + 0.2 else None
            if now >= looked_at + 0.5:
                looked_at = now
                _look(scene, client, strategies)
                view.show(scene, strategies)
                _check_parts([bridge, *strategies], verdict)
                if verdict.errors:
                    return
    if interrupted.stop:
        verdict.interrupted = True
        return
    terminal.control("control.hold")
    _drain(subscription, scene)
    _look(scene, client, strategies)
    compare_with_terminal(client, terminal, scene, verdict, replayed=bool(replay))
    _check_parts([bridge, *strategies], verdict)


def _symbols(replay: tuple[str, ...]) -> tuple[str, ...]:
    if not replay:
        return SYNTHETIC
    from bridge.simulator_settings import recording  # noqa: PLC0415 - numpy is only needed to replay

    return tuple(dict.fromkeys(recording(text)[0] for text in replay))


def _strategies(symbols: tuple[str, ...], endpoint: str) -> list[Part]:
    """Two of them, whatever is traded: on two symbols, or twice on the only one with other averages."""
    first, second = symbols[0], symbols[1] if len(symbols) > 1 else symbols[0]
    return [
        start_strategy(endpoint, first, "fast-averages", fast=2, slow=5),
        start_strategy(endpoint, second, "slow-averages", fast=3, slow=8),
    ]


def _look(scene: Scene, client: Client, strategies: list[Part]) -> None:
    """What is asked for rather than published: the bridge's status, and whose profit it is."""
    scene.status = client.status()
    by_magic = profit_by_magic(client.deals(), client.positions())
    scene.profits = {part.name: by_magic.get(magic_of(part.name), 0.0) for part in strategies}


def _ask_all_to_stop(parts: list[Part]) -> None:
    for part in parts:
        part.ask_to_stop()


def _await_connection(client: Client, interrupted: Interrupted) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and not interrupted.stop:
        status = client.status()
        if status.healthy:
            return
        time.sleep(0.05)
    if not interrupted.stop:
        raise ConfigError(f"the bridge did not reach the terminal: {status.connection.cause}", next_step="see its messages above")


def _await_strategies(client: Client, strategies: list[Part], interrupted: Interrupted) -> None:
    wanted = {part.name for part in strategies}
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and not interrupted.stop:
        subscribed = {peer.name for peer in client.status().clients if peer.subscribed}
        if wanted <= subscribed and all(part.ready for part in strategies):
            return
        for part in strategies:
            if part.exit_code is not None:
                raise ConfigError(f"{part.name} ended with exit code {part.exit_code}", next_step="see its messages above")
        time.sleep(0.05)
    if not interrupted.stop:
        raise ConfigError("the strategies did not get ready", next_step="see their messages above")


def _check_parts(parts: list[Part], verdict: Verdict) -> None:
    for part in parts:
        if part.exit_code is not None:
            verdict.errors.append(f"{part.name} ended by itself with exit code {part.exit_code}")


def _drain(subscription: Any, scene: Scene) -> None:
    """Take what is still on its way: until nothing has come for a while."""
    quiet_since = time.monotonic()
    deadline = quiet_since + DRAIN_S
    while time.monotonic() - quiet_since < 0.6 and time.monotonic() < deadline:
        event = subscription.get(0.1)
        if event is not None:
            scene.take(event)
            if isinstance(event, events.Ticks):
                quiet_since = time.monotonic()


class Interrupted:
    """Set by the first Ctrl-C; the second one is a KeyboardInterrupt."""

    def __init__(self) -> None:
        self.stop = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        if self.stop:
            raise KeyboardInterrupt
        self.stop = True


@contextmanager
def _interruptible() -> Iterator[Interrupted]:
    interrupted = Interrupted()
    names = ["SIGINT", "SIGTERM"] + (["SIGBREAK"] if os.name == "nt" else ["SIGHUP"])
    before = {name: signal.signal(getattr(signal, name), interrupted) for name in names}
    try:
        yield interrupted
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
