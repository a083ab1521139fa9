"""A symbol that the broker takes away while its ticks are streamed: one clear condition, and its end."""

from __future__ import annotations

from bridge.session import link
from bridge.session.link import Gone, StartStream
from tests.fake_terminal import tick
from tests.scripted_session import Bench as GatewayBench
from tests.scripted_session import health
from tests.test_core import Bench, only


def test_the_session_tells_once_which_symbols_are_gone_and_when_they_are_back() -> None:
    bench = Bench()
    bench.connect()
    bench.terminal.ticks["EURUSD"] = tick(0)
    bench.session.receive(StartStream("tick:EURUSD"))
    bench.settle()
    bench.terminal.names.remove("EURUSD")
    assert only(bench.pass_time(5), Gone) == [Gone(["EURUSD"])]
    bench.terminal.names.append("EURUSD")
    bench.terminal.ticks["EURUSD"] += tick(10)
    assert only(bench.pass_time(5), Gone) == [Gone([])]


def test_the_bridge_says_so_until_it_is_over() -> None:
    bench = GatewayBench().connect()
    bench.say(health(), link.Gone(["EURUSD", "AUDUSD"]), health())
    told = bench.states[-1]
    assert (told.state, told.reason, told.trading) == ("connected", "symbol_gone", True)
    assert [condition.message for condition in told.conditions] == [
        "the symbol AUDUSD is not there any more",
        "the symbol EURUSD is not there any more",
    ]
    count = len(bench.states)
    bench.say(health(), link.Gone([]), health())
    assert len(bench.states) == count + 1
    assert bench.states[-1].conditions == ()
    assert "no longer" in bench.states[-1].cause
