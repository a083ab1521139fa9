"""The kill switch: whether trading is halted, since when, why and by whom. No I/O.

It has to outlive the bridge: `note` is what is kept of it (a `Note` named `NOTE` in the journal), `restored` takes it up again.
Something kept that cannot be read means halted, for the one that did not want trading must not lose that to a damaged file.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from bridge.errors import TradingHalted
from bridge.replies import TradingState

NOTE = "halted"
"""The name under which it is kept."""
LONGEST_REASON = 200
RESUME = "`mt5bridge resume` when the cause is cured"


class Halt:
    """The switch. Whoever changes it keeps its `note`."""

    def __init__(self, state: TradingState | None = None) -> None:
        self.state = state or TradingState()

    def __bool__(self) -> bool:
        return self.state.halted

    def halt(self, reason: str, by: str, now_msc: int) -> TradingState:
        """No order that opens anything is sent from now on. Halted already: since when stays, and a reason that is given counts;
        `by` is who gave it."""
        before = self.state
        reason = " ".join(reason.split())[:LONGEST_REASON]
        if not before.halted:
            self.state = TradingState(True, now_msc, reason, by)
        elif reason and reason != before.reason:
            self.state = replace(before, reason=reason, by=by)
        return self.state

    def resume(self, by: str, now_msc: int) -> TradingState:
        """Trade on. Resumed already: nothing changes."""
        if self.state.halted or self.state.since_msc is None:
            self.state = TradingState(False, now_msc, "", by)
        return self.state

    def check(self) -> None:
        """Raises `TradingHalted`."""
        if self.state.halted:
            state = self.state
            raise TradingHalted(
                f"{words(state)}; nothing was sent", next_step=RESUME,
                rule="halt", since_msc=state.since_msc, reason=state.reason, by=state.by,
            )  # fmt: skip

    def note(self) -> str:
        """What is to be kept."""
        return msgspec.json.encode(self.state).decode()

    def restored(self, note: str | None, now_msc: int) -> None:
        """Take up what was kept before the bridge started; None: nothing was. A switch that was thrown since stays."""
        if note is None or self.state.since_msc is not None:
            return
        try:
            self.state = msgspec.json.decode(note, type=TradingState)
        except msgspec.MsgspecError:
            self.state = TradingState(True, now_msc, "whether trading was halted cannot be read any more", "the bridge")


def words(state: TradingState) -> str:
    """For people, in one line."""
    if not state.halted:
        return "trading is not halted"
    by = f" by {state.by}" if state.by else ""
    return f"trading was halted{by}{f': {state.reason}' if state.reason else ''}"
