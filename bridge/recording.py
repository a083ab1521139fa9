"""`mt5bridge record`: ticks and bars on disk, each once; and the look whether they are."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.errors import BridgeUnreachable, ConfigError, TryAgain
from bridge.options import endpoint_option, json_option

if TYPE_CHECKING:
    from clients import Client
    from clients.recorder.layout import Series

AGAIN_S = 2.0
"""Pause before a bridge that is not there is looked for again."""


@click.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder of the recording."
)
@click.option(
    "--symbols", metavar="NAMES", help="Symbols, separated by commas; EUR* takes all that begin so [all of Market Watch]."
)
@click.option("--bars", metavar="TIMEFRAMES", default="", help="Also closed bars of these timeframes: M1,H1.")
@click.option("--no-ticks", is_flag=True, help="Bars only.")
@click.option(
    "--since", metavar="TIME", help="Begin a new series with the terminal's history from then on: an ISO time (server time)."
)
@click.option(
    "--flush",
    "flush_s",
    type=click.FloatRange(0.1, 3_600),
    default=5.0,
    show_default=True,
    help="Seconds until rows are on the disk.",
)
@click.option(
    "--patience", "patience_s", type=click.FloatRange(0, 86_400), default=600.0, show_default=True,
    help="Seconds that a full disk is tried again.",
)  # fmt: skip
@click.option("--verify", is_flag=True, help="Do not record, but look at the whole recording; exit code 1 if something is wrong.")
@click.option(
    "--no-compare", is_flag=True, help="With --verify: not against the terminal's history, for which a bridge has to run."
)
@endpoint_option
@json_option
def record(
    out: Path,
    symbols: str | None,
    bars: str,
    no_ticks: bool,
    since: str | None,
    flush_s: float,
    patience_s: float,
    verify: bool,
    no_compare: bool,
    endpoint: str | None,
    as_json: bool,
) -> None:
    """Record ticks and closed bars to Parquet files, without a hole and without a double, until it is stopped.

    It goes on where it stopped, however it ended: what came meanwhile is read from the terminal's history. Needs pyarrow:
    pip install "mt5-zmq-bridge[backtest]".

    \b
    Examples:
      mt5bridge record --out ticks --symbols 'EURUSD,XAU*' --bars M1,H1
      mt5bridge record --out ticks --verify
    """
    from clients.recorder.columns import arrow  # noqa: PLC0415

    arrow()
    if verify:
        sys.exit(_verify(out, endpoint, as_json, compare=not no_compare))
    since_s = None if since is None else _moment_s(since)
    ending = Ending()
    from clients.recorder.recorder import Terms  # noqa: PLC0415

    terms = Terms(flush_s=flush_s, patience_s=patience_s, since_s=since_s)
    told: dict[str, object] = {"rows": 0, "gaps": 0}
    said = ""
    while not ending.asked():
        try:
            _record(out, endpoint, (symbols, bars, not no_ticks), terms, ending.asked, told)
        except (BridgeUnreachable, TryAgain) as error:
            if str(error) != said:
                said = str(error)
                click.echo(f"mt5bridge: {said}; trying again", err=True)
            _wait(AGAIN_S, ending.asked)
    line = f"{told['rows']} rows recorded, {told['gaps']} gaps noted"
    click.echo(json.dumps(told) if as_json else line)


def _record(
    out: Path,
    endpoint: str | None,
    which: tuple[str | None, str, bool],
    terms: object,
    asked: Callable[[], bool],
    told: dict[str, object],
) -> None:
    from clients import Client  # noqa: PLC0415
    from clients.recorder.recorder import Recorder, Terms  # noqa: PLC0415

    assert isinstance(terms, Terms)

    def tell(text: str) -> None:
        click.echo(f"mt5bridge: {text}", err=True)

    with Client(endpoint, name="recorder") as client:
        series = _series(client, *which)
        with Recorder(client, out, series, terms, tell=tell) as recorder:
            click.echo(f"recording {len(series)} series to {out}", err=True)
            try:
                recorder.run(lambda: not asked())
            finally:
                told["rows"] = int(str(told["rows"])) + recorder.done.rows
                told["gaps"] = int(str(told["gaps"])) + recorder.done.gaps
                told["series"] = recorder.done.series


def _series(client: Client, symbols: str | None, bars: str, ticks: bool) -> list[Series]:
    """What is to be recorded. Raises `ConfigError` for a pattern that no symbol fits, `InvalidParameters` for no timeframe."""
    from clients.history import timeframe_named  # noqa: PLC0415
    from clients.recorder.layout import Series  # noqa: PLC0415

    known = client.symbols()
    names: list[str] = []
    for pattern in [part.strip() for part in symbols.split(",")] if symbols is not None else []:
        fitting = [pattern] if "*" not in pattern else [one.name for one in known if fnmatchcase(one.name, pattern)]
        if not pattern or not fitting:
            raise ConfigError(f"no symbol fits {pattern!r}", next_step="see the names with: mt5bridge doctor, or in Market Watch")
        names += fitting
    if symbols is None:
        names = [one.name for one in known if one.visible]
    frames = [timeframe_named(part.strip()) for part in bars.split(",") if part.strip()]
    if not ticks and not frames:
        raise ConfigError("nothing is to be recorded", next_step="leave --no-ticks out, or give --bars")
    for name in dict.fromkeys(names):
        client.symbol(name)  # raises for one that does not exist
    series = [Series(name) for name in dict.fromkeys(names)] if ticks else []
    return series + [Series(name, frame) for name in dict.fromkeys(names) for frame in frames]


def _verify(out: Path, endpoint: str | None, as_json: bool, *, compare: bool) -> int:
    from clients import Client  # noqa: PLC0415
    from clients.recorder.verification import verify  # noqa: PLC0415

    if compare:
        with Client(endpoint, name="verify") as client:
            found = verify(out, client)
    else:
        found = verify(out)
    for one in found:
        if as_json:
            click.echo(json.dumps(one.as_object()))
            continue
        per_row = f", {one.bytes / one.rows:.1f} bytes a row" if one.rows else ""
        state = "the same as the terminal's history" if one.compared else "complete in itself"
        click.echo(
            f"{one.topic}: {one.rows} rows in {one.files} files{per_row}, {one.late} late, {one.gaps} gaps noted: "
            f"{state if not one.wrong else 'NOT AS IT SHOULD BE'}"
        )
        for wrong in one.wrong:
            click.echo(f"  {wrong}")
    return 1 if any(one.wrong for one in found) else 0


def _moment_s(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since {text!r} is not a time", next_step="write it as 2026-03-04 or 2026-03-04T15:30") from None
    return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())


class Ending:
    """SIGINT, SIGTERM and Ctrl-Break: the first one ends the recording in good order, the second one at once."""

    def __init__(self) -> None:
        self._count = 0
        for name in ("SIGINT", "SIGTERM", *(["SIGBREAK"] if sys.platform == "win32" else [])):
            signal.signal(getattr(signal, name), self._received)

    def _received(self, number: int, frame: object) -> None:
        self._count += 1
        if self._count > 1:
            raise KeyboardInterrupt

    def asked(self) -> bool:
        """Whether it is to end."""
        return self._count > 0


def _wait(seconds: float, asked: Callable[[], bool]) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s and not asked():
        time.sleep(0.1)
