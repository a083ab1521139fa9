"""Values of a program become values of the wire, or are refused with a reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from bridge import placement
from bridge.errors import InvalidParameters
from bridge.trading import TradeRequest
from clients import coercion
from clients.coercion import trade_request

HUGE = 10**400


def test_numbers_of_numpy_and_whole_volumes_become_the_terminals() -> None:
    request = trade_request(
        {"action": np.int64(1), "volume": 1, "price": np.float32(0.1), "sl": Decimal("1.1"), "symbol": np.str_("X")}
    )
    assert request == TradeRequest(action=1, volume=1.0, price=0.1, sl=1.1, symbol="X")
    found = (request.action, request.volume, request.price, request.sl, request.symbol)
    assert [type(value) for value in found] == [int, float, float, float, str]
    again = trade_request(TradeRequest(magic=np.int64(3), volume=np.float64(0.5)))  # type: ignore[arg-type]
    assert (type(again.magic), type(again.volume)) == (int, float)


def test_what_is_left_out_stays_so() -> None:
    assert trade_request({}).type_filling is None
    assert trade_request({"type_filling": None}) == TradeRequest()
    assert trade_request({"type_filling": 0}).type_filling == 0
    assert trade_request(TradeRequest(type_filling=2)).type_filling == 2


@pytest.mark.parametrize(
    ("given", "rule", "nearest"),
    [
        ({"sll": 1.0}, "unknown_field", "sl"),
        ({"stop_loss": 1.0}, "unknown_field", "sl"),
        ({5: 1.0}, "unknown_field", None),
        ({"LOTS": 1.0}, "unknown_field", "volume"),
        ({"volume": "much"}, "number", None),
        ({"volume": None}, "number", None),
        ({"volume": True}, "number", None),
        ({"volume": np.True_}, "number", None),
        ({"volume": [0.1]}, "number", None),
        ({"volume": np.array([0.1])}, "number", None),
        ({"volume": 1j}, "number", None),
        ({"volume": float("nan")}, "number", None),
        ({"price": float("inf")}, "number", None),
        ({"price": Decimal("NaN")}, "number", None),
        ({"price": Decimal("sNaN")}, "number", None),
        ({"price": np.float32("inf")}, "number", None),
        ({"sl": -0.1}, "number", None),
        ({"tp": 1e16}, "number", None),
        ({"tp": HUGE}, "number", None),
        ({"magic": 1.5}, "whole_number", 1),
        ({"magic": "7"}, "whole_number", None),
        ({"magic": True}, "whole_number", None),
        ({"magic": np.True_}, "whole_number", None),
        ({"magic": -1}, "whole_number", None),
        ({"magic": 2**63}, "whole_number", None),
        ({"magic": None}, "whole_number", None),
        ({"position": Decimal(5)}, "whole_number", None),
        ({"symbol": 5}, "text", None),
        ({"symbol": b"EURUSD"}, "text", None),
        ({"symbol": "x" * 65}, "text", None),
        ({"symbol": "EUR\nUSD"}, "text", None),
        ({"comment": "line\nfeed"}, "comment", "linefeed"),
        ({"comment": "nul\x00"}, "comment", "nul"),
        ({"comment": "to the moon \N{ROCKET}"}, "comment", "to the moon "),
        ({"comment": "\ud800"}, "comment", ""),
        ({"comment": "x" * 200}, "comment", "x" * 27),
    ],
)
def test_wrong_fields_are_refused(given: dict[str, Any], rule: str, nearest: Any) -> None:
    with pytest.raises(InvalidParameters) as caught:
        trade_request(given)
    details = caught.value.details
    assert (details["field"], details["rule"], details["nearest"]) == (str(next(iter(given))), rule, nearest)
    assert "value" in details
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_is_no_request_at_all() -> None:
    for given in (None, [("volume", 1)], "buy"):
        with pytest.raises(InvalidParameters, match="mapping"):
            trade_request(given)  # type: ignore[arg-type]


def test_the_length_of_a_comment_is_the_bridges() -> None:
    assert coercion.COMMENT_CHARACTERS == placement.COMMENT_CHARACTERS
