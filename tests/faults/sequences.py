"""What each fault has to announce on `connection`, and nothing else: one event for each change.

A state may be told again where something beside it changed (a condition, the clock, a higher number of the attempt); the same words
twice in a row are wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from bridge.replies import ConnectionState

Word = tuple[str, str]
"""State and reason."""

LOST = ("reconnecting", "link_lost")
HUNG = ("reconnecting", "session_hung")
BROKER_DOWN = ("degraded", "broker_down")
WRONG_ACCOUNT = ("degraded", "wrong_account")
CONNECTING = ("connecting", "")
CONNECTED = ("connected", "")
NOTHING = "nothing"
"""In place of a fault: one that was over before anybody could see it."""

EXPECTED: dict[str, list[Word]] = {
    "hang": [HUNG, CONNECTING, CONNECTED],
    "broker": [BROKER_DOWN, CONNECTED],
    "account": [WRONG_ACCOUNT, CONNECTED],
    NOTHING: [],
}
"""What each kind of fault causes; a killed terminal causes any number of attempts (`_is_reconnection`)."""


def word(state: ConnectionState) -> Word:
    """State and reason; the reason does not matter where all is well or only tried."""
    return state.state, "" if state.state in ("connected", "connecting") else state.reason


def told(states: Iterable[ConnectionState]) -> str:
    """What was announced, in one line."""
    return " > ".join(f"{state.state}/{state.reason or '-'}#{state.attempt}" for state in states) or "nothing"


def repeated(states: Sequence[ConnectionState]) -> list[str]:
    """Announcements that say again what the one before them said."""
    return [
        f"announced twice: {told((before, after))}"
        for before, after in pairwise(states)
        if replace(before, at_msc=0) == replace(after, at_msc=0)
    ]


def changes(states: Iterable[ConnectionState]) -> list[ConnectionState]:
    """The announcements that change state, reason or the attempt."""
    found: list[ConnectionState] = []
    for state in states:
        if not found or (word(found[-1]), found[-1].attempt) != (word(state), state.attempt):
            found.append(state)
    return found


def wrong(kind: str, before: ConnectionState, states: Sequence[ConnectionState]) -> list[str]:
    """What is wrong with the announcements from a fault of this kind to the next one, with the last one `before` it; empty if
    nothing is."""
    found = repeated([before, *states])
    seen = changes([before, *states])[1:]
    words = [word(state) for state in seen]
    if not (_is_reconnection(words) if kind == "kill" else words == EXPECTED[kind]):
        found.append(f"{kind}: announced {told(states)}")
    for state in ("reconnecting", "connecting"):
        attempts = [item.attempt for item in seen if item.state == state]
        if attempts != sorted(set(attempts)):
            found.append(f"{kind}: the attempts do not count up: {told(states)}")
    found += [
        f"{kind}: {item.state} says trading {item.trading}" for item in seen if item.trading is not (item.state == "connected")
    ]
    return found


def _is_reconnection(words: list[Word]) -> bool:
    """Lost once, then attempts in turns, the last of which succeeds."""
    if len(words) < 3 or words[0] != LOST or words[-1] != CONNECTED:
        return False
    turns = [state for state, _ in words[:-1]]
    return len(turns) % 2 == 0 and turns == ["reconnecting", "connecting"] * (len(turns) // 2)
