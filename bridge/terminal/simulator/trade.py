"""order_send and order_check: from a request to its result.

A request is first judged (the plan functions raise Refused with a return code, in the order of the common server
checks: switches, request, symbol, permissions, position or order, volume, filling, order type, expiration, session,
price, levels, limits, money, deviation), then executed.  order_check judges only, and does not notice a closed
market.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bridge.terminal.simulator import checks
from bridge.terminal.simulator.account import valuation
from bridge.terminal.simulator.checks import Refused
from bridge.terminal.simulator.enums import Action, side_of
from bridge.terminal.simulator.pending import plan_modify, plan_pending, plan_remove
from bridge.terminal.simulator.plans import Outcome, Plan
from bridge.terminal.simulator.positions import plan_close_by, plan_deal, plan_sltp
from bridge.terminal.simulator.quotes import Quote
from bridge.terminal.simulator.retcodes import TEXTS, Retcode
from bridge.terminal.simulator.server import Server
from bridge.trading import OrderCheck, OrderResult, TradeRequest

_Planner = Callable[[Server, TradeRequest, int, bool], Plan]

_PLANNERS: Mapping[int, _Planner] = {
    Action.DEAL: plan_deal,
    Action.PENDING: plan_pending,
    Action.SLTP: plan_sltp,
    Action.MODIFY: plan_modify,
    Action.REMOVE: plan_remove,
    Action.CLOSE_BY: plan_close_by,
}


def order_send(server: Server, request: TradeRequest, now_msc: int) -> OrderResult:
    """Judge a request and execute it.  A refusal has zeros everywhere but in `retcode` and `comment`, a requote the
    new prices.
    """
    quote: Quote | None
    try:
        _check_flood(server, now_msc)
        if server.forced:
            code = Retcode(server.forced.popleft())
            raise Refused(code, server.quotes.get(request.symbol) if code == Retcode.REQUOTE else None)
        outcome = plan(server, request, now_msc, sending=True).execute()
    except Refused as refused:
        quote = refused.quote
        return _result(request, Outcome(refused.retcode, quote=quote), 0)
    server.ledger.requests += 1
    return _result(request, outcome, server.ledger.requests)


def order_check(server: Server, request: TradeRequest, now_msc: int) -> OrderCheck:
    """Judge a request without executing it; accepted is retcode 0.

    The figures are the account's after the request: `margin_free = equity - margin`.  They are zero for a refused
    request, except for 10019, where they show what is missing.
    """
    retcode, used = Retcode.OK, 0.0
    try:
        used = plan(server, request, now_msc, sending=False).margin
    except Refused as refused:
        retcode = refused.retcode
        if retcode != Retcode.NO_MONEY:
            return OrderCheck(int(retcode), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, TEXTS[retcode], request)
        used = checks.margin_with(server, side_of(request.type), request.symbol, request.volume, _price_or_quote(server, request))
    value = replace(valuation(server), margin=used)
    return OrderCheck(
        int(retcode), value.balance, value.equity, value.profit, value.margin, value.margin_free, value.margin_level,
        TEXTS[retcode], request,
    )  # fmt: skip


def plan(server: Server, request: TradeRequest, now_msc: int, *, sending: bool) -> Plan:
    """Judge a request.  Raises Refused."""
    checks.check_switches(server)
    judge = _PLANNERS.get(request.action)
    if judge is None:
        raise Refused(Retcode.INVALID)
    return judge(server, request, now_msc, sending)


def _check_flood(server: Server, now_msc: int) -> None:
    limit = server.profile.requests_per_second
    if limit is None:
        return
    while server.sent_msc and server.sent_msc[0] <= now_msc - 1000:
        server.sent_msc.popleft()
    if len(server.sent_msc) >= limit:
        raise Refused(Retcode.TOO_MANY_REQUESTS)
    server.sent_msc.append(now_msc)


def _price_or_quote(server: Server, request: TradeRequest) -> float:
    quote = server.quotes.get(request.symbol)
    return quote.side(side_of(request.type)) if quote else request.price


def _result(request: TradeRequest, outcome: Outcome, request_id: int) -> OrderResult:
    quote = outcome.quote
    return OrderResult(
        int(outcome.retcode), outcome.deal, outcome.order, outcome.volume, outcome.price, quote.bid if quote else 0.0,
        quote.ask if quote else 0.0, TEXTS[outcome.retcode], request_id, 0, request,
    )  # fmt: skip
