"""The markets of a run beside it: their candles as they are stored now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore


def symbols_of(found: Mapping[str, Any]) -> list[str]:
    """Return the markets of a stored result, in its order."""
    return [str(one) for one in found.get("symbols") or [found["symbol"]]]


def markets_of(store: CandleStore, found: Mapping[str, Any], until_ms: int) -> dict[str, Candles]:
    """Return the bars of a run's markets up to one that opens at `until_ms`; none if one cannot be read.

    What would be told of only some of them would be of another portfolio.
    """
    exchange = found.get("exchange")
    if exchange is None:
        return {}
    try:
        return {
            symbol: store.read(exchange, symbol, found["timeframe"], end_ms=until_ms + 1)
            for symbol in symbols_of(found)
        }
    except CryptaiError:
        return {}
