"""`cryptai verify`: compute a stored run again, and say what differs."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryptai.cli.options import Json, answers_only
from cryptai.cli.runs import Run

if TYPE_CHECKING:
    from cryptai.market.store import CandleStore
    from cryptai.research.verify import Verified
    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.result import Result
    from cryptai.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify", epilog="Example: cryptai verify 5d0dfb0de72ef013")(verify)


def verify(
    run: Run,
    candles: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="The file of candles it ran on, where it was one; repeatable."),
    ] = None,
    then: Annotated[
        bool, typer.Option("--then", help="Do not mind bars that were corrected or added since.")
    ] = False,
    time_limit: Annotated[
        int,
        typer.Option(
            metavar="SECONDS", min=0, max=10**6, help="Stop a strategy of yours that takes longer [60]."
        ),
    ] = 60,
    memory_limit: Annotated[
        int,
        typer.Option(metavar="MB", min=0, max=10**6, help="Stop a strategy of yours that takes more [2048]."),
    ] = 2048,
    json_: Json = False,
) -> None:
    """Compute a stored run again from its candles as they were known then; exit 1 when anything differs.

    Compared are the digests of its files, the engine, the strategy's code, the candles, and trades, equity
    and metrics to the bit. What differs is named, each in a sentence. Bars that were corrected since are a
    difference, too, unless --then is given: the run is what it was, but a run of today would be another.
    """
    from cryptai.cli.limited import within_limits
    from cryptai.market.opening import open_store
    from cryptai.research.runs import find_run
    from cryptai.research.verify import verify as verified
    from cryptai.strategies.user import user_files
    from cryptai.workspace import open_workspace

    workspace = open_workspace(create=False)
    folder = find_run(workspace.runs, run)
    _refuse_other_files(folder, candles or [])

    def again(request: BacktestRequest, store: CandleStore) -> Result:
        if request.strategy in user_files(workspace.strategies):
            work = partial(_run_apart, request, candles or [], getattr(store, "as_of_ms", None), workspace)
            return within_limits(work, time_limit, memory_limit)
        return _run(request, candles or [], store, workspace)

    with answers_only():
        found = verified(
            folder, open_store(workspace), again, strategies=_digests(workspace), revised=not then
        )
    if json_:
        print(json.dumps(found.as_object(), allow_nan=False))
    else:
        print(_said(found))
    if not found.same:
        raise typer.Exit(1)


def _refuse_other_files(folder: Path, files: list[Path]) -> None:
    """Refuse a run on a file without the file, and a run on stored candles with one."""
    from cryptai.errors import InputError
    from cryptai.research.runs import read_manifest

    names = read_manifest(folder)["data"].get("files") or []
    if names and not files:
        raise InputError(f"It ran on {', '.join(names)}; name that with --candles FILE.", field="candles")
    if files and not names:
        raise InputError("It ran on stored candles; leave --candles out.", field="candles")


def _digests(workspace: Workspace) -> dict[str, str]:
    import hashlib

    from cryptai.strategies.user import user_files

    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for name, file in user_files(workspace.strategies).items()
    }


def _run_apart(
    request: BacktestRequest, files: list[Path], as_of_ms: int | None, workspace: Workspace
) -> Result:
    """Run it in a process that opens the store for itself: none goes from one to another."""
    from cryptai.market.opening import open_store
    from cryptai.research.verify import StoreThen

    store = open_store(workspace)
    return _run(request, files, store if as_of_ms is None else StoreThen(store, as_of_ms), workspace)


def _run(request: BacktestRequest, files: list[Path], store: CandleStore, workspace: Workspace) -> Result:
    from cryptai.trading.run import run_on, run_request

    if not files:
        return run_request(request, store, workspace.strategies)
    from cryptai.market.files import read_candles

    one = request.symbol if len(files) == 1 else None
    found = [read_candles(file, symbol=one, timeframe=request.timeframe) for file in files]
    return run_on(request, found if len(found) > 1 else found[0], workspace.strategies)


def _said(found: Verified) -> str:
    lines = [f"The run {found.run} {'is the same, to the bit' if found.same else 'differs'}."]
    lines += [f"  {one.what:<14}{one.said}" for one in found.differences]
    lines += [f"  note          {one}" for one in found.notes]
    return "\n".join(lines)
