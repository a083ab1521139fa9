"""The poll loop that drives the gateway: sockets in, gateway, sockets out. It has no logic of its own.

Plain `zmq.Poller`, no asyncio: a round trip is 1.4 to 2 times faster, and a Windows event loop is no subject. Poll timeouts are
finite, because a wait without end cannot be interrupted on Windows. Each socket is drained in bursts with a cap, requests
first, so that none starves another; what follows from a message is sent at once, or with that of the few behind it: each sending
wakes the thread that does the writing.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import zmq

from bridge.access import Allowed
from bridge.conditions import Identity
from bridge.doors import Doors, user_of
from bridge.entrance import CutEvents
from bridge.entries import Write, Written
from bridge.errors import ConfigError
from bridge.gateway import Gateway
from bridge.journalling import OpenJournal
from bridge.limits import Limits
from bridge.session.link import together
from bridge.sessions import Sessions
from bridge.sockets import Bell
from bridge.supervision import KillSession, StartSession
from bridge.zap import refusal

BURST = 48
"""Messages of one socket before another has its turn: 2 ms of work."""
TOGETHER = 16
"""Messages of a burst whose consequences are sent together: 0.2 ms of work."""
MOST_TOGETHER = 64
"""Messages to the session in one frame."""
LARGE_BYTES = 1 << 18
"""A reply from this size on, history above all, is handed over without a copy: that saves a third of what it costs the bridge."""
LONGEST_WAIT_S = 0.1
TIME_S = 0.005
"""The gateway is asked what has fallen due this often while messages come; asking after each of them costs a tenth of a request."""
NOBLOCK = int(zmq.NOBLOCK)
MORE_NOBLOCK = int(zmq.SNDMORE) | NOBLOCK
POLLIN = int(zmq.POLLIN)
EVENTS = int(zmq.EVENTS)
RCVMORE = int(zmq.RCVMORE)

Socket = zmq.Socket[bytes]


class Scribe(Protocol):
    """Who writes the journal."""

    def open(self, login: int, server: str) -> None:
        """Open the journal of this account, after what was to be written before."""

    def write(self, writes: Sequence[Write]) -> None:
        """Write these down, in order; does not wait."""

    def take(self) -> list[Written]:
        """What has been done since."""


def drive(
    gateway: Gateway,
    doors: Doors,
    sessions: Sessions,
    scribe: Scribe,
    bell: Bell,
    *,
    stop_asked: Callable[[], bool],
    settings_changed: Callable[[], bool] = bool,
    newer_limits: Callable[[], Limits | ConfigError | None] = lambda: None,
    newer_keys: Callable[[], tuple[Allowed, ...] | ConfigError | None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run until the gateway has finished, after `stop_asked` first answered yes. The sockets stay open. The `bell` rings when the
    scribe has something to take."""
    requests = doors.requests
    poller = zmq.Poller()
    poller.register(requests, POLLIN)
    poller.register(bell.socket, POLLIN)
    if doors.asked is not None:
        poller.register(doors.asked, POLLIN)
    watched: Socket | None = None
    events: Socket | None = None
    check_at_s = time_at_s = due_s = 0.0
    look = partial(_look, gateway, sessions, stop_asked, settings_changed, newer_limits, newer_keys)
    flush = partial(_flush, gateway, doors, sessions, scribe)
    gc.collect()
    gc.freeze()  # what there is now stays: it need not be looked through again, which would take 10 ms
    gateway.start(clock())
    _act(gateway, doors, sessions, scribe, clock())
    while not gateway.finished:
        watched = _watch(poller, watched, sessions.link)
        events = _watch(poller, events, doors.events)
        wait_s = min(max(due_s - clock(), 0.0), LONGEST_WAIT_S)
        ready = dict(poller.poll(int(wait_s * 1000) + (wait_s > 0)))
        now = clock()
        if ready:
            due_s = min(due_s, time_at_s)  # what came may be due soon
        if doors.asked in ready:
            _judge(doors, gateway, now)
        if requests in ready:
            _drain_requests(doors, gateway, now, flush)
        if bell.socket in ready:
            _drain_scribe(scribe, bell, gateway, now)
            flush()
        if watched in ready:
            _drain_link(sessions, gateway, now, flush)
        if events in ready:
            _drain_subscriptions(doors, gateway, now)
        if now >= check_at_s:
            check_at_s = now + LONGEST_WAIT_S
            look(now)
        if now >= time_at_s or not ready:
            gateway.on_time(now)
            time_at_s = now + TIME_S
            due_s = gateway.next_deadline()
        if gateway.actions:
            flush()  # what is to be written before a journal is closed
            _act(gateway, doors, sessions, scribe, now)
            due_s = now
        flush()


def _look(
    gateway: Gateway,
    sessions: Sessions,
    stop_asked: Callable[[], bool],
    settings_changed: Callable[[], bool],
    newer_limits: Callable[[], Limits | ConfigError | None],
    newer_keys: Callable[[], tuple[Allowed, ...] | ConfigError | None],
    now: float,
) -> None:
    """What happens outside of the sockets."""
    gateway.wall_clock(time.time_ns() // 1000, now)
    for generation, cause in sessions.exited():
        gateway.session_exited(generation, cause, now)
    if settings_changed():
        gateway.settings_changed(now)
    limits = newer_limits()
    if limits is not None:
        gateway.dealing.limits_changed(limits, now)
    keys = newer_keys()
    if keys is not None and gateway.entrance is not None:
        gateway.entrance.changed(keys, now)
    if stop_asked():
        gateway.stop(now)


def _drain_scribe(scribe: Scribe, bell: Bell, gateway: Gateway, now: float) -> None:
    bell.heard()
    for written in scribe.take():
        gateway.journalled(written, now)


def _watch(poller: zmq.Poller, before: Socket | None, now: Socket | None) -> Socket | None:
    """Another socket is to be polled: the link of another generation, or the events bound anew."""
    if now is before:
        return now
    if before is not None:
        poller.unregister(before)
    if now is not None:
        poller.register(now, POLLIN)
    return now


def _drain_link(sessions: Sessions, gateway: Gateway, now: float, flush: Callable[[], None]) -> None:
    for count, frame in enumerate(sessions.receive(BURST), 1):
        gateway.receive_link(frame, now)
        if gateway.events or not count % TOGETHER:
            flush()
    flush()


def _drain_requests(doors: Doors, gateway: Gateway, now: float, flush: Callable[[], None]) -> None:
    """A message is a routing id and, from an honest client, one frame; whatever else comes is taken whole and refused by the
    gateway. Where keys are asked for, the socket tells whose connection it was."""
    socket, keyed = doors.requests, doors.asked is not None
    receive = socket.recv
    for count in range(1, BURST + 1):
        try:
            routing_id = receive(NOBLOCK)
        except zmq.Again:
            break
        first = receive(copy=False)  # it knows whether it is the last, at less cost than the socket
        frames = [first.bytes]
        while first.more and socket.getsockopt(RCVMORE):
            frame = receive()
            if len(frames) < 8:
                frames.append(frame)
        gateway.receive_request(routing_id, frames, now, user_of(first) if keyed else "")
        if count == 1 and not int(socket.getsockopt(EVENTS)) & POLLIN:  # a third of what it costs to be told by an exception
            break
        if not count % TOGETHER:
            flush()
    flush()


def _judge(doors: Doors, gateway: Gateway, now: float) -> None:
    """Who connects is let in or not. Without an entrance nobody is."""
    entrance = gateway.entrance
    doors.judge(lambda frames: refusal(frames) if entrance is None else entrance.judge(frames, now))


def _drain_subscriptions(doors: Doors, gateway: Gateway, now: float) -> None:
    socket, keyed = doors.events, doors.asked is not None
    for _ in range(TOGETHER):
        user = ""
        try:
            if keyed:
                received = socket.recv(NOBLOCK, copy=False)
                frame, user = received.bytes, user_of(received)
            else:
                frame = socket.recv(NOBLOCK)
        except zmq.Again:
            break
        if gateway.receive_subscription(frame, now, user):
            socket.setsockopt(zmq.SUBSCRIBE if frame[0] else zmq.UNSUBSCRIBE, frame[1:])
    gateway.subscriptions_applied(now)


def _act(gateway: Gateway, doors: Doors, sessions: Sessions, scribe: Scribe, now: float) -> None:
    actions, gateway.actions = gateway.actions, []
    for action in actions:
        match action:
            case StartSession(generation):
                try:
                    failure = sessions.start(generation)
                except ConfigError as error:
                    gateway.session_misconfigured(generation, error, now)
                    continue
                gateway.configured(Identity.of(sessions.credentials))
                if failure is not None:
                    gateway.session_exited(generation, failure, now)
            case KillSession(generation):
                sessions.kill(generation)
            case OpenJournal(login, server):
                scribe.open(login, server)
            case CutEvents():
                try:
                    doors.cut_events()
                except ConfigError as error:
                    gateway.give_up(error, now)


def _flush(gateway: Gateway, doors: Doors, sessions: Sessions, scribe: Scribe) -> None:
    if gateway.writes:
        writes, gateway.writes = gateway.writes, []
        scribe.write(writes)
    if gateway.link:
        frames, gateway.link = gateway.link, []
        for first in range(0, len(frames), MOST_TOGETHER):
            sessions.send(together(frames[first : first + MOST_TOGETHER]))
    if gateway.replies:
        replies, gateway.replies = gateway.replies, []
        for routing_id, frame in replies:
            try:
                doors.requests.send(routing_id, MORE_NOBLOCK)
                doors.requests.send(frame, NOBLOCK, copy=len(frame) < LARGE_BYTES)
            except zmq.Again:
                gateway.counters["replies_dropped"] = gateway.counters.get("replies_dropped", 0) + 1
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise
                gateway.counters["replies_unreachable"] = gateway.counters.get("replies_unreachable", 0) + 1
    if gateway.events:
        published, gateway.events = gateway.events, []
        send = doors.events.send
        for frame in published:
            send(frame, NOBLOCK)
