"""`cryptai signals calibration`: whether a quality is worth the probability that is read from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Exchange, Json, answers_only, refuse_empty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.screening.calibration import Calibration
    from cryptai.screening.past import PastSetups

_From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="DAY", help="Test on setups decided from this day on, fit on those before."
    ),
]
_Timeframes = Annotated[
    list[str] | None,
    typer.Option("--timeframe", metavar="NAME", help="Only this timeframe; may be given more than once."),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("calibration", epilog="Example: cryptai signals calibration --from 2022-01-01")(calibration)


def calibration(
    test_from: _From = None,
    timeframe: _Timeframes = None,
    exchange: Exchange = "binance",
    json_: Json = False,
) -> None:
    """Fit the confidence of every strategy on past setups, and test it on later ones it has not seen.

    Prints the expected calibration error (the mean distance of forecast and hit rate over ten bins) beside
    the error that chance alone stays below in 95 of 100 cases: up to that, a forecast is called a
    probability. Without --from the newest quarter is the test.
    """
    from cryptai.market.times import parse_time
    from cryptai.screening.calibration import calibrate

    refuse_empty({"from": test_from, "exchange": exchange})
    start = None if test_from is None else parse_time(test_from, field="from")
    with answers_only():
        asked = list(_pasts(exchange, timeframe))
    made = [(*past, calibrate([past[2]], test_from_ms=start)) for past in asked]
    rows = [(name, frame, one) for name, frame, _, one in made]
    for frame in dict.fromkeys(frame for _, frame, _, _ in made):
        all_of_them = [past for _, other, past, _ in made if other == frame]
        rows.append(("all together", frame, calibrate(all_of_them, test_from_ms=start)))
    if json_:
        told = [{"strategy": name, "timeframe": frame, **one.as_object()} for name, frame, one in rows]
        print(json.dumps({"exchange": exchange, "from": test_from, "calibration": told}, allow_nan=False))
    else:
        _table(rows, exchange)


def _pasts(exchange: str, timeframes: list[str] | None) -> Iterator[tuple[str, str, PastSetups]]:
    from cryptai.market.opening import open_store
    from cryptai.market.timeframe import TIMEFRAMES, Timeframe
    from cryptai.screening.evidence import Evidence
    from cryptai.screening.screen import chosen
    from cryptai.seams import now_ms
    from cryptai.workspace import open_workspace

    workspace = open_workspace(create=False)
    store = open_store(workspace)
    evidence = Evidence(workspace, store, exchange)
    stored = {one.timeframe for one in store.markets(exchange)}
    frames = [Timeframe(name) for name in timeframes] if timeframes else sorted(stored, key=TIMEFRAMES.index)
    for frame in frames:
        for strategy in chosen(workspace.strategies, None, {}):
            yield strategy.name, str(frame), evidence.past(strategy, str(frame), now_ms())


def _table(rows: list[tuple[str, str, Calibration]], exchange: str) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print(f"No candles of {exchange} are stored; see `cryptai data list`.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("strategy", "bars", "fitted", "tested", "error", "chance", "Brier", "told as"):
        left = name in ("strategy", "bars", "told as")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for name, frame, one in rows:
        table.add_row(name, frame, *(_cells(one)))
    Console().print(table)


def _cells(one: Calibration) -> list[str]:
    if one.error is None:
        return ["-", "-", "-", "-", "-", f"rank: only {len(one.past):,}"]
    numbers: list[Any] = [one.error, one.bound, one.brier]
    told = "probability" if one.trusted else "rank"
    return [f"{one.fitted:,}", f"{one.tested:,}", *(f"{value:.3f}" for value in numbers), told]
