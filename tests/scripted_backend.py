"""A Backend that answers from a table and remembers what it was asked."""

from __future__ import annotations

from typing import Any

from bridge.mt5api.backend import LinkLost, OpenFailed

BUILD_ANSWER = (1, "Success", [500, 5260, "05 Sep 2025"])


class ScriptedBackend:
    """`answers`: function to the reply `(code, text, value)`, or to a LinkLost to raise.  `reachable`: whether open() succeeds."""

    def __init__(self, answers: dict[str, Any] | None = None, *, reachable: bool = True, connected: bool = False) -> None:
        self.answers: dict[str, Any] = {"initialize": (1, "Success", True), "version": BUILD_ANSWER, **(answers or {})}
        self.reachable = reachable
        self.asked: list[tuple[str, list[Any]]] = []
        self.connected = connected

    def open(self, path: str | None) -> None:
        if not self.reachable:
            raise OpenFailed(f"Process create failed '{path}'" if path else "MetaTrader 5 x64 not found")
        self.connected = True

    def call(self, function: str, args: list[Any]) -> tuple[int, str, Any]:
        self.asked.append((function, args))
        answer = self.answers[function]
        if isinstance(answer, LinkLost):
            self.connected = False
            raise answer
        code, text, value = answer
        return code, text, value

    def close(self) -> None:
        self.connected = False
