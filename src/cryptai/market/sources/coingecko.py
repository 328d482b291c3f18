"""CoinGecko: coins by market value, coarse price bars and categories; a second opinion, not a venue.

Follows the pages "Coins List with Market Data", "Coin OHLC Chart by ID" and "Coins Categories List" of its
public API v3. Another address is named by CRYPTAI_COINGECKO_REST: scheme and host, `/api/v3` stays.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import httpx
import numpy as np

from cryptai.errors import InputError, SourceError
from cryptai.market.addresses import address
from cryptai.market.budget import Budget
from cryptai.market.source import Backoff, Price
from cryptai.market.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from numpy.typing import NDArray

SETTING: Final = "CRYPTAI_COINGECKO"
ADDRESS: Final = "CRYPTAI_COINGECKO_REST"
REST: Final = "https://api.coingecko.com"
OHLC_DAYS: Final = (1, 7, 14, 30, 90, 180, 365)
"""How many days back its bars can be asked for."""
# What it grants without a key changes with its load: from 5 requests a minute.
_PER_MINUTE: Final = 5
_TRIES: Final = 3
_ANSWER_S: Final = 15.0
_LARGEST_BYTES: Final = 8 << 20
_LATEST_MS: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin by market value. Amounts are in the currency asked for; None where CoinGecko has none."""

    id: str
    ticker: str
    name: str
    price: float | None
    market_cap: float | None
    rank: int | None
    volume_24h: float | None
    change_24h: float | None
    """A fraction: 0.02 is +2 %."""
    updated_ms: int | None = None
    """When that was so, ms UTC."""


def is_to_be_asked() -> bool:
    """Whether its opinion of our prices is wanted: CRYPTAI_COINGECKO=1, or an address of one's own for it.

    Else nobody but the venues that are followed learns of this platform: no third party is asked unasked.
    """
    return os.environ.get(SETTING) == "1" or (not os.environ.get(SETTING) and bool(os.environ.get(ADDRESS)))


class CoinGecko:
    """CoinGecko's public data, within a budget of requests shared by all processes."""

    name = "coingecko"
    title = "CoinGecko"

    def __init__(self, *, rest: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self.address = address(ADDRESS, REST)
        self.budget = Budget(self.name, self.address, title=self.title, limit=_PER_MINUTE, rest=rest)
        self._rest = rest
        self._backoff = Backoff(first=1.0, most=30.0)
        self._client: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client:
            await client.aclose()
        self.budget.close()

    async def markets(self, currency: str = "usd", *, ids: tuple[str, ...] = ()) -> list[Coin]:
        """Return the coins asked for, or the hundred largest, by market value."""
        query = {"vs_currency": currency} | ({"ids": ",".join(ids)} if ids else {})
        return parse_markets(await self._get("/coins/markets", query))

    async def prices(self, bases: Iterable[str]) -> list[Price]:
        """Return the prices in US dollars (`BTC/USD`) of those of these coins that are among the 100 largest.

        Of several coins with one ticker the largest is meant.
        """
        wanted, found = {base.upper() for base in bases}, {}
        for coin in await self.markets():
            if coin.ticker not in wanted or coin.ticker in found or coin.updated_ms is None:
                continue
            if coin.price is not None and coin.price > 0.0:
                found[coin.ticker] = Price(f"{coin.ticker}/USD", coin.price, coin.updated_ms, coin.change_24h)
        return list(found.values())

    async def ohlc(self, coin: str, currency: str = "usd", *, days: int = 7) -> NDArray[np.float64]:
        """Return price bars as rows of time (ms UTC), open, high, low, close; shape (n, 5).

        The time is a bar's end, the last bar may be unfinished, and there is no volume: these are no candles,
        and are kept with none. Bars have 30 minutes for 1 day back, 4 hours up to 30, then 4 days.
        """
        if days not in OHLC_DAYS:
            raise InputError(f"CoinGecko has no bars of {days} days; it has {OHLC_DAYS}.", field="days")
        if not coin.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{coin[:60]!r} is no coin's id; write it like bitcoin.", field="coin")
        return parse_ohlc(
            await self._get(f"/coins/{coin}/ohlc", {"vs_currency": currency, "days": str(days)})
        )

    async def categories(self) -> dict[str, str]:
        """Return the categories of coins: name by id."""
        return parse_categories(await self._get("/coins/categories/list", {}))

    async def _get(self, path: str, query: Mapping[str, str]) -> bytes:
        if self._client is None:
            self._client = await asyncio.to_thread(httpx.AsyncClient, base_url=self.address)
        for attempt in range(_TRIES):
            await self.budget.spend(1)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    status, headers, content = await self._ask(self._client, path, query)
            except (httpx.HTTPError, TimeoutError) as error:
                failure = SourceError(
                    f"CoinGecko can't be reached from here ({error or 'no answer in time'})."
                )
                failure.__cause__ = error
            else:
                if status == 200:
                    return content
                pause = await asyncio.to_thread(self.budget.refused, status, headers)
                failure = _refusal(status, content, pause)
            if failure.permanent or attempt + 1 == _TRIES:
                break
            await self._rest(self._backoff.seconds(attempt))
        raise failure

    async def _ask(
        self, client: httpx.AsyncClient, path: str, query: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with client.stream("GET", f"/api/v3{path}", params=query, timeout=_ANSWER_S) as answer:
            content = bytearray()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > _LARGEST_BYTES:
                    raise SourceError(f"CoinGecko sent more than {_LARGEST_BYTES >> 20} MB in one answer.")
        return answer.status_code, answer.headers, bytes(content)


def parse_markets(content: bytes) -> list[Coin]:
    """Return the coins of `/coins/markets`."""
    coins = []
    for row in _rows(content, "coins", dict):
        change = _number(row.get("price_change_percentage_24h"), "coin")
        rank = row.get("market_cap_rank")
        coins.append(
            Coin(
                id=_text(row.get("id"), "coin"),
                ticker=_text(row.get("symbol"), "coin").upper(),
                name=_text(row.get("name"), "coin"),
                price=_number(row.get("current_price"), "coin"),
                market_cap=_number(row.get("market_cap"), "coin"),
                rank=rank if type(rank) is int else None,
                volume_24h=_number(row.get("total_volume"), "coin"),
                change_24h=None if change is None else change / 100.0,
                updated_ms=_instant(row.get("last_updated")),
            )
        )
    return coins


def parse_ohlc(content: bytes) -> NDArray[np.float64]:
    """Return the bars of `/coins/{id}/ohlc`, as `CoinGecko.ohlc` describes them."""
    rows = _rows(content, "bars", list)
    before = 0
    for row in rows:
        if len(row) != 5 or type(row[0]) is not int or not before < row[0] < _LATEST_MS:
            raise SourceError(f"CoinGecko sent a bar of another shape than agreed: {str(row)[:80]}.")
        before = row[0]
        opens, high, low, close = (_number(value, "bar") or 0.0 for value in row[1:])
        if not 0.0 < low <= min(opens, close) <= max(opens, close) <= high:
            raise SourceError(f"CoinGecko sent a bar that cannot be: {str(row)[:80]}.")
    return np.array(rows, np.float64).reshape(-1, 5)


def parse_categories(content: bytes) -> dict[str, str]:
    """Return the categories of `/coins/categories/list`."""
    return {
        _text(row.get("category_id"), "category"): _text(row.get("name"), "category")
        for row in _rows(content, "categories", dict)
    }


def _rows(content: bytes, what: str, kind: type) -> list[Any]:
    try:
        rows = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"CoinGecko sent {what} that are not JSON: {content[:60]!r}.") from error
    if not isinstance(rows, list) or not all(isinstance(row, kind) for row in rows):
        raise SourceError(f"CoinGecko sent {what} of another shape than agreed: {str(rows)[:80]}.")
    return rows


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _number(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise SourceError(f"CoinGecko sent a {what} with {str(value)[:40]!r} where a number stands.")
    return float(value)


def _instant(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return parse_time(value)
    except (InputError, TypeError, AttributeError) as error:
        raise SourceError(f"CoinGecko sent a coin of the time {str(value)[:40]!r}, which is none.") from error


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise SourceError(f"CoinGecko sent a {what} with {str(value)[:40]!r} where a name stands.")
    return value


def _refusal(status: int, content: bytes, pause: float) -> SourceError:
    try:
        told = json.loads(content).get("error")
    except (ValueError, AttributeError, RecursionError):
        told = None
    words = f": {told[:120]}" if isinstance(told, str) else ""
    if status == 429:
        return SourceError(f"CoinGecko asks for a pause of {pause:.0f} s (HTTP 429).")
    if status >= 500:
        return SourceError(f"CoinGecko has trouble of its own (HTTP {status}){words}.")
    return SourceError(f"CoinGecko refused this (HTTP {status}){words}.", permanent=True)
