"""`cryptai backtest`: one strategy over one market, or over several with shared cash."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.numbers import Grouped
from cryptai.cli.options import answers_only, refuse_empty
from cryptai.cli.run_options import asked_of, with_run

if TYPE_CHECKING:
    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.result import Result
    from cryptai.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "backtest",
        cls=Grouped,
        epilog="Example: cryptai backtest ema_trend --symbol BTC/USDT --timeframe 1h\n\n"
        "Example: cryptai backtest ema_trend --symbols BTC/USDT,ETH/USDT --timeframe 4h --size 0.2",
    )(with_run(backtest))


def backtest(
    strategy: Annotated[str, typer.Argument(help="A name from `cryptai strategies`.")],
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter; repeatable.")
    ] = None,
    no_evidence: Annotated[
        bool, typer.Option("--no-evidence", help="Do not judge whether the result is evidence.")
    ] = False,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Do not keep the run's folder in the workspace.")
    ] = False,
    **options: Any,
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

    asked, call = asked_of(options)
    asked |= {"strategy": strategy, "param": param or []}
    refuse_empty(asked)
    files = call["candles"] or []
    began = now_ms()  # before a bar is read: what the store knew then can be read again
    with answers_only():
        workspace = open_workspace(create=False)
        request = BacktestRequest.parse(asked)
        work = partial(_run, request, files, workspace)
        if strategy in user_files(workspace.strategies):
            result = within_limits(work, call["time_limit"], call["memory_limit"])
        else:
            result = work()
    from cryptai.research.noted import evidence_of, note_run

    told = result.as_object()
    if no_evidence:  # not judged, it was tried all the same
        note_run(told, result.ts, result.equity, workspace)
    else:
        candles_of = {one.candles.symbol: one.candles for one in result.markets}
        told["evidence"] = evidence_of(told, result.ts, result.equity, workspace, markets=candles_of)
    if not no_run:
        told["folder"] = keep(result, told, request, workspace, as_of_ms=began, files=files)
    if call["json_"]:
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
