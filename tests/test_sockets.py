"""The sockets with their options, on loopback ports of this test alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import sockets
from bridge.errors import ConfigError
from bridge.sockets import Keys, check_libzmq, check_loopback, events_socket, link_socket, requests_socket

Context = zmq.Context[zmq.Socket[bytes]]
PATIENCE_MS = 5_000


@pytest.fixture
def context() -> Iterator[Context]:
    made: Context = zmq.Context()
    yield made
    made.destroy(0)


def receive(socket: zmq.Socket[bytes]) -> bytes:
    assert socket.poll(PATIENCE_MS), "nothing came"
    return socket.recv()


# ---- endpoints -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint", ["tcp://127.0.0.1:5555", "tcp://127.0.0.1:0", "tcp://127.0.0.1:*", "tcp://localhost:5555", "tcp://127.0.0.1:65535"]
)
def test_endpoints_on_this_machine(endpoint: str) -> None:
    check_loopback(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://0.0.0.0:5555", "tcp://*:5555", "tcp://192.168.1.5:5555", "tcp://example.com:1", "tcp://[::]:5555", "tcp://eth0:5555", "tcp://127.0.0.2:1"],
)
def test_endpoints_that_others_could_reach_are_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="other machines"):
        check_loopback(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "", "127.0.0.1:5555", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:5555", "ipc://x", "inproc://x", "tcp://127.0.0.1:5555/x",
        "tcp://127.0.0.1:99999", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:x", "tcp://127.0.0.1: 5555", "tcp://127.0.0.1:5555\n", "http://127.0.0.1:1",
        "tcp://a@127.0.0.1:5555", "tcp://127.0.0.1:5555,tcp://0.0.0.0:5555", "tcp://127.0.0.1:5555;0.0.0.0:5555", "tcp://127.0.0.1\0:5555",
        "tcp://127.0.0.1:٥٥٥٥", "TCP://127.0.0.1:5555", "tcp://[::1:5555", "tcp://127.0.0.1:5555?x=y", "tcp://0.0.0.0;127.0.0.1:5555",
    ],
)  # fmt: skip
def test_what_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="endpoint") as caught:
        check_loopback(endpoint)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20) | st.text("tcp:/127.0*[]@;,:5 \0\n", max_size=24) | st.from_regex(r"tcp://127\.0\.0\.1.{0,9}"))
def test_any_text_is_a_loopback_endpoint_or_one_clear_error(text: str) -> None:
    try:
        check_loopback(text)
    except ConfigError as error:
        assert error.next_step
        assert "\n" not in str(error)
    else:
        assert text.startswith(("tcp://127.0.0.1:", "tcp://localhost:"))


def test_an_old_libzmq_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_libzmq()
    monkeypatch.setattr(zmq, "zmq_version_info", lambda: (4, 3, 4))
    with pytest.raises(ConfigError, match="too old"):
        check_libzmq()


# ---- binding ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [requests_socket, events_socket])
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://localhost:0"])
def test_the_bound_endpoint_is_told(context: Context, make: sockets.Maker, endpoint: str) -> None:
    socket, bound = make(context, endpoint)
    host, _, port = bound.rpartition(":")
    assert host == "tcp://127.0.0.1"
    assert int(port) > 0
    socket.close(0)


@pytest.mark.parametrize(("make", "what"), [(requests_socket, "--requests"), (events_socket, "--events")])
def test_a_port_in_use_is_one_clear_error(context: Context, make: sockets.Maker, what: str) -> None:
    _, bound = make(context, "tcp://127.0.0.1:*")
    with pytest.raises(ConfigError) as caught:
        make(context, bound)
    told = str(caught.value)
    assert bound in told
    assert what in told
    assert "\n" not in told


def test_the_options_that_protect_the_bridge(context: Context) -> None:
    requests, _ = requests_socket(context, "tcp://127.0.0.1:*")
    events, _ = events_socket(context, "tcp://127.0.0.1:*")
    link, _ = link_socket(context, "tcp://127.0.0.1:*", None)
    for socket in (requests, events):
        assert socket.get(zmq.HANDSHAKE_IVL) == 3_000
        assert socket.get(zmq.HEARTBEAT_IVL) == 1_000
        assert socket.get(zmq.LINGER) == 500
        assert 0 < int(socket.get(zmq.MAXMSGSIZE)) <= 65_536
    assert (requests.get(zmq.RCVHWM), events.get(zmq.SNDHWM), link.get(zmq.SNDHWM), link.get(zmq.RCVHWM)) == (50, 100_000, 0, 0)
    assert link.get(zmq.LINGER) == 0


def test_a_request_and_its_reply(context: Context) -> None:
    router, endpoint = requests_socket(context, "tcp://127.0.0.1:*")
    dealer: zmq.Socket[bytes] = context.socket(zmq.DEALER)
    dealer.connect(endpoint)
    dealer.send(b"question")
    routing_id, frame = receive(router), receive(router)
    assert frame == b"question"
    router.send_multipart([routing_id, b"answer"])
    assert receive(dealer) == b"answer"
    with pytest.raises(zmq.ZMQError) as caught:
        router.send_multipart([b"nobody", b"answer"])
    assert caught.value.errno == zmq.EHOSTUNREACH


def test_subscriptions_are_in_force_only_when_they_are_put_so(context: Context) -> None:
    xpub, endpoint = events_socket(context, "tcp://127.0.0.1:*")
    subscribers: list[zmq.Socket[bytes]] = [context.socket(zmq.SUB) for _ in range(2)]
    for subscriber in subscribers:
        subscriber.connect(endpoint)
        for topic in (b"yes\0", b"no\0", b"proof\0"):
            subscriber.subscribe(topic)
    frames = []
    for _ in range(6):
        frame = receive(xpub)
        frames.append(frame)
        if frame[1:] != b"no\0":
            xpub.setsockopt(zmq.SUBSCRIBE, frame[1:])
    assert sorted(frames) == sorted(2 * [b"\1yes\0", b"\1no\0", b"\1proof\0"]), "each client's subscription arrives, also of a topic known"
    for topic in (b"no\0", b"yes\0", b"proof\0"):
        xpub.send(topic + b"x")
    for subscriber in subscribers:
        assert [receive(subscriber), receive(subscriber)] == [b"yes\0x", b"proof\0x"]
    subscribers[0].close(0)
    assert sorted(receive(xpub) for _ in range(3)) == [b"\0no\0", b"\0proof\0", b"\0yes\0"], "a client that goes takes its own back"
    xpub.send(b"yes\0y")
    assert receive(subscribers[1]) == b"yes\0y"


def test_keys_never_show_their_secret() -> None:
    keys = Keys(*zmq.curve_keypair())
    assert keys.secret.decode() not in repr(keys) + str(keys)
    assert keys.public.decode() in repr(keys)


def test_the_link_with_keys_refuses_who_has_none(context: Context) -> None:
    keys = Keys(*zmq.curve_keypair())
    pair, endpoint = link_socket(context, "tcp://127.0.0.1:*", keys)
    stranger: zmq.Socket[bytes] = context.socket(zmq.PAIR)
    stranger.connect(endpoint)
    stranger.send(b"let me in")
    assert not pair.poll(200)
    session: zmq.Socket[bytes] = context.socket(zmq.PAIR)
    public, secret = zmq.curve_keypair()
    session.curve_serverkey, session.curve_publickey, session.curve_secretkey = keys.public, public, secret
    session.connect(endpoint)
    session.send(b"ready")
    assert receive(pair) == b"ready"
