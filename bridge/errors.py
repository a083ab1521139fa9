"""Every error of the project, in one tree, classed by what the caller should do.

```
BridgeError
├── CallError        fix the call: the same call will fail again
│   ├── MalformedMessage    the bytes are not a message of this protocol
│   ├── WrongProtocol       the message is of a protocol version that this side does not speak
│   ├── UnknownMethod       no such request
│   ├── InvalidParameters   a parameter is missing, mistyped or out of range
│   ├── UnknownSymbol       the terminal has no such symbol
│   ├── UnknownTimeframe    not one of the 21 timeframes
│   ├── IdReused            the request id was used before with another content
│   ├── OrderRejected       the terminal or the server refused the order; nothing was executed
│   ├── OrderNotExecuted    an order of unknown outcome has left no trace: it was not executed
│   ├── LimitReached        a limit of this client or of the bridge forbids the order; nothing was sent
│   ├── ConfigError         a flag, variable, configuration file or recording is wrong
│   └── TerminalRefused     the terminal answered the call with an error of its own
├── TryAgain         nothing was changed: the same call may succeed later
│   ├── NotConnected        the bridge has no working session with the terminal now
│   ├── Busy                too many requests are waiting
│   ├── DeadlinePassed      the request was not begun before its deadline; it was not executed
│   ├── TimedOut            no answer came in time to a request that changes nothing
│   ├── JournalUnavailable  orders cannot be written down now, so none is sent; data goes on
│   └── BridgeUnreachable   no bridge answers at the endpoint
├── OutcomeUnknown   an order may or may not have been executed: look before sending another
└── MustStop         a person has to act
    ├── Stopping            the bridge is shutting down
    ├── AccountChanged      the terminal is logged in to another account than the bridge's; nothing was sent
    ├── TradingHalted       an operator has halted trading; nothing was sent
    ├── NotAllowed          the key is not allowed, or its role not for this; nothing was done
    ├── JournalDamaged      the journal of orders cannot be trusted: an operator has to decide
    └── InternalError       a fault of this software
```

On the wire an error is an `ErrorBody` (`docs/protocol.md`, section Errors): `code` names the class and `action` its branch, so
that a client which does not know a code still knows what to do.
"""

from __future__ import annotations

from typing import Any, ClassVar


class BridgeError(Exception):
    """Anything that this project reports as failed.

    `message` says what happened in one line, `next_step` what a person can do about it, `details` carries the numbers and names
    (`field`, `value`, `retcode`, …), `request_id` the request it belongs to, when there is one.
    """

    code: ClassVar[str] = "error"
    action: ClassVar[str] = "stop"

    def __init__(self, message: str, *, next_step: str = "", request_id: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.request_id = request_id
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}; {self.next_step}" if self.next_step else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.next_step, self.request_id, self.details)


def _rebuild(kind: type[BridgeError], message: str, next_step: str, request_id: str | None, details: dict[str, Any]) -> BridgeError:
    error = kind(message, next_step=next_step, request_id=request_id)
    error.details = details
    return error


class CallError(BridgeError):
    """Fix the call: the same call will fail again."""

    code = "call_error"
    action = "fix"


class MalformedMessage(CallError):
    """The bytes are not a message of this protocol."""

    code = "malformed_message"


class WrongProtocol(CallError):
    """The message is of a protocol version that this side does not speak."""

    code = "wrong_protocol"


class UnknownMethod(CallError):
    """The bridge has no such request."""

    code = "unknown_method"


class InvalidParameters(CallError):
    """A parameter is missing, mistyped or out of range; `details` has `field` where it is known."""

    code = "invalid_parameters"


class UnknownSymbol(CallError):
    """The terminal has no such symbol; `details` has `symbol`."""

    code = "unknown_symbol"


class UnknownTimeframe(CallError):
    """The name is not one of the 21 timeframes; `details` has `timeframe`."""

    code = "unknown_timeframe"


class IdReused(CallError):
    """The request id was used before with another content; nothing was sent."""

    code = "id_reused"


class OrderRejected(CallError):
    """The terminal or the trade server refused the order and nothing was executed.

    `details` has `retcode` (MQL5 trade server return code) and `comment`.
    """

    code = "order_rejected"


class OrderNotExecuted(CallError):
    """An order whose outcome was unknown has left no trace in positions, orders and deals: it was not executed.

    `details` has `evidence`: what was looked at, and for how long. The order may be sent again under a new id.
    """

    code = "order_not_executed"


class LimitReached(CallError):
    """A limit of this client or of the bridge forbids the order; nothing was sent.

    `details` has `rule` (the limit's name), `value` (what the order would lead to) and `limit`.
    """

    code = "limit_reached"


class ConfigError(CallError):
    """A flag, an environment variable, a configuration file or a recording is wrong."""

    code = "config_error"


class TerminalRefused(CallError):
    """The terminal answered the call with an error; `details` has `function`, `terminal_code`, `terminal_text`."""

    code = "terminal_refused"


class TryAgain(BridgeError):
    """Nothing was changed: the same call may succeed later."""

    code = "try_again"
    action = "retry"


class NotConnected(TryAgain):
    """The bridge has no working session with the terminal now; `details` has the connection `state`."""

    code = "not_connected"


class Busy(TryAgain):
    """Too many requests are waiting."""

    code = "busy"


class DeadlinePassed(TryAgain):
    """The request was not begun before its deadline, and was not executed."""

    code = "deadline_passed"


class TimedOut(TryAgain):
    """No answer came in time to a request that changes nothing."""

    code = "timed_out"


class BridgeUnreachable(TryAgain):
    """No bridge answers at the endpoint."""

    code = "bridge_unreachable"


class JournalUnavailable(TryAgain):
    """Orders cannot be written down now (a full disk, a read error), so none is sent; market data goes on."""

    code = "journal_unavailable"


class OutcomeUnknown(BridgeError):
    """An order may or may not have been executed: look at positions, orders and deals before sending another."""

    code = "outcome_unknown"
    action = "look"


class MustStop(BridgeError):
    """A person has to act before this can work."""

    code = "must_stop"
    action = "stop"


class Stopping(MustStop):
    """The bridge is shutting down and takes no new requests."""

    code = "stopping"


class AccountChanged(MustStop):
    """The terminal is logged in to another account or server than the one that the bridge serves; nothing was sent."""

    code = "account_changed"


class TradingHalted(MustStop):
    """An operator has halted trading; nothing was sent. What only reduces exposure is still allowed."""

    code = "trading_halted"


class NotAllowed(MustStop):
    """The key is not allowed to connect, or its role does not include this; nothing was done. Whoever runs the bridge can change
    that."""

    code = "not_allowed"


class JournalDamaged(MustStop):
    """The journal of orders cannot be trusted, or belongs to another bridge that is running: nothing is sent."""

    code = "journal_damaged"


class InternalError(MustStop):
    """A fault of this software; the log of the bridge has the details."""

    code = "internal_error"


def _tree(kind: type[BridgeError]) -> list[type[BridgeError]]:
    return [kind] + [leaf for child in kind.__subclasses__() for leaf in _tree(child)]


ERRORS: dict[str, type[BridgeError]] = {kind.code: kind for kind in _tree(BridgeError)}
"""Error class by its code on the wire."""

_BRANCHES: dict[str, type[BridgeError]] = {
    "fix": CallError, "retry": TryAgain, "look": OutcomeUnknown, "stop": MustStop,
}  # fmt: skip


def from_wire(code: str, action: str, message: str, next_step: str, details: dict[str, Any], request_id: str | None) -> BridgeError:
    """The exception for an error that came over the wire; an unknown `code` becomes its branch's class."""
    kind = ERRORS.get(code) or _BRANCHES.get(action, MustStop)
    error = kind(message, next_step=next_step, request_id=request_id)
    error.details = details
    return error
