"""What was decided about an order, and about trading as a whole, as lines of the audit. No I/O.

`decision` is `accepted`, `dry_run`, `halted`, `resumed`, `limits`, or the code of the error that refused it; `detail` names the
rule, the value that broke it, the limit and the section that has it, or says why.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Any

from bridge.entries import AuditRecord
from bridge.errors import BridgeError
from bridge.messages import RequestMessage
from bridge.placement import ExposureLimits
from bridge.replies import TradingState

_TOLD = ("rule", "section", "field", "value", "limit", "nearest", "wait_s", "reason", "by", "retcode", "terminal_code")
"""Details that tell why, in this order."""


def digest(params: bytes) -> str:
    """The digest of a request's parameters, as they came."""
    return blake2s(params, digest_size=16).hexdigest()


def accepted(
    message: RequestMessage, client: str, limits: ExposureLimits, time_us: int, latency_us: int, *, dry_run: bool = False
) -> AuditRecord:
    """An order passed the rules of the gateway; `limits` is what the session has to look at. `client` is the name that it told."""
    detail = f"only what reduces exposure: {limits.reducing_only}" if limits.reducing_only else ""
    return _record(message, client, "dry_run" if dry_run else "accepted", detail, time_us, latency_us)


def refused(message: RequestMessage, client: str, error: BridgeError, time_us: int, latency_us: int) -> AuditRecord:
    """An order was refused: by a rule, by its own mistake, or because nothing could be sent."""
    return _record(message, client, error.code, because(error), time_us, latency_us)


def switched(message: RequestMessage, client: str, state: TradingState, time_us: int) -> AuditRecord:
    """Somebody halted trading, or resumed it."""
    return _record(message, client, "halted" if state.halted else "resumed", state.reason, time_us, 0)


def adopted(changes: str, time_us: int) -> AuditRecord:
    """Other limits hold; `changes` is what `Rules.adopt` told."""
    return AuditRecord(time_us, "", "limits", "", "", "limits", changes)


def because(error: BridgeError) -> str:
    """Why, as `name=value` where the error has such details, else in its own words."""
    told = " ".join(f"{name}={_words(error.details[name])}" for name in _TOLD if name in error.details)
    return told if "rule" in error.details else f"{error.message} {told}".strip()


def _words(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f'"{text}"' if " " in text else text


def _record(message: RequestMessage, client: str, decision: str, detail: str, time_us: int, latency_us: int) -> AuditRecord:
    name = client or message.client or ""
    return AuditRecord(time_us, name, message.method, message.id, digest(bytes(message.params)), decision, detail, latency_us)
