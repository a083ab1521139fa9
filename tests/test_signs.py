"""Signs of progress: which calls they are made of, and whose clock they look at."""

from __future__ import annotations

import pytest

from bridge.records import Symbol
from bridge.session.link import Health, standing
from bridge.session.signs import LIST_LIMIT_S, REFRESH_S, SYMBOLS, Signs
from bridge.terminal import TerminalError
from tests.fake_terminal import T0, FakeTerminal, record, tick


def read(signs: Signs, now: float = 0.0) -> tuple[list[float], Health]:
    """One sign: what it yielded, and what it found."""
    reading, limits = signs.read(now), []
    while True:
        try:
            limits.append(next(reading))
        except StopIteration as end:
            return limits, end.value


def quoted(*names: str) -> FakeTerminal:
    terminal = FakeTerminal(*names)
    for place, name in enumerate(names):
        terminal.ticks[name] = tick(place)
    return terminal


def test_a_sign_is_one_call_at_a_time() -> None:
    terminal = quoted("A", "B")
    reading = Signs(terminal, lambda: ["B"]).read(0.0)
    for calls in (["info"], ["info", "account"]):
        assert next(reading) == 0.0
        assert terminal.calls == calls
    with pytest.raises(StopIteration) as end:
        next(reading)
    assert terminal.calls == ["info", "account", "tick"]
    found = end.value.value
    assert found == Health(True, 1234, standing(terminal.account(), terminal.info()), ("B", T0 * 1000 + 1))


def test_without_a_trade_server_no_quote_is_looked_at() -> None:
    terminal = quoted("A")
    terminal.connected = False
    limits, found = read(Signs(terminal, lambda: ["A"]))
    assert (found.connected, found.quote) == (False, None)
    assert terminal.calls == ["info", "account"]
    assert limits == [0.0]


def test_the_streamed_symbols_are_looked_at_in_turns_and_not_too_many() -> None:
    names = [f"S{number}" for number in range(SYMBOLS + 5)]
    signs = Signs(quoted(*names), lambda: names)
    looked = [found.quote[0] for _ in range(3 * SYMBOLS) if (found := read(signs)[1]).quote]
    assert set(looked) == set(names[:SYMBOLS])
    assert all(looked[at : at + SYMBOLS].count(name) == 1 for at in (0, SYMBOLS) for name in names[:SYMBOLS])


def test_where_nothing_is_streamed_the_symbols_quoted_last_are_taken_from_market_watch() -> None:
    class Dated(FakeTerminal):
        def symbols(self, group: str | None = None) -> list[Symbol]:
            return [record(Symbol, name=one.name, visible=one.visible, time=int(one.name[1:])) for one in super().symbols()]

    names = [f"S{number}" for number in range(SYMBOLS + 5)]
    terminal = Dated(*names)
    terminal.visible.discard(names[-1])
    for name in names:
        terminal.ticks[name] = tick(0)
    signs = Signs(terminal, list)
    limits, first = read(signs)
    assert limits == [0.0, LIST_LIMIT_S, 0.0]
    found = [first, *(read(signs)[1] for _ in range(SYMBOLS - 1))]
    assert {one.quote[0] for one in found if one.quote} == set(names[-1 - SYMBOLS : -1])
    assert terminal.calls.count("symbols") == 1


def test_the_choice_is_made_anew_after_a_while_and_after_an_outage() -> None:
    names = ["A"]
    signs = Signs(quoted("A", "B"), lambda: names)
    assert read(signs, 0.0)[1].quote == ("A", T0 * 1000)
    names[:] = ["B"]
    assert read(signs, REFRESH_S - 1.0)[1].quote == ("A", T0 * 1000)
    assert read(signs, REFRESH_S)[1].quote == ("B", T0 * 1000 + 1)
    names[:] = ["A"]
    signs.restore()
    assert read(signs, REFRESH_S + 1.0)[1].quote == ("A", T0 * 1000)


def test_a_symbol_that_is_gone_is_no_failure_and_others_are_chosen() -> None:
    names = ["GONE"]
    terminal = quoted("A")
    signs = Signs(terminal, lambda: names)
    assert read(signs)[1].quote is None
    names[:] = ["A"]
    assert read(signs)[1].quote == ("A", T0 * 1000)


def test_a_symbol_that_was_never_quoted_shows_no_time() -> None:
    assert read(Signs(FakeTerminal("A"), lambda: ["A"]))[1].quote is None


def test_a_terminal_without_symbols_is_a_sign_all_the_same() -> None:
    terminal = quoted("A")
    terminal.visible.clear()
    limits, found = read(Signs(terminal, list))
    assert (found.connected, found.quote) == (True, None)
    assert limits == [0.0, LIST_LIMIT_S]


@pytest.mark.parametrize("function", ["info", "account", "symbols", "tick"])
def test_a_link_that_breaks_is_no_sign(function: str) -> None:
    terminal = quoted("A")
    terminal.fail(function, -10_002, "IPC recv failed")
    with pytest.raises(TerminalError) as caught:
        read(Signs(terminal, list))
    assert caught.value.link_lost
