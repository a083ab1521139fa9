"""Each decision about an order as a line of the audit: who, what, why."""

from __future__ import annotations

import pytest
from msgspec import Raw

from bridge import decisions
from bridge.codec import pack
from bridge.errors import BridgeError, Busy, OrderRejected
from bridge.halt import Halt
from bridge.limits import ClientLimits, Limits, Rules
from bridge.messages import RequestMessage, SendOrder
from bridge.placement import ExposureLimits
from bridge.trading import TradeRequest

MESSAGE = RequestMessage(1, "id-1", "order", Raw(pack(SendOrder(TradeRequest(action=1, volume=0.5)))), None, "c-1")


def refusal(rules: Rules) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        rules.judge(TradeRequest(action=1, symbol="EURUSD", volume=0.5), "grid", "c-1", 0.0)
    return caught.value


def test_a_refusal_names_rule_section_value_limit_and_nearest() -> None:
    error = refusal(Rules(Limits(clients={"*": ClientLimits(max_volume=0.1)})))
    line = decisions.refused(MESSAGE, "grid", error, 5, 120)
    assert (line.time_us, line.client, line.method, line.id, line.decision, line.latency_us) == (
        5, "grid", "order", "id-1", "limit_reached", 120,
    )  # fmt: skip
    assert line.detail == 'rule=max_volume section=[clients."*"] field=volume value=0.5 limit=0.1 nearest=0.1'
    assert line.digest == decisions.digest(bytes(MESSAGE.params))
    assert len(line.digest) == 32


def test_a_halt_names_reason_and_who() -> None:
    halt = Halt()
    state = halt.halt("news at 14:30", "ann", 3)
    line = decisions.refused(MESSAGE, "", refusal(Rules(halt=halt)), 5, 1)
    assert (line.client, line.decision, line.detail) == ("c-1", "trading_halted", 'rule=halt reason="news at 14:30" by=ann')
    switched = decisions.switched(RequestMessage(1, "h", "halt", Raw(pack({})), None, None), "ann", state, 5)
    assert (switched.client, switched.method, switched.decision, switched.detail) == ("ann", "halt", "halted", "news at 14:30")
    assert decisions.switched(MESSAGE, "ann", halt.resume("ann", 4), 5).decision == "resumed"


def test_other_errors_tell_in_their_words() -> None:
    assert decisions.refused(MESSAGE, "grid", Busy("too many"), 5, 1).detail == "too many"
    rejected = OrderRejected("the order was rejected", retcode=10019, comment="No money")
    assert decisions.refused(MESSAGE, "grid", rejected, 5, 1).detail == "the order was rejected retcode=10019"


def test_what_was_accepted() -> None:
    line = decisions.accepted(MESSAGE, "grid", ExposureLimits(), 5, 9)
    assert (line.decision, line.detail, line.latency_us) == ("accepted", "", 9)
    assert decisions.accepted(MESSAGE, "grid", ExposureLimits(reducing_only="halt"), 5, 9).detail.endswith(": halt")
    assert decisions.accepted(MESSAGE, "grid", ExposureLimits(), 5, 9, dry_run=True).decision == "dry_run"


def test_other_limits_are_a_decision_too() -> None:
    line = decisions.adopted("[limits] max_volume none -> 1.0", 5)
    assert (line.decision, line.detail, line.client) == ("limits", "[limits] max_volume none -> 1.0", "")
