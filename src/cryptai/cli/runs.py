"""`cryptai runs`: the stored runs, one of them, and its files as a zip or as freqtrade's trade list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Mapping

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, the first letters of one, or its folder.")
]


def register(app: typer.Typer) -> None:
    """Add the verb with its own verbs."""
    runs = typer.Typer(
        help="The stored runs: what they gave, and their files.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    runs.command("list", epilog="Example: cryptai runs list --strategy ema_trend")(listed)
    runs.command("show", epilog="Example: cryptai runs show 421d2d02ac65a139")(show)
    runs.command("export")(export)
    app.add_typer(runs, name="runs")


def listed(
    strategy: Annotated[str | None, typer.Option(help="Those of this strategy.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="The newest so many.")] = None,
    json_: Json = False,
) -> None:
    """List the stored runs, the newest first."""
    from cryptai.analytics.figures import markets
    from cryptai.research.runs import list_runs
    from cryptai.workspace import open_workspace

    found = list_runs(open_workspace(create=False).runs)
    chosen = [one for one in found if strategy is None or one["strategy"] == strategy][:last]
    told = [_head(one) for one in chosen]
    if json_:
        print(json.dumps({"runs": told}, allow_nan=False))
        return
    if not told:
        print("There is no run yet: `cryptai backtest` keeps each one.")
        return
    rows = [("run", "made (UTC)", "strategy", "market", "trades", "return", "Sharpe")]
    for one in told:
        metrics = one["metrics"] or {}
        rows.append(
            (
                one["id"], one["made_at"].replace("T", " ")[:16], one["strategy"],
                f"{markets(one['symbols'])} {one['timeframe']}", _text("trades", metrics),
                _text("total_return", metrics), _text("sharpe_ratio", metrics),
            )
        )  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=False)]
        cells += [cell.rjust(width) for cell, width in zip(row[4:], widths[4:], strict=True)]
        print("  ".join(cells).rstrip())


def show(run: Run, json_: Json = False) -> None:
    """Show a stored run: its figures, its evidence, and where its files lie."""
    from cryptai.analytics.figures import figure, markets
    from cryptai.research.runs import FILES, changed_files, find_run, read_manifest
    from cryptai.workspace import open_workspace

    folder = find_run(open_workspace(create=False).runs, run)
    manifest = read_manifest(folder)
    changed = changed_files(folder, manifest)
    if json_:
        print(json.dumps({"id": folder.name, "folder": str(folder), "changed": changed, **manifest}))
        return
    head = _head({**manifest, "id": folder.name, "folder": folder})
    print(
        f"{head['strategy']} on {markets(head['symbols'])} {head['timeframe']}, "
        f"{head['from']} to {head['to']}"
    )
    print(f"run {manifest['run']}, engine {manifest['engine']}, made {manifest['made_at']}, in {folder}")
    for name, value in (head["metrics"] or {}).items():
        print(f"  {name:<20} {figure(name, value)}")
    evidence = manifest.get("evidence")
    if evidence is not None:
        from cryptai.cli.evidence import lines

        print("\n".join(lines(evidence)))
    for name in changed:
        print(f"{name} is not what was written: ask `cryptai verify {folder.name}`.")
    print(f"Files: {', '.join(name for name in FILES if (folder / name).is_file())}")


def export(
    run: Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.", show_default=False)],
    freqtrade: Annotated[
        bool, typer.Option("--freqtrade", help="Write the trades as freqtrade's backtest result (JSON).")
    ] = False,
    json_: Json = False,
) -> None:
    """Write a run's files into one new zip, or its trades in freqtrade's form.

    Example: cryptai runs export 5d0dfb0de72ef013 run.zip
    """
    from cryptai.research.runs import find_run, zip_run
    from cryptai.workspace import open_workspace

    folder = find_run(open_workspace(create=False).runs, run)
    count = _as_freqtrade(folder, file) if freqtrade else zip_run(folder, file)
    what = "trades" if freqtrade else "files"
    if json_:
        print(json.dumps({"run": folder.name, "file": str(file), what: count}))
    else:
        print(f"Wrote {count:,} {what} of the run {folder.name} to {file}.")


def _as_freqtrade(folder: Path, file: Path) -> int:
    from cryptai.analytics.export import read_trades
    from cryptai.analytics.freqtrade_trades import write_freqtrade
    from cryptai.research.runs import check_new, read_manifest

    check_new(file)
    manifest = read_manifest(folder)
    trades = read_trades((folder / "trades.csv").read_text(encoding="utf-8"))
    write_freqtrade(file, manifest, trades)
    return len(trades)


def _head(manifest: Mapping[str, Any]) -> dict[str, Any]:
    from cryptai.workspace import open_workspace

    folder = Path(manifest.get("folder") or open_workspace(create=False).runs / manifest["id"])
    try:
        metrics = json.loads((folder / "metrics.json").read_bytes())
    except (OSError, ValueError):
        metrics = None
    names = (
        "run", "made_at", "strategy", "params", "exchange", "timeframe", "from", "to", "capital", "engine",
        "trials",
    )  # fmt: skip
    told = {"id": manifest["id"], **{name: manifest.get(name) for name in names}}
    symbols = manifest.get("symbols") or [manifest.get("symbol")]
    evidence = manifest.get("evidence")
    status = None if evidence is None else evidence.get("status")
    return {**told, "symbols": symbols, "status": status, "metrics": metrics}


def _text(name: str, metrics: Mapping[str, Any]) -> str:
    from cryptai.analytics.figures import figure

    return figure(name, metrics.get(name))
