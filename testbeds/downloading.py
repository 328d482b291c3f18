"""The child that B2 kills: it fills a store by the product's own way, and says what is acknowledged."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cryptai.market.source import open_source
from cryptai.market.store import CandleStore
from cryptai.market.sync import fill
from testbeds import planted

if TYPE_CHECKING:
    from cryptai.market.candles import Candles


async def _download(folder: Path, bars: int, symbols: list[str]) -> None:
    source, store = open_source("binance"), CandleStore(folder)
    await source.ping()
    # By small steps, so that there are many moments to die in.
    for reach in range(100, bars + 200, 100):
        await fill(source, store, symbols, ["1m", "5m"], bars=reach, added=_acknowledge)
    await source.aclose()


def _acknowledge(candles: Candles) -> None:
    sys.stdout.write(f"{candles.symbol} {candles.timeframe} {' '.join(map(str, candles.ts.tolist()))}\n")
    sys.stdout.flush()


def main() -> None:
    """Download into the folder named, perhaps with a bug planted."""
    folder, bars, bug, *symbols = sys.argv[1:]
    with planted.bug(bug):
        asyncio.run(_download(Path(folder), int(bars), symbols))


main()
