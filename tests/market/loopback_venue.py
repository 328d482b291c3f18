"""A stand-in for Binance in a process of its own: `python loopback_venue.py NOW_MS FIRST_MS [HOLE_MS …]`.

It prints its address, then one line a request of klines: symbol, interval, endTime, limit, answer. Every
eleventh answer is a fault: 503, truncated JSON, or 429 with a pause of no length.
"""

from __future__ import annotations

import asyncio
import sys

from binance_standin import Exchange
from websockets.asyncio.server import serve


class Venue(Exchange):
    """Tells what it was asked, and fails now and then."""

    def request(self, connection, request):
        said = super().request(connection, request)
        path, query = self.asked[-1]
        if not path.endswith("/klines") or "endTime" not in query or query["interval"] == "1d":
            return said
        turn = len(self.asked)
        if turn % 11 == 0:
            said = (
                self.answer(503, b"busy"),
                self.answer(200, said.body[: len(said.body) // 2]),
                self.answer(429, b"{}", Retry_After="0"),
            )[turn // 11 % 3]
        status = said.status_code
        say(query["symbol"], query["interval"], query["endTime"], query["limit"], status)
        return said


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def main(now_ms, first_ms, *holes):
    venue = Venue(now_ms)
    venue.first_ms, venue.holes = first_ms, set(holes)
    venue.info["/api/v3/exchangeInfo"] = {
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
        ],
        "symbols": [
            {
                "symbol": f"{base}USDT", "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT",
                "filters": [
                    {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                    {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001"},
                ],
            }
            for base in ("BTC", "ETH")
        ],
    }  # fmt: skip
    async with serve(venue.stream, "127.0.0.1", 0, process_request=venue.request) as server:
        say(server.sockets[0].getsockname()[1])
        await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
