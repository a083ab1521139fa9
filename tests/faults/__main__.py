"""`python -m tests.faults NAME [--count N] [--seed S] [--json]`: exit code 0 only if nothing was wrong."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
from collections.abc import Sequence

from tests.faults.table import RUNS, SMOKE, outcome_of, smoke


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    given = _parsed(arguments)
    told = sys.stderr if given.json else sys.stdout
    print(f"{given.name}: seed {given.seed}", file=told, flush=True)
    outcome = smoke(given.seed) if given.name == SMOKE else outcome_of(given.name, RUNS[given.name], given.seed, given.count)
    if given.json:
        print(json.dumps(outcome.as_object()), flush=True)
        for text in outcome.wrong:
            print(f"WRONG: {text}", file=sys.stderr, flush=True)
        for name, reason in outcome.skipped.items():
            print(f"SKIPPED: {name}: {reason}", file=sys.stderr, flush=True)
    else:
        print("\n".join(outcome.as_lines()), flush=True)
    return 0 if outcome.ok else 1


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [*RUNS, SMOKE]
    known = "\n".join(f"  {name:14} {entry.what} [{entry.count}]" for name, entry in RUNS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Inject faults into real processes and look at what they promised.",
        epilog=f"runs, with the number of faults:\n{known}\n  {SMOKE:14} each of them once, small",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="which run")
    parser.add_argument("--count", type=int, metavar="N", help="how many faults to inject")
    parser.add_argument("--seed", type=int, metavar="S", help="of the faults and their instants [another one each time]")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    given = parser.parse_args(arguments)
    if given.name not in names:
        parser.error(f"there is no run {given.name!r}; there are {', '.join(names)}")
    if given.count is not None and (given.count < 1 or given.name == SMOKE):
        parser.error("--count is a number from 1 on" if given.name != SMOKE else "--count is not for smoke, which is small")
    if given.count is None and given.name != SMOKE:
        given.count = RUNS[given.name].count
    if given.seed is None:
        given.seed = random.SystemRandom().randrange(2**31)
    return given


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended on the way out
    sys.exit(main())
