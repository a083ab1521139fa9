"""The command line: help, exit codes, and one clear line for everything that is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.__main__ import commands
from tests.processes import PATIENCE_S, Served, environment, running, serving


def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        env=environment(**changes),
        check=False,
    )


@pytest.fixture(scope="module")
def bridge() -> Iterator[Served]:
    with serving() as served:
        yield served


def test_every_command_has_help_with_an_example_or_a_purpose() -> None:
    for name, command in commands.commands.items():
        assert command.help, name
        assert command.short_help or len(command.get_short_help_str(100)) > 20, name


def test_wrong_usage_ends_with_two() -> None:
    done = run("serve", "--no-such-flag")
    assert done.returncode == 2
    assert "--no-such-flag" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("demo", "--speed", "0").returncode == 2


def test_no_bridge_at_the_endpoint_is_one_line_and_exit_one() -> None:
    done = run("status", "--endpoint", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "tcp://127.0.0.1:1" in done.stderr


def test_status_tells_health_by_its_exit_code(bridge: Served) -> None:
    for _ in range(50):
        done = run("status", "--json", "--endpoint", bridge.requests)
        told = json.loads(done.stdout)
        assert done.returncode == (0 if told["healthy"] else 1)
        if told["healthy"]:
            break
    assert told["connection"]["state"] == "connected"
    assert [client["name"] for client in told["clients"]] == ["status"]
    assert "healthy" in run("status", "--endpoint", bridge.requests).stdout


def test_tail_prints_events_as_lines_and_as_objects(bridge: Served) -> None:
    done = run("tail", "connection", "--count", "1", "--endpoint", bridge.requests)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("connection #")
    done = run("tail", "heartbeat", "connection", "tick:BTCUSD", "--count", "3", "--json", "--endpoint", bridge.requests)
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(objects) == 3
    assert {"topic", "sequence", "epoch", "time_us"} <= objects[0].keys()


def test_tail_of_an_unknown_symbol_is_one_line(bridge: Served) -> None:
    done = run("tail", "tick:NOSUCH", "--endpoint", bridge.requests)
    assert done.returncode == 1
    assert "NOSUCH" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_malformed_recording_is_named_with_file_and_line(tmp_path: Path) -> None:
    bad = tmp_path / "EURUSD_bad.csv"
    bad.write_text("time_msc,bid,ask\n1399032000560,1.38669,1.38682\n1399032000640,abc,1.38683\n")
    for command in (["terminal", "--listen", "127.0.0.1:0"], ["demo", "--seconds", "5", "--headless"]):
        done = run(*command, "--replay", str(bad))
        assert done.returncode != 0, done
        assert "Traceback" not in done.stderr + done.stdout
        assert "EURUSD_bad.csv" in done.stderr + done.stdout
        assert "3" in done.stderr + done.stdout


def test_a_recording_that_is_not_there_and_one_without_a_symbol(tmp_path: Path) -> None:
    assert run("terminal", "--replay", str(tmp_path / "none.csv")).returncode == 2
    odd = tmp_path / "_.csv"
    odd.write_text("time_msc,bid,ask\n")
    done = run("terminal", "--replay", str(odd))
    assert done.returncode == 2
    assert "SYMBOL=FILE" in done.stderr


def test_the_terminals_address_is_its_first_line() -> None:
    with running(["bridge", "terminal", "--listen", "127.0.0.1:0", "--start", "2026-03-04 12:00:00", "--held"]) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("terminal listening on tcp://127.0.0.1:")


def test_a_terminal_whose_port_is_taken_is_one_line() -> None:
    with running(["bridge", "terminal", "--listen", "127.0.0.1:0"]) as process:
        assert process.stdout is not None
        address = process.stdout.readline().rsplit("//", 1)[1].strip()
        done = run("terminal", "--listen", address)
        assert done.returncode == 1
        assert address in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
