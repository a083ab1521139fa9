"""A strategy that is run in virtual time over a bridge of a few lines, one closing price a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strategies.runner import Runner
from strategies.strategy import Strategy
from tests.trading_bridge import TradingBridge
from tests.virtual_client import VirtualClient
from tests.virtual_time import VirtualTime


def play(
    strategy: Strategy,
    closes: list[float],
    history: list[float],
    before: Callable[[TradingBridge], object] | None,
    patch: Callable[[str, Any], None],
) -> TradingBridge:
    """What became of the bridge, `before` which something may be done to it."""
    bridge = TradingBridge(history)
    bridge.set_connection("connected")
    if before is not None:
        before(bridge)
    time = VirtualTime()
    client = VirtualClient(time, bridge, patch)
    link = client.virtual.link
    for number, close in enumerate(closes, 1):

        def close_bar(close: float = close) -> None:
            bridge.close_bar(close)
            link.work()

        time.after(float(number), close_bar)
    over_s = time.now + len(closes) + 2.0
    assert Runner(strategy, client, lambda: "over" if time.now > over_s else None, clock=time).run() == 0
    return bridge
