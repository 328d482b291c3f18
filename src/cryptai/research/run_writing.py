"""A run is written: every file of its folder, on the disk, whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptai.analytics.export import FULL_EQUITY, equity_csv, trades_csv
from cryptai.analytics.page import page
from cryptai.analytics.report import report
from cryptai.errors import InputError, WorkspaceError
from cryptai.folders import make_folder, sync_folder
from cryptai.market.durable import sync_file
from cryptai.market.times import iso
from cryptai.research.identity import code_digest, digests, versions
from cryptai.research.runs import FILES, FORMAT, MANIFEST, changed_files, read_manifest
from cryptai.seams import new_id, now_ms
from cryptai.strategies.user import user_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.trading.request import BacktestRequest
    from cryptai.trading.result import Result
    from cryptai.workspace import Workspace

# A draft that nobody finished within a day is nobody's.
_STALE_MS: Final = 86_400_000
# What a manifest does not repeat of a run's object: it has files of its own, or another name.
_ELSEWHERE: Final = {"metrics", "trades", "evidence", "data_digest", "source_digest", "seed"}


@dataclass(frozen=True)
class Kept:
    """Where a run lies; `new` says whether it was written now.

    `differs` is a sentence where another run lies under the same id: then nothing was written.
    """

    folder: Path
    new: bool
    differs: str | None = None


def write_run(
    found: Mapping[str, Any],
    ts: NDArray[np.int64],
    equity: NDArray[np.float64],
    folder: Path,
    *,
    markets: Mapping[str, Candles] | None = None,
    request: Mapping[str, Any] | None = None,
    evidence: Mapping[str, Any] | None = None,
    as_of_ms: int | None = None,
    files: Sequence[Path] = (),
    strategy_file: Path | None = None,
) -> Kept:
    """Write a run into `folder`, which is new, or holds no run yet; on the disk when this returns.

    Where the folder holds the same run, nothing is written. Where it holds another one, which only changed
    code or a changed file can bring about, nothing is written either and `differs` says so.

    Parameters
    ----------
    found
        The object that `backtest --json` prints, with or without its evidence.
    ts, equity
        Bar opens (ms UTC) and the equity at each close.
    markets
        The candles of each symbol, those that only warmed included.
    request
        The options by name (`BacktestRequest.as_options()`), from which `cryptai verify` runs it again.
    evidence
        What was said of it then; `found["evidence"]` where it is not given.
    as_of_ms
        A moment not later than the reading of the candles: with it the store gives the same bars again.
    files
        The files of candles, where they came from files.
    strategy_file
        The user's own strategy.
    """
    evidence = found.get("evidence") if evidence is None else evidence
    told = digests(found, ts, equity)
    kept = _compared(folder, str(found["run"]), told)
    if kept is not None:
        return kept
    make_folder(folder.parent)
    _sweep(folder.parent)
    draft = folder.with_name(f"{folder.name}.{new_id()}.tmp")
    draft.mkdir()
    try:
        made = report(found, ts, equity, markets)
        texts = {
            "metrics.json": _json(found["metrics"]),
            "trades.csv": trades_csv(found["trades"], str(found["symbol"])),
            "equity.csv": equity_csv(made),
            "report.json": _json(made.as_object(), indent=None),
            "report.html": page(made, evidence),
        }
        if strategy_file is not None:
            texts["strategy.py"] = strategy_file.read_text(encoding="utf-8", errors="replace")
        written = {}
        for name, text in texts.items():
            content = text.encode()
            (draft / name).write_bytes(content)
            written[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        source = {"as_of_ms": as_of_ms, "files": [one.name for one in files]}
        manifest = _manifest(found, request, evidence, source, markets) | {
            "digests": told,
            "equity_rows": "bar" if len(ts) <= FULL_EQUITY else "hour",
            "files": written,
        }
        (draft / MANIFEST).write_text(_json(manifest))
        for one in draft.iterdir():
            sync_file(one)
        sync_folder(draft)
        if _place(draft, folder):
            return Kept(folder, new=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    # Another process made the same run meanwhile: its folder stays.
    return _compared(folder, str(found["run"]), told) or Kept(folder, new=False)


def keep_run(
    result: Result, found: Mapping[str, Any], workspace: Workspace, request: BacktestRequest, *,
    as_of_ms: int | None = None, files: Sequence[Path] = (),
) -> Kept | None:  # fmt: skip
    """Write a run of the command into the workspace's `runs/`; None where there is no workspace.

    `found` is `result.as_object()`, with its evidence where there is one; the others as `write_run` has them.
    """
    if not (workspace.root / "version").is_file():
        return None
    return write_run(
        found, result.ts, result.equity, workspace.runs / str(found["run"]),
        markets=markets_of(result), request=request.as_options(), as_of_ms=as_of_ms, files=files,
        strategy_file=user_files(workspace.strategies).get(request.strategy),
    )  # fmt: skip


def markets_of(result: Result) -> dict[str, Candles]:
    """Return the candles of each market of a run, those that only warmed included."""
    return {one.candles.symbol: one.candles for one in result.markets}


def _manifest(
    found: Mapping[str, Any], request: Mapping[str, Any] | None, evidence: Mapping[str, Any] | None,
    source: Mapping[str, Any], markets: Mapping[str, Candles] | None,
) -> dict[str, Any]:  # fmt: skip
    series = [
        {
            "symbol": symbol, "timeframe": str(candles.timeframe), "bars": len(candles),
            "from": iso(int(candles.ts[0])), "to": iso(int(candles.ts[-1])), "digest": candles.digest,
        }
        for symbol, candles in (markets or {}).items() if len(candles)
    ]  # fmt: skip
    now = now_ms()
    return {
        "format": FORMAT,
        "run": found["run"],
        "engine": found["engine"],
        "made_at": iso(now),
        "made_at_ms": now,
        **{name: value for name, value in found.items() if name not in _ELSEWHERE},
        # A backtest draws nothing by chance; what does names its seed among its parameters.
        "seed": found.get("seed"),
        # All parameters as they were: a default that is changed later must not change what is run again.
        "request": None if request is None else {**request, "param": dict(found["params"])},
        "data": {
            "exchange": found.get("exchange"),
            "digest": found["data_digest"],
            **source,
            "series": series,
        },
        "code": {"strategy": found.get("source_digest"), "cryptai": code_digest()},
        "trials": None if evidence is None else evidence.get("trials"),
        "evidence": None if evidence is None else dict(evidence),
        "versions": versions(),
    }


def _compared(folder: Path, run: str, told: Mapping[str, str]) -> Kept | None:
    if not (folder / MANIFEST).is_file():
        return None
    try:
        manifest = read_manifest(folder)
        same = manifest["run"] == run and manifest["digests"] == dict(told)
        damaged = changed_files(folder, manifest)
    except InputError:
        same, damaged = False, [MANIFEST]
    if same and not damaged:
        return Kept(folder, new=False)
    what = f"{', '.join(damaged)} changed since it was written" if damaged else "its numbers are other ones"
    return Kept(
        folder, new=False,
        differs=f"The run {folder.name} is stored already, but {what}; nothing was written. Move "
        f"{folder} away to keep this one, or ask `cryptai verify {folder.name}`.",
    )  # fmt: skip


def _place(draft: Path, folder: Path) -> bool:
    """Give the draft its name, and say whether that was done: another process may have been quicker."""
    if not folder.exists():
        try:
            draft.rename(folder)
        except OSError as error:
            if not folder.is_dir():
                raise WorkspaceError(f"{folder} cannot be made ({error.strerror}).") from error
        else:
            sync_folder(folder.parent)
            return True
    if (folder / MANIFEST).is_file():
        return False
    # A folder that the platform made for a run of its own: the files come beside its own, the manifest last.
    for name in (*FILES[1:], MANIFEST):
        if (draft / name).exists():
            (draft / name).replace(folder / name)
    sync_folder(folder)
    return True


def _sweep(runs: Path) -> None:
    for draft in runs.glob("*.tmp"):
        try:
            stale = now_ms() - draft.stat().st_mtime_ns // 1_000_000 > _STALE_MS
        except FileNotFoundError:
            continue
        if stale and draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)


def _json(value: Any, indent: int | None = 1) -> str:
    return json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False) + "\n"
