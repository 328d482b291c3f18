"""A backtest on the terminal: what ran, its figures, its evidence and its last trades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAST_TRADES: Final = 10
_COLUMNS: Final = ("side", "entry (UTC)", "price", "exit (UTC)", "price", "pnl", "reason")


def show(told: dict[str, Any]) -> None:
    """Print the object of `backtest --json` for a person: what ran, its figures, evidence and last trades."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if told.get("practice"):
        console.print("PRACTICE: these candles are synthetic.", style="bold yellow")
    params = " ".join(f"{k}={v}" for k, v in told["params"].items())
    console.print(
        f"[bold]{told['strategy']}[/] {params}  {told['symbol']} {told['timeframe']}", highlight=False
    )
    console.print(f"{told['from']} to {told['to']}, {told['bars']} bars, run {told['run']}", highlight=False)
    for line in _known(told):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
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
    several = "symbols" in told
    # Of several markets the prices are left out, so that the table fits a terminal of 80 columns.
    columns = ("market", "side", "entry (UTC)", "exit (UTC)", "pnl", "reason") if several else _COLUMNS
    for name in columns:
        trades.add_column(name, justify="right" if name in ("price", "pnl") else "left", no_wrap=True)
    for row in told["trades"][-_LAST_TRADES:]:
        entered, left = (row[k].replace("T", " ")[:16] for k in ("entry_time", "exit_time"))
        paid, got = f"{row['entry_price']:.6g}", f"{row['exit_price']:.6g}"
        when = (entered, left) if several else (entered, paid, left, got)
        named = (row["symbol"],) if several else ()
        trades.add_row(*named, row["side"], *when, f"{row['pnl']:+,.2f}", row["exit_reason"])
    console.print(trades)


def _known(told: dict[str, Any]) -> Iterator[str]:
    """Say what was known of each market, what was refused, and what a hole or an undecided bar left open."""
    for one in told.get("markets", ()):
        knows = one["knows"]
        said = [f"{one['bars']:,} bars from {one['from'][:10]} to {one['to'][:10]}"]
        if "funding" in knows:
            paid = knows["funding"]
            until = f" until {paid['to'][:10]}" if paid["to"] else ""
            said.append(f"{paid['rates']:,} fundings of {paid['symbol']}{until}")
        if "filters" in knows:
            said.append(f"filters as known since {(knows['filters']['since'] or 'never')[:10]}")
        if "finer" in knows:
            said.append(
                f"{knows['finer']['bars_with_path']:.0%} of bars by {knows['finer']['timeframe']} bars"
            )
        yield f"{one['symbol']}: {', '.join(said)}"
    if told["refused"]:
        yield "Refused entries: " + ", ".join(f"{n:,} by {name}" for name, n in told["refused"].items())
    if told["held_through_holes"]:
        yield f"{told['held_through_holes']:,} trades were held through holes in the data."
    left = told["undecided"]
    if left["trades"]:
        yield (
            f"Of {left['share']:.1%} of the trades the bars do not tell what came first; the worse is taken. "
            f"By the order of events the return is {left['worst_return']:+.2%} to {left['best_return']:+.2%}"
            f"{'' if left['exact'] else ', or beyond'}."
        )


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
