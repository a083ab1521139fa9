"""What the doctor concludes: a table of what differs from a healthy bridge, and the line that has to say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.conditions import Identity, findings
from bridge.config import BridgeSection, Mt5Section, Settings
from bridge.diagnosis import CHECKS, LITTLE_BYTES, TOO_LITTLE_BYTES, diagnose
from bridge.diagnosis_terminal import LONG_MS, RECENT_S
from bridge.doctor_facts import Facts, Folder, KeyRing, Line, Look, Machine, PasswordFile, Place, Port, SymbolSeen, Trouble
from bridge.origins import DEFAULT, NAMES
from bridge.records import Account, TerminalInfo
from bridge.replies import ClockOffset, Condition, ConnectionState, Reason, Status
from bridge.session.link import Standing
from tests.records import filled, symbol

SECRET = "hush-hush-1234"
NOW_MSC = 1_700_000_000_000
OFFSET_S = 7_200
CONNECTED = ConnectionState(
    "connected", "attached to MetaTrader 5", NOW_MSC - 60_000, login=5, server="Demo", reason="attached", trading=True,
    clock=ClockOffset(OFFSET_S, NOW_MSC - 5_000, "high", 3),
)  # fmt: skip
STATUS = Status("1.2.3", True, 61.0, CONNECTED, 12, 42, (), (), {})
QUOTED = symbol("EURUSD", visible=True, time=NOW_MSC // 1000 + OFFSET_S - 3, bid=1.1, ask=1.2)
MT5 = Mt5Section(login=5, password=SECRET, server="Demo", path="C:\\MT5\\terminal64.exe")
FROM_FILE = dict.fromkeys(NAMES, DEFAULT) | {("mt5", name): "MT5 in .env" for name in ("login", "password", "server", "path")}
WELL = Facts(
    machine=Machine("win32", "Windows 11", "3.12.1", 64),
    messaging="libzmq",
    package="5.0.6231",
    settings=Settings(mt5=MT5),
    origins=FROM_FILE,
    password_files=(PasswordFile(Path(".env"), open_to_others=False),),
    place=Place("metatrader5", ("C:\\MT5\\terminal64.exe",)),
    look=Look(
        "tcp://127.0.0.1:5555", False, STATUS, NOW_MSC, filled(TerminalInfo), filled(Account, login=5, server="Demo"),
        (SymbolSeen("EURUSD", wanted=False, record=QUOTED),),
    ),
    ports=(Port("requests", "tcp://127.0.0.1:5555", "taken"), Port("events", "tcp://127.0.0.1:5556", "taken")),
    folder=Folder("C:\\data", 10**12, writable=True),
)  # fmt: skip
"""Windows, a bridge that runs, nothing wrong."""
TROUBLE = Trouble("it is broken", "mend it")
Change = Callable[[Facts], Facts]


def facts(**changes: Any) -> Change:
    return lambda well: replace(well, **changes)


def settings(bridge: dict[str, Any] | None = None, **mt5: Any) -> Change:
    return facts(settings=Settings(BridgeSection(**(bridge or {})), Mt5Section(**mt5)))


def look(**changes: Any) -> Change:
    def change(well: Facts) -> Facts:
        return well if well.look is None else replace(well, look=replace(well.look, **changes))

    return change


def connection(state: Any = "connected", **changes: Any) -> Change:
    return look(status=replace(STATUS, connection=replace(CONNECTED, state=state, **changes)))


def condition(reason: Reason, state: str = "connected") -> Change:
    return connection(state, conditions=(Condition(reason, f"{reason} is so", "undo it", 0, "trading"),))


def seen(*, wanted: bool = True, **values: Any) -> Change:
    return look(symbols=(SymbolSeen("EURUSD", wanted, replace(QUOTED, **values)),))


def both(first: Change, second: Change) -> Change:
    return lambda well: second(first(well))


OWN = look(own=True)
UNKNOWN_CLOCK = ClockOffset()
CASES: list[tuple[str, Change, str, str, str]] = [
    ("32 bits on Windows", facts(machine=Machine("win32", "Windows", "3.12", 32)), "platform", "FAIL", "64-bit"),
    ("32 bits elsewhere", facts(machine=Machine("linux", "Linux", "3.12", 32)), "platform", "ok", "32 bits"),
    ("an old libzmq", facts(messaging=TROUBLE), "libzmq", "FAIL", "mend it"),
    ("no package on Windows", facts(package=TROUBLE), "package", "FAIL", "mend it"),
    ("no package elsewhere", facts(package=None), "package", "skip", "--terminal simulator"),
    ("no package needed", settings({"terminal": "simulator"}), "package", "skip", "not needed"),
    ("a package", facts(), "package", "ok", "5.0.6231"),
    ("settings that cannot be read", facts(settings=TROUBLE), "configuration", "FAIL", "mend it"),
    ("settings with their origin", facts(), "configuration", "ok", "mt5.login 5 (MT5 in .env)"),
    ("no login", settings(), "credentials", "warn", "MT5_LOGIN"),
    ("no login, simulated", settings({"terminal": "simulator"}), "credentials", "ok", "account of the terminal"),
    ("a login without a server", facts(origins=FROM_FILE | {("mt5", "server"): DEFAULT}), "credentials", "warn", "MT5_SERVER"),
    ("a login with all", facts(), "credentials", "ok", "account 5 at Demo"),
    ("no terminal", both(OWN, facts(place=Place("metatrader5", trouble=TROUBLE))), "terminal", "FAIL", "mend it"),
    ("no terminal here, but a bridge", facts(place=Place("metatrader5", trouble=TROUBLE)), "terminal", "skip", "running bridge"),
    ("no terminal seen", facts(place=Place("metatrader5")), "terminal", "warn", "MT5_PATH"),
    ("two terminals", facts(place=Place("metatrader5", ("A", "B"))), "terminal", "warn", "MT5_PATH"),
    ("a simulated terminal of the bridge", facts(place=Place("own_simulator")), "terminal", "ok", "simulated"),
    ("a terminal of one's own", facts(place=Place("custom")), "terminal", "skip", "your own"),
    ("a running bridge", facts(), "bridge", "ok", "1.2.3"),
    ("no running bridge", OWN, "bridge", "skip", "none runs"),
    ("a bridge that cannot be asked", facts(look=None, no_look=TROUBLE), "bridge", "FAIL", "mend it"),
    ("no bridge and no terminal", facts(look=None), "bridge", "skip", "without a terminal"),
    ("attached", facts(), "attached", "ok", "12 ms ago"),
    ("attached, but not readable", look(trouble=TROUBLE), "attached", "FAIL", "mend it"),
    (
        "refused",
        connection("refused", cause="no", cause_code=-6, reason="bad_credentials", next_step="correct it"),
        "attached", "FAIL", "refused [bad_credentials]: no [-6]; next step: correct it",
    ),
    ("lost", connection("reconnecting", reason="link_lost", next_step="none: again"), "attached", "FAIL", "mt5bridge status"),
    ("what the session said", both(connection("reconnecting"), look(said="no numpy")), "attached", "FAIL", "(no numpy)"),
    ("suspended", connection("suspended", next_step="look"), "attached", "FAIL", "next step: look"),
    ("attaching just now", connection("connecting", since_msc=NOW_MSC - 1), "attached", "warn", "mt5bridge status"),
    ("attaching for long", connection("connecting", since_msc=NOW_MSC - LONG_MS), "attached", "FAIL", "for 30 s"),
    ("attaching for as long as we waited", both(connection("connecting"), OWN), "attached", "FAIL", "dialog"),
    ("the trade server is gone", condition("broker_down", "degraded"), "trade server", "FAIL", "undo it"),
    ("the button is off", condition("algo_trading_off"), "algo trading", "FAIL", "undo it"),
    ("Python is barred", condition("api_disabled"), "python api", "FAIL", "undo it"),
    ("the investor's password", condition("investor"), "trading", "FAIL", "undo it"),
    ("robots and the investor's password", condition("investor"), "robots", "skip", "may not trade"),
    ("no robots", condition("robots_off"), "robots", "FAIL", "undo it"),
    ("another account", condition("wrong_account", "degraded"), "account", "FAIL", "wrong_account is so"),
    ("another account than configured here", settings(login=6, password="p", server="Demo"), "account", "FAIL", "account 6"),
    ("another server than configured here", settings(login=5, password="p", server="Live"), "account", "FAIL", "at Live"),
    ("the account as configured", facts(), "account", "ok", "as configured"),
    ("any account", settings(), "account", "ok", "none is configured"),
    ("the clock", facts(), "clock", "ok", "UTC+2:00, measured 5 s ago by 3 symbols, confidence high"),
    ("an unknown clock", connection(clock=UNKNOWN_CLOCK), "clock", "warn", "not known"),
    ("a first sign of the clock", connection(clock=ClockOffset(-5_400, NOW_MSC, "low", 1)), "clock", "ok", "UTC-1:30"),
    ("an old clock", connection(clock=ClockOffset(0, NOW_MSC - 7_200_000, "low", 1)), "clock", "warn", "2 h ago"),
    ("a quoted symbol", seen(), "symbol EURUSD", "ok", "3 s ago, bid 1.1 ask 1.2"),
    ("a quiet symbol", seen(time=QUOTED.time - RECENT_S), "symbol EURUSD", "warn", "15 min ago"),
    ("a symbol that never was quoted", seen(time=0), "symbol EURUSD", "warn", "market is closed"),
    ("a hidden symbol", seen(visible=False), "symbol EURUSD", "warn", "Market Watch"),
    ("a symbol and an unknown clock", both(connection(clock=UNKNOWN_CLOCK), seen()), "symbol EURUSD", "warn", "not known"),
    ("no such symbol", look(symbols=(SymbolSeen("EU", True, trouble=TROUBLE),)), "symbol EU", "FAIL", "mend it"),
    ("Market Watch", facts(), "symbols", "ok", "EURUSD, 3 s ago"),
    ("a quiet Market Watch", seen(wanted=False, time=1), "symbols", "warn", "weekends"),
    ("an empty Market Watch", look(symbols=()), "symbols", "warn", "--symbol"),
    ("Market Watch not readable", look(symbols=(SymbolSeen("", False, trouble=TROUBLE),)), "symbols", "FAIL", "mend it"),
    ("Market Watch and an unknown clock", connection(clock=UNKNOWN_CLOCK), "symbols", "warn", "not known"),
    ("a port of the bridge", facts(), "requests port", "ok", "in use while the bridge runs"),
    ("a port of somebody else", OWN, "events port", "FAIL", "--events"),
    ("a free port", facts(ports=(Port("events", "e", "free"),)), "events port", "ok", "free"),
    ("any port", facts(ports=(Port("events", "e", "any"),)), "events port", "ok", "any"),
    ("a wrong endpoint", facts(ports=(Port("events", "e", "wrong", TROUBLE),)), "events port", "FAIL", "mend it"),
    ("no keys", facts(), "keys", "skip", "no keys needed"),
    ("keys", facts(keys=KeyRing(Path("k"), {"trader": 2, "monitor": 1})), "keys", "ok", "2 trader, 1 monitor (k)"),
    ("keys of nobody", facts(keys=KeyRing(Path("k"), {})), "keys", "warn", "keys allow"),
    ("an expired key", facts(keys=KeyRing(Path("k"), {"admin": 1}, ("ann",))), "keys", "warn", "expired: ann"),
    ("keys that cannot be read", facts(keys=TROUBLE), "keys", "FAIL", "mend it"),
    ("an open password", facts(password_files=(PasswordFile(Path("b"), True),)), "file permissions", "warn", "chmod 600 b"),
    ("a password on Windows", facts(password_files=(PasswordFile(Path("b"), None),)), "file permissions", "skip", "Properties"),
    ("no password", facts(password_files=()), "file permissions", "ok", "no file"),
    ("a safe password", facts(), "file permissions", "ok", "only you"),
    ("a full disk", facts(folder=Folder("D", TOO_LITTLE_BYTES - 1, True)), "disk", "FAIL", "free some space"),
    ("a nearly full disk", facts(folder=Folder("D", LITTLE_BYTES - 1, True)), "disk", "warn", "free some space"),
    ("a folder that is closed", facts(folder=Folder("D", 10**12, False)), "disk", "FAIL", "write access"),
    ("a folder elsewhere", facts(folder=None), "disk", "skip", "not on this machine"),
]  # fmt: skip
"""What is so, how it differs from a healthy bridge, the check, its verdict, and words of its line."""
PERMISSIONS: dict[Reason, str] = {
    "broker_down": "trade server", "algo_trading_off": "algo trading", "api_disabled": "python api", "investor": "trading",
    "robots_off": "robots", "wrong_account": "account",
}  # fmt: skip


def line_of(found: list[Line], check: str) -> Line:
    (line,) = [line for line in found if line.check == check]
    return line


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    lines = diagnose(WELL)
    assert {line.verdict for line in lines if line.check != "keys"} == {"ok"}
    assert len({line.check for line in lines}) == len(lines) == len(CHECKS) + 1  # a line for each of the two ports


@pytest.mark.parametrize(("change", "check", "verdict", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_wrong_is_said_by_its_check(change: Change, check: str, verdict: str, words: str) -> None:
    line = line_of(diagnose(change(WELL)), check)
    assert (line.verdict, words in str(line)) == (verdict, True), line


@pytest.mark.parametrize("change", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_every_fault_has_a_next_step_and_no_line_a_secret(change: Change) -> None:
    for line in diagnose(change(WELL)):
        assert line.found
        assert line.next_step or line.verdict in ("ok", "skip"), line
        assert not (line.verdict == "ok" and line.next_step), line
        assert SECRET not in str(line)
        assert "\n" not in str(line)


def test_what_is_wrong_is_said_once() -> None:
    for reason, check in PERMISSIONS.items():
        failed = [line.check for line in diagnose(condition(reason)(WELL)) if line.verdict == "FAIL"]
        assert failed == [check]


@pytest.mark.parametrize("change", [facts(look=None), connection("reconnecting", next_step="wait")], ids=["no bridge", "lost"])
def test_what_was_not_seen_is_not_judged(change: Change) -> None:
    lines = diagnose(change(WELL))
    for check in (*PERMISSIONS.values(), "clock", "symbols"):
        assert line_of(lines, check).verdict == "skip", check


def test_without_settings_only_this_machine_is_judged() -> None:
    lines = diagnose(Facts(WELL.machine, WELL.messaging, WELL.package, TROUBLE))
    assert [line.check for line in lines if line.verdict == "FAIL"] == ["configuration"]
    assert {line.verdict for line in lines[4:]} == {"skip"}


def test_every_condition_that_stops_trading_has_a_check() -> None:
    """The words are those of the connection's conditions, so each of them has to be known here."""
    reasons = set()
    for may_trade in (False, True):
        standing = Standing(1, "Demo", "", False, True, may_trade, False)
        found = findings(standing, Identity(2, "Demo"), connected=False, clock_known=False, gone=["EURUSD"])
        reasons |= {finding.reason for finding in found if finding.stops_trading}
    assert reasons == set(PERMISSIONS)


@given(st.lists(st.sampled_from(CASES), max_size=6))
def test_any_troubles_together_have_one_line_each(cases: list[tuple[str, Change, str, str, str]]) -> None:
    """No check fails on what another one is there for."""
    found = WELL
    for _, change, *_ in cases:
        found = change(found)
    checks = [line.check for line in diagnose(found)]
    assert len(checks) == len(set(checks))
