"""The session over a real link, in a thread; and as a process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import msgspec
import pytest
import zmq

from bridge.codec import pack as pack_message
from bridge.errors import ConfigError
from bridge.messages import GetAccount, GetSymbol, Request, SendOrder
from bridge.session.host import FAULT, HELD_S, MISUSED, MOST_HELD, SHORT_S, _Outgoing, run
from bridge.session.link import (
    Attached,
    Call,
    Connect,
    Failed,
    FromSession,
    Health,
    Idle,
    Misconfigured,
    Publish,
    Ready,
    Result,
    Started,
    StartStream,
    Stop,
    all_from_session,
    from_session,
    pack,
    together,
)
from bridge.session.settings import SessionSettings
from bridge.trading import TradeRequest
from tests.fake_terminal import FakeTerminal, tick

T = TypeVar("T")


class Gateway:
    """The other end of the link."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: bool = False) -> None:
        self.socket = context.socket(zmq.PAIR)
        self.socket.linger = 0
        self.server_public = None
        if keys:
            public, secret = zmq.curve_keypair()
            self.socket.curve_server = True
            self.socket.curve_publickey = public
            self.socket.curve_secretkey = secret
            self.server_public = public.decode()
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.seen: list[FromSession] = []

    def send(self, message: Any) -> None:
        self.socket.send(pack(message))

    def call(self, number: int, request: Request[Any], deadline_s: float = 1e12) -> None:
        self.send(Call(number, request.method, msgspec.Raw(pack_message(request)), deadline_s))

    def wait(self, kind: type[T], seconds: float = 5.0) -> T:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.socket.poll(int(left * 1000) + 1):
                message = from_session(self.socket.recv())
                self.seen.append(message)
                if isinstance(message, kind):
                    return message
        raise AssertionError(f"no {kind.__name__} in {self.seen}")


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.destroy(0)


@pytest.fixture
def gateway(context: zmq.Context[zmq.Socket[bytes]]) -> Iterator[Gateway]:
    made = Gateway(context)
    yield made
    made.socket.close(0)


@pytest.fixture
def locked(context: zmq.Context[zmq.Socket[bytes]]) -> Iterator[Gateway]:
    """With keys."""
    made = Gateway(context, keys=True)
    yield made
    made.socket.close(0)


Context = zmq.Context[zmq.Socket[bytes]]


def start(gateway: Gateway, terminal: Any, context: Context, **more: Any) -> tuple[threading.Thread, list[int]]:
    settings = SessionSettings(gateway.endpoint, "token-1", "fake", **more)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run(settings, context, lambda name: terminal)), daemon=True)
    thread.start()
    return thread, codes


def test_a_session_in_a_thread_serves_calls_and_streams(context: Context, locked: Gateway) -> None:
    gateway = locked
    public, secret = (key.decode() for key in zmq.curve_keypair())
    terminal = FakeTerminal()
    terminal.ticks["EURUSD"] = tick(0)
    thread, codes = start(gateway, terminal, context, server_public_key=gateway.server_public, public_key=public, secret_key=secret)
    ready = gateway.wait(Ready)
    assert ready.token == "token-1"
    gateway.wait(Idle)
    gateway.send(Connect(1))
    assert gateway.wait(Attached).account.login == 1
    gateway.call(7, GetAccount())
    result = gateway.wait(Result)
    assert (result.id, msgspec.msgpack.decode(result.result)["balance"]) == (7, 100.0)
    gateway.send(StartStream("tick:EURUSD"))
    assert gateway.wait(Started).body == tick(0)
    terminal.ticks["EURUSD"] += tick(5)
    assert gateway.wait(Publish).events == [("tick:EURUSD", 0, tick(5))]
    assert gateway.wait(Health).ping_us == 1234
    gateway.call(8, SendOrder(TradeRequest(action=1, symbol="EURUSD", volume=0.1)), deadline_s=time.monotonic() - 1)
    assert gateway.wait(Failed).code == "deadline_passed"
    assert terminal.sent == []
    gateway.send(Stop())
    thread.join(5)
    assert (thread.is_alive(), codes) == (False, [0])
    assert terminal.calls[-1] == "detach"


def test_results_of_short_calls_travel_together_and_before_what_is_said_next() -> None:
    frames: list[bytes] = []
    socket: Any = SimpleNamespace(send=lambda frame, flags: frames.append(frame))
    outgoing = _Outgoing(socket)
    results = [Result(number, msgspec.Raw(b"\xc0")) for number in range(4)]
    for number, result in enumerate(results):
        outgoing.hold(result)
        assert outgoing.may_wait(number * 1e-5, number * 1e-5 + 1e-5)
    assert frames == []
    outgoing.send(Idle())
    assert [all_from_session(frame) for frame in frames] == [results, [Idle()]]
    outgoing.flush()
    assert len(frames) == 2


def test_a_result_waits_for_no_long_call_nor_for_long() -> None:
    outgoing = _Outgoing(cast(Any, None))
    outgoing.hold(Idle())
    assert not outgoing.may_wait(10.0, 10.0 + 2 * SHORT_S)
    outgoing = _Outgoing(cast(Any, None))
    outgoing.hold(Idle())
    assert outgoing.may_wait(10.0, 10.0)
    assert not outgoing.may_wait(10.0 + 2 * HELD_S, 10.0 + 2 * HELD_S)
    outgoing.held *= MOST_HELD
    assert not outgoing.may_wait(10.0, 10.0)


def test_many_calls_at_once_are_answered_in_order(context: Context, gateway: Gateway) -> None:
    thread, _ = start(gateway, FakeTerminal("EURUSD"), context)
    gateway.send(Connect(1))
    gateway.wait(Attached)
    call = GetSymbol("EURUSD")
    frames = [pack(Call(number, call.method, msgspec.Raw(pack_message(call)), 1e12)) for number in range(100)]
    gateway.socket.send(together(frames))
    answered: list[int] = []
    while len(answered) < 100:
        assert gateway.socket.poll(5_000)
        answered += [message.id for message in all_from_session(gateway.socket.recv()) if isinstance(message, Result)]
    assert answered == list(range(100))
    gateway.send(Stop())
    thread.join(5)
    assert not thread.is_alive()


def test_a_fault_ends_the_session_with_a_report(context: Context, gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = FakeTerminal()

    def explode(function: str) -> None:
        raise ZeroDivisionError("a bug")

    thread, codes = start(gateway, terminal, context)
    gateway.wait(Ready)
    terminal.before = explode
    gateway.send(Connect(1))
    thread.join(5)
    assert codes == [FAULT]
    assert "ZeroDivisionError: a bug" in capsys.readouterr().err


def test_the_end_of_the_context_ends_the_session() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    gateway = Gateway(context)
    thread, codes = start(gateway, FakeTerminal(), context)
    gateway.wait(Ready)
    gateway.socket.close(0)
    context.term()
    thread.join(5)
    assert codes == [0]


def test_the_child_serves_and_ends_with_its_parent(locked: Gateway) -> None:
    gateway = locked
    public, secret = (key.decode() for key in zmq.curve_keypair())
    settings = SessionSettings(
        gateway.endpoint,
        "token-2",
        "fake_terminal:FakeTerminal",
        server_public_key=gateway.server_public,
        public_key=public,
        secret_key=secret,
    )
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    child = subprocess.Popen([sys.executable, "-m", "bridge.session.child"], stdin=subprocess.PIPE, env=environment)
    assert child.stdin is not None
    child.stdin.write(settings.to_json().encode() + b"\n")
    child.stdin.flush()
    assert gateway.wait(Ready, 20).pid == child.pid
    gateway.send(Connect(1))
    gateway.wait(Attached)
    child.stdin.close()
    assert child.wait(10) == 3


def test_the_child_refuses_other_input() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge.session.child"], input=b"hello secret\n", capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert b"cannot be read" in done.stderr
    assert b"secret" not in done.stderr


def test_secrets_are_not_shown() -> None:
    settings = SessionSettings("inproc://x", "TOKEN", "simulator", secret_key="SECRET", public_key="PUBLIC")
    assert "TOKEN" not in repr(settings)
    assert "SECRET" not in repr(settings)
    assert SessionSettings.from_json(settings.to_json()) == settings


def test_a_terminal_that_cannot_be_opened_is_one_line(
    context: Context, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str) -> FakeTerminal:
        raise ConfigError(f"no terminal {name!r}", next_step="use another")

    assert run(SessionSettings(gateway.endpoint, "t", "nonsense"), context, refuse) == MISUSED
    assert capsys.readouterr().err == "session: no terminal 'nonsense'; use another\n"
    assert gateway.wait(Misconfigured) == Misconfigured("no terminal 'nonsense'", "use another")
    assert [type(message) for message in gateway.seen] == [Ready, Misconfigured], "it proves its generation first"


def test_an_order_for_another_account_is_refused_over_the_link(context: Context, gateway: Gateway) -> None:
    terminal = FakeTerminal()
    thread, codes = start(gateway, terminal, context)
    gateway.wait(Ready)
    gateway.send(Connect(1, 7, "Fake"))
    gateway.wait(Attached)
    gateway.call(1, SendOrder(TradeRequest(action=1, symbol="EURUSD", volume=0.1)))
    refused = gateway.wait(Failed)
    assert (refused.id, refused.code, refused.action) == (1, "account_changed", "stop")
    assert terminal.sent == []
    gateway.send(Stop())
    thread.join(5)
    assert codes == [0]
