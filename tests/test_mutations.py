"""The messages of the fuzz run: many kinds, the same for the same dice; and what the codec makes of them, in this process."""

from __future__ import annotations

import random
from collections import Counter

from bridge import codec
from bridge.errors import BridgeError
from tests.faults.mutations import ORDERS, REQUESTS, Mutator


def test_the_same_dice_make_the_same_messages() -> None:
    first, second, other = (Mutator(random.Random(seed)) for seed in (1, 1, 2))
    made = [
        [(mutator.request(), mutator.subscription(), mutator.greeting()) for _ in range(50)] for mutator in (first, second, other)
    ]
    assert made[0] == made[1] != made[2]


def test_the_codec_reads_or_refuses_each() -> None:
    mutator = Mutator(random.Random(3))
    outcomes: Counter[str] = Counter()
    for _ in range(8_000):
        _, frames = mutator.request()
        try:
            message = codec.decode_request(frames[0])
            codec.decode_params(message.method, message.params)
        except BridgeError as error:
            outcomes[error.code] += 1
        else:
            outcomes["read"] += 1
    assert {"read", "malformed_message", "wrong_protocol", "unknown_method", "invalid_parameters"} <= set(outcomes), outcomes
    assert outcomes["malformed_message"] > 500
    assert outcomes["read"] > 500, "some have to come through, or nothing behind the codec is tried"


def test_every_request_is_changed() -> None:
    mutator = Mutator(random.Random(4))
    assert {type(request).method for request in (*REQUESTS, *ORDERS)} >= {"order", "order_check", "ticks", "replay", "snapshot"}
    kinds = Counter(mutator.request()[0] for _ in range(2_000))
    assert set(kinds) == {"tree", "bytes", "random", "parts", "valid"}
    assert set(Counter(mutator.subscription()[0] for _ in range(500))) == {"valid", "topic", "bytes", "junk"}
    assert set(Counter(mutator.greeting()[0] for _ in range(500))) == {"greeting", "command", "random", "other"}
