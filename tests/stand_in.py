"""A scripted bridge behind real sockets, in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import zmq

from tests.scripted_bridge import ScriptedBridge


class StandIn:
    """`run(act)` has the bridge's thread do something with the scripted bridge, and waits for it."""

    def __init__(self, bridge: ScriptedBridge, endpoint: str = "tcp://127.0.0.1:*") -> None:
        self.bridge = bridge
        self._wanted: SimpleQueue[tuple[Callable[[ScriptedBridge], Any], threading.Event]] = SimpleQueue()
        self._ending = threading.Event()
        self._context = zmq.Context()
        self._requests = self._context.socket(zmq.ROUTER)
        self._events = self._context.socket(zmq.XPUB)
        self._requests.bind(endpoint)
        self._events.bind("tcp://127.0.0.1:*")
        self.endpoint = self._requests.get_string(zmq.LAST_ENDPOINT)
        bridge.events_endpoint = self._events.get_string(zmq.LAST_ENDPOINT)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def run(self, act: Callable[[ScriptedBridge], Any]) -> None:
        """Have it done, and everything sent that comes of it."""
        done = threading.Event()
        self._wanted.put((act, done))
        assert done.wait(5.0)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._requests, zmq.POLLIN)
        poller.register(self._events, zmq.POLLIN)
        bridge = self.bridge
        while not self._ending.is_set():
            ready = dict(poller.poll(5))
            now = time.monotonic()
            if self._events in ready:
                bridge.receive_subscription(self._events.recv(), now)
            if self._requests in ready:
                identity, frame = self._requests.recv_multipart()
                bridge.receive_request(identity, frame, now)
            bridge.on_time(now)
            done = None
            try:
                act, done = self._wanted.get_nowait()
            except Empty:
                pass
            else:
                act(bridge)
            self._flush()
            if done is not None:
                done.set()
        self._requests.close(0)
        self._events.close(0)
        self._context.term()

    def _flush(self) -> None:
        bridge = self.bridge
        for identity, reply in bridge.replies:
            self._requests.send_multipart([identity, reply])
        for event in bridge.events:
            self._events.send(event)
        bridge.replies, bridge.events = [], []

    def close(self) -> None:
        """End it."""
        self._ending.set()
        self._thread.join(5.0)


@contextmanager
def stand_in(bridge: ScriptedBridge | None = None, endpoint: str = "tcp://127.0.0.1:*") -> Iterator[StandIn]:
    """A bridge that runs meanwhile."""
    server = StandIn(bridge or ScriptedBridge(start_s=time.monotonic()), endpoint)
    try:
        yield server
    finally:
        server.close()
