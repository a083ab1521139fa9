"""Who sends a message, and whether that one may: by the key that the socket vouches for, looked up with every message. No I/O.

Part of the gateway where keys are asked for. A client is what its key says: the name it calls itself counts for nothing, an id that
another key's client has is not its own, and a key that was revoked is refused with the next message, whatever connection it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bridge.access import Access, Allowed
from bridge.errors import NotAllowed
from bridge.messages import GetReplay, GetSnapshot, Hello, Request, RequestMessage
from bridge.peers import Peer, PeerTable

MOST_TOPICS = 20_000
"""What the connections of one key may follow: ten clients with as many topics as a client may have."""


class Rights:
    """`told` is called with a line about each refusal that is not a client's mistake, for the audit."""

    def __init__(self, access: Access, peers: PeerTable, told: Callable[[str, str], object]) -> None:
        self._access = access
        self._peers = peers
        self._told = told
        self._following: Counter[tuple[str, bytes]] = Counter()
        self._topics: Counter[str] = Counter()

    def _key(self, user: str, time_us: int) -> Allowed | None:
        key = self._access.find(user)
        return None if key is None or key.expired(time_us) else key

    # ---- requests ------------------------------------------------------------------------------------------------------------

    def admit(self, user: str, message: RequestMessage, time_us: int, now: float) -> tuple[Allowed, RequestMessage]:
        """Whose request that is, and the request with a client id that is its own. Raises `NotAllowed`."""
        key = self._key(user, time_us)
        if key is None:
            self._told("", f"{message.method}: a key that is not allowed any more")
            raise NotAllowed(
                "this key is not allowed any more; nothing was done",
                next_step="have the key allowed again where the bridge runs: mt5bridge keys allow",
            )
        if not key.may(message.method):
            self._told(key.name, f"{message.method}: not for a {key.role}")
            raise NotAllowed(
                f"{message.method} is not for the role {key.role}, which {key.name} has; nothing was done",
                next_step="have the key allowed with another role: mt5bridge keys allow … --role ROLE",
                role=key.role,
                method=message.method,
            )
        client = message.client or f"key-{key.id[:16]}"
        peer = self._peers.find(client, now)
        if peer is None and message.method != "hello":
            peer = self._peers.hello(Hello(key.name, client), now, key.id)
        self._check_owner(key, peer, message.method)
        return key, message if message.client == client else replace(message, client=client)

    def _check_owner(self, key: Allowed, peer: Peer | None, method: str) -> None:
        if peer is not None and peer.key_id != key.id:
            self._told(key.name, f"{method}: with the client id of another key's client")
            raise NotAllowed(
                "this client id belongs to a client with another key; nothing was done", next_step="make ids that never repeat"
            )

    def narrowed(self, key: Allowed, request: Request[Any], now: float) -> Request[Any]:
        """The request as this key may make it. Raises `NotAllowed`."""
        if isinstance(request, Hello):
            self._check_owner(key, self._peers.find(request.client_id, now), request.method)
            named = replace(request, name=key.name)
            self._peers.hello(named, now, key.id)
            return named
        topics = request.topics if isinstance(request, GetSnapshot) else (request.topic,) if isinstance(request, GetReplay) else ()
        for topic in topics:
            if not key.may_follow(topic + "\0"):
                self._told(key.name, f"{request.method} of {topic}: not for a {key.role}")
                raise NotAllowed(
                    f"{topic} is not for the role {key.role}, which {key.name} has; nothing was done",
                    next_step="leave it out, or have the key allowed with another role: mt5bridge keys allow … --role ROLE",
                    role=key.role,
                    topic=topic,
                )
        return request

    # ---- subscriptions -------------------------------------------------------------------------------------------------------

    def may_follow(self, user: str, frame: bytes, time_us: int) -> bool:
        """Whether a frame from the XPUB socket may be looked at: a subscription that is allowed, or the end of one that was."""
        wire = frame[1:]
        if frame[:1] == b"\0":
            if not self._following[user, wire]:
                return False
            self._following[user, wire] -= 1
            if not self._following[user, wire]:
                del self._following[user, wire]
                self._topics[user] -= 1
            return True
        key = self._key(user, time_us)
        if key is None or not key.may_follow(wire.decode("utf-8", "replace")):
            self._told("" if key is None else key.name, f"subscription of {wire[:80]!r}: not allowed")
            return False
        if self._topics[user] >= MOST_TOPICS and not self._following[user, wire]:
            self._told(key.name, f"subscription of {wire[:80]!r}: one more than {MOST_TOPICS} topics")
            return False
        return True

    def follows(self, user: str, wire: bytes) -> None:
        """A subscription has been accepted."""
        if not self._following[user, wire]:
            self._topics[user] += 1
        self._following[user, wire] += 1

    def forget_subscriptions(self) -> None:
        """Every connection for events was cut."""
        self._following.clear()
        self._topics.clear()

    # ---- changes -------------------------------------------------------------------------------------------------------------

    def replace(self, keys: tuple[Allowed, ...]) -> list[Allowed]:
        """Another list is in force. The keys that may less than before: their connections for events have to be cut."""
        return self._access.replace(keys)
