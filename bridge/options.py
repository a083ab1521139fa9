"""Options that several commands have."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

ENDPOINT = "Requests endpoint of the bridge [MT5BRIDGE_ENDPOINT, tcp://127.0.0.1:5555]."
KEYS = (
    ("--key", "MT5BRIDGE_KEY", "FILE", "File of our key, where the bridge asks for one [MT5BRIDGE_KEY]."),
    ("--server-key", "MT5BRIDGE_SERVER_KEY", "KEY", "The bridge's public key, from mt5bridge keys server [MT5BRIDGE_SERVER_KEY]."),
)
"""Flag, variable, metavariable and help of what a client needs to be let in."""

json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def keep(variable: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    """What was given goes into the environment, for the clients that this command makes and the programs that it starts."""

    def told(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            os.environ[variable] = value

    return told


def key_options(command: F) -> F:
    """`--key` and `--server-key`; the command itself is not told."""
    for flag, variable, metavar, text in reversed(KEYS):
        command = click.option(flag, metavar=metavar, help=text, expose_value=False, callback=keep(variable))(command)
    return command


def endpoint_option(command: F) -> F:
    """`--endpoint`, and the keys."""
    return click.option("--endpoint", metavar="ENDPOINT", help=ENDPOINT)(key_options(command))
