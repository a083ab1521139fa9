"""Orders that nobody waits for any more: their caller was cancelled or interrupted after they had left."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from bridge.errors import OutcomeUnknown
from clients.calls import Call, unknown_outcome

REMEMBERED = 100
_log = logging.getLogger(__name__)


class Abandoned:
    """The newest of them, as the error that their caller did not get; each is told in the log, too."""

    def __init__(self) -> None:
        self._errors: deque[OutcomeUnknown] = deque(maxlen=REMEMBERED)

    def note(self, call: Call[Any]) -> None:
        """Nobody waits for this call any more."""
        if call.is_order and call.sent_s is not None:
            error = unknown_outcome(call, "nobody waited for its answer any more")
            self._errors.append(error)
            _log.warning("%s", error)

    def __call__(self) -> tuple[OutcomeUnknown, ...]:
        """Oldest first."""
        return tuple(self._errors)
