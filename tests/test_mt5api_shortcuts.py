from __future__ import annotations

import inspect
import types
from typing import Any

import pytest

from bridge.mt5api.namespace import namespace
from tests.scripted_backend import ScriptedBackend

TICK = [1, 1.1, 1.2, 0.0, 0, 1000, 6, 0.0]
LONG = [7, 1, 1000, 1, 1000, 0, 0, 7, 3, 0.3, 1.1, 0.0, 0.0, 1.2, 0.0, 1.0, "EURUSD", "c", ""]
SHORT = [8, 1, 1000, 1, 1000, 1, 0, 8, 3, 0.2, 1.1, 0.0, 0.0, 1.2, 0.0, 1.0, "EURUSD", "c", ""]


def terminal(retcodes: list[int], positions: list[Any] | None = None) -> tuple[Any, list[dict[str, Any]]]:
    """An attached API whose order_send answers with these retcodes in turn; and the requests it received."""
    requests: list[dict[str, Any]] = []

    class Terminal(ScriptedBackend):
        def call(self, function: str, args: list[Any]) -> tuple[int, str, Any]:
            if function != "order_send":
                return super().call(function, args)
            requests.append(mt5.TradeRequest(tuple(args[0]))._asdict())
            retcode = retcodes.pop(0)
            return (1, "Success", [retcode, 0, 0, 0.0, 0.0, 0.0, 0.0, "", 0, 0, args[0]]) if retcode else (-1, "", None)

    answers = {"symbol_info_tick": (1, "", TICK), "positions_get": (1, "", positions or [])}
    mt5 = types.SimpleNamespace(**namespace(Terminal(answers, connected=True)))
    return mt5, requests


def test_buy_at_market_repeats_requotes() -> None:
    mt5, requests = terminal([10004, 10021, 10009])
    assert mt5.Buy("EURUSD", 0.1, comment="x", ticket=5).retcode == 10009
    assert len(requests) == 3
    wanted = {
        "action": 1,
        "type": 0,
        "price": 1.2,
        "volume": 0.1,
        "deviation": 10,
        "comment": "x",
        "position": 5,
        "type_filling": 0,
    }
    assert wanted.items() <= requests[-1].items()


def test_sell_gives_up_after_ten_attempts() -> None:
    mt5, requests = terminal([10004] * 12)
    assert mt5.Sell("EURUSD", 0.1).retcode == 10004
    assert len(requests) == 10
    assert requests[0]["price"] == 1.1


def test_a_given_price_is_tried_once() -> None:
    mt5, requests = terminal([10004, 10009])
    assert mt5.Buy("EURUSD", 0.1, 1.15).retcode == 10004
    assert mt5.Sell("EURUSD", 0.1, 1.16).retcode == 10009
    assert [request["price"] for request in requests] == [1.15, 1.16]
    assert mt5.Buy("EURUSD", 1, 1.15) is None
    assert mt5.last_error() == (-2, 'Invalid "volume" argument')


@pytest.mark.parametrize(
    ("retcodes", "result"),
    [([10009, 10009], True), ([10009, 10013], "Partially"), ([10013, 10018], False), ([10009, 0], None)],
)
def test_close(retcodes: list[int], result: Any) -> None:
    mt5, requests = terminal(retcodes, [LONG, SHORT])
    assert mt5.Close("EURUSD") is result
    assert [(r["type"], r["price"], r["volume"], r["position"]) for r in requests] == [(1, 1.1, 0.3, 7), (0, 1.2, 0.2, 8)]


def test_close_without_positions() -> None:
    mt5, requests = terminal([])
    assert mt5.Close("EURUSD") is False
    assert mt5.Close("EURUSD", ticket=5) is False
    assert requests == []


def test_without_a_terminal() -> None:
    mt5 = types.SimpleNamespace(**namespace(ScriptedBackend()))
    with pytest.raises(TypeError, match="'NoneType' object is not iterable"):
        mt5.Close("EURUSD")
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'ask'"):
        mt5.Buy("EURUSD", 0.1)
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'bid'"):
        mt5.Sell("EURUSD", 0.1)
    assert mt5.last_error() == (-10004, "No IPC connection")
    assert mt5.Buy("EURUSD", 0.1, 1.1) is None


def test_signatures() -> None:
    mt5 = types.SimpleNamespace(**namespace(ScriptedBackend()))
    assert str(inspect.signature(mt5.Buy)) == "(symbol, volume, price=None, *, comment=None, ticket=None)"
    assert str(inspect.signature(mt5.Sell)) == "(symbol, volume, price=None, *, comment=None, ticket=None)"
    assert str(inspect.signature(mt5.Close)) == "(symbol, *, comment=None, ticket=None)"
    assert str(inspect.signature(mt5._RawOrder)) == "(order_type, symbol, volume, price, comment=None, ticket=None)"
