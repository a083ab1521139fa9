"""The doctor's checks of the bridge, the terminal, the account and its symbols: pure functions of the facts.

What is wrong with the terminal and the account is said in the words of the connection's conditions (`bridge.conditions`), so that
the doctor, `mt5bridge status` and the event `connection` never tell three stories.
"""

from __future__ import annotations

from bridge.doctor_facts import ATTACHED, LATER, UNREAD, UNSEEN, Facts, Line, Look, Outcome, SymbolSeen, Trouble
from bridge.records import Symbol
from bridge.replies import Condition, Reason
from bridge.report import age, offset_text

LONG_MS = 30_000
"""An attach that takes longer than this is one that somebody should look at."""
RECENT_S = 900
"""A symbol that was quoted within this time is alive; quieter ones are no fault, but worth a look."""


def bridge(facts: Facts) -> Outcome:
    """Does one run? Only then it is asked; else one is started for the look."""
    look = facts.look
    if look is not None and not look.own:
        status = look.status
        found = f"bridge {status.software} answers at {look.endpoint}, up {status.uptime_s:.0f} s, {len(status.clients)} clients"
        return "ok", found
    if look is not None:
        return "skip", "none runs; one was started for this look and ended again"
    if facts.no_look is not None:
        return "FAIL", facts.no_look.found, facts.no_look.next_step
    if isinstance(facts.settings, Trouble):
        return UNREAD
    return "skip", "none runs, and without a terminal none was started for a look"


def attached(facts: Facts) -> Outcome:
    """Has the session reached the terminal?"""
    look = facts.look
    if look is None:
        return UNSEEN
    connection = look.status.connection
    if look.trouble is not None:
        return "FAIL", look.trouble.found, look.trouble.next_step
    if connection.state in ATTACHED:
        sign = f"last sign of the session {age(look.status.session_age_ms)}"
        return "ok", f"account {connection.login} at {connection.server}, {sign}"
    found = f"{connection.state}{f' [{connection.reason}]' if connection.reason else ''}: {connection.cause}"
    found += "" if connection.cause_code is None else f" [{connection.cause_code}]"
    found += f" ({look.said})" if look.said else ""
    if connection.state in ("starting", "connecting"):
        for_ms = max(0, look.now_msc - connection.since_msc)
        if not look.own and for_ms < LONG_MS:
            return "warn", found, LATER
        step = "look at the terminal's window for a dialog, and end what else is attached to it"
        return "FAIL", f"{found}, for {for_ms // 1000} s by now", step
    waits = not connection.next_step or connection.next_step.startswith("none")
    return "FAIL", found, LATER if waits else connection.next_step


def link(facts: Facts) -> Outcome:
    """The terminal's connection to the trade server."""
    return _permission(facts, "broker_down", "the terminal is connected to the trade server")


def algo_trading(facts: Facts) -> Outcome:
    """The button in the terminal's toolbar."""
    return _permission(facts, "algo_trading_off", "the button Algo Trading is on")


def python_api(facts: Facts) -> Outcome:
    """The terminal's option that bars Python from trading."""
    return _permission(facts, "api_disabled", "Python may trade through the terminal")


def trading(facts: Facts) -> Outcome:
    """The account's right to trade."""
    return _permission(facts, "investor", "the account may trade")


def robots(facts: Facts) -> Outcome:
    """The trade server's word on robots; it is not known while the account may not trade at all."""
    if _condition(facts, "investor") is not None:
        return "skip", "the account may not trade at all"
    return _permission(facts, "robots_off", "the trade server lets robots trade on this account")


def identity(facts: Facts) -> Outcome:
    """The account that is logged in, against the one of the running bridge and the one of these settings."""
    settings, look = facts.settings, facts.look
    if isinstance(settings, Trouble):
        return UNREAD
    other = _permission(facts, "wrong_account", "")
    if look is None or other[0] != "ok" or look.account is None:
        return other
    account, mt5 = look.account, settings.mt5
    there = f"account {account.login} at {account.server}"
    if mt5.login is not None and (mt5.login, mt5.server) != (account.login, account.server):
        step = "correct MT5_LOGIN and MT5_SERVER here, or those of the running bridge and `mt5bridge reconnect`"
        return "FAIL", f"{there}, but configured is account {mt5.login} at {mt5.server}", step
    return "ok", f"{there}, {'as configured' if mt5.login is not None else 'none is configured'}"


def _condition(facts: Facts, reason: Reason) -> Condition | None:
    conditions = () if facts.look is None else facts.look.status.connection.conditions
    return next((condition for condition in conditions if condition.reason == reason), None)


def _permission(facts: Facts, reason: Reason, fine: str) -> Outcome:
    if facts.look is None or facts.look.status.connection.state not in ATTACHED:
        return UNSEEN
    found = _condition(facts, reason)
    return ("ok", fine) if found is None else ("FAIL", found.message, found.next_step)


def clock(facts: Facts) -> Outcome:
    """The trade server's clock against UTC."""
    look = facts.look
    if look is None or look.status.connection.state not in ATTACHED:
        return UNSEEN
    offset = look.status.connection.clock
    found = offset_text(offset, look.now_msc)
    fresh = offset.measured_msc is not None and look.now_msc - offset.measured_msc <= RECENT_S * 1000
    if offset.offset_s is not None and (fresh or offset.confidence == "high"):
        return "ok", found
    step = "none: it is measured from live ticks, as soon as the market gives some"
    return "warn", found, step


def symbols(facts: Facts) -> list[Line]:
    """A line for each symbol that was asked for, else one for Market Watch."""
    look = facts.look
    if look is None or look.status.connection.state not in ATTACHED:
        return [Line("symbols", *UNSEEN)]
    wanted = [Line(f"symbol {seen.name}", *_symbol(seen, look)) for seen in look.symbols if seen.wanted]
    return wanted or [Line("symbols", *_market_watch(look))]


def _symbol(seen: SymbolSeen, look: Look) -> Outcome:
    record = seen.record
    if record is None:
        trouble = seen.trouble or Trouble("it was not read")
        return "FAIL", trouble.found, trouble.next_step
    if not record.visible:
        return "warn", "exists, but is not in Market Watch", "none: the bridge shows it as soon as somebody subscribes to it"
    quoted = _quoted_s(record, look)
    if quoted is None:
        return "warn", "in Market Watch, but whether it is quoted now is not known before the clock is", "look again in a moment"
    if quoted > RECENT_S:
        return (
            "warn",
            f"last quoted {age(quoted * 1000)}",
            "none while its market is closed; else look at the terminal's Market Watch",
        )
    return "ok", f"last quoted {age(max(0, quoted) * 1000)}, bid {record.bid} ask {record.ask}"


def _market_watch(look: Look) -> Outcome:
    seen = [(_quoted_s(symbol.record, look), symbol.name) for symbol in look.symbols if symbol.record is not None]
    if not seen:
        found = next((symbol.trouble for symbol in look.symbols if symbol.trouble is not None), None)
        if found is not None:
            return "FAIL", found.found, found.next_step
        return "warn", "no symbol is in Market Watch", "show the symbols that are traded, or name some with --symbol"
    known = sorted((quoted, name) for quoted, name in seen if quoted is not None)
    names = ", ".join(name for _, name in seen)
    if not known:
        return "warn", f"{names}: whether they are quoted now is not known before the clock is", "look again in a moment"
    quoted, name = known[0]
    found_text = f"of {names} the last quoted is {name}, {age(max(0, quoted) * 1000)}"
    if quoted > RECENT_S:
        return "warn", found_text, "none on weekends; else look at the terminal's connection, bottom right in its window"
    return "ok", found_text


def _quoted_s(record: Symbol, look: Look) -> int | None:
    """How long ago a symbol was quoted, in whole seconds."""
    offset_s = look.status.connection.clock.offset_s
    if offset_s is None:
        return None
    return look.now_msc // 1000 + offset_s - record.time if record.time else RECENT_S + 1
