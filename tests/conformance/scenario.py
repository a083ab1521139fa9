"""A scenario as it is written in a `.def` file (`README.md` of this folder), read line by line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_WORD = re.compile(r"[^\s{\[]\S*")


class Unreadable(Exception):
    """A line of a `.def` file that is none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it begins with, its words, and the JSON behind them, if there is some."""

    number: int
    mark: str
    words: tuple[str, ...]
    body: Any = None

    def text(self) -> str:
        """As it could be written."""
        return " ".join([self.mark, *self.words, *([] if self.body is None else [json.dumps(self.body)])])


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is promised, the lines that show it, and what a client need not have (`needs:`)."""

    path: Path
    title: str
    lines: tuple[Line, ...]
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's, without its ending."""
        return self.path.stem


MARKS = {
    "bridge": {">": 1, "<": 2, "!<": 1, "+": 1, "-": 1, "*": 1, "!*": 1, ".": 1, "=": 2},
    "client": {
        ">": 1, "<": 2, "!<": 1, "?": 1, "!?": 1, "!": 2, "=": 2, "@": 1, "*": 2, "!*": 0, "+": 1, "-": 1, ".": 1,
        "hand": 1, "auto": 1, "beat": 0, "beats": 1, "proofs": 1, "restart": 0, "cut": 0, "move": 0,
    },
}  # fmt: skip
"""What is tested, how a line may begin then, and how many words there are at least."""


def read(path: Path, kind: str = "bridge") -> Scenario:
    """A file. Raises `Unreadable`, with file, line and what was expected."""
    title, lines = "", []
    needs: tuple[str, ...] = ()
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("title:"):
            title = text.removeprefix("title:").strip()
            continue
        if text.startswith("needs:"):
            needs = tuple(text.removeprefix("needs:").split())
            continue
        try:
            lines.append(_line(number, text, MARKS[kind]))
        except Unreadable as error:
            raise Unreadable(f"{path.name}:{number}: {error}") from None
    if not title or not lines:
        raise Unreadable(f"{path.name}:1: a `title:` and at least one line were expected")
    return Scenario(path, title, tuple(lines), needs)


def _line(number: int, text: str, marks: dict[str, int]) -> Line:
    mark, _, rest = text.partition(" ")
    if mark not in marks:
        raise Unreadable(f"one of {' '.join(marks)} was expected, not {mark!r}")
    words = []
    rest = rest.strip()
    while (found := _WORD.match(rest)) is not None:
        words.append(found[0])
        rest = rest[found.end() :].strip()
    if len(words) < marks[mark]:
        raise Unreadable(f"{marks[mark]} words were expected after {mark!r}")
    try:
        return Line(number, mark, tuple(words), json.loads(rest) if rest else None)
    except json.JSONDecodeError as error:
        raise Unreadable(f"JSON was expected behind the words: {error.msg}") from None


def scenarios(kind: str) -> list[Scenario]:
    """Those against a `bridge` or a `client`, by name."""
    return [read(path, kind) for path in sorted((FOLDER / kind).glob("*.def"))]


def unlike(outcome: str, action: list[str], result: Any, error: Any) -> str:
    """Where an answer is not of the outcome that was wanted: `ok`, or a code (`-` is any) and maybe an action; empty if it
    is."""
    if outcome == "ok":
        return "" if error is None else f"it was refused: {error['code']}: {error['message']}"
    if error is None:
        return f"it was answered: {result!r}"[:300]
    if outcome not in ("-", error["code"]) or action not in ([], [error["action"]]):
        return f"it was {error['code']} ({error['action']}): {error['message']}"
    return "" if error["message"] and "\n" not in error["message"] else "its message is not one line for a person"


_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bytes": (bytes,), "list": (list,)}


def differs(wanted: Any, found: Any, where: str = "") -> str:
    """Where something is not as it was wanted; empty if it is. A map may have more fields than are wanted; `<int>` and the like
    stand for any value of a type, `<any>` for all, `<not X>` for every text but one."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return f"{where or 'it'} is {found!r}, no map"
        for name, value in wanted.items():
            if name not in found and value != "<absent>":
                return f"{where}.{name} is missing"
            if value == "<absent>":
                if name in found:
                    return f"{where}.{name} is there"
                continue
            if told := differs(value, found[name], f"{where}.{name}"):
                return told
        return ""
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return next(
            (told for at, pair in enumerate(zip(wanted, found, strict=True)) if (told := differs(*pair, f"{where}[{at}]"))), ""
        )
    if isinstance(wanted, str) and wanted.startswith("<") and wanted.endswith(">"):
        return _kind(wanted[1:-1], found, where)
    same = type(wanted) is type(found) or (isinstance(wanted, int | float) and isinstance(found, int | float))
    return (
        ""
        if same and wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
        else f"{where} is {found!r}, not {wanted!r}"
    )


def _kind(name: str, found: Any, where: str) -> str:
    if name == "any":
        return ""
    if name.startswith("not "):
        return f"{where} is {found!r}" if found == name.removeprefix("not ") else ""
    if name.startswith("has "):
        return "" if isinstance(found, str) and name.removeprefix("has ") in found else f"{where} is {found!r}"
    kinds = _KINDS.get(name)
    if kinds is None:
        raise Unreadable(f"there is no kind <{name}>")
    fits = isinstance(found, kinds) and not isinstance(found, bool)
    return "" if fits else f"{where} is {found!r}, no {name}"
