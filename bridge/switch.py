"""`mt5bridge halt`, `resume` and `limits`: the kill switch, and what clients may trade."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bridge.errors import BridgeError
from bridge.options import endpoint_option, json_option
from bridge.replies import LimitsInForce, OrderOutcome, TradingState

if TYPE_CHECKING:
    from clients import Client

F = TypeVar("F", bound=Callable[..., Any])

ROUNDS = 3
"""How often is looked for something open: what is filled while the first round runs is found by the second."""


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="Why; shown to everybody whose order is refused.")
@click.option("--close", is_flag=True, help="Then cancel all pending orders and close all positions of the account.")
@endpoint_option
@json_option
def halt(reason: str, close: bool, endpoint: str | None, as_json: bool) -> None:
    """The kill switch: have a running bridge send no order that does more than reduce exposure.

    It holds for all clients, also after a restart of the bridge, until `mt5bridge resume`. Positions and pending orders stay as
    they are, unless --close is given; each is told of then, and exit code 1 says that something is left.

    \b
    Examples:
      mt5bridge halt --reason "news at 14:30"
      mt5bridge halt --close
    """
    with _operator(endpoint) as bridge:
        state = bridge.halt(reason)
        if not as_json:
            click.echo(trading_line(state))
        parts = Parts([], [])
        if close:
            parts = close_everything(bridge, (lambda line: None) if as_json else click.echo)
    if as_json:
        click.echo(json.dumps({"trading": asdict(state)} | (asdict(parts) if close else {})))
    elif close:
        click.echo("nothing is left" if not parts.left else f"LEFT: {len(parts.left)}: {', '.join(parts.left)}")
    sys.exit(1 if parts.left else 0)


@click.command()
@endpoint_option
@json_option
def resume(endpoint: str | None, as_json: bool) -> None:
    """Trade on after `mt5bridge halt`.

    \b
    Example:
      mt5bridge resume
    """
    with _operator(endpoint) as bridge:
        state = bridge.resume()
    click.echo(json.dumps({"trading": asdict(state)}) if as_json else trading_line(state))


@click.command()
@click.option("--client", metavar="NAME", help="What holds for a client of this name [the bridge as a whole, and the operator].")
@endpoint_option
@json_option
def limits(client: str | None, endpoint: str | None, as_json: bool) -> None:
    """Show which limits on orders are in force, and the orders of the last minute.

    \b
    Examples:
      mt5bridge limits
      mt5bridge limits --client grid-eurusd
    """
    with _operator(endpoint) as bridge:
        told = bridge.limits(client)
    for line in [json.dumps(asdict(told))] if as_json else limits_lines(told):
        click.echo(line)


COMMANDS: tuple[click.Command, ...] = (halt, resume, limits)


def _operator(endpoint: str | None) -> Client:
    from bridge.limits import OPERATOR  # noqa: PLC0415 - see bridge.__main__
    from clients import Client  # noqa: PLC0415

    return Client(endpoint, name=OPERATOR)


def trading_line(state: TradingState) -> str:
    """Whether trading is halted, in one line."""
    from bridge.halt import words  # noqa: PLC0415
    from bridge.report import clock  # noqa: PLC0415

    since = "" if state.since_msc is None else f" (since {clock(state.since_msc)} UTC)"
    return words(state) + since


def limits_lines(told: LimitsInForce) -> list[str]:
    """What holds for a client, a line each."""
    lines = [
        trading_line(told.trading),
        f"orders of the last minute: {told.orders} of {told.client!r}, {told.orders_of_all} of all",
    ]
    if not told.sections:
        return [*lines, "no limits"]
    for section in told.sections:
        lines.append(section.section)
        lines += [f"  {name} = {json.dumps(value)}" for name, value in section.limits.items()]
    return lines


# ---- closing all -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parts:
    """What became of each pending order and position, in words, and what is left at the end."""

    told: list[str]
    left: list[str]


def close_everything(bridge: Client, tell: Callable[[str], Any]) -> Parts:
    """Cancel all pending orders, close all positions, and look again. No failure stops the others.

    What failed, or was done in part, is tried again in the next round. What may have been executed is not: on a netting account a
    second closing opens the other side.
    """
    parts = Parts([], [])
    settled: set[int] = set()

    def each(kind: str, tickets: Iterable[int], act: Callable[[int], OrderOutcome], done: str) -> bool:
        """Whether there was anything to do."""
        todo = [ticket for ticket in tickets if ticket not in settled]
        for ticket in todo:
            try:
                outcome = act(ticket).outcome
                again = outcome == "partial"
                told = {"partial": f"{done} in part", "dry_run": "NOT SENT, dry_run is in force"}.get(outcome, done)
            except BridgeError as error:
                unknown = error.action == "look"
                again = not unknown
                told = f"{'UNKNOWN' if unknown else 'FAILED'}, {error.code}: {error}"
            if not again:
                settled.add(ticket)
            parts.told.append(f"{kind} {ticket}: {told}")
            tell(parts.told[-1])
        return bool(todo)

    for _ in range(ROUNDS):
        cancelled = each("order", [order.ticket for order in bridge.orders()], bridge.cancel, "cancelled")
        if not each("position", [position.ticket for position in bridge.positions()], bridge.close, "closed") and not cancelled:
            break
    parts.left.extend(f"order {order.ticket} {order.symbol}" for order in bridge.orders())
    parts.left.extend(f"position {position.ticket} {position.symbol}" for position in bridge.positions())
    return parts
