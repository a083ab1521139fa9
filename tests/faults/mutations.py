"""Messages that were changed: by what they mean (a field that is missing, of another type, far too large), and byte by byte."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import msgpack

from bridge import codec
from bridge.messages import (
    CheckOrder,
    GetAccount,
    GetDeals,
    GetHistoryOrders,
    GetJournal,
    GetPositions,
    GetRates,
    GetReplay,
    GetSnapshot,
    GetStatus,
    GetSymbol,
    GetSymbols,
    GetTick,
    GetTicks,
    Hello,
    Ping,
    Request,
    SendOrder,
)
from bridge.trading import TradeRequest

DEEP = 600
DEEPER = 0.75
"""How often it is the parameters that are changed, for what is wrong with the envelope is seen first."""
WEIRD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63 - 1, 2**64 - 1, -(2**63), 0.0, -0.0, 1e308, 5e-324, math.nan, math.inf, -math.inf,
    0.01, 0.02, "", "\0", "EURUSD", "A" * 300, "Ü€😀", "../../etc/passwd", "{}", "%s%n", b"", b"\xff" * 70, [], {}, [[]], {"": {}},
    [0] * 300, msgpack.ExtType(5, b"x"), msgpack.Timestamp(1, 2), {"__class__": "os.system"},
)  # fmt: skip
"""What a field is not made for."""
BOUGHT = TradeRequest(action=1, symbol="EURUSD", volume=50.0, type=0, magic=666, comment="fuzz")
"""Far beyond what the key may trade, so that only a change can make it an order that is taken."""
REQUESTS: tuple[Request[Any], ...] = (
    Ping(), GetStatus(), GetAccount(), GetPositions(), GetDeals(), GetHistoryOrders(0, 2**31), GetSymbols(), GetSymbol("EURUSD"),
    GetTick("EURUSD"), GetTicks("EURUSD", 1_772_500_000, count=10), GetRates("EURUSD", "M5", count=5), GetJournal(),
    GetSnapshot(("tick:EURUSD", "connection")), GetReplay("connection", 1, 5), Hello("fuzz", "fuzz-0"),
    CheckOrder(BOUGHT),
)  # fmt: skip
ORDERS: tuple[Request[Any], ...] = (
    SendOrder(BOUGHT), SendOrder(TradeRequest(action=5, symbol="EURUSD", volume=50.0, price=1.0, magic=666)),
)  # fmt: skip
"""Few of them, for ten thousand are remembered, which would be the growth that is looked for."""
TOPICS = (b"tick:EURUSD\0", b"connection\0", b"trade\0", b"heartbeat\0", b"client:fuzz-0\0", b"forming:EURUSD:M1\0", b"tick:", b"")
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(15) + bytes(32)
"""Of ZMTP 3.1, RFC 37."""


class Mutator:
    """Makes messages, the same ones for the same dice."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._made = 0

    # ---- requests ------------------------------------------------------------------------------------------------------------

    def request(self) -> tuple[str, list[bytes]]:
        """A kind and the frames of a message to the requests socket."""
        kind = self._dice.choices(("tree", "bytes", "random", "parts", "valid"), (55, 30, 6, 4, 5))[0]
        self._made += 1
        frame = self._valid()
        if kind == "tree":
            return kind, [self._changed_tree(frame)]
        if kind == "bytes":
            return kind, [self._changed_bytes(frame)]
        if kind == "random":
            return kind, [self._dice.randbytes(self._dice.choice((0, 1, 2, 9, 60, 900)))]
        if kind == "parts":
            return kind, [self._changed_bytes(frame) for _ in range(self._dice.choice((2, 3, 7, 12)))]
        return kind, [frame]

    def _valid(self) -> bytes:
        deadline = self._dice.choice((None, None, None, 2**52, 1))
        request = self._dice.choice(ORDERS if self._dice.random() < 0.02 else REQUESTS)
        return codec.encode_request(request, f"fuzz-{self._made}", deadline, "fuzz-0")

    def _changed_tree(self, frame: bytes) -> bytes:
        tree = msgpack.unpackb(frame)
        for _ in range(self._dice.choice((1, 1, 1, 2, 4))):
            if self._dice.random() < DEEPER and isinstance(tree, dict) and tree.get("params"):
                tree = tree | {"params": self._changed(tree["params"])}
            else:
                tree = self._changed(tree)
        try:
            return bytes(msgpack.packb(tree))
        except (ValueError, OverflowError, UnicodeEncodeError):  # nested too deeply, or no number that msgpack has
            return self._changed_bytes(frame)

    def _changed(self, tree: Any) -> Any:
        dice = self._dice
        if isinstance(tree, dict) and tree:
            name = dice.choice(list(tree))
            way: Callable[[], Any] = dice.choice((
                lambda: {key: value for key, value in tree.items() if key != name},
                lambda: tree | {name: self._weird()},
                lambda: tree | {dice.choice(("unknown", "", "Ü", 5, None, "a" * 200)): self._weird()},
                lambda: {(dice.choice((str(name).upper(), 1)) if key == name else key): value for key, value in tree.items()},
                lambda: tree | {name: self._changed(tree[name])},
                lambda: tree | {name: self._changed(tree[name])},
                lambda: tree | {name: self._changed(tree[name])},
            ))  # fmt: skip
            return way()
        if isinstance(tree, list) and tree and dice.random() < 0.7:
            place = dice.randrange(len(tree))
            return [*tree[:place], self._changed(tree[place]), *tree[place + 1 :], *tree[:1] * dice.choice((0, 0, 1, 200))]
        if isinstance(tree, bool | None):
            return self._weird()
        if isinstance(tree, int | float) and dice.random() < 0.5:
            return dice.choice((tree + 1, -tree, tree * 10, float(tree), tree / 7 if abs(tree) < 1e300 else 0))
        return self._weird()

    def _weird(self) -> Any:
        if self._dice.random() < 0.02:
            deep: Any = 1
            for _ in range(self._dice.choice((3, 60, DEEP))):
                deep = [deep] if self._dice.random() < 0.5 else {"a": deep}
            return deep
        return self._dice.choice(WEIRD)

    def _changed_bytes(self, frame: bytes) -> bytes:
        dice = self._dice
        content = bytearray(frame)
        for _ in range(dice.choice((1, 1, 2, 3, 8))):
            place = dice.randrange(len(content)) if content else 0
            way = dice.randrange(6)
            if way == 0 and content:
                content[place] ^= 1 << dice.randrange(8)
            elif way == 1 and content:
                content[place] = dice.choice((0x00, 0x7F, 0x80, 0x8F, 0x90, 0xC1, 0xC6, 0xC9, 0xCB, 0xCF, 0xDB, 0xDD, 0xDF, 0xFF))
            elif way == 2:
                del content[place:]
            elif way == 3:
                content[place:place] = dice.randbytes(dice.choice((1, 2, 5, 40)))
            elif way == 4:
                del content[place : place + dice.choice((1, 2, 9))]
            else:  # a text, bytes, array or map that says it is far longer than it is
                content[place:place] = (
                    dice.choice((b"\xdb", b"\xc6", b"\xdd", b"\xdf")) + dice.choice((b"\x7f", b"\x00")) + b"\xff\xff\xff"
                )
        return bytes(content)

    # ---- events --------------------------------------------------------------------------------------------------------------

    def subscription(self) -> tuple[str, bytes]:
        """A kind and a frame to the events socket: subscriptions that are none, and what else a subscriber can send."""
        dice = self._dice
        kind = dice.choices(("valid", "topic", "bytes", "junk"), (20, 40, 20, 20))[0]
        topic = dice.choice(TOPICS)
        if kind == "valid":
            return kind, bytes([dice.randrange(2)]) + topic
        if kind == "topic":
            ending = dice.choice((b"", b"\0", b"\0\0", b"\xff", b":", b"A" * 400, "Ü€😀\0".encode(), b":M1\0", b"#.\\/*?\0"))
            start = dice.choice((b"tick:", b"bar:", b"book:", b"trade", b"client:", b"nonsense", b"\0", b""))
            return kind, bytes([dice.randrange(2)]) + start + dice.randbytes(dice.choice((0, 1, 12))) + ending
        if kind == "bytes":
            return kind, self._changed_bytes(b"\1" + topic)[:1_000]
        return kind, dice.randbytes(dice.choice((0, 1, 5, 300)))

    # ---- connections ---------------------------------------------------------------------------------------------------------

    def greeting(self) -> tuple[str, bytes]:
        """A kind and the first bytes of a TCP connection: a greeting that was changed, a command that was, other protocols."""
        dice = self._dice
        kind = dice.choice(("greeting", "command", "random", "other"))
        if kind == "greeting":
            return kind, self._changed_bytes(GREETING)
        if kind == "command":
            hello = b"\x04\xc8\x05HELLO\x01\x00" + dice.randbytes(192)
            return kind, GREETING + self._changed_bytes(dice.choice((hello, b"\x04\x08\x07INITIATE", b"\x06" + bytes(7) + b"\xff")))
        if kind == "random":
            return kind, dice.randbytes(dice.choice((1, 12, 64, 2_000)))
        return kind, dice.choice(
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-x\r\n", b"\xff" * 500)
        )
