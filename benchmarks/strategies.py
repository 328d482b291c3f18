"""Every strategy on real candles, out of sample: `python -m benchmarks.strategies FILE…`.

Prints Markdown: first a walk-forward of each on each market (a year of training, a quarter of trading, the
best of a small grid by Sharpe ratio chosen in training only), then of those over several markets on all of
them together, then what came of the setups with default parameters, over all the files together. Files are
of one timeframe, from which the others are made. Nothing is left out but what cannot be: a strategy over
several markets has no row of one, one without setups none in the last table, and one by funding needs
`--funding`, files of the perpetuals' rates. `--only` names strategies, `--together` prints the second table
alone.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptai.analytics.significance import wilson
from cryptai.errors import CryptaiError
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.files import read_candles
from cryptai.market.funding import FundingBook, perpetual_of
from cryptai.market.funding_files import read_funding
from cryptai.market.times import iso, parse_time
from cryptai.research.plans import read_walk
from cryptai.research.walkforward import walkforward
from cryptai.screening.outcomes import TARGET
from cryptai.screening.past import past_setups
from cryptai.screening.slices import apart
from cryptai.strategies.strategy import build, needs_of, parameters, strategies
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from cryptai.market.funding import Funding
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


def walked(name: str, markets: Sequence[Candles], start: str, end: str) -> dict[str, Any]:
    """Return the walk-forward of a strategy over a market, or over several together."""
    options = {
        "strategy": name, "symbols": [one.symbol for one in markets], "timeframe": str(markets[0].timeframe),
        "from": start, "to": end, "param": grid(strategies.get(name)), "train": "365d", "test": "90d",
    }  # fmt: skip
    request, plan = read_walk(options)
    with tempfile.TemporaryDirectory() as folder:
        home = open_workspace(Path(folder) / "workspace")
        candles = markets if len(markets) > 1 else markets[0]
        return walkforward(request, plan, candles, home, exchange="binance").as_object()


def _percent(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:+.1f} %"


_HEAD = """| Strategy | Market | Trades | Return | Held | Sharpe | Drawdown | Deflated Sharpe |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"""


def _forward(
    chosen: Sequence[type[Strategy]], markets: Sequence[Candles], start: str, end: str, paying: Container[str]
) -> None:
    print(_HEAD)
    for cls in chosen:
        needs = needs_of(cls)
        if not grid(cls) or "others" in needs:
            continue
        for candles in markets:
            if "funding" in needs and candles.symbol not in paying:
                continue
            print(
                _told(
                    f"| `{cls.name}` | {candles.symbol} {candles.timeframe}", cls.name, [candles], start, end
                )
            )


def _told(begins: str, name: str, markets: Sequence[Candles], start: str, end: str) -> str:
    try:
        told = walked(name, markets, start, end)
    except CryptaiError as error:
        return f"{begins} | {error} | | | | | |"
    return _row(begins, told["metrics"], told["evidence"]["deflated_sharpe"])


def _row(begins: str, found: Mapping[str, Any], sure: float | None) -> str:
    sharpe = found["sharpe_ratio"]
    return (
        f"{begins} | {found['trades']:,} | {_percent(found['total_return'])} | "
        f"{_percent(found['buy_and_hold_return'])} | {'–' if sharpe is None else f'{sharpe:.2f}'} | "
        f"{_percent(-abs(found['max_drawdown']))} | {'–' if sure is None else f'{sure:.2f}'} |"
    )


def _together(
    chosen: Sequence[type[Strategy]], markets: Sequence[Candles], end: str, rates: Mapping[str, Funding]
) -> None:
    print(_HEAD)
    for frame in sorted({str(one.timeframe) for one in markets}):
        some = [one for one in markets if one.timeframe == frame]
        for cls in chosen:
            if not hasattr(cls, "signals_many"):
                continue
            tried = {"": some}
            if "funding" in needs_of(cls):
                paid = [one for one in some if one.symbol in rates]
                tried = {", alone": paid, ", hedged": [*paid, *map(_perpetual, paid)]}
            for words, there in tried.items():
                begun = sorted(max(one.ts[0], *_begun(one, rates, cls)) for one in there)
                pairs = 2 if words == ", hedged" else 1
                if len(begun) < 2 * pairs:
                    continue
                # From when two markets are there.
                start = iso(int(begun[2 * pairs - 1]))
                of = f"{len(there) // pairs} markets {frame} from {start[:10]}"
                print(_told(f"| `{cls.name}`{words} | {of}", cls.name, there, start, end), flush=True)


def _begun(one: Candles, rates: Mapping[str, Funding], cls: type[Strategy]) -> list[int]:
    paid = rates.get(one.symbol.partition(":")[0]) if "funding" in needs_of(cls) else None
    return [0] if paid is None else [int(paid.ts[0])]


def _perpetual(spot: Candles) -> Candles:
    # No candles of perpetuals of these years are here: spot's stand for them.
    columns: dict[str, Any] = {name: getattr(spot, name) for name in COLUMNS}
    return Candles(**columns, symbol=perpetual_of(spot.symbol), timeframe=spot.timeframe)


def _setups(chosen: Sequence[type[Strategy]], markets: Sequence[Candles], start_ms: int, end_ms: int) -> None:
    print("| Strategy | Timeframe | Setups | Reached the target | 95 % | Mean return | Mean R |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for cls in chosen:
        if hasattr(cls, "unscanned"):
            continue
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
    asked.add_argument("--funding", nargs="*", type=Path, default=[])
    asked.add_argument("--only", nargs="*", default=strategies.names())
    asked.add_argument("--together", action="store_true")
    given = asked.parse_args()
    read = [read_candles(file) for file in given.files]
    frames = given.timeframes.split(",")
    markets = [one if one.timeframe == f else one.resample(f) for f in frames for one in read]
    start, end = (parse_time(text, field="from") for text in (given.start, given.end))
    chosen = [strategies.get(name) for name in given.only]
    paid = [read_funding(file, None) for file in given.funding]
    rates = {one.symbol.partition(":")[0]: one for one in paid}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CRYPTAI_HOME"] = folder  # the book of funding that a walk-forward reads
        FundingBook().add("binance", *paid, source="file")
        print(f"Bars from {iso(start)[:10]} to {iso(end)[:10]}.\n")
        if not given.together:
            _forward(chosen, markets, given.start, given.end, rates)
            print()
        _together(chosen, [one.between(start, end) for one in markets], given.end, rates)
    if not given.together:
        print()
        _setups(chosen, markets, start, end)


if __name__ == "__main__":
    main()
