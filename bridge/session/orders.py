"""An order in the session: the rules, the limits, the terminal's check, the sending, and from the trade server's return code to
what the client is told: done, rejected, or unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from bridge.errors import BridgeError, InvalidParameters, NotConnected, OrderRejected, OutcomeUnknown
from bridge.exposure import day_start_s, exposure_refusal, needs_deals
from bridge.placement import ExposureLimits, Placement
from bridge.replies import OrderOutcome
from bridge.session.admission import admit
from bridge.session.failures import INVALID_PARAMS, refusal
from bridge.session.rules import CLOSE_BY, DEAL, PENDING, filling
from bridge.session.sight import Sight
from bridge.terminal import Terminal, TerminalError, sent_nothing
from bridge.trading import Deal, OrderCheck, OrderResult, TradeRequest, with_filling

PLACED = 10008
TICKETED = (DEAL, PENDING, CLOSE_BY)
"""Actions that make an order: what was accepted has its ticket (of a deal in a bridge to an exchange, at least the deal's)."""
TOKENED = (DEAL, PENDING, CLOSE_BY)
"""Actions whose order carries the comment, and with it the token by which it can be recognised."""
ACCEPTED: dict[int, Literal["done", "partial", "placed"]] = {10008: "placed", 10009: "done", 10010: "partial"}
"""Return codes of success (MQL5 "Return codes of the trade server")."""

LOOK_FIRST = "look at positions, orders and deals before sending another"
UNKNOWN: dict[int, str] = {
    10011: "the request ended in a processing error",
    10012: "the trade server did not answer in time",
    10031: "the terminal has no connection to the trade server",
}
"""Return codes after which the order may have been executed all the same."""

REJECTIONS: dict[int, tuple[str, str]] = {
    10004: ("REQUOTE", "the price has moved: decide anew with the bid and ask of this answer, or allow a larger deviation"),
    10006: ("REJECT", "the server or a dealer refused: ask the broker if it repeats"),
    10007: ("CANCEL", "the order was cancelled by a trader: send it again if it is still wanted"),
    10013: ("INVALID", "check that action, type, symbol and tickets belong together, and that the symbol is in Market Watch"),
    10014: ("INVALID_VOLUME", "use a volume between volume_min and volume_max, in steps of volume_step"),
    10015: ("INVALID_PRICE", "use a positive price on the right side of the market, a multiple of trade_tick_size"),
    10016: ("INVALID_STOPS", "put sl and tp on the right sides, at least trade_stops_level points from the price"),
    10017: ("TRADE_DISABLED", "this account or symbol may not be traded: log in with the trading password, or ask the broker"),
    10018: ("MARKET_CLOSED", "wait for the symbol's trading session"),
    10019: ("NO_MONEY", "reduce the volume or free margin"),
    10020: ("PRICE_CHANGED", "the price has changed: decide anew with a fresh quote"),
    10021: ("PRICE_OFF", "there are no quotes to execute at: wait for a tick"),
    10022: ("INVALID_EXPIRATION", "use a future server time and an expiration mode that the symbol allows"),
    10023: ("ORDER_CHANGED", "the order's state has changed: read it again"),
    10024: ("TOO_MANY_REQUESTS", "send fewer requests: wait some seconds"),
    10025: ("NO_CHANGES", "the order or position has these values already"),
    10026: ("SERVER_DISABLES_AT", "the trade server does not allow algorithmic trading on this account: ask the broker"),
    10027: ("CLIENT_DISABLES_AT", "press the Algo Trading button of the terminal"),
    10028: ("LOCKED", "another request for this order or position is being processed: wait for it"),
    10029: ("FROZEN", "the price is within trade_freeze_level of the order or position: wait or close at market"),
    10030: ("INVALID_FILL", "choose a type_filling that the symbol's filling_mode allows"),
    10032: ("ONLY_REAL", "this is only allowed on real accounts"),
    10033: ("LIMIT_ORDERS", "remove pending orders: the account's limit_orders is reached"),
    10034: ("LIMIT_VOLUME", "reduce the volume: the symbol's volume_limit is reached"),
    10035: ("INVALID_ORDER", "use an order type that the symbol's order_mode allows"),
    10036: ("POSITION_CLOSED", "the position does not exist any more: read the positions again"),
    10038: ("INVALID_CLOSE_VOLUME", "close at most the position's volume"),
    10039: ("CLOSE_ORDER_EXIST", "an order to close this position exists already: wait for it or remove it"),
    10040: ("LIMIT_POSITIONS", "close positions: the account's limit of open positions is reached"),
    10041: ("REJECT_CANCEL", "the pending order's activation was refused and the order removed: check the margin"),
    10042: ("LONG_ONLY", "this symbol may only be bought"),
    10043: ("SHORT_ONLY", "this symbol may only be sold"),
    10044: ("CLOSE_ONLY", "positions of this symbol may only be closed"),
    10045: ("FIFO_CLOSE", "close the oldest position of the symbol first"),
    10046: ("HEDGE_PROHIBITED", "opposite positions of one symbol are not allowed on this account"),
}
"""Name and next step for every return code that proves that nothing was executed."""


def place(sight: Sight, placement: Placement) -> OrderOutcome:
    """Send an order, once, when every rule allows it; with `dry_run` check it only.

    Raises `OutcomeUnknown` when it may have been executed; anything else that is raised says that nothing was: `InvalidParameters`
    and `UnknownSymbol` (`admission`), `LimitReached` and `TradingHalted` (`exposure`), `OrderRejected`, `NotConnected`.
    """
    terminal, asked = sight.terminal, admit(placement.request, sight)
    if placement.limits:
        _check_exposure(sight, asked, placement.limits)
    request = replace(asked, comment=asked.comment + placement.token) if asked.action in TOKENED else asked
    if placement.check or placement.dry_run:
        check = _check(terminal, request)
        if placement.dry_run:
            return OrderOutcome("dry_run", _nothing_sent(check), check)
    sight.sending()
    outcome = send(terminal, request)
    sight.note(outcome.result)
    return outcome


def send(terminal: Terminal, request: TradeRequest) -> OrderOutcome:
    """Send an order as it is, once.

    Raises `OutcomeUnknown` when it may have been executed, and `OrderRejected` or another error when nothing was.
    """
    try:
        result = terminal.send(request)
    except TerminalError as error:
        raise _unsent(error) if sent_nothing(error) else _unanswered(error) from error
    return judge(result, request)


def judge(result: OrderResult, request: TradeRequest) -> OrderOutcome:
    """The outcome that a result stands for; raises as `send` does."""
    outcome = ACCEPTED.get(result.retcode)
    details = _details(result)
    if outcome is not None:
        if request.action in TICKETED and not (result.order or (result.deal and result.retcode != PLACED)):
            raise OutcomeUnknown(
                f"the answer says {outcome} ({result.retcode}) and names no ticket: it may have been executed or not",
                next_step=LOOK_FIRST,
                **details,
            )
        return OrderOutcome(outcome, result)
    if result.retcode in UNKNOWN:
        raise OutcomeUnknown(f"{UNKNOWN[result.retcode]} ({result.retcode} {result.comment})", next_step=LOOK_FIRST, **details)
    if result.retcode not in REJECTIONS and (result.order or result.deal):
        # A code of a newer terminal together with a ticket: nothing is proven.
        raise OutcomeUnknown(f"the answer has an unknown code {result.retcode} ({result.comment})", next_step=LOOK_FIRST, **details)
    raise _rejected("the order was rejected", result.retcode, result.comment, details)


def checked(sight: Sight, request: TradeRequest) -> OrderCheck:
    """The terminal's own check of a request, with a `type_filling` chosen where there is none; no other rule is looked at."""
    if request.type_filling is None:
        symbol = sight.symbol(request.symbol) if request.symbol and request.action in (DEAL, PENDING) else None
        request = with_filling(request, 0 if symbol is None else filling(symbol, request.type))
    return sight.terminal.check(request)


def _check_exposure(sight: Sight, request: TradeRequest, limits: ExposureLimits) -> None:
    """Raises what an exposure limit says. Here a look that fails refuses the order: a limit that cannot be kept is not kept."""
    terminal, account = sight.terminal, sight.account()
    try:
        positions, orders = terminal.positions(), terminal.orders()
        symbol = sight.symbol(request.symbol) if request.symbol else None
        deals: list[Deal] = []
        if needs_deals(limits):
            newest_s = max((position.time_update for position in positions), default=0)
            newest_s = max(newest_s, symbol.time if symbol is not None else 0)
            deals = terminal.deals(from_s=day_start_s(newest_s))
            today_s = day_start_s(max(newest_s, max((deal.time for deal in deals), default=0)))
            deals = [deal for deal in deals if deal.time >= today_s]
    except TerminalError as error:
        raise refusal(error) from error
    if account is None:
        raise NotConnected("the terminal does not tell the account's figures, which the limits need", next_step="try again")
    told = exposure_refusal(request, limits, positions, orders, deals, account, symbol)
    if told is not None:
        raise told


def _check(terminal: Terminal, request: TradeRequest) -> OrderCheck:
    """The terminal's own check, which has to pass. Whatever it says, nothing was sent."""
    try:
        check = terminal.check(request)
    except TerminalError as error:
        raise _unsent(error) from error
    if check.retcode in UNKNOWN:
        raise NotConnected(
            f"the terminal cannot check the order now: {check.comment} ({check.retcode})",
            next_step="try again",
            retcode=check.retcode,
        )
    if check.retcode not in (0, *ACCEPTED):
        raise _rejected(
            "the terminal's check refuses the order, which was not sent",
            check.retcode,
            check.comment,
            {"retcode": check.retcode, "comment": check.comment, "margin": check.margin, "margin_free": check.margin_free},
        )
    return check


def _nothing_sent(check: OrderCheck) -> OrderResult:
    return OrderResult(
        retcode=check.retcode, deal=0, order=0, volume=0.0, price=0.0, bid=0.0, ask=0.0, comment=check.comment, request_id=0,
        retcode_external=0, request=check.request,
    )  # fmt: skip


def _details(result: OrderResult) -> dict[str, Any]:
    return {
        "retcode": result.retcode,
        "comment": result.comment,
        "order": result.order,
        "deal": result.deal,
        "bid": result.bid,
        "ask": result.ask,
        "server_request_id": result.request_id,
        "retcode_external": result.retcode_external,
    }


def _rejected(what: str, retcode: int, comment: str, details: dict[str, Any]) -> OrderRejected:
    name, next_step = REJECTIONS.get(retcode, ("", ""))
    return OrderRejected(
        f"{what}: {comment or name or 'no reason given'} ({retcode}{' ' + name if name else ''})",
        next_step=next_step or "see the trade server's return codes in the MQL5 reference",
        **details,
    )


def _unsent(error: TerminalError) -> BridgeError:
    if error.code == INVALID_PARAMS:
        return InvalidParameters(
            f"the order was not sent: {error.text}",
            next_step="check the order's fields; a comment has at most 27 plain characters",
            terminal_code=error.code,
            terminal_text=error.text,
        )
    return refusal(error)


def _unanswered(error: TerminalError) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the order may or may not have been executed: {error}",
        next_step=LOOK_FIRST,
        function=error.function,
        terminal_code=error.code,
        terminal_text=error.text,
    )
