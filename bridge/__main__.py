"""The command line: `mt5bridge`, or `python -m bridge`. Each command imports what it needs, so that `--help` and small ones
start fast."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge import listing, program, recording, switch
from bridge.errors import BridgeError, ConfigError
from bridge.keys import keys
from bridge.options import endpoint_option, json_option, key_options
from bridge.steering import COMMANDS
from bridge.version import __version__

F = TypeVar("F", bound=Callable[..., Any])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="mt5bridge")
def commands() -> None:
    """Share one MetaTrader 5 account among many strategy processes.

    \b
    Try it:                mt5bridge demo
    Run a bridge:          mt5bridge serve --terminal simulator
    See what it does:      mt5bridge status
    Find what is wrong:    mt5bridge doctor
    Follow its events:     mt5bridge tail connection tick:EURUSD
    Run a MetaTrader5 bot: mt5bridge run bot.py
    """


@commands.command()
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with the settings.")
@click.option("--terminal", help="metatrader5 (default) or simulator; MODULE:NAME for a terminal of your own.")
@click.option("--session", type=click.Choice(["process", "thread"]), help="Where the session runs; a process can be replaced.")
@click.option("--requests", metavar="ENDPOINT", help="Where requests are served [tcp://127.0.0.1:5555].")
@click.option("--events", metavar="ENDPOINT", help="Where events are published [tcp://127.0.0.1:5556].")
@click.option("--journal", metavar="FOLDER", help="Where the journals of orders are kept [a folder of this user].")
def serve(config: Path | None, **flags: str | None) -> None:
    """Run the bridge until Ctrl-C.

    \b
    Examples:
      mt5bridge serve                                   the terminal on this machine, as MT5_* say
      mt5bridge serve --terminal simulator              no MetaTrader needed
      mt5bridge serve --terminal simulator --requests 'tcp://127.0.0.1:*' --events 'tcp://127.0.0.1:*'
    """
    from bridge.configuration import Configuration  # noqa: PLC0415 - see the module
    from bridge.serve import serve as run  # noqa: PLC0415

    given = {("bridge", name): value for name, value in flags.items() if value is not None}
    configuration = Configuration(given, config)
    os.environ.pop("MT5_PASSWORD", None)  # whatever is started from here does not need it
    announce = lambda requests, events: click.echo(f"requests {requests} events {events}")  # noqa: E731 - one line
    run(configuration.settings, announce, configuration)


@commands.group(invoke_without_command=True)
@click.option(
    "--listen", default="127.0.0.1:5557", show_default=True, metavar="HOST:PORT", help="Where programs attach; port 0 for any."
)
@click.option("--state", type=click.Path(path_type=Path, dir_okay=False), help="File that keeps the account across restarts.")
@click.option("--replay", multiple=True, metavar="[SYMBOL=]FILE", help="Recorded ticks instead of synthetic ones; may be repeated.")
@click.option(
    "--speed", type=float, default=1.0, show_default=True,
    help="Server seconds per second; inf: as fast as recorded ticks are read.",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed is another market.")
@click.option("--start", type=click.DateTime(), help="Server time to begin at [now, or the start of the recordings].")
@click.option("--held", is_flag=True, help="Begin with the clock stopped.")
@click.option(
    "--profile", default="hedging", show_default=True, help="Kind of broker.",
    type=click.Choice(["hedging", "netting", "exchange", "suffixed", "nolev-darwin", "instant"]),
)  # fmt: skip
@click.option("--fresh", is_flag=True, help="An account that never traded, instead of one with a small history.")
@click.option("--zone", default="America/New_York+7", show_default=True, help="Time zone of the server, and hours to add.")
@click.option("--exit-with-parent", is_flag=True, help="End when standard input ends.")
@click.pass_context
def terminal(context: click.Context, /, **options: Any) -> None:
    """Run a simulated MetaTrader 5 terminal as a process of its own; with a command, steer one that runs.

    \b
    Examples:
      mt5bridge terminal
      mt5bridge terminal --replay EURUSD_2024-05.csv.gz --speed 60
      mt5bridge terminal fault broker_down seconds=30
    """
    if context.invoked_subcommand is not None:
        return
    from bridge.simulator_settings import settings_from  # noqa: PLC0415
    from bridge.terminal.simulator.process import run  # noqa: PLC0415

    sys.exit(run(settings_from(**options)))


for command in COMMANDS:
    terminal.add_command(command)
for command in (*switch.COMMANDS, *listing.COMMANDS, keys, program.run, recording.record):
    commands.add_command(command)


@commands.command()
@endpoint_option
@json_option
@click.option("--history", type=click.IntRange(1, 1_000), metavar="N", help="The newest N changes of the connection instead.")
def status(endpoint: str | None, as_json: bool, history: int | None) -> None:
    """Ask a running bridge how it is; exit code 0 only if it is healthy.

    \b
    Examples:
      mt5bridge status
      mt5bridge status --history 20
    """
    from bridge.codec import plain_body  # noqa: PLC0415
    from bridge.messages import GetConnectionHistory  # noqa: PLC0415
    from bridge.report import history_line, status_lines  # noqa: PLC0415
    from clients import Client  # noqa: PLC0415

    with Client(endpoint, name="status", timeout_s=3.0) as bridge:
        told = bridge.status()
        past = bridge.call(GetConnectionHistory(history)).states if history is not None else ()
        now_msc = bridge.bridge_msc()
    if history is not None:
        lines = [json.dumps(plain_body(state)) if as_json else history_line(state) for state in past]
    else:
        lines = [json.dumps(plain_body(told))] if as_json else status_lines(told, now_msc)
    for line in lines:
        click.echo(line)
    sys.exit(0 if told.healthy else 1)


@commands.command()
@endpoint_option
@json_option
def reconnect(endpoint: str | None, as_json: bool) -> None:
    """Have a running bridge read its configuration again and attach anew.

    This is the way on from `refused` and `suspended`, and how another account of the terminal is accepted. Positions and orders
    are not touched. It prints the state that this leads to; how it ends is told by `mt5bridge status`.

    \b
    Example:
      mt5bridge reconnect
    """
    from bridge.codec import plain_body  # noqa: PLC0415
    from bridge.messages import Reconnect  # noqa: PLC0415
    from bridge.report import connection_line  # noqa: PLC0415
    from clients import Client  # noqa: PLC0415

    with Client(endpoint, name="reconnect", timeout_s=3.0) as bridge:
        state = bridge.call(Reconnect())
    click.echo(json.dumps(plain_body(state)) if as_json else connection_line(state))


@commands.command()
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with the settings.")
@click.option("--terminal", help="metatrader5, simulator or MODULE:NAME, as for serve.")
@click.option(
    "--endpoint", metavar="ENDPOINT", help="Requests endpoint of a bridge that must be running [else the configured one]."
)
@key_options
@click.option(
    "--symbol", "symbols", multiple=True, metavar="SYMBOL", help="Look at this symbol; may be repeated [some of Market Watch]."
)
@click.option(
    "--wait", "seconds", type=click.FloatRange(1, 600), default=30.0, show_default=True, metavar="SECONDS",
    help="How long a session of its own may take to attach, when no bridge runs.",
)  # fmt: skip
@json_option
def doctor(
    config: Path | None, terminal: str | None, endpoint: str | None, symbols: tuple[str, ...], seconds: float, as_json: bool
) -> None:
    """Check everything from Python to the trade server; one line for each check.

    A running bridge is asked. Where none runs, one is started for a short look, on free ports, and ended again; a configured
    terminal that does not run is started for it. Exit code 0 unless a check failed.

    \b
    Examples:
      mt5bridge doctor
      mt5bridge doctor --symbol EURUSD --symbol XAUUSD
      mt5bridge doctor --terminal simulator --json
    """
    from bridge.doctor import Asked, run  # noqa: PLC0415

    flags = {} if terminal is None else {("bridge", "terminal"): terminal}
    sys.exit(run(Asked(flags, config, endpoint, symbols, seconds), as_json=as_json))


@commands.command()
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC…")
@endpoint_option
@json_option
@click.option("--count", type=int, default=0, help="End after so many events.")
def tail(topics: tuple[str, ...], endpoint: str | None, as_json: bool, count: int) -> None:
    """Print events as they come.

    \b
    Examples:
      mt5bridge tail connection
      mt5bridge tail tick:EURUSD bar:EURUSD:M1 --json
      mt5bridge tail 'tick:*'
    """
    from bridge.report import event_line, event_object  # noqa: PLC0415
    from clients import Client  # noqa: PLC0415

    with Client(endpoint, name="tail") as bridge, bridge.subscribe(*topics) as events:
        for number, event in enumerate(events, 1):
            click.echo(json.dumps(event_object(event)) if as_json else event_line(event))
            if number == count:
                return


@commands.command()
@click.option("--seconds", type=click.FloatRange(min=3), help="End by itself after so many seconds.")
@click.option("--headless", is_flag=True, help="Plain lines instead of a live table.")
@click.option("--replay", multiple=True, metavar="[SYMBOL=]FILE", help="Recorded ticks instead of synthetic ones; may be repeated.")
@click.option(
    "--speed", type=click.FloatRange(min=0.1, max=10_000), default=60.0, show_default=True, help="Server seconds per second."
)
@json_option
def demo(seconds: float | None, headless: bool, replay: tuple[str, ...], speed: float, as_json: bool) -> None:
    """See it work: simulated terminal, bridge, two strategies and a monitor, on free loopback ports.

    \b
    Examples:
      mt5bridge demo
      mt5bridge demo --seconds 20 --headless
      mt5bridge demo --replay EURUSD_2024-05.csv.gz --speed 60
    """
    from bridge.demo import run  # noqa: PLC0415

    sys.exit(run(seconds=seconds, headless=headless or as_json, replay=replay, speed=speed, as_json=as_json))


def main() -> None:
    """Run the command line. An error is one line on standard error; exit code 2 for wrong usage, 1 for everything else."""
    try:
        commands(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        click.echo(f"mt5bridge: {error}", err=True)
        sys.exit(2)
    except BridgeError as error:
        click.echo(f"mt5bridge: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
