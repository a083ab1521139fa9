"""How the names of a broker's symbols can be read as a plain name with something before or behind it.

What may stand around a name depends on what the name means. A pair of currencies is certain by the symbol's currencies, so that
almost anything may; around other instruments only what is known to leave them what they are; around a name that means nothing here
(a share, say) the least, because `TM` is not `Tm`, which is `T` at a broker who adds an `m`, and `BRK.B` is not `BRK.A`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from bridge.records import Symbol
from bridge.session.instruments import (
    COINS,
    CURRENCIES,
    METALS,
    SEPARATORS,
    Instrument,
    Kind,
    is_derived,
    is_fund,
    is_share,
    meaning,
    plain,
)

Rule = Literal["exact", "case", "variant", "alias", "affix"]

MARKERS = frozenset(
    (
        "pro",
        "ecn",
        "raw",
        "std",
        "stp",
        "prime",
        "mini",
        "micro",
        "nano",
        "cent",
        "spot",
        "vip",
        "zero",
        "plus",
        "cash",
        "cfd",
        "sb",
    )
)
"""Words for the kind of account or contract, which leave the instrument what it is."""
NOT_OF_COINS = frozenset({"cash", "plus", "zero"})
"""Markers that make another coin's name of one: Bitcoin Cash."""
LETTERS = frozenset("abceimnoprsxz")
"""Single small letters that brokers use in the same way. Not f (futures), g and k (gram and kilogram of gold) and t (Tether)."""
SHARE_LETTERS = frozenset("cimz")
"""Those that are no class of a share, as a, b, p (preferred) and r (rights) are."""
EXCHANGES = frozenset({"US", "NAS", "NASDAQ", "NYSE", "OQ", "O", "N"})
"""Exchanges of the United States, behind the name of a share."""
FRONT_WORDS = frozenset({"fx", "cfd", "spot", "idx", "index", "metal", "crypto"})
"""Words that may stand before any instrument, with a separator."""
NOT_SPOT = frozenset(
    ("fut", "futs", "future", "fwd", "otc", "inv", "opt", "option", "renko",
     "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
)  # fmt: skip
"""Words around a pair of currencies that make something else of it."""

_PREFIX = re.compile(r"[.#_!$&~[(-]?(?:(?P<bare>[a-z]{0,3})|(?P<word>[A-Za-z]{1,5})[.:_/-])")
_SUFFIX = re.compile(r"(?P<mark>[.#_!^+*'~/ -]*)(?P<word>[A-Za-z]{0,6})[.#_!^+*'~)\]-]*")
_BETWEEN = re.compile(f"[{re.escape(SEPARATORS)}]+")


class Reading(NamedTuple):
    """A symbol's name read as another: by which rule, how many characters are added to it, how usual the spelling is (0: as asked),
    and in words."""

    rule: Rule
    added: int
    spelling: int
    words: str


Reader = Callable[[Symbol], Reading | None]


def reader(asked: str, instrument: Instrument | None) -> Reader:
    """What reads symbols as `asked`, which means `instrument`."""
    return _reader_of_stranger(asked) if instrument is None else _reader_of_known(asked, instrument)


# ---- names that mean something ---------------------------------------------------------------------------------------------------


def _reader_of_known(asked: str, instrument: Instrument) -> Reader:
    search = instrument.pattern().search
    folded, wanted = asked.casefold(), plain(asked)
    usual = [plain(word) for word in instrument.spellings]

    def read(symbol: Symbol) -> Reading | None:
        name = symbol.name
        if name.casefold() == folded:
            return None if instrument.excludes(symbol) else _by_case(name, asked)
        found = search(name)
        if found is None:
            return None
        prefix, core, suffix = name[: found.start()], plain(found[0]), name[found.end() :]
        if not _may_surround(instrument.kind, prefix, suffix) or instrument.excludes(symbol):
            return None
        spelling = 0 if core == wanted else 1 + usual.index(core) if core in usual else 1 + len(usual)
        if prefix or suffix:
            words = f"{name!r} is {found[0]!r} with what this broker adds to names: {instrument.words}"
            return Reading("affix", len(prefix) + len(suffix), spelling, words)
        if spelling == 0:
            return Reading("variant", 0, 0, f"{name!r} is {asked!r} with other separators")
        return Reading("alias", 0, spelling, f"{name!r} is another name of {asked!r}: {instrument.words}")

    return read


def _may_surround(kind: Kind, prefix: str, suffix: str) -> bool:
    front, end = _PREFIX.fullmatch(prefix), _SUFFIX.fullmatch(suffix)
    return front is not None and end is not None and _may_precede(kind, front) and _may_follow(kind, end)


def _may_precede(kind: Kind, front: re.Match[str]) -> bool:
    bare, word = front["bare"] or "", front["word"] or ""
    if kind is Kind.CURRENCY:
        return not _is_code(word) and bare not in NOT_SPOT
    if bare:
        return bare == "m" and kind in (Kind.METAL, Kind.ENERGY)  # mBTC is a thousandth, MDAX another index
    return not word or word.lower() in FRONT_WORDS


def _may_follow(kind: Kind, end: re.Match[str]) -> bool:
    mark, word = end["mark"], end["word"]
    if not word:
        return True
    marker = word.lower() in MARKERS
    if kind is not Kind.CURRENCY:
        return (marker and not (kind is Kind.COIN and word.lower() in NOT_OF_COINS)) or word in LETTERS
    if word.lower() in NOT_SPOT or _is_code(word):
        return False
    # EURUSDT and EURUSDC are prices in other money than EURUSD.
    return bool(mark) or marker or (word.islower() and word != "t") or (len(word) == 1 and word not in "tTC")


def _is_code(word: str) -> bool:
    return word.upper() in CURRENCIES or word.upper() in METALS or word.upper() in COINS


# ---- names that mean nothing here ------------------------------------------------------------------------------------------------


def _reader_of_stranger(asked: str) -> Reader:
    folded, unified = asked.casefold(), _unified(asked)
    match = re.compile(
        rf"(?P<prefix>[.#_!$&~-]?[A-Za-z]?)(?P<core>{re.escape(asked)})(?P<suffix>.*)", re.IGNORECASE | re.DOTALL
    ).fullmatch

    def read(symbol: Symbol) -> Reading | None:
        name = symbol.name
        if folded not in name.casefold():
            same = _unified(name) == unified and name.upper() == name and not is_derived(symbol)
            return Reading("variant", 0, 0, f"{name!r} is {asked!r} with other separators") if same else None
        if is_derived(symbol):
            return None
        if name.casefold() == folded:
            return None if _is_marked(symbol) else _by_case(name, asked)
        found = match(name)
        if found is None or not (found["core"] == asked or found["core"].isupper()):
            return None
        if not _may_surround_stranger(found["prefix"], found["core"], found["suffix"], symbol):
            return None
        words = f"{name!r} is {found['core']!r} with what this broker adds to names"
        return Reading("affix", len(name) - len(asked), 0, words)

    return read


def _unified(name: str) -> str:
    return _BETWEEN.sub("/", name.casefold())


def _is_marked(symbol: Symbol) -> bool:
    """Whether a name is perhaps a shorter one with a small letter or word added, and that shorter one means nothing certain."""
    name = symbol.name
    for place in range(1, len(name)):
        rest, mark = name[:place], name[place:]
        if not rest[-1].islower() and (mark in LETTERS or (mark.lower() in MARKERS and not mark.isupper())):
            break
    else:
        rest = name[1:]
        if name[0] not in LETTERS or not rest or rest[0].islower():
            return False
    instrument = meaning(rest)
    return instrument is None or instrument.excludes(symbol)


def _may_surround_stranger(prefix: str, core: str, suffix: str, symbol: Symbol) -> bool:
    letter = prefix[-1:] if prefix[-1:].isalpha() else ""
    end = _SUFFIX.fullmatch(suffix)
    if end is None or (letter and not (letter in "cm" and not core[0].islower())):
        return False
    mark, word = end["mark"], end["word"]
    if not word:
        return True
    small = word.lower() in MARKERS or word in SHARE_LETTERS
    if not mark:
        return small and not word.isupper() and not core[-1].islower()
    return small or (word in EXCHANGES and is_share(symbol) and not is_fund(symbol))


def _by_case(name: str, asked: str) -> Reading:
    return Reading("case", 0, 0, f"{name!r} differs from {asked!r} in small and capital letters only")
