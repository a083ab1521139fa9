"""Delimited text files with a header, read fast, and read again cell by cell only to say what is wrong with them."""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bridge.terminal.simulator.draws import Floats, Ints

Bools = npt.NDArray[np.bool_]

INTEGER = r"\s*[+-]?\d{1,18}\s*"
NUMBER = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
DATE = r"\d{4}\.\d\d\.\d\d"
TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{3})?)?"
MOMENT = r"\s*(\d{1,10}|\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|\+00:?00)?)\s*"
Columns = dict[str, tuple[str, bool]]
"""The columns to read: name to (pattern of a cell, whether it may be empty)."""

_MEANING = {
    MOMENT: "a time like 2024-01-31 23:00:00, or seconds",
    INTEGER: "a whole number",
    NUMBER: "a number",
    DATE: "a date like 2024.01.31",
    TIME: "a time like 23:59:59.999",
}


class RecordingError(ValueError):
    """A recorded file cannot be used; the text is one line: file, line (from 1), field and what is wrong."""

    def __init__(self, file: str, line: int | None, field: str | None, problem: str) -> None:
        self.file = file
        self.line = line
        self.field = field
        self.problem = problem
        place = "" if line is None else f", line {line}"
        super().__init__(f"{file}{place}{'' if field is None else f', {field}'}: {problem}")


class Table:
    """A delimited text: its header, and the columns that are wanted as pandas read them.

    A row may lack cells at its end if the separator is a tab: exports leave them out.

    Raises:
        RecordingError: naming the first row or cell that is not as its column should be.
    """

    def __init__(self, file: str, text: str, header: list[str], separator: str, columns: Columns) -> None:
        self.file = file
        self.text = text
        self.header = header
        self.separator = separator
        self.columns = {name: column for name, column in columns.items() if name in header}
        types = {name: _dtype(*column) for name, column in self.columns.items()}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self.frame = pd.read_csv(
                    StringIO(text), sep=separator, names=header, header=0, usecols=list(self.columns), dtype=types,
                    index_col=False, quoting=3, keep_default_na=False, na_values=[""], **_exact(),
                )  # fmt: skip
        except (ValueError, OverflowError, pd.errors.ParserWarning, pd.errors.DtypeWarning) as error:
            self.reject_cells()
            problem = str(error).splitlines()[0]
            raise RecordingError(file, None, None, f"cannot be read as a table: {problem}") from error
        if not len(self.frame):
            raise RecordingError(file, None, None, "has a header but no rows")
        missing = any(bool(self.frame[name].isna().any()) for name, (_, empty) in self.columns.items() if not empty)
        if missing or text.count(separator) != (len(self.frame) + 1) * (len(header) - 1):
            self.reject_cells()

    def numbers(self, name: str) -> Floats:
        """A column as floats, nan where a cell is empty."""
        values: Floats = self.frame[name].to_numpy(np.float64)
        if np.isinf(values).any():
            self.reject_cells()
        return values

    def integers(self, name: str, default: int) -> Ints:
        """A column as integers, `default` where a cell or the whole column is missing."""
        if name not in self.columns:
            return np.full(len(self.frame), default, np.int64)
        values = self.numbers(name)
        integers = np.where(np.isnan(values), default, values).astype(np.int64)
        if (integers != values)[~np.isnan(values)].any():
            self.reject_cells()
        return integers

    def decimals(self, name: str) -> int:
        """Digits after the point in the first row's cell: exports write trailing zeros."""
        line = next(self._rows())[1]
        cell = dict(zip(self.header, line.split(self.separator), strict=False)).get(name, "")
        return len(cell.partition(".")[2])

    def _rows(self) -> Iterator[tuple[int, str]]:
        """Line number and text of each row."""
        filled = ((number, line) for number, line in enumerate(self.text.split("\n"), 1) if line)
        next(filled)
        return filled

    def reject(self, bad: Bools, field: str, problem: str) -> None:
        """Raise for the first row for which `bad` is true, if there is one; `{value}` in `problem` is the cell's text."""
        if bad.any():
            row = int(np.argmax(bad))
            for position, (number, line) in enumerate(self._rows()):
                if position == row:
                    cells = dict(zip(self.header, line.split(self.separator), strict=False))
                    raise RecordingError(self.file, number, field, problem.format(value=cells.get(field, "")))

    def reject_cells(self) -> None:
        """Raise for the first row of a wrong length or cell that does not have the form of its column."""
        for number, line in self._rows():
            cells = line.split(self.separator)
            if len(cells) > len(self.header) or (len(cells) < len(self.header) and self.separator == ","):
                problem = f"the row has {len(cells)} fields, the header {len(self.header)}"
                raise RecordingError(self.file, number, None, problem)
            row = dict(zip(self.header, cells, strict=False))
            for name, (pattern, optional) in self.columns.items():
                cell = row.get(name, "")
                if (cell or not optional) and not re.fullmatch(pattern, cell):
                    raise RecordingError(self.file, number, name, f"{cell[:40]!r} is not {_MEANING[pattern]}")


@cache
def _exact() -> dict[str, Any]:
    """Options with which read_csv makes the floats that float() makes.

    Older versions need to be told; in newer ones (3.1) it is the default, and telling them is deprecated.
    """
    exact = {"float_precision": "round_trip"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pd.read_csv(StringIO("price\n1"), **exact)  # type: ignore[call-overload]
    return {} if caught else exact


def _dtype(pattern: str, optional: bool) -> Any:
    if pattern not in (INTEGER, NUMBER):
        return str
    return np.int64 if pattern is INTEGER and not optional else np.float64


def read_text(path: Path | str) -> str:
    """The text of a file, gzipped or not, with lines ended by a line feed; UTF-8, or UTF-16 with a byte order mark.

    Raises:
        RecordingError: it cannot be opened, is damaged, empty, or not plain text.
    """
    file = str(path)
    try:
        content = Path(path).read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except EOFError as error:
        raise RecordingError(file, None, None, "the gzip file ends too early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RecordingError(file, None, None, f"damaged gzip file: {error}") from error
    except OSError as error:
        raise RecordingError(file, None, None, f"cannot be opened: {error.strerror or error}") from error
    if not content.strip():
        raise RecordingError(file, None, None, "the file is empty")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecordingError(file, line, None, f"not {encoding.upper()[:6].rstrip('-')} text") from error
    if "\0" in text:
        raise RecordingError(file, text.count("\n", 0, text.index("\0")) + 1, None, "binary data, not text")
    if not text.isascii():
        place = next(position for position, letter in enumerate(text) if not letter.isascii())
        raise RecordingError(file, text.count("\n", 0, place) + 1, None, f"unexpected character {text[place]!r}")
    return text.replace("\r\n", "\n").replace("\r", "\n")
