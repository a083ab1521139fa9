"""What happens in a week: the calendar of two trade servers, their quotes, and faults with their cures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from random import Random

from bridge.messages import Reconnect
from bridge.ticks import TICK_STRUCT
from tests.week_rig import Rig
from tests.week_world import Broker, Quotes

HOUR_MSC = 3_600_000
FOREX, ALWAYS = ("EURUSD", "GBPUSD"), "BTCUSD"


@dataclass(frozen=True, slots=True)
class Calendar:
    """A week from the opening on Monday, server time, to some hours after the next one. Servers keep New York's time + 7 h."""

    opens: datetime
    shuts: datetime
    opens_again: datetime
    ends: datetime
    shift: datetime
    before_s: int
    after_s: int

    def offset_s(self, utc_msc: int) -> int:
        """The server's clock ahead of UTC."""
        return self.before_s if utc_msc < _msc(self.shift) else self.after_s

    def is_open(self, symbol: str, utc_msc: int) -> bool:
        """Market hours."""
        return symbol == ALWAYS or not _msc(self.shuts) <= utc_msc < _msc(self.opens_again)


def _msc(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _calendar(sunday: datetime, shift_s: int) -> Calendar:
    """New York moves its clock on the second Sunday, at two in the morning."""
    week, before_s = timedelta(days=7), 7200 if shift_s > 0 else 10_800
    opens = sunday + timedelta(hours=24) - timedelta(seconds=before_s)
    after_s = before_s + shift_s
    again = sunday + week + timedelta(hours=24) - timedelta(seconds=after_s)
    shift = sunday + week + timedelta(hours=9) - timedelta(seconds=before_s)
    return Calendar(opens, opens + timedelta(days=5), again, again + timedelta(hours=3), shift, before_s, after_s)


SPRING = _calendar(datetime(2026, 3, 1, tzinfo=UTC), 3600)
AUTUMN = _calendar(datetime(2026, 10, 25, tzinfo=UTC), -3600)


# ---- quotes ----------------------------------------------------------------------------------------------------------------------


def quotes(symbol: str, calendar: Calendar, offset: Callable[[int], int], lively: list[tuple[int, int]], dice: Random) -> Quotes:
    """Ticks of the whole week: few, and many where it is lively; some in one millisecond, some like the one before."""
    times, at = [], _msc(calendar.opens) - 60_000
    while at < _msc(calendar.ends):
        times.append(at)
        at += round(dice.expovariate(1 / 150_000)) + 1
    for first, last in lively:
        at = first
        while at < last:
            times.append(at)
            at += round(dice.expovariate(1 / 600)) * dice.choice((0, 1, 1, 1))
            if at == times[-1] and dice.random() < 0.5:
                at += 1
    times.sort()
    times = [at for at in times if calendar.is_open(symbol, at)]
    price, rows = 1.0, []
    for at in times:
        if dice.random() < 0.95:
            price = round(price + dice.choice((-1e-5, 1e-5)), 5)
        server = at + offset(at) * 1000
        rows.append(TICK_STRUCT.pack(server // 1000, price, price + 1e-4, 0.0, 0, server, 6, 0.0))
    return Quotes(times, b"".join(rows))


def broker(login: int, server: str, calendar: Calendar, lag_s: int, lively: list[tuple[int, int]], dice: Random) -> Broker:
    """An account at a server whose clock is so far from the calendar's."""
    names = (*FOREX, ALWAYS)
    offset = lambda utc_msc: calendar.offset_s(utc_msc) + lag_s  # noqa: E731
    return Broker(login, server, {name: quotes(name, calendar, offset, lively, dice) for name in names})


# ---- faults ----------------------------------------------------------------------------------------------------------------------

Act = Callable[[Rig], None]
Told = tuple[tuple[str, str], ...]
"""States and reasons that are announced."""
LOST: Told = (("reconnecting", "link_lost"),)
GONE: Told = (("reconnecting", "session_exited"),)
HUNG: Told = (("reconnecting", "session_hung"),)
TRIED: Told = (("connecting", ""),)
BACK: Told = (*TRIED, ("connected", "attached"))
WELL: Told = (("connected", ""),)
OFFLINE: Told = (("degraded", "broker_down"),)
FOREIGN: Told = (("degraded", "wrong_account"),)
HANG_S = 95.0
"""A call that hangs may have been announced as one that may take so long."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`begin` and `cure` are what is done at `at` and `lasts_s` later; `told` what a bridge announces when nothing else happens
    meanwhile. Attempts in vain do not count."""

    kind: str
    at: float
    lasts_s: float
    begin: Act
    cure: Act
    told: Told = ()

    @property
    def ends(self) -> float:
        """When it is cured, by others or by the bridge."""
        return self.at + self.lasts_s


def nothing(rig: Rig) -> None:
    """It cures itself, or the bridge does."""


def end(rig: Rig) -> None:
    """The terminal's process is gone."""
    rig.world.end()


def put(**values: object) -> Act:
    """Something in the world is so from now on."""

    def act(rig: Rig) -> None:
        for name, value in values.items():
            setattr(rig.world, name, value)

    return act


def both(*acts: Act) -> Act:
    """One after the other."""

    def act(rig: Rig) -> None:
        for each in acts:
            each(rig)

    return act


def freeze(rig: Rig) -> None:
    """The link to the trade server is gone."""
    rig.world.frozen_msc = rig.world.now_msc()


def die(rig: Rig) -> None:
    """The session's process is killed."""
    if rig.process is not None and rig.process.alive:
        rig.exits(rig.process, "the session process was killed by signal 9")


def babble(rig: Rig) -> None:
    """The session says what is no message."""
    if rig.process is not None and rig.process.session is not None:
        rig.on_the_way.append((rig.now, rig.process.generation, b"\xc1garbage"))


def log_in(home: bool, resync_s: float) -> Act:
    """Somebody logs the terminal in to an account."""
    return lambda rig: rig.world.switch(rig.world.home if home else rig.world.other, resync_s)


def correct(by_file: bool) -> Act:
    """The password is the right one again, and the bridge is told."""

    def act(rig: Rig) -> None:
        rig.world.password_wrong = False
        if by_file:
            rig.settings_changed()
        else:
            rig.ask(Reconnect(), f"reconnect{rig.now}")

    return act


RESTART = both(end, put(away=False))
READS = ("any", "tick", "info", "account", "positions", "ticks_from", "rates")


def barred(reason: str) -> Told:
    """What is told about a permission that goes and comes."""
    return ("connected", reason), *WELL


def fault(kind: str, at: float, dice: Random) -> Fault:
    """One of a kind."""
    lasts_s = dice.choice((0.7, 1.0, 2.0, 4.0, 12.0)) * dice.uniform(0.9, 1.2)
    resync_s = dice.choice((0.8, 1.5))
    executes = dice.random() < 0.5
    read = put(hang_in=dice.choice(READS), hang_s=inf, hang_executes=executes)
    short = put(hang_in="any", hang_s=dice.uniform(0.5, 4.0), hang_executes=True)
    order = put(hang_in="send", hang_s=inf, hang_executes=executes)
    slow_s, wizard_s, by_file = dice.choice((0.05, 0.3, 1.0, 2.0)), dice.choice((2.0, 70.0)), dice.random() < 0.5
    refused: Told = (*LOST, *TRIED, ("refused", "bad_credentials"), ("reconnecting", "bridge"), *BACK)
    table: dict[str, tuple[float, Act, Act, Told]] = {
        "terminal_killed": (lasts_s, end, put(away=False), LOST + BACK),
        "liveupdate": (240.0, end, put(away=False, build=5001), LOST + BACK),
        "wizard": (wizard_s, both(RESTART, put(wizard=True)), put(wizard=False), LOST + BACK),
        "busy": (lasts_s, both(RESTART, put(busy=True)), put(busy=False), LOST + BACK),
        "hang": (0.0, read, nothing, HUNG + BACK),
        "short_hang": (4.5, short, nothing, ()),
        "hang_in_attach": (0.0, both(put(hang_in="attach"), die), nothing, GONE + TRIED + HUNG + BACK),
        "hang_in_order": (0.0, order, nothing, HUNG + BACK),
        "death_in_order": (lasts_s, put(dies_in_it=True), put(dies_in_it=False, away=False), LOST + BACK),
        "slow": (lasts_s, put(slow_s=slow_s), put(slow_s=0.0), ()),
        "broker_down": (lasts_s, freeze, put(frozen_msc=inf), OFFLINE + WELL),
        "account_switched": (
            lasts_s + resync_s, log_in(False, resync_s), log_in(True, resync_s), FOREIGN + FOREIGN + OFFLINE + WELL,
        ),
        "wrong_password": (3.0 + lasts_s, both(put(password_wrong=True), RESTART), correct(by_file), refused),
        "session_killed": (0.0, die, nothing, GONE + BACK),
        "garbage": (0.0, babble, nothing, HUNG + BACK),
        "crash_loop": (4_000.0, both(put(crashes=True), die), nothing, ()),
        "shift": (40.0, nothing, nothing, ()),
        "algo_off": (lasts_s, put(trade_allowed=False), put(trade_allowed=True), barred("algo_trading_off")),
        "api_disabled": (lasts_s, put(api_disabled=True), put(api_disabled=False), barred("api_disabled")),
        "investor": (lasts_s, put(account_trade_allowed=False), put(account_trade_allowed=True), barred("investor")),
        "robots_off": (lasts_s, put(account_trade_expert=False), put(account_trade_expert=True), barred("robots_off")),
    }  # fmt: skip
    return Fault(kind, at, *table[kind])


KINDS = (
    "terminal_killed", "wizard", "busy", "hang", "short_hang", "hang_in_attach", "hang_in_order", "death_in_order", "slow",
    "broker_down", "account_switched", "wrong_password", "session_killed", "garbage", "algo_off", "api_disabled", "investor",
    "robots_off",
)  # fmt: skip
"""What happens at random."""


def plan(calendar: Calendar, start: float, number: int, dice: Random, kinds: tuple[str, ...] = KINDS) -> list[Fault]:
    """So many faults in the week, some in quick succession; a session that does not hold, the update of the terminal on Saturday,
    and the change of the server's clock on Sunday."""
    apart_s = {"crash_loop": 7_200.0, "liveupdate": 1_200.0, "shift": 3_700.0 if calendar.after_s < calendar.before_s else 300.0}
    fixed = {
        "crash_loop": start + timedelta(days=1, hours=3).total_seconds(),
        "liveupdate": start + timedelta(days=5, hours=9).total_seconds(),
        "shift": start + (calendar.shift - calendar.opens).total_seconds() - 20.0,
    }
    faults = [fault(kind, at, dice) for kind, at in fixed.items()]
    length_s = (calendar.ends - calendar.opens).total_seconds()
    random = 0
    while random < number:
        at = start + dice.uniform(60.0, length_s - 600.0)
        for _ in range(dice.choice((1, 1, 2, 3))):
            if all(abs(at - moment) > apart_s[kind] for kind, moment in fixed.items()):
                faults.append(fault(kinds[random % len(kinds)], at, dice))
                random += 1
            at += dice.uniform(0.0, 15.0)
    return sorted(faults, key=lambda each: each.at)


def episodes(faults: list[Fault], apart_s: float) -> list[list[Fault]]:
    """Faults that are near to each other belong together."""
    found: list[list[Fault]] = []
    until = -inf
    for each in faults:
        if each.at < until + apart_s:
            found[-1].append(each)
        else:
            found.append([each])
        until = max(until, each.ends + (HANG_S if "hang" in each.kind else 0.0))
    return found


def lively(faults: list[Fault], start: float, calendar: Calendar) -> list[tuple[int, int]]:
    """When there are many ticks, in milliseconds of UTC: around what happens."""
    zero_msc = _msc(calendar.opens)
    spans = [(_msc(calendar.shift) - 90_000, _msc(calendar.shift) + 90_000)]
    spans += [(_msc(calendar.opens_again), _msc(calendar.opens_again) + 60_000), (zero_msc, zero_msc + 120_000)]
    moments = {moment for each in faults for moment in (each.at, each.ends)}
    spans += [(zero_msc + round((at - start - 4.0) * 1000), zero_msc + round((at - start + 9.0) * 1000)) for at in moments]
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
