"""`mt5bridge keys`, on a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.errors import ConfigError
from bridge.key_files import read_allowed, read_secret
from bridge.keys import keys


def ran(folder: Path, *words: str) -> Result:
    result = CliRunner().invoke(keys, [*words, "--keys", str(folder)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def test_from_a_new_key_to_a_revoked_one(tmp_path: Path) -> None:
    made = json.loads(ran(tmp_path, "new", "alice", "--json").stdout)
    assert read_secret(Path(made["file"])).public == made["public"]
    assert "trader" in ran(tmp_path, "allow", "alice", made["public"], "--role", "trader", "--expires", "2099-12-31").stdout
    assert [key.name for key in read_allowed(tmp_path / "allowed.toml")] == ["alice"]
    listed = json.loads(ran(tmp_path, "list", "--json").stdout)
    assert listed["keys"] == [{"name": "alice", "role": "trader", "public": made["public"], "expires": "2099-12-31"}]
    assert made["public"] in ran(tmp_path, "list").stdout
    assert "revoked: alice" in ran(tmp_path, "revoke", "alice").stdout
    assert read_allowed(tmp_path / "allowed.toml") == ()


def test_the_public_key_alone_is_on_standard_output_and_the_secret_nowhere(tmp_path: Path) -> None:
    result = ran(tmp_path, "new", "alice", "--out", str(tmp_path / "elsewhere.key"))
    secret = read_secret(tmp_path / "elsewhere.key")
    assert result.stdout == f"{secret.public}\n"
    assert secret.secret not in result.output


def test_the_bridges_own_key_stays_and_is_followed_by_the_next(tmp_path: Path) -> None:
    first = ran(tmp_path, "server").stdout.strip()
    assert ran(tmp_path, "server").stdout.strip() == first
    following = ran(tmp_path, "server", "--next").stdout.strip()
    assert following != first
    assert ran(tmp_path, "server", "--switch").stdout.strip() == following
    assert ran(tmp_path, "server").stdout.strip() == following
    assert json.loads(ran(tmp_path, "list", "--json").stdout)["server"] == following
    with pytest.raises(ConfigError):
        ran(tmp_path, "server", "--switch")


@pytest.mark.parametrize(
    "words",
    [
        ("new", "server"), ("new", "a b"), ("allow", "alice", "short", "--role", "trader"), ("revoke", "nobody"),
        ("allow", "server", "x" * 40, "--role", "admin"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_changes_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        ran(tmp_path, *words)
    assert not list(tmp_path.iterdir())


def test_a_second_key_of_the_same_name_is_not_made_over_the_first(tmp_path: Path) -> None:
    first = ran(tmp_path, "new", "alice").stdout
    with pytest.raises(ConfigError, match="exists already"):
        ran(tmp_path, "new", "alice")
    assert read_secret(tmp_path / "alice.key").public == first.strip()
