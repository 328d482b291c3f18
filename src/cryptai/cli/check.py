"""`cryptai check`: whether a strategy, indicator or structure sees the future, or wins on nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Exchange, Json, answers_only, pairs, refuse_empty

if TYPE_CHECKING:
    from cryptai.research.check import Checked


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check", epilog="Example: cryptai check ema_trend, or cryptai check my_strategy.py")(check)


def check(
    name: Annotated[str, typer.Argument(help="A strategy, an indicator, a structure, or a Python file.")],
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter; repeatable.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Market, such as BTC/USDT.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m 5m 15m 30m 1h 4h 1d or 1w.")] = None,
    exchange: Exchange = "binance",
    candles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Use this CSV or Parquet file.")
    ] = None,
    json_: Json = False,
) -> None:
    """Replay it bar by bar and say whether it can be believed; exit 1 when it cannot.

    Causal: what it said after n bars must stay, to the bit, when more bars come. Live: a session that keeps
    only the declared bars of history must read the same. History: how many bars it needs. Null market: in
    twenty worlds where nothing can be won, its mean net return must not be above 0 by more than two standard
    errors. A Python file is run: one strategy class, or functions with @indicator or @structure. Without a
    market or a file, candles of the practice market are used.
    """
    from cryptai.research.check import check as checked
    from cryptai.research.own import found
    from cryptai.workspace import open_workspace

    refuse_empty({"symbol": symbol, "timeframe": timeframe, "exchange": exchange})
    bars = None
    if candles is not None or symbol is not None or timeframe is not None:
        from cryptai.cli.features import series

        bars = series(candles, symbol, timeframe, exchange)
    with answers_only():
        pieces = found(name, pairs(param or ()), open_workspace(create=False).strategies)
        results = [checked(piece, bars, progress=_progress) for piece in pieces]
    _progress("")
    fair = all(one.fair for one in results)
    if json_:
        told = {"fair": fair, "checks": [one.as_object() for one in results]}
        print(json.dumps(told, allow_nan=False))
    else:
        print("\n\n".join(_said(one) for one in results))
    if not fair:
        raise typer.Exit(1)


def _progress(said: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{said + ' …' if said else ''}")
        sys.stderr.flush()


def _said(one: Checked) -> str:
    told = one.as_object()
    given = " ".join(f"{key}={value}" for key, value in told["parameters"].items())
    lines = [f"{told['name']} ({told['kind']}) {given}".rstrip()]
    lines.append(f"  causal       {_causal(told)}")
    if told["causal"] and told["streaming"] is None:
        lines.append("  history      not asked: it is too slow, or declares more bars than are tried here")
    elif told["causal"]:
        lines.append(f"  bar by bar   {_live(told)}")
        lines.append(f"  history      {_history(told)}")
    lines.append(f"  null market  {_null(told['null_market'])}")
    lines.append(f"  verdict      {'nothing was found against it' if one.fair else 'not to be believed'}")
    return "\n".join(lines)


def _causal(told: dict[str, Any]) -> str:
    offence = told["rewritten"]
    if offence is None:
        return f"yes: not a bit changed at {told['cuts']:,} cuts of {told['bars']:,} bars"
    return f"no: {_offence(offence)}"


def _offence(offence: dict[str, Any]) -> str:
    return (
        f"on {offence['series']}, with {_bars(offence['cut'])}, {offence['column']} of bar {offence['bar']} "
        f"({offence['at']}) was {offence['old']}; {offence['how']} it was {offence['new']}"
    )


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count:,} bars"


def _live(told: dict[str, Any]) -> str:
    if told["unlike_live"] is None:
        return "yes: each new bar reads as it does in one go"
    return f"no: with the last {told['warmup']['exact']} bars only, {_offence(told['unlike_live'])}"


def _history(told: dict[str, Any]) -> str:
    warmup = told["warmup"]
    needed = "no window here is enough" if warmup["needed"] is None else f"needs {_bars(warmup['needed'])}"
    if told["kind"] == "strategy" and warmup["declared"] is None:
        return f"{needed} (found here; the strategy declares no memory)"
    if not warmup["enough"]:
        return f"not enough: {_bars(warmup['declared'])} declared, {needed}; {_offence(warmup['offence'])}"
    if warmup["declared"] is None:
        return "the whole, as it declares: no shorter window will do"
    exact = "the whole" if warmup["exact"] is None else _bars(warmup["exact"])
    return f"enough: {_bars(warmup['declared'])} to 1e-9; to the bit {exact}"


def _null(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return "not asked: it says no direction to trade"
    word = "fair" if verdict["fair"] else "NOT fair: it wins where nothing can be won"
    return (
        f"{word}; {verdict['mean_net_return']:+.1%} ± {verdict['standard_error']:.1%} after costs, "
        f"{verdict['mean_gross_return']:+.1%} ± {verdict['standard_error_gross']:.1%} before "
        f"({verdict['worlds']} worlds, {verdict['trades']:,} trades)"
    )
