"""A terminal and two trade servers for a week of virtual time: quotes, market hours, a server clock with its DST change, and what
can go wrong with them.

Nothing here waits: `wait` of a terminal is given by whoever runs the session, lets that much time pass, and raises when the session
is killed meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from math import inf

from bridge.records import Account, Symbol, TerminalInfo
from bridge.terminal import Credentials, TerminalError
from bridge.ticks import BAR_STRUCT, RECORD_BYTES, Tick, iter_bars, iter_ticks
from bridge.trading import Order, OrderResult, Position, TradeRequest
from tests.fake_terminal import FakeTerminal, record

CALL_S = 0.0002
"""What an ordinary call takes."""
ATTACH_S, LOGIN_S = 0.15, 0.3
HISTORY_LAG_MSC = 15
"""How much later than as a symbol's last tick a tick is in the history."""
POSITION, SYMBOL = record(Position), record(Symbol, visible=True, trade_mode=4, trade_exemode=2)
RESULT = record(OrderResult, request=TradeRequest())
OTHERS = 10**9
"""Ticket of the other account's one position."""
NO_TICK = Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)


class Quotes:
    """A symbol's ticks in the order in which they arrived: `arrived` in milliseconds of UTC, `records` stamped by the server."""

    def __init__(self, arrived: list[int], records: bytes) -> None:
        self.arrived = arrived
        self.records = records
        self.rows = list(iter_ticks(records))
        self._times = [row.time for row in self.rows]
        edges = [at for at in range(1, len(self._times)) if self._times[at] < self._times[at - 1]]
        self._runs = list(zip([0, *edges], [*edges, len(self._times)], strict=True))
        """Stretches in which the server's clock did not step back."""
        self.bars = bytearray()
        self._bar_of: list[int] = []
        for row in self.rows:
            self._add(row)
        self._bar_times = [bar.time for bar in iter_bars(bytes(self.bars))]

    def _add(self, row: Tick) -> None:
        minute = row.time - row.time % 60
        if not self.bars or BAR_STRUCT.unpack_from(self.bars, len(self.bars) - RECORD_BYTES)[0] != minute:
            self.bars += BAR_STRUCT.pack(minute, row.bid, row.bid, row.bid, row.bid, 0, 2, 0)
        time, opened, high, low, _, volume, spread, real = BAR_STRUCT.unpack_from(self.bars, len(self.bars) - RECORD_BYTES)
        self.bars[-RECORD_BYTES:] = BAR_STRUCT.pack(
            time, opened, max(high, row.bid), min(low, row.bid), row.bid, volume + 1, spread, real
        )
        self._bar_of.append(len(self.bars) // RECORD_BYTES - 1)

    def seen(self, utc_msc: int) -> int:
        """How many had arrived by then."""
        return bisect_right(self.arrived, utc_msc)

    def last(self, utc_msc: int) -> Tick:
        """The newest by then."""
        seen = self.seen(utc_msc)
        return self.rows[seen - 1] if seen else NO_TICK

    def since(self, from_s: int, limit: int, utc_msc: int) -> bytes:
        """Those at or after a second of the server's clock, in the order of arrival."""
        seen, found = self.seen(utc_msc), b""
        for first, end in self._runs:
            at = bisect_left(self._times, from_s, first, min(end, seen)) if first < seen else seen
            found += self.records[at * RECORD_BYTES : min(end, seen) * RECORD_BYTES]
        return found[: limit * RECORD_BYTES]

    def last_bars(self, limit: int, utc_msc: int) -> bytes:
        """The newest bars; the last one is forming, and is here as it will be."""
        seen = self.seen(utc_msc)
        if not seen:
            return b""
        end = self._bar_of[seen - 1] + 1
        return bytes(self.bars[max(0, end - limit) * RECORD_BYTES : end * RECORD_BYTES])

    def bars_between(self, from_s: int, to_s: int, utc_msc: int) -> bytes:
        """The bars that opened then."""
        seen = self.seen(utc_msc)
        end = self._bar_of[seen - 1] + 1 if seen else 0
        first, last = bisect_left(self._bar_times, from_s, 0, end), bisect_right(self._bar_times, to_s, 0, end)
        return bytes(self.bars[first * RECORD_BYTES : last * RECORD_BYTES])


class Broker:
    """One account at one trade server; `executed` are the comments of the orders, in order."""

    def __init__(self, login: int, server: str, quotes: dict[str, Quotes]) -> None:
        self.quotes = quotes
        self.positions: dict[int, Position] = {}
        self.executed: list[str] = []
        self.account = record(Account, login=login, server=server, balance=1e5, trade_allowed=True, trade_expert=True)

    def execute(self, request: TradeRequest, tickets: count[int]) -> OrderResult:
        """Open a position, or close the one that is named."""
        self.executed.append(request.comment.partition("~")[0])
        ticket = next(tickets)
        if request.position:
            self.positions.pop(request.position, None)
        else:
            self.positions[ticket] = replace(
                POSITION, ticket=ticket, identifier=ticket, symbol=request.symbol, comment=request.comment
            )
        self.account = replace(self.account, balance=self.account.balance - 1.0)
        return replace(RESULT, retcode=10009, order=ticket, deal=ticket, request=request)


class World:
    """The machine with the terminal. `home` is the bridge's account; `now_msc` tells UTC."""

    def __init__(self, home: Broker, other: Broker, now_msc: Callable[[], int], is_open: Callable[[str, int], bool]) -> None:
        self.home, self.other, self.shown = home, other, home
        other.positions[OTHERS] = replace(POSITION, ticket=OTHERS, identifier=OTHERS, symbol="EURUSD", comment="not ours")
        self.now_msc = now_msc
        self.is_open = is_open
        self.tickets = count(1)
        self.life = 0
        self.away = self.busy = self.wizard = self.password_wrong = self.crashes = False
        self.frozen_msc: float = inf
        """When the link to the trade server went."""
        self.resync_msc = 0.0
        """When it is there, after another account was logged in."""
        self.build = 5000
        self.trade_allowed = self.account_trade_allowed = self.account_trade_expert = True
        self.api_disabled = False
        self.slow_s = 0.0
        self.hang_in: str | None = None
        self.hang_s, self.hang_executes, self.dies_in_it = inf, True, False
        self._infos: dict[tuple[bool, ...], TerminalInfo] = {}

    # ---- what a person or chance does --------------------------------------------------------------------------------------------

    def end(self) -> None:
        """The terminal's process is gone."""
        self.life += 1
        self.away = True
        self.hang_in, self.slow_s = None, 0.0

    def switch(self, to: Broker, resync_s: float) -> None:
        """Somebody logs the terminal in to an account; quotes come when it is in step with the server."""
        if to is not self.shown:
            self.shown = to
            self.resync_msc = self.now_msc() + resync_s * 1000

    # ---- what can be seen of it --------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the terminal has its trade server."""
        return self.frozen_msc == inf and self.now_msc() >= self.resync_msc

    def until_msc(self) -> int:
        """Up to when quotes have come."""
        now = self.now_msc()
        return 0 if now < self.resync_msc else int(min(now, self.frozen_msc))

    def info(self) -> TerminalInfo:
        """The terminal, one record for each way that it can be."""
        key = (self.connected, self.trade_allowed, self.api_disabled, bool(self.build % 2))
        if key not in self._infos:
            self._infos[key] = record(
                TerminalInfo, connected=key[0], trade_allowed=key[1], tradeapi_disabled=key[2], ping_last=900, name="Week"
            )
        return self._infos[key]

    def account(self) -> Account:
        """The account that is logged in."""
        account = self.shown.account
        if self.account_trade_allowed and self.account_trade_expert:
            return account
        return replace(account, trade_allowed=self.account_trade_allowed, trade_expert=self.account_trade_expert)

    def order(self, request: TradeRequest) -> OrderResult:
        """What the terminal makes of an order."""
        if self.api_disabled:
            raise TerminalError("order_send", -8, "Terminal: AutoTrading by Python is disabled")
        refusals = (
            (10031, not self.connected),
            (10027, not self.trade_allowed),
            (10017, not self.account_trade_allowed),
            (10026, not self.account_trade_expert),
            (10018, not self.is_open(request.symbol, self.now_msc())),
        )
        for code, refused in refusals:
            if refused:
                return replace(RESULT, retcode=code, request=request)
        return self.shown.execute(request, self.tickets)


class WeekTerminal(FakeTerminal):
    """A program's connection to the terminal of a world; what this week does not need is not there."""

    def __init__(self, world: World, wait: Callable[[float], None]) -> None:
        self._world = world
        self._wait = wait
        self._life: int | None = None

    def _called(self, function: str) -> None:
        """The time that a call takes, and what may happen meanwhile."""
        world = self._world
        if self._life != world.life:
            lost, self._life = self._life is not None, None
            raise TerminalError(function, *((-10_001, "IPC send failed") if lost else (-10_004, "No IPC connection")))
        if world.hang_in in (function, "any"):
            world.hang_in = None
            self._wait(world.hang_s)
        else:
            self._wait(CALL_S + world.slow_s)
        if self._life != world.life:
            self._life = None
            raise TerminalError(function, -10_002, "IPC recv failed")

    def attach(self, credentials: Credentials) -> None:
        world = self._world
        self._life = None
        if world.hang_in == "attach":
            world.hang_in = None
            self._wait(inf)
        if world.busy:
            raise TerminalError("initialize", 0, "another program is attached", "busy")
        if world.away:
            self._wait(0.02)
            raise TerminalError("initialize", -10_003, "IPC initialize failed, Process create failed 'terminal64.exe'")
        for _ in range(credentials.timeout_ms // 100):
            if not world.wizard:
                break
            self._wait(0.1)
        else:
            raise TerminalError("initialize", -10_005, "IPC timeout")
        life = world.life
        self._wait(ATTACH_S + world.slow_s)
        if world.password_wrong:
            raise TerminalError("initialize", -6, "Terminal: Authorization failed")
        if life != world.life:
            raise TerminalError("initialize", -10_002, "IPC recv failed")
        self._life = life
        if credentials.login is not None and credentials.login != world.shown.account.login:
            self._wait(LOGIN_S)
            world.switch(world.home, 0.0)

    def detach(self) -> None:
        self._life = None

    def version(self) -> tuple[int, int, str]:
        self._called("version")
        return 500, self._world.build, "1 Jan 2026"

    def account(self) -> Account:
        self._called("account")
        return self._world.account()

    def info(self) -> TerminalInfo:
        self._called("info")
        return self._world.info()

    def symbols(self, group: str | None = None) -> list[Symbol]:
        self._called("symbols")
        until_msc = self._world.until_msc()
        quotes = self._world.shown.quotes
        return [replace(SYMBOL, name=name, time=quotes[name].last(until_msc).time) for name in quotes]

    def _quotes(self, function: str, name: str) -> Quotes:
        self._called(function)
        return self._world.shown.quotes[name]

    def symbol(self, name: str) -> Symbol:
        self._quotes("symbol", name)
        return replace(SYMBOL, name=name)

    def select(self, name: str, enable: bool = True) -> None:
        self._quotes("select", name)

    def tick(self, name: str) -> Tick:
        return self._quotes("tick", name).last(self._world.until_msc())

    def ticks_from(self, name: str, from_s: int, count: int, kind: str = "all") -> bytes:
        return self._quotes("ticks_from", name).since(from_s, count, self._world.until_msc() - HISTORY_LAG_MSC)

    def rates_from_pos(self, name: str, timeframe: str, start: int, count: int) -> bytes:
        return self._quotes("rates", name).last_bars(count, self._world.until_msc())

    def rates_range(self, name: str, timeframe: str, from_s: int, to_s: int) -> bytes:
        return self._quotes("rates", name).bars_between(from_s, to_s, self._world.until_msc())

    def positions(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Position]:
        self._called("positions")
        return list(self._world.shown.positions.values())

    def orders(self, *, ticket: int | None = None, symbol: str | None = None, group: str | None = None) -> list[Order]:
        self._called("orders")
        return []

    def send(self, request: TradeRequest) -> OrderResult:
        """An order is executed as soon as it is sent, or, where the call hangs, perhaps never; its answer may be lost."""
        world = self._world
        if self._life != world.life or (world.hang_in == "send" and not world.hang_executes):
            self._called("send")
        result = world.order(request)
        if world.dies_in_it:
            world.dies_in_it = False
            world.end()
        self._called("send")
        return result
