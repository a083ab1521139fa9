"""Faults of the connection between bridge, terminal and trade server, while two clients subscribe, read and trade.

Of 130 faults, 50 kill the terminal outright, 20 hang it, 50 drop its link to the broker, and 10 switch the account under the
bridge; other counts in proportion. After each: the state is right within 5 s of the cure, and each change was announced once. In
the end: one bridge all the time, clients that kept their connections, every tick once and in order, no order executed twice or on
the other account.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bridge.terminal.metatrader import MetaTrader
from bridge.ticks import RECORD_BYTES, last_tick
from clients import events
from tests.faults.injections import FAULTS, RECOVERY_S, Stage, Stuck, ours
from tests.faults.outcome import Outcome, spread
from tests.faults.scene import served, simulated
from tests.faults.sequences import NOTHING, wrong
from tests.faults.verdict import LATE_HEARTBEAT_S, Compared, books, compare, foreign, heartbeat_gaps_s, strangers, streams
from tests.faults.witness import TOPICS, Reader, Trader, Witness
from tests.processes import PATIENCE_S, Served

OF_130 = {"kill": 50, "hang": 20, "broker": 50, "account": 10}
MARKET = ("--profile", "netting", "--start", "2026-03-03 10:00:00", "--speed", "10")
CALM_S = (0.0, 0.2)
HISTORY_ROWS = 1_000_000
QUIET_S = 1.0
LEAVE_S = 2.0
"""How long clients may take to leave when the run was broken off; else they have left by then."""


def shares(count: int) -> dict[str, int]:
    """So many faults, of each kind in proportion (largest remainder)."""
    exact = {kind: count * share / sum(OF_130.values()) for kind, share in OF_130.items()}
    found = {kind: int(value) for kind, value in exact.items()}
    rest = sorted(exact, key=lambda kind: exact[kind] - found[kind], reverse=True)
    for kind in rest[: count - sum(found.values())]:
        found[kind] += 1
    return found


def plan(count: int, dice: random.Random) -> list[str]:
    """The faults in the order of their coming."""
    kinds = list(Counter(shares(count)).elements())
    dice.shuffle(kinds)
    return kinds


# ---- the run ---------------------------------------------------------------------------------------------------------------------


def run(seed: int, count: int) -> Outcome:
    """Inject so many faults."""
    began_s = time.monotonic()
    outcome = Outcome("connection", seed, dict(shares(count)))
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        started(Path(folder), seed, count) as (stage, bridge, errors),
    ):
        injected = 0
        try:
            for kind in plan(count, stage.dice):
                time.sleep(stage.dice.uniform(*CALM_S))
                once(stage, kind, injected)
                injected += 1
        except (Stuck, OSError, AssertionError) as stuck:
            stage.wrong.append(f"after {injected} faults: {stuck}")
            mend(stage)
        settle(stage)
        conclude(stage, bridge, errors, outcome)
    outcome.figures["seconds"] = round(time.monotonic() - began_s, 1)
    return outcome


@contextmanager
def started(folder: Path, seed: int, count: int) -> Iterator[tuple[Stage, Served, Path]]:
    """Terminal, bridge and clients, connected and at work."""
    news = threading.Condition()
    settings = f"restarts_per_hour = {max(1_000, count)}"
    with simulated(folder, *MARKET) as terminal, served(folder, terminal, settings) as (bridge, errors):
        stage = Stage(random.Random(seed), terminal, Reader(bridge.requests, news), Trader(bridge.requests, news), news)
        for witness in stage.witnesses:
            witness.start()
        try:
            stage.until("the beginning", lambda: stage.trader.done_s > 0 and stage.reader.healthy_s > 0, PATIENCE_S)
            yield stage, bridge, errors
        finally:
            for witness in stage.witnesses:
                witness.end()
            for witness in stage.witnesses:
                witness.join(LEAVE_S)


def once(stage: Stage, kind: str, number: int) -> None:
    """One fault, and what follows from it."""
    stage.until("calm", lambda: all(witness.states[-1].state == "connected" for witness in stage.witnesses))
    mark = stage.mark()
    cured_s, words = FAULTS[kind](stage, mark)
    if words:
        stage.until(f"recovery from {kind}", lambda: stage.come(mark, *words))
        recovered_s = time.monotonic() - cured_s
        stage.recovery_s[kind].append(recovered_s)
        if recovered_s > RECOVERY_S:
            stage.wrong.append(f"fault {number}, {kind}: connected again only {recovered_s:.1f} s after the cure")
    stage.until("work as before", lambda: min(stage.trader.done_s, stage.reader.healthy_s) > cured_s)
    working_s = time.monotonic() - cured_s
    stage.working_s.append(working_s)
    if working_s > RECOVERY_S:
        stage.wrong.append(f"fault {number}, {kind}: orders and status work again only {working_s:.1f} s after the cure")
    for witness in stage.witnesses:
        before = witness.states[mark[witness.name] - 1]
        found = wrong(kind if words else NOTHING, before, witness.states[mark[witness.name] :])
        stage.wrong += [f"fault {number}, {witness.name}: {text}" for text in found]


def mend(stage: Stage) -> None:
    """After a failure: cure whatever is in force, so that the rest can still be judged."""
    if not stage.terminal.running:
        stage.terminal.start()
    stage.terminal.clear()
    with contextlib.suppress(Stuck):
        stage.until("connection", lambda: all(witness.states[-1].state == "connected" for witness in stage.witnesses))


def settle(stage: Stage) -> None:
    """Stop trading and the market's clock, and wait until the clients have received everything."""
    stage.trader.halt()
    stage.terminal.hold()
    before, now = -1, 0
    while now != before:
        time.sleep(QUIET_S)
        before, now = (
            now,
            sum(not isinstance(event.item, events.Heartbeat) for witness in stage.witnesses for event in witness.seen),
        )


def conclude(stage: Stage, bridge: Served, errors: Path, outcome: Outcome) -> None:
    """Look at everything that was seen."""
    with stage.terminal.inspected() as program:
        found = books(stage.trader.sent, ours(program))
        ticks = Compared()
        for witness in stage.witnesses:
            witness.end()
            witness.join(PATIENCE_S)
            stage.wrong += witness.wrong
            stage.wrong += [f"{witness.name} failed: {witness.failure}"] if witness.failure else []
            ticks.add(received(stage, witness, program))
    stage.wrong += _few(found.wrong)
    if stage.reader.elsewhere and not stage.switched:
        stage.wrong.append(f"reader: {stage.reader.elsewhere} reads were refused as another account's, and none was switched")
    marked = [foreign(witness.seen, stage.switched) for witness in stage.witnesses]
    stage.wrong += _few([text for _, texts in marked for text in texts])
    stage.wrong += _few([text for witness in stage.witnesses for text in strangers(witness.seen, stage.strangers)])
    stage.wrong += [f"a read told of another account's position {position[0]}" for position in stage.reader.held & stage.strangers]
    beats = [heartbeat_gaps_s(witness.seen) for witness in stage.witnesses]
    longest_s = max((gap_s for gaps_s, _ in beats for gap_s in gaps_s), default=0.0)
    if any(gap_s > period_s + LATE_HEARTBEAT_S for gaps_s, period_s in beats for gap_s in gaps_s):
        stage.wrong.append(f"{longest_s:.1f} s without a heartbeat")
    if bridge.process.poll() is not None:
        stage.wrong.append(f"the bridge has ended with status {bridge.process.returncode}")
    said = errors.read_text(encoding="utf-8")
    if "Traceback" in said:
        stage.wrong.append(f"standard error of the bridge: {said[-2_000:]}")
    gone = [name for name in ("reader", "trader") if not stage.reader.subscribed.get(name)]
    if gone:
        stage.wrong.append(f"the bridge has no event connection any more of {', '.join(gone)}")
    hangs = len(stage.noticed_s["hang"])
    if stage.reader.sessions_started != 1 + hangs:
        stage.wrong.append(f"{stage.reader.sessions_started} sessions were started, {hangs} of the first {1 + hangs} hung")
    outcome.wrong += stage.wrong
    outcome.figures |= {
        "recovery_s": spread([value for values in stage.recovery_s.values() for value in values]),
        "recovery_by_fault_s": {kind: spread(values) for kind, values in stage.recovery_s.items()},
        "noticed_s": {kind: spread(values) for kind, values in stage.noticed_s.items()},
        "working_again_s": spread(stage.working_s),
        "unseen_drops": stage.unseen,
        **{name: value for name, value in asdict(found).items() if name != "wrong"},
        "refused_while_switched": stage.refused_elsewhere,
        "ticks": asdict(ticks),
        "marked_foreign": sum(count for count, _ in marked),
        "reads": stage.reader.reads,
        "reads_to_try_again": stage.reader.try_again,
        "reads_refused_while_switched": stage.reader.elsewhere,
        "ping_ms": spread([value * 1e3 for value in stage.reader.pings_s]),
        "longest_heartbeat_s": round(longest_s, 3),
        "sessions_started": stage.reader.sessions_started,
    }


def received(stage: Stage, witness: Witness, program: MetaTrader) -> Compared:
    """What a client received against the terminal's history."""
    found = streams(witness.seen)
    stage.wrong += _few([f"{witness.name}: {text}" for text in found.irregular])
    stage.wrong += _few([f"{witness.name}: {gap}" for gap in found.gaps])
    whole = Compared()
    for topic in TOPICS:
        symbol = topic.removeprefix("tick:")
        if symbol == topic:
            continue
        rows = bytes(found.ticks.get(symbol, b""))
        history = program.ticks_from(symbol, last_tick(rows[:RECORD_BYTES]).time, HISTORY_ROWS) if rows else b""
        compared = compare(rows, history)
        whole.add(compared)
        if witness.failure:
            continue  # it stopped listening
        if not compared.received or compared.lost or compared.duplicated or compared.out_of_order:
            stage.wrong.append(f"{witness.name}, {symbol}: {compared}")
    return whole


def _few(texts: list[str]) -> list[str]:
    """The first of many."""
    return texts if len(texts) <= 5 else [*texts[:5], f"and {len(texts) - 5} more like these"]
