"""What a plain name means: the instruments that brokers spell differently, as literal tables.

A name means an instrument when it is in the table of aliases (`gold`, `US500`, `DAX`), or is made of two codes of currencies,
metals or coins (`EURUSD`, `XAU/EUR`, `BTCUSD`). `Instrument.excludes` says whether a symbol of the terminal is something else in
spite of its name: what a symbol is follows from its currencies (MQL5 SYMBOL_CURRENCY_BASE, SYMBOL_CURRENCY_PROFIT), its way of
calculation, its folder and its description, never from its name alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bridge.records import Symbol

SEPARATORS = "/_-. "
"""What brokers put between the two halves of a name, or leave out."""


class Kind(StrEnum):
    """What is traded."""

    CURRENCY = "currency"
    METAL = "metal"
    ENERGY = "energy"
    COIN = "coin"
    INDEX = "index"


CURRENCIES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNH CNY COP
    CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR
    ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD
    NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RUR RWF SAR SBD SCR SDG SEK SGD SHP SOS SRD SYP SZL THB TJS
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW
    """.split()  # noqa: SIM905 - a table
)
"""ISO 4217, and the names that brokers still use for the offshore renminbi and the old rouble."""

METALS: dict[str, tuple[str, ...]] = {
    "XAU": ("GOLD",), "XAG": ("SILVER",), "XPT": ("PLATINUM",), "XPD": ("PALLADIUM",),
}  # fmt: skip
COINS: dict[str, tuple[str, ...]] = {
    "BTC": ("BITCOIN", "XBT"), "ETH": ("ETHEREUM",), "LTC": ("LITECOIN",), "XRP": ("RIPPLE",), "BCH": (), "ADA": (), "DOT": (),
    "SOL": (), "DOGE": (), "LINK": (), "UNI": (), "AVAX": (), "MATIC": (), "POL": (), "TRX": (), "XLM": (), "XMR": (), "ZEC": (),
    "DASH": (), "ETC": (), "EOS": (), "NEO": (), "ATOM": (), "ALGO": (), "FIL": (), "AAVE": (), "SHIB": (), "TON": (), "NEAR": (),
    "BNB": (), "XTZ": (), "BSV": (), "USDT": (), "USDC": (),
}  # fmt: skip
"""Codes, with other words for the same."""
STABLE: dict[str, tuple[str, ...]] = {"USDT": ("USDT", "UST", "USD"), "USDC": ("USDC", "USD")}
"""Coins in whose stead a symbol's profit currency may be given as dollars; the name then has to name the coin."""
BARE = frozenset({"XAU", "XAG", "XPT", "XPD", "BTC", "ETH"})
"""Codes that mean the price in dollars when they stand alone. Only when a person says them: as a symbol's name they are often a
share's or a fund's."""

ALIASES: tuple[tuple[Kind, str, str], ...] = (
    (Kind.ENERGY, "USD", "XTI/USD WTI USOIL USO/USD WTI/USD US/CRUDE WTICO/USD SPOT/CRUDE"),
    (Kind.ENERGY, "USD", "XBR/USD BRENT UKOIL UKO/USD BRENT/USD UK/BRENT BCO/USD SPOT/BRENT"),
    (Kind.ENERGY, "USD", "XNG/USD NAT/GAS NGAS NATGAS/USD NATURAL/GAS"),
    (Kind.METAL, "USD", "XCU/USD COPPER COPPER/USD"),
    (Kind.INDEX, "USD", "US500 SPX500 SP500 S&P500 SPX USA500 USSPX500 US/SP/500"),
    (Kind.INDEX, "USD", "NAS100 USTEC US100 NDX NDX100 NASDAQ NASDAQ100 NQ100 USTECH US/TECH/100 USTEC100 USNDAQ100 USA100"),
    (Kind.INDEX, "USD", "US30 DJ30 DJI30 DJI DJIA WS30 DOW/JONES DOW/JONES/30 USA30 WALL/STREET/30"),
    (Kind.INDEX, "USD", "US2000 RUSSELL2000 RUS2000 US/SMALL/CAP/2000"),
    (Kind.INDEX, "USD", "USDX DXY USD/INDEX DOLLAR/INDEX USDIDX"),
    (Kind.INDEX, "EUR", "GER40 DE40 DAX DAX40 GDAXI GERMANY40 GER30 DE30 DAX30 GERMANY30"),
    (Kind.INDEX, "EUR", "EU50 EUSTX50 STOXX50 STOXX50E ESTX50 EUROPE50 ESX50"),
    (Kind.INDEX, "EUR", "FRA40 FR40 CAC40 CAC FCHI FCHI40 FRANCE40 F40"),
    (Kind.INDEX, "EUR", "ES35 SPA35 SPN35 ESP35 IBEX35 IBEX SPAIN35"),
    (Kind.INDEX, "EUR", "IT40 ITA40 ITALY40 FTSEMIB"),
    (Kind.INDEX, "EUR", "NL25 NETH25 AEX AEX25 NED25 N25 NETHERLANDS25"),
    (Kind.INDEX, "GBP", "UK100 FTSE100 FTSE GB100 UKX"),
    (Kind.INDEX, "CHF", "CH20 SUI20 SWI20 SMI20 SWISS20"),
    (Kind.INDEX, "JPY", "JP225 JPN225 J225 JAP225 NIKKEI NIKKEI225 NIK225 NI225 N225 JAPAN225"),
    (Kind.INDEX, "AUD", "AUS200 AU200 ASX200 AUSTRALIA200"),
    (Kind.INDEX, "HKD", "HK50 HSI HSI50 HKG50 HANG/SENG HANG/SENG/50 HONG/KONG/50"),
)
"""Kind, the currency that it is quoted in, and the names of one instrument, the most usual first; a slash, or the
place before a number, is where a separator may stand. The German index had 30 members
until 2021, and some brokers kept the number."""

_SHARES = re.compile(r"shares?|stocks?|equit(?:y|ies)", re.IGNORECASE)
_FUNDS = re.compile(r"\bet[fn]s?\b|\betcs\b|bonds?\b|options?\b|funds?\b|warrants?", re.IGNORECASE)
_COMPANIES = re.compile(
    r"\b(?:inc|corp|corporation|company|plc|ltd|limited|holdings?|trust|etf|etn|fund|ishares|spdr|proshares|mining|miners)\b", re.I
)
_INDICES = re.compile(r"ind(?:ex|ices|exes)", re.IGNORECASE)
_CRYPTO = re.compile(r"crypto|coins?\b", re.IGNORECASE)
_EXCHANGE_SHARES = frozenset({32, 38})
_EXCHANGE_DERIVED = frozenset({33, 34, 35, 36})
_EXCHANGE_OTHERS = frozenset({37, 39, 64})
"""MQL5 ENUM_SYMBOL_CALC_MODE: shares; futures and options; bonds and collateral."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument. `spellings` are its names in capitals, without affixes, the most usual first; a slash marks where brokers may
    put a separator. `bases` and `profits` are the codes that its symbols have as currencies; no bases: they do not matter."""

    kind: Kind
    spellings: tuple[str, ...]
    bases: tuple[str, ...]
    profits: tuple[str, ...]

    def pattern(self) -> re.Pattern[str]:
        """Finds a spelling in a symbol's name, the longest one that fits, with any separator at its place."""
        inner = f"[{re.escape(SEPARATORS)}]?"
        words = sorted(self.spellings, key=lambda word: (-len(plain(word)), word))
        core = "|".join(inner.join(map(re.escape, word.split("/"))) for word in words)
        quoted = "" if self.kind in (Kind.CURRENCY, Kind.COIN) else f"(?:{inner}{self.profits[0]})?"
        return re.compile(f"(?:{core}){quoted}", re.IGNORECASE)

    @property
    def words(self) -> str:
        """What it is, for people."""
        if self.kind in (Kind.INDEX, Kind.ENERGY) or not self.bases:
            return f"{self.kind} {plain(self.spellings[0])} in {self.profits[0]}"
        return f"{self.kind} {self.bases[0]} in {self.profits[0]}"

    def excludes(self, symbol: Symbol) -> bool:
        """Whether a symbol is certainly, or for all that is known, something else than this instrument at its present price."""
        base, profit = symbol.currency_base.upper(), symbol.currency_profit.upper()
        if profit not in self.profits or is_derived(symbol):
            return True
        if self.kind is Kind.CURRENCY:
            return base not in self.bases
        if base not in (*self.bases, profit) and (base in CURRENCIES or base in METALS or base in COINS):
            return True
        folder = _folder(symbol)
        if _CRYPTO.search(folder) and self.kind is not Kind.COIN:
            return True
        if is_share(symbol) and not (self.kind is Kind.INDEX and _INDICES.search(folder)):
            return True
        return symbol.trade_calc_mode in _EXCHANGE_OTHERS or is_fund(symbol) or _COMPANIES.search(symbol.description) is not None


def _folder(symbol: Symbol) -> str:
    return symbol.path.removesuffix(symbol.name)


def is_share(symbol: Symbol) -> bool:
    """Whether a symbol is filed under shares."""
    return symbol.trade_calc_mode in _EXCHANGE_SHARES or _SHARES.search(_folder(symbol)) is not None


def is_fund(symbol: Symbol) -> bool:
    """Whether a symbol is filed under funds, notes, bonds or options."""
    return _FUNDS.search(_folder(symbol)) is not None


def is_derived(symbol: Symbol) -> bool:
    """Whether a symbol only depends on its instrument's price, or is not the broker's: what has a date of delivery, options, and
    symbols that a user made."""
    return symbol.custom or symbol.expiration_time > 0 or symbol.option_strike > 0 or symbol.trade_calc_mode in _EXCHANGE_DERIVED


def plain(name: str) -> str:
    """A name in capitals without separators and spaces."""
    return "".join(letter for letter in name.upper() if letter not in SEPARATORS)


def _break(word: str) -> str:
    """Marks where a separator may stand in an alias: before its number, too."""
    return re.sub(r"(?<=[A-Z])(?=\d+$)", "/", word)


def _tabled() -> Iterator[tuple[str, Instrument]]:
    for kind, profit, row in ALIASES:
        names = row.split()
        instrument = Instrument(kind, tuple(map(_break, names)), (), (profit,))
        for name in names:
            yield plain(name), instrument


_TABLE = dict(_tabled())


def meaning(name: str) -> Instrument | None:
    """The instrument that a name means, if it means one."""
    asked = plain(name)
    found = _TABLE.get(asked)
    if found is None and (found := _TABLE.get(asked[:-3])) is not None and asked[-3:] not in found.profits:
        found = None
    if found is not None:
        return found
    for code, words in (METALS | COINS).items():
        if asked in words or (asked in BARE and asked == code):
            return _pair(code, "USD")
    for words in (METALS | COINS).values():
        for word in words:
            if asked.startswith(word):
                asked = asked.replace(word, next(code for code, own in (METALS | COINS).items() if word in own), 1)
    halves = [(asked[:place], asked[place:]) for place in range(3, len(asked) - 2)]
    halves.sort(key=lambda half: not (half[0] in CURRENCIES and half[1] in CURRENCIES))  # USD/TRY is no USDT/RY
    for base, quote in halves:
        if base != quote and all(half in CURRENCIES or half in METALS or half in COINS for half in (base, quote)):
            return _pair(base, quote)
    return None


def _pair(base: str, quote: str) -> Instrument:
    profits = STABLE.get(quote, (quote,))
    if base in CURRENCIES:
        kind = Kind.CURRENCY if quote in CURRENCIES else Kind.COIN
        return Instrument(kind, (f"{base}/{quote}",), (base,), profits)
    words = METALS.get(base) or COINS.get(base) or ()
    spellings = [f"{word}/{quote}" for word in (base, *words)]
    if quote == "USD":
        spellings += [word for word in words if len(word) > 3]
    if (base, quote) == ("XAU", "USD"):
        spellings.append("GOLDZ")
    return Instrument(Kind.METAL if base in METALS else Kind.COIN, tuple(spellings), (base, *words), profits)
