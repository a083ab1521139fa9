"""Who may connect: the answers of ZAP (RFC 27, `rfc.zeromq.org/spec/27`), by the keys that are allowed. No I/O.

libzmq asks this about every connection before a byte of it is passed on. It lets everybody in where nobody answers and a domain is
not enforced, so the sockets enforce it (`sockets`), and anything unclear here is refused. The User-Id of whoever is let in is the
id of its key: rights are looked up by it with every message (`access`), and end when the key is revoked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.access import Access
from bridge.rates import Rates

VERSION = b"1.0"
DOMAIN = b"mt5bridge"
ENDPOINT = "inproc://zeromq.zap.01"
REQUEST_FRAMES = 7
"""Version, request id, domain, address, identity, mechanism, and the key of CURVE."""
KEY_BYTES = 32
HERE = ("127.0.0.1", "::1")
REFUSED = b"400"
ADMITTED = b"200"
LATER = b"300"
"""Refused for now: libzmq cuts the connection without a word, and a client tries again by itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one connection: whose it is, or why it is refused."""

    address: str
    name: str = ""
    key_id: str = ""
    reason: str = ""
    too_often: bool = False

    @property
    def admitted(self) -> bool:
        """Whether it may connect."""
        return not self.reason


def refusal(frames: Sequence[bytes]) -> list[bytes]:
    """The answer that lets nobody in."""
    return [VERSION, frames[1] if len(frames) > 1 else b"", REFUSED, b"refused", b"", b""]


class Zap:
    """Answers for the sockets of one bridge; `told` is called with each verdict."""

    def __init__(
        self, access: Access, told: Callable[[Verdict], object], addresses: Sequence[str] = (), rates: Rates | None = None
    ) -> None:
        """With `addresses`, only connections from these IP addresses are let in, beside this machine's own; `rates` is how often
        one address may ask."""
        self._access = access
        self._told = told
        self._addresses = frozenset(addresses)
        self._rates = Rates(0, 0) if rates is None else rates

    def answer(self, frames: Sequence[bytes], time_us: int, now: float = 0.0) -> list[bytes]:
        """The reply to a request; by the time keys expire, `now` is for the rates. A request that makes no sense is refused too."""
        verdict = self._judge(frames, time_us, now)
        if not verdict.too_often or self._rates.worth_a_word(verdict.address, now):
            self._told(verdict)
        if verdict.too_often:
            return [VERSION, frames[1], LATER, b"too often", b"", b""]
        return [VERSION, frames[1], ADMITTED, b"OK", verdict.key_id.encode(), b""] if verdict.admitted else refusal(frames)

    def _judge(self, frames: Sequence[bytes], time_us: int, now: float) -> Verdict:
        address = frames[3].decode("ascii", "replace")[:64] if len(frames) > 3 else ""
        if len(frames) >= REQUEST_FRAMES - 1 and self._rates.take(address, now):
            return Verdict(address, reason="its address connects too often", too_often=True)
        reason = self._refusal(frames, address)
        if reason:
            return Verdict(address, reason=reason)
        key_id = frames[6].hex()
        known = self._access.find(key_id)
        if known is None:
            return Verdict(address, key_id=key_id, reason="its key is not allowed")
        if known.expired(time_us):
            return Verdict(address, known.name, key_id, f"its key has expired on {known.expires}")
        return Verdict(address, known.name, key_id)

    def _refusal(self, frames: Sequence[bytes], address: str) -> str:
        """Why nobody has to look at the key; empty where somebody has."""
        if len(frames) < REQUEST_FRAMES - 1 or frames[0] != VERSION:
            return "it was asked in a way that makes no sense"
        if frames[2] != DOMAIN:
            return "it is of another domain"
        if frames[5] != b"CURVE" or len(frames) != REQUEST_FRAMES or len(frames[6]) != KEY_BYTES:
            return f"it has no key (mechanism {frames[5].decode('ascii', 'replace')[:16]})"
        if self._addresses and address not in self._addresses and address not in HERE:
            return "its address is not one of those that are allowed"
        return ""
