"""Plays a scenario against a client: a bridge of raw sockets that does what the lines say, and what the client makes of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from tests.conformance.client_program import ClientProgram, Ended
from tests.conformance.played_bridge import Asked, Broken, PlayedBridge
from tests.conformance.scenario import Line, Scenario, differs, unlike

PATIENCE_S = 10.0
SLACK_S = 0.4
TURN_S = 0.005
NEWS = ("snapshot", "event", "gap")


class Failed(Exception):
    """The client did something else than the line says."""


class Player:
    """One client of one bridge."""

    def __init__(self, program: ClientProgram) -> None:
        self._program = program
        self._bridge = PlayedBridge()
        self._results: dict[str, dict[str, Any]] = {}
        self._news: deque[tuple[str, Any]] = deque()
        self._asked: dict[str, Asked] = {}
        self._errors: dict[str, Any] = {}
        self._steps: dict[str, Callable[[Line], None]] = {
            ">": self._do, "<": self._result, "!<": self._no_result, "?": self._request, "!?": self._no_request, "!": self._answer,
            "=": self._same, "@": self._publish, "*": self._told, "!*": self._nothing, "+": self._subscribed,
            "-": self._unsubscribed, ".": self._wait, "hand": self._hand, "auto": self._auto, "beat": self._beat,
            "beats": self._beats, "proofs": self._proofs, "restart": lambda line: self._bridge.restart(),
            "cut": lambda line: self._bridge.cut(), "move": lambda line: self._bridge.cut(moved=True),
        }  # fmt: skip

    def play(self, scenario: Scenario) -> None:
        """All lines. Raises `Failed`."""
        for line in scenario.lines:
            try:
                self._steps[line.mark](line)
            except (Failed, Broken, Ended) as error:
                raise Failed(f"{scenario.path.name}:{line.number}: {line.text()}: {error}") from None
        if self._news:
            raise Failed(f"{scenario.path.name}: the client told more than was wanted: {self._news[0]!r}"[:300])

    def close(self) -> None:
        """End the client's connection, and the bridge."""
        self._bridge.answering.add("goodbye")
        try:
            if "closed" not in self._results:
                self._program.do({"do": "close", "ref": "closed"})
            until_s = time.monotonic() + PATIENCE_S
            while "closed" not in self._results and time.monotonic() < until_s:
                self._turn()
        except (Broken, Ended):
            self._program.close()
        finally:
            self._bridge.close()

    # ---- time ----------------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._bridge.turn(TURN_S)
        for said in self._program.said():
            if "ref" in said:
                self._results[said["ref"]] = said
            for kind in NEWS:
                if kind in said:
                    self._news.append((kind, said[kind]))

    def _until(self, found: Any, what: str) -> Any:
        """Wait for something that is true."""
        until_s = time.monotonic() + PATIENCE_S
        while not (it := found()):
            if time.monotonic() > until_s:
                raise Failed(what)
            self._turn()
        return it

    def _pass(self, line: Line, at: int) -> None:
        until_s = time.monotonic() + (float(line.words[at]) if len(line.words) > at else SLACK_S)
        while time.monotonic() < until_s:
            self._turn()

    def _wait(self, line: Line) -> None:
        self._pass(line, 0)

    # ---- the client ----------------------------------------------------------------------------------------------------------

    def _do(self, line: Line) -> None:
        command: dict[str, Any] = {"do": line.words[0], "ref": "R"}
        if line.words[0] == "connect":
            command |= {"endpoint": self._bridge.endpoint, "name": "kit", "timeout_ms": 5_000}
        command |= dict(word.split("=", 1) for word in line.words[1:])
        command |= self._filled(line.body or {})
        self._results.pop(command["ref"], None)
        self._program.do(command)

    def _result(self, line: Line) -> None:
        name, outcome, *action = line.words
        said = self._until(lambda: self._results.pop(name, None), "it has not said what came of it")
        error = said.get("error")
        if wrong := unlike(outcome, action, said.get("result"), error):
            raise Failed(wrong)
        found = said["result"] if error is None else error
        if line.body is not None and (told := differs(self._filled(line.body), found)):
            raise Failed(told)

    def _no_result(self, line: Line) -> None:
        self._pass(line, 1)
        if line.words[0] in self._results:
            raise Failed(f"it has said {self._results[line.words[0]]!r}"[:300])

    def _told(self, line: Line) -> None:
        """What the program was given: `* KIND TOPIC SEQUENCE`, `* gap TOPIC FIRST LAST`."""
        kind, topic, *numbers = line.words
        found_kind, found = self._until(lambda: self._news and self._news.popleft(), "it has told nothing")
        wanted: dict[str, Any] = {"topic": topic, "epoch": self._bridge.epoch}
        if kind == "gap":
            if numbers == ["?"]:
                wanted |= {"first": None, "last": None, "count": None}
            elif numbers:
                first, last = map(int, numbers)
                wanted |= {"first": first, "last": last, "count": last - first + 1}
        elif numbers:
            number = int(numbers[0])
            wanted |= {"sequence": number}
            if (topic, self._bridge.epoch, number) in self._bridge.bodies and not (kind == "snapshot" and topic == "trade"):
                body = self._bridge.bodies[topic, self._bridge.epoch, number]
                wanted |= {"body": {"hex": body.hex()} if isinstance(body, bytes) else body}
        if found_kind != kind:
            raise Failed(f"it has told {found_kind} {found!r}"[:300])
        if told := differs(wanted | self._filled(line.body or {}), found):
            raise Failed(told)

    def _nothing(self, line: Line) -> None:
        self._pass(line, 0)
        if self._news:
            raise Failed(f"it has told {self._news[0]!r}"[:300])

    # ---- its requests --------------------------------------------------------------------------------------------------------

    def _request(self, line: Line) -> None:
        method, *options = line.words
        given = dict(word.split("=", 1) for word in options)
        asked = self._until(lambda: self._held(method), "it has not asked")
        self._bridge.held.remove(asked)
        self._asked[given.get("as", method)] = asked
        if line.body is not None and (told := differs(self._filled(line.body), asked.params)):
            raise Failed(told)
        if "deadline" in given:
            left_ms = (asked.deadline_msc or 0) - self._bridge.time_msc()
            if not 0 < left_ms <= int(given["deadline"]):
                raise Failed(f"its deadline is {left_ms} ms from now, by the bridge's clock")
        if "bytes" in given and len(asked.id.encode()) < int(given["bytes"]):
            raise Failed(f"its id is {asked.id!r}")

    def _held(self, method: str) -> Asked | None:
        return next((asked for asked in self._bridge.held if asked.method == method), None)

    def _no_request(self, line: Line) -> None:
        self._pass(line, 1)
        if self._held(line.words[0]):
            raise Failed("it has asked")

    def _same(self, line: Line) -> None:
        first, second = (self._asked[name] for name in line.words[:2])
        if (first.id, first.params) != (second.id, second.params):
            raise Failed(f"they are {first.id} {first.params!r} and {second.id} {second.params!r}"[:400])

    def _answer(self, line: Line) -> None:
        name, outcome, *options = line.words
        asked = self._asked[name]
        if outcome == "frames":
            frames = [bytes.fromhex(word) if word != "empty" else b"" for word in options]
            self._bridge.requests.send_multipart([asked.peer, *frames])
            return
        changed = {option: self._option(option, value) for option, value in (word.split("=", 1) for word in options if "=" in word)}
        body = self._filled(line.body)
        if outcome == "auto":
            self._bridge.answer_by_itself(asked, **changed)
        elif outcome == "ok":
            self._bridge.reply(asked, body, **changed)
        else:
            action = next((word for word in options if "=" not in word), "fix")
            told = {"code": outcome, "action": action, "message": "the kit's", "next_step": "", "details": body or {}}
            self._bridge.reply(asked, None, told, **changed)

    def _option(self, name: str, value: str) -> Any:
        """A field of the envelope: `-` leaves it out, `epoch` may be relative."""
        if name == "epoch" and value.startswith(("+", "-")) and len(value) > 1:
            return self._bridge.epoch + int(value)
        return int(value) if value.isdecimal() else value

    # ---- the bridge ----------------------------------------------------------------------------------------------------------

    def _publish(self, line: Line) -> None:
        """`@ TOPIC [N times|lost|gone|a way to spoil] [flags=F]`; `@ TOPIC again N`; `@ TOPIC former N`."""
        topic, *words = line.words
        if words[:1] == ["again"]:
            self._bridge.events.send(self._bridge.kept_frame(topic, int(words[1])))
            return
        if words[:1] == ["former"]:
            number = int(words[1])
            body = self._bridge.body(topic, number)
            self._bridge.events.send(self._bridge.frame(topic, number, body, epoch=self._bridge.epoch - 1_000))
            return
        flags = next((int(word.removeprefix("flags=")) for word in words if word.startswith("flags=")), 0)
        times = next((int(word) for word in words if word.isdecimal()), 1)
        how = next((word for word in words if not word.isdecimal() and "=" not in word), "")
        for _ in range(times):
            self._bridge.publish(topic, self._filled(line.body), flags=flags, how=how)

    def _subscribed(self, line: Line) -> None:
        topic = line.words[0].replace("$CLIENT", self._bridge.client_id).encode()
        wanted = topic.removesuffix(b"*") if topic.endswith(b"*") else topic + b"\0"
        self._until(lambda: wanted in self._bridge.subscribed, f"it has not subscribed it, only {self._bridge.subscribed}")

    def _unsubscribed(self, line: Line) -> None:
        wanted = line.words[0].encode() + b"\0"
        self._until(lambda: wanted not in self._bridge.subscribed, "it has not unsubscribed it")

    def _hand(self, line: Line) -> None:
        self._bridge.answering -= set(line.words)

    def _auto(self, line: Line) -> None:
        self._bridge.answering |= set(line.words)
        for asked in [asked for asked in self._bridge.held if asked.method in line.words]:
            self._bridge.held.remove(asked)
            self._bridge.answer_by_itself(asked)

    def _beat(self, line: Line) -> None:
        self._bridge.beat(line.body or {})

    def _beats(self, line: Line) -> None:
        self._bridge.beating = line.words[0] == "on"

    def _proofs(self, line: Line) -> None:
        self._bridge.proving = line.words[0] == "on"

    def _filled(self, value: Any) -> Any:
        """With `$EVENTS`, `$PORT`, `$CLIENT` and frames (`#TOPIC N`) in place of their names."""
        if isinstance(value, dict):
            return {name: self._filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value.startswith("#"):
            topic, _, number = value[1:].partition(" ")
            return self._bridge.kept_frame(topic, int(number)) if number else bytes.fromhex(topic)
        port = self._bridge.events_endpoint.rpartition(":")[2]
        for name, text in (("$EVENTS", self._bridge.events_endpoint), ("$PORT", port), ("$CLIENT", self._bridge.client_id)):
            value = value.replace(name, text)
        return value


def play(scenario: Scenario, program: ClientProgram) -> str:
    """What is wrong; empty if nothing is."""
    player = Player(program)
    try:
        player.play(scenario)
    except Failed as error:
        return str(error)
    finally:
        player.close()
    return ""


def play_all(
    wanted: Sequence[Scenario], command: Sequence[str], jobs: int = 4, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[Scenario, str]]:
    """Each scenario and what is wrong, in their order; so many programs play at a time, and one that has ended is started anew."""
    programs: SimpleQueue[ClientProgram | None] = SimpleQueue()
    for _ in range(jobs):
        programs.put(None)

    def one(scenario: Scenario) -> str:
        program = programs.get()
        if program is None or program.ended:
            program = ClientProgram(command, environment=environment)
        try:
            return play(scenario, program)
        finally:
            programs.put(program)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from zip(wanted, pool.map(one, wanted), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)
            while not programs.empty():
                if (program := programs.get()) is not None:
                    program.close()
