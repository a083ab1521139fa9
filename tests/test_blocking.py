"""The blocking client, over real sockets, against a scripted bridge in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bridge.errors import OrderRejected, UnknownSymbol
from bridge.messages import MAX_ROWS, GetRates, Ping
from bridge.replies import (
    ClockOffset,
    ConnectionHistory,
    ConnectionState,
    FoundSymbol,
    LastTick,
    LinkStatus,
    Money,
    OrderOutcome,
    Orders,
    Positions,
    Records,
    Status,
    Symbols,
)
from bridge.trading import OrderCheck, OrderResult, TradeRequest
from clients import BridgeUnreachable, CallError, Client, ConfigError, InvalidParameters, OutcomeUnknown, TimedOut, TryAgain
from clients.events import Ticks
from clients.sockets import default_endpoint
from tests.fake_link import lost
from tests.records import ACCOUNT, position, symbol
from tests.scripted_bridge import CONNECTED, ScriptedBridge, bar_record, tick_record
from tests.stand_in import StandIn, stand_in
from tests.virtual_client import VirtualClient
from tests.virtual_time import VirtualTime


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture
def client(server: StandIn) -> Iterator[Client]:
    with Client(server.endpoint, name="test", timeout_s=5.0) as connected:
        yield connected


def executed(request: Any) -> OrderOutcome:
    return OrderOutcome("done", OrderResult(10009, 2, 3, request.request.volume, 1.1, 1.1, 1.2, "", 1, 0, request.request))


def test_the_endpoint_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, server: StandIn) -> None:
    monkeypatch.setenv("MT5BRIDGE_ENDPOINT", server.endpoint)
    with Client() as client:
        assert client.endpoint == server.endpoint
    monkeypatch.setenv("MT5BRIDGE_ENDPOINT", "")
    assert default_endpoint() == "tcp://127.0.0.1:5555"


def test_no_bridge_is_one_clear_error_in_time() -> None:
    start_s = time.monotonic()
    with pytest.raises(BridgeUnreachable, match=r"no bridge answers at tcp://127\.0\.0\.1:1 within 0\.3 s; start one"):
        Client("tcp://127.0.0.1:1", timeout_s=0.3)
    assert time.monotonic() - start_s < 2.0


def test_a_bridge_that_says_nothing_is_unreachable(server: StandIn) -> None:
    server.bridge.answers["hello"] = lambda request: None
    with pytest.raises(BridgeUnreachable):
        Client(server.endpoint, timeout_s=0.3)


def test_what_is_no_endpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match="not an endpoint"):
        Client("127.0.0.1:5555")


def test_it_says_who_it_is_and_takes_leave(server: StandIn) -> None:
    with Client(server.endpoint, name="ma/EURUSD") as client:
        assert client.ping().state == "connected"
    hello = server.bridge.seen[0][1]
    assert (hello.name, len(hello.client_id)) == ("ma/EURUSD", 32)  # type: ignore[attr-defined]
    assert server.bridge.methods() == ["hello", "ping", "goodbye"]


def test_leaving_a_dead_bridge_does_not_hang() -> None:
    with stand_in() as server:
        client = Client(server.endpoint)
    start_s = time.monotonic()
    client.close()
    client.close()
    assert time.monotonic() - start_s < 2.0
    with pytest.raises(CallError, match="closed"):
        client.ping()


def test_an_order_without_an_answer_is_unknown_and_a_read_timed_out(server: StandIn, client: Client) -> None:
    client.timeout_s = 0.2
    server.bridge.answers |= {"order": lambda request: None, "account": lambda request: None}
    with pytest.raises(OutcomeUnknown):
        client.order(TradeRequest())
    with pytest.raises(TimedOut):
        client.account()
    server.bridge.answers["account"] = lambda request: ACCOUNT
    assert client.account() == ACCOUNT


def test_another_thread_is_refused(client: Client) -> None:
    caught: list[BaseException] = []

    def use() -> None:
        try:
            client.ping()
        except CallError as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "one Client in each thread" in str(caught[0])
    assert client.is_connected


def test_a_fork_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("clients.driver.os.getpid", lambda: -1)
        with pytest.raises(CallError, match="another thread or process"):
            client.ping()
    assert client.is_connected


def test_is_connected_follows_the_terminal(server: StandIn, client: Client) -> None:
    assert _connected(client)
    server.bridge.connection = ConnectionState("reconnecting", "pipe broke", 0)
    assert not _connected(client)
    server.bridge.answers["ping"] = lambda request: None
    client.timeout_s = 0.2
    assert not _connected(client)


def _connected(client: Client) -> bool:
    return client.is_connected


# ---- events ----------------------------------------------------------------------------------------------------------------------


def test_a_subscription_yields_events_in_order(server: StandIn, client: Client) -> None:
    server.run(lambda bridge: bridge.publish("tick:EURUSD", tick_record(1_000)))
    with client.subscribe("tick:EURUSD", "connection") as subscription:
        server.run(lambda bridge: [bridge.publish("tick:EURUSD", tick_record(number * 1_000)) for number in range(2, 700)])
        found = []
        for event in subscription:
            assert isinstance(event, Ticks)
            found.append(event.last.time)
            if len(found) == 699:
                break
        assert found == list(range(1, 700))
        assert subscription.get(0.01) is None
        assert (subscription.queued, subscription.lag_s, subscription.counters.gaps) == (0, 0.0, 0)
    assert subscription.closed
    assert list(subscription) == []


def test_calls_and_events_go_together(server: StandIn, client: Client) -> None:
    subscription = client.subscribe("tick:EURUSD")
    for number in range(1, 20):
        server.run(lambda bridge, number=number: bridge.publish("tick:EURUSD", tick_record(number * 1_000)))  # type: ignore[misc]
        client.ping()
    while subscription.queued < 19:
        client.ping()
    assert subscription.lag_s >= 0.0
    assert [event.last.time for event in iter(lambda: subscription.get(0.0), None) if isinstance(event, Ticks)] == list(
        range(1, 20)
    )


def test_an_unknown_symbol_is_raised_by_subscribe(server: StandIn, client: Client) -> None:
    def refuse(request: Any) -> None:
        raise UnknownSymbol("no such symbol")

    server.bridge.answers["snapshot"] = refuse
    with pytest.raises(UnknownSymbol):
        client.subscribe("tick:NOPE")


def test_a_restarted_bridge_is_found_again(server: StandIn) -> None:
    server.bridge.heartbeat_s = 0.1
    with Client(server.endpoint, timeout_s=5.0) as client:
        subscription = client.subscribe("tick:EURUSD", "connection")
        server.run(lambda bridge: bridge.publish("tick:EURUSD", tick_record(1_000)))
        assert isinstance(subscription.get(5.0), Ticks)
        server.close()
        with pytest.raises((BridgeUnreachable, TimedOut)):
            client.call(Ping(), timeout_s=0.2)
        again = ScriptedBridge(epoch=2, start_s=time.monotonic(), heartbeat_s=0.1)
        again.publish("tick:EURUSD", tick_record(2_000))
        with stand_in(again, server.endpoint):
            kinds = []
            while "Ticks" not in kinds:
                item = subscription.get(10.0)
                assert item is not None
                kinds.append(type(item).__name__)
            assert kinds == ["Gap", "Gap", "Ticks"]  # one for each topic
            assert client.ping().state == "connected"
            assert client.counters.restarts == 1
            assert "hello" in again.methods()


def test_on_turn_can_end_a_wait(server: StandIn) -> None:
    ending: list[int] = []

    def check() -> None:
        if ending:
            raise KeyboardInterrupt

    with Client(server.endpoint, on_turn=check) as client:
        subscription = client.subscribe("connection")
        ending.append(1)
        with pytest.raises(KeyboardInterrupt):
            for _ in subscription:
                pass


# ---- trading ---------------------------------------------------------------------------------------------------------------------


def market(server: StandIn, **properties: Any) -> None:
    server.bridge.answers |= {
        "symbol": lambda request: symbol(request.symbol, **properties),
        "tick": lambda request: LastTick(tick_record(1_000, bid=1.1), 0, "stream"),
        "order": executed,
        "positions": lambda request: Positions((position(5, symbol="EURUSD", volume=0.3, magic=9, type=0, sl=1.0),)),
        "orders": lambda request: Orders(()),
    }


def sent(server: StandIn) -> TradeRequest:
    request: TradeRequest = server.bridge.seen[-1][1].request  # type: ignore[attr-defined]
    return request


def test_buy_and_sell_leave_price_and_filling_to_the_bridge(server: StandIn, client: Client) -> None:
    market(server)
    assert client.buy("EURUSD", 0.1, sl=1.0, tp=1.2, comment="c", magic=7, deviation=3).outcome == "done"
    assert sent(server) == TradeRequest(
        action=1,
        magic=7,
        symbol="EURUSD",
        volume=0.1,
        sl=1.0,
        tp=1.2,
        deviation=3,
        type=0,
        comment="c",
    )
    client.sell("EURUSD", 0.2)
    assert sent(server) == TradeRequest(action=1, symbol="EURUSD", volume=0.2, type=1)
    assert server.bridge.methods()[-2:] == ["order", "order"], "one request each"


def test_close_takes_the_opposite_side_of_the_position(server: StandIn, client: Client) -> None:
    market(server, filling_mode=1)
    client.close(5)
    assert sent(server) == TradeRequest(action=1, symbol="EURUSD", volume=0.3, type=1, position=5, magic=9)
    client.close(5, 0.1)
    assert sent(server).volume == 0.1
    with pytest.raises(InvalidParameters, match="no ticket"):
        client.close(volume=0.1)  # type: ignore[call-overload]
    assert client.is_connected


def test_a_rejected_order_is_raised(server: StandIn, client: Client) -> None:
    market(server)

    def reject(request: Any) -> None:
        raise OrderRejected("no money", retcode=10019)

    server.bridge.answers["order"] = reject
    with pytest.raises(OrderRejected) as caught:
        client.buy("EURUSD", 0.1)
    assert caught.value.details["retcode"] == 10019


def test_order_takes_a_mapping_and_an_id(server: StandIn, client: Client) -> None:
    market(server)
    client.order({"action": 1, "symbol": "EURUSD", "volume": 1}, request_id="mine")
    assert sent(server) == TradeRequest(action=1, symbol="EURUSD", volume=1.0)
    with pytest.raises(InvalidParameters, match="symbl"):
        client.order({"symbl": "EURUSD"})


def test_check_margin_and_profit(server: StandIn, client: Client) -> None:
    market(server)
    server.bridge.answers |= {
        "order_check": lambda request: OrderCheck(0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, "Done", request.request),
        "margin": lambda request: Money(request.price * request.volume),
        "profit": lambda request: Money((request.price_close - request.price_open) * (1 - 2 * request.action)),
    }
    assert client.check({"action": 1}).retcode == 0
    assert client.margin("buy", "EURUSD", 1.0) == pytest.approx(1.1001)
    assert client.margin("sell", "EURUSD", 2.0, price=3.0) == 6.0
    assert client.profit("sell", "EURUSD", 1.0, 2.0, 1.0) == 1.0


# ---- history ---------------------------------------------------------------------------------------------------------------------


def test_rates_are_a_frame_of_any_length(server: StandIn, client: Client) -> None:
    bars = [bar_record(60 * (number + 1)) for number in range(2 * MAX_ROWS + 10)]

    def rates(request: Any) -> Records:
        last = len(bars) - request.start if request.to_s is None else request.to_s // 60
        chosen = bars[max(0, last - request.count) : last]
        return Records(len(chosen), b"".join(chosen))

    server.bridge.answers["rates"] = rates
    frame = client.rates("EURUSD", "M1", count=2 * MAX_ROWS + 5)
    assert len(frame) == 2 * MAX_ROWS + 5
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert str(frame.index[-1]) == "1970-01-28 18:50:00+00:00"
    assert len(client.rates("EURUSD", "M1", count=3, start=2)) == 3


def test_ticks_and_symbols_come_in_parts(server: StandIn, client: Client) -> None:
    names = [f"S{number:03}" for number in range(600)]
    server.bridge.answers |= {
        "symbols": lambda request: Symbols(600, tuple(symbol(name) for name in names[request.start : request.start + 250])),
        "ticks": lambda request: Records(0, b""),
    }
    assert [found.name for found in client.symbols()] == names
    assert client.ticks("EURUSD", 1_000).empty


def test_a_symbol_is_found_by_the_bridge(server: StandIn, client: Client) -> None:
    found = FoundSymbol("XAUUSD", "alias", "'XAUUSD' is another name of 'gold'", ("GOLDm",))
    server.bridge.answers["find_symbol"] = lambda request: found if request.name == "gold" else None
    assert client.find_symbol("gold") == found


# ---- the bridge's own affairs ----------------------------------------------------------------------------------------------------


def status(*links: LinkStatus) -> Status:
    return Status("test", True, 1.0, CONNECTED, 5, 1, (), (), {}, links)


def test_status_ends_with_the_clients_own_link(monkeypatch: pytest.MonkeyPatch) -> None:
    virtual, bridge = VirtualTime(), ScriptedBridge(heartbeat_s=1.0)
    broker = LinkStatus("broker_terminal", True, 400, "S, ping 34 ms")
    bridge.answers["status"] = lambda request: status(broker)
    client = VirtualClient(virtual, bridge, monkeypatch.setattr)
    client.subscribe("tick:EURUSD")
    virtual.run_for(10.5)
    first, own = client.status().links
    assert (first, own.link, own.up, own.detail) == (broker, "client", True, "1 subscriptions, 0 events missing")
    assert own.age_ms is not None
    assert own.age_ms <= 1_000
    client.virtual.link.events = lost
    virtual.run_for(5.0)
    own = client.status().links[-1]
    assert not own.up
    assert own.age_ms is not None
    assert own.age_ms >= 5_000


def test_what_waits_in_the_socket_counts_as_received(server: StandIn) -> None:
    server.bridge.heartbeat_s = 0.1
    server.bridge.answers["status"] = lambda request: status()
    with Client(server.endpoint) as client, client.subscribe("tick:EURUSD"):
        time.sleep(0.4)  # the program does something else: heartbeats come, and nobody takes them
        assert client.is_silent
        [own] = client.status().links
        assert own.up


def test_the_past_of_the_connection_and_a_fresh_start(server: StandIn, client: Client) -> None:
    begun = ConnectionState("reconnecting", "a client asked", 5)
    server.bridge.answers |= {
        "connection_history": lambda request: ConnectionHistory((CONNECTED, begun)[-request.count :]),
        "reconnect": lambda request: begun,
    }
    assert client.connection_history() == (CONNECTED, begun)
    assert client.connection_history(1) == (begun,)
    assert client.reconnect() == begun


# ---- server time and UTC ---------------------------------------------------------------------------------------------------------

NOON_S = 1_795_435_200
"""2026-11-23 12:00 UTC; the clock of this server is two hours ahead."""
MEASURED = ClockOffset(7_200, NOON_S * 1_000, "high", 3)


@pytest.fixture
def measured(server: StandIn) -> Iterator[Client]:
    server.bridge.connection = replace(CONNECTED, clock=MEASURED)
    server.bridge.start_msc = NOON_S * 1_000
    with Client(server.endpoint) as connected:
        yield connected


def test_the_offset_comes_with_the_connection(server: StandIn, client: Client) -> None:
    assert client.clock == ClockOffset()
    with pytest.raises(TryAgain, match="not known"):
        client.utc(NOON_S)
    with client.subscribe("connection") as subscription:
        server.run(lambda bridge: bridge.publish("connection", replace(CONNECTED, clock=MEASURED)))
        while subscription.get(1.0) is None:
            pass
        assert client.clock == MEASURED
        assert client.utc(NOON_S + 7_200.123) == datetime(2026, 11, 23, 12, 0, 0, 123_000, tzinfo=UTC)
        server.run(lambda bridge: bridge.publish("connection", replace(CONNECTED, clock=replace(MEASURED, offset_s=10_800))))
        while subscription.get(1.0) is None:
            pass
        assert client.utc(NOON_S + 10_800) == datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_utc_of_one_time_by_the_offset_or_by_a_zone(measured: Client) -> None:
    assert measured.utc(datetime(2026, 11, 23, 14)) == datetime(2026, 11, 23, 12, tzinfo=UTC)
    with pytest.raises(InvalidParameters, match="before the last change of daylight saving"):
        measured.utc(datetime(2026, 7, 1, 15))
    assert measured.utc(datetime(2026, 7, 1, 15), zone="America/New_York+7") == datetime(2026, 7, 1, 12, tzinfo=UTC)
    for moment in (
        datetime(2026, 11, 23, 12, tzinfo=UTC),
        datetime(2026, 11, 23, 12),
        datetime(2026, 11, 23, 13, tzinfo=timezone(timedelta(hours=1))),
    ):
        assert measured.server_time(moment) == datetime(2026, 11, 23, 14, tzinfo=UTC), "labelled as the terminal's own times are"
        assert measured.utc(measured.server_time(moment)) == datetime(2026, 11, 23, 12, tzinfo=UTC)
    with pytest.raises(InvalidParameters):
        measured.server_time(datetime(2026, 7, 1, 12))
    assert measured.server_time(datetime(2026, 7, 1, 12), "America/New_York+7") == datetime(2026, 7, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize("utc", [True, "America/New_York+7"])
def test_rates_and_ticks_in_utc(server: StandIn, measured: Client, utc: bool | str) -> None:
    asked: list[Any] = []

    def answer(request: Any) -> Records:
        asked.append(request)
        if isinstance(request, GetRates):
            return Records(1, bar_record(NOON_S + 7_200))
        return Records(1, tick_record((NOON_S + 7_200) * 1_000 + 5))

    server.bridge.answers |= {"rates": answer, "ticks": answer}
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert measured.rates("EURUSD", "M1", 1, utc=utc).index[0] == noon
    assert measured.rates("EURUSD", "M1", 1).index[0] == noon.replace(hour=14)
    frame = measured.rates("EURUSD", "M1", date_from=noon, date_to=noon, utc=utc)
    assert (frame.index.name, frame.index[0], asked[-1].to_s) == ("utc", noon, NOON_S + 7_200)
    frame = measured.ticks("EURUSD", noon, noon.replace(minute=1), utc=utc)
    assert (frame.index.name, frame.index[0], asked[-1].from_s) == ("utc", noon.replace(microsecond=5_000), NOON_S + 7_200)
    assert measured.ticks("EURUSD", noon.replace(hour=14), count=1).index[0] == noon.replace(hour=14, microsecond=5_000)


def test_what_cannot_be_told_in_utc_is_refused_before_it_is_fetched(server: StandIn, client: Client, measured: Client) -> None:
    with pytest.raises(TryAgain):
        client.rates("EURUSD", "M1", utc=True)
    with pytest.raises(InvalidParameters, match="last change"):
        measured.ticks("EURUSD", datetime(2026, 7, 1), utc=True)
    with pytest.raises(InvalidParameters, match="it was measured"):
        measured.rates("EURUSD", "M1", utc="UTC+3")
    assert {"rates", "ticks"}.isdisjoint(server.bridge.methods())
