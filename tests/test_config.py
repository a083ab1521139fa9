from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.config import DEFAULT_EVENTS, DEFAULT_REQUESTS, DEFAULT_SERVER, ENVIRONMENT, Settings, load, state_folder
from bridge.errors import ConfigError
from bridge.limits import ClientLimits, Limits

SECRET = "hush-hush-1234"
VALUES: dict[str, tuple[Any, Any, Any, Any]] = {
    "MT5_LOGIN": (1, 2, 3, 4), "MT5_PASSWORD": ("p1", "p2", "p3", "p4"), "MT5_SERVER": ("s1", "s2", "s3", "s4"),
    "MT5_PATH": ("a1", "a2", "a3", "a4"), "MT5_TIMEOUT_MS": (1_000, 2_000, 3_000, 4_000),
    "MT5_PORTABLE": (True, False, True, False),
    "MT5BRIDGE_JOURNAL": ("j1", "j2", "j3", "j4"),
    "MT5BRIDGE_KEYS": ("k1", "k2", "k3", "k4"),
    "MT5BRIDGE_ENDPOINT": ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "tcp://127.0.0.1:3", "tcp://127.0.0.1:4"),
}  # fmt: skip
"""For each variable: its value in the flags, the environment, `.env` and the file."""


def toml(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else repr(value)


def write(folder: Path, *, env: str | bytes = "", file: str | bytes = "") -> Path:
    for name, text in ((".env", env), ("mt5bridge.toml", file)):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "mt5bridge.toml"


def failure(
    folder: Path,
    *,
    flags: dict[tuple[str, str], Any] | None = None,
    environ: dict[str, str] | None = None,
    config: Path | None = None,
) -> str:
    with pytest.raises(ConfigError) as caught:
        load(flags or {}, config=config, environ=environ or {}, folder=folder)
    told = str(caught.value)
    assert caught.value.next_step
    assert "\n" not in told
    everything = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.details)
    assert SECRET not in told + everything
    return told


def test_defaults(tmp_path: Path) -> None:
    found = load({}, environ={}, folder=tmp_path)
    assert found == Settings()
    assert (found.bridge.requests, found.bridge.events, found.bridge.terminal) == (DEFAULT_REQUESTS, DEFAULT_EVENTS, "metatrader5")
    credentials = found.credentials()
    assert (credentials.login, credentials.password, credentials.server, credentials.timeout_ms) == (None, None, None, 60_000)


@pytest.mark.parametrize("variable", ENVIRONMENT)
@pytest.mark.parametrize("source", range(4))
def test_flags_before_environment_before_env_file_before_file(tmp_path: Path, variable: str, source: int) -> None:
    """Of each variable, the first source that has it counts."""
    section, name = ENVIRONMENT[variable]
    values = [value if at >= source else None for at, value in enumerate(VALUES[variable])]
    flags = {} if values[0] is None else {(section, name): values[0]}
    environ = {} if values[1] is None else {variable: str(values[1])}
    env = "" if values[2] is None else f"{variable}={values[2]}\n"
    config = write(tmp_path, env=env, file=f"[{section}]\n{name} = {toml(values[3])}\n")
    if variable == "MT5_LOGIN":
        flags["mt5", "password"] = SECRET
    found = load(flags, config=config, environ=environ, folder=tmp_path)
    assert getattr(getattr(found, section), name) == VALUES[variable][source]


def test_where_the_journals_are(tmp_path: Path) -> None:
    def folder(environ: dict[str, str], **flags: str) -> Path | None:
        given = {("mt5" if name == "path" else "bridge", name): value for name, value in flags.items()}
        return load(given, environ=environ, folder=tmp_path).journal_folder(environ)

    state = {"XDG_STATE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    assert folder(state) == state_folder(state) / "journal"
    assert folder(state, journal="here") == Path("here")
    assert folder({"MT5BRIDGE_JOURNAL": "there"}) == Path("there")
    assert folder(state, terminal="simulator") is None, "its orders end with it"
    assert folder(state, terminal="simulator", journal="here") == Path("here")
    assert folder(state, terminal="simulator", path="tcp://127.0.0.1:5557") == state_folder(state) / "journal"
    failure(tmp_path, flags={("bridge", "journal_keep_days"): 6})


def test_the_state_folder_of_each_system(tmp_path: Path) -> None:
    assert state_folder({"LOCALAPPDATA": str(tmp_path)}, "win32") == tmp_path / "mt5bridge"
    assert state_folder({"XDG_STATE_HOME": str(tmp_path)}, "linux") == tmp_path / "mt5bridge"
    assert state_folder({"XDG_STATE_HOME": "not/absolute"}, "linux") == Path.home() / ".local" / "state" / "mt5bridge"
    assert state_folder({}, "darwin") == Path.home() / "Library" / "Application Support" / "mt5bridge"


def test_every_variable_names_a_setting() -> None:
    assert set(VALUES) == set(ENVIRONMENT)
    for section, name in ENVIRONMENT.values():
        assert hasattr(getattr(Settings(), section), name)


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    config = write(tmp_path, env="MT5_SERVER=\n", file="[mt5]\nserver = 'mine'\n")
    assert load({}, config=config, environ={"MT5_SERVER": ""}, folder=tmp_path).mt5.server == "mine"


@pytest.mark.parametrize("where", ["flag", "environment", ".env"])
def test_where_the_file_may_be_named(tmp_path: Path, where: str) -> None:
    env = f"MT5BRIDGE_CONFIG={tmp_path / 'mt5bridge.toml'}\n" if where == ".env" else ""
    config = write(tmp_path, file="[mt5]\nserver = 'mine'\n", env=env)
    environ = {"MT5BRIDGE_CONFIG": str(config)} if where == "environment" else {}
    assert load({}, config=config if where == "flag" else None, environ=environ, folder=tmp_path).mt5.server == "mine"


def test_a_login_brings_its_server_and_password(tmp_path: Path) -> None:
    found = load({}, environ={"MT5_LOGIN": "5001", "MT5_PASSWORD": SECRET}, folder=tmp_path).credentials()
    assert (found.login, found.password, found.server) == (5001, SECRET, DEFAULT_SERVER)


@pytest.mark.parametrize("password", ["null", "123456", "true", " with spaces ", "a#b$c${HOME}", "ä€", "'quoted'"])
def test_a_password_is_taken_as_it_is(tmp_path: Path, password: str) -> None:
    assert load({}, environ={"MT5_LOGIN": "1", "MT5_PASSWORD": password}, folder=tmp_path).mt5.password == password


def test_a_dollar_in_the_env_file_is_a_dollar(tmp_path: Path) -> None:
    write(tmp_path, env="MT5_LOGIN=1\nMT5_PASSWORD='a${HOME}$b'\n")
    assert load({}, environ={}, folder=tmp_path).mt5.password == "a${HOME}$b"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_that_an_editor_on_windows_has_written(tmp_path: Path, mark: bytes) -> None:
    config = write(tmp_path, env=mark + b"MT5_SERVER=mine\r\nMT5_TIMEOUT_MS=5\r\n", file=mark + b"[mt5]\r\npath = 'C:\\x'\r\n")
    found = load({}, config=config, environ={}, folder=tmp_path).mt5
    assert (found.server, found.timeout_ms, found.path) == ("mine", 5, "C:\\x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mt5]\nlogn = 5\n", "logn"), ("[mt6]\n", "mt6"), ("[mt5]\nlogin = 'x'\n", "login"), ("[mt5]\nlogin = '5'\n", "login"),
        ("[mt5]\nlogin = 0\n", "login"), ("[mt5]\ntimeout_ms = 1.5\n", "timeout_ms"), ("[mt5]\nportable = 'yes'\n", "portable"),
        ("[bridge]\nsession = 'fork'\n", "session"), ("bridge = 5\n", "bridge"), ("[mt5]\nlogin = 99999999999999999999\n", "login"),
        ("[mt5]\npassword = 5\n", "password"), ("[mt5\n", "TOML"), ("a = 1\na = 2\n", "TOML"),
        ("[mt5]\nserver = 2024-01-01\n", "server"),
        ("a = " + "[" * 20_000, "TOML"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_named_with_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    config = write(tmp_path, file=f"# {SECRET}\n{text}")
    told = failure(tmp_path, config=config)
    assert str(config) in told
    assert words in told


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    config = write(tmp_path, file=b"[mt5]\nserver = '\xff'\n")
    assert str(config) in failure(tmp_path, config=config)


@pytest.mark.parametrize("what", ["absent", "folder"])
def test_a_file_that_cannot_be_read(tmp_path: Path, what: str) -> None:
    named = tmp_path / "nothing.toml" if what == "absent" else tmp_path
    assert "cannot be read" in failure(tmp_path, config=named)
    assert "cannot be read" in failure(tmp_path, environ={"MT5BRIDGE_CONFIG": str(named)})


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (b"MT5_LOGIN=abc\n", "MT5_LOGIN in .env"), (b"MT5_SERVER=\xff\n", "UTF-8"),
        (b"MT5_SERVER=a\nMT5_PASSWORD='hush-hush-1234\n", "line 2"), (b"MT5_PORTABLE=perhaps\n", "MT5_PORTABLE in .env"),
    ],
)  # fmt: skip
def test_an_env_file_that_is_wrong(tmp_path: Path, env: bytes, words: str) -> None:
    write(tmp_path, env=env)
    assert words in failure(tmp_path)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MT5_LOGIN", "abc"), ("MT5_LOGIN", "-5"), ("MT5_TIMEOUT_MS", "0"), ("MT5_TIMEOUT_MS", "1e9"), ("MT5_PORTABLE", "2")],
)
def test_a_variable_that_is_wrong(tmp_path: Path, variable: str, value: str) -> None:
    assert f"{variable} in the environment" in failure(tmp_path, environ={variable: value, "MT5_PASSWORD": SECRET})


def test_a_flag_that_is_wrong(tmp_path: Path) -> None:
    assert "--session" in failure(tmp_path, flags={("bridge", "session"): "fork"})


@pytest.mark.parametrize("password", [None, ""])
def test_a_login_without_a_password(tmp_path: Path, password: str | None) -> None:
    environ = {"MT5_LOGIN": "5001"} | ({} if password is None else {"MT5_PASSWORD": password})
    assert "MT5_PASSWORD" in failure(tmp_path, environ=environ)


def test_the_password_is_never_shown(tmp_path: Path) -> None:
    pretty = pytest.importorskip("rich.pretty").pretty_repr
    found = load({}, environ={"MT5_LOGIN": "5001", "MT5_PASSWORD": SECRET}, folder=tmp_path)
    for shown in (found, found.mt5, found.credentials(), [found], {"mt5": found.mt5}):
        assert SECRET not in repr(shown) + str(shown) + f"{shown}" + pretty(shown)
    assert "5001" in repr(found.mt5)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=80) | st.builds("".join, st.tuples(st.sampled_from(["[mt5]\n", "[bridge]\n"]), st.text(max_size=40))))
def test_any_text_is_a_configuration_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("config")
    config = write(folder, file=text.encode("utf-8", "surrogatepass"))
    told = None
    try:
        load({}, config=config, environ={}, folder=folder)
    except ConfigError as error:
        told = str(error)
    assert told is None or (str(config) in told and "\n" not in told)


# ---- limits on orders ------------------------------------------------------------------------------------------------------------


def test_limits_for_all_and_by_name(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        file="[limits]\nnet_volume = 5\ndaily_loss = 1000.5\n\n"
        "[clients.'grid-*']\nsymbols = ['EUR*']\nmax_volume = 0.5\nopen_positions = 3\norders_per_minute = 20\nmagics = [7, 8]\n"
        "[clients.'*']\nread_only = true\ndry_run = true\n",
    )
    found = load({}, config=config, environ={}, folder=tmp_path).trading_limits()
    assert found.bridge == ClientLimits(net_volume=5.0, daily_loss=1000.5)
    assert list(found.clients) == ["grid-*", "*"]
    assert found.clients["grid-*"] == ClientLimits(
        symbols=("EUR*",), max_volume=0.5, open_positions=3, orders_per_minute=20, magics=(7, 8)
    )
    assert found.clients["*"] == ClientLimits(read_only=True, dry_run=True)
    assert Settings().trading_limits() == Limits()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("max_volme = 1", "max_volme"), ("max_volume = -0.1", "max_volume"), ("max_volume = nan", "max_volume"),
        ("net_volume = inf", "net_volume"), ("max_volume = '1'", "max_volume"), ("max_volume = true", "max_volume"),
        ("open_positions = 1.5", "open_positions"), ("open_positions = -1", "open_positions"), ("magics = [-1]", "magics"),
        ("magics = 7", "magics"), ("symbols = 'EURUSD'", "symbols"), ("symbols = ['']", "symbols"), ("read_only = 1", "read_only"),
        ("daily_loss = 0", "daily_loss"), ("daily_loss = nan", "daily_loss"), ("orders_per_minute = 0", "orders_per_minute"),
    ],
)  # fmt: skip
def test_a_limit_that_is_wrong_is_named_with_its_section(tmp_path: Path, wrong: str, words: str) -> None:
    told = failure(tmp_path, config=write(tmp_path, file=f"[limits]\n{wrong}\n"))
    assert words in told
    assert "limits" in told
    told = failure(tmp_path, config=write(tmp_path, file=f"[clients.'a*']\nmax_volume = 1\n[clients.'b-*']\n{wrong}\n"))
    assert words in told
    assert "[clients.'b-*']" in told
    assert "a*" not in told


@pytest.mark.parametrize("text", ["limits = 5", "clients = 5", "[clients]\nx = 5", "[clients.'']\n", "[clients.'a\\nb']\nx = 1"])
def test_sections_that_are_none(tmp_path: Path, text: str) -> None:
    failure(tmp_path, config=write(tmp_path, file=text.replace("'", '"')))
