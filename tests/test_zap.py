"""ZAP's answers: whatever is unclear is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.access import Access, Allowed
from bridge.rates import Rates
from bridge.zap import ADMITTED, DOMAIN, LATER, REFUSED, Verdict, Zap

NOW_US = 1_000
KEY = bytes(range(32))
ALICE = Allowed(KEY.hex(), "z85", "alice", "trader", "2026-12-31", 2_000)
GOOD = (b"1.0", b"7", DOMAIN, b"192.168.1.5", b"", b"CURVE", KEY)


def asked(frames: tuple[bytes, ...], *, time_us: int = NOW_US, addresses: tuple[str, ...] = ()) -> tuple[list[bytes], Verdict]:
    told: list[Verdict] = []
    answer = Zap(Access([ALICE]), told.append, addresses).answer(frames, time_us)
    return answer, told[0]


def changed(place: int, frame: bytes) -> tuple[bytes, ...]:
    return (*GOOD[:place], frame, *GOOD[place + 1 :])


def test_a_key_that_is_allowed_is_let_in_by_its_id() -> None:
    answer, verdict = asked(GOOD)
    assert answer == [b"1.0", b"7", ADMITTED, b"OK", KEY.hex().encode(), b""]
    assert verdict == Verdict("192.168.1.5", "alice", KEY.hex())
    assert verdict.admitted


@pytest.mark.parametrize(
    ("frames", "word"),
    [
        (changed(6, bytes(32)), "not allowed"),
        (changed(6, KEY[:31]), "no key"),
        (changed(5, b"NULL"), "NULL"),
        (GOOD[:6], "no key"),
        (changed(5, b"PLAIN"), "PLAIN"),
        ((*GOOD, b"more"), "no key"),
        (changed(2, b""), "domain"),
        (changed(2, b"other"), "domain"),
        (changed(0, b"2.0"), "no sense"),
        ((), "no sense"),
        (GOOD[:3], "no sense"),
    ],
)
def test_others_are_not(frames: tuple[bytes, ...], word: str) -> None:
    answer, verdict = asked(frames)
    assert answer[2:] == [REFUSED, b"refused", b"", b""]
    assert word in verdict.reason
    assert not verdict.admitted


def test_a_key_expires() -> None:
    answer, verdict = asked(GOOD, time_us=2_000)
    assert answer[2] == REFUSED
    assert "expired on 2026-12-31" in verdict.reason
    assert verdict.name == "alice"


@pytest.mark.parametrize(("address", "admitted"), [(b"192.168.1.5", True), (b"192.168.1.6", False), (b"127.0.0.1", True)])
def test_only_from_some_addresses(address: bytes, admitted: bool) -> None:
    _, verdict = asked(changed(3, address), addresses=("192.168.1.5",))
    assert verdict.admitted is admitted


@given(st.lists(st.binary(max_size=40), max_size=9))
def test_whatever_comes_has_an_answer_and_lets_nobody_in(frames: list[bytes]) -> None:
    answer, verdict = asked(tuple(frames))
    assert answer[2] == REFUSED
    assert len(answer) == 6
    assert verdict.reason


def test_an_address_that_asks_too_often_is_refused_for_now() -> None:
    told: list[Verdict] = []
    zap = Zap(Access([ALICE]), told.append, (), Rates(per_s=1, burst=2))
    answers = [zap.answer(GOOD, NOW_US, 5.0)[2] for _ in range(4)]
    assert answers == [ADMITTED, ADMITTED, LATER, LATER]
    assert [verdict.too_often for verdict in told] == [False, False, True], "told once a second"
    assert zap.answer(changed(3, b"192.168.1.6"), NOW_US, 5.0)[2] == ADMITTED, "another address"
    assert zap.answer(changed(6, bytes(32)), NOW_US, 6.0)[2] == REFUSED, "a wrong key is not asked to come again"
    assert zap.answer(GOOD, NOW_US, 6.0)[2] == LATER, "and counts"
