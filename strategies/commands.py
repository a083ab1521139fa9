"""The command line of strategies: `python -m strategies`, and `python my_strategy.py` for a file that ends with
`run(MyStrategy)`."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import sys
import time
from typing import Any, NoReturn

import click

import strategies
from bridge.errors import BridgeError, ConfigError, InvalidParameters, UnknownTimeframe
from strategies import steering
from strategies.param import Param, params_of
from strategies.strategy import Strategy

PATIENCE_S = 1.5
"""Time that a request under way is given after the signal to stop."""
NOT_STRATEGIES = frozenset(
    {
        "__main__", "child", "choice", "commands", "control", "desk", "indicators", "intake", "param", "performance", "replay",
        "replaying", "reversal", "roster", "runner", "signals", "steering", "strategy", "supervise", "supervisor", "track",
        "trend_indicators", "wanted",
    }
)  # fmt: skip


def names() -> list[str]:
    """The strategies that come with the package: one module each."""
    return sorted(module.name for module in pkgutil.iter_modules(strategies.__path__) if module.name not in NOT_STRATEGIES)


def load(name: str) -> type[Strategy]:
    """The strategy of that name. Raises `click.UsageError`."""
    module_name = name.replace("-", "_")
    if module_name not in names():
        raise click.UsageError(f"no strategy {name!r}; there are: {', '.join(names())}")
    module = importlib.import_module(f"strategies.{module_name}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Strategy) and value.__module__ == module.__name__
    )


def summary(kind: type[Strategy]) -> str:
    """The first line of its docstring."""
    return (kind.__doc__ or "").strip().partition("\n")[0]


def _option(param: Param[Any]) -> click.Option:
    words = [param.help, f"({param.limits})" if param.limits else ""]
    default = "" if param.default is None else f"[{param.default}]"
    return click.Option(
        [param.flag],
        type=param.kind,
        default=None,
        metavar=param.kind.__name__.upper(),
        help=" ".join(filter(None, [*words, default])),
    )


def command_of(kind: type[Strategy], name: str) -> click.Command:
    """The command that runs a strategy, with a flag for each of its parameters."""

    def callback(
        endpoint: str | None,
        key: str | None,
        server_key: str | None,
        instance: str | None,
        timeout_s: float,
        short_history: bool,
        exit_with_parent: bool,
        **values: Any,
    ) -> NoReturn:
        given = {name: value for name, value in values.items() if value is not None}
        try:
            strategy = kind(name, instance, **given)
        except (InvalidParameters, UnknownTimeframe) as error:
            raise click.UsageError(str(error)) from None
        link = {"key": key, "server_key": server_key}
        sys.exit(serve(strategy, endpoint, timeout_s, short_history=short_history, exit_with_parent=exit_with_parent, **link))

    options = [_option(param) for param in params_of(kind).values()]
    options += [
        click.Option(
            ["--endpoint"], metavar="ENDPOINT", help="Requests endpoint of the bridge [MT5BRIDGE_ENDPOINT, tcp://127.0.0.1:5555]."
        ),
        click.Option(["--key"], metavar="FILE", help="File of our key, where the bridge asks for one [MT5BRIDGE_KEY]."),
        click.Option(["--server-key"], metavar="KEY", help="The bridge's public key [MT5BRIDGE_SERVER_KEY]."),
        click.Option(["--instance"], metavar="NAME", help="Tells several of the same strategy apart [the symbol]."),
        click.Option(
            ["--short-history"], is_flag=True, help="Start also when the terminal has fewer bars than are asked for to warm up."
        ),
        click.Option(["--exit-with-parent"], is_flag=True, help="Stop when standard input ends, as a supervisor wants it."),
        click.Option(
            ["--timeout", "timeout_s"],
            type=click.FloatRange(min=0.1),
            default=10.0,
            metavar="SECONDS",
            help="Of each request [10].",
        ),
    ]
    return click.Command(name, params=list(options), callback=callback, help=kind.__doc__, context_settings=_SETTINGS)


def serve(
    strategy: Strategy,
    endpoint: str | None,
    timeout_s: float,
    *,
    short_history: bool = False,
    key: str | None = None,
    server_key: str | None = None,
    exit_with_parent: bool = False,
) -> int:
    """Run a strategy on a bridge until a signal, or with `exit_with_parent` until standard input ends; the exit code."""
    from clients.blocking import Client  # noqa: PLC0415 - `--help` and `list` need no sockets
    from strategies.intake import Stopped  # noqa: PLC0415
    from strategies.runner import Runner  # noqa: PLC0415
    from strategies.signals import stop_requests  # noqa: PLC0415

    log_to_stderr()
    with stop_requests() as asked:
        if exit_with_parent:
            asked.follow_parent()

        def give_up() -> None:
            if asked.reason is not None and asked.age_s > PATIENCE_S:
                raise Stopped(asked.reason)

        try:
            client = Client(endpoint, name=strategy.name, timeout_s=timeout_s, on_turn=give_up, key=key, server_key=server_key)
        except Stopped:
            return 1
        except BridgeError as error:
            click.echo(f"{strategy.name}: {error}", err=True)
            return 2 if isinstance(error, ConfigError) else 1
        with client:
            return Runner(strategy, client, asked, short_history=short_history).run()


def log_to_stderr() -> None:
    """Log of strategies as lines on standard error, each with the instance that says it."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(instance)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(_add_instance)
    root = logging.getLogger("strategies")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


def _add_instance(record: logging.LogRecord) -> bool:
    record.instance = record.name.removeprefix("strategies.")
    return True


_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _Strategies(click.Group):
    """A group whose commands are the strategies, imported when they are asked for."""

    def command_of(self, kind: type[Strategy], name: str) -> click.Command:
        """The command of one."""
        return command_of(kind, name)

    def list_commands(self, _context: click.Context) -> list[str]:
        """Their names."""
        return names()

    def get_command(self, _context: click.Context, name: str) -> click.Command:
        """The command of one."""
        return self.command_of(load(name), name)


class _Replays(_Strategies):
    """The same, over recorded data."""

    def command_of(self, kind: type[Strategy], name: str) -> click.Command:
        """The command that replays one."""
        return replay_command_of(kind, name)


def replay_command_of(kind: type[Strategy], name: str) -> click.Command:
    """The command that replays a strategy."""
    from strategies.replaying import command  # noqa: PLC0415 - it takes the simulator and pandas, which live strategies do not need

    log_to_stderr()
    return command(kind, name, [_option(param) for param in params_of(kind).values()], _SETTINGS)


@click.group(context_settings=_SETTINGS)
def commands() -> None:
    """Strategies on a bridge, one process each.

    \b
    What there is:   python -m strategies list
    Run one:         python -m strategies run ma_crossover --symbol EURUSD --timeframe M5 --fast 20 --slow 50
    By plain name:   python -m strategies run ma_crossover --symbol gold     (what the broker calls XAUUSD, GOLD, XAUUSD.r, …)
    """


@commands.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
def list_(as_json: bool) -> None:
    """The strategies that there are."""
    for name in names():
        words = summary(load(name))
        click.echo(json.dumps({"name": name, "summary": words}) if as_json else f"{name:20} {words}")


@commands.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
def params(name: str, as_json: bool) -> None:
    """The parameters of a strategy."""
    for param in params_of(load(name)).values():
        if as_json:
            row = {
                "name": param.name,
                "type": param.kind.__name__,
                "default": param.default,
                "min": param.minimum,
                "max": param.maximum,
            }
            click.echo(json.dumps(row | {"help": param.help}))
        else:
            limits = f" ({param.limits})" if param.limits else ""
            click.echo(f"{param.flag:16} {param.kind.__name__:6} {param.default!s:8} {param.help}{limits}")


@commands.group(name="run", cls=_Strategies, context_settings=_SETTINGS)
def run_() -> None:
    """Run a strategy until Ctrl-C; `run NAME --help` shows its parameters."""


@commands.group(name="replay", cls=_Replays, context_settings=_SETTINGS)
def replay_() -> None:
    """Play a strategy over recorded ticks or bars, at the simulated broker, in virtual time.

    \b
    python -m strategies replay ma_crossover --data EURUSD_H1.csv.gz --fast 20 --slow 50 --deals deals.csv
    """


for _command in steering.COMMANDS:
    commands.add_command(_command)


def _invoke(command: click.Command, arguments: list[str] | None, program: str) -> NoReturn:
    """Run a command; a wrong call is one line on standard error, and exit code 2."""
    try:
        command.main(arguments, prog_name=program, standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"{program}: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    sys.exit(0)


def main(arguments: list[str] | None = None) -> NoReturn:
    """`python -m strategies`."""
    _invoke(commands, arguments, "python -m strategies")


def run(kind: type[Strategy], arguments: list[str] | None = None) -> NoReturn:
    """Run a strategy with the flags of the command line; for the end of a file of your own: `if __name__ == "__main__":
    run(MyStrategy)`. The first word may be `replay` or `live`; without one it is live."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).lstrip("_")
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["replay"]:
        _invoke(replay_command_of(kind, name), given[1:], sys.argv[0])
    _invoke(command_of(kind, name), given[1:] if given[:1] == ["live"] else given, sys.argv[0])
