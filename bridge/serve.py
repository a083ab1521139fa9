"""`mt5bridge serve`: one bridge in this process, until it is told to stop."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import zmq

from bridge.access import Access
from bridge.config import Settings
from bridge.configuration import Configuration
from bridge.doors import Doors
from bridge.gateway import Gateway, GatewaySettings
from bridge.handles import raise_limit
from bridge.key_files import own_secret
from bridge.loop import drive
from bridge.scribe import Scribe
from bridge.session.settings import SessionSettings
from bridge.sessions import Sessions
from bridge.simulation import SimulatedTerminal
from bridge.sockets import Bell, Keys, check_libzmq, is_loopback
from bridge.terminal import Credentials
from bridge.version import __version__
from bridge.watch import WatchSettings
from bridge.watched_keys import WatchedKeys
from bridge.zap import refusal


def serve(settings: Settings, announce: Callable[[str, str], Any], configuration: Configuration | None = None) -> None:
    """Run a bridge. `announce` is called once with the two bound endpoints, before anything else happens. Account and terminal are
    read again from `configuration` whenever a session starts.

    With the simulated terminal and no address of one, a terminal of our own is started and ends with the bridge. Raises
    `ConfigError` when it cannot start.
    """
    check_libzmq()
    raise_limit()
    endpoints = (settings.bridge.requests, settings.bridge.events)
    here = [is_loopback(endpoint) for endpoint in endpoints]
    keyed = Keyed.of(settings, needed=not all(here))
    stop = StopSignals()
    terminal: SimulatedTerminal | None = None
    own = settings.bridge.terminal == "simulator" and settings.mt5.path is None

    def configured() -> Credentials:
        given = (configuration.read() if configuration is not None else settings).credentials()
        return given if terminal is None else terminal.credentials(given)

    with ExitStack() as stack:
        folder = settings.journal_folder() or Path(stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        if settings.bridge.session == "process":
            stack.callback(context.term)  # not with a thread that may hang in a call for ever
        doors = stack.enter_context(Doors(context, *endpoints, None if keyed is None else keyed.own))
        doors.prove_closed(refusal)
        announce(doors.requests_endpoint, doors.events_endpoint)
        if own:
            terminal = SimulatedTerminal()
            stack.callback(terminal.close)
        bell = Bell(context)
        stack.callback(bell.close)
        scribe = Scribe(folder, bell.ring, keep_days=settings.bridge.journal_keep_days)
        stack.callback(scribe.close)
        gateway = _gateway(settings, doors.events_endpoint, keyed)
        sessions = Sessions(
            context,
            SessionSettings(endpoint="", token="", terminal=settings.bridge.terminal),
            thread=settings.bridge.session == "thread",
            configured=configured,
        )
        stack.callback(sessions.close)
        outside: dict[str, Any] = {"stop_asked": stop.asked}
        if configuration is not None:
            gateway.dealing.limits_changed(configuration.limits, time.monotonic())
            outside |= {"settings_changed": configuration.changed, "newer_limits": configuration.newer_limits}
        if keyed is not None:
            outside["newer_keys"] = keyed.watched.newer
        drive(gateway, doors, sessions, scribe, bell, **outside)
        if gateway.failure is not None:
            raise gateway.failure


@dataclass(frozen=True, slots=True)
class Keyed:
    """The bridge's own key, and the list of those that are allowed."""

    own: Keys
    watched: WatchedKeys

    @classmethod
    def of(cls, settings: Settings, *, needed: bool) -> Keyed | None:
        """None where nobody has to have a key. Raises `ConfigError`."""
        if not needed and not settings.bridge.require_keys:
            return None
        home = settings.keys_folder()
        secret = own_secret(home)
        return cls(Keys(secret.public.encode(), secret.secret.encode()), WatchedKeys(home))


def _gateway(settings: Settings, events_endpoint: str, keyed: Keyed | None) -> Gateway:
    wall_us = time.time_ns() // 1000
    return Gateway(
        GatewaySettings(
            software=__version__,
            epoch=wall_us // 1000,
            wall_us=wall_us,
            events=events_endpoint,
            stop_grace_s=settings.bridge.grace_s,
            replay_bytes=settings.bridge.replay_mib << 20,
            addresses=settings.bridge.addresses,
            requests_per_s=settings.bridge.requests_per_s,
            connections_per_s=settings.bridge.connections_per_s,
            server_key="" if keyed is None else keyed.own.public.decode(),
            watch=WatchSettings(restarts_per_hour=settings.bridge.restarts_per_hour),
        ),
        started=time.monotonic(),
        access=None if keyed is None else Access(keyed.watched.keys),
    )


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
