"""The settings of a bridge that runs, read again, and the files they come from, watched."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from bridge.configuration import Configuration
from bridge.errors import ConfigError
from bridge.limits import ClientLimits, Limits

_moments = count(1_700_000_000)


def write(path: Path, text: str) -> None:
    """Save a file at another moment than before; file systems do not keep time exactly enough for tests."""
    path.write_text(text, encoding="utf-8")
    moment = next(_moments)
    os.utime(path, (moment, moment))


def account(login: int, password: str = "secret") -> str:
    return f"MT5_LOGIN={login}\nMT5_PASSWORD={password}\n"


def made(folder: Path, config: Path | None = None, **environ: str) -> Configuration:
    return Configuration({}, config, environ, folder)


def test_a_file_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / ".env", account(5))
    configuration = made(tmp_path)
    assert configuration.settings.mt5.login == 5
    assert not configuration.changed()
    write(tmp_path / ".env", account(6))
    assert configuration.changed()
    assert configuration.settings.mt5.login == 5
    assert configuration.read().mt5.login == 6
    assert configuration.settings.mt5.login == 6
    assert not configuration.changed()


def test_a_change_stays_one_until_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".env", account(5))
    configuration = made(tmp_path)
    write(tmp_path / ".env", account(6))
    assert all(configuration.changed() for _ in range(3)), "it may come while something else is still tried"
    configuration.read()
    assert not configuration.changed()


def test_files_that_come_and_go_are_changes(tmp_path: Path) -> None:
    configuration = made(tmp_path)
    assert configuration.settings.mt5.login is None
    write(tmp_path / ".env", account(5))
    assert configuration.changed()
    assert configuration.read().mt5.login == 5
    (tmp_path / ".env").unlink()
    assert configuration.changed()
    assert configuration.read().mt5.login is None


def test_the_file_that_is_named_is_watched_too(tmp_path: Path) -> None:
    named = tmp_path / "bridge.toml"
    write(named, "[mt5]\nserver = 'A'\n")
    for configuration in (made(tmp_path, named), made(tmp_path, MT5BRIDGE_CONFIG=str(named))):
        write(named, "[mt5]\nserver = 'B'\n")
        assert configuration.changed()
        assert configuration.read().mt5.server == "B"
        write(named, "[mt5]\nserver = 'A'\n")
        configuration.read()


def test_a_file_of_another_name_in_the_env_file_is_a_change(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write(tmp_path / f"{name}.toml", f"[mt5]\nserver = '{name}'\n")
    write(tmp_path / ".env", f"MT5BRIDGE_CONFIG={tmp_path / 'A.toml'}\n")
    configuration = made(tmp_path)
    write(tmp_path / ".env", f"MT5BRIDGE_CONFIG={tmp_path / 'B.toml'}\n")
    assert configuration.changed()
    assert configuration.read().mt5.server == "B"
    write(tmp_path / "A.toml", "[mt5]\nserver = 'C'\n")
    assert not configuration.changed(), "it is not read any more"
    write(tmp_path / "B.toml", "[mt5]\nserver = 'C'\n")
    assert configuration.changed()


@pytest.mark.parametrize("wrong", ["MT5_LOGIN=abc\n", "MT5_LOGIN=6\n", "what is this\n"])
def test_what_cannot_be_read_leaves_what_was_read_before_and_is_tried_again_when_it_changes(tmp_path: Path, wrong: str) -> None:
    write(tmp_path / ".env", account(5))
    configuration = made(tmp_path)
    write(tmp_path / ".env", wrong)
    with pytest.raises(ConfigError):
        configuration.read()
    assert configuration.settings.mt5.login == 5
    assert not configuration.changed(), "nothing else would come of it"
    write(tmp_path / ".env", account(6))
    assert configuration.changed()
    assert configuration.read().mt5.login == 6


def test_flags_and_environment_stay_above_the_files(tmp_path: Path) -> None:
    write(tmp_path / ".env", account(5) + "MT5_SERVER=A\n")
    configuration = Configuration({("mt5", "login"): 7}, None, {"MT5_SERVER": "E"}, tmp_path)
    write(tmp_path / ".env", account(6, "new") + "MT5_SERVER=B\n")
    found = configuration.read().mt5
    assert (found.login, found.server, found.password) == (7, "E", "new")


def test_the_environment_is_that_of_the_start(tmp_path: Path) -> None:
    environ = {"MT5_LOGIN": "5", "MT5_PASSWORD": "secret"}
    configuration = Configuration({}, None, environ, tmp_path)
    environ.clear()
    assert configuration.read().mt5.password == "secret"


def test_wrong_settings_at_the_start_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / ".env", "MT5_LOGIN=abc\n")
    with pytest.raises(ConfigError, match="MT5_LOGIN"):
        made(tmp_path)


# ---- limits on orders ------------------------------------------------------------------------------------------------------------


def limited(folder: Path, text: str) -> Configuration:
    write(folder / "bridge.toml", text)
    return made(folder, folder / "bridge.toml")


def test_other_limits_are_news_once(tmp_path: Path) -> None:
    configuration = limited(tmp_path, "[limits]\nmax_volume = 1\n")
    assert configuration.limits == Limits(ClientLimits(max_volume=1.0))
    assert configuration.newer_limits() is None
    write(tmp_path / "bridge.toml", "[limits]\nmax_volume = 2\n")
    assert configuration.newer_limits() == Limits(ClientLimits(max_volume=2.0))
    assert configuration.newer_limits() is None
    write(tmp_path / "bridge.toml", "[limits]\nmax_volume = 2\n[mt5]\nserver = 'A'\n")
    assert configuration.newer_limits() is None, "it is about something else"
    write(tmp_path / "bridge.toml", "[clients.'a*']\n[clients.'*a']\n")
    configuration.newer_limits()
    write(tmp_path / "bridge.toml", "[clients.'*a']\n[clients.'a*']\n")
    found = configuration.newer_limits()
    assert isinstance(found, Limits)
    assert list(found.clients) == ["*a", "a*"]


def test_limits_that_cannot_be_read_are_told_once_and_the_former_ones_stay(tmp_path: Path) -> None:
    configuration = limited(tmp_path, "[limits]\nmax_volume = 1\n")
    former = configuration.limits
    for wrong in ("[limits]\nmax_volume = nan\n", "[limits\n"):
        write(tmp_path / "bridge.toml", wrong)
        assert isinstance(configuration.newer_limits(), ConfigError)
        assert configuration.newer_limits() is None
        assert configuration.limits == former
    write(tmp_path / "bridge.toml", "[limits]\nmax_volume = 1\n")
    assert configuration.newer_limits() == former, "that it is well again is news"
    assert configuration.newer_limits() is None
    (tmp_path / "bridge.toml").unlink()
    assert isinstance(configuration.newer_limits(), ConfigError), "a file that went does not lift the limits"
    assert configuration.limits == former


def test_looking_for_limits_leaves_the_other_settings_to_the_next_session(tmp_path: Path) -> None:
    configuration = limited(tmp_path, "[mt5]\nserver = 'A'\n")
    write(tmp_path / "bridge.toml", "[mt5]\nserver = 'B'\n[limits]\nread_only = true\n")
    assert isinstance(configuration.newer_limits(), Limits)
    assert configuration.settings.mt5.server == "A"
    assert configuration.changed()
