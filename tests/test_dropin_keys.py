"""The drop-in module at a bridge that asks for keys: programs that know nothing of them, with the environment and without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.key_files import ALLOWED, allowed, new_secret, own_secret, write_allowed, write_secret
from tests.processes import PATIENCE_S, Served, environment, serving

PROGRAM = """
import clients.mt5 as mt5
if not mt5.initialize(timeout=TIMEOUT_MS):
    raise SystemExit(f"initialize {mt5.last_error()}")
print("account", mt5.account_info() is not None, mt5.last_error())
tick = mt5.symbol_info_tick("BTCUSD")
print("tick", tick is not None)
order = {"action": mt5.TRADE_ACTION_DEAL, "symbol": "BTCUSD", "volume": 0.1, "type": mt5.ORDER_TYPE_BUY}
result = mt5.order_send(order)
print("order", None if result is None else result.retcode, mt5.last_error())
mt5.shutdown()
"""
ROLES = ("trader", "monitor")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path, str]]:
    """A bridge with a trader and a monitor; the folder of the keys, and the server's key."""
    home = tmp_path_factory.mktemp("house")
    keys, config = home / "keys", home / "bridge.toml"
    config.write_text(f"[bridge]\nrequire_keys = true\nkeys = '{keys.as_posix()}'\n")
    server = own_secret(keys).public
    made = {role: new_secret(role) for role in (*ROLES, "stranger")}
    for role, secret in made.items():
        write_secret(keys / f"{role}.key", secret)
    write_allowed(keys / ALLOWED, tuple(allowed(role, made[role].public, role) for role in ROLES))
    with serving("--config", str(config)) as served:
        yield served, keys, server


def said(house: tuple[Served, Path, str], key: str | None, timeout_ms: int = 20_000) -> tuple[int, str]:
    """Exit code and words of the program."""
    served, keys, server = house
    more = {"MT5BRIDGE_ENDPOINT": served.requests}
    if key is not None:
        more |= {"MT5BRIDGE_KEY": str(keys / f"{key}.key"), "MT5BRIDGE_SERVER_KEY": server}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("TIMEOUT_MS", str(timeout_ms))], env={**environment(), **more}, capture_output=True,
        text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_trader_trades(house: tuple[Served, Path, str]) -> None:
    code, words = said(house, "trader")
    assert (code, words.splitlines()[:2]) == (0, ["account True (1, 'Success')", "tick True"]), words
    assert words.splitlines()[2].startswith("order 10009 ")


def test_a_monitor_is_told_that_the_account_is_not_for_its_role(house: tuple[Served, Path, str]) -> None:
    code, words = said(house, "monitor")
    assert code != 0
    assert "initialize (-6, 'Terminal: Authorization failed')" in words
    assert "account is not for the role monitor" in words
    assert "--role" in words, "what a person can do about it"
    assert "Traceback" not in words


@pytest.mark.parametrize("key", ["stranger", None])
def test_who_has_no_key_is_told_as_by_a_terminal_that_does_not_let_in(house: tuple[Served, Path, str], key: str | None) -> None:
    code, words = said(house, key, timeout_ms=5_000)
    assert code != 0
    assert "initialize (-6, 'Terminal: Authorization failed')" in words
    assert ("does not allow this key" if key else "wants a key") in words
    assert "Traceback" not in words
