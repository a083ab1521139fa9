"""The commands of the supervisor: `python -m strategies supervise`, `status`, `start`, `stop`, `restart`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click
import msgspec

from bridge.errors import BridgeError, ConfigError, InvalidParameters

if TYPE_CHECKING:
    from strategies.control import Row

SETTLED_S = 7.0
"""A strategy is killed when it has not stopped in 5 seconds."""
LOOK_AGAIN_S = 0.1
_UNSETTLED = ("starting", "stopping")
_FILE = click.argument("file", type=click.Path(path_type=Path))
_NAMES = click.argument("names", nargs=-1)
_ALL = click.option("--all", "everything", is_flag=True, help="Every instance of the file.")


def _fail(error: BridgeError) -> NoReturn:
    click.echo(f"python -m strategies: {error}", err=True)
    sys.exit(2 if isinstance(error, ConfigError | InvalidParameters) else 1)


@click.command()
@_FILE
def supervise(file: Path) -> None:
    """Run the strategies of FILE, each as a process of its own, and start again what fails."""
    from strategies.commands import log_to_stderr  # noqa: PLC0415 - the commands import us
    from strategies.signals import stop_requests  # noqa: PLC0415
    from strategies.supervise import supervise as run  # noqa: PLC0415 - `list` needs no sockets

    log_to_stderr()
    with stop_requests() as asked:
        try:
            run(file, asked)
        except BridgeError as error:
            _fail(error)


@click.command()
@_FILE
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
def status(file: Path, as_json: bool) -> None:
    """The state of each strategy of FILE."""
    show(_asked(file, "status", []), as_json=as_json)


def _steer(do: Literal["start", "stop", "restart"], help_text: str) -> click.Command:
    @click.command(name=do, help=help_text)
    @_FILE
    @_NAMES
    @_ALL
    def command(file: Path, names: tuple[str, ...], everything: bool) -> None:
        if bool(names) == everything:
            raise click.UsageError("give the names of instances, or --all")
        chosen = [row.instance for row in _asked(file, do, list(names))]
        until_s = time.monotonic() + SETTLED_S
        rows = _asked(file, "status", chosen)
        while any(row.state in _UNSETTLED for row in rows) and time.monotonic() < until_s:
            time.sleep(LOOK_AGAIN_S)
            rows = _asked(file, "status", chosen)
        show(rows, as_json=False)
        wanted = ("stopped", "failed") if do == "stop" else ("running", "backoff")
        if any(row.state not in wanted for row in rows):
            sys.exit(1)

    return command


def _asked(file: Path, do: Literal["status", "start", "stop", "restart"], names: list[str]) -> list[Row]:
    from strategies.control import Question, ask  # noqa: PLC0415 - as above
    from strategies.wanted import read_wanted  # noqa: PLC0415

    try:
        if not file.is_file():
            raise ConfigError(f"there is no file {file}", next_step="give the file that the supervisor was started with")
        known = read_wanted(file)
        return ask(known.port, Question(known.token, do, names), str(file))
    except BridgeError as error:
        _fail(error)


# ---- what is shown --------------------------------------------------------------------------------------------------------------

_COLUMNS: dict[str, Callable[[Any], str]] = {
    "name": lambda row: row.instance,
    "strategy": lambda row: row.strategy,
    "symbol": lambda row: row.symbol or "-",
    "timeframe": lambda row: row.timeframe or "-",
    "state": lambda row: row.state if row.enabled else "disabled",
    "pid": lambda row: str(row.pid or "-"),
    "restarts": lambda row: str(row.restarts),
    "since": lambda row: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.since_msc / 1000)),
    "last exit": lambda row: exit_words(row.last_exit),
    "last line": lambda row: row.last_line,
}


def exit_words(code: int | None) -> str:
    """An exit code, or the name of the signal that ended a process."""
    if code is None:
        return "-"
    if code >= 0:
        return str(code)
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def show(rows: list[Row], *, as_json: bool) -> None:
    """Print a table, or one JSON object a line."""
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row).decode())
        return
    table = [list(_COLUMNS), *([text(row) for text in _COLUMNS.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(_COLUMNS) - 1)]
    for line in table:
        cells = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=True)]
        click.echo("  ".join([*cells, line[-1]]).rstrip())


COMMANDS = (
    supervise,
    status,
    _steer("start", "Start instances of FILE, and again after the next start of the supervisor."),
    _steer("stop", "Stop instances of FILE; they stay stopped, also after the next start of the supervisor."),
    _steer("restart", "Stop and start instances of FILE."),
)
