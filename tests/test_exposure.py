"""What an order would make of the account: boundary values of each rule, what reduces exposure, and no way around any limit."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, LimitReached, TradingHalted
from bridge.exposure import DAY_S, day_start_s, exposure_refusal, needs_deals, reduces
from bridge.halt import Halt
from bridge.limits import ClientLimits, Limits, Rules
from bridge.placement import ExposureLimits, Placement
from bridge.records import Account, Symbol
from bridge.trading import Deal, Order, Position, TradeRequest
from tests.fake_terminal import record

BUY, SELL = 0, 1
EURUSD = record(Symbol, name="EURUSD", volume_step=0.01, volume_min=0.02)
HEDGING, NETTING = record(Account, margin_mode=2), record(Account, margin_mode=0)


def position(ticket: int = 1, side: int = BUY, volume: float = 0.1, symbol: str = "EURUSD", **fields: Any) -> Position:
    return record(Position, ticket=ticket, identifier=ticket, type=side, volume=volume, symbol=symbol, **fields)


def pending(ticket: int = 5, kind: int = 2, volume: float = 0.1, symbol: str = "EURUSD", **fields: Any) -> Order:
    return record(Order, ticket=ticket, type=kind, volume_current=volume, symbol=symbol, **fields)


def deal(profit: float = 0.0, kind: int = 1, **fields: Any) -> Deal:
    return record(Deal, type=kind, profit=profit, **fields)


def order(volume: float = 0.1, side: int = BUY, **fields: Any) -> TradeRequest:
    given: dict[str, Any] = {"action": 1, "symbol": "EURUSD", "volume": volume, "type": side}
    return TradeRequest(**given | fields)


def refusal(
    request: TradeRequest,
    limits: ExposureLimits,
    *held: Position | Order | Deal,
    account: Account = HEDGING,
    symbol: Symbol | None = EURUSD,
) -> BridgeError | None:
    kinds = {kind: [one for one in held if isinstance(one, kind)] for kind in (Position, Order, Deal)}
    return exposure_refusal(request, limits, kinds[Position], kinds[Order], kinds[Deal], account, symbol)  # type: ignore[arg-type]


def told(error: BridgeError | None) -> dict[str, Any]:
    assert isinstance(error, LimitReached), error
    assert error.next_step
    assert "\n" not in str(error)
    assert error.details["rule"] in error.message
    return error.details


# ---- net volume ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", [HEDGING, NETTING])
@pytest.mark.parametrize(
    ("request_", "held", "after", "nearest"),
    [
        (order(0.51), (), 0.51, 0.5),
        (order(0.31), (position(volume=0.2),), 0.51, 0.3),
        (order(0.51, SELL), (), 0.51, 0.5),
        (order(0.72, SELL), (position(volume=0.2),), 0.52, 0.7),
        (order(0.11), (position(volume=0.2), pending(volume=0.2)), 0.51, 0.1),
        (order(0.11, 4, action=5), (position(volume=0.2), pending(kind=6, volume=0.2)), 0.51, 0.1),
        (order(0.2), (position(volume=0.49),), 0.69, None),
        (order(0.2), (position(volume=0.9),), 1.1, None),
    ],
)
def test_net_volume_above_the_limit(
    request_: TradeRequest, held: tuple[Any, ...], after: float, nearest: float | None, account: Account
) -> None:
    details = told(refusal(request_, ExposureLimits(net_volume=0.5), *held, account=account))
    assert (details["rule"], details["field"], details["value"], details["limit"]) == ("net_volume", "volume", after, 0.5)
    assert details.get("nearest") == nearest
    if nearest is not None:
        assert refusal(replace(request_, volume=nearest), ExposureLimits(net_volume=0.5), *held, account=account) is None


@pytest.mark.parametrize("account", [HEDGING, NETTING])
@pytest.mark.parametrize(
    ("request_", "held"),
    [
        (order(0.5), ()),
        (order(0.2), (position(volume=0.1), pending(volume=0.2))),
        (order(0.1 + 0.2), (position(volume=0.2),)),
        (order(1.0, SELL), (position(volume=0.5),)),
        (order(0.5), (pending(kind=3, volume=0.5), pending(kind=5, volume=9.0))),
        (order(0.5), (position(symbol="GBPUSD", volume=9.0), pending(symbol="GBPUSD", volume=9.0))),
        (order(0.3), (position(side=SELL, volume=2.0),)),
        (order(0.5), (pending(kind=8, volume=0.5),)),
    ],
)
def test_net_volume_within_the_limit(request_: TradeRequest, held: tuple[Any, ...], account: Account) -> None:
    assert refusal(request_, ExposureLimits(net_volume=0.5), *held, account=account) is None


def test_without_the_symbol_the_nearest_volume_is_the_room() -> None:
    assert told(refusal(order(1.0), ExposureLimits(net_volume=0.125), symbol=None))["nearest"] == 0.125
    assert "nearest" not in told(refusal(order(1.0), ExposureLimits(net_volume=0.0), symbol=None))


def test_a_leg_of_a_hedge_may_be_closed_and_then_only_the_other_direction_is_open() -> None:
    limits = ExposureLimits(net_volume=0.5)
    legs = [position(1, BUY, 1.0), position(2, SELL, 1.0)]
    assert refusal(order(1.0, SELL, position=1), limits, *legs) is None
    assert told(refusal(order(0.1, SELL), limits, legs[1]))["value"] == 1.1
    assert refusal(order(0.1, BUY), limits, legs[1]) is None


# ---- number of positions ---------------------------------------------------------------------------------------------------------


def test_open_positions_when_hedging() -> None:
    limits = ExposureLimits(open_positions=2)
    assert refusal(order(), limits, position()) is None
    details = told(refusal(order(), limits, position(), pending()))
    assert (details["rule"], details["value"], details["limit"]) == ("open_positions", 3, 2)
    assert told(refusal(order(0.1, 2, action=5), limits, position(1), position(2)))["value"] == 3
    assert refusal(order(0.1, SELL, position=1), limits, position(1), position(2), position(3)) is None
    assert told(refusal(order(), ExposureLimits(open_positions=0)))["value"] == 1


def test_open_positions_when_netting() -> None:
    limits = ExposureLimits(open_positions=1)
    held = position(symbol="GBPUSD")
    assert told(refusal(order(), limits, held, account=NETTING))["value"] == 2
    assert told(refusal(order(), limits, pending(symbol="GBPUSD"), account=NETTING))["value"] == 2
    assert refusal(order(symbol="GBPUSD"), limits, held, pending(symbol="GBPUSD"), account=NETTING) is None
    assert refusal(order(symbol="GBPUSD"), limits, held, position(2), account=NETTING) is None, "there are not more than before"


# ---- the day's loss --------------------------------------------------------------------------------------------------------------

LOSS = ExposureLimits(daily_loss=100.0)


@pytest.mark.parametrize(
    ("held", "loss"),
    [
        ((deal(-100.0),), 100.0),
        ((deal(-60.0), deal(-20.0, commission=-5.0, swap=-4.0, fee=-11.0)), 100.0),
        ((deal(-50.0), position(9, symbol="GBPUSD", sl=1.0, profit=-49.0, swap=-1.0)), 100.0),
        ((position(9, symbol="GBPUSD", sl=1.0, profit=-250.5),), 250.5),
        ((deal(-100.0), deal(5_000.0, kind=2), deal(50.0, kind=6)), 100.0),
        ((deal(0.0, kind=7, commission=-100.0),), 100.0),
    ],
)
def test_a_loss_that_stops_trading(held: tuple[Any, ...], loss: float) -> None:
    for request in (order(), order(0.1, 2, action=5), order(action=7, order=5), order(action=6, position=9, sl=0.5)):
        details = told(refusal(request, LOSS, *held))
        assert (details["rule"], details["value"], details["limit"]) == ("daily_loss", loss, 100.0)


@pytest.mark.parametrize(
    "held",
    [
        (),
        (deal(-99.99),),
        (deal(-200.0), position(profit=100.01)),
        (deal(-500.0, kind=2), deal(-500.0, kind=3), deal(-500.0, kind=5)),
    ],
)
def test_a_loss_that_does_not(held: tuple[Any, ...]) -> None:
    assert refusal(order(), LOSS, *held) is None


def test_the_day_is_the_servers() -> None:
    assert day_start_s(1_700_006_400) == 1_700_006_400 == day_start_s(1_700_006_400 + DAY_S - 1)
    assert day_start_s(1_700_006_399) == 1_700_006_400 - DAY_S
    assert needs_deals(LOSS)
    assert needs_deals(ExposureLimits(own=LOSS))
    assert not needs_deals(ExposureLimits(net_volume=1.0, own=ExposureLimits(open_positions=1)))


# ---- what reduces exposure -------------------------------------------------------------------------------------------------------

REDUCING = [
    order(0.1, SELL, position=1),
    order(0.05, SELL, position=1),
    TradeRequest(action=8, order=5),
    TradeRequest(action=10, position=1, position_by=2),
    TradeRequest(action=6, position=1, symbol="EURUSD", sl=1.05),
    TradeRequest(action=6, position=1, symbol="EURUSD", sl=1.0, tp=9.0),
]
OTHERS = [
    order(0.1, SELL),
    order(0.1, BUY, position=1),
    order(0.11, SELL, position=1),
    order(0.1, SELL, position=7),
    order(0.1, SELL, position=1, symbol="GBPUSD"),
    TradeRequest(action=10, position=1, position_by=3),
    TradeRequest(action=10, position=1, position_by=4),
    TradeRequest(action=6, position=1, symbol="EURUSD", sl=0.99),
    TradeRequest(action=6, position=1, symbol="EURUSD"),
    TradeRequest(action=6, position=2, symbol="EURUSD", sl=1.31),
    TradeRequest(action=6, position=7, symbol="EURUSD", sl=1.0),
    TradeRequest(action=5, symbol="EURUSD", type=3, volume=0.1, price=2.0),
    TradeRequest(action=7, order=5, price=1.0),
    TradeRequest(action=0),
]
HELD = (
    position(1, sl=1.0), position(2, SELL, sl=1.3), position(3, BUY), position(4, SELL, symbol="GBPUSD"), pending(5),
    deal(-1e6),
)  # fmt: skip


@pytest.mark.parametrize("request_", REDUCING)
def test_what_reduces_exposure_passes_every_limit_but_that_of_whose_it_is(request_: TradeRequest) -> None:
    for rule in ("", "halt", "orders_per_minute"):
        assert refusal(request_, ExposureLimits(0.0, 0, 1.0, None, rule, ExposureLimits(0.0, 0, 1.0)), *HELD) is None
    assert told(refusal(request_, ExposureLimits(magics=(7,)), *HELD))["rule"] == "magics"


@pytest.mark.parametrize("request_", OTHERS)
def test_what_does_not_is_refused_where_nothing_else_may_be_sent(request_: TradeRequest) -> None:
    halted = refusal(request_, ExposureLimits(reducing_only="halt"), *HELD)
    assert isinstance(halted, TradingHalted)
    assert halted.details == {"rule": "halt"}
    assert told(refusal(request_, ExposureLimits(reducing_only="max_volume"), *HELD)) == {"rule": "max_volume"}
    assert told(refusal(request_, LOSS, *HELD))["rule"] == "daily_loss"


def test_a_first_stop_loss_is_nearer_than_none() -> None:
    for side in (BUY, SELL):
        assert reduces(TradeRequest(action=6, position=1, sl=0.5), [position(1, side)], netting=False)
    assert reduces(TradeRequest(action=6, symbol="EURUSD", sl=0.5), [position(1)], netting=True)


def test_on_a_netting_account_the_symbol_decides() -> None:
    held = [position(1, BUY, 0.3)]
    assert reduces(order(0.3, SELL), held, netting=True)
    assert not reduces(order(0.31, SELL, position=1), held, netting=True), "it would turn the position round"
    assert not reduces(order(0.1, BUY, position=1), held, netting=True)
    assert not reduces(order(0.1, SELL, symbol="GBPUSD", position=1), held, netting=True)


# ---- whose ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "field", "ticket"),
    [
        (order(0.1, SELL, position=1), "position", 1), (TradeRequest(action=6, position=1, sl=1.0), "position", 1),
        (TradeRequest(action=10, position=2, position_by=1), "position", 1), (TradeRequest(action=7, order=5), "order", 5),
        (TradeRequest(action=8, order=5), "order", 5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("nested", [False, True])
def test_what_belongs_to_others_is_not_touched(request_: TradeRequest, field: str, ticket: int, nested: bool) -> None:
    limits = ExposureLimits(magics=(7, 8))
    details = told(refusal(request_, ExposureLimits(own=limits) if nested else limits, *OTHERS_OWN))
    expected = {"rule": "magics", "field": field, "value": 9, "limit": [7, 8], "ticket": ticket}
    assert details == expected
    mine = [replace(one, magic=8) for one in OTHERS_OWN]
    assert refusal(request_, limits, *mine) is None


OTHERS_OWN = (position(1, magic=9), position(2, SELL, magic=7), pending(5, magic=9))


def test_on_a_netting_account_an_order_touches_the_symbols_position() -> None:
    limits, held = ExposureLimits(magics=(7,)), position(1, magic=9)
    for request in (order(magic=7), order(0.1, 2, action=5, magic=7), order(0.1, SELL, magic=7)):
        assert told(refusal(request, limits, held, account=NETTING))["ticket"] == 1
        assert refusal(request, limits, held, account=HEDGING) is None
    assert refusal(order(symbol="GBPUSD", magic=7), limits, held, account=NETTING) is None


def test_a_clients_limits_count_what_is_its_own() -> None:
    theirs = (position(1, volume=5.0, magic=9), pending(5, volume=5.0, magic=9), deal(-900.0, magic=9))
    own = ExposureLimits(net_volume=0.2, open_positions=2, daily_loss=50.0, magics=(7,))
    limits = ExposureLimits(own=own)
    assert refusal(order(0.2), limits, *theirs) is None
    assert told(refusal(order(0.2), limits, *theirs, position(2, volume=0.1, magic=7)))["rule"] == "net_volume"
    assert (
        told(refusal(order(0.2), limits, *theirs, pending(6, symbol="A", magic=7), position(2, symbol="A", magic=7)))["value"] == 3
    )
    assert told(refusal(order(0.2), limits, *theirs, deal(-50.0, magic=7)))["rule"] == "daily_loss"
    by_hand = deal(-50.0, magic=0, position_id=77)
    assert refusal(order(0.2), limits, by_hand) is None
    assert told(refusal(order(0.2), limits, deal(0.0, magic=7, position_id=77), by_hand))["value"] == 50.0
    assert told(refusal(order(0.2), ExposureLimits(own=replace(own, magics=None)), *theirs))["rule"] == "daily_loss"


def test_both_the_bridges_and_the_clients_limits_hold() -> None:
    limits = ExposureLimits(net_volume=1.0, own=ExposureLimits(net_volume=0.5))
    error = refusal(order(0.6), limits)
    assert told(error)["limit"] == 0.5
    assert "this client" in str(error)
    error = refusal(order(0.6), replace(limits, net_volume=0.3))
    assert told(error)["limit"] == 0.3
    assert "the account" in str(error)


def test_without_limits_nothing_is_looked_at() -> None:
    assert refusal(order(1e9), ExposureLimits(), *HELD) is None
    assert not ExposureLimits()
    assert ExposureLimits(own=ExposureLimits())


def test_limits_travel() -> None:
    placed = Placement(order(), limits=ExposureLimits(1.0, 2, 3.0, (4,), "halt", ExposureLimits(magics=(5,))))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(placed), type=Placement) == placed


# ---- no way around ---------------------------------------------------------------------------------------------------------------

LIMITED = ClientLimits(symbols=("EUR*",), max_volume=0.3, net_volume=0.5, orders_per_minute=6, daily_loss=100.0, magics=(7, 8))
SYMBOLS, VOLUMES, MAGICS = ("EURUSD", "EURGBP", "EURCHF", "USDJPY"), (0.1, 0.2, 0.3, 0.4), (7, 8, 9)


class Model:
    """An account that executes what it is sent."""

    def __init__(self, *, netting: bool) -> None:
        self.netting = netting
        self.account = NETTING if netting else HEDGING
        self.positions: dict[int, Position] = {90: position(90, BUY, 0.2, "EURUSD" if not netting else "USDCHF", magic=9)}
        self.orders: dict[int, Order] = {}
        self.deals: list[Deal] = []
        self._ticket = 100

    @property
    def gross(self) -> float:
        return sum(one.volume for one in self.positions.values()) + sum(one.volume_current for one in self.orders.values())

    def side(self, symbol: str, side: int) -> float:
        """Lots on a side of a symbol, with all of that side's pending orders."""
        held = sum(one.volume * (1 if one.type == side else -1) for one in self.positions.values() if one.symbol == symbol)
        return held + sum(one.volume_current for one in self.orders.values() if one.symbol == symbol and one.type % 2 == side)

    def execute(self, request: TradeRequest) -> None:
        match request.action:
            case 1:
                self._deal(request.symbol, request.type % 2, request.volume, request.magic, request.position)
            case 5:
                self._ticket += 1
                self.orders[self._ticket] = pending(self._ticket, request.type, request.volume, request.symbol, magic=request.magic)
            case 8:
                self.orders.pop(request.order, None)
            case 10:
                one, other = self.positions.get(request.position), self.positions.get(request.position_by)
                if one and other and one.symbol == other.symbol and one.type != other.type:
                    self._reduce(one, min(one.volume, other.volume))
                    self._reduce(other, min(one.volume, other.volume))

    def fill(self, ticket: int) -> None:
        order = self.orders.pop(ticket)
        self._deal(order.symbol, order.type % 2, order.volume_current, order.magic, 0)

    def _reduce(self, held: Position, volume: float) -> None:
        self.deals.append(deal(held.profit, magic=held.magic))
        left = round(held.volume - volume, 8)
        self.positions[held.ticket] = replace(held, volume=left, profit=0.0)
        if left <= 0:
            del self.positions[held.ticket]

    def _deal(self, symbol: str, side: int, volume: float, magic: int, ticket: int) -> None:
        held = self.positions.get(ticket)
        if self.netting:
            held = next((one for one in self.positions.values() if one.symbol == symbol), None)
        if held is not None and held.symbol == symbol and held.type != side:
            closed = min(held.volume, volume)
            self._reduce(held, closed)
            volume = round(volume - closed, 8)
            if not self.netting:
                return
        elif held is not None and self.netting:
            self.positions[held.ticket] = replace(held, volume=round(held.volume + volume, 8))
            return
        elif held is not None:
            return  # the terminal refuses it
        if volume > 0:
            self._ticket += 1
            self.positions[self._ticket] = position(self._ticket, side, volume, symbol, magic=magic)


def some_request(random: Random, model: Model) -> TradeRequest:
    tickets = [*model.positions, 0, 12_345]
    action = random.choice((1, 1, 1, 1, 5, 5, 8, 10, 6))
    request = TradeRequest(
        action=action,
        symbol=random.choice(SYMBOLS),
        volume=random.choice(VOLUMES),
        type=random.choice((0, 1) if action == 1 else (2, 3, 4, 5)),
        magic=random.choice(MAGICS),
        position=random.choice(tickets),
        position_by=random.choice(tickets),
        order=random.choice([*model.orders, 12_345]),
        sl=random.choice((0.0, 1.0)),
    )
    if random.random() < 0.4 and action == 1:  # one that closes, or nearly
        held = random.choice(list(model.positions.values()))
        volume = random.choice((held.volume, request.volume))
        return replace(request, symbol=held.symbol, type=1 - held.type, position=held.ticket, volume=volume, magic=7)
    return replace(request, symbol="EURUSD", magic=7) if random.random() < 0.5 else request


@settings(max_examples=100, deadline=None)
@given(random=st.integers(0, 2**32).map(Random), netting=st.booleans(), whole=st.booleans())
def test_no_sequence_of_orders_gets_past_a_limit(random: Random, netting: bool, whole: bool) -> None:
    model, halt, most = Model(netting=netting), Halt(), 2 if netting else 4
    limits = msgspec.structs.replace(LIMITED, open_positions=most)
    rules = Rules(Limits(limits) if whole else Limits(clients={"*": limits}), halt)
    now, sent = 0.0, list[float]()
    for _ in range(60):
        happening = random.choice(("order",) * 12 + ("time", "time", "time", "fill", "prices", "halt", "resume"))
        if happening == "time":
            now += random.choice((1.0, 20.0, 59.9, 60.0))
        elif happening == "fill" and model.orders:
            model.fill(random.choice(list(model.orders)))
        elif happening == "prices":
            for one in list(model.positions.values()):
                model.positions[one.ticket] = replace(one, profit=float(random.randint(-90, 60)))
        elif happening == "halt":
            halt.halt("", "", 1)
        elif happening == "resume":
            halt.resume("", 2)
        else:
            _step(rules, model, some_request(random, model), now, sent)
        for symbol in SYMBOLS if netting else ():
            assert max(model.side(symbol, BUY), model.side(symbol, SELL)) <= 0.5 + 1e-9
        mine = {7, 8, 9} if whole else {7, 8}
        symbols = [one.symbol for held in (model.positions, model.orders) for one in held.values() if one.magic in mine]
        assert len(set(symbols) if netting else symbols) <= most
        assert model.positions[90].volume == 0.2, "another's position was touched"


def _step(rules: Rules, model: Model, request: TradeRequest, now: float, sent: list[float]) -> None:
    before = rules.in_force("c", now)
    held = list(model.positions.values()), list(model.orders.values()), list(model.deals)
    try:
        limits = rules.judge(request, "c", None, now)
    except (LimitReached, TradingHalted):
        assert rules.in_force("c", now) == before, "a refusal changes nothing"
        return
    reducing = reduces(request, held[0], netting=model.netting)
    if not (request.action in (8, 10) or (request.action == 1 and request.position)):
        assert sum(moment > now - 60 for moment in sent) < 6
    sent.append(now)
    if exposure_refusal(request, limits, *held, model.account, None) is not None:
        assert not reducing or _touches_others(request, model)
        return
    gross = model.gross
    results: list[Position | Deal] = [*model.positions.values(), *model.deals]
    loss = -sum(one.profit for one in results if limits.own is None or one.magic in (7, 8))
    model.execute(request)
    if reducing or request.action in (8, 10):
        assert model.gross <= gross + 1e-9
        return
    assert not rules.halt.state.halted or model.gross <= gross + 1e-9, "something was opened while trading was halted"
    assert loss < 100.0 or model.gross <= gross + 1e-9, "something was opened after the day's loss"
    if request.action in (1, 5) and model.gross > gross + 1e-9:
        assert request.volume <= 0.3
        assert request.magic in (7, 8)
        assert request.symbol.startswith("EUR")


def _touches_others(request: TradeRequest, model: Model) -> bool:
    touched = [model.positions.get(request.position), model.positions.get(request.position_by), model.orders.get(request.order)]
    held = [one for one in model.positions.values() if model.netting and one.symbol == request.symbol]
    return any(one is not None and one.magic == 9 for one in (*touched, *held))
