"""`cryptai sweep`: many sets of parameters of one strategy, and whether the best is more than luck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.numbers import Grouped
from cryptai.cli.search_options import with_search
from cryptai.cli.searching import searched

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "sweep",
        cls=Grouped,
        epilog="Example: cryptai sweep ema_trend --symbol BTC/USDT --timeframe 1h --param fast=5:30:5 "
        "--param slow=40:100:20",
    )(with_search(sweep))


def sweep(
    strategy: Annotated[str, typer.Argument(help="A name from `cryptai strategies`.")],
    held_out: Annotated[
        str, typer.Option(metavar="NUMBER", help="Share of the bars, the last, that the choice must not see.")
    ] = "0.25",
    **options: Any,
) -> None:
    """Run a strategy with many sets of parameters, and judge the choice of the best one.

    The sets are chosen on the first three quarters of the bars and the best is then run on the rest. Sets
    that the strategy itself refuses are skipped. Each set is counted as a trial of the strategy. What is
    finished is kept: after Ctrl-C or a kill the same command goes on from there, to the same result.
    """
    searched("sweep", {"strategy": strategy, "held_out": held_out}, options, _show)


def _show(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from cryptai.cli.evidence import lines

    console = Console()
    if told.get("practice"):
        console.print("PRACTICE: these candles are synthetic.", style="bold yellow")
    console.print(
        f"[bold]{told['strategy']}[/]  {told['symbol']} {told['timeframe']}, {told['from']} to {told['to']}, "
        f"sweep {told['sweep']}",
        highlight=False,
    )
    refused = f", {told['skipped']:,} that the strategy refuses" if told["skipped"] else ""
    console.print(
        f"{told['done']:,} of {told['combinations']:,} combinations run{refused}; the best by "
        f"{told['objective']}:",
        highlight=False,
    )
    names = list(told["space"])
    aim = told["objective"]
    figures = [aim, *(one for one in ("total_return", "max_drawdown", "trades") if one != aim)]
    table = Table(box=None, pad_edge=False)
    for name in (*names, *figures):
        table.add_column(name, justify="right", no_wrap=True)
    for row in _best_first(told)[:_SHOWN]:
        table.add_row(
            *(f"{row['params'][name]}" for name in names),
            *(figure(name, row["metrics"][name]) for name in figures),
        )
    console.print(table)
    if told["best"] and told["best"]["held_out"]:
        later, held = told["best"]["held_out"], told["held_out"]
        console.print(
            f"The best one in the period held out, {held['from']} to {held['to']}: "
            + ", ".join(f"{name} {figure(name, later[name])}" for name in figures),
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if told["best"]:
        for line in drawn(told["best"]["monte_carlo"]):
            console.print(line, highlight=False, soft_wrap=True)
    near = told["stability"]
    if near and near["kept"] is not None:
        console.print(
            f"Its {near['neighbours']} neighbours keep {near['kept']:.0%} of it, the worst "
            f"{near['worst_kept']:.0%}.".replace("%", " %"),
            highlight=False,
        )
    console.print()
    for line in lines(told["evidence"]):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    pbo = told["evidence"]["pbo"]
    console.print(f"overfitting   probability {'unknown' if pbo is None else f'{pbo:.2f}'}", highlight=False)


def _best_first(told: dict[str, Any]) -> list[dict[str, Any]]:
    from cryptai.research.measured import OBJECTIVES

    aim = told["objective"]
    rows = [row for row in told["results"] if row["metrics"][aim] is not None]
    return sorted(rows, key=lambda row: -OBJECTIVES[aim] * row["metrics"][aim])


def figure(name: str, value: float | None) -> str:
    """Return a metric as a short text: fractions as per cent."""
    if value is None:
        return "undefined"
    if name in ("total_return", "max_drawdown", "cagr", "win_rate", "volatility"):
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def drawn(told: dict[str, Any]) -> Iterator[str]:
    """Return the lines that tell a Monte-Carlo of trades and of days."""
    for name, what in (("trades", "Its trades drawn again"), ("blocks", "Its days drawn again in blocks")):
        one = told[name]
        if one is not None:
            end, fall = one["total_return"], one["max_drawdown"]
            yield (
                f"{what}: nine of ten returns lie from {end['p05']:.1%} to {end['p95']:.1%}, and the "
                f"drawdown is up to {fall['p95']:.1%} in nineteen of twenty.".replace("%", " %")
            )
