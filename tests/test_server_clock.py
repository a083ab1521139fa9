"""The offset of the trade server's clock; `test_clock` is about the simulated terminal's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import clock
from bridge.clock import ServerClock
from bridge.replies import ClockOffset

UTC_MSC = 1_800_000_000_000
"""UTC when the monotonic clock reads 0."""
HOUR_S = 3_600
ODD_MS = (HOUR_S * 1_000, -HOUR_S * 1_000, 900_000, -900_000, 123_456, -70_000, -86_400_000, 86_400_000, 5 * 900_000)


def utc_msc(now: float) -> int:
    return UTC_MSC + round(now * 1e3)


@dataclass
class Market:
    """Symbols with ticks at random moments, and somebody who looks at one after the other."""

    offset_s: Callable[[float], float]
    random: Random = field(default_factory=lambda: Random(1))
    latency_s: float = 0.5
    odd: float = 0.0
    now: float = 0.0
    clock: ServerClock = field(default_factory=ServerClock)
    stamps: dict[str, tuple[int, float | None]] = field(default_factory=dict)
    """By symbol: its newest stamp, and when it was made; None for an odd one."""
    seen: dict[str, int] = field(default_factory=dict)
    """The stamps that the newest looks found."""
    told: tuple[int | str | None, ...] = (None, "unknown")

    def tick(self, symbol: str, *, shift_ms: int = 0) -> None:
        made_s = self.now - self.random.uniform(0, self.latency_s)
        stamp = utc_msc(made_s) + round(self.offset_s(made_s) * 1e3)
        if not shift_ms and self.random.random() < self.odd:
            shift_ms = self.random.choice(ODD_MS)
        self.stamps[symbol] = stamp + shift_ms, None if shift_ms else made_s

    def look(self, symbol: str) -> bool:
        changed = self.clock.heard(symbol, self.stamps.get(symbol, (0, None))[0], utc_msc(self.now), self.now)
        self.seen[symbol] = self.stamps.get(symbol, (0, None))[0]
        before, self.told = self.told, self.state[::2]
        assert changed == (before != self.told)
        return changed

    def run(
        self, symbols: str, seconds: float, *, quiet: str = "", every_s: float = 1.0, busy: float = 1.0, check: bool = True
    ) -> None:
        """Look at each symbol once in `every_s`; between two looks it ticked with the probability `busy`, or is quiet."""
        until_s = self.now + seconds
        while self.now < until_s:
            for symbol in symbols:
                self.now += every_s / len(symbols)
                if symbol not in quiet and self.random.random() < busy:
                    self.tick(symbol)
                seen = self.seen.get(symbol, 0)
                self.look(symbol)
                if check and seen not in (0, self.seen[symbol]) and self.state[2] == "high":
                    self.check(symbol)

    @property
    def state(self) -> tuple[int | None, int | None, str]:
        offset = self.clock.offset(self.now)
        return offset.offset_s, offset.measured_msc, offset.confidence

    def check(self, symbol: str) -> None:
        """What is high is right: when it was measured, and by the stamp that was seen just now."""
        offset = self.clock.offset(self.now)
        assert offset.measured_msc is not None
        measured_s = (offset.measured_msc - UTC_MSC) / 1e3
        assert offset.offset_s in {self.offset_s(measured_s), self.offset_s(measured_s - self.latency_s)}
        made_s = self.stamps.get(symbol, (0, None))[1]
        if made_s is not None and made_s >= measured_s:
            assert offset.offset_s == self.offset_s(made_s)


def market(offset_s: float = 7_200, **more: float) -> Market:
    return Market(lambda _: offset_s, **more)  # type: ignore[arg-type]


def change(before_s: float, after_s: float, at_s: float) -> Callable[[float], float]:
    return lambda moment_s: before_s if moment_s < at_s else after_s


def speed(factor: float, offset_s: float = 7_200) -> Callable[[float], float]:
    return lambda moment_s: offset_s + (factor - 1) * moment_s


# ---- what is a sign --------------------------------------------------------------------------------------------------------------


def test_nothing_is_known_before_anything_was_heard() -> None:
    assert ServerClock().offset(5.0) == ClockOffset()


def test_the_first_look_and_the_same_tick_again_say_nothing() -> None:
    silent = market()
    silent.tick("A")
    assert not silent.look("A")
    silent.run("A", 60, quiet="A")
    assert silent.state == (None, None, "unknown")


def test_a_tick_that_came_between_two_looks_is_called_low() -> None:
    live = market()
    live.tick("A")
    live.look("A")
    live.now = 1.0
    live.tick("A")
    assert live.look("A")
    assert live.clock.offset(1.0) == ClockOffset(7_200, utc_msc(1.0), "low", 1)


def test_a_symbol_without_a_tick_begins_anew_with_its_first() -> None:
    """A symbol that was just selected shows nothing, then its last tick of an earlier day."""
    selected = ServerClock()
    assert not selected.heard("A", 0, utc_msc(0), 0.0)
    assert not selected.heard("A", utc_msc(-30), utc_msc(1), 1.0)
    assert selected.offset(1.0) == ClockOffset()
    assert not selected.heard("A", 0, utc_msc(2), 2.0)
    assert not selected.heard("A", utc_msc(-20), utc_msc(3), 3.0)
    assert selected.offset(3.0) == ClockOffset()


@pytest.mark.parametrize("offset_s", [60, -60, 450, 15 * HOUR_S, -15 * HOUR_S])
def test_what_fits_no_zone_is_no_offset(offset_s: int) -> None:
    wrong = market(offset_s, latency_s=0.0)
    wrong.run("AB", 10)
    assert wrong.clock.offset(wrong.now) == ClockOffset()


@pytest.mark.parametrize("gap_s", [clock.FORGET_S + 1, 10 * clock.FORGET_S])
@pytest.mark.parametrize("by", ["monotonic", "wall"])
def test_a_tick_is_no_sign_when_nobody_looked_for_long(gap_s: float, by: str) -> None:
    lazy = ServerClock()
    lazy.heard("A", utc_msc(0), utc_msc(0), 0.0)
    now = gap_s if by == "monotonic" else 1.0  # a machine that slept: its monotonic clock may not count that
    assert not lazy.heard("A", utc_msc(gap_s - 900), utc_msc(gap_s), now)
    assert lazy.offset(now) == ClockOffset()


def test_a_tick_that_may_be_old_is_neither_for_nor_against() -> None:
    rare = market(0)
    rare.run("AB", 120)
    assert rare.state[2] == "high"
    measured = rare.state[1]
    for _ in range(10):
        rare.now += 300
        assert not rare.clock.heard("A", utc_msc(rare.now - 250), utc_msc(rare.now), rare.now)
    assert rare.state == (0, measured, "high")


# ---- when it is adopted, and when believed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset_s", [0, 7_200, 10_800, -18_000, 19_800, 20_700, 50_400, -50_400])
def test_two_symbols_are_believed_after_a_while(offset_s: int) -> None:
    two = market(offset_s)
    two.run("AB", clock.SURE_SPAN_S)
    assert two.state[::2] == (offset_s, "low")
    two.run("AB", 5)
    assert two.state[::2] == (offset_s, "high")
    assert two.clock.offset(two.now).symbols == 2


def test_one_symbol_is_believed_after_a_longer_while() -> None:
    """Crypto alone at a weekend."""
    one = market()
    one.run("A", clock.SURE_ONE_SPAN_S)
    assert one.state[::2] == (7_200, "low")
    one.run("A", 5)
    assert one.clock.offset(one.now) == ClockOffset(7_200, utc_msc(one.now), "high", 1)


def test_what_is_known_stays_with_its_age() -> None:
    old = market()
    old.run("AB", 60)
    measured_s, measured = old.now, old.state[1]
    old.run("AB", clock.HIGH_S - 1, quiet="AB", every_s=10)
    assert old.clock.offset(measured_s + clock.HIGH_S) == ClockOffset(7_200, measured, "high", 2)
    assert old.clock.offset(measured_s + clock.HIGH_S + 0.1) == ClockOffset(7_200, measured, "low", 2)
    old.run("AB", 48 * HOUR_S, quiet="AB", every_s=60)
    assert old.state == (7_200, measured, "low")


def test_after_a_weekend_it_has_to_be_confirmed() -> None:
    monday = market()
    monday.run("AB", 60)
    monday.run("AB", 48 * HOUR_S, quiet="AB", every_s=60)
    monday.run("AB", 2)
    assert monday.state[::2] == (7_200, "low")
    assert monday.state[1] == utc_msc(monday.now)
    monday.run("AB", 25)
    assert monday.state[2] == "high"


def test_falling_with_age_is_told_at_the_next_look() -> None:
    aging = market()
    aging.run("AB", 60)
    aging.now += clock.HIGH_S + 1
    assert aging.look("A")
    assert not aging.look("A")


# ---- what contradicts it ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S, 1_800, -7 * HOUR_S])
@pytest.mark.parametrize(("symbols", "within_s"), [("AB", 6), ("ABCDE", 6), ("A", 13)])
def test_a_change_is_adopted_within_seconds(step_s: int, symbols: str, within_s: float) -> None:
    changed = Market(change(7_200, 7_200 + step_s, 100.0))
    changed.run(symbols, 101)
    changed.run(symbols, within_s)
    assert changed.state[::2] == (7_200 + step_s, "low")
    changed.run(symbols, 65)
    assert changed.state[::2] == (7_200 + step_s, "high")


def test_a_change_lowers_the_confidence_at_its_first_tick() -> None:
    changed = Market(change(7_200, 10_800, 100.5), latency_s=0.0)
    changed.run("AB", 100)
    assert changed.state[2] == "high"
    changed.now = 100.5
    changed.tick("A")
    assert changed.look("A")
    assert changed.state[::2] == (7_200, "low")


def test_an_odd_tick_does_not_hide_a_change() -> None:
    changed = Market(change(7_200, 3_600, 100.5), latency_s=0.0)
    changed.run("AB", 100)
    changed.now = 100.5
    for symbol, shift_ms in (("A", 0), ("B", 3_600_000)):
        changed.now += 0.5
        changed.tick(symbol, shift_ms=shift_ms)
        changed.look(symbol)
        assert changed.state[::2] == (7_200, "low")


@pytest.mark.parametrize("silent_s", [60, 20 * HOUR_S])
def test_a_change_while_only_one_symbol_is_quoted(silent_s: int) -> None:
    sunday = Market(change(7_200, 10_800, 101 + silent_s))
    sunday.run("ABC", 100)
    sunday.run("ABC", silent_s, quiet="BC", every_s=1 if silent_s < 100 else 30)
    sunday.run("ABC", 15, quiet="BC")
    assert sunday.state[0] == 10_800
    sunday.run("ABC", 70, quiet="BC")
    assert sunday.state[2] == "high"
    sunday.run("ABC", 30)
    assert sunday.clock.offset(sunday.now).symbols == 3


@pytest.mark.parametrize("shift_ms", ODD_MS)
@pytest.mark.parametrize("symbols", ["A", "AB"])
def test_an_odd_tick_changes_nothing_but_the_confidence_for_a_moment(shift_ms: int, symbols: str) -> None:
    odd = market()
    odd.run(symbols, 90)
    for _ in range(10):
        odd.now += 1
        odd.tick("A", shift_ms=shift_ms)
        odd.look("A")
        assert odd.state[::2] == (7_200, "high" if abs(shift_ms) == 86_400_000 else "low")  # no zone is a day off: no sign at all
        odd.run(symbols, 2)
        assert odd.state[::2] == (7_200, "high")


@pytest.mark.parametrize("oddly", ["AA", "AAA", "AB", "ABC"])
def test_a_few_odd_ticks_that_agree_change_nothing(oddly: str) -> None:
    odd = market()
    odd.run("ABCD", 90)
    for symbol in oddly:
        odd.now += 0.5
        odd.tick(symbol, shift_ms=3_600_000)
        odd.look(symbol)
        assert odd.state[::2] == (7_200, "low")
    odd.run("ABCD", 5)
    assert odd.state[::2] == (7_200, "high")


def test_a_first_tick_that_was_odd_is_corrected() -> None:
    odd = market()
    for symbol in "AB":
        odd.tick(symbol)
        odd.look(symbol)
    odd.now = 1.0
    odd.tick("A", shift_ms=3_600_000)
    odd.look("A")
    assert odd.state[::2] == (10_800, "low")
    odd.run("AB", 8)
    assert odd.state[0] == 7_200


def test_symbols_that_are_quoted_late_are_outvoted() -> None:
    """A broker may delay some symbols by exactly a quarter of an hour."""
    late = market()
    late.run("AB", 90)
    for step in range(200):
        late.now += 1
        late.tick("L", shift_ms=-900_000)
        late.look("L")
        late.run("AB", 1, check=False)
        assert late.state[0] == 7_200
        assert step < 2 or late.state[2] == "high"


def test_one_live_symbol_keeps_delayed_ones_from_being_believed() -> None:
    late = market()
    for _ in range(200):
        late.now += 1
        for symbol in "LMN":
            late.tick(symbol, shift_ms=-900_000)
            late.look(symbol)
        late.run("A", 1, check=False)
    assert late.state[::2] == (6_300, "low")


def test_a_live_symbol_beside_a_delayed_one_wins_and_is_called_low() -> None:
    late = market()
    for _ in range(90):
        late.now += 1
        late.tick("L", shift_ms=-900_000)
        late.look("L")
    assert late.state[::2] == (6_300, "high")  # nothing says otherwise
    for _ in range(90):
        late.now += 1
        late.tick("L", shift_ms=-900_000)
        late.look("L")
        late.run("A", 1, check=False)
    assert late.state[::2] == (7_200, "low")


@pytest.mark.parametrize("factor", [60.0, 10.0, 2.0, -1.0])
@pytest.mark.parametrize("every_s", [1.0, 10.0, 900 / 59])
@pytest.mark.parametrize("symbols", ["A", "ABC"])
def test_a_clock_of_another_speed_ends_as_unknown(factor: float, every_s: float, symbols: str) -> None:
    fast = Market(speed(factor))
    for _ in range(20):
        fast.run(symbols, 200 + every_s, every_s=every_s, check=False)
        assert fast.state[2] != "high"
    fast.run(symbols, 800, every_s=every_s, check=False)
    assert fast.state[2] == "unknown"
    assert fast.clock.offset(fast.now) == ClockOffset()


def test_it_returns_from_unknown_when_the_clock_does() -> None:
    replay = Market(speed(60.0))
    replay.run("AB", 120, check=False)
    assert replay.state[2] == "unknown"
    replay.offset_s = lambda _: 10_800
    replay.run("AB", 10)
    assert replay.state[2] == "unknown"
    replay.run("AB", 20)
    assert replay.state[::2] == (10_800, "high")


def test_quotes_that_are_minutes_late_are_no_clock() -> None:
    late = market(7_200 - 400)
    late.run("AB", 120, check=False)
    assert late.clock.offset(late.now) == ClockOffset()


def test_a_symbol_without_a_clock_is_outvoted() -> None:
    strange = market()
    strange.run("AB", 60)
    for second in range(100):
        strange.now += 1
        strange.tick("S", shift_ms=strange.random.randrange(-10_000_000, 10_000_000))
        strange.look("S")
        assert second < 40 or strange.state[2] == "high"
        strange.run("AB", 1, check=False)
        assert strange.state[0] == 7_200
    assert strange.state[2] == "high"


def test_symbols_that_nobody_looks_at_are_forgotten() -> None:
    many = ServerClock()
    for number in range(2_000):
        many.heard(f"S{number}", utc_msc(number), utc_msc(number), float(number))
    assert len(many._voices) <= clock.FORGET_S + 2


# ---- whatever happens ------------------------------------------------------------------------------------------------------------

OFFSETS_S = st.integers(-56, 56).map(lambda quarters: quarters * 900)


@settings(max_examples=60, deadline=None)
@given(
    before_s=OFFSETS_S,
    after_s=OFFSETS_S,
    at_s=st.floats(10, 600),
    symbols=st.sampled_from(["A", "AB", "ABCD"]),
    parts=st.lists(st.tuples(st.sampled_from(["", "A", "BCD", "ABCD"]), st.floats(1, 200)), min_size=1, max_size=4),
    every_s=st.sampled_from([1.0, 3.0, 10.0]),
    busy=st.sampled_from([0.1, 0.5, 1.0]),
    latency_s=st.floats(0, 4.9),
    odd=st.sampled_from([0.0, 0.02, 0.05]),
    seed=st.integers(0, 2**32),
)
def test_what_is_called_high_is_right(
    before_s: int,
    after_s: int,
    at_s: float,
    symbols: str,
    parts: list[tuple[str, float]],
    every_s: float,
    busy: float,
    latency_s: float,
    odd: float,
    seed: int,
) -> None:
    """A zone that changes once, symbols that fall silent and come back, latencies, odd ticks."""
    world = Market(change(before_s, after_s, at_s), random=Random(seed), latency_s=latency_s, odd=odd)
    for quiet, seconds in parts:
        world.run(symbols, seconds, quiet=quiet, every_s=every_s, busy=busy)
    world.run(symbols, at_s + latency_s - world.now, quiet=symbols, every_s=30.0)
    world.odd = 0.0
    world.run(symbols, 100, every_s=1.0)
    assert world.state[::2] == (after_s, "high")


@settings(max_examples=40, deadline=None)
@given(
    factor=st.one_of(st.floats(2, 100), st.floats(-5, 0)),
    offset_s=OFFSETS_S,
    symbols=st.sampled_from(["A", "AB", "ABCDE"]),
    every_s=st.floats(0.2, 40),
    latency_s=st.floats(0, 2),
    seed=st.integers(0, 2**32),
)
def test_a_clock_of_another_speed_is_never_called_high(
    factor: float, offset_s: int, symbols: str, every_s: float, latency_s: float, seed: int
) -> None:
    world = Market(speed(factor, offset_s), random=Random(seed), latency_s=latency_s)
    for _ in range(60):
        world.run(symbols, every_s, every_s=every_s, check=False)
        assert world.state[2] != "high"
