"""What `docs/protocol.md` says of rules and return codes is what the code does, both ways."""

from __future__ import annotations

from bridge.mt5api.constants import CONSTANTS
from bridge.session.orders import ACCEPTED, REJECTIONS, UNKNOWN
from bridge.session.rules import RULES
from tests.test_admission import REFUSED
from tests.test_protocol_page import plain, table

NAMES = {code: name.removeprefix("TRADE_RETCODE_") for name, code in CONSTANTS.items() if name.startswith("TRADE_RETCODE_")}


def test_every_return_code_has_a_row() -> None:
    rows = {int(row["retcode"]): row for row in table("retcode", "name")}
    assert list(rows) == sorted({*ACCEPTED, *UNKNOWN, *REJECTIONS})
    for code, row in rows.items():
        assert plain(row["name"]) == NAMES.get(code, "HEDGE_PROHIBITED")
        told, becomes = row["what the caller should do"].lower(), plain(row["becomes"])
        if code in REJECTIONS:
            name, next_step = REJECTIONS[code]
            assert (becomes, told, name) == ("order_rejected", next_step.lower(), plain(row["name"]))
        elif code in UNKNOWN:
            assert becomes == "outcome_unknown"
            assert told.startswith(UNKNOWN[code].lower())
        else:
            assert becomes == f"result {ACCEPTED[code]}"


def test_every_rule_has_a_row() -> None:
    rows = table("broken rule", "field")
    assert {plain(row["broken rule"]): row["what the caller should do"].lower() for row in rows} == {
        rule: step.lower() for rule, step in RULES.items()
    }
    assert [plain(row["broken rule"]) for row in rows] == list(RULES)
    fields = {(plain(row["broken rule"]), field) for row in rows for field in plain(row["field"]).split(", ")}
    assert {(rule, field) for rule, field, *_ in REFUSED} <= fields
