"""The command `replay`: a strategy over files of recorded ticks or bars."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bridge.errors import BridgeError, ConfigError, UnknownSymbol
from bridge.terminal.simulator.market import SHAPES, Markets, SyntheticMarket
from bridge.terminal.simulator.profile import PROFILES, Profile
from bridge.virtual_account import VirtualAccount
from strategies.performance import deals_of, equity_of, figures_of
from strategies.replay import Replay, Result
from strategies.runner import StrategyFailed
from strategies.strategy import Strategy
from strategies.track import Recorded, Track, read_files, track_of

OPTIONS: tuple[click.Option, ...] = (
    click.Option(["--data", "files"], multiple=True, required=True, metavar="FILE", help="Recorded ticks or bars; SYMBOL=FILE."),
    click.Option(["--balance"], type=click.FloatRange(min=0.0, min_open=True), metavar="MONEY", help="The deposit [100000]."),
    click.Option(["--leverage"], type=click.IntRange(min=1), metavar="N", help="Leverage of the account [100]."),
    click.Option(["--commission"], type=click.FloatRange(min=0.0), metavar="MONEY", help="For each lot and side [0]."),
    click.Option(["--slippage"], type=click.IntRange(min=0), metavar="POINTS", help="By which market orders get worse [0]."),
    click.Option(["--spread"], type=click.IntRange(min=0), metavar="POINTS", help="Instead of that in recorded bars."),
    click.Option(["--profile"], type=click.Choice(list(PROFILES)), default="hedging-cfd", help="The simulated broker's terms."),
    click.Option(["--deals", "deals_file"], type=click.Path(dir_okay=False), metavar="FILE", help="Write the deals as CSV."),
    click.Option(["--equity", "equity_file"], type=click.Path(dir_okay=False), metavar="FILE", help="Write the equity as CSV."),
    click.Option(["--json", "as_json"], is_flag=True, help="The figures as one JSON object on standard output."),
)


def replay(strategy: Strategy, recorded: Sequence[Recorded], profile: Profile) -> tuple[Result, VirtualAccount]:
    """Play the recording of the strategy's symbol; the others convert currencies. Raises `BridgeError` and `StrategyFailed`."""
    own = next((item for item in recorded if item.symbol == strategy.symbol), None)
    if own is None:
        raise ConfigError(
            f"no recording of {strategy.symbol}, only of {', '.join(item.symbol for item in recorded)}",
            next_step="use --symbol, or name the file SYMBOL=FILE",
        )
    for item in recorded:
        if item.symbol not in profile.contracts:
            raise UnknownSymbol(
                f"the simulated broker has no symbol {item.symbol!r}",
                next_step="write the file as SYMBOL=FILE with one of its symbols: " + ", ".join(profile.contracts),
                symbol=item.symbol,
            )
    track = track_of(own, strategy.timeframe, profile.contracts[own.symbol].point)
    market = Markets(
        *(item.market for item in recorded), SyntheticMarket(1, {name: SHAPES[c.shape] for name, c in profile.contracts.items()})
    )
    account = VirtualAccount(market, int(track.opened_msc[0]), profile)
    return Replay(strategy, track, market, account).run(), account


def perform(kind: type[Strategy], name: str, values: dict[str, Any], chosen: dict[str, Any]) -> int:
    """Replay as the command line asks; the exit code. Raises `BridgeError` for what is wrong in the call."""
    logging.getLogger("strategies").setLevel(logging.ERROR if chosen["as_json"] else logging.WARNING)
    for file in (chosen["deals_file"], chosen["equity_file"]):
        if file is not None and not Path(file).parent.is_dir():
            raise ConfigError(f"cannot write {file}: there is no such folder", next_step="make it, or name another file")
    recorded = read_files(chosen["files"], spread=chosen["spread"])
    given = {field: chosen[field] for field in ("balance", "leverage", "commission", "slippage") if chosen[field] is not None}
    profile = replace(PROFILES[chosen["profile"]], **given)
    values.setdefault("symbol", recorded[0].symbol)
    own = next((item for item in recorded if item.symbol == values["symbol"]), recorded[0])
    if own.timeframe is not None:
        values.setdefault("timeframe", own.timeframe)
    strategy = kind(name, None, **values)
    begun_s = time.perf_counter()
    try:
        result, account = replay(strategy, recorded, profile)
    except StrategyFailed as failed:
        strategy.log.error("stopped: %s raised %r", failed, failed.__cause__, exc_info=failed.__cause__)
        return 1
    took_s = time.perf_counter() - begun_s
    equity = equity_of(result, account)
    _write(deals_of(result).to_csv(index=False), chosen["deals_file"])
    _write(equity.to_csv(), chosen["equity_file"])
    figures = {"strategy": strategy.name, "symbol": strategy.symbol, "timeframe": strategy.timeframe} | figures_of(result, equity)
    _show(figures, result.track, took_s, as_json=chosen["as_json"])
    if isinstance(own.rows, tuple) and not own.rows.has_spread:
        click.echo("the file has no spread: 0 was used; see --spread", err=True)
    if result.track.holes:
        click.echo(f"the recording has {result.track.holes} holes, weekends apart", err=True)
    return 0


def _write(text: str, file: str | None) -> None:
    if file is None:
        return
    try:
        Path(file).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror or error}", next_step="name another file") from error


def _show(figures: dict[str, Any], track: Track, took_s: float, *, as_json: bool) -> None:
    rows = max(figures["bars"], figures["ticks"])
    if as_json:
        click.echo(json.dumps(figures | {"holes": track.holes, "took_s": round(took_s, 3), "rows_per_s": round(rows / took_s)}))
        return
    for field, value in figures.items():
        click.echo(f"{field:18} {'-' if value is None else value}")
    click.echo(f"{'took':18} {took_s:.2f} s, {rows / took_s:,.0f} rows a second")


def command(kind: type[Strategy], name: str, params: list[click.Option], settings: dict[str, Any]) -> click.Command:
    """The command that replays a strategy, with a flag for each of its parameters."""

    def callback(**given: Any) -> None:
        fields = {option.name for option in OPTIONS}
        chosen = {field: value for field, value in given.items() if field in fields}
        values = {field: value for field, value in given.items() if field not in fields and value is not None}
        try:
            sys.exit(perform(kind, name, values, chosen))
        except BridgeError as error:
            click.echo(f"{name}: {error}", err=True)
            sys.exit(2)

    return click.Command(name, params=[*params, *OPTIONS], callback=callback, help=kind.__doc__, context_settings=settings)
