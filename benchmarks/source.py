"""A stand-in for the session that publishes as fast as it is asked: `python -m benchmarks.source`.

The session's own feed looks at last ticks at most 2,000 times a second, far below what the gateway can publish. So the gateway and
the clients are measured with this program at the session's end of the link: the same socket and messages, and as the session
does under load, up to `EVENTS_AT_ONCE` events travel in one message (`benchmarks.inside`).

It takes `SessionSettings` on standard input; `credentials.path` is the endpoint of a PAIR socket where it is told what to publish.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import zmq

from benchmarks.inside import Order, message
from benchmarks.stub import ACCOUNT, TERMINAL, TICK, VERSION
from bridge.session.link import Attached, Connect, Health, Ready, Started, StartStream, Stop, all_to_session, pack, standing
from bridge.session.settings import SessionSettings

HEALTH_MS = 500

Socket = zmq.Socket[bytes]


def main() -> None:
    """As a process of its own."""
    context: zmq.Context[Socket] = zmq.Context()
    run(SessionSettings.from_json(sys.stdin.readline()), context)
    context.destroy(0)


def run(settings: SessionSettings, context: zmq.Context[Socket]) -> None:
    """Serve the link and the control socket until told to stop."""
    link, control = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    link.sndhwm = link.rcvhwm = link.linger = control.linger = 0
    if settings.server_public_key is not None:
        link.curve_serverkey = settings.server_public_key.encode()
        link.curve_publickey = (settings.public_key or "").encode()
        link.curve_secretkey = (settings.secret_key or "").encode()
    link.connect(settings.endpoint)
    control.connect(settings.credentials.path or "")
    link.send(pack(Ready(settings.token, os.getpid())))
    poller = zmq.Poller()
    poller.register(link, zmq.POLLIN)
    poller.register(control, zmq.POLLIN)
    running = True
    while running:
        ready = dict(poller.poll(HEALTH_MS))
        if link in ready:
            running = _answer(link)
        if control in ready:
            _obey(control, link, bytes if settings.endpoint.startswith("inproc:") else message)
        link.send(pack(Health(True, 1_000, standing(ACCOUNT, TERMINAL))))
    link.close()
    control.close()


def _answer(link: Socket) -> bool:
    for told in all_to_session(link.recv()):
        if isinstance(told, Connect):
            link.send(pack(Attached(ACCOUNT, TERMINAL, VERSION)))
        elif isinstance(told, StartStream):
            link.send(pack(Started(told.topic, TICK)))
        elif isinstance(told, Stop):
            return False
    return True


def _obey(control: Socket, link: Socket, made: Callable[[bytes], bytes]) -> None:
    """`cpu` is answered with the CPU seconds so far; an order is carried out.

    In a process the messages themselves are sent, in a thread of the bridge the tokens that stand for them (`benchmarks.inside`).
    """
    frame = control.recv()
    if frame == b"cpu":
        control.send(repr(time.process_time()).encode())
        return
    order = Order.from_bytes(frame)
    start_s = time.perf_counter()
    for before, token in order.tokens():
        if order.rate:
            time.sleep(max(0.0, start_s + before / order.rate - time.perf_counter()))
        link.send(made(token))


if __name__ == "__main__":
    main()
