"""Which request made which ticket."""

from __future__ import annotations

from bridge.claims import NOBODY, Claims, Owner


def test_a_ticket_has_the_owner_that_claimed_it() -> None:
    claims = Claims()
    claims.claim("r1", "grid", 11, 0, 12)
    claims.claim("r2", "trend", 13)
    assert claims.owner(11) == claims.owner(0, 99, 12) == Owner("r1", "grid")
    assert claims.owner(99) == claims.owner(0) == claims.owner() == NOBODY
    assert 11 in claims
    assert 99 not in claims


def test_the_oldest_are_forgotten() -> None:
    claims = Claims(limit=2)
    for ticket in (1, 2, 3):
        claims.claim(f"r{ticket}", "c", ticket)
    assert claims.owner(1) == NOBODY
    assert [ticket for ticket in (1, 2, 3) if ticket in claims] == [2, 3]
