"""How often somebody may do something: a token bucket for each name, https://en.wikipedia.org/wiki/Token_bucket. No I/O.

A name starts with a full bucket, so a burst passes at once; in the long run so many a second pass as flow in. A bucket that is full
again says nothing that a new one would not say, so those longest unused are forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict

NAMES = 10_000
"""So many are remembered."""
TOLD_S = 1.0
"""That somebody is over the limit is worth a word this often."""


class Bucket:
    """`tokens` there were at `at_s`; when it was last told that they were not enough."""

    __slots__ = ("at_s", "tokens", "told_s")

    def __init__(self, tokens: float, at_s: float) -> None:
        self.tokens, self.at_s, self.told_s = tokens, at_s, float("-inf")


class Rates:
    """So many a second for each name, after a burst; 0 is no limit. Times are in seconds of a clock that does not go back."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = max(1.0, burst)
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, now: float) -> float:
        """Do it once: 0 when that is within the limit, else in how many seconds it would be; then nothing was taken."""
        if not self._per_s:
            return 0.0
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self._burst, now)
            if len(self._buckets) > NAMES:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at_s) * self._per_s)
            bucket.at_s = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        return (1.0 - bucket.tokens) / self._per_s

    def used_up(self, name: str, now: float) -> bool:
        """Whether `take` would refuse; nothing is taken."""
        bucket = self._buckets.get(name)
        return bucket is not None and min(self._burst, bucket.tokens + (now - bucket.at_s) * self._per_s) < 1.0

    def worth_a_word(self, name: str, now: float) -> bool:
        """Whether it was not said within the last second that this one is over its limit; it is then."""
        bucket = self._buckets[name]
        if now - bucket.told_s < TOLD_S:
            return False
        bucket.told_s = now
        return True
