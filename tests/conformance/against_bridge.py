"""Plays a scenario against a bridge: raw sockets, nothing of the project's own code."""

from __future__ import annotations

import time
from collections import deque
from typing import Any
from uuid import uuid4

import msgpack
import zmq

from tests.conformance.scenario import Line, Scenario, differs, unlike

PATIENCE_S = 10.0
SLACK_S = 0.4
"""How long something that must not come is waited for, unless the line says."""


class Failed(Exception):
    """The bridge did something else than the line says."""


class Player:
    """One connection of its own, and what came on it."""

    def __init__(self, requests: str, symbol: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._run = uuid4().hex
        self._names = {"SYMBOL": symbol, "CLIENT": f"kit-{self._run}", "RUN": self._run}
        self._dealer, self._events = self._context.socket(zmq.DEALER), self._context.socket(zmq.SUB)
        for socket in (self._dealer, self._events):
            socket.set(zmq.LINGER, 0)
        self._dealer.connect(requests)
        self._requests = requests
        self._connected = False
        self._replies: dict[str, deque[dict[str, Any]]] = {}
        self._news: dict[str, deque[list[Any]]] = {}
        self._saved: dict[str, Any] = {}
        self._bridge_msc = 0
        self._made = 0

    def close(self) -> None:
        """End it."""
        self._context.destroy(0)

    def play(self, scenario: Scenario) -> None:
        """All lines. Raises `Failed`."""
        steps = {
            ">": self._send, "<": self._reply, "!<": self._no_reply, "+": self._subscribe, "-": self._unsubscribe, "*": self._event,
            "!*": self._no_event, ".": self._wait, "=": self._same,
        }  # fmt: skip
        for line in scenario.lines:
            try:
                steps[line.mark](line)
            except Failed as error:
                raise Failed(f"{scenario.path.name}:{line.number}: {line.text()}: {error}") from None

    # ---- names ---------------------------------------------------------------------------------------------------------------

    def _filled(self, value: Any) -> Any:
        """With $SYMBOL and the like, and what was saved, in place of their names."""
        if isinstance(value, dict):
            return {name: self._filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner) for inner in value]
        if isinstance(value, str) and value.startswith("$") and value[1:] in self._saved:
            return self._saved[value[1:]]
        if isinstance(value, str) and "$" in value:
            for name, text in self._names.items():
                value = value.replace(f"${name}", text)
            if value.startswith("#"):
                return float(value[1:]) if "." in value else int(value[1:])
        return value

    def _own(self, name: str) -> str:
        return f"{self._run}-{name}"

    # ---- requests ------------------------------------------------------------------------------------------------------------

    def _send(self, line: Line) -> None:
        if line.words[0] == "frames":
            self._dealer.send_multipart([bytes.fromhex(word) if word != "empty" else b"" for word in line.words[1:]])
            return
        if line.words[0] == "size":
            self._dealer.send(bytes(int(line.words[1])))
            return
        options = dict(word.split("=", 1) for word in line.words[1:])
        message: dict[str, Any] = {"version": int(options.get("version", 1)), "id": self._own(options.get("id", "R"))}
        message |= {"method": line.words[0], "params": self._filled(line.body) if line.body is not None else {}}
        if "client" in options:
            message["client"] = self._filled(options["client"])
        if "deadline" in options:
            if not self._bridge_msc:
                raise Failed("a deadline needs a reply before it, which tells the bridge's clock")
            message["deadline_msc"] = self._bridge_msc + int(options["deadline"])
        for name in options.get("without", "").split(",") if "without" in options else ():
            del message[name]
        if "add" in options:
            message[options["add"]] = "something"
        self._dealer.send(msgpack.packb(message))

    def _take(self, wait_s: float) -> None:
        """What is there, or comes within a time."""
        poller = zmq.Poller()
        poller.register(self._dealer, zmq.POLLIN)
        poller.register(self._events, zmq.POLLIN)
        for socket, _ in poller.poll(int(wait_s * 1e3)):
            if socket is self._dealer:
                reply = msgpack.unpackb(self._dealer.recv(), strict_map_key=False)
                self._bridge_msc = reply["time_msc"]
                self._replies.setdefault(reply["id"], deque()).append(reply)
            else:
                topic, _, body = self._events.recv().partition(b"\0")
                self._news.setdefault(topic.decode(), deque()).append(msgpack.unpackb(body, strict_map_key=False))

    def _reply(self, line: Line) -> None:
        name, outcome, *more = line.words
        key = "" if name == "-" else self._own(name)
        until_s = time.monotonic() + PATIENCE_S
        while not self._replies.get(key):
            if time.monotonic() > until_s:
                raise Failed("no reply came")
            self._take(0.05)
        reply = self._replies[key].popleft()
        error = reply.get("error")
        if wrong := unlike(outcome, more, reply["result"], error):
            raise Failed(wrong)
        found = reply["result"] if error is None else error["details"]
        if not (reply["version"] == 1 and isinstance(reply["epoch"], int)):
            raise Failed(f"its envelope is not one: {reply!r}"[:300])
        self._saved[f"{name}.reply"] = reply["result"], error and {**error, "message": ""}
        self._look(line, found)

    def _look(self, line: Line, found: Any) -> None:
        wanted = self._saving(self._filled(line.body), found)
        if wanted is not None and (told := differs(wanted, found)):
            raise Failed(told)

    def _saving(self, wanted: Any, found: Any) -> Any:
        """What is wanted, after what it says is to be saved was saved."""
        if isinstance(wanted, str) and wanted.startswith("save $"):
            self._saved[wanted.removeprefix("save $")] = found
            return "<any>"
        if isinstance(wanted, dict) and isinstance(found, dict):
            return {name: self._saving(value, found[name]) if name in found else value for name, value in wanted.items()}
        return wanted

    def _no_reply(self, line: Line) -> None:
        key = "" if line.words[0] == "-" else self._own(line.words[0])
        self._pass(float(line.words[1]) if len(line.words) > 1 else SLACK_S)
        if self._replies.get(key):
            raise Failed("a reply came")

    def _same(self, line: Line) -> None:
        first, second = (self._saved[f"{name}.reply"] for name in line.words[:2])
        if first != second:
            raise Failed(f"they are {first!r} and {second!r}"[:600])

    def _pass(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._take(min(0.05, left_s))

    def _wait(self, line: Line) -> None:
        self._pass(float(line.words[0]))

    # ---- events --------------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._connected:
            return
        self._connected = True
        hello = {"name": "kit", "client_id": self._names["CLIENT"], "pid": 1, "host": "kit"}
        self._dealer.send(msgpack.packb({"version": 1, "id": self._own("hello"), "method": "hello", "params": hello}))
        until_s = time.monotonic() + PATIENCE_S
        while not self._replies.get(self._own("hello")):
            if time.monotonic() > until_s:
                raise Failed("no reply to hello")
            self._take(0.05)
        told = self._replies[self._own("hello")].popleft()["result"]["events"]
        host = self._requests.removeprefix("tcp://").rpartition(":")[0]
        self._events.connect(told.replace("//0.0.0.0:", f"//{host}:").replace("//*:", f"//{host}:"))

    def _subscribe(self, line: Line) -> None:
        self._connect()
        topic = str(self._filled(line.words[0]))
        prefix = topic.endswith("*")
        self._events.subscribe(topic.removesuffix("*").encode() + (b"" if prefix else b"\0"))
        if "unproven" not in line.words:
            self._prove()

    def _prove(self) -> None:
        """Wait until all subscriptions are in force (docs/protocol.md, Subscribe with a snapshot)."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            self._made += 1
            proof = f"client:{self._names['CLIENT']}:{self._made}"
            self._events.subscribe(proof.encode() + b"\0")
            again_s = time.monotonic() + 1.0
            while time.monotonic() < again_s:
                self._take(0.02)
                if self._news.get(proof):
                    self._events.unsubscribe(proof.encode() + b"\0")
                    return
        raise Failed("no proof that subscriptions are in force")

    def _unsubscribe(self, line: Line) -> None:
        topic = str(self._filled(line.words[0]))
        self._events.unsubscribe(topic.encode() + b"\0")
        self._prove()
        self._news.pop(topic, None)

    def _event(self, line: Line) -> None:
        topic = str(self._filled(line.words[0]))
        until_s = time.monotonic() + PATIENCE_S
        told = "none came"
        while time.monotonic() < until_s:
            news = self._news.get(topic, deque())
            while news:
                version, epoch, sequence, time_us, flags, body = news.popleft()
                found = {"version": version, "epoch": epoch, "sequence": sequence, "time_us": time_us, "flags": flags, "body": body}
                told = differs(self._filled(line.body) or {}, found)
                if not told:
                    self._saved["sequence"], self._saved["epoch"] = sequence, epoch
                    return
            self._take(0.05)
        raise Failed(f"no such event: {told}"[:300])

    def _no_event(self, line: Line) -> None:
        topic = str(self._filled(line.words[0]))
        self._news.pop(topic, None)
        self._pass(float(line.words[1]) if len(line.words) > 1 else SLACK_S)
        if self._news.get(topic):
            raise Failed("one came")


def play(scenario: Scenario, requests: str, symbol: str) -> str:
    """What is wrong; empty if nothing is."""
    player = Player(requests, symbol)
    try:
        player.play(scenario)
    except Failed as error:
        return str(error)
    finally:
        player.close()
    return ""
