"""The list of keys while a bridge runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.key_files import ALLOWED, allowed, new_secret, write_allowed
from bridge.watched_keys import WatchedKeys


def test_changes_are_told_once(tmp_path: Path) -> None:
    alice, bob = (allowed(name, new_secret(name).public, "trader") for name in ("alice", "bob"))
    watched = WatchedKeys(tmp_path)
    assert watched.keys == ()
    assert watched.newer() is None
    write_allowed(tmp_path / ALLOWED, (alice,))
    assert watched.newer() == (alice,)
    assert watched.newer() is None
    write_allowed(tmp_path / ALLOWED, (bob,))
    assert watched.newer() == (bob,), "of the same size, and perhaps within the clock's resolution"
    (tmp_path / ALLOWED).write_text("[[key")
    assert isinstance(watched.newer(), ConfigError)
    assert watched.newer() is None
    write_allowed(tmp_path / ALLOWED, (bob, alice))
    assert watched.newer() == (bob, alice)
    (tmp_path / ALLOWED).unlink()
    assert watched.newer() == (), "without a list nobody is allowed"


def test_a_bridge_does_not_start_with_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ALLOWED).write_text("[[key")
    with pytest.raises(ConfigError):
        WatchedKeys(tmp_path)
