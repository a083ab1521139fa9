"""A bench for the gateway in virtual time: a session that says what a test tells it to, and clients that are only frames.

Nothing is real: `now` is a number that `run` moves from one thing that falls due to the next.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, TypeVar, get_type_hints

from msgspec import Raw

from bridge import codec
from bridge.access import Access
from bridge.errors import BridgeError, NotConnected
from bridge.gateway import Action, Gateway, GatewaySettings
from bridge.journalling import OpenJournal
from bridge.messages import Hello, ReplyMessage, Request, SendOrder
from bridge.records import Account, TerminalInfo
from bridge.replies import ConnectionState, Heartbeat, OrderOutcome
from bridge.session import link
from bridge.supervision import KillSession, StartSession
from bridge.ticks import TICK_STRUCT
from bridge.trading import OrderResult, TradeRequest
from tests.fake_scribe import FakeScribe

R = TypeVar("R")
EPOCH = 42
WALL_US = 1_700_000_000_000_000
BLANK: dict[Any, Any] = {int: 0, float: 0.0, str: "", bool: False}
BUY = SendOrder(TradeRequest(action=1, symbol="EURUSD", volume=0.1, price=1.1))


def blank(kind: type[R], **given: Any) -> R:
    """A record with every field at zero but those given."""
    return kind(**{name: BLANK[hint] for name, hint in get_type_hints(kind).items() if name not in given}, **given)


DONE = OrderOutcome("done", blank(OrderResult, retcode=10009, order=11, request=BUY.request))


def done(call: link.Call, **changes: Any) -> link.Result:
    """The session has sent the order; `changes` are fields of the terminal's answer."""
    return link.Result(call.id, Raw(codec.pack(replace(DONE, result=replace(DONE.result, **changes)))))


def ticks(*bids: float) -> bytes:
    """One tick record for each bid."""
    return b"".join(TICK_STRUCT.pack(1, bid, bid + 0.1, 0.0, 0, 1_000, 6, 0.0) for bid in bids)


def attached(*, connected: bool = True, login: int = 5001, server: str = "Demo", **terminal: Any) -> link.Attached:
    """The terminal answers; `terminal` are fields of its information."""
    account = blank(Account, login=login, server=server, trade_allowed=True, trade_expert=True)
    info = blank(TerminalInfo, **{"connected": connected, "name": "Terminal", "trade_allowed": True} | terminal)
    return link.Attached(account, info, (500, 4000, "1 Jan 2024"))


def health(*, connected: bool = True, quote: tuple[str, int] | None = None, **changes: Any) -> link.Health:
    """A look at the terminal; `changes` are fields of its `Standing`."""
    standing: dict[str, Any] = {
        "login": 5001, "server": "Demo", "path": "", "terminal_trade_allowed": True, "api_disabled": False,
        "account_trade_allowed": True, "account_trade_expert": True,
    }  # fmt: skip
    return link.Health(connected, 1, link.Standing(**standing | changes), quote)


class Bench:
    """A gateway with its surroundings; `said` is what it told the session, `replies`, `events` and `actions` what else it did."""

    def __init__(self, scribe: FakeScribe | None = None, access: Access | None = None, **changes: Any) -> None:
        self.now = 0.0
        self.scribe = scribe or FakeScribe()
        settings: dict[str, Any] = {"software": "1.0", "epoch": EPOCH, "wall_us": WALL_US, "events": "tcp://127.0.0.1:2"}
        settings |= {"grace_s": 0.0} | changes
        self.gateway = Gateway(GatewaySettings(**settings), 0.0, Random(7), access)
        self.said: list[link.ToSession] = []
        self.replies: list[tuple[bytes, ReplyMessage]] = []
        self.events: list[codec.Event] = []
        self.actions: list[Action] = []
        self.answers: Callable[[link.ToSession], list[link.FromSession]] = lambda message: []
        self._script: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def take(self) -> None:
        """Take the outputs, as the loop does; the session answers by `answers`."""
        gateway = self.gateway
        while True:
            writes, gateway.writes = gateway.writes, []
            self.scribe.write(writes)
            for action in gateway.actions:
                if isinstance(action, OpenJournal):
                    self.scribe.open(action.login, action.server)
            for written in self.scribe.take():
                gateway.journalled(written, self.now)
            if not (gateway.link or gateway.actions or gateway.replies or gateway.events or gateway.writes):
                return
            frames, gateway.link = gateway.link, []
            actions, gateway.actions = gateway.actions, []
            replies, gateway.replies = gateway.replies, []
            events, gateway.events = gateway.events, []
            self.actions += [action for action in actions if not isinstance(action, OpenJournal)]
            self.replies += [(routing_id, codec.decode_reply(frame)) for routing_id, frame in replies]
            self.events += [codec.decode_event(frame) for frame in events]
            for frame in frames:
                message = link.to_session(frame)
                self.said.append(message)
                for answer in self.answers(message):
                    gateway.receive_link(link.pack(answer), self.now)

    def later(self, delay_s: float, what: Callable[[], None]) -> None:
        """Do something after a while of virtual time."""
        self._number += 1
        heapq.heappush(self._script, (self.now + delay_s, self._number, what))

    def run(self, seconds: float) -> None:
        """Let time pass: everything happens when it falls due."""
        until = self.now + seconds
        for _ in range(100_000):
            due = min(self.gateway.next_deadline(), self._script[0][0] if self._script else until)
            if due > until:
                break
            self.now = max(self.now, due)
            while self._script and self._script[0][0] <= self.now:
                heapq.heappop(self._script)[2]()
            self.gateway.on_time(self.now)
            self.take()
            if due == until:
                break
        else:
            raise AssertionError("what falls due is not done")
        self.now = until

    # ---- the session ---------------------------------------------------------------------------------------------------------

    def say(self, *messages: link.FromSession) -> None:
        """The session says something now."""
        for message in messages:
            self.gateway.receive_link(link.pack(message), self.now)
        self.take()

    def healthy(self, every_s: float = 0.5) -> None:
        """From now on the session shows progress by real calls."""

        def look() -> None:
            self.say(health())
            self.later(every_s, look)

        look()

    def silence(self) -> None:
        """What was to be done later is not done."""
        self._script.clear()

    def exit(self, cause: str = "the session process was killed by signal 9") -> None:
        """The session's process ends."""
        self.gateway.session_exited(self.generation, cause, self.now)
        self.take()

    def connect(self) -> Bench:
        """Start, and let the session attach."""
        self.gateway.start(self.now)
        self.take()
        self.say(link.Ready("token", 77), attached())
        self.said.clear()
        return self

    @property
    def generation(self) -> int:
        """The newest session that was started."""
        return max((action.generation for action in self.actions if isinstance(action, StartSession)), default=0)

    @property
    def kills(self) -> list[KillSession]:
        """The sessions that were killed."""
        return [action for action in self.actions if isinstance(action, KillSession)]

    def calls(self, method: str | None = None) -> list[link.Call]:
        """The calls that the session was given."""
        return [message for message in self.said if isinstance(message, link.Call) and method in (None, message.method)]

    def streams(self) -> list[str]:
        """The streams that the session was told to start (`+`) and to stop (`-`)."""
        return [
            ("+" if isinstance(message, link.StartStream) else "-") + message.topic
            for message in self.said
            if isinstance(message, link.StartStream | link.StopStream)
        ]

    # ---- clients -------------------------------------------------------------------------------------------------------------

    def ask(
        self,
        request: Request[Any],
        request_id: str = "1",
        *,
        peer: bytes = b"peer",
        client: str | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """A client sends a request; `deadline_s` counts from now."""
        deadline_msc = None if deadline_s is None else self.gateway.time_msc(self.now) + round(deadline_s * 1000)
        self.send(codec.encode_request(request, request_id, deadline_msc, client), peer=peer)

    def send(self, *frames: bytes, peer: bytes = b"peer") -> None:
        """A client sends frames."""
        self.gateway.receive_request(peer, list(frames), self.now)
        self.take()

    def hello(self, client_id: str = "c1") -> None:
        """A client says who it is."""
        self.ask(Hello("strategy", client_id), "hello", client=client_id)
        self.replies.clear()

    def reply(self, request_id: str = "1", peer: bytes = b"peer") -> ReplyMessage:
        """The only reply to a request."""
        found = [reply for routing_id, reply in self.replies if (routing_id, reply.id) == (peer, request_id)]
        assert len(found) == 1, f"{len(found)} replies to {request_id}"
        return found[0]

    def result(self, request: type[Request[R]], request_id: str = "1", peer: bytes = b"peer") -> R:
        """The result of a request, in its type; raises the error that came instead."""
        result: R = codec.decode_result(request.method, self.reply(request_id, peer))
        return result

    def error(self, request_id: str = "1", peer: bytes = b"peer") -> BridgeError:
        """The error that a request came to."""
        reply = self.reply(request_id, peer)
        assert reply.error is not None
        try:
            codec.decode_result("ping", reply)
        except BridgeError as error:
            return error
        raise AssertionError

    def subscribe(self, wire: str | bytes) -> bool:
        """A subscription arrives; text without a NUL is a prefix."""
        return self._subscription(b"\1", wire)

    def unsubscribe(self, wire: str | bytes) -> bool:
        """An unsubscription arrives."""
        return self._subscription(b"\0", wire)

    def _subscription(self, first: bytes, wire: str | bytes) -> bool:
        accepted = self.gateway.receive_subscription(first + (wire.encode() if isinstance(wire, str) else wire), self.now)
        self.gateway.subscriptions_applied(self.now)
        self.take()
        return accepted

    def bodies(self, topic: str) -> list[Any]:
        """The bodies of a topic's events."""
        records = topic.partition(":")[0] in codec.RECORD_FAMILIES
        return [bytes(event.body) if records else codec.decode_body(event) for event in self.events if event.topic == topic]

    @property
    def states(self) -> list[ConnectionState]:
        """Every connection state that was published."""
        return self.bodies("connection")

    def heartbeat(self) -> Heartbeat:
        """The newest heartbeat."""
        newest: Heartbeat = self.bodies("heartbeat")[-1]
        return newest

    def check_sequences(self) -> None:
        """Each topic's events count up by one, from one."""
        counted: Counter[str] = Counter()
        for event in self.events:
            if not event.topic.startswith("client:"):
                counted[event.topic] += 1
                assert event.sequence == counted[event.topic], event
            assert event.epoch == EPOCH


def obliging(message: link.ToSession) -> list[link.FromSession]:
    """The answers of a session to which every stream and call is welcome."""
    if isinstance(message, link.Connect):
        return [attached()]
    if isinstance(message, link.StartStream):
        return [link.Started(message.topic, None)]
    if isinstance(message, link.Call):
        return [link.Result(message.id, Raw(codec.pack(DONE if message.method == "order" else None)))]
    return []


def unreachable() -> NotConnected:
    """What a session says when it lost its terminal."""
    return NotConnected("the session is not connected to the terminal")
