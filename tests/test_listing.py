"""`mt5bridge orders`: from a bridge, from a file, as a table and for programs; salvage and the audit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge import codec, listing
from bridge.__main__ import commands
from bridge.audit import Audit
from bridge.entries import AuditRecord, Entry
from bridge.errors import BridgeError, ConfigError, OutcomeUnknown
from bridge.messages import GetJournal
from bridge.outcomes import told
from bridge.replies import JournalEntries
from bridge.trading import TradeRequest
from tests.test_journal import NOW_US, intent, opened, settled, write

LOST = codec.pack(codec.error_body(OutcomeUnknown("the terminal did not answer", next_step="look")))
ENTRIES = (
    Entry(intent("a"), settled("a")),
    Entry(intent("b", 1_000_000), settled("b", "unknown", 2_000_000, result=LOST, order=0, deal=0, evidence="")),
    Entry(intent("c", 2_000_000)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = opened(tmp_path)
    write(journal, *[entry.intent for entry in ENTRIES], *[entry.settlement for entry in ENTRIES if entry.settlement])
    journal.close()
    return journal.path


def run(*words: str) -> Result:
    return CliRunner().invoke(commands, ["orders", *words])


def test_a_table(path: Path) -> None:
    answer = run("--file", str(path))
    assert answer.exit_code == 0, answer.output
    title, *lines = answer.output.splitlines()
    assert title.split()[:4] == ["time", "(UTC)", "outcome", "order"]
    assert [line.split("  ")[0] for line in lines] == [f"2023-11-14 22:13:{second}.000" for second in (22, 21, 20)]
    assert "under way" in lines[0]
    assert lines[1].endswith("the terminal did not answer")
    assert lines[2].split()[2:7] == ["done", "7", "8", "ma/1", "sell"]
    assert len({line.index("ma/1") for line in lines}) == 1


def test_lines_for_programs(path: Path) -> None:
    answer = run("--file", str(path), "--json", "--count", "2")
    found = [json.loads(line) for line in answer.output.splitlines()]
    assert [entry["id"] for entry in found] == ["c", "b"]
    assert found[0] == codec.plain_body(told(ENTRIES[2]))
    assert (found[1]["kind"], found[1]["message"]) == ("unknown", "the terminal did not answer")


def test_only_the_unknown_ones(path: Path, tmp_path: Path) -> None:
    answer = run("--file", str(path), "--unknown", "--json")
    assert answer.exit_code == 1
    assert [json.loads(line)["id"] for line in answer.output.splitlines()] == ["c", "b"]
    answer = run("--file", str(path), "--unknown", "--since", "2023-11-14T22:13:23")
    assert (answer.exit_code, answer.output) == (0, "no orders\n")


def test_reading_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    run("--file", str(path))
    assert path.read_bytes() == before
    journal = opened(path.parent)
    answer = run("--file", str(path))
    assert isinstance(answer.exception, ConfigError)
    assert "another bridge" in str(answer.exception)
    journal.close()


def test_from_a_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Answering:
        def __init__(self, endpoint: str | None, *, name: str) -> None:
            asked.append((endpoint, name))

        def __enter__(self) -> Answering:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def call(self, request: GetJournal) -> JournalEntries:
            asked.append(request)
            return JournalEntries(tuple(map(told, ENTRIES)))

    monkeypatch.setattr("clients.Client", Answering)
    answer = run("--endpoint", "tcp://127.0.0.1:1", "--since", "2023-11-14", "--count", "7", "--json")
    assert answer.exit_code == 0, answer.output
    assert asked == [("tcp://127.0.0.1:1", "orders"), GetJournal(1_699_920_000_000_000, False, 7)]
    assert [json.loads(line)["id"] for line in answer.output.splitlines()] == ["a", "b", "c"]


def test_moments() -> None:
    now = datetime(2026, 3, 4, 14, tzinfo=UTC)
    second_us = 1_000_000
    now_us = int(now.timestamp()) * second_us
    for words, ago_s in {"30s": 30, "5m": 300, "12h": 43_200, "2d": 172_800, "1w": 604_800}.items():
        assert listing.moment_us(words, now) == now_us - ago_s * second_us
    assert listing.moment_us("2026-03-04T15:00+01:00", now) == now_us
    assert listing.moment_us("2026-03-04 14:00", now) == now_us
    for words in ("yesterday", "2x", "", "99999999999d", "1969-01-01"):
        with pytest.raises(ConfigError, match="is no time"):
            listing.moment_us(words, now)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (TradeRequest(action=1, type=0, volume=0.1, symbol="EURUSD"), "buy 0.1 EURUSD"),
        (TradeRequest(action=1, type=1, volume=2, symbol="XAUUSD", position=77), "sell 2 XAUUSD position 77"),
        (TradeRequest(action=5, type=3, volume=0.1, symbol="EURUSD", price=1.125), "pending sell_limit 0.1 EURUSD at 1.125"),
        (TradeRequest(action=8, order=5), "remove order 5"),
        (TradeRequest(action=10, position=5, position_by=6), "close_by position 5 by 6"),
        (TradeRequest(action=99, type=99), "action 99"),
    ],
)
def test_an_order_in_words(request_: TradeRequest, words: str) -> None:
    assert listing.what(request_) == words


def test_salvage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT5BRIDGE_JOURNAL", str(path.parent))
    monkeypatch.chdir(path.parent)
    content = path.read_bytes()
    path.write_bytes(content[: 3 * 4_096])
    answer = run("--file", str(path))
    assert isinstance(answer.exception, BridgeError)
    assert "--salvage" in str(answer.exception)
    answer = run("--salvage")
    assert answer.exit_code == 0, answer.exception
    assert "LOST: " in answer.output
    assert f"orders are in the new journal {path}" in answer.output
    assert "is kept as" in answer.output
    assert run("--file", str(path)).exit_code == 0
    path.write_bytes(b"?" * 5_000)
    done = json.loads(run("--salvage", "--json").output)
    assert done["orders"] == 0
    assert done["lost"]


def test_the_audit_is_verified(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT5BRIDGE_JOURNAL", str(path.parent))
    monkeypatch.chdir(path.parent)
    audit = Audit(path.parent, path.stem)
    audit.append([AuditRecord(NOW_US, "ma/1", "order", name, "d", "sent") for name in "abc"])
    audit.close()
    answer = run("--verify-audit")
    assert (answer.exit_code, answer.output) == (0, "3 lines (1 to 3) in 1 files: nothing was changed\n")
    [lines] = path.parent.glob("*.jsonl")
    lines.write_bytes(lines.read_bytes().replace(b'"b"', b'"x"'))
    answer = run("--verify-audit", "--file", str(path))
    assert answer.exit_code == 1
    assert answer.output.splitlines()[0] == f"WRONG: {lines.name}:2: line 2 was altered"
    assert json.loads(run("--verify-audit", "--json").output)["problems"]


def test_which_journal_is_meant(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MT5BRIDGE_JOURNAL", str(tmp_path / "none"))
    assert "are: none" in str(run("--salvage").exception)
    monkeypatch.setenv("MT5BRIDGE_JOURNAL", str(path.parent))
    path.with_name("1@B.lock").write_bytes(b"")
    assert f"are: 1@B.sqlite, {path.name}" in str(run("--salvage").exception)
