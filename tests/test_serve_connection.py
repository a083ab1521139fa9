"""The bridge as a process: attaching anew on request, settings that are corrected while it runs, and its end in good order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge import codec
from bridge.errors import Stopping
from bridge.messages import GetAccount, GetConnectionHistory, GetStatus, Hello, Ping, Reconnect, SendOrder
from bridge.replies import ConnectionState
from bridge.simulation import SimulatedTerminal
from bridge.trading import TradeRequest
from tests.processes import ANYWHERE, PATIENCE_S, Served, first_line, running
from tests.test_serve import PATIENCE_MS, RawClient

ROOT = Path(__file__).parent.parent
BUY = SendOrder(TradeRequest(action=1, symbol="BTCUSD", volume=0.1, deviation=1_000))
posix = pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process on Windows")


@pytest.fixture(scope="module")
def terminal() -> Iterator[SimulatedTerminal]:
    """One for all: each bridge leaves it as it was."""
    simulated = SimulatedTerminal()
    yield simulated
    simulated.close()


@pytest.fixture
def faulty(terminal: SimulatedTerminal) -> Iterator[SimulatedTerminal]:
    """The same, and its faults end with the test."""
    yield terminal
    terminal.control("control.clear")


def toml(terminal: SimulatedTerminal, password: str = "simulated", *, grace_s: float = 0.2) -> str:
    return f"""
[bridge]
terminal = "simulator"
requests = "{ANYWHERE}"
events = "{ANYWHERE}"
grace_s = {grace_s}

[mt5]
login = 5000001
server = "MetaQuotes-Demo"
password = "{password}"
path = "{terminal.address}"
"""


@contextmanager
def bridge(*words: str, folder: Path, **environ: str) -> Iterator[tuple[RawClient, subprocess.Popen[str]]]:
    """A bridge that runs in a folder, with a client that follows its connection."""
    with running(["bridge", "serve", *words], folder, PYTHONPATH=str(ROOT), **environ) as process:
        told = first_line(process).split()
        client = RawClient(Served(process, told[1], told[3]))
        client.call(Hello("watcher", "x"))
        for topic in (b"connection\0", b"client:x\0"):
            client.events.subscribe(topic)
        while codec.decode_event(client.events.recv()).topic != "client:x":
            pass
        yield client, process
        client.close()


def state_until(client: RawClient, *wanted: str) -> ConnectionState:
    """The connection's state, once it is one of these."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := client.call(GetStatus()).connection).state not in wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    assert isinstance(found, ConnectionState)
    return found


def announced(client: RawClient) -> list[str]:
    """The states that were published and not read yet, after the last of which nothing came for a while."""
    told = []
    while client.events.poll(500):
        event = codec.decode_event(client.events.recv())
        if event.topic == "connection":
            told.append(codec.decode_body(event).state)
    return told


def order(client: RawClient) -> None:
    """Send one, without waiting for its answer; the bridge has it when this returns."""
    client.requests.send(codec.encode_request(BUY, "order"))
    client.requests.send(codec.encode_request(Ping(), "ping"))
    assert client.requests.poll(PATIENCE_MS)
    assert codec.decode_reply(client.requests.recv()).id == "ping"


# ---- attaching anew --------------------------------------------------------------------------------------------------------------


def test_reconnect_replaces_the_session(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(toml(terminal))
    with bridge("--config", "bridge.toml", folder=tmp_path) as (client, _):
        before = client.healthy()
        answer = client.call(Reconnect())
        assert (answer.state, answer.cause) == ("reconnecting", "a client asked the bridge to attach anew")
        after = client.healthy()
        assert after.session_pid != before.session_pid
        assert after.connection.generation == 2
        states = [state.state for state in client.call(GetConnectionHistory()).states if "clock" not in state.cause]
        assert states == ["starting", "connecting", "connected", "reconnecting", "connecting", "connected"]


@pytest.mark.parametrize("source", ["bridge.toml", ".env"])
def test_a_password_that_is_corrected_is_tried_by_itself(terminal: SimulatedTerminal, tmp_path: Path, source: str) -> None:
    (tmp_path / "bridge.toml").write_text(toml(terminal, "wrong" if source == "bridge.toml" else "simulated"))
    if source == ".env":
        (tmp_path / ".env").write_text("MT5_PASSWORD=wrong\n")
    with bridge("--config", "bridge.toml", folder=tmp_path) as (client, _):
        refused = state_until(client, "refused")
        assert (refused.reason, refused.cause_code) == ("bad_credentials", -6)
        assert "MT5_PASSWORD" in refused.next_step
        generation = refused.generation
        if source == ".env":
            (tmp_path / ".env").write_text("MT5_PASSWORD=simulated\n")
        else:
            (tmp_path / "bridge.toml").write_text(toml(terminal))
        connected = state_until(client, "connected")
        assert connected.generation == generation + 1
        causes = [state.cause for state in client.call(GetConnectionHistory()).states]
        assert "the settings changed" in causes


def test_settings_that_became_wrong_are_told_and_wait_for_their_correction(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(toml(terminal))
    with bridge("--config", "bridge.toml", folder=tmp_path) as (client, process):
        client.healthy()
        (tmp_path / "bridge.toml").write_text("[mt5\n")
        client.call(Reconnect())
        refused = state_until(client, "refused")
        assert (refused.reason, refused.cause_code) == ("settings", None)
        assert "bridge.toml" in refused.cause
        assert client.call(GetStatus()).session_pid is None
        (tmp_path / "bridge.toml").write_text(toml(terminal))
        assert state_until(client, "connected").login == 5_000_001
        assert process.poll() is None


# ---- the end ---------------------------------------------------------------------------------------------------------------------


@posix
def test_its_end_is_announced_and_reads_are_answered_until_then(terminal: SimulatedTerminal, tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(toml(terminal, grace_s=60.0))
    with bridge("--config", "bridge.toml", folder=tmp_path) as (client, process):
        client.healthy()
        announced(client)
        process.send_signal(signal.SIGINT)
        state_until(client, "stopping")
        assert client.call(GetAccount()).login == 5_000_001
        with pytest.raises(Stopping):
            client.call(BUY)
        assert announced(client) == ["stopping"]
        assert process.poll() is None
        client.events.unsubscribe(b"client:x\0")
        assert announced(client) == ["stopped"]
        assert process.wait(PATIENCE_S) == 0


@posix
def test_ctrl_c_waits_for_an_order_that_is_under_way(faulty: SimulatedTerminal, tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(toml(faulty, grace_s=0.0))
    with bridge("--config", "bridge.toml", folder=tmp_path) as (client, process):
        client.healthy()
        announced(client)
        faulty.control("control.fault", "slow", {"function": "order_send", "seconds": 1.5})
        order(client)
        process.send_signal(signal.SIGINT)
        state_until(client, "stopping")
        assert client.requests.poll(PATIENCE_MS)
        reply = codec.decode_reply(client.requests.recv())
        assert (reply.id, reply.error) == ("order", None)
        assert process.wait(PATIENCE_S) == 0
        assert announced(client) == ["stopping", "stopped"]


@posix
def test_a_second_ctrl_c_waits_for_nothing(faulty: SimulatedTerminal, tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(toml(faulty))
    with bridge("--config", "bridge.toml", folder=tmp_path) as (client, process):
        client.healthy()
        faulty.control("control.fault", "hang", {"function": "order_send"})
        order(client)
        process.send_signal(signal.SIGINT)
        state_until(client, "stopping")
        process.send_signal(signal.SIGINT)
        began_s = time.monotonic()
        assert process.wait(PATIENCE_S) == 130
        assert time.monotonic() - began_s < 10, "generous: the order would hold it up for a minute"
