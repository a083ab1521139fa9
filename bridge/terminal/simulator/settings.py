"""How a simulated terminal is to be set up, and the setting up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.errors import ConfigError
from bridge.terminal.simulator import past
from bridge.terminal.simulator.clock import DEFAULT_ZONE, SimulatedClock, server_time_msc, zone_offset_s
from bridge.terminal.simulator.market import SHAPES, Markets, SyntheticMarket
from bridge.terminal.simulator.pace import PacedClock, PacedReplay
from bridge.terminal.simulator.profile import PROFILES, Profile
from bridge.terminal.simulator.quotes import Market
from bridge.terminal.simulator.recording import read_recordings
from bridge.terminal.simulator.replay import Replay
from bridge.terminal.simulator.store import Store
from bridge.terminal.simulator.world import Credentials, World

DEFAULT_PORT = 5557


@dataclass(frozen=True, slots=True)
class TerminalSettings:
    """What a simulated terminal process is told at its start.

    `listen` is host and port (0 for any free port).  `start_msc` is the server time to begin at; None means now, or
    just before the first row of `recordings` when there are some.  `speed` is server seconds per second, infinity for as
    fast as recorded ticks are read (`pace`); `held` starts with the clock stopped.  `recordings` are pairs of a symbol
    and a file of its ticks; all other symbols are synthetic, made from `seed`.  `profile` names a broker
    (`profile.PROFILES`), `balance` replaces the first deposit.  A `fresh` account has nothing but that deposit; else it
    was used for two weeks (`past`).  `zone` says what server time is (`clock.zone_offset_s`).  `state` is a file that
    keeps the account across restarts.  With `exit_with_parent` the terminal ends when its standard input does.
    """

    listen: tuple[str, int] = ("127.0.0.1", DEFAULT_PORT)
    seed: int = 1
    speed: float = 1.0
    start_msc: int | None = None
    held: bool = False
    recordings: tuple[tuple[str, Path], ...] = ()
    profile: str = "hedging-cfd"
    balance: float | None = None
    fresh: bool = False
    zone: str = DEFAULT_ZONE
    state: Path | None = None
    login: int = 5_000_001
    password: str = "simulated"  # noqa: S105  the documented password of a simulated account
    server: str = "MetaQuotes-Demo"
    exit_with_parent: bool = False


@dataclass(frozen=True, slots=True)
class Furnished:
    """What a terminal process works with; `replay` and `store` only if recordings and a state file were asked for."""

    world: World
    clock: SimulatedClock
    replay: Replay | None
    store: Store | None


def furnish(settings: TerminalSettings, *, utc_msc: int, monotonic_s: float) -> Furnished:
    """Set up world and clock, beginning at this moment of UTC and of the monotonic clock.

    An account kept in a state file goes on where its clock is by now, whatever `start_msc` and `held` say.  Raises
    ConfigError with one line for the person who wrote the settings.
    """
    profile = _profile(settings)
    replay = _replay(settings, profile) if settings.recordings else None
    synthetic = SyntheticMarket(settings.seed, {name: SHAPES[c.shape] for name, c in profile.contracts.items()})
    market: Market = Markets(replay, synthetic) if replay else synthetic
    start_msc = settings.start_msc
    if start_msc is None:
        start_msc = _first_msc(replay) - 1 if replay else server_time_msc(utc_msc, settings.zone)
    clock = SimulatedClock(start_msc, settings.speed, settings.held, monotonic_s, start_msc)
    credentials = Credentials(settings.login, settings.password, settings.server)
    opened_msc = start_msc if settings.fresh else start_msc - past.PAST_DAYS * 86_400_000
    world = World(market, opened_msc, profile=profile, credentials=credentials)
    if settings.state is None:
        if not settings.fresh:
            past.live(world, start_msc)
        return Furnished(world, _paced(clock, replay), replay, None)
    clock = _paced(clock, replay)
    store = Store(settings.state)
    try:
        store.identify(
            {
                "login": settings.login, "server": settings.server, "profile": profile.name, "seed": settings.seed,
                "zone": settings.zone,
            }
        )  # fmt: skip
        if store.load(world):
            clock = _paced(store.load_clock(monotonic_s, utc_msc, settings.speed) or clock, replay)
            if world.now_msc > clock.now_msc(monotonic_s):  # a fault had put the server's clock forward
                world.turn(clock.now_msc(monotonic_s))
        elif not settings.fresh:
            past.live(world, start_msc)
        store.save_clock(clock, clock.now_msc(monotonic_s), utc_msc)
        store.save(world)
    except BaseException:
        store.close()
        raise
    return Furnished(world, clock, replay, store)


def _profile(settings: TerminalSettings) -> Profile:
    profile = PROFILES.get(settings.profile)
    if profile is None:
        raise ConfigError(f"there is no broker profile {settings.profile!r}", next_step=f"choose one of {', '.join(PROFILES)}")
    if not settings.speed > 0 or (settings.speed == math.inf and not settings.recordings):
        raise ConfigError(
            f"the speed must be a positive number, not {settings.speed}", next_step="inf goes with recorded ticks only"
        )
    try:
        zone_offset_s(0, settings.zone)
    except ValueError as error:
        raise ConfigError(str(error), next_step="write it as America/New_York+7, Europe/Athens or UTC") from error
    return profile if settings.balance is None else replace(profile, balance=settings.balance)


def _replay(settings: TerminalSettings, profile: Profile) -> Replay:
    for symbol, _ in settings.recordings:
        if symbol not in profile.contracts:
            raise ConfigError(
                f"the simulated broker has no symbol {symbol!r}", next_step="replay the file under one of its symbols"
            )
    kind = PacedReplay if settings.speed == math.inf else Replay
    try:
        return kind(read_recordings((f"{symbol}={path}" for symbol, path in settings.recordings), zone=settings.zone))
    except (ValueError, OSError) as error:  # RecordingError, and a time that goes back where the zone sets its clock back
        raise ConfigError(f"a recording cannot be replayed: {error}") from error


def _paced(clock: SimulatedClock, replay: Replay | None) -> SimulatedClock:
    return PacedClock.of(clock, replay) if isinstance(replay, PacedReplay) else clock


def _first_msc(replay: Replay) -> int:
    return min(replay.span_msc(symbol)[0] for symbol in replay.symbols())
