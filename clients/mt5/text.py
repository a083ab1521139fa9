"""Text as it can travel: the protocol has UTF-8, the package has UTF-16 and does not look at it."""

from __future__ import annotations

from typing import Any


def plain(args: list[Any]) -> list[Any]:
    """Arguments that can travel: half of a surrogate pair, which is in no name, becomes the sign for what cannot be read."""
    return [plain(value) if isinstance(value, list) else text(value) for value in args]


def text(value: Any) -> Any:
    """The same for one value."""
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value
