"""How a supervisor is steered: a ROUTER on loopback for it, a DEALER for whoever asks, one JSON message each way.

Who may read the file of state may steer: it has the token, and belongs to the supervisor's user alone.
"""

from __future__ import annotations

import secrets
import socket
from typing import Literal

import msgspec
import zmq

from bridge.errors import BridgeUnreachable, InvalidParameters

HOST = "127.0.0.1"
MAX_BYTES = 65_536
"""Of a question. An answer may be larger: it has a row for each instance."""
ANSWER_S = 10.0
"""A supervisor answers between two other things; none of them takes long."""


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked of a supervisor; without names, of all instances."""

    token: str
    do: Literal["status", "start", "stop", "restart"]
    names: list[str] = []


class Row(msgspec.Struct):
    """An instance, as `status` shows it."""

    instance: str
    strategy: str
    symbol: str
    timeframe: str
    state: str
    enabled: bool
    wanted: bool
    pid: int | None
    restarts: int
    since_msc: int
    """When it came to this state: milliseconds of UTC since 1970."""
    last_exit: int | None
    last_line: str


class Answer(msgspec.Struct):
    """All rows that were asked for, or why not."""

    rows: list[Row] = []
    error: str = ""
    next_step: str = ""


class Control:
    """The supervisor's side."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_BYTES)
        self._socket.setsockopt(zmq.SNDTIMEO, 0)
        self.port = self._socket.bind_to_random_port(f"tcp://{HOST}")
        self.token = secrets.token_hex(16)
        self._asker: bytes = b""

    def take(self, wait_s: float) -> Question | None:
        """The next question of somebody who has the token, waited for so long. Others are told, and nothing is done."""
        if not self._socket.poll(int(wait_s * 1000), zmq.POLLIN):
            return None
        self._asker, *parts = self._socket.recv_multipart()
        try:
            question = msgspec.json.decode(parts[-1] if parts else b"", type=Question)
        except msgspec.DecodeError as error:
            self.answer(Answer(error=f"not a question: {error}", next_step="use the strategies command of the same version"))
            return None
        if not secrets.compare_digest(question.token.encode(), self.token.encode()):
            self.answer(Answer(error="the token is not that of this supervisor", next_step="steer it as the user who started it"))
            return None
        return question

    def answer(self, answer: Answer) -> None:
        """Answer the question taken last; nobody waits for whoever does not read."""
        try:
            self._socket.send_multipart([self._asker, msgspec.json.encode(answer)])
        except zmq.Again:
            return

    def close(self) -> None:
        """No more questions."""
        self._socket.close()
        self._context.term()


def ask(port: int, question: Question, roster: str) -> list[Row]:
    """Ask the supervisor of a roster. Raises `BridgeUnreachable` when there is none, and `InvalidParameters` with its words."""
    nobody = BridgeUnreachable(f"no supervisor runs {roster}", next_step=f"python -m strategies supervise {roster}")
    try:
        socket.create_connection((HOST, port), ANSWER_S).close()
    except (OSError, OverflowError):
        raise nobody from None
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(f"tcp://{HOST}:{port}")
        dealer.send(msgspec.json.encode(question))
        if not dealer.poll(int(ANSWER_S * 1000), zmq.POLLIN):
            raise nobody
        answer = msgspec.json.decode(dealer.recv(), type=Answer)
    if answer.error:
        raise InvalidParameters(answer.error, next_step=answer.next_step)
    return answer.rows
