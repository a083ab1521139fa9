"""`python -m tests.conformance bridge [--endpoint E] [--symbol S]` plays scenarios against a bridge, `python -m tests.conformance
client [--without FEATURE] -- COMMAND …` against a client; exit code 0 only if everything was as it has to be."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable

from tests.conformance import against_bridge, against_client
from tests.conformance.scenario import Scenario, scenarios


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="Play scenarios against a bridge or a client.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    bridge = kinds.add_parser("bridge", help="against a bridge; it trades on a DEMO account")
    bridge.add_argument("--endpoint", default="tcp://127.0.0.1:5555", help="of the bridge's requests")
    bridge.add_argument("--symbol", default="BTCUSD", help="one that is quoted now")
    client = kinds.add_parser("client", help="against a client that is driven by lines of JSON")
    client.add_argument("--without", action="append", default=[], help="a feature that the client need not have: concurrency")
    client.add_argument("--jobs", type=int, default=4, help="programs at a time")
    client.add_argument("command", nargs="+", help="what starts the client, behind --")
    for kind in (bridge, client):
        kind.add_argument("--json", action="store_true", help="an object a line")
        kind.add_argument("--only", default="", help="scenarios with this in their name")
    given = parser.parse_args()
    wanted = [scenario for scenario in scenarios(given.kind) if given.only in scenario.name]
    if given.kind == "bridge":
        return told(given, ((scenario, against_bridge.play(scenario, given.endpoint, given.symbol)) for scenario in wanted))
    wanted = [scenario for scenario in wanted if not set(scenario.needs) & set(given.without)]
    return told(given, against_client.play_all(wanted, given.command, jobs=given.jobs))


def told(given: argparse.Namespace, outcomes: Iterable[tuple[Scenario, str]]) -> int:
    """Print what came of each."""
    failed = passed = 0
    for scenario, wrong in outcomes:
        failed += bool(wrong)
        passed += not wrong
        body = {"scenario": scenario.name, "title": scenario.title, "ok": not wrong, "wrong": wrong}
        line = f"{'FAILED' if wrong else 'ok':6} {scenario.name}{f': {wrong}' if wrong else ''}"
        print(json.dumps(body) if given.json else line, flush=True)
    summary = {"passed": passed, "failed": failed}
    print(json.dumps(summary) if given.json else f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
