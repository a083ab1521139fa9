"""The session without its socket: messages of the gateway and the time go in, messages to the gateway come out.

A step makes at most one call to the terminal, so that an order that arrives is begun at most one call later. Excepted are an
attach, and the cheap question whose account it is, which belongs to an order and to what is read of an account.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.errors import AccountChanged, BridgeError, NotConnected
from bridge.replies import LogRecord
from bridge.session.calls import LIMITS_S, perform
from bridge.session.feed import HISTORY_LIMIT_S, Begin, Feed
from bridge.session.link import (
    Attached,
    AttachFailed,
    Busy,
    Call,
    Connect,
    FromSession,
    Gone,
    Idle,
    Lost,
    Result,
    Started,
    StartStream,
    Stop,
    Stopped,
    StopStream,
    ToSession,
    failed,
    not_started,
)
from bridge.session.outbox import Outbox
from bridge.session.owner import VERIFIED, Owner
from bridge.session.schedule import Schedule, too_late
from bridge.session.sight import Sight
from bridge.session.signs import Reading, Signs
from bridge.terminal import Credentials, Terminal, TerminalError

HEALTH_S = 0.5
"""Time between the end of one sign of progress and the begin of the next: slow signs leave time for other things."""
ALIVE_S = 1.0
"""A step that begins so long after the last sign says that the call before it has come back."""
ORDER_LIMIT_S = SEARCH_LIMIT_S = 60.0
"""How long sending an order may take."""
MOST_FAILURES = 5
"""A terminal that refuses to say how it is so many times on end counts as lost: attaching anew is what can help."""


class Session:
    """One generation of the session. `send` takes the messages to the gateway, `answer` those that need not go at once: results of
    short reads, while others wait (`reads_wait`)."""

    def __init__(
        self,
        terminal: Terminal,
        credentials: Credentials,
        send: Callable[[FromSession], None],
        answer: Callable[[FromSession], None] | None = None,
    ) -> None:
        self._terminal = terminal
        self._credentials = credentials
        self._send = send
        self._answer = answer or send
        self._schedule = Schedule()
        self._owner = Owner()
        self._sight = Sight(
            terminal, lambda: send(Idle()), lambda: send(Busy("order", ORDER_LIMIT_S)), lambda: send(Busy("trace", SEARCH_LIMIT_S))
        )
        self._feed = Feed(terminal, self._owner)
        self._sight.streamed = self._feed.symbols
        self._outbox = Outbox(self._feed, send)
        self._signs = Signs(terminal, self._feed.symbols)
        self._reading: Reading | None = None
        self._connect: Connect | None = None
        self._attached = self._was_attached = False
        self._starting: tuple[str, Begin] | None = None
        self._start_limit_s = 0.0
        self._feeds_turn = False
        self._sign_due = 0.0
        self._gone: list[str] = []
        self._sign_over = False
        self._sign_failures = 0
        self._sign_limit_s = 0.0
        self._alive_s = 0.0
        self.stopped = False

    # ---- in ----------------------------------------------------------------------------------------------------------------------

    def receive(self, message: ToSession) -> None:
        """Take a message of the gateway; nothing is done before the next step."""
        if isinstance(message, Call | StartStream):
            self._schedule.add(message)
        elif isinstance(message, StopStream):
            self._stop_stream(message.topic)
        elif isinstance(message, Connect):
            self._connect = message
        elif isinstance(message, Stop):
            self.stopped = True

    def _stop_stream(self, topic: str) -> None:
        self._schedule.forget(topic)
        if self._starting is not None and self._starting[0] == topic:
            self._starting[1].close()
            self._starting = None
        self._feed.stop(topic)
        self._outbox.flush()
        self._send(Stopped(topic))

    @property
    def reads_wait(self) -> bool:
        """Whether another call comes next, which is not an order."""
        return bool(self._schedule) and not self._schedule.urgent

    # ---- time --------------------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `step` has something to do next; minus infinity for at once."""
        if self.stopped or self._connect or self._starting or self._schedule or self._outbox or self._reading or self._sign_over:
            return float("-inf")
        return min(self._sign_due, self._feed.next_deadline()) if self._attached else self._sign_due

    def step(self, now: float) -> None:
        """Do the one thing that comes next: trading, then a sign of progress, then calls and streams in turns."""
        if self._sign_over:
            self._sign_over = False
            self._alive_s, self._sign_due = now, now + HEALTH_S
        elif now - self._alive_s >= ALIVE_S:
            self._alive_s = now
            self._send(Idle())
        if self._connect is not None:
            self._attach(self._connect, now)
        elif self._schedule.urgent:
            self._serve(now)
        elif now >= self._sign_due or self._reading is not None:
            self._sign(now)
        else:
            feed = self._attached and self._feed.next_deadline() <= now
            wanted = self._starting is not None or bool(self._schedule)
            if feed and (self._feeds_turn or not wanted):
                self._poll(now)
                self._feeds_turn = False
            elif wanted:
                self._serve(now)
                self._feeds_turn = True
        self._outbox.turn(now)

    def close(self) -> None:
        """Give the terminal up; what fails now does not matter any more."""
        if self._attached or self._was_attached:
            self._attached = False
            try:
                self._terminal.detach()
            except TerminalError as error:
                self._send(Lost(error.function, error.code, error.text))

    # ---- what a step does --------------------------------------------------------------------------------------------------------

    def _attach(self, connect: Connect, now: float) -> None:
        self._connect = self._reading = None
        self._attached = False
        self._owner.login, self._owner.server = connect.login, connect.server
        self._sight.forget()
        terminal = self._terminal
        self._send(Busy("attach", terminal.attach_limit_s(self._credentials)))
        try:
            terminal.attach(self._credentials)
            attached = Attached(terminal.account(), terminal.info(), terminal.version())
        except TerminalError as error:
            self._send(AttachFailed(error.function, error.code, error.text, error.reason))
        else:
            self._attached = True
            self._sign_failures = 0
            self._owner.adopt(attached.account)
            self._gone = []
            self._send(attached)
            if self._was_attached:
                self._feed.restore(now)
                self._signs.restore()
            self._was_attached = True
        self._sign_due = now + HEALTH_S

    def _sign(self, now: float) -> None:
        """A sign of progress; while attached it is the result of real calls to the terminal, one in each step."""
        if not self._attached:
            self._sign_due = now + HEALTH_S
            self._alive_s = now
            self._send(Idle())
            return
        if self._reading is None:
            self._reading, self._sign_limit_s = self._signs.read(now), 0.0
        if self._sign_limit_s:
            self._send(Busy("symbols", self._sign_limit_s))
        try:
            self._sign_limit_s = next(self._reading)
            return
        except StopIteration as end:
            self._outbox.flush()  # what was read before belongs before
            self._sign_failures = 0
            self._send(end.value)
        except TerminalError as error:
            self._sign_failures += 1
            if error.link_lost or self._sign_failures >= MOST_FAILURES:
                self._lose(error)
            else:
                self._outbox.add([("log", 0, LogRecord("warning", f"terminal: {error}"))], now)
                self._send(Idle())
        self._reading = None
        self._sign_over = True

    def _serve(self, now: float) -> None:
        """The most urgent call, or a step of a stream's start."""
        if self._starting is not None and not self._schedule.precedes_streams:
            self._start_step()
            return
        item = self._schedule.take()
        if isinstance(item, StartStream):
            if self._attached:
                self._starting = item.topic, self._feed.begin(item.topic, now, item.resume)
                self._start_limit_s = 0.0
                self._start_step()
            else:
                self._send(not_started(item.topic, _not_connected()))
        elif item is not None:
            self._call(item, now)

    def _call(self, call: Call, now: float) -> None:
        late = too_late(call, now)
        if late is not None or not self._attached:
            self._send(failed(call.id, late or _not_connected()))
            return
        self._outbox.flush()
        limit_s = LIMITS_S.get(call.method)
        if limit_s is not None:
            self._send(Busy(call.method, limit_s))
        try:
            account = self._owner.verify(self._terminal) if call.method == "order" or call.method in VERIFIED else None
            self._sight.begin(account, now)
            if call.method in VERIFIED:
                self._send(Idle())  # each of these calls may take its time
            result = perform(self._terminal, call.method, call.params, self._sight)
            if call.method in VERIFIED:
                self._send(Idle())
                self._owner.verify(self._terminal)
        except BridgeError as error:
            self._send(failed(call.id, error))
            self._check_link(error)
            if isinstance(error, AccountChanged):
                self._sign_due = now  # the gateway has to know
        else:
            (self._answer if limit_s is None and call.method != "order" else self._send)(Result(call.id, result))
        if call.method == "order":
            self._feed.ordered(now)

    def _start_step(self) -> None:
        """One call of a stream's start. The state that is sent follows all events before it."""
        assert self._starting is not None
        topic, steps = self._starting
        if self._start_limit_s:
            self._send(Busy(topic, self._start_limit_s))
        try:
            self._start_limit_s = next(steps)
            return
        except StopIteration as end:
            self._outbox.add(self._feed.collect(), 0.0)
            self._outbox.flush()
            kept = self._feed.kept().get(topic) if topic == "trade" else None
            self._send(Started(topic, end.value, kept, self._feed.flags(topic)))
        except BridgeError as error:
            self._starting = None
            self._send(not_started(topic, error))
            self._check_link(error)
        self._starting = None

    def _poll(self, now: float) -> None:
        if self._feed.slow:
            self._outbox.flush()
            self._send(Busy("history", HISTORY_LIMIT_S))
        try:
            events = self._feed.poll(now)
        except TerminalError as error:
            self._lose(error)
            return
        self._outbox.add(events, now)
        gone = self._feed.gone()
        if gone != self._gone:
            self._gone = gone
            self._outbox.flush()
            self._send(Gone(gone))

    def _check_link(self, error: BridgeError) -> None:
        cause = error.__cause__
        if isinstance(cause, TerminalError) and cause.link_lost:
            self._lose(cause)

    def _lose(self, error: TerminalError) -> None:
        """Say once that the link to the terminal was lost; streams wait for the next attach, calls are refused."""
        self._outbox.flush()
        self._attached = False
        self._reading = None
        self._send(Lost(error.function, error.code, error.text))
        if self._starting is not None:
            topic, steps = self._starting
            steps.close()
            self._starting = None
            self._send(not_started(topic, _not_connected()))


def _not_connected() -> NotConnected:
    return NotConnected(
        "the session is not connected to the terminal", next_step="try again when the bridge is connected", state="reconnecting"
    )
