"""Faults of the way from the terminal to a subscriber, while a payrolls window is played at fifty times its speed.

Each kind of fault has processes of its own: a terminal, a bridge, a subscriber that is hit by the fault (directly, or because it
is behind a proxy or a bad network), a neighbour that is connected to the bridge itself, and one that comes and goes all the time.
Of 232 faults one stops the subscriber for 10 s, 100 cut its connections, 50 kill the bridge, 50 the session and 20 the terminal,
one is a burst of 100,000 ticks, and ten are of the network; other counts in proportion, each kind at least once, and every weather
of the network. In the end everybody has every tick and every bar that the terminal has, each once, in order and
equal to the last bit, and was told of no gap; nobody who joined meanwhile has a hole.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bridge.children import own_group
from bridge.terminal.metatrader import MetaTrader
from bridge.terminal.simulator.recording import read_recordings
from bridge.ticks import TIMEFRAME_S
from bridge.watch import WatchSettings
from clients import Client
from tests.faults import tunnel
from tests.faults.delivery import Delivered, delivered, time_of
from tests.faults.outcome import Outcome, spread
from tests.faults.proxy import Proxy, before
from tests.faults.recordings import BURST_SYMBOLS, TIMES, Recording, burst, window
from tests.faults.scene import BridgeProcess, SimulatedProcess, simulated
from tests.faults.subscribers import Subscriber
from tests.faults.tunnel import Weather
from tests.faults.verdict import Compared
from tests.processes import PATIENCE_S, environment, first_line

OF_232 = {"stop": 1, "cut": 100, "bridge": 50, "session": 50, "terminal": 20, "burst": 1, "network": 10}
FULL = sum(OF_232.values())
SPEED = "50"
TOPICS = ("tick:EURUSD", "tick:NZDUSD", "bar:EURUSD:M1", "bar:EURUSD:M5", "bar:NZDUSD:M1")
START = "2014-05-02 15:25:00"
"""Five minutes before the figures, by the server's clock: six seconds."""
CALM_START = "2014-05-02 16:30:00"
STOP_S, SHORT_STOP_S = 10.0, 4.5
BEFORE_STOP_S = 3.0
BURST_TICKS = 100_000
HASTY = 0.3
"""Of so many faults nobody waits for the recovery: the next one hits while what was missed is being found."""
SETTLED_S = WatchSettings().settled_s + 0.1
"""A session that is killed before this counts as one that does not hold, and the bridge waits longer before it starts another."""
PAUSE_S = (0.0, 0.4)
AWAY_S = (0.0, 0.6)
"""How long what was killed is gone."""
RECOVERY_LIMIT_S = 60.0
HISTORY_ROWS = 1_000_000
WEATHERS = {
    "loss": (Weather(delay_ms=200, loss=0.05), 4.5),
    "disorder": (Weather(delay_ms=30, jitter_ms=30, reordered=0.3, duplicated=0.05), 2.5),
    "nothing to the client": (Weather(cut="to client"), 4.8),
    "nothing to the bridge": (Weather(cut="to bridge"), 4.8),
    "nothing at all": (Weather(cut="both"), 4.8),
}


def shares(count: int) -> dict[str, int]:
    """So many faults, of each kind in proportion and one at least; of the network all that it can be."""
    found = {kind: max(1, round(count * share / FULL)) for kind, share in OF_232.items()}
    found["network"] = max(len(WEATHERS), found["network"])
    return found


# ---- the processes ---------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Stage:
    """The processes of one kind of fault, and what was seen of it."""

    dice: random.Random
    full: bool
    recording: Recording
    topics: tuple[str, ...]
    terminal: SimulatedProcess
    bridge: BridgeProcess
    subscriber: Subscriber
    neighbour: Subscriber
    late: Subscriber | None = None
    proxy: Proxy | None = None
    network: subprocess.Popen[str] | None = None
    recovery_s: list[float] = field(default_factory=list)
    recovery_of_several_s: list[float] = field(default_factory=list)
    hastened: bool = False
    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@contextmanager
def staged(kind: str, folder: Path, seed: int, *, full: bool) -> Iterator[Stage]:
    """Everything that a kind of fault needs, up and subscribed, and the market going."""
    topics = TOPICS if kind != "burst" else tuple(f"tick:{symbol}" for symbol in BURST_SYMBOLS)
    recording = window(folder, seed, TIMES if full else 1) if kind != "burst" else burst(folder, BURST_TICKS, seed)
    starts = {"burst": "2014-05-02 15:00:01", "network": CALM_START}
    words = (*recording.arguments, "--speed", SPEED, "--start", starts.get(kind, START), "--held", "--fresh")
    with ExitStack() as stack:
        terminal = stack.enter_context(simulated(folder, *words))
        bridge = BridgeProcess(folder, terminal, "restarts_per_hour = 100000")
        stack.callback(bridge.stop)
        bridge.start()
        endpoint = bridge.requests
        proxy = network = None
        if kind == "cut":
            proxy, endpoint = before(bridge.requests, bridge.events)
            stack.callback(proxy.end)
        elif kind == "network":
            network, endpoint = stack.enter_context(bad_network(bridge, seed))
        await_session(bridge)
        subscriber = Subscriber(folder / "subscriber", endpoint, topics)
        stack.callback(subscriber.kill)
        neighbour = Subscriber(folder / "neighbour", bridge.requests, topics)
        stack.callback(neighbour.kill)
        late = None
        if kind != "burst":
            late = Subscriber(folder / "late", bridge.requests, topics, rejoin=seed)
            stack.callback(late.kill)
        subscriber.ready()
        neighbour.ready()
        terminal.release()
        dice = random.Random(f"{kind} {seed}")
        yield Stage(dice, full, recording, topics, terminal, bridge, subscriber, neighbour, late, proxy, network)


def await_session(bridge: BridgeProcess) -> int:
    """Wait until the session works; its process."""
    with Client(bridge.requests, name="waiting", timeout_s=PATIENCE_S) as client:
        until_s = time.monotonic() + PATIENCE_S
        while not (status := client.status()).healthy or status.session_pid is None:
            assert time.monotonic() < until_s, f"there is no session: {bridge.errors.read_text()[-2_000:]}"
            time.sleep(0.02)
        return status.session_pid


@contextmanager
def bad_network(bridge: BridgeProcess, seed: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process of a network in front of a bridge, and its endpoint."""
    words = [sys.executable, "-m", "tests.faults.tunnel", bridge.requests, bridge.events, str(seed)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment(), **own_group()) as process:
        try:
            yield process, first_line(process).split()[1]
        finally:
            process.kill()


# ---- the faults ------------------------------------------------------------------------------------------------------------------
# Each injects one fault, and gives the moment from which the recovery counts.


def stop(stage: Stage, number: int) -> float:
    """The subscriber is stopped for a while, as a suspended laptop or a debugger would."""
    seconds = STOP_S if stage.full else SHORT_STOP_S
    time.sleep(BEFORE_STOP_S)
    began_s = time.monotonic()
    os.kill(stage.subscriber.process.pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(stage.subscriber.process.pid, signal.SIGCONT)
    stage.figures["stopped_s"] = seconds
    stage.figures["stopped_at_s"] = (began_s, time.monotonic())
    return time.monotonic()


def cut(stage: Stage, number: int) -> float:
    """Both connections are cut, or one of them."""
    assert stage.proxy is not None
    routes = stage.dice.choice((("requests", "events"), ("events",), ("requests",), ("events",)))
    began_s = time.monotonic()
    stage.proxy.cut(*routes, reset=stage.dice.random() < 0.5)
    return began_s


def kill_bridge(stage: Stage, number: int) -> float:
    """The bridge is killed, and started again."""
    began_s = time.monotonic()
    stage.bridge.kill()
    time.sleep(stage.dice.uniform(*AWAY_S))
    stage.bridge.start()
    return began_s


def kill_session(stage: Stage, number: int) -> float:
    """The session is killed once it has settled; the bridge starts another."""
    while True:
        pid = await_session(stage.bridge)
        time.sleep(SETTLED_S)
        began_s = time.monotonic()
        with contextlib.suppress(ProcessLookupError):  # it ended by itself: there is another
            os.kill(pid, signal.SIGKILL)
            return began_s


def kill_terminal(stage: Stage, number: int) -> float:
    """The terminal is killed, and started again with its state."""
    began_s = time.monotonic()
    stage.terminal.kill()
    time.sleep(stage.dice.uniform(*AWAY_S))
    stage.terminal.start()
    return began_s


def overflow(stage: Stage, number: int) -> float:
    """Very many ticks at once: the market was released, and comes to them by itself."""
    began_s = time.monotonic()
    places = dict.fromkeys(stage.topics, time_of(stage.topics[0], history_of(stage.recording, BURST_SYMBOLS[0])))
    while stage.terminal.now_msc() <= places[stage.topics[0]]:
        time.sleep(0.01)
    at_s = time.monotonic()
    stage.figures["all_there_s"] = round(stage.subscriber.reached(places, RECOVERY_LIMIT_S) - at_s, 3)
    return began_s


def weather(stage: Stage, number: int) -> float:
    """The network is bad for a while."""
    assert stage.network is not None
    assert stage.network.stdin is not None
    name = list(WEATHERS)[number % len(WEATHERS)]
    conditions, seconds = WEATHERS[name]
    stage.network.stdin.write(tunnel.as_line(conditions))
    stage.network.stdin.flush()
    time.sleep(seconds)
    stage.network.stdin.write(tunnel.as_line(Weather()))
    stage.network.stdin.flush()
    return time.monotonic()


FAULTS: dict[str, Callable[[Stage, int], float]] = {
    "stop": stop, "cut": cut, "bridge": kill_bridge, "session": kill_session, "terminal": kill_terminal, "burst": overflow,
    "network": weather,
}  # fmt: skip
ALWAYS_AWAITED = ("stop", "burst", "network")


# ---- the run ---------------------------------------------------------------------------------------------------------------------


def run(seed: int, count: int) -> Outcome:
    """Inject so many faults."""
    began_s = time.monotonic()
    outcome = Outcome("market-data", seed, dict(shares(count)))
    total: dict[str, int] = dict.fromkeys(("received", "lost", "duplicated", "out_of_order", "gaps", "late_joins"), 0)
    for kind, number in shares(count).items():
        reason = tunnel.unavailable() if kind == "network" else ""
        reason = "there are no such signals" if sys.platform == "win32" and kind == "stop" else reason
        if reason:
            outcome.skipped[kind] = reason
            outcome.counts[kind] = 0
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            part = one_kind(kind, Path(folder), seed, number, full=count >= FULL)
        outcome.wrong += [f"{kind}: {text}" for text in part.pop("wrong")]
        outcome.figures[kind] = part
        for name in total:
            total[name] += part[name]
    outcome.figures |= {**total, "seconds": round(time.monotonic() - began_s, 1)}
    return outcome


def one_kind(kind: str, folder: Path, seed: int, number: int, *, full: bool) -> dict[str, Any]:
    """The figures of so many faults of a kind, with what was `wrong`."""
    began_s = time.monotonic()
    with staged(kind, folder, seed, full=full) as stage:
        injected = 0
        try:
            for injected in range(number):
                once(stage, kind, injected, last=injected == number - 1)
        except (AssertionError, OSError) as stuck:
            stage.wrong.append(f"after {injected} faults: {stuck}")
            with contextlib.suppress(AssertionError):
                if not stage.terminal.running:
                    stage.terminal.start()
        found = conclude(stage)
    stage.figures |= {"recovery_s": spread(stage.recovery_s), "market": stage.recording.source}
    if stage.recovery_of_several_s:
        stage.figures["recovery_of_several_s"] = spread(stage.recovery_of_several_s)
    return found | stage.figures | {"wrong": stage.wrong, "seconds": round(time.monotonic() - began_s, 1)}


def once(stage: Stage, kind: str, number: int, *, last: bool) -> None:
    """One fault, and what is waited for after it."""
    time.sleep(stage.dice.uniform(*PAUSE_S))
    hasty = kind not in ALWAYS_AWAITED and not last and stage.dice.random() < HASTY
    fault_s = FAULTS[kind](stage, number)
    hastened, stage.hastened = stage.hastened, hasty
    if hasty or kind == "burst":
        return
    mark_msc = stage.terminal.now_msc()
    places = {topic: mark_msc + 1 for topic in stage.topics if topic.startswith("tick:")}
    recovered_s = stage.subscriber.reached(places, RECOVERY_LIMIT_S) - fault_s
    (stage.recovery_of_several_s if hastened else stage.recovery_s).append(recovered_s)


# ---- the judgement ---------------------------------------------------------------------------------------------------------------


def conclude(stage: Stage) -> dict[str, Any]:
    """Let everybody take what is still coming, and look at what they got."""
    stage.terminal.hold()
    with stage.terminal.inspected() as program:
        histories = {topic: history(program, topic) for topic in stage.topics}
    for topic, rows in histories.items():
        if topic.startswith("tick:") and rows not in history_of(stage.recording, topic.removeprefix("tick:")):
            stage.wrong.append(f"{topic}: the terminal's history is not that of the file")
    places = {topic: time_of(topic, rows) for topic, rows in histories.items()}
    found: dict[str, Delivered] = {}
    for name, subscriber in (("subscriber", stage.subscriber), ("neighbour", stage.neighbour), ("late", stage.late)):
        if subscriber is None:
            continue
        try:
            if name != "late":
                subscriber.reached(places, RECOVERY_LIMIT_S)
        except AssertionError as stuck:
            stage.wrong.append(str(stuck))
        try:
            found[name] = delivered(name, subscriber.finish(), histories, whole=name != "late")
            stage.wrong += few(found[name].wrong)
        except AssertionError as stuck:
            stage.wrong.append(str(stuck))
    if stage.bridge.process is None or stage.bridge.process.poll() is not None:
        stage.wrong.append("the bridge has ended by itself")
    said = stage.bridge.errors.read_text(encoding="utf-8")
    if "Traceback" in said:
        stage.wrong.append(f"standard error of the bridge: {said[-2_000:]}")
    if "stopped_at_s" in stage.figures:
        stage.figures |= undisturbed(stage.neighbour, *stage.figures.pop("stopped_at_s"))
    return told(found)


def told(found: dict[str, Delivered]) -> dict[str, Any]:
    """The figures of all subscribers together."""
    ticks, bars = Compared(), Compared()
    for part in found.values():
        ticks.add(part.ticks)
        bars.add(part.bars)
    return {
        **{name: value + getattr(bars, name) for name, value in asdict(ticks).items()},
        "bars": bars.received,
        "gaps": sum(part.gaps for part in found.values()),
        "late_joins": found["late"].subscriptions if "late" in found else 0,
        "by": {
            name: {"ticks": part.ticks.received, "replayed": part.replayed, "backfilled": part.backfilled}
            for name, part in found.items()
        },
    }


def undisturbed(neighbour: Subscriber, stopped_s: float, going_s: float) -> dict[str, Any]:
    """How late the events of the one beside a stopped subscriber were, before and meanwhile."""
    late = neighbour.lateness()
    return {
        "neighbours_ms": {
            "before": spread_99([late_ms for at_s, late_ms in late if at_s < stopped_s]),
            "meanwhile": spread_99([late_ms for at_s, late_ms in late if stopped_s <= at_s < going_s]),
        }
    }


def spread_99(values: list[float]) -> dict[str, float | None]:
    """Median, 99th percentile and greatest."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None, "max": None}
    place = min(len(ordered) - 1, int(0.99 * len(ordered)))
    return {"p50": round(ordered[len(ordered) // 2], 3), "p99": round(ordered[place], 3), "max": round(ordered[-1], 3)}


def history(program: MetaTrader, topic: str) -> bytes:
    """Everything that the terminal has of a topic now; of bars the closed ones."""
    family, _, rest = topic.partition(":")
    if family == "tick":
        return program.ticks_from(rest, 1, HISTORY_ROWS)
    symbol, _, timeframe = rest.rpartition(":")
    return program.rates_from_pos(symbol, timeframe, 1, 99_000 * 60 // max(60, TIMEFRAME_S[timeframe]))


def history_of(recording: Recording, symbol: str) -> bytes:
    """The ticks of a file."""
    whole: bytes = read_recordings(file for file in recording.files if file.startswith(f"{symbol}="))[symbol].tobytes()
    return whole


def few(texts: list[str]) -> list[str]:
    """The first of many."""
    return texts if len(texts) <= 5 else [*texts[:5], f"and {len(texts) - 5} more like these"]
