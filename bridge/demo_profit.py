"""What each strategy of the demo has won or lost, from the account's deals and open positions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from bridge.trading import Deal, Position

ENTRY_IN = 0


def profit_by_magic(deals: Iterable[Deal], positions: Iterable[Position]) -> dict[int, float]:
    """Realised and floating profit by magic number, in the account's currency, with swap, commission and fee.

    A position belongs to the magic number that opened it, whatever closed it (MQL5: a stop's deal may have another).
    """
    deals = tuple(deals)
    owners = {deal.position_id: deal.magic for deal in deals if deal.entry == ENTRY_IN and deal.position_id}
    profits: defaultdict[int, float] = defaultdict(float)
    for deal in deals:
        if deal.position_id:
            profits[owners.get(deal.position_id, deal.magic)] += deal.profit + deal.swap + deal.commission + deal.fee
    for position in positions:
        profits[position.magic] += position.profit + position.swap
    return dict(profits)
