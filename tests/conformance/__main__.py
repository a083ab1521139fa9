"""`python -m tests.conformance bridge [--endpoint E] [--symbol S] [--json]`: exit code 0 only if the bridge did everything."""

from __future__ import annotations

import argparse
import sys

from tests.conformance.against_bridge import as_json, play
from tests.conformance.scenario import scenarios


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Play scenarios against a bridge.")
    parser.add_argument("kind", choices=["bridge"])
    parser.add_argument("--endpoint", default="tcp://127.0.0.1:5555", help="of the bridge's requests; it trades on a DEMO account")
    parser.add_argument("--symbol", default="BTCUSD", help="one that is quoted now")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    failed = 0
    for scenario in scenarios(given.kind):
        wrong = play(scenario, given.endpoint, given.symbol)
        failed += bool(wrong)
        print(
            as_json(scenario, wrong)
            if given.json
            else f"{'FAILED' if wrong else 'ok':6} {scenario.name}{f': {wrong}' if wrong else ''}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
