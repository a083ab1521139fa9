"""Whose profit it is."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.demo_profit import profit_by_magic
from bridge.trading import Deal, Position
from tests.scripted_session import blank


def deal(**values: Any) -> Deal:
    return blank(Deal, **values)


def test_a_position_belongs_to_who_opened_it() -> None:
    deals = [
        deal(type=2, profit=10_000.0),
        deal(position_id=1, magic=7, entry=0, commission=-1.0),
        deal(position_id=1, magic=0, entry=1, profit=25.0, swap=-2.0, fee=-0.5),
        deal(position_id=2, magic=8, entry=0),
    ]
    positions = [blank(Position, magic=8, profit=-4.0, swap=-0.25), blank(Position, magic=9, profit=1.0)]
    assert profit_by_magic(deals, positions) == pytest.approx({7: 21.5, 8: -4.25, 9: 1.0})


def test_a_balance_operation_is_nobodys_profit() -> None:
    assert profit_by_magic([deal(type=2, profit=10_000.0)], []) == {}
