"""Keys of clients: from files and the environment, and with a real bridge that asks for them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import BridgeError, BridgeUnreachable, ConfigError, NotAllowed
from bridge.key_files import new_secret, own_secret, read_secret, write_secret
from bridge.messages import GetAccount
from clients import AsyncClient, Client
from clients.lock import lock_of
from tests.faults.house import House
from tests.faults.scene import simulated
from tests.processes import PATIENCE_S, environment

SERVER = new_secret("server").public


@pytest.fixture
def key(tmp_path: Path) -> Path:
    write_secret(tmp_path / "alice.key", new_secret("alice"))
    return tmp_path / "alice.key"


def test_keys_are_given_or_in_the_environment(key: Path) -> None:
    assert lock_of(None, None, {}) is None
    assert lock_of(None, None, {"MT5BRIDGE_KEY": "", "MT5BRIDGE_SERVER_KEY": ""}) is None
    given = lock_of(str(key), f"{SERVER}, {SERVER}", {})
    assert given is not None
    assert given.server_keys == (SERVER.encode(),) * 2
    assert given.secret.decode() not in repr(given)
    assert lock_of(None, None, {"MT5BRIDGE_KEY": str(key), "MT5BRIDGE_SERVER_KEY": SERVER}) is not None


def test_one_without_the_other_is_refused(key: Path) -> None:
    with pytest.raises(ConfigError, match="keys server"):
        lock_of(key, None, {})
    with pytest.raises(ConfigError, match="keys new"):
        lock_of(None, SERVER, {})
    with pytest.raises(ConfigError, match="not a public key"):
        lock_of(key, "short", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        lock_of(key.with_name("none.key"), SERVER, {})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with simulated(folder, "--profile", "netting", "--start", "2026-03-03 10:00:00") as terminal:
        made = House(folder, terminal)
        made.bridge.start()
        try:
            yield made
        finally:
            made.bridge.stop()
    told = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".key"}
    assert any(path.suffix == ".sqlite" for path in told), "the journal is among what was looked at"
    for key in made.keys.glob("*.key"):
        secret = read_secret(key).secret.encode()
        assert not [path for path, text in told.items() if secret in text], f"the secret of {key.name} was written elsewhere"


def connected(client: Client) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not client.is_connected:
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_who_has_a_key_is_served_by_its_role(house: House) -> None:
    with house.client(house.make("alice", "trader")) as alice, house.client(house.make("eye", "monitor")) as eye:
        connected(alice)
        assert alice.account().balance > 0
        assert {client.name for client in eye.status().clients} >= {"alice", "eye"}
        with eye.subscribe("tick:EURUSD") as ticks:
            assert ticks.get(PATIENCE_S) is not None
        with pytest.raises(NotAllowed, match="role monitor"):
            eye.account()
        with pytest.raises(NotAllowed):
            eye.buy("EURUSD", 0.01)
        with pytest.raises(NotAllowed):
            eye.subscribe("account")
        assert alice.buy("EURUSD", 0.01).outcome == "done"


def test_the_asyncio_client_too(house: House) -> None:
    path = house.make("ada", "trader")

    async def balance() -> float:
        async with AsyncClient(house.bridge.requests, key=path, server_key=house.server) as bridge:
            return (await bridge.account()).balance

    assert asyncio.run(balance()) > 0

    async def other() -> None:
        await AsyncClient.connect(house.bridge.requests, key=path, server_key=SERVER)

    with pytest.raises(NotAllowed, match="another key"):
        asyncio.run(other())


def test_others_are_told_why_they_are_not_at_once(house: House) -> None:
    stranger, alice = house.make("stranger", None), house.make("alan", "trader")
    began_s = time.monotonic()
    with pytest.raises(NotAllowed, match="does not allow this key"):
        house.client(stranger)
    with pytest.raises(NotAllowed, match="has another key than the bridge's"):
        house.client(alice, server=SERVER)
    with pytest.raises(NotAllowed, match="wants a key"):
        Client(house.bridge.requests, timeout_s=PATIENCE_S)
    assert time.monotonic() - began_s < PATIENCE_S / 2


def test_the_next_key_of_the_bridge_may_be_given_beside_the_present_one(house: House) -> None:
    with house.client(house.make("anna", "trader"), server=f"{SERVER},{house.server}") as client:
        connected(client)
        with client.subscribe("tick:EURUSD") as ticks:
            assert ticks.get(PATIENCE_S) is not None


def test_a_revoked_key_is_cut_off_and_others_lose_nothing(house: House) -> None:
    with house.client(house.make("mallory", "trader"), timeout_s=2.0) as mallory, house.client(house.make("bob", "trader")) as bob:
        connected(bob)
        theirs, ours = mallory.subscribe("tick:EURUSD"), bob.subscribe("tick:EURUSD")
        assert theirs.get(PATIENCE_S)
        assert ours.get(PATIENCE_S)
        secret = house.revoke("mallory")
        time.sleep(0.5)
        with pytest.raises(NotAllowed):
            mallory.account()
        while theirs.get(0.0):
            pass  # what had arrived by then
        assert theirs.get(1.0) is None
        for _ in range(3):
            assert ours.get(PATIENCE_S) is not None
        assert (ours.counters.gaps, ours.counters.missing) == (0, 0)
        house.restore(secret)
        until_s = time.monotonic() + PATIENCE_S
        while theirs.get(0.2) is None:
            assert time.monotonic() < until_s, "allowed again, it comes back by itself"
        assert mallory.call(GetAccount()).balance > 0


def test_commands_take_keys(house: House) -> None:
    path = house.make("carl", "monitor")
    words = ["status", "--endpoint", house.bridge.requests, "--key", str(path), "--server-key", house.server]
    found = subprocess.run([sys.executable, "-m", "bridge", *words], capture_output=True, text=True, env=environment(), check=False)
    assert (found.returncode, "connected" in found.stdout) == (0, True), found
    plain = subprocess.run(
        [sys.executable, "-m", "bridge", *words[:3]], capture_output=True, text=True, env=environment(), check=False
    )
    assert plain.returncode == 1
    assert "wants a key" in plain.stderr


def test_a_bridge_that_starts_with_its_next_key_is_found_again(house: House) -> None:
    with house.client(house.make("dora", "trader"), timeout_s=2.0) as dora:
        connected(dora)
    following = own_secret(house.keys, "server-next").public
    with house.client(house.make("emil", "trader"), timeout_s=2.0, server=f"{house.server},{following}") as emil:
        connected(emil)
        ticks = emil.subscribe("tick:EURUSD")
        house.bridge.kill()
        (house.keys / "server-next.key").replace(house.keys / "server.key")
        house.bridge.start()
        until_s = time.monotonic() + PATIENCE_S
        while True:
            assert time.monotonic() < until_s
            with contextlib.suppress(BridgeError):
                assert emil.account().balance > 0
                break
        while ticks.get(1.0) is None:
            assert time.monotonic() < until_s
    with pytest.raises((NotAllowed, BridgeUnreachable)):
        house.client(house.keys / "dora.key", timeout_s=3.0)
