"""What a session's stream of trades gives to keep for the next session, or the next bridge: small, and of one account.

Columns instead of rows, without prices and profits, and compressed: 100 positions take some kilobytes.
"""

from __future__ import annotations

import zlib
from dataclasses import astuple, fields, replace
from typing import Any, TypeVar

import msgspec

from bridge.session.chronicle import Chronicle
from bridge.session.known import Known
from bridge.session.ledger import ledger
from bridge.trading import Order, Position

FORMAT = 2
"""What another release has kept otherwise is no starting point."""
MOST_BYTES = 16_000_000

T = TypeVar("T", Order, Position)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    format: int
    login: int
    server: str
    positions: list[list[Any]]
    orders: list[list[Any]]
    deals_from_s: int
    deals: dict[int, int]
    ended_from_s: int
    ended: dict[int, int]
    owed: dict[int, float]
    terms: list[Any] | None


def packed(chronicle: Chronicle, login: int, server: str) -> bytes:
    """A chronicle as bytes."""
    deals, ended = chronicle.deals, chronicle.ended
    positions = [replace(item, price_current=0.0, profit=0.0) for item in chronicle.told.positions.values()]
    orders = [replace(item, price_current=0.0) for item in chronicle.told.orders.values()]
    kept = _Kept(
        FORMAT, login, server, _columns(positions), _columns(orders),
        deals.from_s, _since(deals), ended.from_s, _since(ended), chronicle.owed, chronicle.terms,
    )  # fmt: skip
    return zlib.compress(msgspec.msgpack.encode(kept))


def unpacked(data: bytes, login: int | None, server: str | None) -> Chronicle | None:
    """The chronicle that was kept; None when it is of another account, or of a release that kept something else."""
    try:
        plain = zlib.decompressobj()
        kept = _decode(plain.decompress(data, MOST_BYTES))
    except (zlib.error, msgspec.MsgspecError):
        return None
    if (kept.format, kept.login, kept.server) != (FORMAT, login, server):
        return None
    told = ledger(_rows(kept.positions, Position), _rows(kept.orders, Order))
    chronicle = Chronicle(told, _known(kept.deals_from_s, kept.deals), _known(kept.ended_from_s, kept.ended), kept.owed)
    chronicle.terms = kept.terms
    return chronicle


def _columns(items: list[T]) -> list[list[Any]]:
    return [list(column) for column in zip(*map(astuple, items), strict=True)]


def _rows(columns: list[list[Any]], kind: type[T]) -> list[T]:
    names = [field.name for field in fields(kind)]
    return [kind(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _since(known: Known) -> dict[int, int]:
    """Seconds counted from the first one: small numbers."""
    return {ticket: time_s - known.from_s for ticket, time_s in known.tickets.items()}


def _known(from_s: int, since: dict[int, int]) -> Known:
    return Known(from_s, {ticket: from_s + time_s for ticket, time_s in since.items()})


_decode = msgspec.msgpack.Decoder(_Kept).decode
