"""A week of a bridge in virtual time: the market opens and closes, clocks are changed, the terminal updates itself, and five
hundred things go wrong. What has to be so at every moment is checked in `week_rig`, the rest here."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import pairwise
from random import Random

import pytest

from bridge.connection import State
from bridge.messages import GetAccount, GetPositions, SendOrder
from bridge.replies import ClockOffset, ConnectionState
from bridge.terminal import Credentials
from bridge.ticks import RECORD_BYTES, iter_bars
from bridge.trading import TradeRequest
from tests.fake_terminal import rows
from tests.week_plan import ALWAYS, AUTUMN, FOREX, KINDS, SPRING, Calendar, Fault, broker, episodes, lively, plan
from tests.week_rig import Rig
from tests.week_world import OTHERS, Quotes, World

FAULTS = 500
UNNAMED = tuple(kind for kind in KINDS if kind != "wrong_password")
"""What happens to a bridge whose account is the one that it found: it has no password to be wrong."""
START = 1_000.0
STRIDE_S = 600.0
"""Where nothing happens, time passes in strides, as on a machine that sleeps: a week has 1.2 million looks at the terminal."""
CURED_S = 5.0
"""How long the bridge may take to be well again."""
SEEN_S = 10.0
"""How long it may take to see that the server's clock was changed."""
HOME, OTHER = (5001, "Demo"), (7007, "Elsewhere")
NAMED = Credentials(login=5001, password="secret", server="Demo")


class Week:
    def __init__(self, seed: int, calendar: Calendar, credentials: Credentials) -> None:
        self.dice = dice = Random(seed)
        self.calendar = calendar
        self.faults = plan(calendar, START, FAULTS, dice, KINDS if credentials.login else UNNAMED)
        spans = lively(self.faults, START, calendar)
        opens_us = round(calendar.opens.timestamp() * 1e6)
        home = broker(*HOME, calendar, 0, spans, dice)
        other = broker(*OTHER, calendar, dice.choice((-7200, 0, 3600)), spans, dice)
        self.world = World(home, other, lambda: opens_us // 1000 + int((self.rig.now - START) * 1000), calendar.is_open)
        self.rig = Rig(self.world, opens_us, START, credentials, dice)
        self.asked = 0

    # ---- what happens ------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        rig = self.rig
        rig.begin("tick:EURUSD\0", f"tick:{ALWAYS}\0", "bar:EURUSD:M1\0", "account\0", "trade\0", "connection\0", "log\0")
        rig.run_until(START + 30.0)
        for episode in episodes(self.faults, 12.0):
            self.quiet_until(episode[0].at - 1.5)
            self.live(episode)
        self.quiet_until(START + (self.calendar.ends - self.calendar.opens).total_seconds())
        rig.run_until(rig.now + 10.0)

    def quiet_until(self, until: float) -> None:
        rig = self.rig
        while rig.now < until - 1.0:
            rig.sleep_until(min(rig.now + STRIDE_S, until))
            rig.run_until(rig.now + 0.05)
            self.check_clock(rig.now, rig.status().connection.clock)
        rig.run_until(until)

    def live(self, episode: list[Fault]) -> None:
        """Faults and their cures, and clients that trade meanwhile."""
        rig, dice = self.rig, self.dice
        known = len(rig.states)
        for fault in episode:
            rig.at(fault.at, partial(fault.begin, rig))
            rig.at(fault.ends, partial(fault.cure, rig))
            if fault.kind.endswith("in_order"):
                rig.at(fault.at + 0.05, self.order)
            if fault.kind == "crash_loop":
                rig.at(fault.at + 900.0, self.end_crashes)
            for act in dice.choices((self.order, self.read), k=dice.randrange(4)):
                rig.at(fault.at + dice.uniform(-1.0, fault.lasts_s + 4.0), act)
        rig.run_until(max(fault.ends for fault in episode))
        self.await_cure()
        status = rig.status()
        told = [f"{at:.1f} {state.state} {state.reason}: {state.cause}" for at, state in rig.states[known:]]
        well = status.connection.state, status.connection.trading, status.healthy, status.connection.conditions
        assert well == ("connected", True, True, ()), (episode, told, rig.now)
        self.check_trades(episode)
        if len(episode) == 1:
            self.check_told(episode[0], known)

    def await_cure(self) -> None:
        """Every fault is over; what hangs is ended by the bridge, and that is its cure."""
        rig = self.rig
        ended = cured = rig.now
        while rig.now < cured + CURED_S:
            rig.run_until(rig.now + 0.5)
            waits = rig.world.hang_in is not None and rig.now < ended + 3 * CURED_S  # the call has not been made yet
            if waits or (rig.process is not None and rig.process.hangs):
                cured = rig.now
            cured = max(cured, *(at for at, _ in rig.kills[-1:]), cured)
        rig.world.hang_in, rig.world.dies_in_it = None, False

    def end_crashes(self) -> None:
        assert self.rig.gateway.connection.state is State.SUSPENDED
        self.world.crashes = False

    def order(self) -> None:
        """Somebody trades, and sometimes asks again."""
        self.asked += 1
        rig, dice, held = self.rig, self.dice, self.world.home.positions
        position = dice.choice(list(held)) if dice.random() < len(held) / 6 else 0
        symbol = dice.choice((*FOREX, ALWAYS))
        order = SendOrder(TradeRequest(1, volume=0.1, symbol=symbol, comment=f"o{self.asked}", position=position))
        rig.ask(order, order.request.comment, dice.choice((0.5, 5.0, 30.0)))
        if dice.random() < 0.2:
            rig.at(rig.now + dice.uniform(0.0, 8.0), lambda: rig.ask(order, order.request.comment, 5.0))

    def read(self) -> None:
        """Somebody looks at the account."""
        self.asked += 1
        self.rig.ask(self.dice.choice((GetAccount(), GetPositions())), f"r{self.asked}", 5.0)

    # ---- what has to be so -------------------------------------------------------------------------------------------------------

    def check_clock(self, now: float, clock: ClockOffset) -> None:
        """An offset that is believed is the right one."""
        since_shift_s = now - START - (self.calendar.shift - self.calendar.opens).total_seconds()
        right_s = self.calendar.after_s if since_shift_s >= 0 else self.calendar.before_s
        assert clock.confidence != "high" or clock.offset_s == right_s or 0 <= since_shift_s < SEEN_S, (now, clock, since_shift_s)

    def check_trades(self, episode: list[Fault]) -> None:
        """Whoever follows the trade events knows the account's positions."""
        known: dict[int, str] = {}
        for event in self.rig.trades:
            if event.position is None:  # of an order: this terminal has no history of deals
                continue
            key = event.position.identifier
            assert key != OTHERS, (event, episode)
            assert (event.kind == "position_closed") == (key in known), (event, episode)
            if event.kind == "position_closed":
                del known[key]
            else:
                assert event.kind == "position_opened"
                known[key] = event.position.comment
        assert known == {key: position.comment for key, position in self.world.home.positions.items()}, episode

    def check_told(self, fault: Fault, known: int) -> None:
        """Each change is announced once, and nothing else."""
        states = [state for _, state in self.rig.states]
        told = [state for before, state in pairwise(states[known - 1 :]) if not _only_the_clock(before, state)]
        trail = [(state.state, state.reason) for state in told]
        at = 0
        while at < len(trail) - 1:
            if trail[at][0] == "connecting" and trail[at + 1][0] == "reconnecting" and trail[at + 1][1] != "session_hung":
                del trail[at : at + 2]  # an attempt in vain
            else:
                at += 1
        if fault.kind == "crash_loop":
            assert trail.count(("suspended", "too_many_restarts")) == 1
        else:
            assert trail == [*fault.told], (fault, told)

    def check_orders(self) -> None:
        """None twice, none on another account, each answered once, and truly."""
        rig, world = self.rig, self.world
        assert world.other.executed == []
        executed = Counter(world.home.executed)
        assert set(executed.values()) == {1}
        outcomes: Counter[str] = Counter()
        for request_id, count in rig.asked.items():
            replies = rig.answered[request_id]
            assert len(replies) == count, (request_id, count, replies)
            codes = ["done" if reply.error is None else reply.error.code for reply in replies]
            if request_id.startswith("o"):
                outcomes.update(codes)
                assert executed[request_id] or "done" not in codes, (request_id, codes)
                assert not executed[request_id] or {"done", "outcome_unknown"} & set(codes), (request_id, codes)
        assert min(outcomes[code] for code in ("done", "outcome_unknown", "not_connected", "account_changed")) > 3, outcomes

    def check_records(self) -> None:
        """No tick and no bar lost or doubled; those of the other account, and what came while it was there, are marked."""
        rig, home = self.rig, self.world.home.quotes
        assert rig.foreign > 10
        for name in ("EURUSD", ALWAYS):
            sent = rows(home[name].records[: home[name].seen(self.world.now_msc() - 2_000) * RECORD_BYTES])
            got = rows(bytes(rig.received[f"tick:{name}"]))
            sent = sent[sent.index(got[0]) :]
            twice = self.twice(home[name])
            sent, got = [[row for row in some if row not in twice] for some in (sent, got)]
            differs = next((at for at, both in enumerate(zip(sent, got, strict=False)) if both[0] != both[1]), None)
            assert differs is None, (name, differs, sent[differs : differs + 2], got[differs : differs + 2])
            assert len(sent) <= len(got) > 10_000
        times = [bar.time for bar in iter_bars(bytes(rig.received["bar:EURUSD:M1"]))]
        closed = [bar.time for bar in iter_bars(bytes(home["EURUSD"].bars))]
        first = closed.index(times[0])
        assert times == closed[first : first + len(times)]
        assert first + len(times) > len(closed) - 5

    def twice(self, quotes: Quotes) -> set[bytes]:
        """The ticks of the hour that the server's clock goes through a second time. The history is asked from the second of the
        last tick, so that what came in an earlier second since the look before is missed there."""
        shift_msc = round(self.calendar.shift.timestamp() * 1000)
        length_msc = max(0, self.calendar.before_s - self.calendar.after_s) * 1000
        first, last = quotes.seen(shift_msc - 1), quotes.seen(shift_msc + length_msc)
        return set(rows(quotes.records[first * RECORD_BYTES : last * RECORD_BYTES]))


def _only_the_clock(before: ConnectionState, after: ConnectionState) -> bool:
    same = replace(before, clock=after.clock, at_msc=after.at_msc, cause="", reason="", next_step="")
    return after.clock != before.clock and same == replace(after, cause="", reason="", next_step="")


@pytest.mark.parametrize(("seed", "calendar", "credentials"), [(2, SPRING, Credentials()), (3, AUTUMN, NAMED)])
def test_a_week(seed: int, calendar: Calendar, credentials: Credentials) -> None:
    week = Week(seed, calendar, credentials)
    week.run()
    week.check_orders()
    week.check_records()
    for at, state in week.rig.states:
        week.check_clock(at, state.clock)
