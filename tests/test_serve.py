"""The bridge as a process: what its sockets withstand, what happens when its session is killed, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
import zmq

from bridge import codec
from bridge.errors import BridgeError, MalformedMessage, UnknownMethod, UnknownSymbol, WrongProtocol
from bridge.messages import GetAccount, GetRates, GetStatus, Hello, Ping, Request
from bridge.replies import ConnectionState, Status
from bridge.serve import StopSignals
from tests.processes import PATIENCE_S, Served, environment, running, serving

PATIENCE_MS = int(PATIENCE_S * 1000)


class RawClient:
    """A DEALER and a SUB without a library."""

    def __init__(self, bridge: Served) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.requests = self._context.socket(zmq.DEALER)
        self.requests.linger = 0
        self.requests.connect(bridge.requests)
        self.events = self._context.socket(zmq.SUB)
        self.events.linger = 0
        self.events.connect(bridge.events)
        self._last = 0

    def raw(self, *frames: bytes) -> Any:
        """Send frames, return the reply."""
        self.requests.send_multipart(frames)
        assert self.requests.poll(PATIENCE_MS), "no reply"
        return codec.decode_reply(self.requests.recv())

    def call(self, request: Request[Any]) -> Any:
        """Do a request; errors are raised."""
        self._last += 1
        reply = self.raw(codec.encode_request(request, f"raw-{self._last}"))
        assert reply.id == f"raw-{self._last}"
        return codec.decode_result(request.method, reply)

    def healthy(self) -> Status:
        """The status, once it is healthy."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            status: Status = self.call(GetStatus())
            if status.healthy:
                return status
            time.sleep(0.02)
        raise AssertionError(f"never healthy: {status}")

    def error_of(self, *frames: bytes) -> BridgeError:
        """The error that a message is answered with."""
        with pytest.raises(BridgeError) as caught:
            codec.decode_result("ping", self.raw(*frames))
        return caught.value

    def close(self) -> None:
        """Close everything."""
        self._context.destroy(0)


@pytest.fixture(scope="module")
def bridge() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def client(bridge: Served) -> Iterator[RawClient]:
    raw = RawClient(bridge)
    yield raw
    raw.close()


def test_requests_are_answered(client: RawClient) -> None:
    client.healthy()
    assert client.call(GetAccount()).login == 5_000_001
    assert client.call(GetRates("EURUSD", "M1", count=3)).rows == 3
    assert client.call(Ping()).state == "connected"


def test_garbage_on_the_requests_socket_is_answered_and_disturbs_nobody(client: RawClient) -> None:
    good = codec.encode_request(Ping(), "good")
    assert isinstance(client.error_of(b"\xc1garbage"), MalformedMessage)
    assert isinstance(client.error_of(b""), MalformedMessage)
    assert isinstance(client.error_of(good, good), MalformedMessage)
    assert isinstance(client.error_of(*[b"x"] * 50), MalformedMessage)
    newer = msgpack.packb({"version": 99, "id": "n", "method": "ping", "params": {}})
    error = client.error_of(newer)
    assert isinstance(error, WrongProtocol)
    assert error.request_id == "n"
    unknown = msgpack.packb({"version": 1, "id": "u", "method": "open_sesame", "params": {}})
    assert isinstance(client.error_of(unknown), UnknownMethod)
    mistyped = msgpack.packb({"version": 1, "id": "m", "method": "rates", "params": {"symbol": "EURUSD", "timeframe": 5}})
    error = client.error_of(mistyped)
    assert error.details["field"] == "timeframe"
    missing = msgpack.packb({"version": 1, "id": "m", "method": "rates", "params": {"timeframe": "M1"}})
    assert client.error_of(missing).details["field"] == "symbol"
    with pytest.raises(UnknownSymbol):
        client.call(GetRates("NOSUCH", "M1"))
    assert client.call(Ping()).state == "connected"


def test_an_oversized_request_cuts_off_its_sender_only(bridge: Served, client: RawClient) -> None:
    rude = RawClient(bridge)
    rude.requests.send(b"x" * (codec.MAX_REQUEST_BYTES + 1))
    assert not rude.requests.poll(300)
    assert client.call(Ping()).state == "connected"
    assert rude.call(Ping()).state == "connected"  # libzmq connects it again
    rude.close()


def test_bytes_that_are_not_zmtp_disturb_nobody(bridge: Served, client: RawClient) -> None:
    for endpoint in (bridge.requests, bridge.events):
        host, port = endpoint.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), 5) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 20)
            assert client.call(Ping()).state == "connected"


def test_junk_subscriptions_are_refused_and_counted(bridge: Served, client: RawClient) -> None:
    before = client.healthy().counters["refused_subscriptions"]
    client.events.subscribe(b"tick:" + b"x" * 300)
    client.events.subscribe(b"\xff\xfe\0")
    client.events.subscribe(b"heartbeat\0")
    assert client.events.poll(PATIENCE_MS)
    assert codec.decode_event(client.events.recv()).topic == "heartbeat"
    assert client.call(GetStatus()).counters["refused_subscriptions"] == before + 2


def test_clients_are_known_by_name_while_they_are_there(bridge: Served, client: RawClient) -> None:
    guest = RawClient(bridge)
    guest.call(Hello("guest", "guest-1", 7, "here"))
    guest.events.subscribe(b"client:guest-1\0")
    assert guest.events.poll(PATIENCE_MS)
    assert codec.decode_event(guest.events.recv()).topic == "client:guest-1"
    told = {peer.name: peer for peer in client.call(GetStatus()).clients}
    assert told["guest"].subscribed
    guest.close()
    deadline = time.monotonic() + PATIENCE_S
    while any(peer.name == "guest" and peer.subscribed for peer in client.call(GetStatus()).clients):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_session_is_replaced_and_its_end_is_told() -> None:
    with serving() as served:
        client = RawClient(served)
        before = client.healthy()
        client.events.subscribe(b"connection\0")
        client.events.subscribe(b"client:x\0")
        assert client.events.poll(PATIENCE_MS)
        assert codec.decode_event(client.events.recv()).topic == "client:x"
        assert before.session_pid is not None
        os.kill(before.session_pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        killed = time.monotonic()
        told: list[ConnectionState] = []
        while not told or told[-1].state != "connected":
            assert client.events.poll(PATIENCE_MS), told
            told.append(codec.decode_body(codec.decode_event(client.events.recv())))
        elapsed_s = time.monotonic() - killed
        assert [state.state for state in told] == ["reconnecting", "connecting", "connected"]
        assert "session process" in told[0].cause
        after = client.healthy()
        assert after.session_pid != before.session_pid
        assert client.call(GetAccount()).login == 5_000_001
        assert elapsed_s < PATIENCE_S
        client.close()


def test_the_session_as_a_thread_does_the_same() -> None:
    with serving("--session", "thread") as served:
        client = RawClient(served)
        status = client.healthy()
        assert status.session_pid == served.process.pid
        assert client.call(GetAccount()).login == 5_000_001
        client.close()
        served.process.terminate()
        assert served.process.wait(PATIENCE_S) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process on Windows")
def test_ctrl_c_ends_the_bridge_cleanly_with_all_its_children() -> None:
    with serving() as served:
        client = RawClient(served)
        pid = client.healthy().session_pid
        client.events.subscribe(b"connection\0")
        client.events.subscribe(b"client:x\0")
        assert client.events.poll(PATIENCE_MS)
        codec.decode_event(client.events.recv())
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(PATIENCE_S) == 0
        told = []
        while client.events.poll(500):
            told.append(codec.decode_body(codec.decode_event(client.events.recv())).state)
        assert told == ["stopping", "stopped"]
        assert pid is not None
        deadline = time.monotonic() + PATIENCE_S
        while _alive(pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        client.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def refused(*arguments: str, **changes: str) -> str:
    """What a bridge that cannot start says; it must end with wrong usage and one line."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environment(**changes),
        check=False,
    )
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done
    assert len(lines) == 1, lines
    return lines[0]


def test_a_port_in_use_is_one_clear_line(bridge: Served) -> None:
    said = refused("--terminal", "simulator", "--requests", bridge.requests)
    assert bridge.requests in said
    assert "--requests" in said


def test_other_than_loopback_needs_keys(tmp_path: Any) -> None:
    (tmp_path / "allowed.toml").write_text("[[key")
    (tmp_path / "allowed.toml").chmod(0o600)
    assert "allowed.toml" in refused("--requests", "tcp://0.0.0.0:*", MT5BRIDGE_KEYS=str(tmp_path))
    (tmp_path / "server.key").chmod(0o644)
    assert "others can read" in refused("--requests", "tcp://0.0.0.0:*", MT5BRIDGE_KEYS=str(tmp_path))


def test_unreadable_settings_are_one_clear_line(tmp_path: Any) -> None:
    assert "MT5_LOGIN" in refused(MT5_LOGIN="abc")
    assert "no-such-file.toml" in refused("--config", str(tmp_path / "no-such-file.toml"))
    bad = tmp_path / "bad.toml"
    bad.write_text("[bridge\n")
    assert "bad.toml" in refused("--config", str(bad))


def test_the_second_signal_is_not_ignored() -> None:
    before = {name: signal.getsignal(getattr(signal, name)) for name in ("SIGINT", "SIGTERM")}
    try:
        signals = StopSignals()
        assert not signals.asked()
        signal.raise_signal(signal.SIGINT)
        assert signals.asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def test_a_terminal_that_is_missing_is_told_as_the_cause() -> None:
    with running(
        ["bridge", "serve", "--terminal", "simulator", "--requests", "tcp://127.0.0.1:*", "--events", "tcp://127.0.0.1:*"],
        MT5_PATH="tcp://127.0.0.1:1",
    ) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        client = RawClient(Served(process, words[1], words[3]))
        deadline = time.monotonic() + PATIENCE_S
        state = client.call(GetStatus()).connection
        while state.state != "reconnecting":
            assert time.monotonic() < deadline
            time.sleep(0.02)
            state = client.call(GetStatus()).connection
        assert state.cause_code == -10_003
        assert state.next_step
        client.close()
