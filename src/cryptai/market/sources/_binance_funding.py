"""Funding of Binance's USDT-M perpetuals: `/fapi/v1/fundingRate`, by pages of 1,000 from the oldest on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import DataError, SourceError
from cryptai.market.funding import Funding
from cryptai.market.sources._binance_messages import parse_json
from cryptai.market.symbol import venue_symbol

if TYPE_CHECKING:
    from cryptai.market.sources._binance_rest import Answer, Rest

_PAGE: Final = 1000
# The page has a limit of its own, 500 requests in five minutes; this weight keeps well under it.
_WEIGHT: Final = 20
_RATE: Final = re.compile(r"-?\d{1,3}(\.\d{1,20})?")


async def funding_history(rest: Rest, symbol: str, start_ms: int, end_ms: int) -> Funding:
    """Return what was paid in `[start_ms, end_ms)`, by the venue's page "Get Funding Rate History".

    Raises
    ------
    SourceError
        As the port says; also for an answer that is not what was asked for.
    """
    pages: list[Funding] = []
    start = start_ms
    while start < end_ms:
        query = {
            "symbol": venue_symbol(symbol), "startTime": start, "endTime": end_ms - 1, "limit": _PAGE,
        }  # fmt: skip

        def read(answer: Answer) -> Funding:
            return parse_funding(parse_json(answer.content, f"the funding of {symbol}"), symbol)

        page = await rest.read("/fundingRate", query, read, weight=_WEIGHT)
        # Told with some milliseconds, it is of its whole minute: the edges are looked at by that.
        fresh = page.between(start, end_ms)
        if not len(fresh):
            break
        pages.append(fresh)
        if len(page) < _PAGE:
            break
        start = int(fresh.ts[-1]) + 60_000
    empty = [Funding(symbol, np.empty(0, np.int64), np.empty(0))]
    joined = pages or empty
    return Funding(
        symbol, np.concatenate([one.ts for one in joined]), np.concatenate([one.rate for one in joined])
    )


def parse_funding(rows: Any, symbol: str) -> Funding:
    """Return a page: rows `{"symbol", "fundingTime", "fundingRate": "0.0001", …}`, oldest first."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceError(f"Binance sent funding of {symbol} of another shape than agreed.")
    times, rates = [], []
    for row in rows:
        when, rate = row.get("fundingTime"), row.get("fundingRate")
        if type(when) is not int or not 0 < when < 1 << 53 or row.get("symbol") != venue_symbol(symbol):
            raise SourceError(f"Binance sent funding of {symbol} with a time or market that is none.")
        if not isinstance(rate, str) or not _RATE.fullmatch(rate):
            raise SourceError(
                f"Binance sent funding of {symbol} whose rate is no number: {str(rate)[:40]!r}."
            )
        times.append(when)
        rates.append(float(rate))
    try:
        return Funding(symbol, np.array(times, np.int64), np.array(rates, np.float64))
    except DataError as error:
        raise SourceError(f"Binance sent funding of {symbol} that cannot be: {error}") from error
