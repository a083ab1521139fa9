"""The clients that the bridge knows: who they are, when they were seen, what they asked for. No I/O; times in monotonic seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.messages import Hello
from bridge.replies import ClientStatus


@dataclass(slots=True)
class Peer:
    """One client, by the id that it made for itself; `key_id` is the key of its connection, where keys are asked for."""

    client_id: str
    name: str
    pid: int
    host: str
    seen_s: float
    subscribed: bool = False
    left_s: float | None = None
    requests: int = 0
    orders_done: int = 0
    orders_failed: int = 0
    key_id: str = ""

    def status(self, now: float) -> ClientStatus:
        """As told by `status`."""
        return ClientStatus(
            name=self.name,
            pid=self.pid,
            host=self.host,
            subscribed=self.subscribed,
            seen_age_ms=round((now - self.seen_s) * 1000),
            requests=self.requests,
            orders_done=self.orders_done,
            orders_failed=self.orders_failed,
        )


class PeerTable:
    """Clients by id. One that had an event connection and lost it is forgotten after `gone_after_s` without a request, any other
    after `silent_after_s`; at most `limit` are kept: those without an event connection go first, the longest silent first."""

    def __init__(self, gone_after_s: float = 5.0, silent_after_s: float = 60.0, limit: int = 10_000) -> None:
        self._gone_after_s = gone_after_s
        self._silent_after_s = silent_after_s
        self._limit = limit
        self._by_id: dict[str, Peer] = {}
        self._subscriptions: dict[str, int] = {}

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def hello(self, hello: Hello, now: float, key_id: str = "") -> Peer:
        """A client says who it is; counters of one that is known go on."""
        peer = self._by_id.get(hello.client_id)
        if peer is None:
            if len(self._by_id) >= self._limit:
                silent = min(self, key=lambda peer: (peer.subscribed, peer.seen_s))
                del self._by_id[silent.client_id]
            peer = Peer(hello.client_id, hello.name, hello.pid, hello.host, now, key_id=key_id)
            peer.subscribed = hello.client_id in self._subscriptions
            self._by_id[hello.client_id] = peer
        peer.name, peer.pid, peer.host, peer.seen_s = hello.name, hello.pid, hello.host, now
        return peer

    def find(self, client_id: str | None, now: float) -> Peer | None:
        """The client that a request names, now seen."""
        peer = self._by_id.get(client_id) if client_id else None
        if peer is not None:
            peer.seen_s = now
        return peer

    def goodbye(self, client_id: str | None) -> None:
        """A client leaves."""
        self._by_id.pop(client_id or "", None)

    def subscribed(self, client_id: str, now: float) -> None:
        """The event connection of a client came up."""
        self._subscriptions[client_id] = self._subscriptions.get(client_id, 0) + 1
        peer = self._by_id.get(client_id)
        if peer is not None:
            peer.subscribed, peer.left_s, peer.seen_s = True, None, now

    def unsubscribed(self, client_id: str, now: float) -> None:
        """The event connection of a client went."""
        left = self._subscriptions.get(client_id, 0) - 1
        if left > 0:
            self._subscriptions[client_id] = left
            return
        self._subscriptions.pop(client_id, None)
        peer = self._by_id.get(client_id)
        if peer is not None:
            peer.subscribed, peer.left_s = False, now

    def expire(self, now: float) -> list[Peer]:
        """Forget those that are gone, and tell which."""
        gone = [peer for peer in self if not peer.subscribed and now >= self._gone_at_s(peer)]
        for peer in gone:
            del self._by_id[peer.client_id]
        return gone

    def _gone_at_s(self, peer: Peer) -> float:
        if peer.left_s is None:
            return peer.seen_s + self._silent_after_s
        return max(peer.seen_s, peer.left_s) + self._gone_after_s
