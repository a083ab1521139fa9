"""The parts of the fault runs of market data: the market, the proxy, the bad network, and the judgement."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.terminal.simulator.recording import read_recordings
from bridge.ticks import RECORD_BYTES, last_tick
from tests.fake_terminal import tick
from tests.faults import recordings
from tests.faults.delivery import delivered, time_of
from tests.faults.market_data import FAULTS, FULL, OF_232, WEATHERS, shares
from tests.faults.proxy import Proxy, before, listening
from tests.faults.recordings import BURST_SYMBOLS, burst, made, window
from tests.faults.table import RUNS
from tests.faults.tunnel import Link, Weather
from tests.receiver import Part

# ---- the plan and the market -----------------------------------------------------------------------------------------------------


def test_every_kind_of_fault_is_injected() -> None:
    assert shares(FULL) == OF_232
    assert shares(FULL).keys() == FAULTS.keys()
    small = shares(RUNS["market-data"].small)
    assert all(small.values())
    assert small["network"] >= len(WEATHERS)
    assert sum(shares(116).values()) == pytest.approx(116, abs=3)


def test_made_ticks_are_as_dense_as_the_recorded_ones() -> None:
    rows = made("EURUSD", 3)
    assert rows == made("EURUSD", 3) != made("EURUSD", 4)
    times = [msc for msc, _, _ in rows]
    assert times == sorted(times)
    assert len(set(times)) < len(times)
    assert len(set(rows)) < len(rows)
    figures_msc = recordings.FIRST_MSC + 30 * 60_000
    assert sum(figures_msc <= msc < figures_msc + 60_000 for msc in times) == 3_000
    assert 20_000 < len(rows) < 30_000
    assert times[-1] < recordings.FIRST_MSC + recordings.SPAN_MSC


def test_without_recordings_a_made_market_is_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(recordings.DATA_VARIABLE, str(tmp_path / "nothing"))
    found = window(tmp_path, 1, times=1)
    assert found.source.startswith("synthetic")
    assert found.arguments[::2] == ("--replay", "--replay")
    ticks = read_recordings(found.files)
    assert ticks.keys() == {"EURUSD", "NZDUSD"}
    assert ticks["EURUSD"].size == len(made("EURUSD", 1))


def test_a_burst_is_within_two_seconds(tmp_path: Path) -> None:
    ticks = read_recordings(burst(tmp_path, 1_000, 1).files)
    assert ticks.keys() == set(BURST_SYMBOLS)
    for rows in ticks.values():
        assert rows.size == 101
        assert rows["time_msc"][-1] - rows["time_msc"][1] < 2_000


# ---- the judgement ---------------------------------------------------------------------------------------------------------------


def packed(*numbers: int) -> bytes:
    return b"".join(map(tick, numbers))


HISTORY = packed(1, 2, 3, 3, 5, 6)


@pytest.mark.parametrize(
    ("began", "records", "right", "right_late"),
    [
        ([2], [3, 3, 5, 6], True, True),
        ([], [3, 3, 5, 6], True, True),
        ([2], [3, 3, 5], False, True),
        ([3], [3, 5, 6], True, True),
        ([6], [], True, True),
        ([2], [], False, True),
        ([], [], False, True),
        ([2], [3, 5, 6], False, False),
        ([2], [3, 3, 3, 5, 6], False, False),
        ([2], [3, 5, 3, 6], False, False),
        ([1], [3, 3, 5, 6], False, False),
        ([2], [3, 3, 5, 6, 7], False, False),
        ([2], [3, 3, 6, 5], False, False),
    ],
)
def test_what_was_delivered(began: list[int], records: list[int], right: bool, right_late: bool) -> None:
    part = Part({"tick:A": packed(*began).hex()} if began else {}, {"tick:A": packed(*records).hex()})
    for whole, expected in ((True, right), (False, right_late)):
        found = delivered("one", [part], {"tick:A": HISTORY}, whole=whole)
        assert (not found.wrong) is expected, found
        wrong = found.ticks.lost + found.ticks.duplicated + found.ticks.out_of_order
        assert expected or wrong or len(records) == 0


def test_a_value_that_differs_in_one_bit_is_not_the_same_tick() -> None:
    rows = bytearray(packed(2, 3, 3, 5, 6))
    rows[2 * RECORD_BYTES + 9] ^= 1
    found = delivered("one", [Part({}, {"tick:A": rows.hex()})], {"tick:A": HISTORY}, whole=True)
    assert (found.ticks.lost, found.ticks.duplicated) == (1, 1)


def test_gaps_snapshots_in_the_middle_and_nonsense_are_wrong() -> None:
    rows = {"tick:A": HISTORY.hex()}
    histories = {"tick:A": HISTORY}
    assert not delivered("one", [Part({}, rows)], histories, whole=True).wrong
    assert delivered("one", [Part({}, rows, gaps=["gap"])], histories, whole=True).gaps == 1
    for part in (
        Part({}, rows, gaps=["gap"]),
        Part({}, rows, snapshots=1),
        Part({}, rows, counters={"malformed": 1}),
        Part({}, rows, clients_counters={"unknown": 1}),
    ):
        assert delivered("one", [part], histories, whole=True).wrong


def test_bars_are_judged_in_the_same_way() -> None:
    found = delivered("one", [Part({}, {"bar:A:M1": packed(1, 2).hex()})], {"bar:A:M1": packed(1, 2, 3)}, whole=True)
    assert (found.bars.lost, found.ticks.lost, len(found.wrong)) == (1, 0, 1)
    volumes = [packed(1_000)[:40] + volume + packed(1_000)[48:] for volume in (b"9" * 8, b"1" * 8)]
    found = delivered("one", [Part({}, {"bar:A:M1": b"".join(volumes).hex()})], {"bar:A:M1": volumes[0]}, whole=True)
    assert (found.bars.duplicated, found.bars.out_of_order) == (1, 0)


def test_the_newest_record() -> None:
    last = last_tick(packed(1_500, 2_500))
    assert time_of("tick:A", packed(1_500, 2_500)) == last.time_msc
    assert time_of("bar:A:M1", packed(1_500, 2_500)) == last.time


# ---- the proxy -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[int]:
    """Answers everything with the address that it was asked about; its port."""
    listener = listening()
    accepted: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append(connection)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        try:
            while received := connection.recv(65_536):
                connection.sendall(received)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for connection in accepted:
        connection.close()


@pytest.fixture
def proxied(server: int) -> Iterator[tuple[Proxy, int]]:
    endpoint = f"tcp://127.0.0.1:{server}"
    proxy, mine = before(endpoint, endpoint)
    yield proxy, int(mine.rpartition(":")[2])
    proxy.end()


def connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 5.0)
    connection.settimeout(5.0)
    return connection


def received(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (part := connection.recv(65_536)):
        found += part
    return found


def test_everything_goes_through_the_proxy(proxied: tuple[Proxy, int]) -> None:
    _, port = proxied
    sent = random.Random(1).randbytes(1_000_000)
    with connected(port) as connection:
        threading.Thread(target=connection.sendall, args=(sent,), daemon=True).start()
        assert received(connection, len(sent)) == sent


def test_the_address_of_the_events_is_the_proxys_own(proxied: tuple[Proxy, int], server: int) -> None:
    _, port = proxied
    with connected(port) as connection:
        sent = f"events tcp://127.0.0.1:{server}.".encode()
        connection.sendall(sent)
        came = received(connection, len(sent))
    assert len(came) == len(sent)
    other = int(came.rpartition(b":")[2].strip(b"."))
    assert other not in (server, port)
    with connected(other) as connection:
        connection.sendall(b"x")
        assert received(connection, 1) == b"x"


@pytest.mark.parametrize("reset", [True, False])
def test_connections_are_cut_and_can_be_made_again(proxied: tuple[Proxy, int], reset: bool) -> None:
    proxy, port = proxied
    with connected(port) as connection:
        connection.sendall(b"x")
        assert received(connection, 1) == b"x"
        assert proxy.cut("events") == 0
        assert proxy.cut("requests", "events", reset=reset) == 1
        try:
            assert connection.recv(1) == b""
            assert not reset
        except ConnectionError:
            assert reset
    with connected(port) as connection:
        connection.sendall(b"y")
        assert received(connection, 1) == b"y"
    assert proxy.accepted == 2


# ---- the network -----------------------------------------------------------------------------------------------------------------


def played(weather: Weather, packets: int, end: int = 0) -> tuple[list[tuple[float, int]], Link]:
    """When which packet arrives, of one a millisecond."""
    link = Link(random.Random(1))
    link.weather = weather
    for number in range(packets):
        link.take(end, number.to_bytes(4, "little"), number / 1e3)
    came = []
    while (at_s := link.next_s()) is not None:
        came += [(at_s, int.from_bytes(packet, "little")) for to, packet in link.arrived(at_s) if to == 1 - end]
    return came, link


def test_in_fine_weather_everything_arrives_at_once() -> None:
    came, link = played(Weather(), 100)
    assert came == [(number / 1e3, number) for number in range(100)]
    assert (link.lost, link.doubled, link.passed) == (0, 0, 100)


def test_what_bad_weather_does() -> None:
    came, link = played(Weather(delay_ms=200, loss=0.05), 2_000)
    assert [number for _, number in came] == sorted(number for _, number in came)
    assert all(at_s == pytest.approx(number / 1e3 + 0.2) for at_s, number in came)
    assert 60 < link.lost < 140
    came, link = played(Weather(delay_ms=30, jitter_ms=30, reordered=0.3, duplicated=0.05), 2_000)
    assert [number for _, number in came] != sorted(number for _, number in came)
    assert len(came) == 2_000 + link.doubled > 2_050


@pytest.mark.parametrize(("cut", "to_bridge", "to_client"), [("to bridge", 0, 9), ("to client", 9, 0), ("both", 0, 0), ("", 9, 9)])
def test_a_network_is_cut_one_way(cut: str, to_bridge: int, to_client: int) -> None:
    assert len(played(Weather(cut=cut), 9, end=0)[0]) == to_bridge
    assert len(played(Weather(cut=cut), 9, end=1)[0]) == to_client
