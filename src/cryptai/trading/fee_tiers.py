"""Fees of a venue's tiers, as far as they are on record: `binance:vip1`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptai.errors import InputError, UnknownName
from cryptai.market.symbol import is_perpetual

if TYPE_CHECKING:
    from collections.abc import Sequence

# (maker, taker) by tier. Spot: https://www.binance.com/en/fee/schedule as recorded on 2026-05-05 by
# github.com/api-evangelist/binance (plans/binance-plans-pricing.yml), which has these tiers only. USDT-M
# perpetuals: the schedule as ccxt 4.5 (`binance.fees["linear"]`) and nautilus_trader
# (crates/adapters/binance/src/common/fees.rs) record it alike; tier 0 of the latter. Without the discount for
# paying in BNB. A venue changes its schedule: a run says which fees it took.
_SPOT: Final = {
    "vip0": (0.001, 0.001), "vip1": (0.0009, 0.001), "vip3": (0.0004, 0.0006), "vip5": (0.00025, 0.00031),
    "vip9": (0.00011, 0.00023),
}  # fmt: skip
_PERPETUALS: Final = {
    "vip0": (0.0002, 0.0005), "vip1": (0.00016, 0.0004), "vip2": (0.00014, 0.00035),
    "vip3": (0.00012, 0.00032), "vip4": (0.0001, 0.0003), "vip5": (0.00008, 0.00027),
    "vip6": (0.00006, 0.00025), "vip7": (0.00004, 0.00022), "vip8": (0.00002, 0.0002), "vip9": (0.0, 0.00017),
}  # fmt: skip
TIERS: Final = {"binance": (_SPOT, _PERPETUALS)}


def fees_of(tier: str, symbols: Sequence[str]) -> tuple[float, float]:
    """Return the maker's and the taker's fee of a tier such as `binance:vip1` for these markets.

    Raises
    ------
    UnknownName
        For a venue or tier that is not on record, with those that are.
    InputError
        For spot markets and perpetuals together: a run has one fee.
    """
    venue, _, name = tier.strip().lower().partition(":")
    if venue not in TIERS:
        raise UnknownName("venue with known fees", venue, TIERS, field="fee_tier")
    kinds = {is_perpetual(symbol) for symbol in symbols}
    if len(kinds) > 1:
        raise InputError(
            "Spot markets and perpetuals have fees of their own; give fee and maker.", field="fee_tier"
        )
    of_kind = TIERS[venue][True in kinds]
    if name not in of_kind:
        raise UnknownName(
            f"tier of {venue} {'perpetuals' if True in kinds else 'spot'}", name, of_kind, field="fee_tier"
        )
    return of_kind[name]
