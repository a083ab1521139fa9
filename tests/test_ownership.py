"""Files that are ours alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.ownership import check_private, check_unforged, make_private


def test_what_was_made_private_is(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("x")
    make_private(path)
    check_private(path)
    check_unforged(path)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX's")
def test_what_others_may_read_but_not_write_is_unforged(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("x")
    path.chmod(0o644)
    check_unforged(path)
    with pytest.raises(ConfigError, match="others can read"):
        check_private(path)
    path.chmod(0o602)
    with pytest.raises(ConfigError, match="others can write"):
        check_unforged(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_text("x")
    path.chmod(0o600)
    os.chown(path, 65_534, 65_534)
    for check in (check_private, check_unforged):
        with pytest.raises(ConfigError, match="another user"):
            check(path)


def test_folders_and_what_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError):
            check_private(path)
