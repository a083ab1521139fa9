"""The session in virtual time: what it does next, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw, msgpack

from bridge.codec import pack as pack_message
from bridge.messages import GetAccount, GetPositions, GetRates, GetSymbol, GetTick, Request, SendOrder
from bridge.session.core import MOST_FAILURES, Session
from bridge.session.link import (
    Attached,
    AttachFailed,
    Busy,
    Call,
    Connect,
    Failed,
    FromSession,
    Health,
    Idle,
    Lost,
    NotStarted,
    Publish,
    Result,
    Started,
    StartStream,
    Stop,
    Stopped,
    StopStream,
    from_session,
    pack,
)
from bridge.terminal import Credentials
from bridge.ticks import TIMEFRAMES
from bridge.trading import TradeRequest
from tests.fake_terminal import FakeTerminal, tick

ORDER = SendOrder(TradeRequest(action=1, symbol="EURUSD", volume=0.1))


class Bench:
    """A session, its terminal and the time."""

    def __init__(self) -> None:
        self.terminal = FakeTerminal("EURUSD", "GBPUSD")
        self.terminal.ticks["EURUSD"] = tick(0)
        self.said: list[FromSession] = []
        self.session = Session(self.terminal, Credentials(login=1, password="secret"), self._hear)
        self.now = 50.0
        self._number = 0

    def _hear(self, message: FromSession) -> None:
        self.said.append(from_session(pack(message)))

    def call(self, request: Request[Any], deadline_s: float = 1e9) -> int:
        self._number += 1
        self.session.receive(Call(self._number, request.method, Raw(pack_message(request)), deadline_s))
        return self._number

    def step(self) -> list[str]:
        """One step; the calls to the terminal that it made."""
        before = len(self.terminal.calls)
        self.session.step(self.now)
        return self.terminal.calls[before:]

    def settle(self) -> list[FromSession]:
        """Steps until nothing is due now; what was said."""
        for _ in range(1000):
            if self.session.next_deadline() > self.now:
                break
            self.step()
        else:
            raise AssertionError("never idle")
        said, self.said = self.said, []
        return said

    def pass_time(self, seconds: float) -> list[FromSession]:
        end = self.now + seconds
        said = self.settle()
        while (deadline := self.session.next_deadline()) <= end:
            self.now = max(self.now, deadline)
            said += self.settle()
        self.now = end
        return said

    def connect(self) -> list[FromSession]:
        self.session.receive(Connect(1))
        return self.settle()


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.settle()
    return made


@pytest.fixture
def attached(bench: Bench) -> Bench:
    bench.connect()
    return bench


def only(said: list[FromSession], kind: type[Any]) -> list[Any]:
    return [message for message in said if isinstance(message, kind)]


# ---- connecting ------------------------------------------------------------------------------------------------------------------


def test_before_attaching_it_tells_that_it_lives(bench: Bench) -> None:
    assert set(map(type, bench.pass_time(3))) == {Idle}
    assert len(only(bench.pass_time(3), Idle)) >= 3
    assert bench.terminal.calls == []


def test_attach(bench: Bench) -> None:
    said = bench.connect()
    assert isinstance(said[0], Busy)
    assert said[0].limit_s == 70.0
    assert isinstance(said[1], Attached)
    assert (said[1].account.login, said[1].terminal.name, said[1].version[1]) == (1, "Fake", 5000)
    assert bench.terminal.attached == [Credentials(login=1, password="secret")]


def test_attaching_fails_and_succeeds(bench: Bench) -> None:
    bench.terminal.fail("attach", -6, "Terminal: Authorization failed")
    assert bench.connect()[1:] == [AttachFailed("attach", -6, "Terminal: Authorization failed")]
    assert set(map(type, bench.pass_time(2))) == {Idle}
    assert isinstance(bench.connect()[1], Attached)


def test_health_at_least_once_a_second_by_a_real_call(attached: Bench) -> None:
    attached.terminal.calls.clear()
    said = attached.pass_time(5)
    assert len(only(said, Health)) >= 5
    assert set(attached.terminal.calls) == {"info", "account", "symbols", "tick"}
    attached.terminal.connected = False
    assert [(told.connected, told.ping_us) for told in only(attached.pass_time(1), Health)][-1] == (False, 1234)


def test_calls_before_attaching_are_refused(bench: Bench) -> None:
    bench.call(GetAccount())
    bench.session.receive(StartStream("account"))
    said = bench.settle()
    assert [message.code for message in said if isinstance(message, Failed | NotStarted)] == ["not_connected", "not_connected"]
    assert bench.terminal.calls == []


def test_the_link_breaks_and_is_made_again(attached: Bench) -> None:
    attached.session.receive(StartStream("tick:EURUSD"))
    attached.settle()
    attached.terminal.fail("tick", -10_001, "IPC send failed")
    attached.terminal.fail("info", -10_004, "No IPC connection", times=5)
    attached.call(GetTick("EURUSD"))
    attached.call(GetTick("EURUSD"))
    said = attached.pass_time(3)
    assert only(said, Lost) == [Lost("tick", -10_001, "IPC send failed")]
    assert [message.code for message in only(said, Failed)] == ["not_connected", "not_connected"]
    attached.terminal.recover()
    attached.terminal.ticks["EURUSD"] += tick(1) + tick(2)
    said = attached.connect() + attached.pass_time(1)
    assert len(only(said, Attached)) == 1
    published = [event for message in only(said, Publish) for event in message.events]
    assert published == [("tick:EURUSD", 1, tick(1) + tick(2))]


@pytest.mark.parametrize("function", ["tick", "ticks_from"])
def test_the_link_breaks_in_a_stream(attached: Bench, function: str) -> None:
    attached.session.receive(StartStream("tick:EURUSD"))
    attached.settle()
    attached.terminal.fail(function, -10_002)
    attached.terminal.ticks["EURUSD"] += tick(1)
    said = attached.pass_time(3)
    assert len(only(said, Lost)) == 1
    assert only(said[said.index(only(said, Lost)[0]) :], Health) == []


def test_the_link_breaks_while_a_stream_starts(attached: Bench) -> None:
    attached.terminal.fail("select", -10_002, "IPC recv failed")
    attached.session.receive(StartStream("tick:EURUSD"))
    said = attached.settle()
    assert [message.code for message in only(said, NotStarted)] == ["not_connected"]
    assert only(said, Lost) == [Lost("select", -10_002, "IPC recv failed")]


def test_an_order_whose_link_breaks_is_unknown(attached: Bench) -> None:
    attached.terminal.fail("send", -10_002, "IPC recv failed")
    attached.call(ORDER)
    said = attached.settle()
    assert [(message.code, message.action) for message in only(said, Failed)] == [("outcome_unknown", "look")]
    assert len(only(said, Lost)) == 1


def test_an_order_without_connection_was_not_sent(attached: Bench) -> None:
    attached.terminal.fail("send", -10_004, "No IPC connection")
    attached.call(ORDER)
    said = attached.settle()
    assert [(message.code, message.action) for message in only(said, Failed)] == [("not_connected", "retry")]
    assert len(only(said, Lost)) == 1


# ---- turns -----------------------------------------------------------------------------------------------------------------------


def test_an_order_waits_for_at_most_one_call(attached: Bench) -> None:
    for topic in ("tick:EURUSD", "tick:GBPUSD", "bar:EURUSD:M1", "account", "trade"):
        attached.session.receive(StartStream(topic))
    for _ in range(20):
        attached.call(GetPositions())
        attached.call(GetRates("EURUSD", "M1"))
    for turn in range(60):
        attached.now += 0.01
        attached.terminal.ticks["EURUSD"] += tick(turn + 1)
        calls = attached.step()
        assert len(calls) <= 1 or calls == ["account", "positions", "account"]
        attached.call(ORDER)
        assert attached.step() == (["account", "send"] if turn else ["account", "symbol", "send"])


def test_only_results_of_short_reads_may_wait_for_others(attached: Bench) -> None:
    held: list[FromSession] = []
    attached.session._answer = held.append
    for request in (GetTick("EURUSD", fresh=True), ORDER, GetRates("EURUSD", "M1", count=1)):
        attached.call(request)
    said = attached.settle()
    assert [message.id for message in held if isinstance(message, Result)] == [1]
    assert {message.id for message in only(said, Result)} | {message.id for message in only(said, Failed)} == {2, 3}


def test_an_order_is_not_among_the_reads_that_wait(attached: Bench) -> None:
    assert not attached.session.reads_wait
    attached.call(GetTick("EURUSD", fresh=True))
    assert attached.session.reads_wait
    attached.call(ORDER)
    assert not attached.session.reads_wait


def test_streams_get_their_turn_between_calls(attached: Bench) -> None:
    attached.session.receive(StartStream("tick:EURUSD"))
    attached.settle()
    for _ in range(100):
        attached.call(GetPositions())
    attached.terminal.ticks["EURUSD"] += tick(1)
    attached.now += 0.2
    for _ in range(10):
        attached.step()
    published = [event for message in only(attached.said, Publish) for event in message.events]
    assert published == [("tick:EURUSD", 0, tick(1))]


def test_calls_get_their_turn_between_streams(attached: Bench) -> None:
    for timeframe in TIMEFRAMES:
        attached.session.receive(StartStream(f"bar:EURUSD:{timeframe}"))
    attached.settle()
    number = attached.call(GetPositions())
    attached.now += 100
    for _ in range(6):  # the sign of progress has up to four calls
        attached.step()
    assert [message.id for message in only(attached.said, Result)] == [number]


def test_a_flood_of_calls_does_not_silence_the_signs_of_progress(attached: Bench) -> None:
    health = 0
    for _ in range(300):
        attached.call(GetPositions())
        attached.now += 0.01
        attached.step()
        health = len(only(attached.said, Health))
    assert health >= 3


def test_late_calls_are_never_executed(attached: Bench) -> None:
    attached.call(ORDER, deadline_s=attached.now - 0.001)
    said = attached.settle()
    assert [message.code for message in only(said, Failed)] == ["deadline_passed"]
    assert attached.terminal.sent == []
    attached.call(ORDER, deadline_s=attached.now)
    assert len(only(attached.settle(), Result)) == 1


def test_long_calls_are_announced(attached: Bench) -> None:
    attached.terminal.bars["EURUSD", "M1"] = b""
    for request, announced in ((GetRates("EURUSD", "M1"), True), (ORDER, True), (GetAccount(), False)):
        attached.call(request)
        said = attached.settle()
        assert any(isinstance(message, Busy) for message in said) == announced
        assert isinstance(said[-1], Result)


# ---- streams ---------------------------------------------------------------------------------------------------------------------


def test_a_stream_starts_with_its_state(attached: Bench) -> None:
    attached.session.receive(StartStream("tick:EURUSD"))
    said = attached.settle()
    assert only(said, Started) == [Started("tick:EURUSD", tick(0))]
    assert {message.limit_s for message in only(said, Busy)} == {90.0}
    assert said.index(only(said, Busy)[0]) < said.index(only(said, Started)[0])
    attached.session.receive(StartStream("tick:EURUSD"))
    assert only(attached.settle(), Started) == [Started("tick:EURUSD", tick(0))]


def test_the_account_is_published_before_its_stream_is_said_to_run(attached: Bench) -> None:
    attached.session.receive(StartStream("account"))
    said = [message for message in attached.settle() if isinstance(message, Publish | Started)]
    assert isinstance(said[0], Publish)
    assert said[0].events[0][2]["balance"] == 100.0
    assert said[1] == Started("account", None)


def test_events_before_a_state_are_sent_before_it(attached: Bench) -> None:
    names = ("EURUSD", "GBPUSD")
    for name in names:
        attached.terminal.ticks[name] = tick(0)
        attached.session.receive(StartStream(f"tick:{name}"))
    attached.settle()
    for number in range(1, 200):
        for name in names:
            attached.terminal.ticks[name] += tick(number)
            attached.session.receive(StartStream(f"tick:{name}"))
        attached.now += 0.003
        for _ in range(number % 5):
            attached.step()
    newest = {f"tick:{name}": tick(0) for name in names}
    for message in attached.settle():
        if isinstance(message, Publish):
            for topic, _, body in message.events:
                newest[topic] = body[-60:]
        if isinstance(message, Started):
            assert message.body is not None
            assert message.body[-60:] == newest[message.topic]


def test_a_stream_that_cannot_start(attached: Bench) -> None:
    attached.session.receive(StartStream("tick:NOPE"))
    (message,) = only(attached.settle(), NotStarted)
    assert (message.topic, message.code, message.details) == ("tick:NOPE", "unknown_symbol", {"symbol": "NOPE"})


def test_stopping_a_stream_while_it_waits_starts_and_runs(attached: Bench) -> None:
    attached.session.receive(StartStream("tick:EURUSD"))
    attached.session.receive(StopStream("tick:EURUSD"))
    assert attached.settle() == [Stopped("tick:EURUSD")]
    attached.session.receive(StartStream("tick:EURUSD"))
    attached.step()
    attached.session.receive(StopStream("tick:EURUSD"))
    assert only(attached.settle(), Started) == []
    attached.session.receive(StartStream("tick:EURUSD"))
    assert len(only(attached.settle(), Started)) == 1
    attached.session.receive(StopStream("tick:EURUSD"))
    attached.terminal.ticks["EURUSD"] += tick(1)
    assert only(attached.pass_time(2), Publish) == []


def test_what_a_stream_has_read_is_sent_before_it_is_said_to_have_stopped(attached: Bench) -> None:
    attached.session.receive(StartStream("tick:EURUSD"))
    attached.settle()
    attached.terminal.ticks["EURUSD"] += tick(1)
    attached.now += 0.2
    while "ticks_from" not in attached.step():
        pass
    attached.session.receive(StopStream("tick:EURUSD"))
    published = [message.events for message in attached.said if isinstance(message, Publish)]
    assert published == [[("tick:EURUSD", 0, tick(1))]]
    assert attached.said[-1] == Stopped("tick:EURUSD")


def test_the_events_of_one_turn_travel_together(attached: Bench) -> None:
    for name in ("EURUSD", "GBPUSD"):
        attached.terminal.ticks[name] = tick(0)
        attached.session.receive(StartStream(f"tick:{name}"))
    attached.pass_time(0.25)
    for name in ("EURUSD", "GBPUSD"):
        attached.terminal.ticks[name] += tick(1)
    attached.now += 0.2
    (message,) = only(attached.settle(), Publish)
    assert sorted(topic for topic, _, _ in message.events) == ["tick:EURUSD", "tick:GBPUSD"]


# ---- results and the end ---------------------------------------------------------------------------------------------------------


def test_errors_of_calls(attached: Bench) -> None:
    attached.call(GetSymbol("NOPE"))
    attached.session.receive(Call(99, "symbol", Raw(msgpack.encode({"symbol": 5})), 1e9))
    attached.session.receive(Call(100, "dance", Raw(msgpack.encode({})), 1e9))
    said = {message.id: message.code for message in only(attached.settle(), Failed)}
    assert said == {1: "unknown_symbol", 99: "invalid_parameters", 100: "unknown_method"}


def test_stop_detaches(attached: Bench) -> None:
    attached.session.receive(Stop())
    assert attached.session.stopped
    attached.session.close()
    assert attached.terminal.calls[-1] == "detach"


def test_a_terminal_that_refuses_to_tell_its_state_is_reported(attached: Bench) -> None:
    attached.terminal.fail("info", -1, "Terminal: Call failed")
    said = attached.pass_time(0.6)
    assert len(only(said, Idle)) == 1
    assert [event[0] for message in only(said, Publish) for event in message.events] == ["log"]
    assert only(said, Lost) == []


def test_a_terminal_that_never_says_how_it_is_counts_as_lost(attached: Bench) -> None:
    attached.terminal.fail("info", -1, "Terminal: Call failed", times=MOST_FAILURES)
    said = attached.pass_time(10)
    assert [(lost.function, lost.code) for lost in only(said, Lost)] == [("info", -1)]
    attached.connect()
    attached.terminal.fail("info", -1, "Terminal: Call failed", times=MOST_FAILURES - 1)
    assert only(attached.pass_time(10), Lost) == []
