"""Which symbol a plain name means: never another instrument, and always the same answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, InvalidParameters, UnknownSymbol
from bridge.records import Symbol
from bridge.replies import FoundSymbol
from bridge.session.resolution import MOST, resolve
from tests.records import symbol

SERVER = "Broker-Demo"
FULL, CLOSE_ONLY, DISABLED = 4, 3, 0


def of(name: str, base: str, profit: str = "USD", **values: Any) -> Symbol:
    """A symbol that can be traded and is shown, unless said otherwise."""
    defaults: dict[str, Any] = {"trade_mode": FULL, "visible": True}
    return symbol(name, currency_base=base, currency_profit=profit, **(defaults | values))


def euro(name: str = "EURUSD", **values: Any) -> Symbol:
    return of(name, "EUR", "USD", **values)


GOLD = of("XAUUSD", "XAU", path="Metals\\XAUUSD", description="Gold vs US Dollar")


def found(asked: str, *symbols: Symbol, server: str = SERVER) -> FoundSymbol:
    return resolve(asked, symbols, server)


def chosen(asked: str, *symbols: Symbol, server: str = SERVER) -> str:
    return found(asked, *symbols, server=server).symbol


# ---- never gold ------------------------------------------------------------------------------------------------------------------

SERVERS = ("MetaQuotes-Demo", "XMGlobal-MT5 2", "Exness-MT5Real", "FBS-Demo")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("base", ["XAU", "USD"])  # brokers who offer gold as a contract for difference give it the base USD
@pytest.mark.parametrize("asked", ["EURUSD", "GBPUSD", "USDJPY", "BTCUSD", "ETHUSD"])
def test_no_name_ends_in_gold(server: str, base: str, asked: str) -> None:
    golden = [of(name, base) for name in ("XAUUSD", "GOLD", "XAU/USD", "XAUUSDm", "GOLDmicro", "XAUUSD.c")]
    with pytest.raises(UnknownSymbol):
        found(asked, *golden, server=server)
    own = of(f"{asked}.r", asked[:3], asked[3:], visible=False, trade_mode=DISABLED)
    answer = found(asked, *golden, own, server=server)
    assert (answer.symbol, answer.others) == (own.name, ())


# ---- rules -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "names", "symbol_", "rule"),
    [
        ("EURUSD", ["EURUSD", "eurusd", "EUR/USD", "EURUSD.r"], "EURUSD", "exact"),
        (" eurusd ", ["EURUSD", "EUR/USD", "EURUSD.r"], "EURUSD", "case"),
        ("EURUSD", ["EUR/USD", "EURUSD.r"], "EUR/USD", "variant"),
        ("EUR_USD", ["EURUSD", "EURUSD.r"], "EURUSD", "variant"),
        ("EURUSD", ["EURUSD.pro", "EURUSD.r"], "EURUSD.r", "affix"),
        ("EURUSD.pro", ["EURUSD.pro", "EURUSD.r"], "EURUSD.pro", "exact"),
    ],
)
def test_rules_in_order(asked: str, names: list[str], symbol_: str, rule: str) -> None:
    answer = found(asked, *map(euro, names))
    assert (answer.symbol, answer.rule) == (symbol_, rule)
    assert set(answer.others) <= set(names) - {symbol_}


def test_gold_by_its_names() -> None:
    assert found("gold", GOLD).rule == "alias"
    assert found("gold", GOLD, of("GOLD", "XAU")).rule == "case"
    assert found("XAUUSD", of("GOLDm", "XAU")).rule == "affix"
    assert found("gold", GOLD).explanation == "'XAUUSD' is another name of 'gold': metal XAU in USD (Gold vs US Dollar)"


def test_a_share_that_is_called_gold() -> None:
    barrick = of("GOLD", "USD", path="US Shares\\GOLD", description="Barrick Gold Corp")
    assert chosen("gold", barrick, GOLD) == "XAUUSD"
    answer = found("GOLD", barrick, GOLD)
    assert (answer.symbol, answer.rule, answer.others) == ("GOLD", "exact", ("XAUUSD",))
    assert "Barrick" in answer.explanation
    with pytest.raises(UnknownSymbol) as caught:
        found("gold", barrick)
    assert caught.value.details["candidates"] == ["GOLD"]


def test_at_most_ten_others() -> None:
    answer = found("EURUSD", *(euro(f"EURUSD.{letter}") for letter in "cbahgfedonmlkji"))
    assert answer.symbol == "EURUSD.a"
    assert "".join(name[-1] for name in answer.others) == "bcdefghijk"


def test_hidden_symbols_count() -> None:
    assert chosen("EURUSD", euro("EURUSD.r", visible=False), GOLD) == "EURUSD.r"


@pytest.mark.parametrize(
    ("better", "worse", "why"),
    [
        (euro("EURUSD.zzz", visible=False), euro("EURUSD.a", trade_mode=CLOSE_ONLY), "can be traded better"),
        (euro("EURUSD.zzz", trade_mode=CLOSE_ONLY), euro("EURUSD.a", trade_mode=DISABLED), "can be traded better"),
        (euro("EURUSD.zzz", visible=False), euro("EUR/USD", trade_mode=DISABLED), "can be traded better"),
        (euro("EUR/USD", visible=False), euro("EURUSDm"), "its name is nearer"),
        (euro("EURUSD.zzz", visible=False, path="Forex\\E"), euro("EURUSD.a", path="Futures\\E"), "under no futures"),
        (euro("EURUSD.zzz"), euro("EURUSD.a", visible=False), "in Market Watch"),
        (euro("EURUSDz"), euro("EURUSD.a"), "less is added"),
        (euro("EURUSDa"), euro("EURUSDb"), "alphabet"),
    ],
)
def test_of_two_the_better_one(better: Symbol, worse: Symbol, why: str) -> None:
    answer = found("EURUSD", worse, better)
    assert (answer.symbol, answer.others) == (better.name, (worse.name,))
    assert f"; before {worse.name!r} because" in answer.explanation
    assert why in answer.explanation


@pytest.mark.parametrize(
    ("server", "asked", "names", "expected"),
    [
        ("Exness-MT5Real8", "EURUSD", ["EURUSDc", "EURUSDm", "EURUSDz"], "EURUSDm"),
        ("Other", "EURUSD", ["EURUSDc", "EURUSDm", "EURUSDz"], "EURUSDc"),
        ("Alpari-MT5", "EURUSD", ["EURUSD.a", "EURUSD.c"], "EURUSD.c"),
        ("Exness-MT5Real8", "EURUSD", ["EURUSD.m", "EURUSDc"], "EURUSDc"),
    ],
)
def test_what_is_usual_at_a_broker_only_settles_ties(server: str, asked: str, names: list[str], expected: str) -> None:
    assert chosen(asked, *map(euro, names), server=server) == expected


def test_xm_calls_it_gold_first() -> None:
    both = [of("GOLD", "XAU"), of("XAUUSD", "XAU")]
    assert chosen("XAU", *both, server="XMGlobal-MT5") == "GOLD"
    assert chosen("XAU", *both, server="FBS-Demo") == "XAUUSD"
    assert chosen("XAU", *both) == "XAUUSD"


def test_what_cannot_be_traded_is_said() -> None:
    assert found("EURUSD", euro(trade_mode=DISABLED)).explanation.endswith("; it cannot be traded now")
    assert found("EURUSD", euro("EURUSDm", trade_mode=CLOSE_ONLY)).explanation.endswith("positions in it can only be closed")


# ---- better an error -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "symbols",
    [
        [], [GOLD], [of("EURUSDT", "EUR", "USDT")], [of("EURUSDT", "EUR")], [of("EURUSD.r", "EUR", "GBP")],
        [of("EURUSD.r", "", "")], [euro("EURUSDZ25")], [euro("EURUSD.r", expiration_time=1)], [euro("EURUSD.x", custom=True)],
        [of("USDEUR", "USD", "EUR")],
    ],
)  # fmt: skip
def test_nothing_is_guessed(symbols: list[Symbol]) -> None:
    with pytest.raises(UnknownSymbol) as caught:
        found("EURUSD", *symbols)
    assert caught.value.details["symbol"] == "EURUSD"
    assert caught.value.next_step


def test_the_nearest_are_named() -> None:
    others = [of(f"XXX{number:03}", "USD") for number in range(50)]
    with pytest.raises(UnknownSymbol) as caught:
        found("EURUSD", *others, of("EURSUD", "X"), euro("EURUSDZ25"), of("EURUSDT", "EUR", "USDT"))
    assert caught.value.details["candidates"] == ["EURUSDT", "EURUSDZ25", "EURSUD"]
    assert "EURUSDT" in caught.value.message
    with pytest.raises(UnknownSymbol) as caught:
        found("XXX", *others)
    assert len(caught.value.details["candidates"]) == MOST


def test_different_things_that_are_equally_near() -> None:
    two = [of("ABC.US", "USD", path="Stocks\\ABC.US", description=text) for text in ("Abc Inc",)]
    two.append(of("ABC.N", "USD", path="Stocks\\ABC.N", description="Another Bank Corp"))
    with pytest.raises(InvalidParameters, match="different instruments") as caught:
        found("ABC", *two)
    assert caught.value.details["candidates"] == ["ABC.N", "ABC.US"]
    same = [of(name, "USD", description="Abc Inc") for name in ("ABC.pro", "ABCm")]
    assert found("ABC", *same).others == ("ABC.pro",)


@pytest.mark.parametrize("asked", ["", "  "])
def test_an_empty_name(asked: str) -> None:
    with pytest.raises(InvalidParameters):
        found(asked, GOLD)


# ---- properties ------------------------------------------------------------------------------------------------------------------

CODES = ("EUR", "USD", "GBP", "JPY", "TRY", "XAU", "XAG", "BTC", "USDT", "")
ROOTS = (
    "EURUSD", "EUR/USD", "GBPUSD", "USDJPY", "USDTRY", "EURGBP", "XAUUSD", "XAUEUR", "GOLD", "BTCUSD", "BTCUSDT", "US500", "SPX500",
    "DAX", "AAPL", "T", "TM",
)  # fmt: skip
ASKED = (*ROOTS, "eurusd", "gold", "usd/jpy", "us_500", "aapl", "tm", "Tm", "EURUSD.r", "nothing")


def pieces(*words: str) -> st.SearchStrategy[str]:
    return st.sampled_from(words)


AROUND = [(before, behind) for before in ("", "m", ".", "#", "FX:") for behind in ("", "m", ".r", "T", "Z25", ".US", "M", " ")]
HONEST: dict[str, Any] = {}
NATURES: list[dict[str, Any]] = [
    *[HONEST] * 6,
    *({"currency_base": base, "currency_profit": profit} for base in CODES for profit in ("USD", "EUR", "USDT", "")),
    {"path": "Stocks\\"}, {"path": "Futures\\"}, {"description": "Some Gold Corp"}, {"expiration_time": 1}, {"custom": True},
]  # fmt: skip


def a_symbol(root: str, around: tuple[str, str], nature: dict[str, Any], visible: bool, trade_mode: int) -> Symbol:
    """A symbol that is what its name says, or anything else."""
    letters = root.replace("/", "")
    base, profit = (letters[:3], letters[3:]) if len(letters) == 6 and letters.isalpha() else ("USD", "USD")
    name = root.join(around)
    values = {"currency_base": base, "currency_profit": profit, "visible": visible, "trade_mode": trade_mode} | nature
    return symbol(name.lower() if around == ("#", "M") else name, **values)


symbols_of_a_broker = st.builds(
    a_symbol,
    pieces(*ROOTS),
    st.sampled_from([*AROUND, *[("", "")] * 10]),
    st.sampled_from(NATURES),
    st.booleans(),
    st.sampled_from([0, 1, 3, 4, 4]),
)
brokers = st.lists(symbols_of_a_broker, min_size=1, max_size=8, unique_by=lambda found: found.name)
many_of_one = st.lists(st.sampled_from(AROUND), min_size=2, unique=True).map(
    lambda around: [a_symbol("EURUSD", affixes, HONEST, True, FULL) for affixes in around]
)


def outcome(asked: str, symbols: list[Symbol], server: str = SERVER) -> Any:
    try:
        return resolve(asked, symbols, server)
    except BridgeError as error:
        return type(error), str(error), error.details


@settings(max_examples=600, deadline=None)
@given(asked=pieces(*ASKED), symbols=brokers, server=pieces(SERVER, *SERVERS))
def test_the_answer_is_a_symbol_of_the_broker_and_means_itself(asked: str, symbols: list[Symbol], server: str) -> None:
    answer = outcome(asked, symbols, server)
    names = [symbol.name for symbol in symbols]
    if not isinstance(answer, FoundSymbol):
        assert set(answer[2]["candidates"]) <= set(names)
        assert asked not in names
        return
    assert answer.symbol in names
    assert answer.symbol not in answer.others
    assert set(answer.others) <= set(names)
    assert len(set(answer.others)) == len(answer.others) <= MOST
    again = resolve(answer.symbol, symbols, server)
    assert (again.symbol, again.rule) == (answer.symbol, "exact")


@settings(max_examples=600, deadline=None)
@given(asked=pieces(*ASKED), symbols=brokers | many_of_one, data=st.data())
def test_the_order_of_the_symbols_does_not_matter(asked: str, symbols: list[Symbol], data: st.DataObject) -> None:
    assert outcome(asked, symbols) == outcome(asked, data.draw(st.permutations(symbols)))


@settings(max_examples=600, deadline=None)
@given(pair=pieces("EURUSD", "GBPUSD", "USDJPY", "USDTRY", "EURGBP"), form=pieces("EURUSD", "low", "slash"), symbols=brokers)
def test_never_another_pair_of_currencies(pair: str, form: str, symbols: list[Symbol]) -> None:
    asked = {"low": pair.lower(), "slash": f"{pair[:3]}/{pair[3:]}"}.get(form, pair)
    answer = outcome(asked, symbols)
    if isinstance(answer, FoundSymbol) and answer.rule != "exact":
        for name in (answer.symbol, *answer.others):
            [that] = [symbol for symbol in symbols if symbol.name == name]
            assert (that.currency_base, that.currency_profit) == (pair[:3], pair[3:])
            assert not that.custom
            assert not that.expiration_time


@settings(max_examples=600, deadline=None)
@given(asked=pieces("gold", "XAUUSD", "US500", "BTCUSD"), symbols=brokers)
def test_never_a_thing_with_another_code_or_in_other_money(asked: str, symbols: list[Symbol]) -> None:
    own = {"gold": "XAU", "XAUUSD": "XAU", "US500": "USD", "BTCUSD": "BTC"}[asked]
    answer = outcome(asked, symbols)
    if isinstance(answer, FoundSymbol) and answer.rule != "exact":
        [that] = [symbol for symbol in symbols if symbol.name == answer.symbol]
        assert that.currency_profit == "USD"
        assert that.currency_base in (own, "USD", "")
        assert not that.path.startswith("Stocks")
        assert "Corp" not in that.description
