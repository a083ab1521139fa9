"""`mt5bridge terminal COMMAND`: look at a simulated terminal that runs, steer its clock, and put faults in force in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from bridge.errors import BridgeError, ConfigError

F = TypeVar("F", bound=Callable[..., Any])

at_option: Callable[[F], F] = click.option(
    "--terminal", "address", default="tcp://127.0.0.1:5557", show_default=True, metavar="ADDRESS", envvar="MT5BRIDGE_TERMINAL",
    show_envvar=True, help="Where the terminal listens.",
)  # fmt: skip


@click.command()
@at_option
def status(address: str) -> None:
    """Show the terminal's time, what is attached, and what the account holds, as one JSON object."""
    click.echo(json.dumps(ask(address, "control.status")))


@click.command()
@at_option
def hold(address: str) -> None:
    """Stop the terminal's clock."""
    ask(address, "control.hold")


@click.command()
@at_option
def release(address: str) -> None:
    """Let the terminal's clock run on."""
    ask(address, "control.release")


@click.command()
@at_option
def stop(address: str) -> None:
    """End the terminal in order."""
    ask(address, "control.stop")


@click.command()
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[ARG=VALUE]…")
@at_option
def fault(name: str, arguments: tuple[str, ...], address: str) -> None:
    """Put a fault in force: docs/simulator-faults.md has the names and arguments.

    \b
    Examples:
      mt5bridge terminal fault broker_down seconds=30
      mt5bridge terminal fault hang function=order_send seconds=20
      mt5bridge terminal fault unanswered
      mt5bridge terminal fault restart seconds=5
    """
    from bridge.terminal.simulator.fault import FaultRefused  # noqa: PLC0415
    from bridge.terminal.simulator.faults import read_arguments  # noqa: PLC0415

    try:
        given = read_arguments(name, arguments)
    except FaultRefused as refused:
        raise ConfigError(str(refused)) from None
    ask(address, "control.fault", name, given)


@click.command()
@at_option
def faults(address: str) -> None:
    """List the faults that are in force, a line each; none is no line."""
    for entry in ask(address, "control.faults"):
        click.echo(" ".join([entry["name"], *(f"{name}={value}" for name, value in entry["arguments"].items())]))


@click.command()
@click.argument("name", required=False)
@at_option
def clear(name: str | None, address: str) -> None:
    """End the faults of this name, or all of them, with permissions that were set by hand."""
    ask(address, "control.clear", *([name] if name else []))


COMMANDS: tuple[click.Command, ...] = (status, hold, release, stop, fault, faults, clear)
"""The commands of the group, in the order of the help."""


def ask(address: str, function: str, *arguments: Any) -> Any:
    """A control request.  Raises ConfigError when the terminal refuses it, BridgeError when there is none."""
    from bridge.simulation import control  # noqa: PLC0415
    from bridge.terminal.simulator.link import LinkError, parse_address  # noqa: PLC0415

    try:
        parse_address(address)
        return control(address, function, *arguments)
    except ValueError as refused:
        raise ConfigError(str(refused)) from None
    except (OSError, LinkError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BridgeError(
            f"no simulated terminal answers at {address}: {reason}", next_step="start one with: mt5bridge terminal"
        ) from None
