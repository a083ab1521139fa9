"""Subscribers as processes of their own: `python -m tests.receiver ENDPOINT FOLDER TOPIC…`, and with `--rejoin SEED` before it one
that comes and goes.

The first says `subscribed`, then how far it is, in lines of numbers: the monotonic clock in seconds, and for each topic the server
time of its last tick (ms) or bar (s). At the first line on its standard input it takes what is still coming, until that is nothing
for a while, and ends. The other subscribes, receives for a moment, leaves, and begins
again, and ends at once when told. What was received is in `FOLDER/received.json`, a list with a `Part` for each subscription;
how late live events were, in `FOLDER/lateness.bin`, pairs of doubles: monotonic seconds, and milliseconds.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bridge.errors import BridgeError
from bridge.ticks import RECORD_BYTES
from clients import Client
from clients.events import Bars, Gap, Item, Ticks
from clients.subscription import Subscription

QUIET_S = 1.0
TURN_S = 0.2
TELL_S = 0.01
STAY_S = (0.1, 3.0)
TIMEOUT_S = 5.0


@dataclass(slots=True)
class Part:
    """What came of one subscription. `began` has the record that a topic's first snapshot ended with, `records` all that came after
    it, both in hexadecimal; `restarts` how often a topic began anew of which nothing had come yet."""

    began: dict[str, str] = field(default_factory=dict)
    records: dict[str, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    restarts: int = 0
    snapshots: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    clients_counters: dict[str, int] = field(default_factory=dict)


class Receiving:
    """Takes the events of one subscription."""

    def __init__(self, topics: tuple[str, ...]) -> None:
        self.part = Part()
        self.newest = dict.fromkeys(topics, 0)
        self.lateness = array("d")
        self._records: dict[str, bytearray] = {topic: bytearray() for topic in topics}

    def take(self, item: Item) -> None:
        """One event."""
        if isinstance(item, Gap):
            if item.reason == "epoch" and not self._records[item.topic] and item.topic not in self.part.began:
                self.part.restarts += 1
            else:
                self.part.gaps.append(repr(item))
        elif isinstance(item, Ticks | Bars):
            self.newest[item.topic] = item.last.time_msc if isinstance(item, Ticks) else item.last.time
            if not item.snapshot:
                self._records[item.topic] += item.records
                if not item.flags:
                    self.lateness.extend((time.monotonic(), (time.time_ns() / 1e3 - item.time_us) / 1e3))
            elif item.topic not in self.part.began:
                self.part.began[item.topic] = bytes(item.records[-RECORD_BYTES:]).hex()
            else:
                self.part.snapshots += 1

    def finish(self, client: Client, feed: Subscription) -> Part:
        """All of it."""
        self.part.records = {topic: rows.hex() for topic, rows in self._records.items()}
        self.part.counters = asdict(feed.counters)
        self.part.clients_counters = asdict(client.counters)
        return self.part


def stay(endpoint: str, topics: tuple[str, ...], ended: Callable[[], bool], folder: Path) -> list[Part]:
    """One subscription, from the beginning to the end."""
    receiving = Receiving(topics)
    told_s = 0.0
    with Client(endpoint, name="receiver", timeout_s=TIMEOUT_S) as client, client.subscribe(*topics) as feed:
        tell("subscribed")
        quiet_since_s = 0.0
        while True:
            item = feed.get(TURN_S)
            now = time.monotonic()
            if item is not None:
                receiving.take(item)
                quiet_since_s = now
            elif ended() and now - quiet_since_s > QUIET_S:
                break
            if now - told_s > TELL_S and not feed.queued:
                told_s = now
                tell(f"{now:.4f} {' '.join(map(str, receiving.newest.values()))}")
        folder.joinpath("lateness.bin").write_bytes(receiving.lateness.tobytes())
        return [receiving.finish(client, feed)]


def come_and_go(endpoint: str, topics: tuple[str, ...], ended: Callable[[], bool], seed: int) -> list[Part]:
    """One subscription after the other, each of a client of its own."""
    dice = random.Random(seed)
    parts: list[Part] = []
    tell("subscribed")
    while not ended():
        try:
            with Client(endpoint, name="late", timeout_s=TIMEOUT_S) as client, client.subscribe(*topics) as feed:
                receiving = Receiving(topics)
                until_s = time.monotonic() + dice.uniform(*STAY_S)
                while (left_s := until_s - time.monotonic()) > 0 and not ended():
                    item = feed.get(min(left_s, TURN_S))
                    if item is not None:
                        receiving.take(item)
                while feed.queued and (item := feed.get()) is not None:
                    receiving.take(item)
                parts.append(receiving.finish(client, feed))
        except BridgeError:  # there is no bridge now
            time.sleep(0.1)
    return parts


def tell(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _wait(ending: threading.Event) -> None:
    sys.stdin.readline()
    ending.set()


def main(arguments: list[str]) -> None:
    """Receive until told."""
    ending = threading.Event()
    threading.Thread(target=_wait, args=(ending,), daemon=True).start()
    seed = int(arguments[1]) if arguments[0] == "--rejoin" else None
    endpoint, folder, *topics = arguments if seed is None else arguments[2:]
    if seed is None:
        parts = stay(endpoint, tuple(topics), ending.is_set, Path(folder))
    else:
        parts = come_and_go(endpoint, tuple(topics), ending.is_set, seed)
    Path(folder, "received.json").write_text(json.dumps([asdict(part) for part in parts]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
