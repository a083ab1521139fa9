"""Whose account it is, and what is wrong with a terminal that answers."""

from __future__ import annotations

import pytest

from bridge.conditions import DEGRADING, Conditions, Identity, findings
from bridge.session.link import Standing
from bridge.terminal import Credentials
from tests.scripted_session import health

FINE = health().standing
UNKNOWN = Identity()
TERMINAL = "C:\\Program Files\\Broker MT5"


def standing(**changes: object) -> Standing:
    found = health(**changes).standing  # type: ignore[arg-type]
    assert isinstance(found, Standing)
    return found


def found(
    now: Standing = FINE, identity: Identity = UNKNOWN, *, connected: bool = True, clock: bool = True, gone: tuple[str, ...] = ()
) -> list[tuple[str, bool]]:
    """Reason of each finding, and whether it stops trading."""
    some = findings(now, identity, connected=connected, clock_known=clock, gone=gone)
    assert all(each.message and each.next_step for each in some)
    return [(each.reason, each.stops_trading) for each in some]


# ---- whose account ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credentials", "identity"),
    [
        (Credentials(), Identity()),
        (Credentials(login=5, password="x", server="Demo"), Identity(5, "Demo")),
        (Credentials(server="Demo"), Identity()),
        (Credentials(path="tcp://127.0.0.1:5557"), Identity()),
        (Credentials(path=f"{TERMINAL}\\terminal64.exe"), Identity(None, None, f"{TERMINAL}\\terminal64.exe")),
        (Credentials(login=5, path="D:/mt5/TERMINAL64.EXE"), Identity(5, None, "D:/mt5/TERMINAL64.EXE")),
    ],
)
def test_the_account_that_a_configuration_names(credentials: Credentials, identity: Identity) -> None:
    assert Identity.of(credentials) == identity


@pytest.mark.parametrize(
    "identity",
    [
        Identity(), Identity(5001), Identity(5001, "Demo"), Identity(5001, ""), Identity(path=f"{TERMINAL}\\terminal64.exe"),
        Identity(path="c:/program files/BROKER mt5/terminal64.exe"), Identity(path=f"{TERMINAL}\\.\\terminal64.exe"),
    ],
)  # fmt: skip
def test_the_account_itself(identity: Identity) -> None:
    assert identity.mismatch(standing(path=TERMINAL)) is None


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (Identity(7), ("5001", "Demo", "7")),
        (Identity(7, "Demo"), ("5001", "7")),
        (Identity(5001, "Real"), ("Demo", "Real")),
        (Identity(5001, "demo"), ("Demo", "demo")),
        (Identity(5001, "Demo", "D:\\other\\terminal64.exe"), (TERMINAL, "D:\\other")),
        (Identity(None, None, f"{TERMINAL} 2\\terminal64.exe"), (TERMINAL, f"{TERMINAL} 2")),
    ],
)
def test_another_account_or_terminal_is_told_in_words(identity: Identity, words: tuple[str, ...]) -> None:
    told = identity.mismatch(standing(path=TERMINAL))
    assert told is not None
    assert all(word in told for word in words)


def test_a_terminal_that_does_not_say_where_it_is_may_be_the_one() -> None:
    assert Identity(path=f"{TERMINAL}\\terminal64.exe").mismatch(standing(path="")) is None


# ---- what is wrong ---------------------------------------------------------------------------------------------------------------


def test_nothing_is_wrong() -> None:
    assert found(identity=Identity(5001, "Demo")) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"terminal_trade_allowed": False}, "algo_trading_off"),
        ({"api_disabled": True}, "api_disabled"),
        ({"account_trade_allowed": False}, "investor"),
        ({"account_trade_allowed": False, "account_trade_expert": False}, "investor"),
        ({"account_trade_expert": False}, "robots_off"),
    ],
)
def test_each_permission_has_its_reason(changes: dict[str, bool], reason: str) -> None:
    assert found(standing(**changes)) == [(reason, True)]


def test_what_does_not_stop_trading() -> None:
    assert found(clock=False, gone=("A", "B")) == [("symbol_gone", False), ("symbol_gone", False), ("clock_unknown", False)]


def test_what_matters_most_comes_first() -> None:
    everything = standing(terminal_trade_allowed=False, api_disabled=True, account_trade_allowed=False)
    reasons = [reason for reason, _ in found(everything, Identity(7), connected=False, clock=False, gone=("A",))]
    assert reasons == [
        "wrong_account", "broker_down", "algo_trading_off", "api_disabled", "investor", "symbol_gone", "clock_unknown",
    ]  # fmt: skip


# ---- since when ------------------------------------------------------------------------------------------------------------------


def updated(conditions: Conditions, now_msc: int, *gone: str, connected: bool = True, login: int | None = None) -> bool:
    return conditions.update(findings(FINE, Identity(login), connected=connected, clock_known=True, gone=gone), now_msc)


def test_each_thing_has_the_time_at_which_it_was_first_seen() -> None:
    conditions = Conditions()
    assert not updated(conditions, 1)
    assert updated(conditions, 2, "A")
    assert not updated(conditions, 3, "A")
    assert updated(conditions, 4, "A", "B")
    assert [(condition.message[11:12], condition.since_msc) for condition in conditions.now] == [("A", 2), ("B", 4)]
    assert updated(conditions, 5, "B")
    assert updated(conditions, 6, "A", "B")
    assert [condition.since_msc for condition in conditions.now] == [6, 4], "it came again"
    conditions.clear()
    assert list(conditions.now) == []
    assert updated(conditions, 7, "B")
    assert [condition.since_msc for condition in conditions.now] == [7]


def test_which_of_them_degrades() -> None:
    conditions = Conditions()
    assert conditions.degrading is None
    updated(conditions, 1, "A", connected=False)
    assert conditions.degrading is not None
    assert conditions.degrading.reason == "broker_down"
    updated(conditions, 1, "A", connected=False, login=7)
    assert conditions.degrading.reason == "wrong_account"
    assert DEGRADING == ("wrong_account", "broker_down")
    updated(conditions, 1, "A")
    assert conditions.degrading is None


def test_which_of_them_keeps_orders_from_being_executed() -> None:
    conditions = Conditions()
    conditions.update(findings(standing(api_disabled=True), Identity(), connected=True, clock_known=False, gone=("A",)), 1)
    assert conditions.stopping is not None
    assert conditions.stopping.reason == "api_disabled"
    updated(conditions, 2, "A")
    assert conditions.stopping is None


def test_what_is_new_and_what_is_over() -> None:
    before, after = Conditions(()), Conditions(())
    updated(before, 1, "A", "B")
    updated(after, 9, "B", "C")
    assert ["A" in condition.message for condition in before.beyond(after.now)] == [True]
    assert ["C" in condition.message for condition in after.beyond(before.now)] == [True]
