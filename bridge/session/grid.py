"""Numbers that have to be multiples of a step: volumes of the volume step, prices of the tick size. Pure.

Decimal fractions are not exact as floats: 0.1 + 0.2 is 0.30000000000000004. What is off its grid by no more than that is put on it.
"""

from __future__ import annotations

import math
from decimal import Decimal

NEARLY = 1e-9
"""Part of a step by which a number may be off its grid."""
_ROUNDINGS = 8
"""Rounding errors of a short calculation with large numbers, in units in the last place."""


def tolerance(value: float, step: float) -> float:
    """By how much a value may miss its grid and still be meant to be on it."""
    return max(NEARLY * step, _ROUNDINGS * math.ulp(value))


def rounded(value: float, step: float) -> float:
    """The multiple of `step` that is nearest to `value`, free of binary noise; the value itself where the step is not known (0)."""
    if not step > 0 or not math.isfinite(value):
        return value
    return _multiple(round(value / step), step)


def beyond(value: float, step: float, up: float) -> float:
    """The first multiple of `step` at `value` or further in the direction `up` (1 or -1)."""
    if not step > 0 or not math.isfinite(value):
        return value
    steps = value / step
    nearest = round(steps)
    if abs(steps - nearest) > 1e-4:  # less is rounding
        nearest = math.ceil(steps) if up > 0 else math.floor(steps)
    return _multiple(nearest, step)


def _multiple(number: int, step: float) -> float:
    """By decimals, as the step is written: 3 * 0.1 is 0.3."""
    return float(number * Decimal(repr(float(step))))
