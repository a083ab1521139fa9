"""A terminal with any number of symbols that are quoted at a fixed rate, in real time, and what a session over it costs.

Its ticks are made beforehand and its calls only cut them out: what is measured is the session.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import zmq

from benchmarks.served import PATIENCE_S, commands, worker
from benchmarks.stub import StubTerminal, topic_of
from bridge.session import host
from bridge.session.link import Attached, Connect, NotStarted, Publish, Started, StartStream, Stop, from_session, pack
from bridge.session.settings import SessionSettings
from bridge.ticks import RECORD_BYTES, TICK_STRUCT, Tick

BEGIN_S = 1_700_000_000
"""Server time when a terminal is made."""
PAST_S, LONGEST_S = 2, 60
"""How long before and after that there are ticks."""

Socket = zmq.Socket[bytes]


class MarketTerminal(StubTerminal):
    """Each symbol has a tick every `apart_msc` ms; no two of them at once."""

    def __init__(self, symbols: int, rate: int, longest_s: int = LONGEST_S) -> None:
        self._apart_msc = 1_000 * symbols // rate
        self._first_msc = {topic_of(place).removeprefix("tick:"): place * 1_000 // rate for place in range(symbols)}
        times = range(0, (PAST_S + longest_s) * 1_000, self._apart_msc)
        self._ticks = {name: b"".join(map(_tick, times, [first] * len(times))) for name, first in self._first_msc.items()}
        self._began_s = time.monotonic()

    def _rows(self, name: str) -> int:
        """How many ticks of a symbol there are by now."""
        msc = int((time.monotonic() - self._began_s + PAST_S) * 1e3)
        return max(0, (msc - self._first_msc[name]) // self._apart_msc + 1)

    def tick(self, name: str) -> Tick:
        """The last tick."""
        return Tick._make(TICK_STRUCT.unpack_from(self._ticks[name], (self._rows(name) - 1) * RECORD_BYTES))

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        """Ticks from a second on."""
        before_msc = (from_s - BEGIN_S + PAST_S) * 1_000 - self._first_msc[name]
        begin = max(0, -(-before_msc // self._apart_msc))
        return self._ticks[name][begin * RECORD_BYTES : min(begin + count, self._rows(name)) * RECORD_BYTES]


def _tick(at_msc: int, first_msc: int) -> bytes:
    msc = (BEGIN_S - PAST_S) * 1_000 + first_msc + at_msc
    return TICK_STRUCT.pack(msc // 1_000, 1.08 + msc % 100 * 1e-5, 1.09, 0.0, 0, msc, 6, 0.0)


# ---- what a session costs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of a session in µs for each tick, and the same as a part of a core."""

    tick_us: float
    core: float
    events: float

    @property
    def figures(self) -> dict[str, float]:
        """For people."""
        return {"session % of a core": 100 * self.core, "session ticks per event": 1 / self.events}


def session_cost(symbols: int, rate: int, seconds: float) -> Cost:
    """Run a session in a process of its own, with the streams of all symbols. Raises `RuntimeError` when it does not stream."""
    context: zmq.Context[Socket] = zmq.Context()
    link = context.socket(zmq.PAIR)
    link.rcvhwm = link.sndhwm = link.linger = 0
    link.rcvtimeo = int(PATIENCE_S * 1e3)
    port = link.bind_to_random_port("tcp://127.0.0.1")
    try:
        with worker("session", _session, f"tcp://127.0.0.1:{port}", symbols, rate) as process:
            return _measured(link, process.ask, symbols, seconds)
    finally:
        link.close()
        context.term()


def _session(pipe: Connection, endpoint: str, symbols: int, rate: int) -> None:
    threading.Thread(target=_answer, args=(pipe,), daemon=True).start()
    context: zmq.Context[Socket] = zmq.Context()
    terminal: Any = MarketTerminal  # it has what streams need of a terminal, and no more
    host.run(SessionSettings(endpoint, "", "market"), context, lambda _: terminal(symbols, rate))
    context.destroy(0)


def _answer(pipe: Connection) -> None:
    for _ in commands(pipe):
        pipe.send(time.process_time())


def _measured(link: Socket, ask: Callable[[str], float], symbols: int, seconds: float) -> Cost:
    started = 0
    link.recv()
    link.send(pack(Connect(1)))
    while started < symbols:
        match from_session(link.recv()):
            case Attached():
                for place in range(symbols):
                    link.send(pack(StartStream(topic_of(place))))
            case Started():
                started += 1
            case NotStarted(topic, message=why):
                raise RuntimeError(f"the session cannot stream {topic}: {why}")
    ticks = events = 0
    before_s, begin_s = ask("cpu"), time.monotonic()
    while (now_s := time.monotonic()) < begin_s + seconds:
        message = from_session(link.recv())
        if isinstance(message, Publish):
            events += len(message.events)
            ticks += sum(len(body) for _, _, body in message.events) // RECORD_BYTES
    spent_s = ask("cpu") - before_s
    link.send(pack(Stop()))
    if not ticks:
        raise RuntimeError("the session published nothing")
    return Cost(spent_s / ticks * 1e6, spent_s / (now_s - begin_s), events / ticks)
