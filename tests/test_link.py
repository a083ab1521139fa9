from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mt5api.backend import LinkLost, OpenFailed
from bridge.terminal.simulator.link import (
    ADDRESS_VARIABLE,
    MAX_FRAME_BYTES,
    FrameReader,
    LinkError,
    SocketBackend,
    pack_frame,
    parse_address,
    send_message,
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda children: st.lists(children, max_size=4),
    max_leaves=12,
)


@given(st.lists(values, max_size=5), st.data())
@settings(max_examples=150, deadline=None)
def test_any_split_gives_the_same_messages(messages: list[Any], data: st.DataObject) -> None:
    stream = b"".join(pack_frame(message) for message in messages)
    reader = FrameReader()
    received: list[Any] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        received += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert received == messages
    assert reader.feed(pack_frame("next")) == ["next"], "nothing was left over"


def test_frame_is_length_and_msgpack() -> None:
    assert pack_frame(["version", []]) == b"\x0a\x00\x00\x00\x92\xa7version\x90"


def test_lone_surrogates_pass() -> None:
    assert FrameReader().feed(pack_frame(["\ud800"])) == [["\ud800"]]


def test_too_long_frames_are_refused_on_both_sides() -> None:
    with pytest.raises(LinkError, match="exceeds the limit"):
        pack_frame(bytes(MAX_FRAME_BYTES))
    with pytest.raises(LinkError, match="announces"):
        FrameReader().feed(struct.pack("<I", MAX_FRAME_BYTES + 1))
    assert FrameReader().feed(struct.pack("<I", MAX_FRAME_BYTES)) == []


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x92\x01", b"\x01\x02", b"\xa1\xff"])
def test_garbage_is_a_link_error(body: bytes) -> None:
    with pytest.raises(LinkError, match="not msgpack"):
        FrameReader().feed(struct.pack("<I", len(body)) + body)


@pytest.mark.parametrize("value", [object(), 2**64, {1, 2}])
def test_what_cannot_be_encoded(value: Any) -> None:
    with pytest.raises(LinkError, match="cannot encode"):
        pack_frame([value])


@pytest.mark.parametrize(
    "address", ["", "x", "tcp://", "tcp://host", "tcp://:1", "tcp://h:x", "tcp://h:65536", "ipc://h:1", "C:\\t.exe"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError, match="tcp://HOST:PORT"):
        parse_address(address)


def test_addresses() -> None:
    assert parse_address("tcp://127.0.0.1:5557") == ("127.0.0.1", 5557)
    assert parse_address("tcp://[::1]:1") == ("::1", 1)


Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve one connection with a function; gives the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(behave: Callable[[socket.socket], None]) -> str:
        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                behave(connection)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(10)
    listener.close()


def echo(connection: socket.socket) -> None:
    reader = FrameReader()
    while data := connection.recv(4096):
        for request in reader.feed(data):
            send_message(connection, [1, "Success", request])


def test_call(serve: Serve) -> None:
    backend = SocketBackend()
    backend.open(serve(echo))
    assert backend.connected
    assert backend.call("version", [1, "x", None]) == (1, "Success", ["version", [1, "x", None]])
    assert backend.call("big", [bytes(10**6)])[2] == ["big", [bytes(10**6)]]
    backend.close()
    backend.close()
    assert not backend.connected


def test_waiting_with_the_interpreters_lock() -> None:
    """The answer is there before the call, since no other thread can run while it waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        backend = SocketBackend(hold_gil=True)
        backend.open(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        connection, _ = listener.accept()
        with connection:
            send_message(connection, [1, "Success", 5])
            assert backend.call("orders_total", []) == (1, "Success", 5)
        backend.close()


def one_request(answer: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    return behave


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        pack_frame([1, "Success", None])[:-1],
        struct.pack("<I", 2**32 - 1),
        pack_frame("no reply"),
        pack_frame([1, "Success"]),
        pack_frame([None, None, None]),
        pack_frame([1, "", 1]) * 2,
    ],
)
def test_broken_answers_lose_the_link(serve: Serve, answer: bytes) -> None:
    backend = SocketBackend()
    backend.open(serve(one_request(answer)))
    with pytest.raises(LinkLost) as lost:
        backend.call("version", [])
    assert not lost.value.sending
    assert not backend.connected


def test_request_that_cannot_be_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        backend = SocketBackend()
        backend.open(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(LinkLost) as lost:
            backend.call("version", [object()])
        assert lost.value.sending
        assert not backend.connected
        with pytest.raises(LinkLost):
            backend.call("version", [])


def test_terminal_that_closes_while_requests_are_written(serve: Serve) -> None:
    backend = SocketBackend()
    backend.open(serve(lambda connection: connection.close()))
    with pytest.raises(LinkLost):
        backend.call("version", [bytes(10**7)])
    assert not backend.connected


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    backend = SocketBackend()
    with pytest.raises(OpenFailed, match="MetaTrader 5 x64 not found"):
        backend.open(None)
    with pytest.raises(OpenFailed, match=f"Process create failed '{address}'"):
        backend.open(address)
    with pytest.raises(OpenFailed, match="Process create failed 'x'"):
        backend.open("x")
    assert not backend.connected


def test_interrupted_call_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        backend = SocketBackend()
        backend.open(f"tcp://127.0.0.1:{listener.getsockname()[1]}")

        def interrupted(_: bytes) -> list[Any]:
            raise KeyboardInterrupt

        connection, _ = listener.accept()
        with connection:
            send_message(connection, [1, "Success", 5])
            monkeypatch.setattr(backend._reader, "feed", interrupted)
            with pytest.raises(KeyboardInterrupt):
                backend.call("orders_total", [])
        assert not backend.connected
