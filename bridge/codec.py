"""Bytes to messages and back; every byte that arrives over a network goes through here.

Messages are msgpack, made and read by msgspec's typed encoder and decoder, which refuses what is not of the expected type at
once instead of first building it: 64 KiB of nested array headers cost `msgpack.unpackb` 70 ms and 67 MiB. Nothing but
`MalformedMessage`, `WrongProtocol`, `UnknownMethod` and `InvalidParameters` (all `CallError`) is raised for any bytes whatever.

An event is one frame, `topic NUL msgpack-array`: a second frame would halve the rate, and the NUL keeps a subscription to
`tick:EURUSD` from also matching `tick:EURUSD.r`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, cast

import msgpack
import msgspec

from bridge.errors import (
    BridgeError,
    InvalidParameters,
    MalformedMessage,
    UnknownMethod,
    WrongProtocol,
    from_wire,
)
from bridge.messages import (
    EVENT_BODIES,
    PROTOCOL_VERSION,
    REPLIES,
    REQUESTS,
    ErrorBody,
    EventMessage,
    ReplyMessage,
    Request,
    RequestMessage,
    SendOrder,
)
from bridge.replies import Records
from bridge.trading import TradeRequest

MAX_REQUEST_BYTES = 65_536
"""A larger request frame is refused by the socket; no honest request comes near it."""
MAX_REPLY_BYTES = 16 * 1024 * 1024
"""Bound on what a client accepts in one frame."""
MAX_TOPIC_BYTES = 255
LARGE = 2_048
"""Bytes from which on a view, or one copy instead of three, is worth its own cost."""

_decode_any = msgspec.msgpack.Decoder().decode

T = TypeVar("T")


_Shape = tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]
_shapes: dict[type, _Shape] = {}


def _shape(kind: type) -> _Shape:
    """The field names of a message class, and a function that takes their values out of a message."""
    shape = _shapes.get(kind)
    if shape is None:
        names = tuple(field.name for field in fields(kind))
        values = attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, name) for name in names)
        shape = _shapes[kind] = names, values
    return shape


def _refuse(value: Any) -> Any:
    raise TypeError(f"a {type(value).__name__} cannot be sent")


pack: Callable[[Any], bytes] = msgspec.msgpack.Encoder(enc_hook=_refuse).encode
"""msgpack of a message, or of any structure of maps, lists, text, numbers and bytes. Raises `TypeError` or `OverflowError` for
what cannot be sent. msgspec makes it, because it knows our messages; an order takes `msgpack` five times as long."""


# ---- requests --------------------------------------------------------------------------------------------------------------------

_decode_request = msgspec.msgpack.Decoder(RequestMessage).decode
_decode_reply = msgspec.msgpack.Decoder(ReplyMessage).decode
_decode_keys = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_params = {method: msgspec.msgpack.Decoder(kind).decode for method, kind in REQUESTS.items()}
_decode_results = {method: msgspec.msgpack.Decoder(kind).decode for method, kind in REPLIES.items()}
_STRICT = frozenset({"order", "order_check"})
"""Methods whose unknown parameters are refused: a misspelt `sl` must not become an order without a stop."""


_ORDER_FIELDS = frozenset(_shape(SendOrder)[0])
_TRADE_FIELDS = frozenset(_shape(TradeRequest)[0])


def encode_request(request: Request[Any], request_id: str, deadline_msc: int | None = None, client: str | None = None) -> bytes:
    """The frame of a request."""
    return pack(_Outgoing(PROTOCOL_VERSION, request_id, request.method, request, deadline_msc, client))


class _Outgoing(msgspec.Struct):
    """A `RequestMessage` whose parameters are not packed yet."""

    version: int
    id: str
    method: str
    params: Request[Any]
    deadline_msc: int | None
    client: str | None


def decode_request(frame: bytes) -> RequestMessage:
    """The envelope of a request; its `params` stay packed until the method is known.

    Raises `WrongProtocol` for another version of the protocol and `MalformedMessage` for anything else; both carry `request_id`
    where the frame has a usable one, so that the sender can be answered.
    """
    if len(frame) > MAX_REQUEST_BYTES:
        raise MalformedMessage(f"a request has {len(frame)} bytes, at most {MAX_REQUEST_BYTES} are allowed")
    try:
        message = _decode_request(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        version, request_id = _salvage(frame)
        if version is not None and version != PROTOCOL_VERSION:
            raise _wrong_protocol(version, request_id) from None
        raise MalformedMessage(f"not a request: {_words(error)}", request_id=request_id) from None
    if message.version != PROTOCOL_VERSION:
        raise _wrong_protocol(message.version, message.id)
    return message


def _wrong_protocol(version: int, request_id: str | None) -> WrongProtocol:
    return WrongProtocol(
        f"protocol version {version} is not spoken here, only {PROTOCOL_VERSION}",
        next_step="use the same release of client and bridge",
        request_id=request_id,
        version=version,
        spoken=PROTOCOL_VERSION,
    )


def _salvage(frame: bytes | memoryview) -> tuple[int | None, str | None]:
    """Version and id of a frame that is not a good request or reply, where they can be found."""
    try:
        raw = _decode_keys(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None, None
    found: list[Any] = []
    for key, kind in (("version", int), ("id", str)):
        try:
            value = _decode_any(raw[key]) if len(raw.get(key, b"")) in range(1, 80) else None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            value = None
        found.append(value if type(value) is kind else None)
    return found[0], found[1]


def decode_params(method: str, params: bytes | msgspec.Raw, *, again: bool = False) -> Request[Any]:
    """The request itself; `again` when the gateway has read it before. Raises `UnknownMethod`, or `InvalidParameters` with the
    `field` that is wrong."""
    decode = _decode_params.get(method)
    if decode is None:
        raise UnknownMethod(f"unknown method {method!r}", next_step="see the list of methods in docs/protocol.md", method=method)
    try:
        request: Request[Any] = decode(params)
        if not again and method in _STRICT and pack(request) != bytes(params):  # as our own clients pack it, it has no other field
            _refuse_unknown(method, params)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        where, rule = _path(str(error)), _words(error).rpartition(" - at `")
        told = {} if where is None else _value(params, where)
        raise InvalidParameters(f"{method}: {_words(error)}", method=method, field=where, rule=rule[0] or rule[2], **told) from None
    return request


def _refuse_unknown(method: str, params: bytes | msgspec.Raw) -> None:
    """The parameters are of the right type already; here only their names are compared."""
    outer = _decode_any(params)
    unknown = outer.keys() - _ORDER_FIELDS or outer["request"].keys() - _TRADE_FIELDS
    if unknown:
        raise InvalidParameters(
            f"{method}: no such field {min(unknown)!r}",
            next_step="check the spelling: an order with a misspelt field is not sent",
            method=method,
            field=min(unknown),
        )


def _path(words: str) -> str | None:
    """The field in msgspec's `… - at `$.count``."""
    _, found, path = words.rpartition("`$.")
    if found:
        return path.rstrip("`")
    _, found, name = words.rpartition("required field `")
    return name.split("`")[0] if found else None


def _value(params: bytes | msgspec.Raw, path: str) -> dict[str, Any]:
    """The value of a wrong field, where it can be told in one word."""
    try:
        found = _decode_any(params)
        for name in path.split("."):
            found = found[name]
    except (msgspec.MsgspecError, ValueError, RecursionError, LookupError, TypeError):
        return {}
    short = isinstance(found, bool | int | float | None) or (isinstance(found, str) and len(found) <= 100)
    return {"value": found} if short else {}


def _words(error: BaseException) -> str:
    """One short line of what the decoder says."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return (str(error) or type(error).__name__).splitlines()[0][:300]


# ---- replies ---------------------------------------------------------------------------------------------------------------------


def error_body(error: BridgeError) -> ErrorBody:
    """The error as it travels."""
    action: Any = error.action
    return ErrorBody(error.code, action, error.message, error.next_step, dict(error.details))


def encode_reply(request_id: str, epoch: int, time_msc: int, packed_result: bytes) -> bytes:
    """The frame of a reply whose result is packed already; it is put in place as it is, so that an array is not copied twice."""
    return pack(_Answer(PROTOCOL_VERSION, request_id, epoch, time_msc))[:-1] + packed_result


class _Answer(msgspec.Struct):
    """A `ReplyMessage` whose result is still to be put in place."""

    version: int
    id: str
    epoch: int
    time_msc: int
    result: None = None


def encode_failure(request_id: str, epoch: int, time_msc: int, error: BridgeError) -> bytes:
    """The frame of a reply that reports an error."""
    return pack(
        {
            "version": PROTOCOL_VERSION,
            "id": request_id,
            "epoch": epoch,
            "time_msc": time_msc,
            "result": None,
            "error": error_body(error),
        }
    )


def decode_reply(frame: bytes | memoryview) -> ReplyMessage:
    """The envelope of a reply. Raises `WrongProtocol` or `MalformedMessage`, as `decode_request` does."""
    try:
        message = _decode_reply(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        version, request_id = _salvage(frame)
        if version is not None and version != PROTOCOL_VERSION:
            raise _wrong_protocol(version, request_id) from None
        raise MalformedMessage(f"not a reply: {_words(error)}", request_id=request_id) from None
    if message.version != PROTOCOL_VERSION:
        raise _wrong_protocol(message.version, message.id)
    return message


def decode_result(method: str, reply: ReplyMessage, *, views: bool = False) -> Any:
    """The result of a reply, in the type that belongs to the method. Raises the error that the reply carries, or
    `MalformedMessage`. With `views`, the records of `Records` are not copied out of the reply's frame."""
    if reply.error is not None:
        body = reply.error
        raise from_wire(body.code, body.action, body.message, body.next_step, body.details, reply.id)
    try:
        if views and method in _HISTORY:
            view = _decode_records_view(reply.result)
            return Records(view.rows, cast(bytes, view.records), view.age_ms)
        return _decode_results[method](reply.result)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"not a result of {method}: {_words(error)}", request_id=reply.id) from None


@dataclass(frozen=True, slots=True)
class _RecordsView:
    rows: int
    records: memoryview
    age_ms: int = 0


_HISTORY = frozenset({"rates", "ticks"})
_decode_records_view = msgspec.msgpack.Decoder(_RecordsView).decode


def decode_records_of(packed: bytes | memoryview) -> tuple[int, memoryview]:
    """How many records a packed `Records` of our own has, and the records, in its memory."""
    view = _decode_records_view(packed)
    return view.rows, view.records


# ---- events ----------------------------------------------------------------------------------------------------------------------


class Event(NamedTuple):
    """An event's envelope with its body still packed or, for `tick`, `bar` and `forming`, as raw records.

    A named tuple, because one is made for every message received.
    """

    topic: str
    epoch: int
    sequence: int
    time_us: int
    flags: int
    body: Any


_pack_event = msgpack.Packer(autoreset=True).pack
decode_records = msgspec.msgpack.Decoder(tuple[int, int, int, int, int, memoryview]).decode
"""Envelope and records of a `tick`, `bar` or `forming` event, from what follows its NUL. Raises `msgspec.MsgspecError`,
`ValueError`."""
_decode_event = msgspec.msgpack.Decoder(tuple[int, int, int, int, int, msgspec.Raw]).decode
_decode_long = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_int = msgspec.msgpack.Decoder(int).decode
_decode_bytes = msgspec.msgpack.Decoder(memoryview).decode
_decode_bodies = {family: msgspec.msgpack.Decoder(kind).decode for family, kind in EVENT_BODIES.items() if kind is not bytes}
RECORD_FAMILIES = frozenset(family for family, kind in EVENT_BODIES.items() if kind is bytes)


def encode_event(prefix: bytes, epoch: int, sequence: int, time_us: int, flags: int, body: Any) -> bytes:
    """The frame of an event; `prefix` is the topic with its NUL. A body of `bytes` becomes a msgpack bin, other bodies must be
    plain msgpack types (see `plain_body`)."""
    if type(body) is not bytes or len(body) < LARGE:
        return prefix + _pack_event((PROTOCOL_VERSION, epoch, sequence, time_us, flags, body))  # type: ignore[no-any-return]
    # The records are put in place as they are: a batch is copied once, not three times.
    head = _pack_event((PROTOCOL_VERSION, epoch, sequence, time_us, flags))
    return b"".join((prefix, _SIX, head[1:], _bin_head(len(body)), body))


_SIX = b"\x96"
"""Head of an array of six elements."""


def _bin_head(length: int) -> bytes:
    """Head of a bin that is not small."""
    return b"\xc5" + length.to_bytes(2, "big") if length < 65_536 else b"\xc6" + length.to_bytes(4, "big")


def plain_body(message: Any) -> Any:
    """A body message as plain msgpack types."""
    return _decode_any(pack(message))


_new_event = tuple.__new__  # half the cost of the class's own constructor

_Fields = tuple[int, int, int, int, int, Any]
_Decode = Callable[[bytes | memoryview], _Fields]
_known_topics: dict[bytes, tuple[str, _Decode]] = {}
_MOST_KNOWN = 10_000


def decode_event(frame: bytes) -> Event:
    """The envelope of an event. Raises `MalformedMessage` or `WrongProtocol`."""
    end = frame.find(b"\0", 0, MAX_TOPIC_BYTES + 1)
    topic = frame[:end]
    try:
        name, decode = _known_topics.get(topic) or _learn(topic, end)
        payload = frame[end + 1 :] if len(frame) < LARGE else memoryview(frame)[end + 1 :]
        try:
            version, epoch, sequence, time_us, flags, body = decode(payload)
        except msgspec.ValidationError:
            version, epoch, sequence, time_us, flags, body = _longer(payload, decode is decode_records)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"not an event: {_words(error)}") from None
    if version != PROTOCOL_VERSION:
        raise _wrong_protocol(version, None)
    return _new_event(Event, (name, epoch, sequence, time_us, flags, body))


def _learn(topic: bytes, end: int) -> tuple[str, _Decode]:
    """The name of a topic, and what reads its payloads; kept, because the same topics come again and again."""
    if end < 1:
        raise MalformedMessage("not an event: no topic that ends with a NUL")
    records = topic.partition(b":")[0].decode() in RECORD_FAMILIES
    found: tuple[str, _Decode] = topic.decode(), decode_records if records else _decode_event
    if len(_known_topics) < _MOST_KNOWN:
        _known_topics[topic] = found
    return found


def _longer(payload: bytes | memoryview, records: bool) -> tuple[int, int, int, int, int, Any]:
    """An event of a later release, which may have more elements than we know, or another version."""
    elements = _decode_long(payload)
    version = _decode_int(elements[0]) if elements else PROTOCOL_VERSION
    if version != PROTOCOL_VERSION:
        raise _wrong_protocol(version, None)
    if len(elements) < len(_shape(EventMessage)[0]):
        raise MalformedMessage(f"not an event: {len(elements)} elements")
    numbers = [_decode_int(element) for element in elements[:5]]
    body = _decode_bytes(elements[5]) if records else elements[5]
    return (*numbers, body)  # type: ignore[return-value]


def decode_body(event: Event) -> Any:
    """The body of an event that does not carry records, as the message of `EVENT_BODIES`; of an unknown topic, plain types."""
    decode = _decode_bodies.get(event.topic.partition(":")[0], _decode_any)
    try:
        return decode(event.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(f"not a body of {event.topic}: {_words(error)}") from None
