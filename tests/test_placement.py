"""What an order carries to the session, and the token in its comment."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bridge import codec
from bridge.placement import COMMENT_CHARACTERS, ExposureLimits, Placement, comment_token
from bridge.trading import TradeRequest


@given(st.text(min_size=1, max_size=64), st.text(max_size=40))
def test_a_token_fits_behind_the_comment_or_there_is_none(order_id: str, comment: str) -> None:
    token = comment_token(order_id, comment)
    if comment.isascii() and len(comment) <= COMMENT_CHARACTERS - 7:
        assert len(token) == 7
        assert token.startswith("~")
        assert token == comment_token(order_id, ""), "an order has one token"
    else:
        assert token == ""


def test_a_placement_arrives_as_it_was() -> None:
    placement = Placement(
        TradeRequest(1, symbol="EURUSD"), "~abcdef", dry_run=True, limits=ExposureLimits(net_volume=1.0, magics=(7,))
    )
    assert msgspec.msgpack.decode(codec.pack(placement), type=Placement) == placement


def test_no_limits_are_false() -> None:
    assert not ExposureLimits()
    assert ExposureLimits(open_positions=0)
