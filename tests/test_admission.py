"""Trade requests against the rules, and the rules against the simulated trade server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, TryAgain
from bridge.placement import Placement
from bridge.session.admission import admit
from bridge.session.orders import place
from bridge.session.rules import RULES
from bridge.trading import TradeRequest
from tests.order_stage import Stage
from tests.scripted_market import START_S

NAN, INFINITE = float("nan"), float("inf")


Fields = dict[str, Any]
BUY: Fields = {"action": 1, "symbol": "EURUSD", "volume": 0.1}
LIMIT: Fields = {**BUY, "action": 5, "type": 2, "price": 1.0}

REFUSED: list[tuple[str, str, Any, dict[str, Any], dict[str, Any]]] = [
    # rule, field, nearest, request, changes of the contract; bid 1.1000, ask 1.1002
    ("action", "action", None, {**BUY, "action": 0}, {}),
    ("action", "action", None, {**BUY, "action": 2**40}, {}),
    ("type", "type", 0, {**BUY, "type": 2}, {}),
    ("type", "type", 1, {**BUY, "type": 7}, {}),
    ("type", "type", None, {**BUY, "type": 99}, {}),
    ("type", "type", None, {**LIMIT, "type": 0}, {}),
    ("number", "volume", None, {**BUY, "volume": NAN}, {}),
    ("number", "price", None, {**LIMIT, "price": INFINITE}, {}),
    ("number", "sl", None, {**BUY, "sl": -1.0}, {}),
    ("number", "tp", None, {**BUY, "tp": -INFINITE}, {}),
    ("comment", "comment", "ab", {**BUY, "comment": "a\nb"}, {}),
    ("comment", "comment", "ab", {**BUY, "comment": "a\x00b"}, {}),
    ("comment", "comment", "up", {**BUY, "comment": "up\N{ROCKET}"}, {}),
    ("comment", "comment", "caf", {**BUY, "comment": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"}, {}),
    ("comment", "comment", "x" * 27, {**BUY, "comment": "x" * 200}, {}),
    ("symbol_required", "symbol", None, {**BUY, "symbol": ""}, {}),
    ("trade_mode", "symbol", None, BUY, {"trade_mode": 0}),
    ("trade_mode", "symbol", None, {**BUY, "type": 1}, {"trade_mode": 1}),
    ("trade_mode", "symbol", None, BUY, {"trade_mode": 2}),
    ("trade_mode", "symbol", None, LIMIT, {"trade_mode": 3}),
    ("position", "position", None, {**BUY, "type": 1, "position": 4711}, {}),
    ("position", "position", None, {"action": 6, "symbol": "EURUSD", "sl": 1.0}, {}),
    ("position", "position", None, {"action": 6, "position": 4711, "sl": 1.0}, {}),
    ("position", "position", None, {"action": 10, "position": 4711, "position_by": 4712}, {}),
    ("position_by", "position_by", None, {"action": 10, "position": 5, "position_by": 5}, {}),
    ("order", "order", None, {"action": 7, "order": 4711, "price": 1.0}, {}),
    ("order", "order", None, {"action": 8}, {}),
    ("volume_min", "volume", 0.01, {**BUY, "volume": 0.0}, {}),
    ("volume_min", "volume", 0.01, {**BUY, "volume": 0.004}, {}),
    ("volume_max", "volume", 500.0, {**BUY, "volume": 1e15}, {}),
    ("volume_step", "volume", 0.12, {**BUY, "volume": 0.1234}, {}),
    ("volume_step", "volume", 0.1, {**BUY, "volume": 0.1000001}, {}),
    ("filling_mode", "type_filling", 0, {**BUY, "type_filling": 2}, {}),
    ("filling_mode", "type_filling", 1, {**BUY, "type_filling": 0}, {"filling_mode": 2}),
    ("filling_mode", "type_filling", 2, {**LIMIT, "type_filling": 3}, {}),
    ("filling_mode", "type_filling", 2, {**LIMIT, "type_filling": 77}, {}),
    ("order_mode", "type", None, LIMIT, {"order_mode": 1}),
    ("order_mode", "sl", 0.0, {**BUY, "sl": 1.0}, {"order_mode": 127 - 16}),
    ("order_mode", "tp", 0.0, {**LIMIT, "tp": 1.2}, {"order_mode": 127 - 32}),
    ("expiration_mode", "type_time", 0, {**LIMIT, "type_time": 9}, {}),
    ("expiration_mode", "type_time", 0, {**LIMIT, "type_time": 1}, {"expiration_mode": 1}),
    ("expiration", "expiration", START_S, {**LIMIT, "type_time": 2, "expiration": START_S - 60}, {}),
    ("expiration", "expiration", START_S, {**LIMIT, "type_time": 2}, {}),
    ("price_required", "price", 1.1002, {**LIMIT, "price": 0.0}, {}),
    ("price_required", "stoplimit", None, {**LIMIT, "type": 6, "price": 1.2}, {}),
    ("tick_size", "price", 1.0, {**LIMIT, "price": 1.0000049}, {}),
    ("tick_size", "sl", 1.05, {**BUY, "sl": 1.0500001}, {}),
    ("price_side", "price", 1.10019, {**LIMIT, "price": 1.2}, {}),
    ("price_side", "price", 1.10001, {**LIMIT, "type": 3, "price": 1.0}, {}),
    ("price_side", "price", 1.10021, {**LIMIT, "type": 4, "price": 1.0}, {}),
    ("price_side", "price", 1.09999, {**LIMIT, "type": 5, "price": 1.2}, {}),
    ("price_side", "stoplimit", 1.19999, {**LIMIT, "type": 6, "price": 1.2, "stoplimit": 1.3}, {}),
    ("stops_level", "price", 1.0992, {**LIMIT, "price": 1.0995}, {"stops_level": 100}),
    ("level_side", "sl", 1.09999, {**BUY, "sl": 1.2}, {}),
    ("level_side", "tp", 1.10001, {**BUY, "tp": 1.0}, {}),
    ("level_side", "sl", 1.10021, {**BUY, "type": 1, "sl": 1.05}, {}),
    ("level_side", "sl", 0.99999, {**LIMIT, "sl": 1.01}, {}),
    ("stops_level", "sl", 1.099, {**BUY, "sl": 1.0995}, {"stops_level": 100}),
    ("tick_size", "price", 1.1, {**BUY, "price": 1.1000049}, {"exemode": 1}),
]


@pytest.mark.parametrize(("rule", "field", "nearest", "fields", "contract"), REFUSED)
def test_refused(rule: str, field: str, nearest: Any, fields: dict[str, Any], contract: dict[str, Any]) -> None:
    error = Stage(**contract).refusal(**fields)
    details = dict(error.details)
    value = details.pop("value")
    assert details == {"rule": rule, "field": field, "nearest": nearest}
    given = fields.get(field, getattr(TradeRequest(), field))
    assert value == given or value != value
    assert "\n" not in str(error)
    assert f"{field}=" in error.message
    assert rule in error.message
    assert error.next_step == RULES[rule]


def test_the_nearest_volume_or_price_is_accepted() -> None:
    tried = 0
    for _, field, nearest, fields, contract in REFUSED:
        if nearest is not None and field != "expiration" and fields.get("price") != 0.0:
            Stage(**contract).admit(**{**fields, field: nearest})
            tried += 1
    assert tried > 25


def test_rules_of_what_is_open() -> None:
    stage = Stage()
    desk = stage.desk
    bought, sold = desk.buy(0.3, sl=1.09).order, desk.sell(0.2).order
    other = desk.buy(0.1, symbol="GBPUSD").order
    close = {"action": 1, "symbol": "EURUSD", "position": bought}
    table: list[tuple[str, str, Any, Fields]] = [
        ("volume_position", "volume", 0.3, {**close, "type": 1, "volume": 0.31}),
        ("position_side", "type", 1, {**close, "type": 0, "volume": 0.1}),
        ("symbol", "symbol", "EURUSD", {**close, "type": 1, "volume": 0.1, "symbol": "GBPUSD"}),
        ("symbol", "symbol", "EURUSD", {"action": 6, "position": bought, "symbol": "GBPUSD", "sl": 1.0}),
        ("level_side", "sl", 1.09999, {"action": 6, "position": bought, "sl": 1.5}),
        ("symbol", "position_by", None, {"action": 10, "position": bought, "position_by": other}),
        ("position", "position_by", None, {"action": 10, "position": bought, "position_by": 99}),
    ]
    for rule, field, nearest, fields in table:
        error = stage.refusal(**fields)
        assert (error.details["rule"], error.details["field"], error.details["nearest"]) == (rule, field, nearest)
    pair = stage.desk.buy(0.1).order
    assert stage.refusal(action=10, position=bought, position_by=pair).details["rule"] == "position_side"
    assert stage.admit(action=10, position=bought, position_by=sold).type_filling == 0
    assert stage.admit(**{**close, "type": 1, "volume": 0.1 + 0.2}).volume == 0.3
    pending = desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.0, type_filling=2).order
    assert stage.refusal(action=8, order=pending, symbol="GBPUSD").details["rule"] == "symbol"
    assert stage.refusal(action=7, order=pending, price=1.2).details["rule"] == "price_side"
    assert stage.refusal(action=7, order=pending).details["rule"] == "price_required"
    assert stage.admit(action=7, order=pending, price=1.05).type_filling == 2


def test_a_frozen_order_and_a_frozen_position() -> None:
    stage = Stage(freeze_level=100)
    pending = stage.desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.0999, type_filling=2).order
    bought = stage.desk.buy(0.1, sl=1.0995).order
    for fields in ({"action": 8, "order": pending}, {"action": 7, "order": pending, "price": 1.05}):
        assert stage.refusal(**fields).details["rule"] == "freeze_level"
    for fields in ({"action": 6, "position": bought}, {**BUY, "type": 1, "position": bought}):
        assert stage.refusal(**fields).details["rule"] == "freeze_level"


def test_every_rule_is_met() -> None:
    met = {rule for rule, *_ in REFUSED} | {"volume_position", "position_side", "symbol", "freeze_level"}
    assert met == set(RULES)


def test_what_is_filled_in() -> None:
    assert Stage().admit(**BUY, price=1.0) == TradeRequest(**BUY, price=1.0, type_filling=0)
    assert Stage(filling_mode=2).admit(**BUY).type_filling == 1
    assert Stage("netting-exchange", filling_mode=0).admit(**BUY).type_filling == 2
    assert Stage().admit(**LIMIT).type_filling == 2
    priced = Stage("instant").admit(**BUY)
    assert (priced.price, Stage("instant").admit(**{**BUY, "type": 1}).price) == (1.1002, 1.1)
    noisy = Stage().admit(**{**LIMIT, "volume": 0.1 + 0.2, "price": 1.1 - 0.1 + 1e-16, "sl": 0.1 * 3})
    assert (noisy.volume, noisy.price, noisy.sl) == (0.3, 1.0, 0.3)
    empty = Stage("instant")
    empty.desk.world.server.watch["AAPL"] = True
    with pytest.raises(TryAgain, match="no price yet"):
        empty.admit(**{**BUY, "symbol": "AAPL", "volume": 1.0})


def test_a_symbol_that_does_not_exist() -> None:
    with pytest.raises(BridgeError) as caught:
        Stage().admit(**{**BUY, "symbol": "NOPE"})
    assert caught.value.code == "unknown_symbol"


def test_the_cost_in_calls() -> None:
    stage = Stage()
    bought = stage.desk.buy(0.3).order
    pending = stage.desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.0, type_filling=2).order
    stage.admit(**BUY)
    assert stage.calls == ["symbol_info"]
    cost: tuple[tuple[Fields, list[str]], ...] = (
        (BUY, []),
        ({**BUY, "sl": 1.0}, ["symbol_info_tick"]),
        ({**BUY, "type": 1, "position": bought}, ["positions_get"]),
        ({"action": 6, "position": bought, "sl": 1.0}, ["positions_get"]),
        (LIMIT, ["symbol_info_tick"]),
        ({"action": 7, "order": pending, "price": 1.05}, ["orders_get"]),
        ({"action": 8, "order": pending}, ["orders_get"]),
    )
    for fields, calls in cost:
        stage.admit(**fields)
        assert stage.calls == calls, fields
    stage.desk.wait(5_001)
    stage.admit(**{**BUY, "sl": 1.0})
    assert stage.calls == ["symbol_info"], "it has the prices with it"


def test_what_was_made_moments_ago_need_not_be_seen_yet() -> None:
    stage = Stage()
    stage.admit(**BUY)
    outcome = place(stage.sight, Placement(TradeRequest(**BUY)))
    close = {**BUY, "type": 1, "position": outcome.result.order}
    stage.desk.world.server.ledger.positions.clear()  # as if the terminal did not show it yet
    assert stage.admit(**close).position == outcome.result.order
    stage.desk.wait(10_001)
    assert stage.refusal(**close).details["rule"] == "position"


# ---- against the simulated trade server ------------------------------------------------------------------------------------------

PROFILES = ("hedging-cfd", "netting", "netting-exchange", "instant")
STRICTER = {"comment", "tick_size", "volume_step"}
"""Rules that refuse what the simulator takes: see `admission`; of numbers only such as are off their grid."""
LEFT_TO_THE_TERMINAL = {10019, 10025, 10034, 10036, 10004, 10040, 10010}
"""Return codes of what is not looked at here: money, sameness, sums of volumes, requotes, a netting account's position."""

near = st.sampled_from([1.0, 1.0995, 1.0999, 1.09999, 1.1, 1.1001, 1.1002, 1.10021, 1.1003, 1.1007, 1.2, 0.0])
requests = st.fixed_dictionaries(
    {
        "action": st.sampled_from([1, 1, 1, 5, 5, 5, 6, 6, 7, 7, 8, 10, 2]),
        "symbol": st.sampled_from(["EURUSD", "EURUSD", "EURUSD", "GBPUSD", ""]),
        "volume": st.sampled_from([0.1, 0.2, 0.1 + 0.2, 0.3, 0.31, 0.01, 0.015, 0.001, 500.0, 501.0, 0.0]),
        "price": near,
        "stoplimit": near,
        "sl": near,
        "tp": near,
        "deviation": st.sampled_from([0, 100, 10_000]),
        "type": st.sampled_from([0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        "type_filling": st.sampled_from([None, None, None, 0, 1, 2, 3, 4]),
        "type_time": st.sampled_from([0, 0, 0, 1, 2, 3, 4]),
        "expiration": st.sampled_from([0, START_S - 90_000, START_S - 1, START_S + 3600]),
        "order": st.integers(0, 2),
        "position": st.sampled_from([0, 0, 1, 2, 3, 4]),
        "position_by": st.integers(0, 4),
    }
)
contracts = st.fixed_dictionaries(
    {
        "trade_mode": st.sampled_from([4, 4, 4, 4, 0, 1, 2, 3]),
        "filling_mode": st.sampled_from([3, 3, 1, 2, 0, 7]),
        "order_mode": st.sampled_from([127, 127, 127, 1, 111, 95]),
        "expiration_mode": st.sampled_from([15, 15, 1]),
        "stops_level": st.sampled_from([0, 0, 10, 60]),
        "freeze_level": st.sampled_from([0, 0, 20]),
    }
)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(PROFILES), contracts, st.lists(requests, min_size=1, max_size=6))
def test_nothing_is_refused_that_the_server_accepts(of: str, contract: dict[str, Any], asked: list[dict[str, Any]]) -> None:
    stage = Stage(of)
    desk = stage.desk
    desk.buy(0.3, sl=1.0, price=1.1002)
    desk.sell(0.2, price=1.1)
    desk.buy(0.2, symbol="GBPUSD", price=1.2503)
    desk.done(action=5, type=2, symbol="EURUSD", volume=0.1, price=1.05, type_filling=2)
    server = desk.world.server
    changed = {name: replace(server.contracts[name], **contract) for name in ("EURUSD", "GBPUSD")}
    server.profile = replace(server.profile, contracts={**server.contracts, **changed})
    held = [0, *(position.ticket for position in desk.positions), 4711, 4712, 4713, 4714]
    pending = [0, desk.orders[0].ticket, 4711]
    for fields in asked:
        request = TradeRequest(
            **{
                **fields,
                "position": held[fields["position"]],
                "position_by": held[fields["position_by"]],
                "order": pending[fields["order"]],
            }
        )
        stage.sight.begin(stage.terminal.account(), desk.now_msc / 1000)
        admitted = judged(stage, request)
        if isinstance(admitted, BridgeError):
            rule = admitted.details.get("rule")
            assert stage.terminal.check(request).retcode != 0 or rule in STRICTER, (rule, admitted.message)
            continue
        retcode = stage.terminal.check(admitted).retcode
        assert retcode in {0, *LEFT_TO_THE_TERMINAL} or _by_the_terminal(admitted, retcode, of), (retcode, admitted)


def judged(stage: Stage, request: TradeRequest) -> TradeRequest | BridgeError:
    try:
        return admit(request, stage.sight)
    except BridgeError as error:
        return error


def _by_the_terminal(request: TradeRequest, retcode: int, of: str) -> bool:
    """What the terminal may refuse beside the codes above: a change that a netting account's own position forbids."""
    return of.startswith("netting") and request.action in (1, 6) and retcode in (10016, 10029, 10042, 10043, 10044, 10013, 10035)
