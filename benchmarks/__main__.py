"""`python -m benchmarks [NAME…] [--json] [--quick]`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import click

from benchmarks.machine import describe, one_line
from benchmarks.report import as_lines, as_object
from benchmarks.rounds import FULL, QUICK, run
from benchmarks.table import BENCHMARKS, GROUPS, chosen


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row on standard output.")
@click.option("--quick", is_flag=True, help="Fewer messages and rounds.")
@click.option(
    "--session",
    type=click.Choice(["thread", "process"]),
    default="thread",
    show_default=True,
    help="Where ticks, batches, fanout and burst are fed from.",
)
@click.option("--rounds", type=click.IntRange(min=1), help=f"Rounds [{FULL.rounds}, or {QUICK.rounds} with --quick].")
def main(names: tuple[str, ...], as_json: bool, quick: bool, rounds: int | None, session: Literal["thread", "process"]) -> None:
    """Measure the bridge against plain ZeroMQ programs that move the same bytes, side by side on this machine.

    Exit code 0 when everything ran, whether the targets were met or not. Without a name everything runs but what takes minutes;
    with --quick only what fits into one. What was left out is told, and runs by its name.

    \b
    Examples:
      python -m benchmarks
      python -m benchmarks ticks requests --quick
      python -m benchmarks symbols fanout burst memory --json
    """
    try:
        rows = chosen(names, quick)
    except KeyError as error:
        known = ", ".join(dict.fromkeys((*GROUPS, *(benchmark.name for benchmark in BENCHMARKS))))
        raise click.UsageError(f"no benchmark {error.args[0]!r}; there are {known}") from None
    size = replace(QUICK if quick else FULL, session=session)
    if rounds is not None:
        size = replace(size, rounds=rounds)
    machine = describe()
    if not as_json:
        click.echo(one_line(machine))
        if left_out := [] if names else [benchmark.name for benchmark in BENCHMARKS if benchmark not in rows]:
            click.echo(f"left out, for they take long; name them to run them: {', '.join(left_out)}")
    for benchmark in rows:
        result = run(benchmark, size)
        if as_json:
            click.echo(json.dumps(as_object(result, machine)))
        else:
            click.echo("\n".join(as_lines(result)))


if __name__ == "__main__":
    main()
