"""Where a setting came from, told as `config.load` decides it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.config import ENVIRONMENT, Settings, load
from bridge.origins import DEFAULT, NAMES, Origins, origins

VALUES = {
    "MT5_LOGIN": "5", "MT5_PASSWORD": "p", "MT5_SERVER": "s", "MT5_PATH": "a", "MT5_TIMEOUT_MS": "7", "MT5_PORTABLE": "true",
    "MT5BRIDGE_ENDPOINT": "tcp://127.0.0.1:1", "MT5BRIDGE_JOURNAL": "j", "MT5BRIDGE_KEYS": "k",
}  # fmt: skip
TOML = {
    "MT5_SERVER": "'t'", "MT5_PATH": "'t'", "MT5_PASSWORD": "'t'", "MT5BRIDGE_ENDPOINT": "'tcp://127.0.0.1:2'",
    "MT5BRIDGE_JOURNAL": "'k'", "MT5BRIDGE_KEYS": "'k'",
}  # fmt: skip


def told(folder: Path, flags: dict[tuple[str, str], Any] | None = None, config: Path | None = None, **environ: str) -> Origins:
    load(flags or {}, config=config, environ=environ, folder=folder)
    return origins(flags or {}, config=config, environ=environ, folder=folder)


def test_nothing_is_given(tmp_path: Path) -> None:
    found = told(tmp_path)
    assert found == Origins(dict.fromkeys(NAMES, DEFAULT))


def test_every_setting_has_an_origin() -> None:
    settings = Settings()
    assert {(section, name) for section in ("bridge", "mt5") for name in getattr(settings, section).__struct_fields__} == set(NAMES)


@pytest.mark.parametrize("variable", ENVIRONMENT)
@pytest.mark.parametrize("source", ["--", "the environment", ".env", "mt5bridge.toml", DEFAULT])
def test_the_origin_is_the_source_whose_value_counts(tmp_path: Path, variable: str, source: str) -> None:
    """Each value comes from all sources from this one on; only this one is told."""
    order = ["--", "the environment", ".env", "mt5bridge.toml", DEFAULT]
    given = order[order.index(source) :]
    section, name = ENVIRONMENT[variable]
    password = {} if variable != "MT5_LOGIN" else {"MT5_PASSWORD": "x"}
    environ = ({variable: VALUES[variable]} if "the environment" in given else {variable: ""}) | password
    (tmp_path / ".env").write_text(f"{variable}={VALUES[variable]}\n" if ".env" in given else "")
    config = tmp_path / "mt5bridge.toml"
    config.write_text(f"[{section}]\n{name} = {TOML.get(variable, VALUES[variable])}\n" if config.name in given else "")
    flags = {(section, name): VALUES[variable]} if "--" in given else {}
    found = told(tmp_path, flags, config, **environ).by_setting[section, name]
    assert source in found if source != "--" else found == f"--{name}"
    assert variable in found or source in ("--", "mt5bridge.toml", DEFAULT)


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_file_that_is_named_elsewhere(tmp_path: Path, where: str) -> None:
    config = tmp_path / "other.toml"
    config.write_text("[mt5]\nserver = 's'\npassword = 'p'\n")
    (tmp_path / ".env").write_text(f"MT5BRIDGE_CONFIG={config}\n" if where == ".env" else "")
    found = told(tmp_path, MT5BRIDGE_CONFIG=str(config) if where == "environment" else "")
    assert found.by_setting["mt5", "server"] == str(config)
    assert found.password_files == (config,)


def test_the_files_with_a_password_also_where_it_is_not_used(tmp_path: Path) -> None:
    env, config = tmp_path / ".env", tmp_path / "bridge.toml"
    env.write_bytes(b"\xef\xbb\xbfMT5_PASSWORD='a${HOME}'\r\n")
    config.write_bytes(b"\xef\xbb\xbf[mt5]\npassword = 'b'\n")
    assert told(tmp_path, config=config, MT5_PASSWORD="c", MT5_LOGIN="1").password_files == (env, config)
    env.write_text("MT5_PASSWORD=\nMT5_SERVER=s\n")
    config.write_text("[mt5]\nserver = 's'\n")
    assert told(tmp_path, config=config).password_files == ()
