"""The link between the simulator's MetaTrader5 module and a simulated terminal process.

A frame is a u32 little-endian length followed by that many bytes of msgpack, over a loopback TCP connection.
A request is ``[function, args]``, a reply ``[code, text, value]``.  Strings travel as UTF-8 with lone surrogates
let through, because the MetaTrader5 package accepts them.  Frames above 64 MiB are refused on both sides.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from typing import Any

import msgpack

from bridge.mt5api.backend import LinkLost, OpenFailed

MAX_FRAME_BYTES = 64 * 1024 * 1024
READ_BYTES = 256 * 1024
DEFAULT_ADDRESS = "tcp://127.0.0.1:5557"
ADDRESS_VARIABLE = "MT5BRIDGE_TERMINAL"
HOLD_GIL_VARIABLE = "MT5BRIDGE_HOLD_GIL"

_LENGTH = struct.Struct("<I")


class LinkError(Exception):
    """The peer sent, or was asked to send, something that is not a frame; the connection must be closed."""


def pack_frame(obj: Any) -> bytes:
    """Encode one message as a frame.

    Raises LinkError when a value cannot be encoded (numpy scalars, integers beyond 64 bits) or the frame
    would exceed 64 MiB.
    """
    try:
        body: bytes = msgpack.packb(obj, use_bin_type=True, unicode_errors="surrogatepass")
    except (TypeError, ValueError, OverflowError) as error:
        raise LinkError(f"cannot encode a message: {error}") from error
    if len(body) > MAX_FRAME_BYTES:
        raise LinkError(f"a message of {len(body)} bytes exceeds the limit of {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Incremental decoder: bytes in, whole messages out; knows no socket."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """Add received bytes, return the messages that became complete, oldest first.

        Raises LinkError on a length above 64 MiB or a body that is not exactly one msgpack value.  The reader is
        unusable afterwards.
        """
        self._buffer += data
        messages: list[Any] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if length > MAX_FRAME_BYTES:
                raise LinkError(f"a frame announces {length} bytes, the limit is {MAX_FRAME_BYTES}: not this protocol?")
            end = start + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(_unpack(bytes(self._buffer[start + _LENGTH.size : end])))
            start = end
        if start:
            del self._buffer[:start]
        return messages


def _unpack(body: bytes) -> Any:
    try:
        return msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            max_bin_len=MAX_FRAME_BYTES,
            max_str_len=MAX_FRAME_BYTES,
        )
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise LinkError(f"a frame of {len(body)} bytes is not msgpack: {error}") from error


def send_message(sock: socket.socket, obj: Any) -> None:
    """Write one message to a blocking socket.  Raises LinkError (not encodable) or OSError (connection lost)."""
    sock.sendall(pack_frame(obj))


def parse_address(address: str) -> tuple[str, int]:
    """`tcp://HOST:PORT` as `(host, port)`.  Raises ValueError on anything else."""
    scheme, separator, rest = address.partition("://")
    host, colon, port = rest.rpartition(":")
    if not (separator and colon and host and scheme == "tcp" and port.isdecimal() and int(port) < 2**16):
        raise ValueError(f"{address!r} is not of the form tcp://HOST:PORT")
    return host.strip("[]"), int(port)


class SocketBackend:
    """A Backend over a TCP connection to a simulated terminal process.

    As with the real package no call has a time limit: a terminal that does not answer blocks it until the connection breaks.  The
    real package also keeps the interpreter's lock meanwhile, so that no other Python thread runs; this one does the same with
    `hold_gil`, or when the environment has MT5BRIDGE_HOLD_GIL=1 at `open`.  A call that is interrupted by an exception (Ctrl-C)
    closes the connection, since its answer may still arrive.
    """

    def __init__(self, *, hold_gil: bool = False) -> None:
        self._socket: socket.socket | None = None
        self._reader = FrameReader()
        self._holds_always = self._hold_gil = hold_gil

    @property
    def connected(self) -> bool:
        """Whether a connection is open, as far as is known without using it."""
        return self._socket is not None

    def open(self, path: str | None) -> None:
        """Connect to `path`, else to the address in MT5BRIDGE_TERMINAL, else to the default.  Raises OpenFailed."""
        self.close()
        self._hold_gil = self._holds_always or os.environ.get(HOLD_GIL_VARIABLE) == "1"
        address = path or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS
        try:
            self._socket = socket.create_connection(parse_address(address))
        except (OSError, ValueError) as error:  # the texts are those of the package
            detail = f"Process create failed '{path}'" if path else "MetaTrader 5 x64 not found"
            raise OpenFailed(detail) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = FrameReader()

    def call(self, function: str, args: list[Any]) -> tuple[int, str, Any]:
        """Send one request and wait for its reply.  Raises LinkLost."""
        if self._socket is None:
            raise LinkLost(sending=True)
        sending = True
        try:
            send_message(self._socket, [function, args])
            sending = False
            code, text, value = self._receive(self._socket)
        except (OSError, LinkError) as error:
            self.close()
            raise LinkLost(sending=sending) from error
        except BaseException:
            self.close()
            raise
        return code, text, value

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _receive(self, connection: socket.socket) -> tuple[int, str, Any]:
        while True:
            if self._hold_gil:
                _wait_holding_gil(connection)
            data = connection.recv(READ_BYTES)
            if not data:
                raise LinkError("the terminal closed the connection")
            messages = self._reader.feed(data)
            if messages:
                return _reply(messages)


def _reply(messages: list[Any]) -> tuple[int, str, Any]:
    """The one reply to the one request under way."""
    reply = messages[0]
    if len(messages) == 1 and isinstance(reply, list) and len(reply) == 3:
        code, text, value = reply
        if isinstance(code, int) and isinstance(text, str):
            return code, text, value
    raise LinkError("the terminal did not answer with [code, text, value]")


def _wait_holding_gil(connection: socket.socket) -> None:
    """Block until there is something to read, without letting other Python threads run, as the real package does."""
    library = ctypes.PyDLL("ws2_32.dll" if os.name == "nt" else None)
    peek = ctypes.create_string_buffer(1)
    library.recv(ctypes.c_size_t(connection.fileno()), peek, ctypes.c_size_t(1), ctypes.c_int(socket.MSG_PEEK))
