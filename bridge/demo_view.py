"""How the demo shows itself: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge.demo_parts import Part
from bridge.report import clock, connection_line

if TYPE_CHECKING:
    from bridge.demo import Scene


class View(Protocol):
    """What the demo needs of a view; it is entered while the market runs."""

    def say(self, line: str) -> None:
        """One line, before or after the market runs."""

    def show(self, scene: Scene, strategies: list[Part]) -> None:
        """The scene as it is now; called about twice a second."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Rates:
    """Ticks per second over the time since it was last asked."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._counts: dict[str, int] = {}

    def since_last(self, counts: dict[str, int]) -> dict[str, float]:
        """Rate by symbol."""
        now = time.monotonic()
        span = max(now - self._at, 1e-9)
        rates = {symbol: (count - self._counts.get(symbol, 0)) / span for symbol, count in counts.items()}
        self._at, self._counts = now, dict(counts)
        return rates


class LinesView:
    """Plain lines, every two seconds; nothing at all when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._next_at = 0.0
        self._rates = Rates()

    def say(self, line: str) -> None:
        """See `View`."""
        if not self._quiet:
            click.echo(line)

    def show(self, scene: Scene, strategies: list[Part]) -> None:
        """See `View`."""
        for part in strategies:
            while part.news:
                self.say(f"  {part.news.popleft()}")
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + 2.0
        rates = self._rates.since_last(scene.ticks_by_symbol)
        state = scene.connection.state if scene.connection else "unknown"
        server = max((tick.time_msc for tick in scene.last.values()), default=0)
        line = f"{state}  {clock(server)} server  {sum(rates.values()):.0f} ticks/s  {scene.tick_count} ticks  {scene.bars} bars"
        if scene.account is not None:
            line += f"  equity {scene.account.equity:.2f} {scene.account.currency}"
        if scene.status is not None:
            line += f"  orders {sum(client.orders_done for client in scene.status.clients)}"
        if scene.profits:
            line += "  profits " + " ".join(f"{profit:+.2f}" for profit in scene.profits.values())
        self.say(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


class TableView:
    """A live table."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=4, transient=False)
        self._rates = Rates()

    def say(self, line: str) -> None:
        """See `View`."""
        self._console.print(Text(line, style="dim"))

    def show(self, scene: Scene, strategies: list[Part]) -> None:
        """See `View`."""
        parts = (self._head(scene), self._market(scene), self._trading(scene, strategies), Text("Ctrl-C ends", style="dim"))
        self._live.update(Group(*parts))

    def _head(self, scene: Scene) -> Text:
        if scene.connection is None:
            return Text("connection: unknown", style="yellow")
        colour = "green" if scene.connection.state == "connected" else "red"
        return Text(f"connection {connection_line(scene.connection)}", style=colour)

    def _market(self, scene: Scene) -> Table:
        rates = self._rates.since_last(scene.ticks_by_symbol)
        table = Table("symbol", "server time", "bid", "ask", "ticks", "ticks/s", title=f"{scene.bars} bars closed")
        for symbol in scene.symbols:
            tick = scene.last.get(symbol)
            cells = [clock(tick.time_msc), f"{tick.bid:g}", f"{tick.ask:g}"] if tick else ["-", "-", "-"]
            table.add_row(symbol, *cells, str(scene.ticks_by_symbol[symbol]), f"{rates[symbol]:.0f}")
        return table

    def _trading(self, scene: Scene, strategies: list[Part]) -> Table:
        account = scene.account
        title = f"equity {account.equity:.2f}, floating {account.profit:+.2f} {account.currency}" if account else "no account yet"
        table = Table("strategy", "orders", "profit", "last line", title=title)
        clients = {client.name: client for client in scene.status.clients} if scene.status else {}
        for part in strategies:
            client = clients.get(part.name)
            orders = str(client.orders_done if client else 0)
            table.add_row(
                part.name, orders, f"{scene.profits.get(part.name, 0.0):+.2f}", part.lines[-1][-70:] if part.lines else ""
            )
        return table

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)
