"""`cryptai signals calibration`: whether a quality is worth the probability that is read from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptai.cli.options import Exchange, Json, answers_only, refuse_empty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.screening.past import PastSetups

_From = Annotated[
    str | None,
    typer.Option("--from", metavar="DAY", help="Test what would have been told from this day on."),
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
    """Test the confidence of every strategy on past setups it was not fitted on.

    Prints the expected calibration error (the mean distance of forecast and hit rate over ten bins) beside
    the error that chance alone stays below in 95 of 100 cases: up to that, and where that is five points
    or less, a forecast is called a probability. With --from the test is what would have been told of the
    setups since then, month by month, by what could be known at each month's beginning.
    """
    from cryptai.market.times import parse_time

    refuse_empty({"from": test_from, "exchange": exchange})
    start = None if test_from is None else parse_time(test_from, field="from")
    with answers_only():
        asked = list(_pasts(exchange, timeframe))
    made = _curves(asked) if start is None else _told(asked, start)
    if json_:
        print(json.dumps({"exchange": exchange, "from": test_from, "calibration": made}, allow_nan=False))
    else:
        _table(made, exchange)


def _curves(asked: list[tuple[str, str, PastSetups]]) -> list[dict[str, Any]]:
    """Return each strategy's curve, tested on its newest quarter."""
    from cryptai.screening.calibration import calibrate

    found = []
    for name, frame, past in asked:
        one = calibrate([past])
        told = {"strategy": name, "timeframe": frame, "setups": len(one.past), **one.as_object()}
        found.append(told)
    return found


def _told(asked: list[tuple[str, str, PastSetups]], start: int) -> list[dict[str, Any]]:
    """Return how the forecasts since a day did, and how many were told as probabilities; last, of all."""
    from cryptai.screening.calibration import as_told, together

    told = [(name, frame, as_told(past, start)) for name, frame, past in asked]
    told.append(("all together", "", together([one for _, _, one in told])))
    found = []
    for name, frame, one in told:
        error, bound = one.tested() or (None, None)
        said, chance = one.probabilities().tested() or (None, None)
        found.append(
            {
                "strategy": name, "timeframe": frame, "tested": len(one.forecast),
                "expected_calibration_error": error, "bound": bound,
                "mean_forecast": float(one.forecast.mean()) if len(one.forecast) else None,
                "hit_rate": float(one.hits.mean()) if len(one.hits) else None,
                "told": int(one.told.sum()), "told_error": said, "told_bound": chance,
            }
        )  # fmt: skip
    return found


def _pasts(exchange: str, timeframes: list[str] | None) -> Iterator[tuple[str, str, PastSetups]]:
    from cryptai.errors import InputError
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
            try:
                yield strategy.name, str(frame), evidence.past(strategy, str(frame), now_ms())
            except InputError as error:
                # A person's broken file takes no other's row away.
                typer.echo(f"{strategy.name} is left out: {error}", err=True)


def _table(rows: list[dict[str, Any]], exchange: str) -> None:
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print(f"No candles of {exchange} are stored; see `cryptai data list`.")
        return
    table = Table(box=None, pad_edge=False)
    since = "hit_rate" in rows[0]
    figures = ("tested", "error", "chance", *(("forecast", "hits") if since else ("Brier",)))
    for name in ("strategy", "bars", *figures, "probabilities" if since else "told as"):
        table.add_column(name, justify="right" if name in figures else "left", no_wrap=True)
    for one in rows:
        table.add_row(one["strategy"], one["timeframe"], *_cells(one, since=since))
    Console().print(table)


def _cells(one: dict[str, Any], *, since: bool) -> list[str]:
    names = ("expected_calibration_error", "bound", *(("mean_forecast", "hit_rate") if since else ("brier",)))
    said = ["-" if one[name] is None else f"{one[name]:.3f}" for name in names]
    if since:
        error, bound = one["told_error"], one["told_bound"]
        held = "" if error is None else ", they hold" if error <= bound else ", they fail"
        return [f"{one['tested']:,}", *said, f"{one['told']:,}{held}"]
    few = one["expected_calibration_error"] is None
    told = f"rank, of {one['setups']:,}" if few else "probability" if one["trusted"] else "rank"
    return [f"{one['tested']:,}", *said, told]
