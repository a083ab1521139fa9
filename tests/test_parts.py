"""What is asked for behind another part of a history, in the bridge."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from bridge import codec
from bridge.errors import BridgeError, Busy, InvalidParameters, NotConnected, TerminalRefused
from bridge.messages import GetRates, GetTicks
from bridge.parts import MOST_WAITING, NOTHING, REMEMBERED, Parts
from bridge.replies import Records
from bridge.session import link
from bridge.ticks import BAR_STRUCT, TICK_STRUCT
from tests.scripted_session import Bench, health

PLACE = (b"peer", "1")


def ticks(*seconds: int) -> bytes:
    rows = b"".join(TICK_STRUCT.pack(second, 1.0, 1.1, 0.0, 0, second * 1000, 6, 0.0) for second in seconds)
    return codec.pack(Records(len(seconds), rows))


def bars(*seconds: int) -> bytes:
    rows = b"".join(BAR_STRUCT.pack(second, 1.0, 1.0, 1.0, 1.0, 5, 0, 0) for second in seconds)
    return codec.pack(Records(len(seconds), rows))


def place(number: int, peer: bytes = b"peer") -> tuple[bytes, str]:
    return peer, str(number)


@pytest.mark.parametrize(
    ("request_", "answer", "behind", "expected"),
    [
        (GetTicks("E", 5, 3), ticks(5, 6, 8), GetTicks("E", 0, 9, behind="1"), GetTicks("E", 8, 9)),
        (GetTicks("E", 5, 4), ticks(5, 6, 8), GetTicks("E", 0, 9, behind="1"), NOTHING),
        (GetTicks("E", 5, 4), ticks(), GetTicks("E", 0, 9, behind="1"), NOTHING),
        (GetRates("E", "M1", 2), bars(60, 120), GetRates("E", "M1", 7, 5, behind="1"), GetRates("E", "M1", 7, to_s=59)),
        (GetRates("E", "M1", 3), bars(60, 120), GetRates("E", "M1", 7, behind="1"), NOTHING),
        (GetRates("E", "M1", 1), bars(0), GetRates("E", "M1", 7, behind="1"), NOTHING),
    ],
)
def test_where_the_next_part_is(request_: Any, answer: bytes, behind: Any, expected: Any) -> None:
    parts: Parts[str] = Parts()
    parts.begun(PLACE, request_)
    assert parts.resolve(place(2), behind, "waits") is None
    assert parts.answered(PLACE, answer) == ["waits"]
    assert parts.resolve(place(2), behind, "again") == expected
    assert parts.resolve(place(3), request_, "first") is request_


@pytest.mark.parametrize(
    ("asker", "behind"),
    [
        (place(2), GetTicks("E", 0, behind="7")),
        (place(2, b"other"), GetTicks("E", 0, behind="1")),
        (PLACE, GetTicks("E", 0, behind="1")),
        (place(2), GetTicks("F", 0, behind="1")),
        (place(2), GetTicks("E", 0, kind="info", behind="1")),
        (place(2), GetRates("E", "M1", behind="1")),
    ],
)
def test_what_is_behind_nothing_of_the_kind(asker: tuple[bytes, str], behind: Any) -> None:
    parts: Parts[str] = Parts()
    parts.begun(PLACE, GetTicks("E", 0))
    for _ in range(2):
        with pytest.raises(InvalidParameters) as caught:
            parts.resolve(asker, behind, "")
        assert caught.value.details == {"field": "behind", "value": behind.behind}
        parts.answered(PLACE, ticks(1))


def test_an_error_is_also_that_of_what_is_behind() -> None:
    parts: Parts[str] = Parts()
    parts.begun(PLACE, GetTicks("E", 0))
    assert parts.answered(PLACE, TerminalRefused("no")) == []
    with pytest.raises(TerminalRefused, match="no"):
        parts.resolve(place(2), GetTicks("E", 0, behind="1"), "")


def test_little_is_kept() -> None:
    parts: Parts[int] = Parts()
    for number in range(REMEMBERED + 2):
        parts.begun(place(number), GetTicks("E", 0))
        parts.answered(place(number), ticks(1))
    with pytest.raises(InvalidParameters):
        parts.resolve(PLACE, GetTicks("E", 0, behind="0"), 0)
    parts.begun(place(-1), GetTicks("E", 0))
    for number in range(MOST_WAITING):
        assert parts.resolve(place(number), GetTicks("E", 0, behind="-1"), number) is None
    with pytest.raises(Busy):
        parts.resolve(place(1), GetTicks("E", 0, behind="-1"), 1)
    assert len(parts.answered(place(-1), ticks(1))) == MOST_WAITING
    parts.begun(place(-1), GetTicks("E", 0))
    assert parts.resolve(place(1), GetTicks("E", 0, behind="-1"), 1) is None


# ---- in the gateway --------------------------------------------------------------------------------------------------------------


class Terminal:
    """Answers ticks, one a second up to `last`, when it is told to; counts what it was asked."""

    def __init__(self, last: int) -> None:
        self.bench = Bench(grace_s=0.25).connect()
        self.bench.say(health())
        self.last = last
        self.asked: list[tuple[int, int]] = []
        self._calls = 0

    def answer(self, outcome: BridgeError | None = None) -> bool:
        """Answer the oldest call; whether there was one."""
        calls = self.bench.calls("ticks")
        if len(calls) == self._calls:
            return False
        call = calls[self._calls]
        self._calls += 1
        request = codec.decode_params("ticks", call.params)
        assert isinstance(request, GetTicks)
        self.asked.append((request.from_s, request.count))
        if outcome is not None:
            self.bench.say(link.failed(call.id, outcome))
        else:
            seconds = range(request.from_s, min(request.from_s + request.count, self.last + 1))
            self.bench.say(link.Result(call.id, Raw(ticks(*seconds))))
        return True

    def ask(self, peer: bytes, parts: int, count: int = 3) -> None:
        for number in range(parts):
            self.bench.ask(GetTicks("E", 1, count, behind=str(number - 1) if number else None), str(number), peer=peer)

    def seconds(self, peer: bytes, number: int) -> list[int]:
        records = self.bench.result(GetTicks, str(number), peer).records
        return [row[0] for row in TICK_STRUCT.iter_unpack(records)]


def test_parts_that_are_asked_for_together_follow_each_other() -> None:
    terminal = Terminal(last=6)
    terminal.ask(b"p", 5)
    assert len(terminal.bench.calls("ticks")) == 1, "the others have no place yet"
    while terminal.answer():
        pass
    assert [terminal.seconds(b"p", number) for number in range(5)] == [[1, 2, 3], [3, 4, 5], [5, 6], [], []]
    assert terminal.asked == [(1, 3), (3, 3), (5, 3)], "behind the end nothing is asked"


def test_ten_clients_that_load_the_same_cost_one_call_a_part() -> None:
    terminal = Terminal(last=50)
    peers = [b"p%d" % number for number in range(10)]
    for peer in peers[:5]:
        terminal.ask(peer, 4)
    terminal.answer()
    for peer in peers[5:]:
        terminal.ask(peer, 4)
    while terminal.answer():
        pass
    assert terminal.asked == [(1, 3), (3, 3), (5, 3), (7, 3)]
    for peer in peers:
        assert [terminal.seconds(peer, number) for number in range(4)] == [[1, 2, 3], [3, 4, 5], [5, 6, 7], [7, 8, 9]]


def test_one_that_began_by_itself_shares_the_parts_of_others() -> None:
    terminal = Terminal(last=50)
    terminal.ask(b"p", 2)
    while terminal.answer():
        pass
    terminal.bench.ask(GetTicks("E", 3, 3), "x", peer=b"q")
    assert terminal.seconds(b"q", "x") == [3, 4, 5]  # type: ignore[arg-type]
    assert len(terminal.asked) == 2


def test_what_ends_a_part_ends_those_behind_it() -> None:
    terminal = Terminal(last=50)
    terminal.ask(b"p", 3)
    terminal.answer()
    terminal.answer(TerminalRefused("no"))
    assert terminal.seconds(b"p", 0) == [1, 2, 3]
    assert [type(terminal.bench.error(str(number), b"p")) for number in (1, 2)] == [TerminalRefused] * 2
    terminal.ask(b"q", 3)
    terminal.bench.exit()
    assert [type(terminal.bench.error(str(number), b"q")) for number in (1, 2)] == [NotConnected] * 2
