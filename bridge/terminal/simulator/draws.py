"""Randomness by position: the draw at an index depends on the key and the index alone, never on what was drawn before.

The bits come from the SplitMix64 finaliser (Steele, Lea, Flood 2014) applied to `key + index * golden ratio`.  Other
distributions are read from tables of quantiles, so that every value is reached by integer arithmetic, look-ups and the
IEEE operations + - * / sqrt alone: these give the same bits for one element as for a million, on every machine, which
vectorised exp, log and cos do not promise.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TABLE_BITS = 12
TABLE_SIZE = 1 << TABLE_BITS
_MASK = np.uint64(TABLE_SIZE - 1)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


def key_of(*parts: str | int) -> np.uint64:
    """The 64-bit key of a stream of draws, from what names it: seed, symbol, purpose."""
    text = "\x1f".join(str(part) for part in parts)
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def bits_at(key: np.uint64, index: Ints) -> Bits:
    """64 random bits for each index, same shape."""
    x = index.astype(np.uint64)
    x *= _GOLDEN
    x += key
    x ^= x >> _30
    x *= _MIX_1
    x ^= x >> _27
    x *= _MIX_2
    x ^= x >> _31
    return x


def quantile(bits: Bits, slot: int = 0) -> npt.NDArray[np.intp]:
    """A uniform number 0 … 4095 for each element; slots 0 … 4 use different bits."""
    return ((bits >> np.uint64(TABLE_BITS * slot)) & _MASK).astype(np.intp)


def uniform(bits: Bits) -> Floats:
    """Uniform numbers in [0, 1), from the upper 28 bits (independent of quantile slots 0 to 2)."""
    return (bits >> np.uint64(36)).astype(np.float64) / (1 << 28)


def _midpoints() -> list[float]:
    return [(i + 0.5) / TABLE_SIZE for i in range(TABLE_SIZE)]


def _normal_table() -> Floats:
    table = np.array([NormalDist().inv_cdf(u) for u in _midpoints()])
    return table / math.sqrt(float(np.mean(table**2)))


NORMAL = _normal_table()
"""Quantiles of the standard normal distribution, with variance 1."""

NORMAL_STEPS = np.rint(NORMAL * (1 << 20)).astype(np.int64)
"""The same as integers, in units of 2**-20: their sums are exact in any order."""

RAYLEIGH2 = np.array([-2.0 * math.log(u) for u in _midpoints()])
"""Quantiles of -2 ln U: for a bridge of variance v and length d, (d + sqrt(d² + v·this)) / 2 is its maximum."""


@lru_cache(maxsize=256)
def lognormal_table(sd: float) -> Floats:
    """Quantiles of exp(sd · Z), Z standard normal."""
    return np.array([math.exp(sd * z) for z in NORMAL.tolist()])


def stepped_table(*levels: tuple[float, int]) -> Ints:
    """Quantiles of an integer that takes `value` with `share`, given as (share, value) pairs; shares add up to 1."""
    ends = np.cumsum([share for share, _ in levels])
    positions = np.searchsorted(ends, _midpoints(), side="left")
    return np.array([value for _, value in levels], np.int64)[np.minimum(positions, len(levels) - 1)]


class LogNoise:
    """A positive noise over an integer index whose logarithm is a moving average of normal draws.

    `sd` is the standard deviation of the logarithm; neighbours at distance k correlate about exp(-k / `reach`);
    a part `share` of the variance comes from `common`, a key that several symbols have, the rest from `own`.
    """

    def __init__(self, common: np.uint64, own: np.uint64, *, sd: float, reach: float, share: float) -> None:
        taps = [math.exp(-k / reach) for k in range(max(1, round(3 * reach)))] if reach > 0 else [1.0]
        norm = math.sqrt(sum(tap * tap for tap in taps))
        self._sources = [
            (key, [lognormal_table(sd * math.sqrt(part) * tap / norm) for tap in taps])
            for key, part in ((common, share), (own, 1.0 - share))
            if part > 0.0 and sd > 0.0
        ]

    def at(self, index: Ints) -> Floats:
        """The noise at each index, same shape."""
        value = np.ones(index.shape)
        for key, tables in self._sources:
            for back, table in enumerate(tables):
                value *= table[quantile(bits_at(key, index - back))]
        return value
