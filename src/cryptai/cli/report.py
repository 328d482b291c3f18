"""`cryptai report`: a stored run, or another engine's trades, told in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryptai.market.candles import Candles
    from cryptai.workspace import Workspace

_TABLES = {
    "years": "Years", "symbol": "Markets", "side": "Sides", "exit_reason": "Reasons of the exit",
    "regime": "Regimes at the entry",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "report", epilog="Example: cryptai report --freqtrade backtest-result.json --html report.html"
    )(report)


def report(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run's id, the first letters of one, or its folder."),
    ] = None,
    freqtrade: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read a backtest result of freqtrade (JSON or zip).")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which strategy of that file, where it holds several.")
    ] = None,
    capital: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="The account at its start, where the file names none."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as one new HTML file, too.")
    ] = None,
    json_: Json = False,
) -> None:
    """Tell a run in full: years, markets, sides, reasons, regimes, drawdowns, and whether it is evidence.

    A stored run is told as its folder keeps it. The trades of a backtest of freqtrade are judged as ours
    are: they count as one trial of their strategy, and markets that are stored give regimes and exposure.
    """
    from cryptai.errors import InputError

    if (run is None) == (freqtrade is None):
        raise InputError("Name one of the two: a run, or a file with --freqtrade.", field="run")
    if html is not None:
        from cryptai.research.runs import check_new

        check_new(html)
    told, page = _stored(run) if run is not None else _imported(freqtrade, strategy, capital)
    if html is not None:
        from cryptai.market.durable import write_whole

        write_whole(html, lambda draft: draft.write_text(page, encoding="utf-8"))
    if json_:
        print(json.dumps(told, allow_nan=False))
    else:
        for line in _lines(told):
            print(line)


def _stored(run: str) -> tuple[dict[str, Any], str]:
    from cryptai.errors import InputError
    from cryptai.research.runs import find_run, read_manifest
    from cryptai.workspace import open_workspace

    folder = find_run(open_workspace(create=False).runs, run)
    manifest = read_manifest(folder)
    try:
        told: dict[str, Any] = json.loads((folder / "report.json").read_bytes())
        page = (folder / "report.html").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"The report in {folder} cannot be read ({error}).", field="run") from error
    return {**told, "evidence": manifest.get("evidence")}, page


def _imported(file: Path | None, strategy: str | None, capital: float | None) -> tuple[dict[str, Any], str]:
    from cryptai.analytics.freqtrade_trades import read_freqtrade
    from cryptai.analytics.page import page
    from cryptai.analytics.report import report as reported
    from cryptai.errors import WorkspaceError
    from cryptai.research.evidence import judge, trial_of
    from cryptai.research.trials import note
    from cryptai.workspace import open_workspace

    assert file is not None  # noqa: S101 (one of the two was asked for)
    workspace = open_workspace(create=False)
    read = read_freqtrade(file, strategy=strategy, capital=capital)
    trial = trial_of(read.found, read.ts, read.equity)
    try:
        tried = note(workspace, f"freqtrade {read.found['strategy']}", [trial])
    except WorkspaceError:
        tried = None
    markets = _markets(workspace, read.found)
    evidence = judge(read.found, read.ts, read.equity, tried, markets=markets)
    made = reported(read.found, read.ts, read.equity, markets)
    return {**made.as_object(), "evidence": evidence}, page(made, evidence)


def _markets(workspace: Workspace, found: Mapping[str, Any]) -> dict[str, Candles]:
    """Return the stored candles of the symbols that were traded, on their timeframe; those there are."""
    from cryptai.errors import InputError
    from cryptai.market.opening import open_store

    store, stored = open_store(workspace), {}
    for exchange in store.exchanges()[:1]:
        for symbol in found["symbols"]:
            try:
                stored[symbol] = store.read(exchange, symbol, found["timeframe"])
            except InputError:
                continue
    return stored


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    from cryptai.analytics.figures import figure, markets, percent
    from cryptai.cli.evidence import lines

    symbols = markets(told.get("symbols") or [told["symbol"]])
    yield f"{told['strategy']} on {symbols} {told['timeframe']}, {told['from']} to {told['to']}"
    for name, value in told["metrics"].items():
        yield f"  {name:<20} {figure(name, value)}"
    if told["evidence"] is not None:
        yield from lines(told["evidence"])
    yield from told["doubts"]
    for name, title in _TABLES.items():
        rows = told["years"] if name == "years" else told["by"][name]
        if rows:
            yield f"\n{title}"
        for row in rows:
            gained = "total_return" if name == "years" else "mean_return"
            pnl = figure("pnl", row["pnl"])
            part = figure(gained, row[gained])
            yield f"  {row['name']:<12} {row['trades']:>7,} trades {pnl:>16} {part:>12}"
    if told["drawdowns"]:
        yield "\nDeepest drawdowns"
    for one in told["drawdowns"][:5]:
        back = "not yet back" if one["recovered"] is None else f"back {one['recovered'][:10]}"
        yield f"  {percent(one['depth']):>10} from {one['peak'][:10]}, bottom {one['bottom'][:10]}, {back}"
