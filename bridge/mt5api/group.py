"""The group filter of positions_get, orders_get, history_orders_get and history_deals_get.

The package evaluates `group=` itself, on what the terminal returned, and differs from its documentation: see `group_match`.
"""

from __future__ import annotations

TOKEN_CHARACTERS = 255


def group_match(group: str, symbol: str) -> bool:
    """Whether a symbol passes a group such as `"*USD*,!*JPY*"`, as MetaTrader5 5.0.6231 decides it.

    Conditions are separated by commas, spaces around them are ignored, case counts.  `*` stands for any characters anywhere;
    without it a condition matches the exact name only, so `"*,!EUR"` does not exclude EURUSD.  A condition that starts with `!`
    excludes, wherever it stands.  A group of exclusions alone, or an empty one, matches nothing.
    """
    included = False
    for part in group.split(","):
        condition = part.strip(" ")[:TOKEN_CHARACTERS]
        if condition and _matches(condition.lstrip("!"), symbol):
            if condition[0] == "!":
                return False
            included = True
    return included


def _matches(pattern: str, symbol: str) -> bool:
    """Compare one condition with a name, without going back in the name.

    Where a literal run after a star breaks off, the pattern returns to its star but the name does not to where the run
    began: `*AA` does not match AAA.  That is the extension's behaviour, kept on purpose.
    """
    at = star = _skip_stars(pattern, 0)
    anchored = at == 0  # no star seen yet: the name has to match from here, character by character
    position = 0
    while position < len(symbol):
        if at == len(pattern):
            return True  # also the empty pattern: '!' alone excludes everything
        if symbol[position] != pattern[at]:
            if anchored:
                return False
            position += 1
            continue
        at, position = _literal_run(pattern, at, symbol, position)
        if at == len(pattern) and position == len(symbol):
            return True
        if position < len(symbol) and (at == len(pattern) or pattern[at] != "*"):
            if anchored:
                return False
            at = star
        if position == len(symbol):
            return _skip_stars(pattern, at) == len(pattern)
        after = _skip_stars(pattern, at)
        if after > at:
            at = star = after
            anchored = False
    return _skip_stars(pattern, at) == len(pattern)


def _literal_run(pattern: str, at: int, symbol: str, position: int) -> tuple[int, int]:
    """Advance both while they agree and the pattern has no star."""
    while at < len(pattern) and position < len(symbol) and pattern[at] != "*" and pattern[at] == symbol[position]:
        at += 1
        position += 1
    return at, position


def _skip_stars(pattern: str, at: int) -> int:
    while at < len(pattern) and pattern[at] == "*":
        at += 1
    return at
