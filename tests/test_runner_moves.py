"""A strategy whose plain name means another symbol when the bridge serves another account, in virtual time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import InvalidParameters, NotConnected, UnknownSymbol
from bridge.messages import FOREIGN, FindSymbol, GetRates, GetSnapshot
from bridge.replies import Condition, FoundSymbol
from bridge.ticks import Tick
from strategies import param
from tests.scripted_bridge import bar_record, tick_record
from tests.stage import Diary, Stage, diary
from tests.trading_bridge import TradingBridge


class Broker(TradingBridge):
    """A bridge at a broker who has one symbol, and calls `asked` by that name."""

    def __init__(
        self, symbol: str | None = "XAUUSD", *, asked: str = "gold", server: str = "A", bars: int = 5, epoch: int = 1
    ) -> None:
        super().__init__([1.0] * bars, epoch=epoch, heartbeat_s=1.0)
        self.asked = asked
        self.symbol = symbol
        self.topic = f"bar:{symbol}:M5"
        self.connection = replace(self.connection, login=1, server=server)
        known = self.answers["snapshot"]
        self.answers |= {"find_symbol": self._find, "snapshot": lambda request: known(self._checked(request))}

    def _find(self, request: FindSymbol) -> FoundSymbol:
        assert request.name == self.asked, "the name is asked for as it was written"
        if self.symbol is None:
            raise UnknownSymbol(f"no symbol of this broker is certainly {request.name!r}", candidates=["GOLDEUR"])
        return FoundSymbol(self.symbol, "alias", f"{self.symbol!r} is another name of {request.name!r}")

    def _checked(self, request: GetSnapshot) -> GetSnapshot:
        for topic in request.topics:
            if ":" in topic and topic.split(":")[1] != self.symbol:
                raise UnknownSymbol(f"the terminal has no symbol {topic!r}")
        return request

    def serve(self, server: str, symbol: str | None, *, login: int = 1, **changes: Any) -> None:
        """Another account is served now, at a broker who calls it by another name."""
        self.symbol = symbol
        self.topic = f"bar:{symbol}:M5"
        self.connection = replace(self.connection, server=server, login=login, cause=f"{server} {login}", **changes)
        self.publish("connection", self.connection)

    def asked_for(self) -> list[str]:
        """Symbols whose history was asked for, in order."""
        return [request.symbol for _, request, _ in self.seen if isinstance(request, GetRates)]


class Golden(Diary):
    symbol = "gold"
    fast = param(7)

    def on_start(self) -> None:
        self.diary.append(f"start {self.symbol} {self.fast} {self.live}")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[..., Stage]:
    caplog.set_level(logging.INFO)

    def make(bridge: Broker | None = None, strategy: Diary | None = None) -> Stage:
        return Stage(monkeypatch, strategy or Golden(fast=9), bridge or Broker())

    return make


def bars(stage: Stage) -> list[Any]:
    return [entry for entry in diary(stage) if isinstance(entry, tuple)]


def words(stage: Stage) -> list[str]:
    return [entry for entry in diary(stage) if isinstance(entry, str)]


WARM_UP = [(900, False), (1_200, False), (1_500, False)]


def act_on(strategy: Diary, *times: int) -> None:
    strategy.acts = dict.fromkeys(times, lambda: strategy.buy(0.1))


# ---- the start -------------------------------------------------------------------------------------------------------------------


def test_the_name_is_resolved_at_the_start(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage()
    magic = play.strategy.magic
    act_on(play.strategy, 1_800)  # type: ignore[arg-type]
    play.at(0.5, lambda: play.bridge.publish("connection", play.bridge.connection))
    play.at(1.0, lambda: play.bridge.close_bar(1.0))
    assert play.run() == 0
    assert (play.strategy.symbol, play.strategy.name, play.strategy.magic) == ("XAUUSD", "Golden/gold", magic)
    assert [(order.symbol, order.magic) for order in play.bridge.orders] == [("XAUUSD", magic)]
    assert bars(play) == [*WARM_UP, (1_800, True)]
    assert words(play)[0] == "start XAUUSD 9 False"
    assert "symbol XAUUSD for 'gold' by rule alias: 'XAUUSD' is another name of 'gold'" in caplog.text
    assert play.bridge.methods().count("find_symbol") == 1


def test_a_name_that_means_nothing_is_a_clear_refusal(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage(Broker(None))
    assert play.run() == 1
    assert "not started: no symbol of this broker is certainly 'gold'" in caplog.text
    assert diary(play) == []


def test_it_waits_for_the_terminal_before_it_asks(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    bridge = Broker()
    find = bridge.answers["find_symbol"]

    def refuse(request: Any) -> Any:
        raise NotConnected("no terminal", state="connecting")

    bridge.answers["find_symbol"] = refuse
    bridge.connection = replace(bridge.connection, state="connecting", login=None, server=None)
    play = stage(bridge)

    def attach() -> None:
        bridge.answers["find_symbol"] = find
        bridge.serve("A", "XAUUSD", state="connected")

    play.at(5.0, attach)
    play.at(15.0, lambda: bridge.close_bar(1.0))
    assert play.run(20.0) == 0
    assert caplog.text.count("waiting for the symbol of 'gold': no terminal") == 1
    assert words(play) == ["start XAUUSD 9 False", "connected", "stop the test is over"]
    assert bars(play) == [*WARM_UP, (1_800, True)]


def test_it_can_be_stopped_while_it_waits(stage: Callable[..., Stage]) -> None:
    bridge = Broker()
    bridge.answers["find_symbol"] = lambda request: None
    play = stage(bridge)
    assert play.run(30.0) == 0
    assert words(play) == ["stop the test is over"]


# ---- another account -------------------------------------------------------------------------------------------------------------


def test_another_name_at_another_broker_is_a_new_start(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage()
    bridge, strategy = play.bridge, play.strategy
    assert isinstance(bridge, Broker)
    assert isinstance(strategy, Golden)
    magic = strategy.magic
    act_on(strategy, 1_800, 2_100)
    play.at(0.1, lambda: bridge.publish("connection", bridge.connection))
    play.at(1.0, lambda: bridge.close_bar(1.0))
    play.at(3.0, lambda: bridge.serve("B", "GOLD.r", login=2))
    play.at(5.0, lambda: bridge.close_bar(1.0))
    subscribed: list[bytes] = []
    play.at(6.0, lambda: subscribed.extend(topic for topic in play.link.subscribed if topic.startswith(b"bar:")))
    assert play.run() == 0
    assert (strategy.symbol, strategy.magic, strategy.fast, strategy.timeframe) == ("GOLD.r", magic, 9, "M5")
    assert diary(play) == [
        "start XAUUSD 9 False", *WARM_UP, "connected", (1_800, True), "position_opened",
        "connected", "start GOLD.r 9 False", (1_200, False), (1_500, False), (1_800, False), (2_100, True), "position_opened",
        "stop the test is over",
    ]  # fmt: skip
    assert [(order.symbol, order.magic) for order in bridge.orders] == [("XAUUSD", magic), ("GOLD.r", magic)]
    assert bridge.asked_for() == ["XAUUSD", "GOLD.r"]
    assert subscribed == [b"bar:GOLD.r:M5\0"]
    assert "begins anew with GOLD.r, after XAUUSD" in caplog.text
    assert "symbol GOLD.r for 'gold' by rule alias" in caplog.text
    assert play.runner.gaps == 0


def test_the_strategy_is_not_live_when_it_is_told_of_the_other_account(stage: Callable[..., Stage]) -> None:
    class Watchful(Golden):
        def on_connection(self, connection: Any) -> None:
            self.diary.append((connection.server, self.live))

    play = stage(strategy=Watchful())
    play.at(0.1, lambda: play.bridge.publish("connection", play.bridge.connection))
    play.at(1.0, lambda: play.bridge.serve("B", "GOLD"))  # type: ignore[attr-defined]
    assert play.run() == 0
    assert [entry for entry in bars(play) if isinstance(entry[0], str)] == [("A", True), ("B", False)]


def test_another_account_at_the_same_server_changes_nothing_else(stage: Callable[..., Stage]) -> None:
    play = stage()
    bridge = play.bridge
    assert isinstance(bridge, Broker)
    play.at(0.1, lambda: bridge.publish("connection", bridge.connection))
    play.at(2.0, lambda: bridge.serve("A", "XAUUSD", login=2))
    play.at(3.0, lambda: bridge.close_bar(1.0))
    assert play.run() == 0
    assert words(play) == ["start XAUUSD 9 False", "connected", "connected", "stop the test is over"]
    assert bars(play) == [*WARM_UP, (1_800, True)]
    assert bridge.methods().count("find_symbol") == 2


@pytest.mark.parametrize("warmup", [3, 0])
def test_the_same_name_at_another_server_has_another_history(stage: Callable[..., Stage], warmup: int) -> None:
    class Warm(Golden):
        @property
        def warmup(self) -> int:  # type: ignore[override]
            return warmup

    play = stage(strategy=Warm())
    bridge = play.bridge
    assert isinstance(bridge, Broker)

    def move() -> None:
        bridge.bars = [(time - 600, close) for time, close in bridge.bars]  # its clock is behind
        bridge.serve("B", "XAUUSD")

    play.at(0.1, lambda: bridge.publish("connection", bridge.connection))
    play.at(1.0, lambda: bridge.close_bar(1.0))
    play.at(2.0, move)
    play.at(3.0, lambda: bridge.close_bar(1.0))
    assert play.run() == 0
    assert bars(play) == [*WARM_UP[:warmup], (1_800, True), *[(600, False), (900, False), (1_200, False)][:warmup], (1_500, True)]


def test_data_of_a_foreign_account_are_not_the_strategys(stage: Callable[..., Stage]) -> None:
    class Ticking(Golden):
        def on_tick(self, tick: Tick) -> None:
            self.diary.append((tick.time, self.live))

    play = stage(strategy=Ticking())
    bridge = play.bridge
    play.at(1.0, lambda: bridge.publish("bar:XAUUSD:M5", bar_record(9_000), flags=FOREIGN))
    play.at(1.1, lambda: bridge.publish("tick:XAUUSD", tick_record(9_000_000), flags=FOREIGN))
    play.at(2.0, lambda: bridge.close_bar(1.0))
    play.at(2.1, lambda: bridge.publish("tick:XAUUSD", tick_record(2_000_000)))
    assert play.run() == 0
    assert bars(play) == [*WARM_UP, (1_800, True), (2_000, True)]


def test_what_came_of_the_former_symbol_meanwhile_is_dropped(stage: Callable[..., Stage]) -> None:
    play = stage()
    bridge = play.bridge
    assert isinstance(bridge, Broker)
    find = bridge.answers["find_symbol"]

    def busy(request: Any) -> Any:
        raise NotConnected("busy", state="connected")

    play.at(0.1, lambda: bridge.publish("connection", bridge.connection))
    play.at(1.0, lambda: bridge.answers.update(find_symbol=busy))
    play.at(2.0, lambda: bridge.serve("B", "GOLD"))
    play.at(2.5, lambda: bridge.publish("bar:XAUUSD:M5", bar_record(9_000)))
    play.at(3.0, lambda: bridge.answers.update(find_symbol=find))
    play.at(6.0, lambda: bridge.close_bar(1.0))
    assert play.run() == 0
    assert bars(play) == [*WARM_UP, *WARM_UP, (1_800, True)]


def test_an_account_that_was_not_known_at_the_start(stage: Callable[..., Stage]) -> None:
    bridge = Broker()
    bridge.connection = replace(bridge.connection, state="connecting", login=None, server=None)
    play = stage(bridge)  # the terminal answers, and the event that says so is still on its way
    play.at(1.0, lambda: bridge.serve("A", "XAUUSD", state="connected"))
    play.at(2.0, lambda: bridge.close_bar(1.0))
    assert play.run() == 0
    assert words(play) == ["start XAUUSD 9 False", "connected", "stop the test is over"]
    assert bars(play) == [*WARM_UP, (1_800, True)]
    other = Broker()
    other.connection = replace(bridge.connection, state="connecting", login=None, server=None)
    play = stage(other)
    play.at(1.0, lambda: other.serve("B", "GOLD", state="connected"))
    assert play.run() == 0
    assert words(play) == ["start XAUUSD 9 False", "connected", "start GOLD 9 False", "stop the test is over"]


@pytest.mark.parametrize("state", ["reconnecting", "suspended", "degraded"])
def test_an_account_that_is_not_the_bridges_is_not_followed(stage: Callable[..., Stage], state: Any) -> None:
    wrong = Condition("wrong_account", "another account", "log in", 0, "trading")
    play = stage()
    bridge = play.bridge
    assert isinstance(bridge, Broker)
    play.at(2.0, lambda: bridge.serve("B", "XAUUSD", login=2, state=state, conditions=(wrong,)))
    play.at(3.0, lambda: bridge.close_bar(1.0))
    assert play.run() == 0
    assert bridge.methods().count("find_symbol") == 1
    assert bars(play)[-1] == (1_800, True)


# ---- where it does not exist -----------------------------------------------------------------------------------------------------


class Timed(Golden):
    timer_s = 0.5

    def on_timer(self, now_msc: int) -> None:
        if self.diary[-1] != "timer":
            self.diary.append("timer")


def test_where_the_instrument_does_not_exist_it_waits(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage(strategy=Timed())
    bridge, strategy = play.bridge, play.strategy
    assert isinstance(bridge, Broker)
    assert isinstance(strategy, Timed)
    live: list[bool] = []
    play.at(0.1, lambda: bridge.publish("connection", bridge.connection))
    play.at(2.0, lambda: bridge.serve("B", None))
    play.at(4.0, lambda: live.append(strategy.live))
    play.at(5.0, lambda: bridge.serve("B", None, state="reconnecting"))
    play.at(6.0, lambda: bridge.serve("B", None, state="connected"))
    play.at(8.0, lambda: live.append(strategy.live))
    play.at(9.0, lambda: bridge.serve("C", "GOLDm"))
    play.at(11.0, lambda: live.append(strategy.live))
    play.at(12.0, lambda: bridge.close_bar(1.0))
    assert play.run(20.0) == 0
    assert live == [False, False, True]
    assert caplog.text.count("not live until the connection changes again: no symbol of this broker is certainly 'gold'") == 2
    assert bridge.methods().count("find_symbol") == 4
    assert words(play) == [
        "start XAUUSD 7 False", "connected", "timer", "connected", "reconnecting", "connected", "connected", "start GOLDm 7 False",
        "timer", "timer", "stop the test is over",
    ]  # fmt: skip
    assert bars(play) == [*WARM_UP, *WARM_UP, (1_800, True)]


def test_back_where_it_was_it_begins_anew(stage: Callable[..., Stage]) -> None:
    play = stage()
    bridge = play.bridge
    assert isinstance(bridge, Broker)
    play.at(2.0, lambda: bridge.serve("B", None))
    play.at(5.0, lambda: bridge.serve("A", "XAUUSD"))
    play.at(7.0, lambda: bridge.close_bar(1.0))
    play.at(8.0, lambda: bridge.serve("A", "XAUUSD", attempt=2))
    assert play.run() == 0
    assert words(play)[-3:] == ["start XAUUSD 9 False", "connected", "stop the test is over"]
    assert bars(play) == [*WARM_UP, *WARM_UP, (1_800, True)]


def test_too_little_history_there_is_waited_out_too(stage: Callable[..., Stage], caplog: pytest.LogCaptureFixture) -> None:
    play = stage()
    bridge = play.bridge
    assert isinstance(bridge, Broker)

    def move() -> None:
        del bridge.bars[2:]
        bridge.serve("B", "GOLD")

    def more() -> None:
        bridge.bars.append((900, 1.0))
        bridge.serve("B", "GOLD", attempt=5)

    play.at(2.0, move)
    play.at(15.0, lambda: bridge.close_bar(1.0))
    play.at(16.0, bridge.bars.pop)
    play.at(20.0, more)
    assert play.run(40.0) == 0
    assert "not live until the connection changes again: Golden/gold needs 3 closed M5 bars of GOLD, there are 2" in caplog.text
    assert bars(play) == [*WARM_UP, (300, False), (600, False), (900, False)]
    assert play.strategy.live


def test_an_ambiguous_name_there_is_no_reason_to_end(stage: Callable[..., Stage]) -> None:
    play = stage()
    bridge = play.bridge
    assert isinstance(bridge, Broker)

    def ambiguous(request: Any) -> Any:
        raise InvalidParameters("'gold' may be any of A, B")

    play.at(2.0, lambda: bridge.answers.update(find_symbol=ambiguous))
    play.at(2.1, lambda: bridge.serve("B", "GOLD"))
    assert play.run() == 0
    assert not play.strategy.live


# ---- another bridge --------------------------------------------------------------------------------------------------------------


def test_a_bridge_that_was_started_again_is_asked_though_the_account_looks_the_same(stage: Callable[..., Stage]) -> None:
    for name, starts in (("GOLD", 2), ("XAUUSD", 1)):
        play = stage()
        play.bridge.set_connection("connected")
        again = Broker(name, epoch=2)

        def restart(play: Stage = play, again: Broker = again) -> None:
            again.publish("connection", again.connection)
            play.link.heal(again)

        play.at(1.5, play.link.cut)
        play.at(20.0, restart)
        play.at(40.0, lambda again=again: again.close_bar(1.0))  # type: ignore[misc]
        assert play.run(60.0) == 0
        assert again.methods().count("find_symbol") == 1
        assert sum(word.startswith("start") for word in words(play)) == starts
        assert play.strategy.symbol == name
        assert bars(play)[-1] == (1_800, True)


@pytest.mark.parametrize("known_first", [True, False])
def test_a_bridge_that_was_started_again_at_another_broker(stage: Callable[..., Stage], known_first: bool) -> None:
    play = stage()
    play.bridge.set_connection("connected")
    again = Broker("GOLD.r", server="B", bars=7, epoch=2)
    if not known_first:
        again.connection = replace(again.connection, state="connecting", login=None, server=None)

    def restart() -> None:
        again.publish("connection", again.connection)
        play.link.heal(again)

    play.at(1.5, play.link.cut)
    play.at(20.0, restart)
    if not known_first:
        play.at(25.0, lambda: again.serve("B", "GOLD.r", state="connected", login=3))
    play.at(50.0, lambda: again.close_bar(1.0))
    assert play.run(60.0) == 0
    assert play.strategy.symbol == "GOLD.r"
    assert bars(play) == [*WARM_UP, (1_500, False), (1_800, False), (2_100, False), (2_400, True)]
    assert [word for word in words(play) if word.startswith("start")] == ["start XAUUSD 9 False", "start GOLD.r 9 False"]
