"""Long downloads as a whole: an order in the midst of one, and what the blocking client makes of them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from msgspec import Raw

from bridge import codec
from bridge.errors import CallError, InvalidParameters, UnknownTimeframe
from bridge.messages import MAX_ROWS, GetTicks
from bridge.replies import Pong, Records
from bridge.session import core, link
from bridge.session.core import Session
from bridge.terminal import Credentials
from bridge.ticks import RECORD_BYTES
from clients import Client
from clients.tables import BAR_DTYPE, TICK_DTYPE
from tests.fake_terminal import T0, FakeTerminal
from tests.scripted_bridge import bar_record
from tests.scripted_session import Bench, health
from tests.stand_in import StandIn, stand_in

CALL_S = 0.3
"""What one call to the terminal for ticks takes here."""
PER_SECOND = 10


def many_ticks(rows: int) -> bytes:
    number = np.arange(rows)
    array = np.zeros(rows, TICK_DTYPE)
    array["time"] = T0 + number // PER_SECOND
    array["time_msc"] = array["time"] * 1_000 + number % PER_SECOND * (1_000 // PER_SECOND)
    array["bid"] = number
    return array.tobytes()


def ticks_from(ticks: bytes, request: GetTicks) -> bytes:
    begin = max(0, request.from_s - T0) * PER_SECOND
    return ticks[begin * RECORD_BYTES : (begin + request.count) * RECORD_BYTES]


class Whole:
    """A gateway and its session in virtual time. What is done with the terminal is in `done`: the time at which it began, and the
    method; while a call for ticks is done, `meanwhile` happens."""

    def __init__(self, patch: pytest.MonkeyPatch, ticks: bytes) -> None:
        self.bench = Bench(longest_deadline_s=1e6).connect()
        self.bench.say(health())
        self.ticks = ticks
        self.done: list[tuple[float, str]] = []
        self.meanwhile: dict[int, float] = {}
        self.arrived_s: list[float] = []
        self._said: list[link.FromSession] = []
        self.session = Session(FakeTerminal(), Credentials(), self._said.append)
        self.session.receive(link.Connect(1))
        self.session.step(self.bench.now)
        self._said.clear()
        self.bench.answers = self._hear
        patch.setattr(core, "perform", self._perform)

    def _hear(self, message: link.ToSession) -> list[link.FromSession]:
        self.session.receive(message)
        return []

    def _perform(self, terminal: Any, method: str, params: Raw, *_: Any) -> Raw:
        self.done.append((self.bench.now, method))
        if method != "ticks":
            return Raw(codec.pack(None))
        number = sum(method == "ticks" for _, method in self.done)
        after_s = self.meanwhile.pop(number, None)
        if after_s is not None:
            self.arrived_s.append(self.bench.now + after_s)
            self.session.receive(link.Call(10**6 + number, "order", Raw(codec.pack({})), 1e9))
        self.bench.now += CALL_S
        request = codec.decode_params(method, params)
        assert isinstance(request, GetTicks)
        found = ticks_from(self.ticks, request)
        return Raw(codec.pack(Records(len(found) // RECORD_BYTES, found)))

    def run(self) -> None:
        """Until nothing is under way."""
        begun = -1
        while begun != len(self.done):
            begun = len(self.done)
            while self.session.next_deadline() == float("-inf"):
                self.session.step(self.bench.now)
            said, self._said[:] = list(self._said), []
            self.bench.say(*(message for message in said if isinstance(message, link.Result)))


def test_an_order_waits_for_one_call_of_a_long_download(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Whole(monkeypatch, many_ticks(1_000_000))
    whole.meanwhile = {1: 0.0, 17: 0.1, 18: 0.29, 50: 0.2}
    for peer, begin in ((b"long", T0), (b"other", T0 + 90_000)):
        for number in range(51):
            whole.bench.ask(
                GetTicks("EURUSD", begin, behind=str(number - 1) if number else None), str(number), peer=peer, deadline_s=1e5
            )
    whole.run()
    orders_s = [begun_s for begun_s, method in whole.done if method == "order"]
    assert len(orders_s) == 4
    for arrived_s, begun_s in zip(whole.arrived_s, orders_s, strict=True):
        assert 0 <= begun_s - arrived_s <= CALL_S
    rows = b"".join(
        whole.bench.result(GetTicks, str(number), b"long").records[: -PER_SECOND * RECORD_BYTES] for number in range(50)
    )
    assert len(rows) > 999_000 * RECORD_BYTES
    assert rows == whole.ticks[: len(rows)]
    assert sum(method == "ticks" for _, method in whole.done) == 51 + 6, "both, and the rest of them costs nothing"


# ---- the blocking client ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture
def client(server: StandIn) -> Iterator[Client]:
    ticks = many_ticks(3 * MAX_ROWS)

    def answer(request: GetTicks) -> Records:
        found = ticks_from(ticks, request)
        return Records(len(found) // RECORD_BYTES, found)

    server.bridge.answers |= {
        "ticks": answer,
        "rates": lambda request: Records(1, bar_record(60)),
        "ping": lambda request: Pong("x", 1),
    }
    with Client(server.endpoint, name="test", timeout_s=5.0) as connected:
        yield connected


def test_ticks_come_in_parts_and_are_a_frame_or_an_array(server: StandIn, client: Client) -> None:
    told: list[tuple[int, float | None]] = []
    frame = client.ticks("EURUSD", T0, progress=lambda *now: told.append(now))
    assert (frame["bid"].to_numpy() == np.arange(3 * MAX_ROWS)).all()
    assert [rows for rows, _ in told] == [MAX_ROWS - 10, 2 * MAX_ROWS - 20, 3 * MAX_ROWS - 30, 3 * MAX_ROWS]
    assert told[-1] == (3 * MAX_ROWS, 1.0)
    array = client.arrays.ticks("EURUSD", T0, count=2 * MAX_ROWS)
    assert (array.dtype, array.shape, array.flags.writeable) == (TICK_DTYPE, (2 * MAX_ROWS,), False)
    assert (array["bid"] == np.arange(2 * MAX_ROWS)).all()
    assert pickle.loads(pickle.dumps(array)).tobytes() == array.tobytes()
    bars = client.arrays.rates("EURUSD", "M1", 1)
    assert (bars.dtype, bars["time"].tolist()) == (BAR_DTYPE, [60])
    assert client.counters.unknown == client.counters.late == 0


def test_a_download_that_is_ended_leaves_the_client_in_order(client: Client) -> None:
    def enough(rows: int, fraction: float | None) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        client.ticks("EURUSD", T0, progress=enough)
    for _ in range(5):
        assert client.ping().state == "x"
    assert len(client.ticks("EURUSD", T0, count=30)) == 30
    assert client.counters.unknown == client.counters.late == client.counters.duplicate == 0


def test_who_closes_the_client_ends_the_download(client: Client) -> None:
    with pytest.raises(CallError, match="closed"):
        client.ticks("EURUSD", T0, progress=lambda rows, fraction: client.close())


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda client: client.rates("EURUSD", "M7"), UnknownTimeframe),
        (lambda client: client.rates("", "M1"), InvalidParameters),
        (lambda client: client.arrays.rates("EURUSD", "M1", 0), InvalidParameters),
        (lambda client: client.ticks("EURUSD", T0 * 1_000), InvalidParameters),
        (lambda client: client.ticks("EURUSD", 2_000_000_000), InvalidParameters),
        (lambda client: client.rates("EURUSD", "M1", date_from=2_000_000_000), InvalidParameters),
        (lambda client: client.arrays.ticks("EURUSD", T0, T0 - 1), InvalidParameters),
    ],
)
def test_what_is_wrong_is_not_sent(server: StandIn, client: Client, ask: Any, error: type[CallError]) -> None:
    with pytest.raises(error) as caught:
        ask(client)
    assert caught.value.details["field"]
    assert {"rates", "ticks"}.isdisjoint(server.bridge.methods())
