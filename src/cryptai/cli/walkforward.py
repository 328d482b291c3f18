"""`cryptai walkforward`: choose on one window, trade the next, step on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cryptai.cli.numbers import Grouped
from cryptai.cli.search_options import with_search
from cryptai.cli.searching import searched


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "walkforward",
        cls=Grouped,
        epilog="Example: cryptai walkforward ema_trend --symbol BTC/USDT --timeframe 4h --param fast=5:30:5 "
        "--param slow=40:100:20 --train 365d --test 90d",
    )(with_search(walkforward))


def walkforward(
    strategy: Annotated[str, typer.Argument(help="A name from `cryptai strategies`.")],
    train: Annotated[str, typer.Option(metavar="LENGTH", help="Of the training: 365d, 52w or 48h.")] = "365d",
    test: Annotated[str, typer.Option(metavar="LENGTH", help="Of the test after it.")] = "90d",
    anchored: Annotated[
        bool, typer.Option("--anchored/--rolling", help="Whether training always begins at the first bar.")
    ] = False,
    embargo: Annotated[
        str, typer.Option(metavar="BARS", help="Bars before each test that training must not see.")
    ] = "0",
    purge: Annotated[
        bool, typer.Option(help="Leave out of the training a trade that is still open at its end.")
    ] = True,
    **options: Any,
) -> None:
    """Search a strategy's parameters on one window, trade the best on the next, and so on.

    Every test begins flat, with what the one before left, and closes at its end what is open. What was traded
    out of sample is put together as one account, and judged. Each set of each window is counted as a trial.
    """
    own = {"strategy": strategy, "train": train, "test": test, "anchored": anchored, "embargo": embargo}
    searched("walkforward", own | {"purge": purge}, options, _show)


def _show(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from cryptai.cli.evidence import lines
    from cryptai.cli.sweep import drawn, figure

    console = Console()
    if told.get("practice"):
        console.print("PRACTICE: these candles are synthetic.", style="bold yellow")
    console.print(
        f"[bold]{told['strategy']}[/]  {told['symbol']} {told['timeframe']}, walk-forward "
        f"{told['walkforward']}",
        highlight=False,
    )
    aim = told["objective"]
    table = Table(box=None, pad_edge=False)
    for name in ("test from", "to", *told["space"], f"{aim} in", "out", "return out", "trades"):
        table.add_column(name, justify="right", no_wrap=True)
    for fold in told["folds"]:
        later = fold["out_of_sample"]
        table.add_row(
            *(when[:10] for when in fold["test"]),
            *(f"{value}" for value in fold["params"].values()),
            figure(aim, fold["in_sample"][aim]), figure(aim, later[aim]),
            figure("total_return", later["total_return"]), f"{later['trades']}",
        )  # fmt: skip
    console.print(table)
    metrics = told["metrics"]
    console.print(
        "Out of sample, put together: "
        + ", ".join(
            f"{name} {figure(name, metrics[name])}"
            for name in ("total_return", "sharpe_ratio", "max_drawdown", "trades")
        ),
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    kept = told["efficiency"]
    said = "cannot be told: training did not earn" if kept is None else f"{kept:.0%}".replace("%", " %")
    console.print(f"Walk-forward efficiency (return a day, out of sample over in sample): {said}")
    for line in drawn(told["monte_carlo"]):
        console.print(line, highlight=False, soft_wrap=True)
    console.print()
    for line in lines(told["evidence"]):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
