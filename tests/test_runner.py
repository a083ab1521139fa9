"""Running a strategy, in virtual time, against a scripted bridge with one symbol."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time as real_time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from bridge.errors import InvalidParameters, NotConnected
from bridge.messages import BACKFILLED, LATE, SUSPECT
from bridge.replies import TradeEvent
from bridge.ticks import Tick
from strategies import Strategy
from strategies.signals import StopRequest
from tests.records import position
from tests.scripted_bridge import tick_record
from tests.stage import Diary, Stage, diary
from tests.stand_in import stand_in
from tests.trading_bridge import TradingBridge


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    def make(strategy: Strategy | None = None, bridge: TradingBridge | None = None, bars: int = 5) -> Stage:
        return Stage(monkeypatch, strategy or Diary(), bridge or TradingBridge([1.0] * bars, heartbeat_s=1.0))

    return make


def test_history_then_live_then_stop(stage: Callable[..., Stage]) -> None:
    play = stage()
    play.at(1.0, lambda: play.bridge.close_bar(1.0))
    assert play.run() == 0
    assert diary(play) == ["start", (900, False), (1_200, False), (1_500, False), (1_800, True), "stop the test is over"]


def test_a_bar_that_closes_during_the_history_request_is_seen_once(stage: Callable[..., Stage]) -> None:
    for moment_ms in range(12):
        play = stage()
        play.at(moment_ms / 1e3, lambda play=play: play.bridge.close_bar(1.0))  # type: ignore[misc]
        play.run()
        times = [entry[0] for entry in diary(play) if isinstance(entry, tuple)]
        assert times[-3:] == [1_200, 1_500, 1_800]
        assert times == sorted(set(times))


def test_too_little_history_is_a_clear_refusal(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage(bars=2)
    assert play.run(60.0) == 1
    assert "needs 3 closed M5 bars of EURUSD, there are 2" in caplog.text
    assert diary(play) == ["start"]


def test_history_that_the_terminal_still_loads_is_waited_for(stage: Callable[..., Stage]) -> None:
    play = stage(bars=2)
    play.at(1.5, lambda: play.bridge.close_bar(1.0, published=False))
    assert play.run() == 0
    assert (900, False) in diary(play)


def test_a_terminal_that_is_not_there_yet_is_waited_for(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage()
    good = play.bridge.answers["rates"]

    def refuse(request: Any) -> Any:
        raise NotConnected("no terminal", state="connecting")

    play.bridge.answers["rates"] = refuse
    play.at(5.0, lambda: play.bridge.answers.update(rates=good))
    assert play.run(20.0) == 0
    assert diary(play)[:4] == ["start", (900, False), (1_200, False), (1_500, False)]
    assert caplog.text.count("waiting for history") == 1


def test_it_can_be_stopped_while_it_waits_for_history(stage: Callable[..., Stage]) -> None:
    play = stage()
    play.bridge.answers["rates"] = lambda request: None
    assert play.run(30.0) == 0
    assert diary(play) == ["start", "stop the test is over"]
    assert play.time.now < 1_000.0 + 45.0


def test_orders_are_refused_in_the_warm_up_without_stopping_it(stage: Callable[..., Stage]) -> None:
    play = stage()
    strategy = play.strategy
    assert isinstance(strategy, Diary)
    strategy.acts = {time: lambda: strategy.buy(0.1) for time in (900, 1_500, 1_800)}
    play.bridge.set_connection("connected")
    play.at(1.0, lambda: play.bridge.close_bar(1.0))
    assert play.run() == 0
    assert [order.magic for order in play.bridge.orders] == [strategy.magic]
    assert play.runner.desk.counts.done == 1
    assert "position_opened" in diary(play)


def test_trades_of_others_are_not_ours(stage: Callable[..., Stage]) -> None:
    play = stage()
    magic = play.strategy.magic
    for held in (
        position(1, magic=magic, symbol="EURUSD"),
        position(2, magic=1, symbol="EURUSD"),
        position(3, magic=magic, symbol="X"),
    ):
        play.at(1.0, lambda held=held: play.bridge.publish("trade", TradeEvent("position_changed", held)))  # type: ignore[misc]
    play.run()
    assert diary(play).count("position_changed") == 1


def test_entries_are_refused_while_the_terminal_is_away(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage()
    strategy = play.strategy
    assert isinstance(strategy, Diary)
    strategy.acts = {1_800: lambda: strategy.buy(0.1), 2_100: lambda: strategy.buy(0.1)}
    play.bridge.set_connection("reconnecting")
    play.at(1.0, lambda: play.bridge.close_bar(1.0))
    play.at(2.0, lambda: play.bridge.set_connection("connected"))
    play.at(3.0, lambda: play.bridge.close_bar(1.0))
    assert play.run() == 0
    assert len(play.bridge.orders) == 1
    assert "on_bar: no entries while the connection is reconnecting" in caplog.text
    assert [entry for entry in diary(play) if isinstance(entry, str)] == [
        "start", "reconnecting", "connected", "position_opened", "stop the test is over",
    ]  # fmt: skip


def test_bars_missed_in_a_cut_are_played_as_history(stage: Callable[..., Stage]) -> None:
    play = stage()
    play.at(1.0, lambda: play.bridge.close_bar(1.0))
    play.at(2.0, play.link.cut)
    play.at(2.5, lambda: play.bridge.close_bar(1.0))
    play.at(2.6, lambda: play.bridge.close_bar(1.0))
    play.at(3.0, play.link.heal)
    play.at(4.0, lambda: play.bridge.close_bar(1.0))
    assert play.run() == 0
    assert [entry for entry in diary(play) if isinstance(entry, tuple)][3:] == [
        (1_800, True), (2_100, False), (2_400, False), (2_700, True),
    ]  # fmt: skip
    assert play.runner.gaps >= 1


def test_a_restarted_bridge_is_survived(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    play = stage()
    play.bridge.set_connection("connected")
    again = TradingBridge([1.0] * 7, epoch=2, heartbeat_s=1.0)

    def restart() -> None:
        again.publish("connection", again.connection)
        again.close_bar(1.0)
        play.link.heal(again)

    play.at(1.5, play.link.cut)
    play.at(20.0, restart)
    play.at(40.0, lambda: again.close_bar(1.0))
    assert play.run(60.0) == 0
    assert [entry for entry in diary(play) if isinstance(entry, tuple)][3:] == [
        (1_800, False), (2_100, False), (2_400, False), (2_700, True),
    ]  # fmt: skip
    assert [entry for entry in diary(play) if isinstance(entry, str)][1:-1] == ["connected", "reconnecting", "connected"]
    assert caplog.text.count("no sign of life") == 1


def test_a_cut_without_news_ends_with_the_state_before(stage: Callable[..., Stage]) -> None:
    play = stage()
    play.bridge.set_connection("connected")
    play.at(1.5, play.link.cut)
    play.at(15.0, play.link.heal)
    assert play.run(40.0) == 0
    assert [entry for entry in diary(play) if isinstance(entry, str)][1:-1] == ["connected", "reconnecting", "connected"]


def test_bars_found_afterwards_are_not_news(stage: Callable[..., Stage]) -> None:
    play = stage()
    play.at(1.0, lambda: play.bridge.close_bar(1.0, flags=BACKFILLED))
    play.run()
    assert (1_800, False) in diary(play)


def test_a_strategy_that_raises_is_named_and_stopped(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage()
    strategy = play.strategy
    assert isinstance(strategy, Diary)
    strategy.acts = {1_800: lambda: 1 / 0}
    play.bridge.positions.append(position(5, magic=strategy.magic, symbol="EURUSD"))
    play.at(1.0, lambda: play.bridge.close_bar(1.0))
    assert play.run() == 1
    assert "Diary/EURUSD.on_bar" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text
    assert diary(play)[-1] == "stop failed"
    assert len(play.bridge.positions) == 1
    assert play.bridge.orders == []


def test_a_refused_order_is_counted_and_does_not_stop_it(stage: Callable[..., Stage]) -> None:
    play = stage()
    strategy = play.strategy
    assert isinstance(strategy, Diary)
    strategy.acts = {1_800: lambda: strategy.buy(0.1)}
    play.bridge.set_connection("connected")
    play.bridge.refusing = "no money"
    play.at(1.0, lambda: play.bridge.close_bar(1.0))
    assert play.run() == 0
    assert play.runner.desk.counts.failed == 1


def test_after_an_unknown_outcome_there_is_no_entry_for_a_while(stage: Callable[..., Stage]) -> None:
    play = stage()
    strategy = play.strategy
    assert isinstance(strategy, Diary)
    strategy.acts = dict.fromkeys((1_800, 2_100, 2_400), lambda: strategy.buy(0.1))
    play.bridge.set_connection("connected")
    play.bridge.refusing = "silent"
    play.at(1.0, lambda: play.bridge.close_bar(1.0))
    play.at(12.0, lambda: play.bridge.close_bar(1.0))
    play.at(20.0, lambda: setattr(play.bridge, "refusing", None))
    play.at(21.0, lambda: play.bridge.close_bar(1.0))
    assert play.run(30.0) == 0
    assert len(play.bridge.orders) == 2
    counts = play.runner.desk.counts
    assert (counts.unknown, counts.done) == (1, 1)


def test_ticks_are_subscribed_to_only_where_they_are_wanted(stage: Callable[..., Stage]) -> None:
    class Ticking(Diary):
        def on_tick(self, tick: Tick) -> None:
            self.diary.append(tick.time)

    quiet = stage()
    quiet.run()
    assert b"tick:EURUSD\0" not in quiet.bridge.subscriptions
    play = stage(Ticking())
    play.at(1.0, lambda: play.bridge.publish("tick:EURUSD", tick_record(5_000) + tick_record(6_000)))
    play.run()
    assert [entry for entry in diary(play) if isinstance(entry, int)] == [5, 6]


@pytest.mark.parametrize(("cut_s", "live"), [(2.0, True), (9.0, False)])
def test_what_was_lost_on_its_way_is_news_only_while_it_is_young(stage: Callable[..., Stage], cut_s: float, live: bool) -> None:
    class Ticking(Diary):
        def on_tick(self, tick: Tick) -> None:
            self.diary.append((f"tick {tick.time}", self.live))

    play = stage(Ticking())
    play.bridge.answers["replay"] = play.bridge._replay
    play.at(1.0, lambda: play.bridge.publish("tick:EURUSD", tick_record(5_000)))
    play.at(1.5, play.link.cut)
    play.at(2.0, lambda: play.bridge.close_bar(1.0))
    play.at(2.0, lambda: play.bridge.publish("tick:EURUSD", tick_record(6_000)))
    play.at(1.5 + cut_s, play.link.heal)
    play.at(2.0 + cut_s, lambda: play.bridge.publish("tick:EURUSD", tick_record(7_000)))
    play.at(2.0 + cut_s, lambda: play.bridge.close_bar(1.0))
    assert play.run(20.0) == 0
    entries = [entry for entry in diary(play) if isinstance(entry, tuple)][3:]
    assert [entry for entry in entries if isinstance(entry[0], int)] == [(1_800, live), (2_100, True)]
    assert [entry for entry in entries if isinstance(entry[0], str)] == [("tick 5", True), ("tick 6", live), ("tick 7", True)]
    assert play.runner.gaps == 0


def test_ticks_found_afterwards_are_not_news(stage: Callable[..., Stage]) -> None:
    class Ticking(Diary):
        def on_tick(self, tick: Tick) -> None:
            self.diary.append((f"tick {tick.time}", self.live))

    play = stage(Ticking())
    for number, flags in enumerate((BACKFILLED, LATE, SUSPECT), 1):
        play.at(float(number), partial(play.bridge.publish, "tick:EURUSD", tick_record(number * 1_000), flags=flags))
    play.run()
    assert diary(play)[-4:-1] == [("tick 1", False), ("tick 2", False), ("tick 3", True)]


def test_the_timer_runs_while_live(stage: Callable[..., Stage]) -> None:
    class Timed(Diary):
        timer_s = 2.0

        def on_timer(self, now_msc: int) -> None:
            self.diary.append(now_msc)

    play = stage(Timed())
    play.run(9.0)
    beats = [entry for entry in diary(play) if isinstance(entry, int)]
    assert len(beats) == 4
    assert all(1_990 <= later - sooner <= 2_210 for sooner, later in pairwise(beats))


def test_a_wrong_parameter_found_at_the_start_is_one_line(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    class Picky(Diary):
        def on_start(self) -> None:
            raise InvalidParameters("fast must be below slow")

    assert stage(Picky()).run() == 1
    assert "fast must be below slow" in caplog.text


def test_the_first_signal_counts() -> None:
    request = StopRequest()
    assert request() is None
    request.take(signal.SIGTERM, None)
    request.take(signal.SIGINT, None)
    assert request() == "SIGTERM"
    assert request.age_s >= 0.0


@pytest.mark.skipif(os.name == "nt", reason="a console signal would reach this process too")
def test_a_real_process_stops_within_two_seconds_of_a_signal() -> None:
    bridge = TradingBridge([1.0] * 60, heartbeat_s=0.5)
    with stand_in(bridge) as server:
        command = [sys.executable, "-m", "strategies", "run", "ma_crossover", "--endpoint", server.endpoint]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if " live after " in line:
                break
        start_s = real_time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(5.0) == 0
        assert real_time.monotonic() - start_s < 2.0
        assert "ma_crossover/EURUSD stopped reason=SIGTERM" in rest
        process.stderr.close()
