"""Who comes late gets at once what everybody else knows, and nobody else notices."""

from __future__ import annotations

from bridge.replies import TradeSnapshot
from bridge.ticks import RECORD_BYTES
from clients.events import AccountUpdate, Bars, Connection, Item, OpenTrades, Ticks, TradeUpdate
from tests.many_clients import Strategy, Town
from tests.records import order, position

TOPICS = ("tick:EURUSD", "bar:EURUSD:M1", "forming:EURUSD:M1", "connection", "account", "trade")


def states(client: Strategy) -> dict[type, Item]:
    """What it began with, by kind; of bars the last closed one."""
    assert client.feed is not None
    items = [item for item in client.feed.queue if not (isinstance(item, Bars) and item.forming)]
    assert all(item.snapshot for item in items if not isinstance(item, AccountUpdate | TradeUpdate))  # type: ignore[union-attr]
    return {type(item): item for item in items}


def test_a_late_joiner_gets_every_state_at_once_and_nobody_else_notices() -> None:
    town = Town(1)
    first = town.join(*TOPICS)
    town.wait(1.0)
    town.terminal.pending = [order(7, symbol="EURUSD", volume_current=0.2)]
    town.wait(1.0)
    town.terminal.open_positions = [position(5, symbol="EURUSD", volume=0.1)]
    town.tick("EURUSD", twins=False)
    town.wait(5.0)
    first.take()
    begin = len(first.taken)
    assert any(isinstance(item, TradeUpdate) and item.trade.kind == "position_opened" for item in first.taken)
    town.terminal.calls.clear()
    late = town.join(*TOPICS)
    town.wait(0.2)
    started = [call for call in town.terminal.calls if call in ("symbol", "select")]
    found = states(late)
    assert set(found) == {Ticks, Bars, Connection, AccountUpdate, OpenTrades}
    told = found[OpenTrades]
    assert isinstance(told, OpenTrades)
    assert [held.ticket for held in told.open.positions] == [5]
    assert [held.ticket for held in told.open.orders] == [7]
    tick, bar = found[Ticks], found[Bars]
    assert isinstance(tick, Ticks)
    assert isinstance(bar, Bars)
    assert bytes(tick.records) == town.regular["EURUSD"][-1]
    assert bytes(bar.records) == town.closed[-1]
    assert len(bar.records) == RECORD_BYTES
    first.take()
    assert (list(first.taken)[begin:], started) == ([], [])


def test_a_restarted_bridge_tells_what_is_open_now() -> None:
    town = Town(1)
    client = town.join("trade")
    town.wait(2.0)
    town.terminal.open_positions = [position(5, symbol="EURUSD", volume=0.1)]
    town.wait(4.0)
    town.restart(0.5)
    town.wait(6.0)
    client.take()
    opens = [item.open for item in client.taken if isinstance(item, OpenTrades)]
    assert opens[0] == TradeSnapshot((), ())
    assert [[held.ticket for held in told.positions] for told in opens[1:]] == [[5]]
    assert [gap.reason for gap in client.gaps] == ["epoch"]
