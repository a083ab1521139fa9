"""The file of strategies: what it says, and that whatever is wrong in it is one line with its place."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.key_files import new_secret, write_secret
from strategies.commands import names
from strategies.roster import FIELDS, read_roster
from strategies.steering import COMMANDS
from strategies.supervisor import Policy, Restart

GOOD = """\
endpoint = "tcp://127.0.0.1:5555"
log_folder = "logs"

[defaults]
timeframe = "M15"
backoff_s = 2

[strategy.eurusd_ma]
name = "ma_crossover"
symbol = "EURUSD"
timeframe = "M5"
restart = "always"
params = { fast = 10, slow = 30 }

[strategy.mine]
file = "my_strategy.py"
enabled = false
short_history = true
timeout_s = 3
params = { lots = 0.1, careful = true, word = "-x" }
"""


def write(folder: Path, text: str) -> Path:
    (folder / "my_strategy.py").write_text("pass\n")
    path = folder / "strategies.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    roster = read_roster(write(tmp_path, GOOD))
    assert list(roster.entries) == ["eurusd_ma", "mine"]
    assert roster.log_folder == tmp_path / "logs"
    first, mine = roster.entries.values()
    assert (first.strategy, first.symbol, first.timeframe, first.enabled) == ("ma_crossover", "EURUSD", "M5", True)
    assert first.policy == Policy(Restart.ALWAYS, 2.0, 60.0)
    assert (mine.strategy, mine.timeframe, mine.enabled, mine.policy.restart) == ("my_strategy", "M15", False, Restart.ON_FAILURE)
    always = ["--exit-with-parent", "--endpoint=tcp://127.0.0.1:5555"]
    assert roster.command("eurusd_ma") == [
        sys.executable, "-m", "strategies", "run", "ma_crossover", "--instance=eurusd_ma", *always,
        "--fast=10", "--slow=30", "--symbol=EURUSD", "--timeframe=M5",
    ]  # fmt: skip
    assert roster.command("mine") == [
        sys.executable, str(tmp_path / "my_strategy.py"), "--instance=mine", *always,
        "--lots=0.1", "--careful=true", "--word=-x", "--timeframe=M15", "--timeout=3", "--short-history",
    ]  # fmt: skip


def test_without_an_endpoint_that_of_the_environment_counts(tmp_path: Path) -> None:
    roster = read_roster(write(tmp_path, "[strategy.a]\nname = 'ma-crossover'"))
    assert roster.link == ()
    assert roster.log_folder is None
    assert roster.entries["a"].strategy == "ma_crossover"
    assert roster.entries["a"].symbol == "EURUSD", "the strategy's default"


def test_keys_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    write_secret(tmp_path / "alice.key", new_secret("alice"))
    server = new_secret("server").public
    roster = read_roster(write(tmp_path, f"key = 'alice.key'\nserver_key = '{server}'\n[strategy.a]\nname = 'ma_crossover'"))
    assert roster.link == (f"--key={tmp_path / 'alice.key'}", f"--server-key={server}")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "there is no strategy in it"),
        ("strategy = 3", 1, "strategy: must be a table, not 3"),
        ("[strategy]\na = 3", 2, "strategy.a: it must be a table, not 3"),
        ("endpont = 'x'\n[strategy.a]\nname = 'ma_crossover'", 1, "endpont: no such field; the fields are endpoint, key"),
        ("# x\nendpoint = 5\n[strategy.a]\nname = 'ma_crossover'", 2, "endpoint: must be a text, not 5"),
        ("endpoint = 'localhost'\n[strategy.a]\nname = 'ma_crossover'", 1, "endpoint: not an endpoint: 'localhost'"),
        ("key = 'none.key'\nserver_key='x'\n[strategy.a]\nname = 'ma_crossover'", 1, "key: "),
        ("[strategy.a]\nname = 'ma_crossover\n", 2, "not TOML: "),
        ("[strategy.a]\nname = 'ma_crossover'\n[strategy.a]\nname = 'ma_crossover'", 3, "not TOML: "),
        ("[strategy.a]\nname = 'ma_crossover'\n[strategy.A]\nname = 'ma_crossover'", 3, "strategy.A: there is a 'a' already"),
        ("[strategy.'a b']\nname = 'ma_crossover'", 1, "strategy.a b: 'a b' is no name"),
        ("[strategy.a]\nname = 'ma_crosover'", 2, "strategy.a.name: no strategy 'ma_crosover'; there are: "),
        ("[strategy.a]\nname = 'supervisor'", 2, "strategy.a.name: no strategy"),
        ("[strategy.a]\nsymbol = 'EURUSD'", 1, "strategy.a: it has neither name nor file"),
        ("[strategy.a]\nname = 'x'\nfile = 'y'", 1, "strategy.a: it has both name and file"),
        ("[strategy.a]\nfile = 'none.py'", 2, "strategy.a.file: there is no file "),
        ("[strategy.a]\nname = 'ma_crossover'\ntimefame = 'M5'", 3, "strategy.a.timefame: no such field"),
        ("[strategy.a]\nname = 'ma_crossover'\ntimeframe = 'M7'", 3, "strategy.a.timeframe: no such timeframe: 'M7'"),
        ("[defaults]\ntimeframe = 'M7'\n[strategy.a]\nname = 'ma_crossover'", 2, "strategy.a.timeframe: no such timeframe: 'M7'"),
        ("[defaults]\nrestrat = 'never'\n[strategy.a]\nname = 'ma_crossover'", 2, "defaults.restrat: no such field"),
        ("[strategy.a]\nname = 'ma_crossover'\nenabled = 1", 3, "strategy.a.enabled: must be true or false, not 1"),
        ("[strategy.a]\nname = 'ma_crossover'\nbackoff_s = true", 3, "strategy.a.backoff_s: must be a number, not True"),
        ("[strategy.a]\nname = 'ma_crossover'\nbackoff_s = nan", 3, "strategy.a.backoff_s: must be from 0.1"),
        ("[strategy.a]\nname = 'ma_crossover'\nbackoff_most_s = 0.5", 3, "strategy.a.backoff_most_s: 0.5 is less than"),
        (
            "[strategy.a]\nname = 'ma_crossover'\nrestart = 'often'",
            3,
            "strategy.a.restart: no such rule: 'often'; use one of on-fail",
        ),
        (
            "[strategy.a]\nname = 'ma_crossover'\nparams = { fats = 3 }",
            3,
            "strategy.a.params.fats: ma_crossover has no parameter",
        ),
        ("[strategy.a]\nname = 'ma_crossover'\nparams = 3", 3, "strategy.a.params: must be a table"),
        (
            "[strategy.a]\nname = 'ma_crossover'\n[strategy.a.params]\nslow = 60\nfast = 0",
            5,
            "strategy.a.params.fast: fast must be at",
        ),
        ("[strategy.a]\nname = 'ma_crossover'\nparams.fast = 'x'", 3, "strategy.a.params.fast: fast must be of type int, not 'x'"),
        ("[strategy.a]\nname = 'ma_crossover'\nparams = { symbol = 'x' }", 3, "strategy.a.params.symbol: not among params"),
        (
            "[strategy.a]\nname = 'ma_crossover'\nparams = { fast = 30, slow = 10 }",
            3,
            "strategy.a.params.fast: fast (30) must be below slow (10)",
        ),
        ("[strategy.a]\nfile = 'my_strategy.py'\nparams = { x = [1] }", 3, "strategy.a.params.x: must be a text, a number"),
        (
            "[strategy.a]\nfile = 'my_strategy.py'\nparams = { endpoint = 'x' }",
            3,
            "strategy.a.params.endpoint: 'endpoint' is no name",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path: Path, text: str, line: int | None, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_roster(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: {words}" if line else f"{path}"), message
    assert words in message
    assert "\n" not in message
    assert caught.value.next_step


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_roster(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_roster(tmp_path / "bytes.toml")


def test_two_instances_with_the_same_magic_number_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.roster.magic_of", lambda _name: 1)
    path = write(tmp_path, "[strategy.a]\nname = 'ma_crossover'\n[strategy.b]\nname = 'ma_crossover'")
    with pytest.raises(ConfigError, match="the magic number of 'a'"):
        read_roster(path)


@pytest.mark.parametrize("name", names())
def test_every_packaged_strategy_can_be_in_it(tmp_path: Path, name: str) -> None:
    assert read_roster(write(tmp_path, f"[strategy.a]\nname = '{name}'")).entries["a"].strategy == name


def test_the_file_of_the_page(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")
    section = page.partition("## Supervising strategies\n")[2].partition("\n## ")[0]
    shown = section.partition("```toml\n")[2].partition("```")[0]
    assert list(read_roster(write(tmp_path, shown)).entries) == ["eurusd_ma", "mine"]
    described = {
        field for row in section.splitlines() if row.startswith("| `") for field in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert described == set(FIELDS)
    assert set(re.findall(r"python -m strategies (\w+) strategies.toml", section)) == {command.name for command in COMMANDS}
    for line in re.findall(r"^python -m strategies ([^#\n]+)", section, re.MULTILINE):
        name, *words = line.split()
        next(command for command in COMMANDS if command.name == name).make_context(str(name), words)
