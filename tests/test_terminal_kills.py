"""A few kills of a real terminal process; `python -m tests.terminal_kills` does many."""

from __future__ import annotations

from pathlib import Path

from tests.terminal_kills import kills


def test_an_account_is_whole_after_every_kill(tmp_path: Path) -> None:
    figures = kills(3, 5, tmp_path)
    assert figures.wrong == []
    assert figures.kills == 3
    assert figures.done > 10
    assert figures.deals > 30
