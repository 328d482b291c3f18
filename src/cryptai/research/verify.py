"""`verify`: compute a stored run again from what it was made of, and name what differs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics.export import read_trades
from cryptai.errors import CryptaiError, DataError, InputError
from cryptai.market.store import CandleStore
from cryptai.market.times import iso, parse_time
from cryptai.research.identity import code_digest, digest_of, digests, versions
from cryptai.research.runs import changed_files, read_manifest
from cryptai.trading.request import BacktestRequest
from cryptai.trading.result import ENGINE_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.trading.result import Result

DIFFERENCES: Final = ("files", "engine", "code", "data", "configuration", "numbers")
"""What can differ: in the order in which one explains the next."""
# Of a manifest: what is compared by itself, or may be another each time.
_OUTSIDE: Final = {
    "format", "run", "engine", "made_at", "made_at_ms", "seed", "request", "data", "code", "trials",
    "evidence", "versions", "digests", "equity_rows", "files", "metrics", "trades", "data_digest",
    "source_digest",
}  # fmt: skip
_OUTCOMES: Final = {"bars", "from", "to", "refused", "undecided", "held_through_holes"}
_LONGEST: Final = 200
# Writes between the moment noted and the end of the run; a market that is followed has a few.
_MOST_MOMENTS: Final = 200


@dataclass(frozen=True)
class Difference:
    """One thing that differs: a word of `DIFFERENCES`, and a sentence with both values."""

    what: str
    said: str


@dataclass(frozen=True)
class Verified:
    """What came of it.

    Attributes
    ----------
    differences
        Empty where the run is what it was: its files, its data, and every number to the bit.
    notes
        Sentences on what is other than then and changed nothing.
    digests
        Those of the numbers computed now; None where it could not be run.
    """

    run: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    digests: Mapping[str, str] | None

    @property
    def same(self) -> bool:
        """Say whether nothing differs."""
        return not self.differences

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            "run": self.run,
            "same": self.same,
            "differences": [{"what": one.what, "said": one.said} for one in self.differences],
            "notes": list(self.notes),
            "digests": None if self.digests is None else dict(self.digests),
        }


class StoreThen(CandleStore):
    """A candle store as it stood at a moment: every read of bars is as of then."""

    def __init__(self, store: CandleStore, as_of_ms: int) -> None:
        self.__dict__.update(store.__dict__)
        self.as_of_ms = as_of_ms

    def read(
        self, exchange: str, symbol: str, timeframe: str, *, as_of_ms: int | None = None, **options: Any
    ) -> Candles:
        """Return bars as of the moment, or as of an earlier one that is asked for."""
        moment = self.as_of_ms if as_of_ms is None else min(as_of_ms, self.as_of_ms)
        return super().read(exchange, symbol, timeframe, as_of_ms=moment, **options)


def verify(
    folder: Path,
    store: CandleStore,
    run: Callable[[BacktestRequest, CandleStore], Result],
    *,
    strategies: Mapping[str, str] | None = None,
    revised: bool = True,
) -> Verified:
    """Compute a run again and compare it: files, engine, code, data, and each number to the bit.

    It runs on the bars as the store knew them then (`StoreThen`).

    Parameters
    ----------
    run
        Runs a request on a store.
    strategies
        SHA-256 of each of the user's strategy files by name.
    revised
        Whether bars that were corrected or added since are a difference, too, where the bars of then give
        the same numbers.

    Raises
    ------
    InputError
        If the folder holds no run that can be read, or one that names no request.
    """
    manifest = read_manifest(folder)
    if not manifest.get("request"):
        raise InputError(
            f"The run {folder.name} names no request: only `cryptai backtest` and the platform write down "
            "how to run it again.",
            field="run",
        )
    request = BacktestRequest.parse(manifest["request"])
    found = [*_of_files(folder, manifest), *_of_code(manifest, strategies or {})]
    notes = list(_of_versions(manifest))
    told, moment = None, None
    try:
        result, moment = _again(manifest, request, store, run)
    except CryptaiError as error:
        what = "data" if isinstance(error, DataError) else "configuration"
        found.append(Difference(what, f"It cannot be run again: {error}"))
    else:
        object_ = result.as_object()
        told = digests(object_, result.ts, result.equity)
        found += _of_result(folder, manifest, object_, told)
    if revised and moment is not None and not any(one.what == "data" for one in found):
        found += _since(manifest, store, moment)
    order = {name: i for i, name in enumerate(DIFFERENCES)}
    return Verified(
        manifest["run"], tuple(sorted(found, key=lambda one: order[one.what])), tuple(notes), told
    )


def _of_files(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Difference]:
    for name in changed_files(folder, manifest):
        gone = "is not there any more" if not (folder / name).is_file() else "is not what was written"
        yield Difference("files", f"{name} {gone}: its digest was {manifest['files'][name]['sha256'][:16]}…")


def _of_code(manifest: Mapping[str, Any], strategies: Mapping[str, str]) -> Iterator[Difference]:
    if manifest["engine"] != ENGINE_VERSION:
        yield Difference(
            "engine",
            f"It ran on engine {manifest['engine']}, and this is engine {ENGINE_VERSION}: the same orders "
            "may fill otherwise.",
        )
    was, name = manifest["code"].get("strategy"), manifest["strategy"]
    now = strategies.get(name)
    if was is not None and now is None:
        yield Difference("code", f"The strategy's file {name}.py is not in the workspace any more.")
    elif was != now:
        before = "a built-in strategy" if was is None else f"a file of digest {was[:16]}…"
        yield Difference(
            "code", f"The strategy {name} was {before}, and is {now and now[:16]}… now: its code was changed."
        )


def _of_versions(manifest: Mapping[str, Any]) -> Iterator[str]:
    if manifest["code"].get("cryptai") != code_digest():
        yield "CryptAI's own code was changed since."
    now = versions()
    others = [
        f"{name} {was} (now {now.get(name, 'none')})"
        for name, was in manifest.get("versions", {}).items()
        if now.get(name) != was
    ]
    if others:
        yield f"It was computed with {', '.join(others)}."


def _again(
    manifest: Mapping[str, Any], request: BacktestRequest, store: CandleStore,
    run: Callable[[BacktestRequest, CandleStore], Result],
) -> tuple[Result, int | None]:  # fmt: skip
    """Return the result on the bars of then, and the moment at which the store knew these."""
    moment = manifest["data"].get("as_of_ms")
    if moment is None:
        return run(request, store), None
    made = run(request, StoreThen(store, moment))
    if made.data_digest == manifest["data"]["digest"]:
        return made, moment
    # The moment was noted before the bars were read: what was written in between may have been read, too.
    for later in _moments(manifest, store, moment):
        again = run(request, StoreThen(store, later))
        if again.data_digest == manifest["data"]["digest"]:
            return again, later
    return made, moment


def _moments(manifest: Mapping[str, Any], store: CandleStore, moment: int) -> list[int]:
    data, found = manifest["data"], set()
    for one in data["series"]:
        for revision in store.revisions(data["exchange"], one["symbol"], one["timeframe"]):
            if moment < revision.written_at_ms <= manifest["made_at_ms"]:
                found.add(revision.written_at_ms)
    return sorted(found)[:_MOST_MOMENTS]


def _of_result(
    folder: Path, manifest: Mapping[str, Any], found: Mapping[str, Any], told: Mapping[str, str]
) -> Iterator[Difference]:
    data = manifest["data"]
    if found["data_digest"] != data["digest"]:
        yield Difference(
            "data",
            f"The candles are other ones: their digest was {data['digest'][:16]}… and is "
            f"{found['data_digest'][:16]}… as of the same moment. They were changed outside the store, or "
            "come from another workspace.",
        )
    for name in sorted({*manifest, *found} - _OUTSIDE):
        if digest_of(manifest.get(name)) != digest_of(found.get(name)):
            yield Difference(
                "numbers" if name in _OUTCOMES else "data" if name == "markets" else "configuration",
                f"{name} was {_short(manifest.get(name))}, and is {_short(found.get(name))} now.",
            )
    for name in ("trades", "equity", "metrics"):
        if told[name] != manifest["digests"][name]:
            yield Difference("numbers", _said(name, folder, found))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _said(name: str, folder: Path, found: Mapping[str, Any]) -> str:
    """Return the first difference of a kind, as far as the stored files can tell it."""
    try:
        if name == "metrics":
            was = json.loads((folder / "metrics.json").read_bytes())
            now = found["metrics"]
            first = next(key for key in [*was, *now] if was.get(key) != now.get(key))
            return f"The metric {first} was {was.get(first)!r} and is {now.get(first)!r}."
        if name == "trades":
            kept = read_trades((folder / "trades.csv").read_text(encoding="utf-8"))
            if len(kept) != len(found["trades"]):
                return f"There were {len(kept):,} trades, and there are {len(found['trades']):,}."
            for number, (old, new) in enumerate(zip(kept, found["trades"], strict=True), start=1):
                for field, value in new.items():
                    if old.get(field) != value:
                        return f"Trade {number:,}: {field} was {old.get(field)!r} and is {value!r}."
    except (OSError, ValueError, StopIteration):
        pass
    return f"The {name} are other ones than were written down."


def _since(manifest: Mapping[str, Any], store: CandleStore, moment: int) -> Iterator[Difference]:
    """Compare the bars of then with those the store has for the same time today."""
    data = manifest["data"]
    for one in data["series"]:
        market = (data["exchange"], one["symbol"], one["timeframe"])
        start, end = parse_time(one["from"]), parse_time(one["to"]) + 1
        then = store.read(*market, start_ms=start, end_ms=end, as_of_ms=moment)
        now = store.read(*market, start_ms=start, end_ms=end)
        if now.digest != then.digest:
            yield Difference("data", f"{one['symbol']} {one['timeframe']}: {_revised(then, now)}")


def _revised(then: Candles, now: Candles) -> str:
    shared, old, new = np.intersect1d(then.ts, now.ts, return_indices=True)
    columns = ("open", "high", "low", "close", "volume")
    other = np.zeros(len(shared), np.bool_)
    for name in columns:
        other |= getattr(then, name)[old] != getattr(now, name)[new]
    added, gone = len(now.ts) - len(shared), len(then.ts) - len(shared)
    told = []
    if other.any():
        row = int(np.flatnonzero(other)[0])
        name = next(n for n in columns if getattr(then, n)[old[row]] != getattr(now, n)[new[row]])
        was, is_ = float(getattr(then, name)[old[row]]), float(getattr(now, name)[new[row]])
        told.append(
            f"{int(other.sum()):,} bars were corrected since, the first one at {iso(int(shared[row]))} "
            f"({name} was {was!r}, is {is_!r})"
        )
    if added:
        told.append(f"{added:,} bars were added in between")
    if gone:
        told.append(f"{gone:,} bars are gone")
    return f"{' and '.join(told)}; a run of today sees those."
