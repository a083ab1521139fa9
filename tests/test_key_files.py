"""Files with keys: for their owner alone, whole or not at all, and what is wrong with one is said."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import zmq
import zmq.utils.z85

from bridge.access import Allowed
from bridge.errors import ConfigError
from bridge.key_files import (
    allowed,
    key_id,
    new_secret,
    read_allowed,
    read_secret,
    with_key,
    without,
    write_allowed,
    write_secret,
)
from bridge.ownership import make_private

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX's; see test_ownership")


def public() -> str:
    return new_secret("any").public


def alice(**changes: str) -> Allowed:
    return allowed(**({"name": "alice", "public": public(), "role": "trader"} | changes))


# ---- secrets ---------------------------------------------------------------------------------------------------------------------


def test_a_secret_is_kept_for_its_owner_and_never_shown(tmp_path: Path) -> None:
    secret, path = new_secret("alice"), tmp_path / "keys" / "alice.key"
    write_secret(path, secret)
    assert read_secret(path) == secret
    assert zmq.curve_public(secret.secret.encode()).decode() == secret.public
    assert secret.secret not in repr(secret)
    assert secret.secret not in f"{secret}"
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "alice.key"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="exists already"):
        write_secret(path, new_secret("alice"))
    assert path.read_text() == "precious"


def test_keys_can_be_given_on_a_command_line() -> None:
    assert not any(new_secret("a").public.startswith("-") for _ in range(300))


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "alice.key"
    write_secret(path, new_secret("alice"))
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"others can read .* \\(mode {mode:04o}\\).*chmod 600"):
        read_secret(path)


@posix
def test_a_link_to_a_secret_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "alice.key", new_secret("alice"))
    (tmp_path / "link").symlink_to(tmp_path / "alice.key")
    with pytest.raises(ConfigError, match="not a plain file"):
        read_secret(tmp_path / "link")


@pytest.mark.parametrize(
    "text",
    ["", "garbage", 'name = "a"', 'name = "a"\npublic = "x"\nsecret = "y"', 'name = "a"\npublic = 1\nsecret = 2', "\xff\xfe"],
)
def test_what_is_no_secret_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "alice.key"
    path.write_bytes(text.encode("latin-1"))
    make_private(path)
    with pytest.raises(ConfigError) as refused:
        read_secret(path)
    assert "mt5bridge keys new" in str(refused.value)


def test_a_half_that_belongs_to_another_is_refused(tmp_path: Path) -> None:
    one, other, path = new_secret("a"), new_secret("b"), tmp_path / "a.key"
    path.write_text(f'name = "a"\npublic = "{one.public}"\nsecret = "{other.secret}"\n')
    make_private(path)
    with pytest.raises(ConfigError, match="no key pair") as refused:
        read_secret(path)
    assert other.secret not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.key cannot be read"):
        read_secret(tmp_path / "none.key")
    with pytest.raises(ConfigError, match="not a plain file"):
        read_secret(tmp_path)


# ---- the list --------------------------------------------------------------------------------------------------------------------


def test_a_list_there_and_back(tmp_path: Path) -> None:
    keys = (alice(), alice(expires="2027-12-31"), alice(name="grid.1", role="monitor"))
    write_allowed(tmp_path / "new" / "allowed.toml", keys)
    assert read_allowed(tmp_path / "new" / "allowed.toml") == keys
    assert os.listdir(tmp_path / "new") == ["allowed.toml"]
    assert read_allowed(tmp_path / "none.toml") == ()


@posix
def test_a_list_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "allowed.toml"
    write_allowed(path, (alice(),))
    path.chmod(0o620)
    with pytest.raises(ConfigError, match="others can write"):
        read_allowed(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[key]", "not TOML"),
        ("[[key]]\nname = 'a'\n", "public"),
        ("[[key]]\nname = 'a'\npublic = 'short'\nrole = 'admin'\n", "not a public key"),
        (f"[[key]]\nname = 'a'\npublic = '{'é' * 40}'\nrole = 'admin'\n", "not a public key"),
        (f"[[key]]\nname = 'a'\npublic = '{'#' * 40}'\nrole = 'admin'\n", "not a public key"),
        ("[[key]]\nname = 'a'\npublic = 'x'\nrole = 'root'\n", "role"),
        ("[[key]]\nname = 'a'\npublic = 'x'\nrole = 'admin'\nmore = 1\n", "more"),
        ("[[keys]]\n", "keys"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "allowed.toml"
    path.write_text(text, encoding="utf-8")
    make_private(path)
    with pytest.raises(ConfigError, match=words):
        read_allowed(path)


def test_a_key_is_there_once(tmp_path: Path) -> None:
    key, path = alice(), tmp_path / "allowed.toml"
    write_allowed(path, (key, key))
    with pytest.raises(ConfigError, match="twice"):
        read_allowed(path)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "é", "a\n", 'a"', "server", "server-next"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError):
        alice(name=name)


@pytest.mark.parametrize("expires", ["tomorrow", "2027-13-01", "31.12.2027"])
def test_days_that_are_none(expires: str) -> None:
    with pytest.raises(ConfigError, match="not a date"):
        alice(expires=expires)


def test_the_last_day_is_over_at_midnight_utc() -> None:
    key = alice(expires="2026-11-24")
    midnight_us = 1_795_564_800_000_000
    assert not key.expired(midnight_us - 1)
    assert key.expired(midnight_us)
    assert not alice().expired(midnight_us)


def test_one_key_follows_another_of_the_same_owner() -> None:
    first, second = alice(), alice()
    keys = with_key((first,), second)
    assert keys == (first, second)
    later = allowed("alice", first.public, "trader", "2027-01-01")
    assert with_key(keys, later) == (second, later)
    with pytest.raises(ConfigError, match="has another key, as trader"):
        with_key(keys, alice(role="admin"))
    with pytest.raises(ConfigError, match="the key is that of alice"):
        with_key(keys, allowed("bob", first.public, "trader"))
    assert with_key((first,), allowed("alice", first.public, "admin"))[0].role == "admin"


def test_revoking_by_name_or_by_key() -> None:
    first, second, bob = alice(), alice(), alice(name="bob")
    keys = (first, second, bob)
    assert without(keys, "alice") == ((bob,), (first, second))
    assert without(keys, second.public) == ((first, bob), (second,))
    with pytest.raises(ConfigError, match="allowed are: alice, bob"):
        without(keys, "carol")


def test_the_id_is_the_key() -> None:
    public, _ = zmq.curve_keypair()
    assert key_id(public.decode()) == zmq.utils.z85.decode(public).hex()
