"""Fees by a venue's tier."""

from __future__ import annotations

import pytest

from cryptai.errors import InputError, UnknownName
from cryptai.trading.fee_tiers import TIERS, fees_of


def test_spot_and_perpetuals_have_fees_of_their_own():
    assert fees_of("binance:vip1", ["BTC/USDT", "ETH/USDT"]) == (0.0009, 0.001)
    assert fees_of(" Binance:VIP1 ", ["BTC/USDT:USDT"]) == (0.00016, 0.0004)


def test_a_higher_tier_never_pays_more():
    for of_kind in TIERS["binance"]:
        for which in (0, 1):
            fees = [fees[which] for _, fees in sorted(of_kind.items())]
            assert fees == sorted(fees, reverse=True)
        assert all(maker <= taker for maker, taker in of_kind.values())


def test_what_is_not_on_record_is_refused_with_what_is():
    with pytest.raises(UnknownName, match="did you mean vip") as refused:
        fees_of("binance:vip2", ["BTC/USDT"])
    assert refused.value.field == "fee_tier"
    with pytest.raises(UnknownName, match="venue with known fees named 'kraken'"):
        fees_of("kraken:vip1", ["BTC/USDT"])
    with pytest.raises(InputError, match="fees of their own"):
        fees_of("binance:vip1", ["BTC/USDT", "BTC/USDT:USDT"])
