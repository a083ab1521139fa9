"""Deals: how a filled volume changes positions, in hedging and in netting accounts.

Hedging: each opening deal makes a position with the ticket of its order.  Netting: one position a symbol; the same
direction adds at the volume-weighted average price, the opposite one reduces, closes or reverses it (MQL5, "Netting
system"; a reversal is one deal INOUT, the identifier stays, the ticket becomes that of the reversing order).
"""

from __future__ import annotations

from dataclasses import replace

from bridge.terminal.simulator.account import floating
from bridge.terminal.simulator.enums import Entry, MarginMode, Reason, side_of
from bridge.terminal.simulator.server import Server
from bridge.trading import Deal, Order, Position

_DUST = 1e-9
"""Lots below which a remaining volume is nothing."""


def netted(server: Server, symbol: str) -> Position | None:
    """The one position of a symbol in a netting account; None in hedging accounts and when there is none."""
    if server.profile.margin_mode == MarginMode.HEDGING:
        return None
    return next((p for p in server.ledger.positions.values() if p.symbol == symbol), None)


def lots(volume: float) -> float:
    """A volume freed of the binary noise that sums and differences leave."""
    return round(volume, 8)


def fill(server: Server, order: Order, volume: float, price: float, now_msc: int, target: Position | None) -> Deal:
    """Execute `volume` of `order` at `price`, close `target` by it if given, and book the deal.

    In a netting account the symbol's own position is the target.  The order itself is not changed here.
    """
    target = netted(server, order.symbol) or target
    side = side_of(order.type)
    if target is None:
        return _open(server, order, volume, price, now_msc)
    if target.type == side:
        return _add(server, order, volume, price, now_msc, target)
    if volume > target.volume + _DUST:
        return _reverse(server, order, volume, price, now_msc, target)
    return close(server, order, volume, price, now_msc, target)


def slipped(server: Server, symbol: str, side: int, price: float) -> float:
    """What an order of this side gets that executes at the market when the quote is `price`."""
    slippage = server.profile.slippage
    if not slippage:
        return price
    contract = server.contracts[symbol]
    return contract.price(price + slippage * contract.point * (-1.0 if side else 1.0))


def gain_of(server: Server, position: Position, volume: float, price: float) -> float:
    """Profit of closing this much of a position, rounded."""
    return floating(server, replace(position, volume=volume), price)


def book(
    server: Server, order: Order, entry: Entry, volume: float, price: float, now_msc: int, position_id: int, *,
    side: int | None = None, profit: float = 0.0, swap: float = 0.0,
) -> Deal:  # fmt: skip
    """Book one deal of an order, on the order's side unless another is given.

    A close-by costs no commission, nor does what the server does over night.
    """
    free = entry == Entry.OUT_BY or order.reason == Reason.ROLLOVER
    commission = 0.0 if free else -server.bank.round(server.profile.commission * volume)
    return server.ledger.put_deal(
        Deal(
            server.ledger.take_deal_ticket(), order.ticket, now_msc // 1000, now_msc,
            side_of(order.type) if side is None else side, int(entry), order.magic, position_id, order.reason, lots(volume),
            price, commission + 0.0, swap, profit, 0.0, order.symbol, order.comment, "",
        )
    )  # fmt: skip


def _open(server: Server, order: Order, volume: float, price: float, now_msc: int) -> Deal:
    deal = book(server, order, Entry.IN, volume, price, now_msc, order.ticket)
    server.ledger.put_position(_position(server, order, volume, price, now_msc, order.ticket))
    return deal


def _position(server: Server, order: Order, volume: float, price: float, now_msc: int, identifier: int) -> Position:
    contract = server.contracts[order.symbol]
    return Position(
        order.ticket, now_msc // 1000, now_msc, now_msc // 1000, now_msc, side_of(order.type), order.magic, identifier,
        order.reason, lots(volume), price, contract.price(order.sl), contract.price(order.tp), price, 0.0, 0.0, order.symbol,
        order.comment, "",
    )  # fmt: skip


def _add(server: Server, order: Order, volume: float, price: float, now_msc: int, target: Position) -> Deal:
    deal = book(server, order, Entry.IN, volume, price, now_msc, target.identifier)
    total = target.volume + volume
    server.ledger.put_position(
        replace(
            target, volume=lots(total), price_open=(target.volume * target.price_open + volume * price) / total,
            sl=order.sl or target.sl, tp=order.tp or target.tp, time_update=now_msc // 1000, time_update_msc=now_msc,
        )
    )  # fmt: skip
    return deal


def _reverse(server: Server, order: Order, volume: float, price: float, now_msc: int, target: Position) -> Deal:
    deal = book(
        server, order, Entry.INOUT, volume, price, now_msc, target.identifier,
        profit=gain_of(server, target, target.volume, price), swap=target.swap,
    )  # fmt: skip
    server.ledger.drop_position(target.ticket)
    rest = lots(volume - target.volume)
    server.ledger.put_position(_position(server, order, rest, price, now_msc, target.identifier))
    return deal


def close(
    server: Server, order: Order, volume: float, price: float, now_msc: int, target: Position, entry: Entry = Entry.OUT
) -> Deal:
    """Close `volume` of a position; swap goes with the volume in proportion, all of the rest with the last part."""
    left = lots(target.volume - volume)
    swap = server.bank.round(target.swap * volume / target.volume)
    deal = book(
        server, order, entry, volume, price, now_msc, target.identifier,
        side=1 - target.type, profit=gain_of(server, target, volume, price), swap=swap,
    )  # fmt: skip
    if left <= _DUST:
        server.ledger.drop_position(target.ticket)
    else:
        server.ledger.put_position(
            replace(
                target, volume=left, swap=server.bank.round(target.swap - swap),
                time_update=now_msc // 1000, time_update_msc=now_msc,
            )
        )  # fmt: skip
    return deal


def reopen(server: Server, order: Order, before: Position, now_msc: int) -> Deal:
    """Open a position again that `order` carries over the night, under its old identifier and with its old times."""
    deal = book(server, order, Entry.IN, before.volume, order.price_open, now_msc, before.identifier)
    server.ledger.put_position(
        replace(
            before, ticket=order.ticket, price_open=order.price_open, price_current=order.price_open, swap=0.0,
            time_update=now_msc // 1000, time_update_msc=now_msc,
        )
    )  # fmt: skip
    return deal


def new_order(
    server: Server, symbol: str, order_type: int, volume: float, price: float, now_msc: int, *, reason: Reason = Reason.EXPERT,
    magic: int = 0, filling: int = 0, comment: str = "", sl: float = 0.0, tp: float = 0.0, position_id: int = 0,
    position_by_id: int = 0, state: int = 0, type_time: int = 0, expiration: int = 0, stoplimit: float = 0.0,
) -> Order:  # fmt: skip
    """An order with the next ticket; it is in no book yet."""
    return Order(
        server.ledger.take_order_ticket(), now_msc // 1000, now_msc, 0, 0, expiration, int(order_type), type_time, filling, state,
        magic, position_id, position_by_id, int(reason), lots(volume), lots(volume), price, sl, tp, price, stoplimit, symbol,
        comment, "",
    )  # fmt: skip
