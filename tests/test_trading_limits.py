"""What clients may trade: whose section holds, the rules that need no look at the account, their words, and the page about them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from bridge.errors import ERRORS, BridgeError, InvalidParameters, LimitReached, TradingHalted
from bridge.halt import Halt
from bridge.limits import OPERATOR, RESERVE, RULES, ClientLimits, Limits, Rules
from bridge.placement import ExposureLimits
from bridge.replies import LimitSection
from bridge.trading import TradeRequest

DOCS = Path(__file__).parents[1] / "docs"
BUY = TradeRequest(action=1, symbol="EURUSD", volume=0.1, magic=7)
CLOSE = TradeRequest(action=1, symbol="EURUSD", volume=0.1, type=1, magic=7, position=11)
PLACE = TradeRequest(action=5, symbol="EURUSD", volume=0.1, type=2, magic=7)
STOPS = TradeRequest(action=6, symbol="EURUSD", position=11, sl=1.0)
CHANGE = TradeRequest(action=7, symbol="EURUSD", order=12, price=1.0)
REMOVE = TradeRequest(action=8, order=12)
CLOSE_BY = TradeRequest(action=10, position=11, position_by=13)
ALL = (BUY, CLOSE, PLACE, STOPS, CHANGE, REMOVE, CLOSE_BY)


def rules_of(halted: bool = False, **limits: Any) -> Rules:
    """Rules of the bridge as a whole."""
    halt = Halt()
    if halted:
        halt.halt("news", "operator", 5)
    return Rules(Limits(ClientLimits(**limits)), halt)


def refusal(rules: Rules, request: TradeRequest, name: str = "c", now: float = 0.0) -> BridgeError:
    before = rules.in_force(name, now)
    with pytest.raises(BridgeError) as caught:
        rules.judge(request, name, "id", now)
    assert rules.in_force(name, now) == before, "a refusal changes nothing"
    error = caught.value
    assert error.next_step
    assert "\n" not in str(error)
    return error


def outcome(rules: Rules, request: TradeRequest) -> str:
    """What becomes of a request: refused by a rule, passed, or passed if it only reduces exposure."""
    try:
        limits = rules.judge(request, "c", None, 0.0)
    except BridgeError as error:
        return f"refused: {error.details['rule']}"
    return f"only if it reduces: {limits.reducing_only}" if limits.reducing_only else "passed"


# ---- the rules -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "bad", "good", "details"),
    [
        (
            {"symbols": ("EUR*", "XAUUSD")}, {"symbol": "GBPUSD"}, {"symbol": "EURUSD.r"},
            {"rule": "symbols", "field": "symbol", "value": "GBPUSD", "limit": ["EUR*", "XAUUSD"]},
        ),
        ({"symbols": ("EUR*",)}, {"symbol": "eurusd"}, {"symbol": "EUR"}, {"value": "eurusd"}),
        ({"symbols": ()}, {}, None, {"rule": "symbols", "limit": []}),
        (
            {"max_volume": 0.3}, {"volume": 0.31}, {"volume": 0.1 + 0.2},
            {"rule": "max_volume", "field": "volume", "value": 0.31, "limit": 0.3, "nearest": 0.3},
        ),
        ({"max_volume": 0.0}, {"volume": 0.01}, None, {"rule": "max_volume", "limit": 0.0}),
        (
            {"magics": (7,)}, {"magic": 0}, {"magic": 7},
            {"rule": "magics", "field": "magic", "value": 0, "limit": [7], "nearest": 7},
        ),
        ({"magics": (7, 100)}, {"magic": 99}, {"magic": 100}, {"nearest": 100}),
        ({"magics": ()}, {"magic": 0}, None, {"rule": "magics", "limit": []}),
        ({"read_only": True}, {}, None, {"rule": "read_only", "limit": True}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [BUY, PLACE])
def test_each_rule_names_field_value_limit_and_the_nearest(
    limits: dict[str, Any], bad: dict[str, Any], good: dict[str, Any] | None, details: dict[str, Any], kind: TradeRequest
) -> None:
    for rules, section in (
        (Rules(Limits(ClientLimits(**limits))), "[limits]"),
        (Rules(Limits(clients={"c*": ClientLimits(**limits)})), '[clients."c*"]'),
    ):
        error = refusal(rules, structs_replace(kind, **bad))
        assert isinstance(error, LimitReached)
        assert error.details["section"] == section
        assert error.message.startswith(section)
        assert error.details.items() >= details.items()
        assert ("nearest" in error.details) == ("nearest" in details)
        if good is not None:
            assert isinstance(rules.judge(structs_replace(kind, **good), "c", None, 0.0), ExposureLimits)


def structs_replace(request: TradeRequest, **changes: Any) -> TradeRequest:
    return TradeRequest(**{name: getattr(request, name) for name in TradeRequest.__slots__} | changes)


TABLE: dict[str, tuple[Callable[[], Rules], str]] = {
    # what becomes of:          BUY, CLOSE, PLACE, STOPS, CHANGE, REMOVE, CLOSE_BY - refused, passed, or only if it reduces exposure
    "halt": (lambda: rules_of(halted=True), "r o r o r o o"),
    "read_only": (lambda: rules_of(read_only=True), "r r r r r r r"),
    "symbols": (lambda: rules_of(symbols=("X",)), "r o r o r o o"),
    "max_volume": (lambda: rules_of(max_volume=0.01), "r o r p p p p"),
    "magics": (lambda: rules_of(magics=(1,)), "r r r p p p p"),
    "orders_per_minute": (lambda: used_up(1), "r o r r r o o"),
}


def used_up(limit: int) -> Rules:
    rules = rules_of(orders_per_minute=limit)
    for _ in range(limit):
        rules.judge(BUY, "c", None, 0.0)
    return rules


@pytest.mark.parametrize("rule", TABLE)
def test_which_orders_pass_which_rule(rule: str) -> None:
    make, expected = TABLE[rule]
    words = {"r": f"refused: {rule}", "o": f"only if it reduces: {rule}", "p": "passed"}
    assert [outcome(make(), request) for request in ALL] == [words[letter] for letter in expected.split()]


def test_a_halt_comes_before_the_limits_and_says_who_and_why() -> None:
    rules = rules_of(halted=True, symbols=("X",), max_volume=0.01, orders_per_minute=1)
    error = refusal(rules, BUY)
    assert isinstance(error, TradingHalted)
    assert error.details == {"rule": "halt", "since_msc": 5, "reason": "news", "by": "operator"}
    assert "by operator: news" in error.message
    for _ in range(3):
        assert rules.judge(CLOSE, "c", None, 0.0).reducing_only == "halt"
    rules.halt.resume("operator", 9)
    assert refusal(rules, BUY).details["rule"] == "symbols"


def test_the_switch_that_is_given_is_the_one_that_counts() -> None:
    halt = Halt()
    rules = Rules(halt=halt)
    halt.halt("", "", 1)
    assert isinstance(refusal(rules, BUY), TradingHalted)


def test_an_action_that_is_not_known_cannot_be_judged() -> None:
    for action in (0, 2, 11):
        error = refusal(rules_of(max_volume=1.0), TradeRequest(action=action))
        assert isinstance(error, InvalidParameters)
        assert error.details == {"rule": "action", "field": "action", "value": action}
        assert rules_of().judge(TradeRequest(action=action), "c", None, 0.0) == ExposureLimits(), "the terminal will refuse it"


def test_what_the_session_has_to_look_at() -> None:
    whole = ClientLimits(net_volume=5.0, open_positions=9, daily_loss=100.0, magics=(7, 8))
    own = ClientLimits(net_volume=0.5, magics=(7,), max_volume=1.0)
    rules = Rules(Limits(whole, {"a": own, "b": ClientLimits(max_volume=1.0)}))
    expected = ExposureLimits(5.0, 9, 100.0, (7, 8))
    assert rules.judge(BUY, "c", None, 0.0) == expected
    assert rules.judge(BUY, "b", None, 0.0) == expected
    assert rules.judge(BUY, "a", None, 0.0) == ExposureLimits(
        5.0, 9, 100.0, (7, 8), own=ExposureLimits(net_volume=0.5, magics=(7,))
    )
    assert not rules_of(max_volume=1.0).judge(BUY, "c", None, 0.0), "then nothing has to be read before it is sent"


def test_dry_run_is_no_refusal() -> None:
    rules = Rules(Limits(clients={"a": ClientLimits(dry_run=True)}))
    assert rules.dry_run("a")
    assert not rules.dry_run("b")
    rules.judge(BUY, "a", None, 0.0)
    assert rules_of(dry_run=True).dry_run("whoever")


# ---- orders in a minute ----------------------------------------------------------------------------------------------------------


def test_the_minute_slides() -> None:
    rules = rules_of(orders_per_minute=2)
    rules.judge(BUY, "a", None, 0.0)
    rules.judge(BUY, "b", None, 30.0)
    error = refusal(rules, BUY, "c", 59.5)
    assert error.details == {
        "rule": "orders_per_minute", "section": "[limits]", "value": 3, "limit": 2, "wait_s": 0.5,
    }  # fmt: skip
    rules.judge(BUY, "c", None, 60.0)
    assert refusal(rules, BUY, "c", 60.0).details["wait_s"] == 30.0


def test_each_name_has_its_own_minute_and_those_without_share_one() -> None:
    rules = Rules(Limits(clients={"*": ClientLimits(orders_per_minute=1)}))
    for name in ("a", "b", ""):
        rules.judge(BUY, name, None, 0.0)
        assert refusal(rules, BUY, name).details["section"] == '[clients."*"]'
    assert "id has sent 1 orders" in refusal(rules, BUY, "").message


def test_closing_is_counted_and_goes_on_beyond() -> None:
    rules = rules_of(orders_per_minute=2)
    assert rules.judge(CLOSE, "a", None, 0.0).reducing_only == ""
    rules.judge(REMOVE, "a", None, 0.0)
    refusal(rules, BUY, "a")
    for _ in range(RESERVE):
        assert rules.judge(CLOSE, "a", None, 1.0).reducing_only == "orders_per_minute"
    assert refusal(rules, CLOSE, "a", 2.0).details == {
        "rule": "orders_per_minute", "section": "[limits]", "value": RESERVE + 1, "limit": RESERVE, "wait_s": 59.0,
    }  # fmt: skip
    assert rules.judge(CLOSE, "b", None, 2.0), "no client can use up the reserve of another"
    assert rules.judge(CLOSE, "a", None, 61.0).reducing_only == ""


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 40), st.sampled_from(["a", "b"]), st.sampled_from([BUY, CLOSE, STOPS, REMOVE]))),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_no_sixty_seconds_have_more_than_the_limit(steps: list[tuple[float, str, TradeRequest]], of_all: int, of_one: int) -> None:
    rules = Rules(Limits(ClientLimits(orders_per_minute=of_all), {"*": ClientLimits(orders_per_minute=of_one)}))
    now, accepted = 0.0, list[tuple[float, str]]()
    for pause, name, request in steps:
        now += pause
        recent = [sender for moment, sender in accepted if moment > now - 60]
        room = len(recent) < of_all and recent.count(name) < of_one
        try:
            rules.judge(request, name, None, now)
        except LimitReached as error:
            assert not room
            assert request in (BUY, STOPS)
            wait_s = error.details["wait_s"]
            assert 0 <= wait_s <= 60
        else:
            assert room or request in (CLOSE, REMOVE)
            accepted.append((now, name))


# ---- whose section ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("grid-eurusd", "grid-eurusd"), ("grid-eurgbp", "grid-eur*"), ("grid-usdjpy", "grid-*"),
        ("other", "*"), ("", "*"), ("GRID-eurusd", "*-*"), (OPERATOR, None), ("operator2", "*"),
    ],
)  # fmt: skip
def test_the_pattern_that_says_most_counts(name: str, pattern: str | None) -> None:
    patterns = ["*", "grid-*", "grid-eur*", "grid-eurusd", "*-*"]
    for order in (patterns, patterns[::-1]):
        assert Limits(clients={pattern: ClientLimits() for pattern in order}).section(name) == pattern


def test_of_two_that_say_as_much_the_first_counts() -> None:
    first, second = ClientLimits(max_volume=1.0), ClientLimits(max_volume=2.0)
    assert Limits(clients={"ab*": first, "*bc": second}).section("abc") == "ab*"
    assert Limits(clients={"*bc": second, "ab*": first}).section("abc") == "*bc"
    assert Limits(clients={"x": first}).section("abc") is None
    assert Limits(clients={"a[bc]*": first, "a*": second}).section("abc") == "a[bc]*"
    assert Limits(clients={"a*": second, "a[bc]*": first}).section("abc") == "a*"


def test_the_operator_has_only_the_section_of_its_name() -> None:
    everybody = {"*": ClientLimits(read_only=True)}
    assert Rules(Limits(clients=everybody)).judge(BUY, OPERATOR, None, 0.0) == ExposureLimits()
    named = everybody | {OPERATOR: ClientLimits(max_volume=0.01)}
    assert refusal(Rules(Limits(clients=named)), BUY, OPERATOR).details["rule"] == "max_volume"
    assert refusal(rules_of(read_only=True), BUY, OPERATOR).details["rule"] == "read_only"


# ---- other limits while it runs --------------------------------------------------------------------------------------------------


def test_other_limits_hold_from_the_next_order_on() -> None:
    rules = rules_of(orders_per_minute=5)
    for _ in range(3):
        rules.judge(BUY, "c", None, 0.0)
    told = rules.adopt(Limits(ClientLimits(orders_per_minute=3, symbols=("E*",)), {"a": ClientLimits(read_only=True)}))
    assert told == '[limits] symbols none -> [E*], orders_per_minute 5 -> 3; [clients."a"] added'
    assert refusal(rules, BUY).details["limit"] == 3, "what was sent before counts"
    assert rules.adopt(Limits(ClientLimits(orders_per_minute=3, symbols=("E*",)))) == '[clients."a"] removed'
    assert rules.adopt(rules.limits) == ""
    two = {"a*": ClientLimits(), "*a": ClientLimits(read_only=True)}
    rules.adopt(Limits(clients=two))
    assert rules.adopt(Limits(clients=dict(reversed(two.items())))) == "the order of the sections"


def test_what_is_in_force() -> None:
    rules = Rules(Limits(ClientLimits(net_volume=0.0), {"a*": ClientLimits(read_only=True), "b": ClientLimits()}))
    assert rules.in_force("ab", 0.0).sections == (
        LimitSection("[limits]", {"net_volume": 0.0}), LimitSection('[clients."a*"]', {"read_only": True}),
    )  # fmt: skip
    assert len(rules.in_force("b", 0.0).sections) == 1
    rules.judge(BUY, "b", None, 0.0)
    told = rules.in_force("c", 59.0)
    assert (told.client, told.orders, told.orders_of_all, told.trading.halted) == ("c", 0, 1, False)
    assert rules.in_force("b", 59.0).orders == 1
    assert rules.in_force("b", 60.0).orders == 0


# ---- the pages -------------------------------------------------------------------------------------------------------------------


def rows(page: str, first: str) -> list[list[str]]:
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    [start] = [number for number, line in enumerate(lines) if line.startswith(f"| {first} |")]
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return table


def test_every_rule_has_a_row_with_its_code() -> None:
    table = {name: code for name, code, *_ in rows("protocol.md", "limit rule")}
    assert tuple(table) == RULES
    assert {name: ERRORS[code] for name, code in table.items()} == {
        name: TradingHalted if name == "halt" else LimitReached for name in RULES
    }


def test_every_limit_has_a_row_for_the_operator() -> None:
    names = [name for name, _ in rows("operating.md", "limit")]
    assert sorted(names) == sorted(ClientLimits.__struct_fields__)
    assert set(names) - {"dry_run"} == set(RULES) - {"halt"}


def test_the_numbers_of_the_pages() -> None:
    for page in ("operating.md", "protocol.md"):
        text = " ".join((DOCS / page).read_text(encoding="utf-8").split())
        found = re.findall(r"([\d,]+) (?:of such )?orders a minute", text)
        assert [int(number.replace(",", "")) for number in found] == [RESERVE], page


def test_the_example_of_the_page_can_be_read(tmp_path: Path) -> None:
    from bridge.config import load  # noqa: PLC0415

    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    [example] = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[limits]" in block]
    (tmp_path / "x.toml").write_text(example, encoding="utf-8")
    found = load({}, config=tmp_path / "x.toml", environ={}, folder=tmp_path).trading_limits()
    assert structs.asdict(found.bridge)["net_volume"] == 5.0
    assert found.section("grid-1") == "grid-*"
    assert found.clients["*"].read_only
