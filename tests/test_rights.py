"""Who may do what, by the key of the connection."""

from __future__ import annotations

import pytest
from msgspec import Raw

from bridge.access import Access, Allowed, Role
from bridge.errors import NotAllowed
from bridge.messages import GetReplay, GetSnapshot, Hello, Ping, RequestMessage
from bridge.peers import PeerTable
from bridge.rights import Rights

NOW_US = 1_000


def key(name: str, role: Role = "trader", expires_us: int = 0) -> Allowed:
    return Allowed(name * 8, f"public of {name}", name, role, "", expires_us)


class Desk:
    """Rights over a few keys."""

    def __init__(self, *keys: Allowed) -> None:
        self.peers = PeerTable()
        self.told: list[tuple[str, str]] = []
        self.rights = Rights(Access(keys), self.peers, lambda name, words: self.told.append((name, words)))

    def admit(self, who: Allowed, method: str = "order", client: str | None = "c1", time_us: int = NOW_US) -> RequestMessage:
        message = RequestMessage(1, "r1", method, Raw(b"\x80"), None, client)
        _, admitted = self.rights.admit(who.id, message, time_us, 0.0)
        return admitted


ALICE, BOB, EYE = key("alice"), key("bob", "admin", 2 * NOW_US), key("eye", "monitor")


@pytest.fixture
def desk() -> Desk:
    return Desk(ALICE, BOB, EYE)


def test_a_key_makes_the_name(desk: Desk) -> None:
    hello = Hello("operator", "c1", 7, "host")
    assert desk.rights.narrowed(ALICE, hello, 0.0) == Hello("alice", "c1", 7, "host")
    desk.admit(ALICE)
    peer = desk.peers.find("c1", 0.0)
    assert peer is not None
    assert (peer.name, peer.key_id) == ("alice", ALICE.id)
    assert desk.rights.narrowed(EYE, Ping(), 0.0) == Ping()


def test_a_request_without_a_client_is_the_keys(desk: Desk) -> None:
    message = desk.admit(ALICE, client=None)
    assert message.client is not None
    peer = desk.peers.find(message.client, 0.0)
    assert peer is not None
    assert peer.name == "alice"
    assert desk.admit(ALICE, client=None).client == message.client
    assert len(desk.peers) == 1


def test_the_id_of_another_keys_client_is_not_to_be_had(desk: Desk) -> None:
    desk.peers.hello(Hello("alice", "c1"), 0.0, ALICE.id)
    with pytest.raises(NotAllowed, match="another key"):
        desk.admit(BOB)
    with pytest.raises(NotAllowed, match="another key"):
        desk.admit(BOB, "hello")
    assert desk.admit(ALICE).client == "c1"
    assert [name for name, _ in desk.told] == ["bob", "bob"]


def test_an_unknown_or_revoked_key_is_refused_with_its_next_message(desk: Desk) -> None:
    desk.admit(ALICE)
    assert desk.rights.replace((BOB, EYE)) == [ALICE]
    with pytest.raises(NotAllowed, match="not allowed any more"):
        desk.admit(ALICE)
    with pytest.raises(NotAllowed):
        desk.admit(key("mallory"))


def test_a_key_expires(desk: Desk) -> None:
    desk.admit(BOB, "halt")
    with pytest.raises(NotAllowed):
        desk.admit(BOB, "halt", time_us=2 * NOW_US)


@pytest.mark.parametrize("method", ["order", "account", "positions", "halt", "journal", "made_up"])
def test_a_monitor_is_refused_and_that_is_told(desk: Desk, method: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        desk.admit(EYE, method)
    assert refused.value.details == {"role": "monitor", "method": method}
    assert desk.told == [("eye", f"{method}: not for a monitor")]
    assert len(desk.peers) == 0


@pytest.mark.parametrize("topic", ["account", "trade", "log"])
def test_no_way_round_to_a_private_topic(desk: Desk, topic: str) -> None:
    for request in (GetSnapshot(("tick:EURUSD", topic)), GetReplay(topic)):
        with pytest.raises(NotAllowed, match=topic):
            desk.rights.narrowed(EYE, request, 0.0)
        assert desk.rights.narrowed(ALICE, request, 0.0) == request
    assert desk.rights.narrowed(EYE, GetSnapshot(("tick:EURUSD",)), 0.0) == GetSnapshot(("tick:EURUSD",))


def test_subscriptions(desk: Desk) -> None:
    rights = desk.rights
    assert rights.may_follow(EYE.id, b"\1tick:EURUSD\0", NOW_US)
    for wire in (b"account\0", b"", b"t", b"tr", b"\xff"):
        assert rights.may_follow(EYE.id, b"\1" + wire, NOW_US) is (wire == b"\xff")
        assert not rights.may_follow("unknown", b"\1" + wire, NOW_US)
    assert rights.may_follow(ALICE.id, b"\1account\0", NOW_US)


def test_nobody_ends_the_subscription_of_another(desk: Desk) -> None:
    rights = desk.rights
    rights.follows(ALICE.id, b"account\0")
    assert not rights.may_follow(EYE.id, b"\0account\0", NOW_US)
    assert not rights.may_follow(BOB.id, b"\0account\0", NOW_US)
    assert rights.may_follow(ALICE.id, b"\0account\0", NOW_US)
    assert not rights.may_follow(ALICE.id, b"\0account\0", NOW_US)
    rights.follows(ALICE.id, b"account\0")
    rights.forget_subscriptions()
    assert not rights.may_follow(ALICE.id, b"\0account\0", NOW_US)


def test_the_end_of_a_subscription_counts_also_when_the_key_does_not_any_more(desk: Desk) -> None:
    desk.rights.follows(ALICE.id, b"account\0")
    desk.rights.replace(())
    assert desk.rights.may_follow(ALICE.id, b"\0account\0", NOW_US)


def test_one_topic_too_many_of_a_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.rights.MOST_TOPICS", 2)

    def follow(wire: bytes, who: Allowed = ALICE) -> bool:
        allowed = desk.rights.may_follow(who.id, b"\1" + wire, NOW_US)
        if allowed:
            desk.rights.follows(who.id, wire)
        return allowed

    assert [follow(wire) for wire in (b"tick:A\0", b"tick:B\0", b"tick:C\0")] == [True, True, False]
    assert "one more than 2 topics" in desk.told[-1][1]
    assert follow(b"tick:A\0"), "another connection of the same key"
    assert follow(b"tick:C\0", BOB), "another key"
    assert desk.rights.may_follow(ALICE.id, b"\0tick:A\0", NOW_US)
    assert not follow(b"tick:C\0"), "the other connection still follows it"
    assert desk.rights.may_follow(ALICE.id, b"\0tick:A\0", NOW_US)
    assert follow(b"tick:C\0")
