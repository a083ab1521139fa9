"""The session at a terminal whose calls are slow: everything gets its turn, and the gateway hears that it lives."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.messages import GetRates, GetSymbol, GetTerminal
from bridge.session.link import Busy, Connect, FromSession, Health, Idle, Publish, Result, StartStream, from_session, pack
from bridge.watch import WatchSettings
from tests.fake_terminal import tick
from tests.test_core import ORDER, Bench, only

SILENCE_S = WatchSettings().silence_s


class SlowBench(Bench):
    """Each call of the terminal takes so long; `heard` has what was said with its time."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, FromSession]] = []
        super().__init__()
        self.takes_s = 0.0
        self.terminal.before = self._pass
        self.settle()
        self.session.receive(Connect(1))
        self.settle()
        self.session.receive(StartStream("tick:EURUSD"))
        self.settle()

    def _hear(self, message: FromSession) -> None:
        super()._hear(message)
        self.heard.append((self.now, from_session(pack(message))))

    def _pass(self, function: str) -> None:
        self.now += self.takes_s

    def live(self, seconds: float) -> list[FromSession]:
        """Step after step, as the host does."""
        end, before = self.now + seconds, len(self.heard)
        while self.now < end:
            self.now = max(self.now, min(self.session.next_deadline(), end))
            if self.now < end:
                self.step()
        return [message for _, message in self.heard[before:]]


@pytest.mark.parametrize("takes_s", [0.01, 0.1, 0.2, 0.3, 1.0, 2.0, 4.0])
def test_calls_and_streams_get_their_turn_however_slow_the_terminal_is(takes_s: float) -> None:
    bench = SlowBench()
    bench.takes_s = takes_s
    bench.terminal.ticks["EURUSD"] += tick(1)
    bench.call(GetTerminal())
    bench.call(GetTerminal())
    said = bench.live(max(1.0, 16 * takes_s))
    assert len(only(said, Result)) == 2
    assert [event for message in only(said, Publish) for event in message.events] == [("tick:EURUSD", 0, tick(1))]
    assert only(said, Health)


@pytest.mark.parametrize("takes_s", [0.01, 0.3, 1.0, 2.0, 3.0, 3.9])
def test_a_slow_terminal_is_not_taken_for_one_that_hangs(takes_s: float) -> None:
    bench = SlowBench()
    bench.takes_s = takes_s
    began_s = bench.now
    for number in range(20):
        bench.call(GetTerminal() if number % 2 else GetSymbol("EURUSD"))
    bench.live(100.0)
    allowed_s = silent_s = 0.0
    times = [(began_s, Idle()), *((at, message) for at, message in bench.heard if at >= began_s)]
    for (before_s, message), (after_s, _) in pairwise(times):
        allowed_s = message.limit_s if isinstance(message, Busy) else SILENCE_S
        silent_s = max(silent_s, after_s - before_s)
        assert after_s - before_s < allowed_s, (message, after_s - before_s)
    assert silent_s >= takes_s


def test_a_fast_terminal_says_no_more_than_before() -> None:
    bench = SlowBench()
    bench.takes_s = 0.001
    assert only(bench.live(60.0), Idle) == []


def test_the_time_between_two_signs_begins_when_the_first_is_over() -> None:
    bench = SlowBench()
    bench.takes_s = 0.2
    bench.live(10.0)
    signs = [at for at, message in bench.heard if isinstance(message, Health)]
    waits = [after - before for before, after in pairwise(signs[2:])]
    assert all(1.09 <= wait <= 1.51 for wait in waits), waits


def test_the_list_of_symbols_is_announced_right_before_it_is_read() -> None:
    bench = Bench()
    bench.settle()
    bench.session.receive(Connect(1))
    bench.settle()
    bench.now += 0.6
    while "account" not in bench.step():
        pass
    bench.call(ORDER)
    bench.call(GetRates("EURUSD", "M1"))
    bench.step()
    said = len(bench.said)
    while "symbols" not in bench.step():
        said = len(bench.said)
    assert bench.said[said:] == [Busy("symbols", 60.0)], "an order between the two ended what was announced before"
