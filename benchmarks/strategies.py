"""Every strategy on real candles, out of sample: `python -m benchmarks.strategies FILE…`.

Prints Markdown: first a walk-forward of each (a year of training, a quarter of trading, the best of a small
grid by Sharpe ratio chosen in training only), then what came of its setups with its default parameters, over
all the files together. Files are of one timeframe, from which the others are made. Nothing is left out.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptai.analytics.significance import wilson
from cryptai.errors import CryptaiError
from cryptai.market.files import read_candles
from cryptai.market.times import iso, parse_time
from cryptai.research.plans import read_walk
from cryptai.research.walkforward import walkforward
from cryptai.screening.card import apart
from cryptai.screening.outcomes import TARGET
from cryptai.screening.past import past_setups
from cryptai.strategies.strategy import build, parameters, strategies
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.market.candles import Candles
    from cryptai.strategies.strategy import Strategy

_FACTORS = (0.5, 1.0, 2.0)
_VARIED = 2


def grid(cls: type[Strategy]) -> dict[str, str]:
    """Return half, once and twice the default of a strategy's first two numbers."""
    found: dict[str, str] = {}
    for one in parameters(cls):
        if one.type is bool or len(found) == _VARIED:
            continue
        values = {min(max(float(one.default) * factor, one.low), one.high) for factor in _FACTORS}
        found[one.name] = ",".join(f"{round(v) if one.type is int else v:g}" for v in sorted(values))
    return found


def walked(name: str, candles: Candles, start: str, end: str) -> dict[str, Any]:
    """Return the walk-forward of a strategy over some candles."""
    options = {
        "strategy": name, "symbol": candles.symbol, "timeframe": str(candles.timeframe), "from": start,
        "to": end, "param": grid(strategies.get(name)), "train": "365d", "test": "90d",
    }  # fmt: skip
    request, plan = read_walk(options)
    with tempfile.TemporaryDirectory() as folder:
        home = open_workspace(Path(folder) / "workspace")
        return walkforward(request, plan, candles, home, exchange="binance").as_object()


def _percent(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:+.1f} %"


def _forward(markets: Sequence[Candles], start: str, end: str) -> None:
    print("| Strategy | Market | Trades | Return | Held | Sharpe | Drawdown | Deflated Sharpe |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for cls in strategies:
        for candles in markets if grid(cls) else ():
            row = f"| `{cls.name}` | {candles.symbol} {candles.timeframe}"
            try:
                told = walked(cls.name, candles, start, end)
            except CryptaiError as error:
                print(f"{row} | {error} | | | | | |", flush=True)
                continue
            found, sure = told["metrics"], told["evidence"]["deflated_sharpe"]
            sharpe = found["sharpe_ratio"]
            print(
                f"{row} | {found['trades']:,} | {_percent(found['total_return'])} | "
                f"{_percent(found['buy_and_hold_return'])} | {'–' if sharpe is None else f'{sharpe:.2f}'} | "
                f"{_percent(-abs(found['max_drawdown']))} | {'–' if sure is None else f'{sure:.2f}'} |",
                flush=True,
            )


def _setups(markets: Sequence[Candles], start_ms: int, end_ms: int) -> None:
    print("| Strategy | Timeframe | Setups | Reached the target | 95 % | Mean return | Mean R |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for cls in strategies:
        for frame in sorted({str(one.timeframe) for one in markets}):
            some = {one.symbol: [one] for one in markets if one.timeframe == frame}
            rows = past_setups(build(cls, {}), some, exchange="binance").rows
            rows = apart(rows[(rows["decided_ms"] >= start_ms) & (rows["decided_ms"] < end_ms)])
            if not len(rows):
                continue
            hits = int((rows["outcome"] == TARGET).sum())
            bounds = wilson(hits, len(rows)) or (0.0, 1.0)
            share, low, high = (f"{100 * one:.0f} %" for one in (hits / len(rows), *bounds))
            print(
                f"| `{cls.name}` | {frame} | {len(rows):,} | {share} | {low} to {high} "
                f"| {_percent(float(rows['net'].mean()))} | {float(rows['r'].mean()):+.2f} |"
            )


def main() -> None:
    """Print both tables."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("files", nargs="+", type=Path)
    asked.add_argument("--timeframes", default="4h,1d")
    asked.add_argument("--from", dest="start", default="2018-01-01")
    asked.add_argument("--to", dest="end", default="2024-01-01")
    given = asked.parse_args()
    read = [read_candles(file) for file in given.files]
    frames = given.timeframes.split(",")
    markets = [one if one.timeframe == f else one.resample(f) for f in frames for one in read]
    start, end = (parse_time(text, field="from") for text in (given.start, given.end))
    print(f"Bars from {iso(start)[:10]} to {iso(end)[:10]}.\n")
    _forward(markets, given.start, given.end)
    print()
    _setups(markets, start, end)


if __name__ == "__main__":
    main()
