"""Orders through crashes, lost replies and repetitions: every interleaving to a small depth, and random long ones.

`python -m tests.exploration --depth N` goes deeper.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.placement import comment_token
from tests.exploration import System, explore, replayed


def test_every_interleaving() -> None:
    explored = explore(4)
    assert explored.wrong == []
    assert explored.states > 200, "the same as ever has to be explored"


def test_an_order_that_was_executed_twice_would_be_seen() -> None:
    system = replayed(("ask:0", "commit", "durable", "session"))
    system.terminal.executed *= 2
    system.settle()
    assert any("was executed 2 times" in text for text in system.wrong())


def test_a_deal_that_nobody_ordered_would_be_seen() -> None:
    system = replayed(("ask:0", "commit", "durable", "session"))
    system.settle()
    assert system.wrong() == []
    del system.scribe.entries["order-0"]
    assert any("does not explain" in text for text in system.wrong())


def test_what_was_not_sent_is_sent_when_it_is_asked_for_again_after_a_restart() -> None:
    path = ("ask:0", "commit", "kill session", "durable", "commit", "durable", "kill bridge")
    system = replayed(path)
    assert [entry.settlement and entry.settlement.kind for entry in system.scribe.entries.values()] == ["not_sent"]
    system.settle()
    assert system.wrong() == []
    assert len(system.terminal.executed) == 2


def test_clients_have_tokens_of_their_own() -> None:
    assert len({comment_token(f"order-{number}", "") for number in range(10_000)}) > 9_990


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_random_interleavings_of_many_clients(data: st.DataObject) -> None:
    system = System(clients=4, asks=5, losses=6, crashes=5)
    path = []
    for _ in range(data.draw(st.integers(0, 60))):
        steps = sorted(system.steps())
        if not steps:
            break
        step = data.draw(st.sampled_from(steps))
        path.append(step)
        system.step(step)
    system.settle()
    assert system.wrong() == [], path
