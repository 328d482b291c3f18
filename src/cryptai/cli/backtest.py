"""`cryptai backtest`: one strategy over one market."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Exchange, Json, answers_only, refuse_empty

if TYPE_CHECKING:
    from cryptai.trading.result import Result
    from cryptai.workspace import Workspace

_FRACTION = "NUMBER"
_LAST_TRADES = 10


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("backtest", epilog="Example: cryptai backtest ema_trend --symbol BTC/USDT --timeframe 1h")(
        backtest
    )


def backtest(
    strategy: Annotated[str, typer.Argument(help="A name from `cryptai strategies`.")],
    symbol: Annotated[str | None, typer.Option(help="Market, such as BTC/USDT.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m 5m 15m 30m 1h 4h 1d or 1w.")] = None,
    exchange: Exchange = "binance",
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="First bar open, UTC.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Bars open before this, UTC.")
    ] = None,
    capital: Annotated[str | None, typer.Option(metavar=_FRACTION, help="Cash at the start [10000].")] = None,
    fee: Annotated[str | None, typer.Option(metavar=_FRACTION, help="Fee of each side [0.001].")] = None,
    slippage: Annotated[str | None, typer.Option(metavar=_FRACTION, help="Slippage [0.0005].")] = None,
    stop: Annotated[
        str | None, typer.Option(metavar=_FRACTION, help="Stop distance, or none [0.08].")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar=_FRACTION, help="Target distance, or none [0.15].")
    ] = None,
    size: Annotated[str | None, typer.Option(metavar=_FRACTION, help="Share of the equity [1].")] = None,
    risk: Annotated[str | None, typer.Option(metavar=_FRACTION, help="Share lost at the stop.")] = None,
    min_reward_risk: Annotated[
        str | None, typer.Option(metavar=_FRACTION, help="Least target over stop [1.5].")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter; repeatable.")
    ] = None,
    candles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Use this CSV or Parquet file.")
    ] = None,
    no_evidence: Annotated[
        bool, typer.Option("--no-evidence", help="Do not judge whether the result is evidence.")
    ] = False,
    json_: Json = False,
) -> None:
    """Run a strategy over stored candles, or over a file.

    Signals at the close of a bar fill at the next open; a gap through stop or target fills at the open; a
    bar that reaches both stops first. Numbers are fractions: 0.08 is 8 %. Each distinct run is counted as a
    trial of its strategy, by which its evidence is deflated.
    """
    from cryptai.research.noted import evidence_of, note_run
    from cryptai.trading.request import BacktestRequest
    from cryptai.workspace import open_workspace

    options: dict[str, Any] = {
        "symbol": symbol, "timeframe": timeframe, "exchange": exchange, "from": from_,
        "to": to, "capital": capital, "fee": fee, "slippage": slippage, "stop": stop, "target": target,
        "size": size, "risk": risk, "min_reward_risk": min_reward_risk, "param": param or [],
    }  # fmt: skip
    refuse_empty(options)
    with answers_only():
        workspace = open_workspace(create=False)
        result = _run(BacktestRequest.parse({**options, "strategy": strategy}), candles, workspace)
    told = result.as_object()
    if no_evidence:  # not judged, it was tried all the same
        note_run(told, result.ts, result.equity, workspace)
    else:
        told["evidence"] = evidence_of(told, result.ts, result.equity, workspace)
    if json_:
        print(json.dumps(told, allow_nan=False))
    else:
        _show(result, told)


def _run(request: Any, file: Path | None, workspace: Workspace) -> Result:
    from cryptai.trading.run import run_on, run_request

    if file is not None:
        from cryptai.market.files import read_candles

        found = read_candles(file, symbol=request.symbol, timeframe=request.timeframe)
        return run_on(request, found, workspace.strategies)
    from cryptai.market.opening import open_store

    return run_request(request, open_store(workspace), workspace.strategies)


def _show(result: Result, told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if told.get("practice"):
        console.print("PRACTICE: these candles are synthetic.", style="bold yellow")
    params = " ".join(f"{k}={v}" for k, v in result.params.items())
    console.print(f"[bold]{result.strategy}[/] {params}  {result.symbol} {result.timeframe}", highlight=False)
    console.print(f"{told['from']} to {told['to']}, {told['bars']} bars, run {told['run']}", highlight=False)
    metrics = Table(box=None, show_header=False, pad_edge=False)
    for name, value in told["metrics"].items():
        metrics.add_row(name, _figure(name, value))
    console.print(metrics)
    if "evidence" in told:
        from cryptai.cli.evidence import lines

        console.print()
        for line in lines(told["evidence"]):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not told["trades"]:
        console.print("No trade.")
        return
    shown = min(_LAST_TRADES, len(told["trades"]))
    console.print(f"\nThe last {shown} of {len(told['trades'])} trades:", highlight=False)
    trades = Table(box=None, pad_edge=False)
    for name in ("side", "entry (UTC)", "price", "exit (UTC)", "price", "pnl", "reason"):
        trades.add_column(name, justify="right" if name in ("price", "pnl") else "left", no_wrap=True)
    for row in told["trades"][-_LAST_TRADES:]:
        entered, left = (row[k].replace("T", " ")[:16] for k in ("entry_time", "exit_time"))
        trades.add_row(
            row["side"], entered, f"{row['entry_price']:.6g}", left, f"{row['exit_price']:.6g}",
            f"{row['pnl']:+,.2f}", row["exit_reason"],
        )  # fmt: skip
    console.print(trades)


_FRACTIONS = frozenset(
    {
        "total_return", "max_drawdown", "win_rate", "time_in_market", "cagr", "volatility", "var_95",
        "cvar_95", "var_95_normal", "cvar_95_normal", "ulcer_index", "kelly", "buy_and_hold_return",
    }
)  # fmt: skip


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "undefined"
    if name in _FRACTIONS:
        sign = "+" if name.endswith("return") or name == "cagr" else ""
        return f"{value:{sign}.2%}"
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 100 else f"{value:,.2f}"
    )
