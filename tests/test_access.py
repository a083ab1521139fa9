"""Roles: what each may ask for and follow; every request of the protocol has a role."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.access import METHODS, ROLES, Access, Allowed, Role
from bridge.messages import REQUESTS


def key(name: str = "alice", role: Role = "trader", key_id: str = "aa", expires_us: int = 0) -> Allowed:
    return Allowed(key_id, f"public of {key_id}", name, role, "", expires_us)


def test_every_request_is_for_somebody_and_nothing_else_is() -> None:
    assert METHODS["admin"] == set(REQUESTS)


def test_each_role_may_what_the_lesser_ones_may() -> None:
    for lesser, greater in pairwise(ROLES):
        assert METHODS[lesser] < METHODS[greater]


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (
            "monitor",
            ("ticks", "status", "snapshot", "replay"),
            ("account", "positions", "deals", "order", "order_check", "journal"),
        ),
        ("trader", ("account", "order", "deals", "limits"), ("halt", "resume", "reconnect", "journal")),
        ("admin", ("halt", "resume", "reconnect", "journal", "order"), ("made_up", "")),
    ],
)
def test_what_roles_may(role: Role, may: tuple[str, ...], may_not: tuple[str, ...]) -> None:
    assert all(key(role=role).may(method) for method in may)
    assert not any(key(role=role).may(method) for method in may_not)


@pytest.mark.parametrize("wire", ["account\0", "trade\0", "log\0", "", "a", "acc", "tr", "t", "account\0x", "lo"])
def test_a_monitor_follows_nothing_that_covers_the_account(wire: str) -> None:
    assert not key(role="monitor").may_follow(wire)
    assert key(role="trader").may_follow(wire)


@pytest.mark.parametrize(
    "wire", ["tick:EURUSD\0", "tick:", "ti", "bar:EURUSD:M1\0", "connection\0", "heartbeat\0", "client:abc\0", "c"]
)
def test_a_monitor_follows_the_market(wire: str) -> None:
    assert key(role="monitor").may_follow(wire)


@pytest.mark.parametrize(("expires_us", "counts"), [(0, True), (1_001, True), (1_000, False), (1, False)])
def test_a_key_counts_until_it_expires(expires_us: int, counts: bool) -> None:
    assert key(expires_us=expires_us).expired(1_000) is not counts


def test_what_is_cut_when_the_list_changes() -> None:
    kept, gone, lowered, raised = key(key_id="1"), key(key_id="2"), key(key_id="3"), key(key_id="4", role="monitor")
    access = Access([kept, gone, lowered, raised])
    cut = access.replace([kept, key(key_id="3", role="monitor"), key(key_id="4", role="admin"), key(key_id="5")])
    assert cut == [gone, lowered]
    assert access.find("2") is None
    assert access.find("3") == key(key_id="3", role="monitor")
    assert len(access) == 4
    assert access.replace([key("mallory", key_id="1")])[0] == kept, "another owner is another key"
