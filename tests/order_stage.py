"""A simulated account and market behind the real adapter, and what an order is judged by."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import InvalidParameters
from bridge.session.admission import admit
from bridge.session.sight import Sight
from bridge.terminal import Credentials
from bridge.terminal.metatrader import MetaTrader
from bridge.terminal.simulator.direct import DirectTerminal
from bridge.trading import TradeRequest
from tests.scripted_market import Desk, profile


class Stage:
    """A simulated terminal with some positions and orders, seen through the adapter, and its sight."""

    def __init__(self, of: str = "hedging-cfd", **contract: Any) -> None:
        self.desk = Desk(of=profile(of, contract=contract))
        direct = DirectTerminal(self.desk.world, lambda: self.desk.now_msc, lambda seconds: None)
        self.terminal = MetaTrader(direct.module())
        self.terminal.attach(Credentials())
        self.sight = Sight(self.terminal)
        self.calls: list[str] = []
        call = self.terminal._call

        def counted(function: str, *arguments: Any, **options: Any) -> Any:
            self.calls.append(function)
            return call(function, *arguments, **options)

        self.terminal._call = counted  # type: ignore[method-assign]

    def admit(self, **fields: Any) -> TradeRequest:
        self.sight.begin(self.terminal.account(), self.desk.now_msc / 1000)
        self.calls.clear()
        return admit(TradeRequest(**fields), self.sight)

    def refusal(self, **fields: Any) -> InvalidParameters:
        with pytest.raises(InvalidParameters) as caught:
            self.admit(**fields)
        assert "order_send" not in self.calls
        return caught.value
