"""The tables of `docs/protocol.md` and the code have the same messages, fields, types, defaults and numbers, in the same order."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from bridge import codec, messages, records, replies, trading
from bridge.config import DEFAULT_EVENTS, DEFAULT_REQUESTS
from bridge.connection import READS, TRADES, State
from bridge.errors import ERRORS
from bridge.execution import Execution
from bridge.gateway import GatewaySettings
from bridge.session import suspect
from bridge.ticks import BAR_STRUCT, RECORD_BYTES, TICK_STRUCT, TIMEFRAME_S, TIMEFRAMES, Bar, Tick
from bridge.version import __version__

PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
NAMED = {
    "id": messages.Id, "name": messages.Name, "topic": messages.Topic,
    "text": trading.Text, "whole": trading.Whole, "amount": trading.Amount, "reason": replies.ReasonText,
}  # fmt: skip
KINDS: dict[str, type] = {
    name: kind
    for module in (messages, replies, records, trading)
    for name, kind in vars(module).items()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind.__module__ == module.__name__
}
UNITS = ("_msc", "_us", "_ms", "_s")

Row = dict[str, str]


def tables(text: str) -> list[tuple[str, list[Row]]]:
    """Every table with the last line of text before it; cells without backticks."""
    found: list[tuple[str, list[Row]]] = []
    caption = ""
    header: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            caption, header = line.strip() or caption, []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not header:
            header = cells
            found.append((caption, []))
        elif set(line) - set("|- "):
            assert len(cells) == len(header), f"{len(cells)} cells for {len(header)} columns: {line}"
            found[-1][1].append(dict(zip(header, cells, strict=True)))
    return found


@cache
def field_tables() -> dict[str, list[Row]]:
    """The tables of fields by the name of their message; a message without fields has the word `none`."""
    empty = re.findall(r"^Fields of `(\w+)`: none\.$", PAGE, re.M)
    named = re.findall(r"^Fields of `(\w+)`:$", PAGE, re.M)
    found = {match[1]: rows for caption, rows in tables(PAGE) if (match := re.fullmatch(r"Fields of `(\w+)`:", caption))}
    assert len(named) == len(found), "a message has two tables, or a caption has none"
    return found | {name: [] for name in empty}


def table(*columns: str) -> list[Row]:
    """The one table that has these columns first."""
    found = [rows for _, rows in tables(PAGE) if tuple(rows[0])[: len(columns)] == columns]
    assert len(found) == 1, f"{len(found)} tables begin with {columns}"
    return found[0]


def plain(cell: str) -> str:
    """A cell's text without backticks, and a link's words without its address."""
    return re.sub(r"\[(.*?)\]\(.*?\)", r"\1", cell).replace("`", "")


def notation(hint: Any, *, named: bool = True) -> str:
    """A type as the page writes it."""
    for name, alias in NAMED.items():
        if named and hint == alias:
            return name
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, meta = arguments
        least = meta.ge if meta.ge is not None else meta.min_length
        most = meta.le if meta.le is not None else meta.max_length
        separator = ", " if get_origin(kind) is tuple else " "
        bound = f"{most:g}".replace("e+", "e") if isinstance(most, float) else most
        return f"{notation(kind)}{separator}{least or 0}..{bound}"
    if origin in (Union, types.UnionType):
        return " or ".join(notation(argument) for argument in arguments if argument is not type(None)) + " or nil"
    if origin is Literal:
        return " / ".join(json.dumps(value) for value in arguments)
    if origin is tuple:
        return f"list of {notation(arguments[0])}"
    if origin is dict:
        return f"map of {notation(arguments[1])}"
    if hint in (Any, msgspec.Raw):
        return "any"
    return "bin" if hint is bytes else hint.__name__


def default(field: dataclasses.Field[Any]) -> str:
    """A default as the page writes it."""
    if field.default_factory is not dataclasses.MISSING:
        return f"`{json.dumps(field.default_factory())}`"
    if field.default is dataclasses.MISSING:
        return "required"
    told = dataclasses.asdict(field.default) if dataclasses.is_dataclass(type(field.default)) else field.default
    told = told.decode() if isinstance(told, bytes) else told
    return "`nil`" if told is None else f"`{json.dumps(told)}`"


# ---- messages --------------------------------------------------------------------------------------------------------------------


def test_every_message_has_a_table_and_every_table_a_message() -> None:
    assert set(field_tables()) == set(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_fields(name: str) -> None:
    hints = get_type_hints(KINDS[name], include_extras=True)
    told = [(row["field"], row["type"], row["default"]) for row in field_tables().get(name, [])]
    fields = dataclasses.fields(KINDS[name])
    assert told == [(f"`{field.name}`", f"`{notation(hints[field.name])}`", default(field)) for field in fields]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_units_and_versions(name: str) -> None:
    for row in field_tables().get(name, []):
        field = row["field"].strip("`")
        if field.endswith(UNITS) and re.match(r"`(int|float|whole|amount)\b", row["type"]):
            assert row["unit"], f"{name}.{field} has no unit"
            assert row["notes"], f"{name}.{field} has no notes"
        assert row["since"] in {version["version"] for version in table("version", "release")}


def test_named_types() -> None:
    told = {plain(row["type"]): plain(row["is"]) for row in table("type", "is")}
    assert told == {name: notation(alias, named=False) for name, alias in NAMED.items()}


def test_methods() -> None:
    told = {plain(row["method"]): (plain(row["parameters"]), plain(row["reply"])) for row in table("method", "parameters")}
    assert told == {
        method: (kind.__name__, "nil" if messages.REPLIES[method] is type(None) else messages.REPLIES[method].__name__)
        for method, kind in messages.REQUESTS.items()
    }
    assert list(told) == list(messages.REQUESTS)
    requests = PAGE.partition("\n## Requests\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)$", requests, re.M) == ["Methods", *messages.REQUESTS]


def test_events() -> None:
    told = {family: plain(row["body"]) for row in table("topic", "body") for family in {plain(row["topic"]).partition(":")[0]}}
    assert told == {family: "bin" if kind is bytes else kind.__name__ for family, kind in messages.EVENT_BODIES.items()}
    assert len(table("topic", "body")) == len(messages.EVENT_BODIES)
    flags = {plain(row["flag"]): int(row["bit"]) for row in table("flag", "bit")}
    assert flags == {flag: getattr(messages, flag) for flag in ("BACKFILLED", "LATE", "FOREIGN", "REPLAYED", "SUSPECT")}


def test_trade_events() -> None:
    kinds = get_args(get_type_hints(replies.TradeEvent)["kind"])
    assert [plain(row["trade event"]) for row in table("trade event", "when")] == list(kinds)


def test_suspect_kinds() -> None:
    assert [plain(row["kind"]) for row in table("kind", "of")] == list(suspect.KINDS)


def test_book_levels() -> None:
    told = [(int(row["place"]), plain(row["value"]), plain(row["type"])) for row in table("place", "value")]
    hints = get_type_hints(trading.BookLevel)
    assert told == [(place, name, hints[name].__name__) for place, name in enumerate(trading.BookLevel._fields)]


def test_connection_states() -> None:
    told = [(plain(row["state"]), row["reads"], row["orders"]) for row in table("state", "reads")]
    answer = {True: "yes", False: "no"}
    assert told == [(state.value, answer[state in READS], answer[state in TRADES]) for state in State]
    assert tuple(State) == get_args(get_type_hints(replies.ConnectionState)["state"])


def test_reasons() -> None:
    assert [plain(row["reason"]).strip('"') for row in table("reason", "of")] == list(get_args(replies.Reason))


def test_errors() -> None:
    told = {plain(row["code"]): row["action"] for row in table("code", "action")}
    assert told == {code: kind.action for code, kind in ERRORS.items()}
    assert all(row["what the caller should do"] and row["when"] for row in table("code", "action"))
    actions = [plain(row["action"]) for row in table("action", "what the caller should do")]
    assert tuple(actions) == get_args(get_type_hints(messages.ErrorBody)["action"])
    requests = PAGE.partition("\n## Requests\n")[2].partition("\n## ")[0]
    for line in re.findall(r"^Errors: (.*)$", requests, re.M):
        assert set(re.findall(r"`(\w+)`", line)) <= set(ERRORS)


# ---- numbers ---------------------------------------------------------------------------------------------------------------------


def test_version() -> None:
    assert re.findall(r"^Protocol version: \*\*(\d+)\*\*$", PAGE, re.M) == [str(messages.PROTOCOL_VERSION)]
    newest = table("version", "release")[-1]
    assert newest["version"] == str(messages.PROTOCOL_VERSION)
    assert messages.PROTOCOL_VERSION > 1 or newest["release"] == __version__


def test_limits() -> None:
    told = {plain(row["limit"]): int(row["value"]) for row in table("limit", "value")}
    assert told == {
        "MAX_REQUEST_BYTES": codec.MAX_REQUEST_BYTES,
        "MAX_REPLY_BYTES": codec.MAX_REPLY_BYTES,
        "MAX_TOPIC_BYTES": codec.MAX_TOPIC_BYTES,
        "MAX_ROWS": messages.MAX_ROWS,
        "MAX_SYMBOLS": messages.MAX_SYMBOLS,
        "MAX_ENTRIES": messages.MAX_ENTRIES,
        "RECORD_BYTES": RECORD_BYTES,
    }
    settings = GatewaySettings(software="", epoch=1, wall_us=0)
    for row in table("setting", "value"):
        assert float(row["value"]) == getattr(settings, plain(row["setting"])), row["setting"]
    remembered = re.findall(r"the newest (\d+) of them are answered from memory", PAGE)
    assert remembered == [str(inspect.signature(Execution).parameters["limit"].default)]


def test_endpoints() -> None:
    told = {row["name"]: plain(row["default endpoint"]) for row in table("name", "bridge")}
    assert told == {"requests": DEFAULT_REQUESTS, "events": DEFAULT_EVENTS}


@pytest.mark.parametrize(("heading", "struct", "kind"), [("Tick", TICK_STRUCT, Tick), ("Bar", BAR_STRUCT, Bar)])
def test_records(heading: str, struct: Any, kind: Any) -> None:
    section = PAGE.partition(f"\n### {heading} record\n")[2].partition("\n#")[0]
    [(_, rows)] = tables(section)
    codes = {"q": "i8", "Q": "u8", "d": "f8", "i": "i4", "I": "u4"}
    offset, expected = 0, []
    for name, code in zip(kind._fields, struct.format[1:], strict=True):
        expected.append((name, codes[code], offset, int(codes[code][1])))
        offset += expected[-1][3]
    assert [(plain(row["field"]), plain(row["type"]), int(row["offset"]), int(row["bytes"])) for row in rows] == expected
    assert struct.format[0] == "<"
    assert offset == struct.size == RECORD_BYTES
    assert all(row["unit"] for row in rows if plain(row["field"]).startswith("time"))


def test_timeframes() -> None:
    told = [(plain(row["timeframe"]), int(row["number"]), int(row["length_s"])) for row in table("timeframe", "number")]
    assert told == [(name, number, TIMEFRAME_S[name]) for name, number in TIMEFRAMES.items()]


# ---- the page itself -------------------------------------------------------------------------------------------------------------


def test_links() -> None:
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", PAGE, re.M)}
    assert set(re.findall(r"\]\(#(.*?)\)", PAGE)) <= slugs


@pytest.mark.parametrize(
    "spoil",
    [
        lambda page: page.replace("| `volume_current` |", "| `volume_left` |"),
        lambda page: page.replace("| `count` | `int 1..250` |", "| `count` | `int 1..251` |"),
        lambda page: page.replace('| `comment` | `text` | | `""` |', "| `comment` | `text` | | required |"),
        lambda page: page.replace("| `bid` | `float` | price | required | 1 | At that moment |\n", "", 1),
    ],
)
def test_a_difference_is_seen(spoil: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled = spoil(PAGE)
    assert spoiled != PAGE
    field_tables.cache_clear()
    monkeypatch.setattr(f"{__name__}.PAGE", spoiled)
    try:
        names = [name for name in KINDS if _differs(name)]
    finally:
        field_tables.cache_clear()
    assert len(names) == 1


def _differs(name: str) -> bool:
    try:
        test_fields(name)
    except AssertionError:
        return True
    return False
