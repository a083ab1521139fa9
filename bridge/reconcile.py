"""What became of an order whose outcome is not known, judged by what the terminal shows. Pure.

An order is recognised by the token in its comment, or by a ticket that is known already. Brokers may strip or overwrite comments:
then by symbol, side, volume, magic number, time and the comment itself, if that leaves one candidate and no other is likely. What
is not certain is `ambiguous`, never a guess: neither is another's deal taken for ours, nor is ours overlooked.
"""

from __future__ import annotations

from collections.abc import Container
from math import inf
from typing import Literal

from bridge.alterations import ALTERATIONS
from bridge.candidates import (
    CANCELED,
    DUST,
    EXPIRED,
    FILLED,
    PENDING,
    STATES,
    Candidate,
    Verdict,
    ambiguous,
    at_position,
    by_program,
    can_be,
    candidates,
    fits,
    has,
    has_others,
    keeps_comments,
    result,
    tickets,
)
from bridge.placement import Trace
from bridge.trading import TradeRequest


def judge(
    sent: TradeRequest,
    token: str,
    trace: Trace,
    claimed: Container[int],
    from_s: float,
    *,
    to_s: float = inf,
    order: int = 0,
    deal: int = 0,
    comments_kept: bool = False,
) -> Verdict:
    """What became of `sent`, of which `trace` is what the terminal shows.

    `claimed` has the order tickets that belong to other requests. `from_s` and `to_s` are server seconds between which it can have
    been executed; `order` and `deal` are tickets that its answer had. `comments_kept`: this broker has been seen to keep a token.
    """
    rule = ALTERATIONS.get(sent.action)
    if rule is not None:
        return rule(sent, trace, claimed, from_s)
    own: list[Candidate] = []
    likely: list[Candidate] = []
    doubtful: list[Candidate] = []
    for candidate in candidates(trace):
        if not can_be(candidate, sent):
            continue
        if candidate.ticket == order or any(made.ticket == deal for made in candidate.deals) or has(candidate, token):
            own.append(candidate)
        elif candidate.ticket not in claimed and not has_others(candidate, sent) and fits(candidate, sent, from_s, to_s):
            (likely if by_program(candidate) and at_position(candidate, sent, trace) else doubtful).append(candidate)
    if len(own) == 1 and own[0].ticket not in claimed:
        return _outcome(own[0], sent, _how(own[0], order, deal), sure=True)
    if own:
        return ambiguous(own, "have its token" if len(own) > 1 else "has its token, but belongs to another request")
    return _without_token(likely, doubtful, sent, token, kept=comments_kept or keeps_comments(trace))


def _without_token(likely: list[Candidate], doubtful: list[Candidate], sent: TradeRequest, token: str, *, kept: bool) -> Verdict:
    exact = [item for item in likely if not token and sent.comment and any(part.comment == sent.comment for part in item.parts)]
    if len(exact) == 1:
        return _outcome(exact[0], sent, "comment, symbol, side, volume and magic number", sure=False)
    if len(likely) == 1 and not doubtful and not kept and (sent.magic or sent.position):
        return _outcome(likely[0], sent, "symbol, side, volume and magic number; its comment was changed", sure=False)
    if likely or (doubtful and not kept):
        return ambiguous([*likely, *doubtful], "could be it, without its comment")
    return Verdict("nothing", "no position, order or deal of it")


def _outcome(candidate: Candidate, sent: TradeRequest, how: str, *, sure: bool) -> Verdict:
    """What a candidate that is ours says."""
    order, filled = candidate.order, candidate.filled
    told = f"{tickets(candidate)}, recognised by {how}"
    if order is None:
        kind: Literal["done", "partial"] = "partial" if DUST < filled < sent.volume - DUST else "done"
        return Verdict(kind, told, result(sent, kind, candidate), sure, filled >= sent.volume - DUST)
    if candidate.is_open:
        if filled:
            told = f"{told}; its rest is open"
            return Verdict("partial", told, result(sent, "partial", candidate), sure, whole=sent.action == PENDING)
        return Verdict("placed", f"{told}; open", result(sent, "placed", candidate), sure, whole=sent.action == PENDING)
    told = f"{told}; {STATES[order.state]}"
    executed = order.volume_initial if order.state == FILLED else max(order.volume_initial - order.volume_current, filled)
    if executed > DUST:
        kind = "done" if executed >= sent.volume - DUST else "partial"
        return Verdict(kind, told, result(sent, kind, candidate), sure, filled >= executed - DUST)
    if sent.action == PENDING and order.state in (CANCELED, EXPIRED):
        return Verdict("placed", f"{told} since", result(sent, "placed", candidate), sure)
    return Verdict("nothing", f"{told}, nothing was executed")


def _how(candidate: Candidate, order: int, deal: int) -> str:
    if order and candidate.ticket == order:
        return "its ticket"
    return "its deal" if any(made.ticket == deal for made in candidate.deals) else "its token"
