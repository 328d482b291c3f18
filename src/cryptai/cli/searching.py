"""How a verb that searches does it: the candles, the work, the progress, and how it ends."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from cryptai.cli.options import answers_only, pairs, refuse_empty
from cryptai.cli.run_options import asked_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.research.explore import Progress, Runner
    from cryptai.research.markets import Markets
    from cryptai.research.plans import Plan, WalkPlan
    from cryptai.trading.request import BacktestRequest
    from cryptai.workspace import Workspace

    Kind = Literal["sweep", "walkforward"]


def searched(
    kind: Kind, own: Mapping[str, Any], options: Mapping[str, Any], show: Callable[[dict[str, Any]], None]
) -> None:
    """Search as the options say (`cryptai.cli.search_options`), and print the object that it makes.

    Where the strategy is a person's own, it is done in a process of its own.
    """
    from cryptai.research.plans import read_sweep, read_walk
    from cryptai.strategies.user import user_files
    from cryptai.workspace import open_workspace

    asked, call = asked_of(options)
    call |= {name: asked.pop(name) for name in ("workers", "cluster")}
    asked |= {**own, "param": pairs(asked["param"] or ())}
    refuse_empty(asked)
    request, plan = read_sweep(asked) if kind == "sweep" else read_walk(asked)
    with answers_only(), _progress() as tell:
        workspace = open_workspace(create=False)
        work = partial(_done, kind, request, plan, call, workspace)
        if request.strategy not in user_files(workspace.strategies) or call["cluster"] is not None:
            told = work(tell)
        else:
            from cryptai.cli.apart import apart

            # The candles are read there, too: a process that has read files with Polars cannot be forked.
            told = apart(work, tell, seconds=call["time_limit"], megabytes=call["memory_limit"])
    if call["json_"]:
        print(json.dumps(told, allow_nan=False))
    else:
        show(told)


def _done(
    kind: Kind,
    request: BacktestRequest,
    plan: Plan | WalkPlan,
    call: Mapping[str, Any],
    workspace: Workspace,
    tell: Callable[[Any], object],
) -> dict[str, Any]:
    from cryptai.research.sweep import sweep
    from cryptai.research.walkforward import walkforward

    candles, exchange, store = candles_of(request, call["candles"] or (), workspace)
    run: Any = sweep if kind == "sweep" else walkforward
    told: dict[str, Any] = run(
        request, plan, candles, workspace, exchange=exchange, store=store, threads=call["workers"],
        runner=_runner(call["cluster"]), progress=tell,
    ).as_object()  # fmt: skip
    return told


def candles_of(
    request: BacktestRequest, files: Sequence[Path], workspace: Workspace
) -> tuple[Markets, str | None, CandleStore | None]:
    """Return the candles that are asked for, and of stored ones the exchange and the store."""
    if files:
        from cryptai.market.files import read_candles

        one = request.symbol if len(files) == 1 else None
        return _one_or_several(
            [read_candles(file, symbol=one, timeframe=request.timeframe) for file in files]
        ), None, None  # fmt: skip
    from cryptai.errors import InputError
    from cryptai.market.opening import open_store

    for name, value in (("symbol", request.markets), ("timeframe", request.timeframe)):
        if not value:
            raise InputError(f"{name} is missing; `cryptai data list` shows what is stored.", field=name)
    store, timeframe = open_store(workspace), str(request.timeframe)
    found = [store.read(request.exchange, one, timeframe, end_ms=request.end_ms) for one in request.markets]
    return _one_or_several(found), request.exchange, store


def _one_or_several(found: list[Candles]) -> Markets:
    return found[0] if len(found) == 1 else found


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
