"""One process of the bed `reproducible`: the goldens run on a workspace of its own, and their digests."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from cryptai.market.files import read_candles
from cryptai.market.opening import open_store
from cryptai.research.identity import digest_of, digests
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_request
from cryptai.workspace import open_workspace
from testbeds import planted
from testbeds.goldens import Golden, goldens, world

if TYPE_CHECKING:
    from cryptai.market.store import CandleStore


def main() -> None:
    """Read the task from the standard input, and write the digests by name."""
    task = json.loads(sys.stdin.read())
    with planted.bug(task["bug"]):
        workspace = open_workspace(Path(task["home"]))
        store = open_store(workspace)
        for file in task["files"]:
            store.write("binance", read_candles(Path(file), symbol=_symbol(file), timeframe=None))
        chosen = goldens()
        with ThreadPoolExecutor(task["workers"]) as pool:
            made = pool.map(lambda one: _digest(one, store), chosen)
            told = {one.name: digest for one, digest in zip(chosen, made, strict=True)}
    sys.stdout.write(json.dumps(told))


def _symbol(file: str) -> str:
    return f"{Path(file).stem[:3]}/USDT"


def _digest(golden: Golden, store: CandleStore) -> str:
    frame = str(world(golden.symbols[0]).timeframe)
    named = {"symbols": list(golden.symbols)} if len(golden.symbols) > 1 else {"symbol": golden.symbols[0]}
    options = {**golden.options, **named, "strategy": golden.strategy, "timeframe": frame}
    found = run_request(BacktestRequest.parse(options), store)
    told = found.as_object()
    return digest_of([told["run"], digests(told, found.ts, found.equity)])


if __name__ == "__main__":
    main()
