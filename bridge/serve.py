"""`mt5bridge serve`: one bridge in this process, until it is told to stop."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import zmq

from bridge.config import Settings
from bridge.configuration import Configuration
from bridge.gateway import Gateway, GatewaySettings
from bridge.loop import drive
from bridge.session.settings import SessionSettings
from bridge.sessions import Sessions
from bridge.simulation import SimulatedTerminal
from bridge.sockets import check_libzmq, check_loopback, events_socket, requests_socket
from bridge.terminal import Credentials
from bridge.version import __version__
from bridge.watch import WatchSettings


def serve(settings: Settings, announce: Callable[[str, str], Any], configuration: Configuration | None = None) -> None:
    """Run a bridge. `announce` is called once with the two bound endpoints, before anything else happens. Account and terminal are
    read again from `configuration` whenever a session starts.

    With the simulated terminal and no address of one, a terminal of our own is started and ends with the bridge. Raises
    `ConfigError` when it cannot start.
    """
    check_libzmq()
    for endpoint in (settings.bridge.requests, settings.bridge.events):
        check_loopback(endpoint)
    stop = StopSignals()
    terminal: SimulatedTerminal | None = None
    own = settings.bridge.terminal == "simulator" and settings.mt5.path is None

    def configured() -> Credentials:
        given = (configuration.read() if configuration is not None else settings).credentials()
        return given if terminal is None else terminal.credentials(given)

    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sockets: list[zmq.Socket[bytes]] = []
    sessions: Sessions | None = None
    try:
        requests, requests_endpoint = requests_socket(context, settings.bridge.requests)
        sockets.append(requests)
        events, events_endpoint = events_socket(context, settings.bridge.events)
        sockets.append(events)
        announce(requests_endpoint, events_endpoint)
        if own:
            terminal = SimulatedTerminal()
        wall_us = time.time_ns() // 1000
        gateway = Gateway(
            GatewaySettings(
                software=__version__,
                epoch=wall_us // 1000,
                wall_us=wall_us,
                events=events_endpoint,
                stop_grace_s=settings.bridge.grace_s,
                replay_bytes=settings.bridge.replay_mib << 20,
                watch=WatchSettings(restarts_per_hour=settings.bridge.restarts_per_hour),
            ),
            started=time.monotonic(),
        )
        sessions = Sessions(
            context,
            SessionSettings(endpoint="", token="", terminal=settings.bridge.terminal),
            thread=settings.bridge.session == "thread",
            configured=configured,
        )
        changed = bool if configuration is None else configuration.changed
        drive(gateway, requests, events, sessions, stop_asked=stop.asked, settings_changed=changed)
    finally:
        if sessions is not None:
            sessions.close()
        for socket in sockets:
            socket.close(500)
        if terminal is not None:
            terminal.close()
        if settings.bridge.session == "process":
            context.term()  # not with a thread that may hang in a call for ever


class StopSignals:
    """SIGINT, SIGTERM and Ctrl-Break: the first asks the bridge to end, the second ends it at once."""

    def __init__(self) -> None:
        self._count = 0
        names = ["SIGINT", "SIGTERM"] + (["SIGBREAK"] if sys.platform == "win32" else [])
        for name in names:
            signal.signal(getattr(signal, name), self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            raise KeyboardInterrupt

    def asked(self) -> bool:
        """Whether to stop."""
        return self._count > 0
