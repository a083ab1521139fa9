"""The messages between the gateway and its session, and their bytes.

The link is private: both ends are always of the same release, one PAIR socket for each generation of the session. The first
message of a session is `Ready` with the token that this generation was given; whoever sends anything else first is not our
session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from bridge.errors import BridgeError, MalformedMessage, from_wire
from bridge.records import Account, TerminalInfo

# ---- gateway to session ----------------------------------------------------------------------------------------------------------


class Connect(Struct, frozen=True, array_like=True, tag="connect"):
    """Attach to the terminal; answered by `Attached` or `AttachFailed`. `login` and `server` are the account that orders are for;
    None before one is known: then it is the one that the terminal is logged in to."""

    attempt: int
    login: int | None = None
    server: str | None = None


class Call(Struct, frozen=True, array_like=True, tag="call"):
    """Do a request; answered by `Result` or `Failed` with the same id. Not begun after `deadline_s` (this machine's monotonic
    clock)."""

    id: int
    method: str
    params: Raw
    deadline_s: float


class StartStream(Struct, frozen=True, array_like=True, tag="start"):
    """Begin to send the events of a topic; answered by `Started` or `NotStarted`. `tick:*` streams all of Market Watch.

    `resume` is what an earlier session delivered last: of bars the last one, of ticks those of the last minutes, of which the ones
    in the newest second come last and are all there was, in order; of any other topic what it last gave to keep (`Publish.kept`).
    """

    topic: str
    resume: bytes | None = None


class StopStream(Struct, frozen=True, array_like=True, tag="stop_stream"):
    """Nobody wants the topic any more."""

    topic: str


class Stop(Struct, frozen=True, array_like=True, tag="stop"):
    """Detach from the terminal and end."""


ToSession = Connect | Call | StartStream | StopStream | Stop

# ---- session to gateway ----------------------------------------------------------------------------------------------------------


class Ready(Struct, frozen=True, array_like=True, tag="ready"):
    """The session runs; `token` proves its generation."""

    token: str
    pid: int


class Attached(Struct, frozen=True, array_like=True, tag="attached"):
    """The terminal answers; these are its account and itself."""

    account: Account
    terminal: TerminalInfo
    version: tuple[int, int, str]


class AttachFailed(Struct, frozen=True, array_like=True, tag="attach_failed"):
    """The terminal could not be reached: `last_error()` of the attempt and the function that failed, or a `reason` that was found
    without the package."""

    function: str
    code: int
    text: str
    reason: str = ""


class Misconfigured(Struct, frozen=True, array_like=True, tag="misconfigured"):
    """The session cannot work with these settings, and ends."""

    message: str
    next_step: str


class Lost(Struct, frozen=True, array_like=True, tag="lost"):
    """The package has no connection to the terminal any more."""

    function: str
    code: int
    text: str


class Result(Struct, frozen=True, array_like=True, tag="result"):
    """A call's result, packed."""

    id: int
    result: Raw


class Failed(Struct, frozen=True, array_like=True, tag="failed"):
    """A call's error."""

    id: int
    code: str
    action: str
    message: str
    next_step: str
    details: dict[str, Any]


class Publish(Struct, frozen=True, array_like=True, tag="publish"):
    """Events of one turn of the feed, in order: topic, flags, and the body (records as bytes, or a message packed as plain
    types). `kept` is, by topic, what the next session needs to go on behind these events; opaque to the gateway. `suspect_records`
    counts the records in them that break the terminal's own rules."""

    events: list[tuple[str, int, Any]]
    kept: dict[str, bytes] = {}
    suspect_records: int = 0


class Started(Struct, frozen=True, array_like=True, tag="started"):
    """A stream runs; `body` is the newest state before its first event (of ticks all of the newest second), or None when there is
    none; `kept` as in `Publish`; `flags` are those of the state."""

    topic: str
    body: bytes | None
    kept: bytes | None = None
    flags: int = 0


class NotStarted(Struct, frozen=True, array_like=True, tag="not_started"):
    """A stream cannot run; the error as in `Failed`."""

    topic: str
    code: str
    action: str
    message: str
    next_step: str
    details: dict[str, Any]


class Stopped(Struct, frozen=True, array_like=True, tag="stopped"):
    """`StopStream` was obeyed: what comes after this is of a stream that was started anew."""

    topic: str


class Gone(Struct, frozen=True, array_like=True, tag="gone"):
    """The symbols, of those streamed, that the terminal does not have any more."""

    symbols: list[str]


class Standing(Struct, frozen=True, array_like=True):
    """Which account the terminal is logged in to, where it is installed, and what it permits."""

    login: int
    server: str
    path: str
    terminal_trade_allowed: bool
    api_disabled: bool
    account_trade_allowed: bool
    account_trade_expert: bool


def standing(account: Account, terminal: TerminalInfo) -> Standing:
    """What matters of both."""
    return Standing(
        account.login,
        account.server,
        terminal.path,
        terminal.trade_allowed,
        terminal.tradeapi_disabled,
        account.trade_allowed,
        account.trade_expert,
    )


class Health(Struct, frozen=True, array_like=True, tag="health"):
    """The result of real calls to the terminal, sent at least once a second while attached: a sign of progress. `quote` is the last
    tick of one symbol, each time of another: its name and time in milliseconds of server time."""

    connected: bool
    ping_us: int
    standing: Standing
    quote: tuple[str, int] | None = None


class Busy(Struct, frozen=True, array_like=True, tag="busy"):
    """A call begins that may rightly take long; silence is no fault until `limit_s` seconds have passed."""

    what: str
    limit_s: float


class Idle(Struct, frozen=True, array_like=True, tag="idle"):
    """A sign of progress while not attached, at least once a second."""


FromSession = (
    Ready | Misconfigured | Attached | AttachFailed | Lost | Result | Failed | Publish | Started | NotStarted | Stopped | Gone
    | Health | Busy | Idle
)  # fmt: skip

pack = msgspec.msgpack.Encoder().encode
_decode_to_session = msgspec.msgpack.Decoder(ToSession).decode
_decode_all_to_session = msgspec.msgpack.Decoder(list[ToSession]).decode
_decode_all_from_session = msgspec.msgpack.Decoder(list[FromSession]).decode
_ARRAY = b"\xdd"
"""First byte of a frame with several messages, an array32; a message alone is a smaller array."""
_decode_from_session = msgspec.msgpack.Decoder(FromSession).decode


def to_session(frame: bytes) -> ToSession:
    """A message of the gateway. Raises `MalformedMessage`."""
    try:
        message: ToSession = _decode_to_session(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"not a message for the session: {error}") from None
    return message


def from_session(frame: bytes) -> FromSession:
    """A message of the session. Raises `MalformedMessage`."""
    try:
        message: FromSession = _decode_from_session(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"not a message of the session: {error}") from None
    return message


def together(frames: Sequence[bytes]) -> bytes:
    """One frame of several messages: the link does its work for each frame, and not for each message."""
    return frames[0] if len(frames) == 1 else b"".join((_ARRAY, len(frames).to_bytes(4, "big"), *frames))


def all_to_session(frame: bytes) -> list[ToSession]:
    """The messages of the gateway in a frame, in order. Raises `MalformedMessage`."""
    if frame[:1] != _ARRAY:
        return [to_session(frame)]
    try:
        messages: list[ToSession] = _decode_all_to_session(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"not messages for the session: {error}") from None
    return messages


def all_from_session(frame: bytes) -> list[FromSession]:
    """The messages of the session in a frame, in order. Raises `MalformedMessage`."""
    if frame[:1] != _ARRAY:
        return [from_session(frame)]
    try:
        messages: list[FromSession] = _decode_all_from_session(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"not messages of the session: {error}") from None
    return messages


def failed(call_id: int, error: BridgeError) -> Failed:
    """An error as an answer to a call."""
    return Failed(call_id, error.code, error.action, error.message, error.next_step, error.details)


def not_started(topic: str, error: BridgeError) -> NotStarted:
    """An error as an answer to `StartStream`."""
    return NotStarted(topic, error.code, error.action, error.message, error.next_step, error.details)


def as_error(message: Failed | NotStarted) -> BridgeError:
    """The exception that a `Failed` or `NotStarted` describes."""
    return from_wire(message.code, message.action, message.message, message.next_step, message.details, None)
