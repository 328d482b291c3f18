"""What the verbs that search share: the candles, the progress, and how a search ends."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from cryptai.cli.options import answers_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.research.explore import Progress, Runner
    from cryptai.trading.request import BacktestRequest
    from cryptai.workspace import Workspace

    Work: TypeAlias = Callable[[Candles, str | None, Workspace, dict[str, Any]], Any]

Params = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUES",
        help="A parameter's values: from:to:step (both ends included), a,b,c or one; repeatable.",
    ),
]
Method = Annotated[str, typer.Option(metavar="NAME", help="grid, random or tpe (Optuna).")]
Trials = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="Sets of a random or guided search [200].")
]
Seed = Annotated[str, typer.Option(metavar="NUMBER", help="Of what is drawn at random.")]
Objective = Annotated[
    str, typer.Option(metavar="NAME", help="The metric to choose by, such as total_return or calmar_ratio.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Sets run at a time [as many as there are cores].")
]
Cluster = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Run the sets on this Ray cluster: host:port, or auto."),
]
TargetSteps = Annotated[
    str | None,
    typer.Option(
        metavar="STEPS",
        rich_help_panel="Orders and exits",
        help="Targets by bars held, such as 0:0.15,48:0.05, in place of target.",
    ),
]
Fill = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN",
        rich_help_panel="Orders and exits",
        help="Market orders fill at the next open, or at the close that decides [open].",
    ),
]
_KNOWN = "From the workspace"
Funding = Annotated[
    bool, typer.Option("--funding", rich_help_panel=_KNOWN, help="Pay the stored funding of perpetuals.")
]
Filters = Annotated[
    bool,
    typer.Option(
        "--filters", rich_help_panel=_KNOWN, help="Round to the venue's steps and obey its minimums."
    ),
]
Finer = Annotated[
    bool,
    typer.Option("--finer", rich_help_panel=_KNOWN, help="Take the path inside a bar from finer candles."),
]
File = Annotated[Path | None, typer.Option("--candles", metavar="FILE", help="Use this CSV or Parquet file.")]
TimeLimit = Annotated[
    int,
    typer.Option(
        metavar="SECONDS",
        min=0,
        max=10**6,
        help="Stop a strategy of yours that takes longer for a set; 0 is no limit.",
    ),
]
MemoryLimit = Annotated[
    int,
    typer.Option(
        metavar="MB", min=0, max=10**6, help="Stop a strategy of yours that takes more memory; 0 is no limit."
    ),
]


def searched(
    work: Work,
    request: BacktestRequest,
    file: Path | None,
    *,
    workers: int | None,
    cluster: str | None,
    time_limit: int,
    memory_limit: int,
) -> dict[str, Any]:
    """Read the candles, do the work, and return the object it makes.

    `work` takes candles, their exchange, the workspace, and the options `threads`, `runner`, `store` and
    `progress` of a search. Where the strategy is a person's own, it is done in a process of its own; so it
    must be picklable.
    """
    from cryptai.strategies.user import user_files
    from cryptai.workspace import open_workspace

    with answers_only(), _progress() as show:
        workspace = open_workspace(create=False)
        done = partial(_done, work, request, file, workspace, workers, cluster)
        if request.strategy not in user_files(workspace.strategies) or cluster is not None:
            return done(show)
        from cryptai.cli.apart import apart

        # The candles are read there, too: a process that has read files with Polars cannot be forked.
        found: dict[str, Any] = apart(done, show, seconds=time_limit, megabytes=memory_limit)
        return found


def _done(
    work: Work,
    request: BacktestRequest,
    file: Path | None,
    workspace: Workspace,
    workers: int | None,
    cluster: str | None,
    tell: Callable[[Any], object],
) -> dict[str, Any]:
    candles, exchange, store = candles_of(request, file, workspace)
    options = {"threads": workers, "runner": _runner(cluster), "store": store, "progress": tell}
    told: dict[str, Any] = work(candles, exchange, workspace, options).as_object()
    return told


def candles_of(
    request: BacktestRequest, file: Path | None, workspace: Workspace
) -> tuple[Candles, str | None, CandleStore | None]:
    """Return the candles that are asked for, and of stored ones the exchange and the store."""
    if file is not None:
        from cryptai.market.files import read_candles

        return read_candles(file, symbol=request.symbol, timeframe=request.timeframe), None, None
    from cryptai.errors import InputError
    from cryptai.market.opening import open_store

    for name in ("symbol", "timeframe"):
        if getattr(request, name) is None:
            raise InputError(f"{name} is missing; `cryptai data list` shows what is stored.", field=name)
    store = open_store(workspace)
    symbol, timeframe = str(request.symbol), str(request.timeframe)
    found = store.read(request.exchange, symbol, timeframe, end_ms=request.end_ms)
    return found, request.exchange, store


def _runner(cluster: str | None) -> Runner | None:
    if cluster is None:
        return None
    from cryptai.research.cluster import on_cluster

    return on_cluster(cluster)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Show how far it is, on a terminal; say what is kept when it is stopped by Ctrl-C."""
    last: list[Progress] = []
    shows = sys.stderr.isatty()

    def show(news: Progress) -> None:
        last[:] = [news]
        if shows:
            sys.stderr.write(f"\r\x1b[K{_line(news)}")
            sys.stderr.flush()

    try:
        yield show
    except KeyboardInterrupt:
        if last:
            kept = (
                f"{last[0].done:,} of {last[0].total:,} sets are kept; the same command goes on from there."
            )
            sys.stderr.write(f"\r\x1b[K{kept}\n" if shows else f"{kept}\n")
        raise
    if shows:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _line(news: Progress) -> str:
    best = ""
    if news.best is not None and news.value is not None:
        params = " ".join(f"{name}={value}" for name, value in news.best.items())
        best = f", best so far {news.value:.4g} at {params}"
    return f"{news.done:,} of {news.total:,} sets{best} …"
