"""`mt5bridge run`: a program that was written for the package MetaTrader5, as it is, with a bridge instead of a terminal.

The program runs in a Python of its own, in whose PYTHONPATH the folder of our package MetaTrader5 comes first: before one that is
installed, too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from bridge.errors import ConfigError
from bridge.options import endpoint_option

ENDPOINT_VARIABLE = "MT5BRIDGE_ENDPOINT"
WAIT_S = 0.5
"""Longest wait for the program's end: on Windows a wait is not interrupted by anything else."""
SIGNALLED = 128
"""What a shell adds to the number of the signal that ended a program."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@endpoint_option
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="PROGRAM [ARG]…")
def run(endpoint: str | None, program: tuple[str, ...]) -> None:
    """Run a Python program that was written for MetaTrader5 through the bridge, unmodified.

    PROGRAM is a file, a folder with a __main__.py, -m MODULE, -c CODE or a console script on PATH. Its exit code is passed on.

    \b
    Examples:
      mt5bridge run bot.py --symbol EURUSD
      mt5bridge run --endpoint tcp://192.168.1.5:5555 -m mybots.trend
    """
    words, variables = command(program), environment(os.environ, endpoint)
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execvpe(words[0], words, variables)  # noqa: S606 - the program takes our place, with signals and exit code
    sys.exit(supervised(words, variables))


def folder() -> Path:
    """The folder that holds our package MetaTrader5; the clients are found without being imported."""
    found = importlib.util.find_spec("clients")
    if found is None or not found.submodule_search_locations:
        raise ConfigError("the package `clients` of mt5-zmq-bridge is not installed", next_step="pip install mt5-zmq-bridge")
    return Path(next(iter(found.submodule_search_locations))).resolve() / "mt5" / "path"


def environment(variables: Mapping[str, str], endpoint: str | None) -> dict[str, str]:
    """The variables of the program."""
    changed = dict(variables)
    before = changed.get("PYTHONPATH")
    changed["PYTHONPATH"] = f"{folder()}{os.pathsep}{before}" if before else str(folder())
    if endpoint is not None:
        changed[ENDPOINT_VARIABLE] = endpoint
    return changed


def command(program: Sequence[str]) -> list[str]:
    """How to start a program. Raises `ConfigError` where there is none of that name."""
    name, *arguments = program
    if name in ("-m", "-c"):
        if not arguments:
            raise ConfigError(f"mt5bridge run {name}: nothing follows", next_step=f"mt5bridge run {name} NAME [ARG]…")
        return [sys.executable, name, *arguments]
    if Path(name).exists():
        return [sys.executable, name, *arguments]
    script = shutil.which(name)
    if script is None:
        raise ConfigError(f"no program {name!r}", next_step="give a file, -m MODULE or a console script on PATH", value=name)
    return [script, *arguments]


def supervised(words: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run it as a process of its own and wait for its end; its exit code. Ctrl-C reaches it from the console, not from here."""
    process = subprocess.Popen(list(words), env=dict(variables))
    code = None
    while code is None:
        with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            code = process.wait(WAIT_S)
    return SIGNALLED - code if code < 0 else code
