"""The Node.js client of docs/examples/node, a program of another language written from docs/protocol.md: against a real bridge over
a simulated terminal. What is lost on the way between them is chosen by a relay that both believe to be the other."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from bridge.key_files import ALLOWED, allowed, new_secret, own_secret, read_secret, write_allowed, write_secret
from tests.processes import ANYWHERE, PATIENCE_S, Served, environment, serving

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "node"
FOLDER = "MT5BRIDGE_NODE"
"""Names a folder in which `npm ci` has put `node_modules`: then nothing is skipped. Else they are looked for beside the example."""
SYMBOL = "BTCUSD"  # quoted on every day of the week
TICKS = f"tick:{SYMBOL}"
POLL_MS = 50


def packages() -> Path:
    """Where the packages of the example are."""
    return Path(os.environ.get(FOLDER, EXAMPLE)) / "node_modules"


def unavailable() -> str:
    """Why the example cannot run here, or nothing."""
    if shutil.which("node") is None:
        return "there is no node"
    missing = [name for name in ("zeromq", "@msgpack/msgpack") if not (packages() / name / "package.json").exists()]
    return f"npm has not installed {' and '.join(missing)} in {packages()}" if missing else ""


pytestmark = pytest.mark.skipif(FOLDER not in os.environ and bool(unavailable()), reason=unavailable() or "it is there")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its packages."""
    assert not unavailable(), unavailable()
    if (EXAMPLE / "node_modules").resolve() == packages().resolve():
        return EXAMPLE
    copy = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("node_modules"))
    try:
        (copy / "node_modules").symlink_to(packages().resolve(), target_is_directory=True)
    except OSError:  # Windows may not let a user make links
        shutil.copytree(packages(), copy / "node_modules")
    return copy


class Relay(threading.Thread):
    """Stands between a client and a bridge. `loses` says of an event's topic and sequence whether it gets lost; `mute` whether a
    reply of the method does. `seen` are the requests that passed, with their ids."""

    def __init__(self, requests: str, events: str) -> None:
        super().__init__(name="relay", daemon=True)
        self.loses: Callable[[str, int], bool] = lambda topic, sequence: False
        self.mute = ""
        self.seen: list[tuple[str, str]] = []
        self.lost: list[tuple[str, int]] = []
        self._context = zmq.Context()
        self._sockets = [self._context.socket(kind) for kind in (zmq.ROUTER, zmq.DEALER, zmq.XPUB, zmq.XSUB)]
        for sock in self._sockets:
            sock.linger = 0
        self._clients, self._bridge, self._publisher, self._subscriber = self._sockets
        self.requests, self._events = (self._bind(sock) for sock in (self._clients, self._publisher))
        self._bridge.connect(requests)
        self._subscriber.connect(events)
        self._ending = False

    @staticmethod
    def _bind(sock: zmq.Socket[bytes]) -> str:
        sock.bind(ANYWHERE)
        return sock.get_string(zmq.LAST_ENDPOINT)

    def run(self) -> None:
        poller = zmq.Poller()
        for sock in self._sockets:
            poller.register(sock, zmq.POLLIN)
        while not self._ending:
            ready = dict(poller.poll(POLL_MS))
            if self._clients in ready:
                identity, frame = self._clients.recv_multipart()
                self._client = identity
                asked = msgpack.unpackb(frame)
                self.seen.append((asked["method"], asked["id"]))
                self._bridge.send(frame)
            if self._bridge in ready:
                self._answer(msgpack.unpackb(self._bridge.recv()))
            if self._publisher in ready:
                self._subscriber.send(self._publisher.recv())
            if self._subscriber in ready:
                self._pass(self._subscriber.recv())
        for sock in self._sockets:
            sock.close()
        self._context.term()

    def _answer(self, reply: dict[str, Any]) -> None:
        method = next(method for method, name in reversed(self.seen) if name == reply["id"])
        if method == self.mute:
            return
        if method == "hello":
            reply["result"]["events"] = self._events
        self._clients.send_multipart([self._client, msgpack.packb(reply)])

    def _pass(self, frame: bytes) -> None:
        topic, _, body = frame.partition(b"\0")
        place = topic.decode(), msgpack.unpackb(body)[2]
        if self.loses(*place):
            self.lost.append(place)
        else:
            self._publisher.send(frame)

    def end(self) -> None:
        self._ending = True
        self.join(5.0)


class Node:
    """The example's driver as a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._refs = 0
        self.told: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def take(self) -> dict[str, Any]:
        """The next line that it says."""
        line = self._lines.get(timeout=PATIENCE_S)
        assert line, f"node ended: {self._process.stderr.read() if self._process.stderr else ''}"
        said: dict[str, Any] = json.loads(line)
        return said

    def ask(self, do: str, **fields: Any) -> Any:
        """A command and its answer; what comes before it is put into `told`."""
        assert self._process.stdin is not None
        self._refs += 1
        self._process.stdin.write(json.dumps({"do": do, "ref": self._refs, **fields}) + "\n")
        self._process.stdin.flush()
        while (said := self.take()).get("ref") != self._refs:
            self.told.append(said)
        return said

    def result(self, do: str, **fields: Any) -> Any:
        said = self.ask(do, **fields)
        assert "result" in said, said
        return said["result"]

    def until(self, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """What it has told, once that is enough."""
        while not enough(self.told):
            self.told.append(self.take())
        return self.told


@contextlib.contextmanager
def node(folder: Path) -> Iterator[Node]:
    process = subprocess.Popen(
        ["node", "driver.js"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        yield Node(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A bridge that some tests share."""
    with serving() as bridge:
        yield bridge


@contextlib.contextmanager
def relayed(folder: Path, served: Served) -> Iterator[tuple[Node, Relay]]:
    """A driver that is connected to a bridge through a relay."""
    with node(folder) as driver:
        relay = Relay(served.requests, served.events)
        relay.start()
        try:
            driver.result("connect", endpoint=relay.requests, name="node-test", timeout_ms=20_000)
            driver.result("subscribe", topics=["connection"])
            driver.until(lambda told: any(body["state"] == "connected" for body in bodies(told)))
            driver.result("unsubscribe", topics=["connection"])
            driver.told.clear()
            yield driver, relay
        finally:
            relay.end()


def bodies(told: list[dict[str, Any]]) -> list[Any]:
    """The bodies of states and events."""
    return [said[kind]["body"] for said in told for kind in ("snapshot", "event") if kind in said]


def sequences(told: list[dict[str, Any]], kind: str) -> list[int]:
    return [said[kind]["sequence"] for said in told if kind in said]


def test_the_units_of_the_example(folder: Path) -> None:
    done = subprocess.run(["node", "--test"], cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout


def test_it_subscribes_recovers_a_gap_and_places_an_order(folder: Path, served: Served) -> None:
    with relayed(folder, served) as (driver, relay):
        relay.loses = lambda topic, sequence: topic == TICKS and sequence in (2, 3)
        driver.result("subscribe", topics=[TICKS])
        told = driver.until(lambda told: len(sequences(told, "event")) >= 4)
        assert relay.lost == [(TICKS, 2), (TICKS, 3)]
        first = sequences(told, "snapshot")[0]
        numbers = sequences(told, "event")
        assert numbers == list(range(first + 1, first + 1 + len(numbers))), "each once, in order"
        replayed = [said["event"]["sequence"] for said in told if said.get("event", {}).get("replayed")]
        assert replayed == [2, 3]
        assert not [said for said in told if "gap" in said]
        assert all(said["event"]["records"][0]["bid"] > 0 for said in told if "event" in said)

        account = driver.result("request", method="account")
        bars = driver.result("request", method="rates", params={"symbol": SYMBOL, "timeframe": "M5", "count": 3})
        assert account["currency"] == "USD"
        assert len(bytes.fromhex(bars["records"]["hex"])) == 3 * 60

        order = {"action": 1, "symbol": SYMBOL, "volume": 0.1, "type": 0}
        relay.mute = "order"
        lost = driver.ask("order", request=order, id="node-1", timeout_ms=300)["error"]
        assert (lost["code"], lost["action"], lost["id"]) == ("outcome_unknown", "look", "node-1")
        relay.mute = ""
        done = driver.result("order", request=order, id="node-1")
        assert done["outcome"] == "done"
        assert [name for method, name in relay.seen if method == "order"] == ["node-1", "node-1"], "never repeated by itself"
        refused = driver.ask("order", request={**order, "volume": 0.2}, id="node-1")["error"]
        assert (refused["code"], refused["action"]) == ("id_reused", "fix")
        assert refused["next_step"]
        (position,) = driver.result("request", method="positions", params={"symbol": SYMBOL})["positions"]
        (deal,) = driver.result("request", method="deals", params={"position": position["identifier"]})["deals"]
        assert (position["volume"], deal["order"]) == (0.1, done["result"]["order"])


def test_what_is_lost_at_the_end_is_seen_by_the_heartbeat(folder: Path, served: Served) -> None:
    with relayed(folder, served) as (driver, relay):
        driver.result("subscribe", topics=["trade"])
        driver.until(lambda told: "snapshot" in told[-1] if told else False)
        relay.loses = lambda topic, sequence: topic == "trade"
        driver.result("order", request={"action": 1, "symbol": SYMBOL, "volume": 0.1, "type": 0}, id="node-2")
        told = driver.until(lambda told: any(body.get("kind") == "position_opened" for body in bodies(told)))
        assert all(said["event"]["replayed"] for said in told if "event" in said)
        assert not [said for said in told if "gap" in said]


def test_a_bridge_that_is_not_there_is_told_at_once(folder: Path) -> None:
    with node(folder) as driver:
        error = driver.ask("connect", endpoint="tcp://127.0.0.1:9", name="node-test", timeout_ms=500)["error"]
        assert (error["code"], error["action"]) == ("bridge_unreachable", "retry")
        assert "tcp://127.0.0.1:9" in error["message"]
        assert driver.ask("account")["error"]["message"] == "connect first"


def test_another_run_of_the_bridge_is_a_gap_and_a_new_beginning(folder: Path) -> None:
    with contextlib.ExitStack() as runs, node(folder) as driver:
        with serving() as served:
            driver.result("connect", endpoint=served.requests, name="node-test", timeout_ms=20_000)
            driver.result("subscribe", topics=["connection"])
            driver.until(lambda told: bool(bodies(told)))
        runs.enter_context(serving("--requests", served.requests))  # its events are elsewhere
        driver.until(lambda told: bool(told) and "gap" in told[-1])
        before, gap = driver.told[:-1], driver.told[-1]["gap"]
        assert {"silence": True} in before
        (epoch,) = (said["epoch"] for said in before if "epoch" in said)
        assert (gap["topic"], gap["count"], gap["reason"], gap["epoch"]) == ("connection", None, "epoch", epoch["epoch"])
        driver.until(lambda told: "gap" not in told[-1])
        assert driver.told[-1]["snapshot"]["epoch"] == epoch["epoch"]


def test_a_bridge_that_asks_for_keys(folder: Path, tmp_path: Path) -> None:
    home, other = tmp_path / "keys", tmp_path / "other.key"
    config = tmp_path / "bridge.toml"
    config.write_text(f"[bridge]\nrequire_keys = true\nkeys = '{home.as_posix()}'\n")
    server = own_secret(home).public
    for name, path in (("node", home / "node.key"), ("other", other)):
        write_secret(path, new_secret(name))
    ours = read_secret(home / "node.key")
    write_allowed(home / ALLOWED, (allowed("node", ours.public, "trader"),))
    key = {"key": str(home / "node.key"), "server_key": server}

    with serving("--config", str(config)) as served:

        def refused(**keys: str) -> tuple[str, str]:
            with node(folder) as driver:
                error = driver.ask("connect", endpoint=served.requests, timeout_ms=20_000, **keys)["error"]
                return error["code"], error["message"]

        with node(folder) as driver:
            driver.result("connect", endpoint=served.requests, timeout_ms=20_000, **key)
            driver.result("subscribe", topics=["connection"])
            driver.until(lambda told: any(body["state"] == "connected" for body in bodies(told)))
            told = driver.result("request", method="status")
            assert (told["server_key"], [client["name"] for client in told["clients"]]) == (server, ["node"])
        assert refused() == ("not_allowed", f"the bridge at {served.requests} wants a key")
        assert refused(**key | {"key": str(other)}) == ("not_allowed", f"the bridge at {served.requests} does not allow this key")
        wrong = refused(**key | {"server_key": ours.public})
        assert wrong == ("not_allowed", f"the bridge at {served.requests} has another key than `serverKey`")
        assert refused(key=key["key"]) == ("config_error", "our own key and the bridge's belong together")
        assert refused(**key | {"key": str(config)}) == ("config_error", f"{config} is not a key file")
        assert refused(**key | {"key": str(tmp_path / "none")})[0] == "config_error"
