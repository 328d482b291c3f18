"""Requests of a ccxt exchange in our own hands: within the shared budget, of bounded size, timed."""

from __future__ import annotations

import asyncio
import math
import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from cryptai import seams
from cryptai.errors import SourceError
from cryptai.market.addresses import address
from cryptai.market.budget import Budget
from cryptai.market.clock import ExchangeClock
from cryptai.market.times import parse_date

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

REST: Final = "CRYPTAI_CCXT_REST"
WS: Final = "CRYPTAI_CCXT_WS"
ANSWER_S: Final = 15.0
_LARGEST_BYTES: Final = 64 << 20
# Of an exchange that publishes no rate, a request a second.
_SLOW_MS: Final = 1000.0


class Rest:
    """What stands in place of ccxt's own transport, limiter and repetition.

    `exchange` is ready to use: an instance of ccxt's class of that name whose requests go through here.
    """

    def __init__(self, kind: type[Any], *, rest: Callable[[float], Awaitable[object]]) -> None:
        self.clock = ExchangeClock()
        self.exchange = _mounted(kind, self)
        self.title = str(self.exchange.name or self.exchange.id)
        self.address = address(REST, _home(self.exchange))
        rate = float(self.exchange.rateLimit or 0.0)
        per_minute = max(1, int(60_000.0 / (rate if rate > 0.0 else _SLOW_MS)))
        self.budget = Budget(self.exchange.id, self.address, title=self.title, limit=per_minute, rest=rest)
        self._client: httpx.AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def aclose(self) -> None:
        """Close all connections, and the budget's file."""
        client, self._client = self._client, None
        if client:
            await client.aclose()
        await self.exchange.close()
        self.budget.close()

    async def ask(
        self, url: str, method: str, headers: Mapping[str, str], body: str | None
    ) -> tuple[int, str, dict[str, str], str]:
        """Return status, reason, headers and text of an answer; the venue's clock hears its Date.

        Raises
        ------
        SourceError
            If there is none in time, it is too large, or its status says to pause or to stay away.
        """
        client = await self._connected()
        sent = seams.monotonic()
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                client.stream(method, elsewhere(url, REST), headers=headers, content=body) as answer,
            ):
                content = bytearray()
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > _LARGEST_BYTES:
                        raise SourceError(f"{self.title} sent more than {_LARGEST_BYTES >> 20} MB at once.")
        except (httpx.HTTPError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            raise SourceError(f"{self.title} can't be reached from here ({why}).") from error
        date = parse_date(answer.headers.get("Date"))
        if date is not None:
            self.clock.hear(date, sent, seams.monotonic(), resolution_ms=1000)
        await self._refuse(answer.status_code, answer.headers)
        # As ccxt hands headers to its exchanges: written like X-Rate-Limit, whatever came.
        told = {name.title(): value for name, value in answer.headers.items()}
        return answer.status_code, answer.reason_phrase, told, content.decode("utf-8", "replace")

    async def pause(self) -> SourceError:
        """Take note that the venue called it too many requests in an answer that is no 429."""
        seconds = await asyncio.to_thread(self.budget.refused, 429, {})
        return SourceError(f"{self.title} asks for a pause; it is given {seconds:.0f} s.", answered=True)

    async def _refuse(self, status: int, headers: Mapping[str, str]) -> None:
        seconds = await asyncio.to_thread(self.budget.refused, status, headers)
        if status in (418, 429):
            raise SourceError(
                f"{self.title} asks for a pause of {seconds:.0f} s (HTTP {status}).", answered=True
            )
        if status in (403, 451):
            raise SourceError(f"{self.title} does not serve this address (HTTP {status}).", permanent=True)
        if status >= 500:
            raise SourceError(f"{self.title} has trouble of its own (HTTP {status}).", answered=True)

    async def _connected(self) -> httpx.AsyncClient:
        async with self._connecting:
            if self._client is None:
                # In a thread: reading the certificates of the authorities takes a while.
                self._client = await asyncio.to_thread(httpx.AsyncClient, timeout=ANSWER_S)
            return self._client


def elsewhere(url: str, setting: str) -> str:
    """Return an address with the scheme and host that a setting names in place of its own."""
    if not _set(setting):
        return url
    parts = urlsplit(url)
    rest = url[len(f"{parts.scheme}://{parts.netloc}") :]
    return address(setting, f"{parts.scheme}://{parts.netloc}") + rest


def _mounted(kind: type[Any], ours: Rest) -> Any:
    """Return an exchange of ccxt that spends from our budget, asks through us, and repeats nothing itself."""

    class Mounted(kind):  # type: ignore[misc] # ccxt's classes are made at run time
        async def throttle(self, cost: float | None = None) -> None:
            await ours.budget.spend(max(1, math.ceil(cost or 1)))

        async def fetch(
            self, url: str, method: str = "GET", headers: Any = None, body: str | None = None
        ) -> Any:
            asked = self.prepare_request_headers(headers)
            # What comes compressed is unpacked for us, and how is ours to say.
            asked.pop("Accept-Encoding", None)
            status, reason, told, text = await ours.ask(url, method, asked, body)
            self.last_response_headers = told
            text = self.on_rest_response(status, reason, url, method, told, text, asked, body)
            parsed = _parsed(self, text)
            self.handle_errors(status, reason, url, method, told, text, parsed, asked, body)
            self.handle_http_status_code(status, reason, url, method, text)
            if parsed is None:
                raise SourceError(f"{ours.title} sent what is not JSON: {text[:80]!r}.")
            return parsed

        def client(self, url: str) -> Any:
            return super().client(elsewhere(url, WS))

    # Its own limiter is off: `throttle` asks our budget, which other processes share.
    exchange = Mounted({"enableRateLimit": True, "newUpdates": True, "timeout": int(ANSWER_S * 1000)})
    exchange.options["maxRetriesOnFailure"] = 0
    # One request less, and one that many venues answer only with a key.
    exchange.has["fetchCurrencies"] = False
    markets = exchange.options.get("fetchMarkets")
    if isinstance(markets, dict) and isinstance(markets.get("types"), list):
        # Contracts that end and options are none of ours, and their lists are long.
        kept = [kind for kind in markets["types"] if kind not in {"option", "future", "contract", "hip3"}]
        exchange.options["fetchMarkets"] = {**markets, "types": kept or markets["types"]}
    return exchange


def _parsed(exchange: Any, text: str) -> Any:
    # Some exchanges have a reader of their own, for numbers too long for others.
    try:
        return exchange.on_json_response(text) if text[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return None


def _home(exchange: Any) -> str:
    # The first address that the exchange's own description names, of how many soever.
    urls = exchange.urls.get("api")
    while isinstance(urls, dict) and urls:
        urls = next(iter(urls.values()))
    parts = urlsplit(exchange.implode_hostname(str(urls)))
    return f"{parts.scheme}://{parts.netloc}"


def _set(setting: str) -> bool:
    return bool(os.environ.get(setting, "").strip())
