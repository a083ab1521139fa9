"""`mt5bridge orders`: the journal of orders, from a running bridge or from its file; what to do about a damaged one; the audit."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from bridge.errors import ConfigError, JournalUnavailable
from bridge.messages import MAX_ENTRIES
from bridge.options import endpoint_option
from bridge.replies import JournalEntry
from bridge.trading import TradeRequest

OPENING_S = 2.0
"""A bridge that has just begun is still opening its journal; it is given so long."""
_AGE = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ACTIONS = {1: "", 5: "pending ", 6: "sltp ", 7: "modify ", 8: "remove ", 10: "close_by "}
_TYPES = ("buy", "sell", "buy_limit", "sell_limit", "buy_stop", "sell_stop", "buy_stop_limit", "sell_stop_limit", "close_by")


@click.command()
@click.option("--since", metavar="AGE|TIME", help="Only orders from then on: 30m, 12h, 2d, 1w ago, or an ISO time (UTC).")
@click.option("--unknown", is_flag=True, help="Only those without a final outcome; exit code 1 if there are any.")
@click.option("--count", type=click.IntRange(1, MAX_ENTRIES), default=100, show_default=True, metavar="N", help="The newest N.")
@endpoint_option
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="The journal of a bridge that does not run.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file that says where the journals are.")
@click.option("--salvage", is_flag=True, help="Keep a damaged journal under another name, and go on with what is intact of it.")
@click.option("--verify-audit", is_flag=True, help="Look at every line of the audit; exit code 1 if one is not as it was written.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
def orders(
    since: str | None,
    unknown: bool,
    count: int,
    endpoint: str | None,
    file: Path | None,
    config: Path | None,
    salvage: bool,
    verify_audit: bool,
    as_json: bool,
) -> None:
    """List the orders of the journal, newest first, with what became of them.

    A running bridge is asked; --file reads the journal of one that does not run. --salvage and --verify-audit work on --file, or on
    the only journal that there is.

    \b
    Examples:
      mt5bridge orders --since 2d
      mt5bridge orders --unknown
      mt5bridge orders --verify-audit
    """
    if salvage:
        sys.exit(_salvage(file or _only_journal(config), as_json))
    if verify_audit:
        sys.exit(_verify(file or _only_journal(config), as_json))
    since_us = 0 if since is None else moment_us(since, datetime.now(UTC))
    entries = _asked(endpoint, since_us, unknown, count) if file is None else _read(file, since_us, unknown, count)
    for line in [json.dumps(_plain(entry)) for entry in entries] if as_json else table(entries):
        click.echo(line)
    sys.exit(1 if unknown and entries else 0)


COMMANDS: tuple[click.Command, ...] = (orders,)


def moment_us(words: str, now: datetime) -> int:
    """`2d`, or an ISO time, in microseconds since 1970 UTC. Raises `ConfigError`."""
    age = _AGE.fullmatch(words.strip())
    moment: datetime | None = None
    with suppress(ValueError, OverflowError):
        moment = now - timedelta(**{_UNITS[age[2]]: int(age[1])}) if age else datetime.fromisoformat(words.strip())
    if moment is None or moment.year < 1970:
        raise ConfigError(f"--since {words!r} is no time", next_step="write it as 30m, 12h, 2d, or 2026-03-04T14:00")
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0, (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


def _asked(endpoint: str | None, since_us: int, unknown: bool, count: int) -> Sequence[JournalEntry]:
    from bridge.messages import GetJournal  # noqa: PLC0415 - only where a bridge is asked
    from clients import Client  # noqa: PLC0415

    deadline = time.monotonic() + OPENING_S
    with Client(endpoint, name="orders") as bridge:
        while True:
            try:
                return bridge.call(GetJournal(since_us, unknown, count)).entries
            except JournalUnavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)


def _read(path: Path, since_us: int, unknown: bool, count: int) -> Sequence[JournalEntry]:
    from bridge.entries import Query  # noqa: PLC0415
    from bridge.outcomes import told  # noqa: PLC0415
    from bridge.reading import read  # noqa: PLC0415

    return [told(entry) for entry in read(path, Query(since_us, unknown, count))]


def _only_journal(config: Path | None) -> Path:
    """The journal in the configured folder, when there is one only. Raises `ConfigError`."""
    from bridge.config import load, state_folder  # noqa: PLC0415

    folder = load({}, config=config).journal_folder() or state_folder(os.environ) / "journal"
    found = sorted({path.with_suffix(".sqlite") for path in folder.glob("*@*.lock")} | set(folder.glob("*@*.sqlite")))
    found = [path for path in found if ".damaged-" not in path.name]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ConfigError(f"the journals in {folder} are: {names}", next_step="name one with --file")
    return found[0]


def _salvage(path: Path, as_json: bool) -> int:
    from bridge.salvage import salvage  # noqa: PLC0415

    done = salvage(path, datetime.now(UTC))
    if as_json:
        told: dict[str, Any] = {"orders": done.orders, "lost": done.lost, "kept_as": done.kept_as and str(done.kept_as)}
        click.echo(json.dumps(told))
        return 0
    for line in done.lost:
        click.echo(f"LOST: {line}")
    click.echo(f"{done.orders} orders are in the new journal {path}")
    if done.kept_as is not None:
        click.echo(f"the damaged file is kept as {done.kept_as}")
    click.echo("before trading goes on, compare positions, orders and deals in the terminal with: mt5bridge orders")
    return 0


def _verify(path: Path, as_json: bool) -> int:
    from bridge.audit import verify  # noqa: PLC0415
    from bridge.guard import known_audit  # noqa: PLC0415

    found = verify(path.parent, path.stem, known_audit(path.with_suffix(".lock")))
    if as_json:
        names = ("files", "lines", "first", "last", "problems")
        click.echo(json.dumps({name: getattr(found, name) for name in names}))
    else:
        for problem in found.problems:
            click.echo(f"WRONG: {problem}")
        verdict = f"{len(found.problems)} things are wrong" if found.problems else "nothing was changed"
        click.echo(f"{found.lines} lines ({found.first} to {found.last}) in {found.files} files: {verdict}")
    return 1 if found.problems else 0


# ---- how it is shown -------------------------------------------------------------------------------------------------------------


def table(entries: Sequence[JournalEntry]) -> list[str]:
    """A line for each order, in columns, under a line of titles."""
    rows: list[tuple[str, ...]] = [("time (UTC)", "outcome", "order", "deal", "client", "what", "id", "")]
    for entry in entries:
        tickets = [str(ticket) if ticket else "-" for ticket in (entry.order, entry.deal)]
        why = "; ".join(filter(None, (entry.message, entry.evidence)))
        rows.append((_time(entry.time_us), entry.kind or "under way", *tickets, entry.client, what(entry.request), entry.id, why))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]
    return lines if entries else ["no orders"]


def _time(time_us: int) -> str:
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(time_us // 1_000_000))}.{time_us // 1000 % 1000:03}"


def what(request: TradeRequest) -> str:
    """An order in a few words: `buy 0.1 EURUSD`, `pending sell_limit 0.1 EURUSD at 1.1`, `remove order 77`."""
    action = _ACTIONS.get(request.action, f"action {request.action} ")
    words = [action + (_TYPES[request.type] if request.action in (1, 5) and request.type < len(_TYPES) else "")]
    words += [f"{request.volume:g}"] if request.volume else []
    words += [request.symbol] if request.symbol else []
    words += [f"at {request.price:g}"] if request.price else []
    words += [f"{name} {value}" for name, value in _touched(request) if value]
    return " ".join(word.strip() for word in words if word.strip())


def _touched(request: TradeRequest) -> tuple[tuple[str, int], ...]:
    return ("position", request.position), ("by", request.position_by), ("order", request.order)


def _plain(entry: JournalEntry) -> Any:
    from bridge.codec import plain_body  # noqa: PLC0415

    return plain_body(entry)
