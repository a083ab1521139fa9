"""The tree of errors: what it promises to people and to the wire."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from bridge import errors
from bridge.errors import (
    ERRORS,
    BridgeError,
    CallError,
    InternalError,
    MustStop,
    OutcomeUnknown,
    TryAgain,
    UnknownSymbol,
    from_wire,
)

BRANCHES = {"fix": CallError, "retry": TryAgain, "look": OutcomeUnknown, "stop": MustStop}


def test_message_and_next_step() -> None:
    error = UnknownSymbol("no symbol 'GOLD'", next_step="ask for symbols", request_id="a1", symbol="GOLD")
    assert str(error) == "no symbol 'GOLD'; ask for symbols"
    assert str(UnknownSymbol("no symbol 'GOLD'")) == "no symbol 'GOLD'"
    assert (error.request_id, error.details) == ("a1", {"symbol": "GOLD"})


def test_codes_are_unique_and_in_snake_case() -> None:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BridgeError)]
    assert len(found) == len(ERRORS)
    for code, kind in ERRORS.items():
        assert kind.code == code
        if kind is not BridgeError:
            assert code == re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


@pytest.mark.parametrize("kind", [kind for kind in ERRORS.values() if kind is not BridgeError])
def test_the_class_decides_the_action(kind: type[BridgeError]) -> None:
    assert issubclass(kind, BRANCHES[kind.action])
    assert sum(issubclass(kind, branch) for branch in BRANCHES.values()) == 1


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: list[tuple[str, int]] = []
    for line in (errors.__doc__ or "").split("```")[1].strip().splitlines():
        match = re.match(r"[│├└─ ]*", line)
        assert match is not None
        drawn.append((line[match.end() :].split()[0], match.end() // 4))
    path: list[str] = []
    parents: dict[str, str | None] = {}
    for name, depth in drawn:
        del path[depth:]
        parents[name] = path[-1] if path else None
        path.append(name)
    assert parents == {kind.__name__: None if kind is BridgeError else kind.__bases__[0].__name__ for kind in ERRORS.values()}


@pytest.mark.parametrize("kind", ERRORS.values())
def test_an_error_survives_copies_and_processes(kind: type[BridgeError]) -> None:
    error = kind("what", next_step="then", request_id="a1", retcode=10019, message_id=3)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert vars(twin) == vars(error)


def test_details_may_have_any_name_when_they_come_from_the_wire() -> None:
    details = {"message": "m", "next_step": "n", "request_id": "r", "self": 1}
    error = from_wire("busy", "retry", "what", "then", details, "a1")
    assert type(error) is errors.Busy
    assert (error.message, error.next_step, error.request_id, error.details) == ("what", "then", "a1", details)
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)


@pytest.mark.parametrize(("action", "branch"), BRANCHES.items())
def test_an_unknown_code_becomes_its_branch(action: str, branch: type[BridgeError]) -> None:
    assert type(from_wire("new_code", action, "what", "", {}, None)) is branch


def test_an_unknown_action_stops() -> None:
    assert type(from_wire("new_code", "dance", "what", "", {}, None)) is MustStop
    assert type(from_wire("internal_error", "dance", "what", "", {}, None)) is InternalError
