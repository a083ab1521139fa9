"""The gateway: everything the bridge decides, without a socket, a clock or a terminal.

Frames and `now` (monotonic seconds) go in; frames and actions come out in `replies`, `events`, `link`, `writes` (for the
journal) and `actions`, which the loop takes and clears. The order of calls is: any number of `receive_*`, then `on_time`, then take
what is in the outputs. `next_deadline` says when `on_time` has to be called at the latest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bridge import codec
from bridge.access import Access, Allowed
from bridge.calls import Calls
from bridge.conditions import Identity
from bridge.connection import Connection, State, Trigger
from bridge.dealing import Dealing
from bridge.entrance import CutEvents, Entrance
from bridge.entries import Write, Written
from bridge.errors import (
    BridgeError,
    Busy,
    DeadlinePassed,
    InternalError,
    MalformedMessage,
    NotAllowed,
    Stopping,
)
from bridge.journalling import OpenJournal
from bridge.messages import FOREIGN, LATE, GetJournal, GetSnapshot, RequestMessage, SendOrder
from bridge.open_trades import followed
from bridge.peers import Peer, PeerTable
from bridge.reception import Reception
from bridge.replies import ConnectionState, Heartbeat, LogRecord
from bridge.ring import OVERHEAD_BYTES, Ring
from bridge.session import link
from bridge.snapshots import SnapshotAnswer, SnapshotDesk
from bridge.streams import Streams
from bridge.supervision import KillSession, StartSession, Supervision
from bridge.topics import TopicTable
from bridge.watch import WatchSettings


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """`events` is the endpoint that clients are told; times in seconds. `grace_s` is how long after a call's deadline the
    session may take to say that it did not begin it; `stop_grace_s` how long clients may take to leave before the bridge ends;
    `identity` the account that the configuration names; `replay_bytes` how much of what was published is kept; `addresses`, where
    there are any, the only ones from which clients with a key may connect; `server_key` the public key that they pin, or empty;
    `requests_per_s` and `connections_per_s` what is for the clients of one name and for one address, where keys are asked for."""

    software: str
    epoch: int
    wall_us: int
    events: str = ""
    heartbeat_s: float = 1.0
    linger_s: float = 5.0
    read_deadline_s: float = 10.0
    order_deadline_s: float = 30.0
    longest_deadline_s: float = 300.0
    grace_s: float = 0.25
    stop_grace_s: float = 1.0
    replay_bytes: int = 64 << 20
    addresses: tuple[str, ...] = ()
    server_key: str = ""
    requests_per_s: int = 5_000
    connections_per_s: int = 100
    identity: Identity = field(default_factory=Identity)
    max_pending: int = 1_000
    max_orders: int = 5_000
    watch: WatchSettings = field(default_factory=WatchSettings)


MOST_REFUSALS = 50_000
"""Subscriptions that were not put in force, after which the memory that they take is given back."""
Action = StartSession | KillSession | OpenJournal | CutEvents


class Gateway:
    """See the module. `started` is the monotonic time at which the wall clock showed `settings.wall_us`; with `access` only the
    keys that it has are served."""

    def __init__(
        self, settings: GatewaySettings, started: float, random: Random | None = None, access: Access | None = None
    ) -> None:
        self._settings = settings
        self._started = started
        self.replies: list[tuple[bytes, bytes]] = []
        self.events: list[bytes] = []
        self.link: list[bytes] = []
        self.writes: list[Write] = []
        self.failure: BridgeError | None = None
        self.actions: list[Action] = []
        self.counters: dict[str, int] = dict.fromkeys(
            ("requests", "malformed", "refused_subscriptions", "sessions_started", "events", "suspect_records"), 0
        )
        self.connection = Connection()
        self._ring = Ring(settings.replay_bytes)
        self.topics = TopicTable(settings.linger_s, ring=self._ring)
        self.peers = PeerTable()
        self._snapshots = SnapshotDesk(self.topics, settings.max_pending)
        self._supervision = Supervision(self, settings, random or Random())  # noqa: S311 - jitter
        self._foreign = 0
        self._refusals = 0
        self._wall_ahead_us = 0
        self._streams = Streams(self)
        self.calls = Calls(self, settings.max_pending, settings.grace_s)
        self.dealing = Dealing(self, settings.max_orders, settings.grace_s)
        self._heartbeat_at_s = started + settings.heartbeat_s
        self._reception = Reception(self, self._supervision, settings, started)
        self.entrance = None if access is None else Entrance(self, access, settings)

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def time_us(self, now: float) -> int:
        """The bridge's clock at a monotonic time: UTC at the start, and never a step since."""
        return self._settings.wall_us + int((now - self._started) * 1e6)

    def time_msc(self, now: float) -> int:
        """The bridge's clock in milliseconds."""
        return self.time_us(now) // 1000

    def wall_clock(self, wall_us: int, now: float) -> None:
        """What the machine's clock shows: it is set by others and goes on while the machine sleeps; the bridge's does not."""
        self._wall_ahead_us = wall_us - self.time_us(now)

    def wall_msc(self, now: float) -> int:
        """The machine's clock in milliseconds, for comparing it with that of the trade server."""
        return (self.time_us(now) + self._wall_ahead_us) // 1000

    def next_deadline(self) -> float:
        """When `on_time` has to be called at the latest."""
        supervision = self._supervision.next_deadline()
        due = min(
            self._heartbeat_at_s,
            self.calls.soonest_s,
            self.dealing.next_deadline(),
            self._snapshots.soonest_s,
        )
        return due if supervision is None else min(due, supervision)

    def on_time(self, now: float) -> None:
        """Do what has fallen due."""
        self._supervision.on_time(now)
        self.calls.on_time(now)
        self.dealing.on_time(now)
        self._give(self._snapshots.overdue(now), now)
        if now >= self._heartbeat_at_s:
            self._heartbeat_at_s = max(self._heartbeat_at_s + self._settings.heartbeat_s, now)
            self._beat(now)

    def _beat(self, now: float) -> None:
        self._streams.drop_unwanted(now)
        self.peers.expire(now)
        sequences = {topic.name: topic.sequence for topic in self.topics if topic.sequence and topic.lasting}
        body = Heartbeat(
            period_ms=round(self._settings.heartbeat_s * 1000),
            state=self.connection.state.value,
            session_age_ms=self._supervision.watch.age_ms(now),
            sequences=sequences,
        )
        self.publish("heartbeat", codec.plain_body(body), now)

    # ---- life ----------------------------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begin: a session is started."""
        self._supervision.start(now)

    def stop(self, now: float) -> None:
        """Begin to end: new requests are refused, the session is told to detach. `finished` says when it is done."""
        self._supervision.stop(now)

    def give_up(self, error: BridgeError, now: float) -> None:
        """The bridge must not run, because of this: it ends, and `failure` says why."""
        self.failure = error
        self.stop(now)

    @property
    def finished(self) -> bool:
        """Whether the gateway has nothing more to do."""
        return self.connection.state is State.STOPPED and self._supervision.begun

    def session_exited(self, generation: int, cause: str, now: float) -> None:
        """The process of a session has ended by itself, or because it was told to."""
        self._supervision.exited(generation, cause, now)

    def configured(self, identity: Identity) -> None:
        """The configuration was read again: a session that starts now attaches to this account."""
        self._supervision.standing.configure(identity)

    def session_misconfigured(self, generation: int, error: BridgeError, now: float) -> None:
        """A session could not be started, and cannot before the settings are others."""
        self._supervision.misconfigured(generation, error, now)

    def settings_changed(self, now: float) -> None:
        """A file with settings changed: where only that could help, try again."""
        if self.connection.state is State.REFUSED:
            self.reconnect("the settings changed", now, accept=False)

    def reconnect(self, cause: str, now: float, *, accept: bool = True) -> ConnectionState:
        """Replace the session and attach anew, for the given cause. Raises `Stopping`."""
        self.dealing.journal.reconsider()
        return self._supervision.reconnect(cause, now, accept=accept)

    @property
    def attached(self) -> bool:
        """Whether the terminal can be asked."""
        return self._supervision.attached

    @property
    def foreign(self) -> bool:
        """Whether the terminal is logged in to another account than the bridge's."""
        return self._supervision.standing.foreign

    def server_s(self, now: float) -> float | None:
        """The trade server's time, where its clock is known."""
        offset_s = self._supervision.standing.offset(now).offset_s
        return None if offset_s is None else self.wall_msc(now) / 1e3 + offset_s

    def reached_s(self, now: float) -> float | None:
        """A time that the trade server's clock has reached, as near to its present one as is known."""
        return self._supervision.standing.reached_s(self.wall_msc(now) / 1e3, now)

    @property
    def orders_under_way(self) -> bool:
        """Whether an order is on its way, or its outcome."""
        return self.dealing.execution.under_way

    @property
    def has_subscribers(self) -> bool:
        """Whether a client is there that would miss the bridge."""
        return any(peer.subscribed for peer in self.peers)

    def transition(self, trigger: Trigger, now: float, **told: Any) -> None:
        """Follow the connection's table and publish where it leads."""
        state = self.connection.fire(trigger, self.time_msc(now), **told)
        self.publish("connection", codec.plain_body(state), now)

    def log(self, message: str, now: float, *, topic: str | None = None) -> None:
        """Publish a warning on `log`."""
        self.publish("log", codec.plain_body(LogRecord("warning", message, topic)), now)

    # ---- events --------------------------------------------------------------------------------------------------------------

    def publish(self, name: str, body: Any, now: float, flags: int = 0) -> None:
        """One more event of a topic; `body` is bytes for records, else plain msgpack types."""
        self.publish_all(((name, flags, body),), now)

    def publish_all(self, events: Sequence[tuple[str, int, Any]], now: float) -> None:
        """More events, in order: topic, flags and body of each."""
        epoch, time_us, frames = self._settings.epoch, self.time_us(now), self.events
        find, encode, foreign = self.topics.topic, codec.encode_event, self._foreign
        for name, given, body in events:
            topic = find(name)
            flags = given | foreign | topic.foreign if topic.marked else given
            topic.sequence = sequence = topic.sequence + 1
            topic.published_s = now
            if not flags & LATE:  # what comes late is not the newest state
                topic.flags = flags
                topic.body = body if topic.marked or name != "trade" else followed(topic.body, body)
                if topic.resumed and not flags & FOREIGN:
                    topic.remember(body)
            frame = encode(topic.prefix, epoch, sequence, time_us, flags, body)
            frames.append(frame)
            pool = topic.pool
            if pool is not None:
                topic.frames.append(frame)
                pool.order.append(topic.frames)
                pool.size += len(frame) + OVERHEAD_BYTES
        self._ring.trim()
        self.counters["events"] += len(events)

    def receive_subscription(self, frame: bytes, now: float, user: str = "") -> bool:
        """A frame from the XPUB socket, and the key of its sender, where keys are asked for. True when it is a subscription that
        should be put in force, or any unsubscription."""
        entrance = self.entrance
        if (entrance is not None and not entrance.may_follow(user, frame, now)) or not self._streams.receive(frame, now):
            self._refused(now)
            return False
        if entrance is not None and frame[0]:
            entrance.follows(user, frame[1:])
        return True

    def _refused(self, now: float) -> None:
        """A subscription was not put in force. libzmq remembers it all the same, as long as its connection lasts."""
        self._refusals += 1
        if self._refusals >= MOST_REFUSALS:
            self._refusals = 0
            self.log(f"{MOST_REFUSALS} subscriptions were refused; all connections for events are cut and made anew", now)
            if self.entrance is not None:
                self.entrance.forget_subscriptions()
            self.events_cut(now)
            self.actions.append(CutEvents())

    def events_cut(self, now: float) -> None:
        """Every connection for events is about to be cut."""
        self._streams.cut(now)

    def subscriptions_applied(self, now: float) -> None:
        """The loop has put in force all subscriptions received: those who asked for the proof get it."""
        self._streams.applied(now)

    # ---- requests ------------------------------------------------------------------------------------------------------------

    def receive_request(self, routing_id: bytes, frames: list[bytes], now: float, user: str = "") -> None:
        """A message from the ROUTER socket, without its routing id, and the key of its sender, where keys are asked for. Everything
        is answered, also what is no request."""
        self.counters["requests"] += 1
        key: Allowed | None = None
        try:
            if len(frames) != 1:
                raise MalformedMessage(
                    f"a request is one frame, not {len(frames)}", next_step="use a DEALER socket and send one frame"
                )
            message = codec.decode_request(frames[0])
            if self.entrance is not None:
                key, message = self.entrance.admit(user, message, now)
        except (NotAllowed, Busy) as error:
            self.reply(routing_id, message.id, error, now)
            return
        except BridgeError as error:
            self.counters["malformed"] += 1
            self.reply(routing_id, error.request_id or "", error, now)
            return
        peer = self.peers.find(message.client, now)
        if peer is not None:
            peer.requests += 1
        try:
            self._dispatch(routing_id, message, peer, key, now)
        except BridgeError as error:
            self.reply(routing_id, message.id, error, now)
        except Exception as error:  # a fault of ours must not take the bridge down; it is answered and told
            self.log(f"internal error in {message.method}: {error!r}", now)
            self.reply(routing_id, message.id, InternalError(f"the bridge failed at {message.method}: {error!r}"), now)

    def _dispatch(self, routing_id: bytes, message: RequestMessage, peer: Peer | None, key: Allowed | None, now: float) -> None:
        request = codec.decode_params(message.method, message.params)
        if key is not None and self.entrance is not None:
            request = self.entrance.narrowed(key, request, now)
        answer = self._reception.answer(request, message, now)
        if answer is not None:
            self.reply(routing_id, message.id, answer, now)
            return
        if isinstance(request, SendOrder):
            self.dealing.receive(routing_id, message, request, peer, now)
            return
        if isinstance(request, GetJournal):
            self.dealing.show(routing_id, message, request, now)
            return
        if self.connection.state is State.STOPPING and not self.attached:
            raise Stopping("the bridge is shutting down", next_step="connect again when it has been started anew")
        deadline_s = self.deadline_s(message, False, now)
        if isinstance(request, GetSnapshot):
            for topic in self._snapshots.ask(request, message, routing_id, deadline_s):
                self._streams.start(topic)
            self._give(self._snapshots.complete(self.attached), now)
            return
        known = self._reception.known(request, now)
        if known is not None:
            self.reply(routing_id, message.id, known, now)
            return
        self.calls.forward(routing_id, message, request, deadline_s, now)

    def deadline_s(self, message: RequestMessage, order: bool, now: float) -> float:
        """Until when a request may be begun. Raises `DeadlinePassed`."""
        settings = self._settings
        if message.deadline_msc is None:
            return now + (settings.order_deadline_s if order else settings.read_deadline_s)
        remaining_s = (message.deadline_msc * 1000 - self.time_us(now)) / 1e6
        if remaining_s <= 0:
            raise DeadlinePassed(
                f"the deadline passed {-remaining_s:.3f} s ago; nothing was done",
                next_step="send it again if it is still wanted, and check the clock that made the deadline",
                late_s=-remaining_s,
            )
        return now + min(remaining_s, settings.longest_deadline_s)

    # ---- answers -------------------------------------------------------------------------------------------------------------

    def reply(self, routing_id: bytes, request_id: str, outcome: bytes | BridgeError, now: float) -> None:
        """Answer a request with a packed result, or with an error."""
        epoch, time_msc = self._settings.epoch, self.time_msc(now)
        if isinstance(outcome, BridgeError):
            frame = codec.encode_failure(request_id, epoch, time_msc, outcome)
        else:
            frame = codec.encode_reply(request_id, epoch, time_msc, outcome)
        self.replies.append((routing_id, frame))

    def _give(self, answers: list[SnapshotAnswer], now: float) -> None:
        for waiting, snapshots in answers:
            outcome = snapshots if isinstance(snapshots, BridgeError) else codec.pack(snapshots)
            self.reply(waiting.routing_id, waiting.message.id, outcome, now)

    # ---- what the session says -----------------------------------------------------------------------------------------------

    def receive_link(self, frame: bytes, now: float) -> None:
        """A frame from the session of the present generation."""
        if not self._supervision.watch.running:
            return  # its last words: it was given up after an earlier frame
        try:
            messages = link.all_from_session(frame)
        except MalformedMessage as error:
            self._supervision.suspect(str(error), now)
            return
        for message in messages:
            if self._supervision.watch.running:
                self._hear(message, now)

    def _hear(self, message: link.FromSession, now: float) -> None:
        """One message of the session."""
        match message:
            case link.Publish(events, kept, suspect_records):
                for name, _, body in events:
                    if name == "trade":
                        self.dealing.own(body)
                self.publish_all(events, now)
                self.counters["suspect_records"] += suspect_records
                self._streams.keep(kept)
            case link.Result(call_id, result):
                self.calls.answered(call_id, bytes(result), now)
            case link.Failed():
                self.calls.answered(message.id, link.as_error(message), now)
            case link.Stopped(topic):
                self._streams.ended(topic)
            case link.Started() | link.NotStarted():
                self._streams.answered(message, now)
                self._give(self._snapshots.complete(self.attached), now)
            case _:
                self._supervision.heard(message, now)
                return
        self._supervision.watch.progressed(now)

    @property
    def session_ready(self) -> bool:
        """Whether there is a session that listens."""
        return self._supervision.watch.ready

    def session_lost(self, cause: str, now: float) -> None:
        """The session is gone or cannot be trusted: what it had not answered fails, its streams wait for the next one."""
        self.link.clear()  # nothing meant for it may reach the next one
        self.calls.lost(cause, now)
        if self.connection.state is State.STOPPING:
            self.dealing.execution.ending(now)
        self.streams_paused(now)

    # ---- orders --------------------------------------------------------------------------------------------------------------

    def journalled(self, written: Written, now: float) -> None:
        """What the scribe says."""
        self.dealing.journalled(written, now)

    def journal_opened(self) -> None:
        """What waited for the journal can begin."""
        self._streams.journal_opened()

    def conditions_changed(self, now: float) -> None:
        """Something that stops trading has come or gone: say so."""
        self._supervision.standing.reconsider(now)

    def streams_paused(self, now: float) -> None:
        """No stream is sent at present; who waits for a snapshot is told that it is pending."""
        self.dealing.tracing.detached()
        self._streams.paused()
        self.calls.shared.clear()
        self._give(self._snapshots.complete(attached=False), now)

    def account_is_ours(self, ours: bool, now: float) -> None:
        """The terminal is logged in to another account, or to the bridge's again: then what was missed is sent as found
        afterwards, from where the bridge's own data ended."""
        was_foreign, self._foreign = self._foreign, 0 if ours else FOREIGN
        served = self._supervision.standing.served
        if ours and served is not None:
            self.dealing.journal.serve(*served)
        if ours and was_foreign and self.attached:
            self._streams.restarted(now)
        if ours and self.attached:
            self.dealing.tracing.attached(now)

    def server_changed(self) -> None:
        """Another trade server is served from now on: its prices do not go on where those of the former one ended."""
        self._streams.forget()

    def streams_resumed(self) -> None:
        """The session can be asked: every wanted topic is started."""
        self._streams.resumed()
