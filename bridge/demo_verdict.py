"""Whether the demo worked: what is compared, what is counted, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.simulation import SimulatedTerminal
from bridge.ticks import RECORD_BYTES, TICK_STRUCT
from clients.history import ticks

if TYPE_CHECKING:
    from bridge.demo import Scene
    from clients import Client

LONG_ENOUGH_S = 10.0 * 60
"""Simulated seconds after which the averages must have crossed and bars must have closed."""


@dataclass(slots=True)
class Verdict:
    """The result of a demo run."""

    errors: list[str] = field(default_factory=list)
    interrupted: bool = False
    compared: dict[str, int] = field(default_factory=dict)
    orders_done: int = 0
    orders_failed: int = 0

    def finish(self, scene: Scene, *, needs_bars: bool, seconds: float | None, speed: float) -> None:
        """Judge what was seen."""
        self.errors += scene.errors
        if scene.status is not None:
            self.orders_done = sum(client.orders_done for client in scene.status.clients)
            self.orders_failed = sum(client.orders_failed for client in scene.status.clients)
            if not scene.status.healthy:
                self.errors.append(f"the bridge is not healthy: {scene.status.connection.cause}")
        if self.interrupted or self.errors:
            return
        if not scene.tick_count:
            self.errors.append("no tick arrived")
        long_enough = seconds is not None and (seconds - 8) * speed >= LONG_ENOUGH_S
        if needs_bars and long_enough and not scene.bars:
            self.errors.append("no bar was closed")
        if needs_bars and long_enough and not self.orders_done:
            self.errors.append("no order was done")
        if self.orders_failed:
            self.errors.append(f"{self.orders_failed} orders failed")

    @property
    def ok(self) -> bool:
        """Whether every part did its work; a run that a person ended is not a failure."""
        return not self.errors

    def summary(self, scene: Scene) -> dict[str, Any]:
        """The object that `--json` ends with."""
        return {
            "ok": self.ok,
            "ticks": scene.tick_count,
            "bars": scene.bars,
            "orders_done": self.orders_done,
            "gaps": scene.gaps,
            "errors": len(self.errors),
            "epoch": scene.epoch,
            "compared_with_terminal": self.compared,
            "error_messages": self.errors,
        }

    def lines(self, scene: Scene) -> list[str]:
        """The summary for a person."""
        account = scene.account
        lines = [
            "",
            f"ticks {scene.tick_count}  bars {scene.bars}  orders done {self.orders_done}  "
            f"gaps {scene.gaps}  errors {len(self.errors)}",
        ]
        if account is not None and scene.first_balance is not None:
            realised = account.balance - scene.first_balance
            lines.append(f"profit and loss: realised {realised:+.2f}, floating {account.profit:+.2f} {account.currency}")
        lines += [f"{name}: profit {profit:+.2f}" for name, profit in scene.profits.items()]
        same = "ticks equal the terminal's history, in order and to the bit"
        lines += [f"{symbol}: {rows} {same}" for symbol, rows in self.compared.items()]
        lines += [f"error: {error}" for error in self.errors]
        lines.append("ended by hand" if self.interrupted else "all worked" if self.ok else "NOT ALL WORKED")
        return lines


def compare_with_terminal(client: Client, terminal: SimulatedTerminal, scene: Scene, verdict: Verdict, *, replayed: bool) -> None:
    """Compare the ticks received with the terminal's history of the same span, and with what it says that it replayed."""
    told = terminal.control("control.status")["symbols"] if replayed else {}
    for symbol in scene.symbols:
        received = bytes(scene.ticks[symbol])
        rows = len(received) // RECORD_BYTES
        if not rows:
            continue
        first_s = TICK_STRUCT.unpack_from(received)[0]
        history = b"".join(client.do(ticks(symbol, first_s)))
        at = history.find(received[:RECORD_BYTES])
        if at < 0 or history[at:] != received:
            verdict.errors.append(f"{symbol}: the {rows} ticks received differ from the terminal's {len(history) // RECORD_BYTES}")
        elif symbol in told and told[symbol]["emitted"] != rows:
            verdict.errors.append(f"{symbol}: {rows} ticks received, but {told[symbol]['emitted']} were replayed")
        else:
            verdict.compared[symbol] = rows
