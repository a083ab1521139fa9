"""Failures of a call of the API as the terminal reports them in last_error (MQL5: Python, last_error)."""

from __future__ import annotations

from typing import ClassVar


class CallFailed(Exception):
    """The call has no result; `error` is the code and the text that last_error then shows."""

    error: ClassVar[tuple[int, str]] = (-1, "Terminal: Call failed")


class NoHistory(CallFailed):
    """The terminal has no data for the whole interval."""


class BadParameters(CallFailed):
    """A parameter has no meaning, such as a count of zero or an unknown timeframe."""

    error = (-2, "Terminal: Invalid params")


class TooMuch(CallFailed):
    """More rows than one answer holds."""

    error = (-3, "Terminal: Out of memory")


class NotFound(CallFailed):
    """There is no such symbol or ticket."""

    error = (-4, "Terminal: Not found")


class NotAuthorized(CallFailed):
    """Login, password or server are wrong."""

    error = (-6, "Terminal: Authorization failed")


class PythonDisabled(CallFailed):
    """The terminal's option "Disable algorithmic trading via external Python API" is on."""

    error = (-8, "Auto-Trading using Python API disabled in Terminal")
