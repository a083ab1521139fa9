"""Which of a broker's symbols a plain name means: `EURUSD` may be called `EURUSD.r` there, `gold` `XAUUSD`, `US500` `SPX500`.

The rules, in this order: the name itself; the same in other letters' case; the same with other separators; another name of the same
instrument; either with what brokers put before or behind it. The name itself always stands, whatever it is. Everything else has to
be the same instrument for certain (`instruments`, `readings`): an error is better than an order for something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from bridge.errors import InvalidParameters, UnknownSymbol
from bridge.records import Symbol
from bridge.replies import FoundSymbol
from bridge.session.instruments import Instrument, meaning, plain
from bridge.session.readings import Reading, Rule, reader

RULES: tuple[Rule, ...] = ("exact", "case", "variant", "alias", "affix")
MOST = 10
"""Other names in an answer, and candidates in an error, at most."""
SIMILAR = 0.6
"""Least likeness of a candidate (`difflib`)."""

PRIORITIES: tuple[tuple[str, str], ...] = (
    ("XM", r"GOLD.*"), ("EXNESS", r".*m"), ("ALPARI", r".*\.c"), ("FBS", r"XAUUSD"), ("METAQUOTES", r"XAUUSD"),
)  # fmt: skip
"""How a server's name begins, and the names that are usual there; settles ties only."""

_TRADABLE = {4: 0, 1: 1, 2: 1, 3: 2}
"""MQL5 ENUM_SYMBOL_TRADE_MODE: full, long only or short only, close only; anything else counts as disabled."""
_CLOSED = {0: "; it cannot be traded now", 3: "; positions in it can only be closed"}
_DISABLED = 3


class Rank(NamedTuple):
    """How well a symbol fits: the smallest comes first. Unique for each name."""

    tradable: int
    rule: int
    future: bool
    hidden: bool
    added: int
    unusual: bool
    spelling: int
    folded: str
    name: str


_BECAUSE = (
    "it can be traded better", "its name is nearer", "it is filed under no futures", "it is in Market Watch",
    "less is added to its name", "its name is usual at this broker", "its name is more usual", "of the alphabet", "of the alphabet",
)  # fmt: skip


class Match(NamedTuple):
    """A symbol that the name can mean."""

    rank: Rank
    reading: Reading
    symbol: Symbol


def resolve(name: str, symbols: Sequence[Symbol], server: str) -> FoundSymbol:
    """The symbol that `name` means among all `symbols` of a broker, hidden ones too; their order does not matter. `server` is the
    account's.

    Of several the first in this order: it can be traded; its rule; it is filed under no futures; it is in Market Watch; less is
    added to the name; usual at this broker; usual anywhere; the alphabet. What has a date of delivery, options, shares that are
    called like a commodity and symbols that a user made are found by their exact names only.

    Raises `UnknownSymbol`, and `InvalidParameters` for an empty name or when several different instruments are equally near; their
    details have the nearest names as `candidates`.
    """
    asked = name.strip()
    if not asked:
        raise InvalidParameters("the name of a symbol is empty", next_step="give one, like EURUSD", field="name")
    instrument = meaning(asked)
    matches = _matches(asked, instrument, symbols, server)
    for own in (name, asked):
        exact = next((symbol for symbol in symbols if symbol.name == own), None)
        if exact is not None:
            others = [match for match in matches if match.symbol.name != own]
            return _found(f"{own!r} is the broker's own name", "exact", exact, others)
    if not matches:
        raise _unknown(asked, instrument, symbols)
    if instrument is None:
        _check_unambiguous(asked, matches)
    best, *others = matches
    words = best.reading.words
    if others:
        place = next(place for place, (ours, theirs) in enumerate(zip(best.rank, others[0].rank, strict=True)) if ours != theirs)
        words += f"; before {others[0].symbol.name!r} because {_BECAUSE[place]}"
    return _found(words, best.reading.rule, best.symbol, others)


def _matches(asked: str, instrument: Instrument | None, symbols: Sequence[Symbol], server: str) -> list[Match]:
    """All that the name can mean, the best first."""
    read = reader(asked, instrument)
    usual = [re.compile(names) for begin, names in PRIORITIES if server.upper().startswith(begin)]
    found: dict[str, Match] = {}
    for symbol in symbols:
        reading = read(symbol)
        if reading is not None:
            found[symbol.name] = Match(_rank(symbol, reading, usual), reading, symbol)
    return sorted(found.values(), key=lambda match: match.rank)


def _rank(symbol: Symbol, reading: Reading, usual: list[re.Pattern[str]]) -> Rank:
    return Rank(
        tradable=_TRADABLE.get(symbol.trade_mode, _DISABLED),
        rule=RULES.index(reading.rule),
        future="futur" in symbol.path.lower(),
        hidden=not symbol.visible,
        added=reading.added,
        unusual=not any(names.fullmatch(symbol.name) for names in usual),
        spelling=reading.spelling,
        folded=symbol.name.casefold(),
        name=symbol.name,
    )


def _found(words: str, rule: Rule, symbol: Symbol, others: list[Match]) -> FoundSymbol:
    description = symbol.description.strip()
    explanation = f"{words}{f' ({description})' if description else ''}{_CLOSED.get(symbol.trade_mode, '')}"
    return FoundSymbol(symbol.name, rule, explanation, tuple(match.symbol.name for match in others[:MOST]))


def _check_unambiguous(asked: str, matches: list[Match]) -> None:
    """A name that means nothing here must not be a choice between different things."""
    equal = [match for match in matches if match.rank[:2] == matches[0].rank[:2]]
    kinds = {
        (match.symbol.currency_base, match.symbol.currency_profit, match.symbol.description.strip().casefold()) for match in equal
    }
    if len(kinds) > 1:
        names = [match.symbol.name for match in equal[:MOST]]
        raise InvalidParameters(
            f"{asked!r} may be any of {', '.join(names)}, which are different instruments",
            next_step="use one of these names",
            field="name",
            value=asked,
            candidates=names,
        )


def _unknown(asked: str, instrument: Instrument | None, symbols: Sequence[Symbol]) -> UnknownSymbol:
    """Nothing is certainly meant; what comes near is told."""
    names = sorted({symbol.name for symbol in symbols}, key=lambda name: (len(name), name.casefold(), name))
    wanted = plain(asked)
    search = None if instrument is None else instrument.pattern().search
    near = [name for name in names if wanted in plain(name) or (search is not None and search(name))][:MOST]
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    near += [folded[like] for like in get_close_matches(asked.casefold(), folded, MOST, SIMILAR) if folded[like] not in near]
    near = near[:MOST]
    what = f"is {asked!r}" if instrument is None else f"is certainly {asked!r} ({instrument.words})"
    return UnknownSymbol(
        f"no symbol of this broker {what}" + (f"; the nearest are {', '.join(near)}" if near else ""),
        next_step="use the exact name of one of them" if near else "see the broker's names with the method symbols",
        symbol=asked,
        candidates=near,
    )
