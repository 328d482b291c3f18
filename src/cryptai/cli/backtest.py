"""`cryptai backtest`: one strategy over one market, or over several with shared cash."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.numbers import Grouped, with_numbers
from cryptai.cli.options import Exchange, Json, answers_only, refuse_empty

if TYPE_CHECKING:
    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.result import Result
    from cryptai.workspace import Workspace

_KNOWN = "From the workspace"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "backtest",
        cls=Grouped,
        epilog="Example: cryptai backtest ema_trend --symbol BTC/USDT --timeframe 1h\n\n"
        "Example: cryptai backtest ema_trend --symbols BTC/USDT,ETH/USDT --timeframe 4h --size 0.2",
    )(with_numbers(backtest))


def backtest(
    strategy: Annotated[str, typer.Argument(help="A name from `cryptai strategies`.")],
    symbol: Annotated[str | None, typer.Option(help="Market, such as BTC/USDT.")] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Several on one clock, with shared cash.")
    ] = None,
    timeframe: Annotated[str | None, typer.Option(help="1m 5m 15m 30m 1h 4h 1d or 1w.")] = None,
    exchange: Exchange = "binance",
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="First bar open, UTC.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Bars open before this, UTC.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter; repeatable.")
    ] = None,
    candles: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Use this CSV or Parquet file; repeatable.")
    ] = None,
    target_steps: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS",
            rich_help_panel="Orders and exits",
            help="Targets by bars held, such as 0:0.15,48:0.05, in place of target.",
        ),
    ] = None,
    fill: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            rich_help_panel="Orders and exits",
            help="Market orders fill at the next open, or at the close that decides [open].",
        ),
    ] = None,
    fee_tier: Annotated[
        str | None,
        typer.Option(
            metavar="VENUE:TIER",
            rich_help_panel="Costs",
            help="Fees of a venue's tier, such as binance:vip1, in place of fee and maker.",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SYMBOLS",
            rich_help_panel="Limits and halts",
            help="Markets that move together, for --max-per-group; repeatable.",
        ),
    ] = None,
    funding: Annotated[
        bool, typer.Option("--funding", rich_help_panel=_KNOWN, help="Pay the stored funding of perpetuals.")
    ] = False,
    filters: Annotated[
        bool,
        typer.Option(
            "--filters", rich_help_panel=_KNOWN, help="Round to the venue's steps and obey its minimums."
        ),
    ] = False,
    finer: Annotated[
        bool,
        typer.Option(
            "--finer", rich_help_panel=_KNOWN, help="Take the path inside a bar from finer candles."
        ),
    ] = False,
    no_evidence: Annotated[
        bool, typer.Option("--no-evidence", help="Do not judge whether the result is evidence.")
    ] = False,
    time_limit: Annotated[
        int,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=10**6,
            help="Stop a strategy of yours that takes longer [60]; 0 is no limit.",
        ),
    ] = 60,
    memory_limit: Annotated[
        int,
        typer.Option(
            metavar="MB",
            min=0,
            max=10**6,
            help="Stop a strategy of yours that takes more memory [2048]; 0 is no limit.",
        ),
    ] = 2048,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Do not keep the run's folder in the workspace.")
    ] = False,
    json_: Json = False,
    **numbers: str | None,
) -> None:
    """Run a strategy over stored candles, or over files.

    Signals at the close of a bar fill at the next open; a gap through stop or target fills at the open; a
    bar that reaches both stops first. Numbers are fractions: 0.08 is 8 %. Each distinct run is counted as a
    trial of its strategy, by which its evidence is deflated. Its folder in the workspace keeps trades, equity
    and report: `cryptai runs list`.
    """
    from cryptai.cli.keeping import keep
    from cryptai.cli.limited import within_limits
    from cryptai.seams import now_ms
    from cryptai.strategies.user import user_files
    from cryptai.trading.request import BacktestRequest
    from cryptai.workspace import open_workspace

    options: dict[str, Any] = {
        "symbol": symbol, "symbols": symbols, "timeframe": timeframe, "exchange": exchange, "from": from_,
        "to": to, "target_steps": target_steps, "fill": fill, "fee_tier": fee_tier, **numbers,
        "param": param or [], "group": group or None, "funding": funding, "filters": filters, "finer": finer,
    }  # fmt: skip
    refuse_empty(options)
    began = now_ms()  # before a bar is read: what the store knew then can be read again
    with answers_only():
        workspace = open_workspace(create=False)
        request = BacktestRequest.parse({**options, "strategy": strategy})
        if strategy in user_files(workspace.strategies):
            result = within_limits(partial(_run, request, candles or [], workspace), time_limit, memory_limit)
        else:
            result = _run(request, candles or [], workspace)
    from cryptai.research.noted import evidence_of, note_run

    told = result.as_object()
    if no_evidence:  # not judged, it was tried all the same
        note_run(told, result.ts, result.equity, workspace)
    else:
        candles_of = {one.candles.symbol: one.candles for one in result.markets}
        told["evidence"] = evidence_of(told, result.ts, result.equity, workspace, markets=candles_of)
    if not no_run:
        told["folder"] = keep(result, told, request, workspace, as_of_ms=began, files=candles or [])
    if json_:
        print(json.dumps(told, allow_nan=False))
    else:
        from cryptai.cli.shown import show

        show(told)


def _run(request: BacktestRequest, files: list[Path], workspace: Workspace) -> Result:
    from cryptai.trading.run import run_on, run_request

    if files:
        from cryptai.market.files import read_candles

        one = request.symbol if len(files) == 1 else None
        found = [read_candles(file, symbol=one, timeframe=request.timeframe) for file in files]
        return run_on(request, found, workspace.strategies)
    from cryptai.market.opening import open_store

    return run_request(request, open_store(workspace), workspace.strategies)
