"""Delimited text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.terminal.simulator.delimited import INTEGER, NUMBER, Columns, RecordingError, Table, read_text

COLUMNS: Columns = {"a": (INTEGER, False), "b": (NUMBER, True)}


def table(text: str, separator: str = ",") -> Table:
    return Table("file.csv", text, text.split("\n", 1)[0].split(separator), separator, COLUMNS)


def test_columns_are_read() -> None:
    made = table("a,b,c\n1,2.50,x\n\n-3,,y\n")
    assert made.integers("a", 0).tolist() == [1, -3]
    assert made.numbers("b").tolist()[0] == 2.5
    assert np.isnan(made.numbers("b")[1])
    assert made.integers("missing", 7).tolist() == [7, 7]
    assert (made.decimals("b"), made.decimals("a")) == (2, 0)


def test_only_tab_separated_rows_may_lack_cells() -> None:
    assert table("a\tb\n1\n", "\t").integers("b", 0).tolist() == [0]
    with pytest.raises(RecordingError, match=r"file.csv, line 2: the row has 1 fields, the header 2"):
        table("a,b\n1\n")


def test_a_rejected_row_is_found_past_empty_lines() -> None:
    made = table("a,b\n1,2\n\n\n5,6\n")
    with pytest.raises(RecordingError, match=r"^file.csv, line 5, a: 5 is odd$"):
        made.reject(np.array([False, True]), "a", "{value} is odd")
    made.reject(np.array([False, False]), "a", "nothing")


def test_lines_end_in_three_ways(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"a\r\nb\rc\n")
    assert read_text(file) == "a\nb\nc\n"
