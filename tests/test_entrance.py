"""The gateway where keys are asked for, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from bridge import codec
from bridge.access import Access, Allowed, Role
from bridge.entrance import LINES, PERIOD_S, CutEvents
from bridge.entries import AuditRecord
from bridge.errors import BridgeError, Busy, ConfigError, NotAllowed
from bridge.limits import ClientLimits, Limits
from bridge.messages import GetAccount, GetJournal, GetSnapshot, Halt, Hello, Ping, Request
from bridge.replies import Pong
from bridge.zap import ADMITTED, DOMAIN, LATER, REFUSED
from tests.fake_scribe import FakeScribe
from tests.scripted_session import BUY, Bench, done


def allowed(name: str, role: Role = "trader", number: int = 0, expires_us: int = 0) -> Allowed:
    raw = bytes([number or len(name)]) * 32
    return Allowed(raw.hex(), f"public of {name}", name, role, "", expires_us)


ALICE, ADAM, EYE, MALLORY = allowed("alice"), allowed("adam", "admin"), allowed("eye", "monitor"), allowed("mallory")


class Gate(Bench):
    """A bench whose clients have keys."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(FakeScribe(), Access([ALICE, ADAM, EYE]), **changes)
        self.connect()

    def asks(self, key: Allowed, request: Request[Any], request_id: str = "r1", client: str | None = "c1") -> Any:
        """The result of a request, or the error it had."""
        self.replies.clear()
        self.gateway.receive_request(b"peer", [codec.encode_request(request, request_id, None, client)], self.now, key.id)
        self.take()
        if not self.replies:
            return None
        try:
            return codec.decode_result(request.method, self.replies[-1][1])
        except BridgeError as error:
            return error

    def subscribes(self, key: Allowed, wire: bytes, *, ends: bool = False) -> bool:
        return self.gateway.receive_subscription((b"\0" if ends else b"\1") + wire, self.now, key.id)

    def connects(self, key: Allowed) -> bytes:
        assert self.gateway.entrance is not None
        frames = [b"1.0", b"1", DOMAIN, b"192.168.1.7", b"", b"CURVE", bytes.fromhex(key.id)]
        answer = self.gateway.entrance.judge(frames, self.now)[2]
        self.take()
        return answer

    def allows(self, *keys: Allowed) -> None:
        assert self.gateway.entrance is not None
        self.gateway.entrance.changed(keys, self.now)
        self.take()

    @property
    def audit(self) -> list[AuditRecord]:
        return self.scribe.audit


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_each_key_gets_what_its_role_may(gate: Gate) -> None:
    assert isinstance(gate.asks(EYE, Ping(), client="e"), Pong)
    assert isinstance(gate.asks(EYE, GetAccount(), client="e"), NotAllowed)
    assert isinstance(gate.asks(EYE, BUY, client="e"), NotAllowed)
    assert isinstance(gate.asks(EYE, GetSnapshot(("account",)), client="e"), NotAllowed)
    assert isinstance(gate.asks(ALICE, Halt()), NotAllowed)
    assert isinstance(gate.asks(ALICE, GetJournal()), NotAllowed)
    assert gate.calls() == [], "nothing of all that came to the session"
    assert gate.asks(ADAM, Halt("now"), client="a").halted
    assert isinstance(gate.asks(MALLORY, Ping(), client="m"), NotAllowed)
    assert [line.client for line in gate.audit if line.decision == "not_allowed"] == ["eye", "eye", "eye", "alice", "alice", ""]


def test_a_client_is_who_its_key_says(gate: Gate) -> None:
    gate.gateway.dealing.limits_changed(Limits(clients={"alice": ClientLimits(read_only=True)}), gate.now)
    gate.asks(ALICE, Hello("adam", "c1"))
    refusal = gate.asks(ALICE, BUY, "o1")
    assert refusal.details["rule"] == "read_only"
    assert gate.asks(ALICE, BUY, "o2", client=None).details["rule"] == "read_only", "nor without saying who it is"
    gate.asks(ADAM, Hello("alice", "c2"), client="c2")
    gate.asks(ADAM, BUY, "o3", client="c2")
    gate.say(done(gate.calls("order")[0]))
    assert [entry.intent.client for entry in gate.scribe.entries.values()] == ["adam"]


def test_who_steals_the_id_of_a_client_is_refused(gate: Gate) -> None:
    gate.asks(ALICE, Hello("alice", "c1"))
    assert isinstance(gate.asks(EYE, Ping(), client="c1"), NotAllowed)
    assert isinstance(gate.asks(EYE, Hello("alice", "c1"), client="other"), NotAllowed)
    assert isinstance(gate.asks(ALICE, Ping(), client="c1"), Pong)


def test_a_revoked_key_is_refused_and_cut_off(gate: Gate) -> None:
    gate.asks(ALICE, Hello("alice", "c1"))
    assert gate.subscribes(ALICE, b"tick:EURUSD\0")
    assert gate.subscribes(ADAM, b"tick:EURUSD\0")
    assert gate.connects(ALICE) == ADMITTED
    gate.allows(ADAM, EYE)
    assert CutEvents() in gate.actions
    topic = gate.gateway.topics.find("tick:EURUSD\0")
    assert topic is not None
    assert topic.subscribers == 0
    assert isinstance(gate.asks(ALICE, Ping()), NotAllowed)
    assert gate.connects(ALICE) == REFUSED
    assert not gate.subscribes(ALICE, b"tick:EURUSD\0")
    assert gate.subscribes(ADAM, b"tick:EURUSD\0"), "others come back"
    assert topic.subscribers == 1


def test_more_keys_cut_nobody_off(gate: Gate) -> None:
    gate.allows(ALICE, ADAM, EYE, MALLORY)
    assert CutEvents() not in gate.actions
    assert isinstance(gate.asks(MALLORY, Ping(), client="m"), Pong)


def test_a_list_that_cannot_be_read_changes_nothing(gate: Gate) -> None:
    assert gate.gateway.entrance is not None
    gate.gateway.entrance.changed(ConfigError("allowed.toml is not TOML", next_step="mend it"), gate.now)
    gate.take()
    assert isinstance(gate.asks(ALICE, Ping()), Pong)
    assert "stays as it was" in gate.bodies("log")[-1].message


def test_a_monitor_gets_no_events_of_the_account_and_ends_nobodys(gate: Gate) -> None:
    assert gate.subscribes(ALICE, b"account\0")
    for wire in (b"account\0", b"trade\0", b"log\0", b"", b"a"):
        assert not gate.subscribes(EYE, wire)
        assert not gate.subscribes(EYE, wire, ends=True)
    topic = gate.gateway.topics.find("account\0")
    assert topic is not None
    assert topic.subscribers == 1
    assert gate.subscribes(EYE, b"tick:EURUSD\0")
    assert gate.subscribes(EYE, b"tick:EURUSD\0", ends=True)


def test_a_flood_of_refusals_does_not_fill_the_audit(gate: Gate) -> None:
    before = len(gate.audit)
    for _ in range(10 * LINES):
        assert gate.connects(MALLORY) == REFUSED
    assert len(gate.audit) - before == LINES
    gate.run(PERIOD_S)
    gate.connects(ALICE)
    assert [line.detail for line in gate.audit[-2:]] == [
        f"{9 * LINES} more of the kind in the minute before", f"from 192.168.1.7 {ALICE.id[:16]}",
    ]  # fmt: skip
    assert gate.gateway.counters["connections_refused"] == 10 * LINES


def test_a_name_that_asks_too_often_is_told_when_to_come_back() -> None:
    gate = Gate(requests_per_s=2)
    assert [type(gate.asks(ALICE, Ping(), f"{place}")) for place in range(4)] == [Pong] * 4, "a burst"
    refusal = gate.asks(ALICE, BUY, "o1")
    assert isinstance(refusal, Busy)
    assert refusal.details["retry_after_ms"] == 500
    assert isinstance(gate.asks(ALICE, BUY, "o1", client="c2"), Busy), "another client with the same key"
    assert gate.calls() == [], "nothing of that came to the session"
    assert isinstance(gate.asks(EYE, Ping(), client="e"), Pong), "others are not concerned"
    assert [(line.client, line.method) for line in gate.audit if line.decision == "too_often"] == [("alice", "access")]
    assert gate.gateway.counters["too_often"] == 2
    gate.now += 0.5
    assert isinstance(gate.asks(ALICE, Ping()), Pong)


def test_who_may_halt_is_never_too_late() -> None:
    gate = Gate(requests_per_s=1)
    assert [isinstance(gate.asks(ADAM, Ping(), client="a"), Busy) for _ in range(3)] == [False, False, True]
    assert gate.asks(ADAM, Halt("now"), client="a").halted


def test_an_address_that_connects_too_often_is_to_come_later() -> None:
    gate = Gate(connections_per_s=1)
    assert [gate.connects(ALICE) for _ in range(12)] == [ADMITTED] * 10 + [LATER] * 2
    assert gate.gateway.counters["connections_refused"] == 1, "told once a second"
    gate.now += 1.0
    assert gate.connects(ALICE) == ADMITTED


def test_what_libzmq_remembers_of_refused_subscriptions_is_given_back(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.gateway.MOST_REFUSALS", 3)
    assert gate.subscribes(ALICE, b"tick:A\0")
    assert [gate.subscribes(EYE, b"trade\0") for _ in range(2)] == [False, False]
    assert CutEvents() not in gate.gateway.actions
    assert not gate.subscribes(ALICE, b"nonsense\0")
    assert CutEvents() in gate.gateway.actions
    gate.gateway.actions.clear()
    assert not gate.subscribes(ALICE, b"tick:A\0", ends=True), "nobody follows anything: all connections are new"
    assert gate.subscribes(ALICE, b"tick:A\0")
    assert CutEvents() not in gate.gateway.actions
