"""A subscriber as a process of its own: `python -m tests.receiver ENDPOINT TOPIC…`.

Says `subscribed` when it is; at the first line on its standard input it takes what is still coming, until that is nothing for a
while, and says in one JSON object what it got: the tick records of each symbol in hexadecimal, gaps and counters.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from dataclasses import asdict

from clients import Client
from clients.events import Gap, Ticks

QUIET_S = 3.0


def _wait(ending: threading.Event) -> None:
    sys.stdin.readline()
    ending.set()


def main(endpoint: str, *topics: str) -> None:
    """Receive until told."""
    ending = threading.Event()
    threading.Thread(target=_wait, args=(ending,), daemon=True).start()
    ticks: dict[str, bytearray] = defaultdict(bytearray)
    gaps: list[str] = []
    with Client(endpoint, name="receiver") as client, client.subscribe(*topics) as feed:
        sys.stdout.write("subscribed\n")
        sys.stdout.flush()
        while True:
            item = feed.get(QUIET_S if ending.is_set() else 0.2)
            if isinstance(item, Gap):
                gaps.append(repr(item))
            elif isinstance(item, Ticks) and not item.snapshot:
                ticks[item.symbol] += item.records
            elif item is None and ending.is_set():
                break
        records = {symbol: rows.hex() for symbol, rows in ticks.items()}
        sys.stdout.write(json.dumps({"ticks": records, "gaps": gaps, "counters": asdict(feed.counters)}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
