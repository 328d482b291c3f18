"""The revisions of a market as its catalog keeps them: one row a write, or one row a bundle of small writes.

A market followed minute by minute is written to half a million times a year. Some hundred small writes that
follow each other become one row then, which keeps each of them apart in `members`: what one write brought,
from where and when stays known, and what stood between two of them can be read.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from cryptai.market.bits import BAR_BYTES, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.market.timeframe import Timeframe

# Writes of more bars than this stay rows of their own.
SMALL_BARS: Final = 64

_NONE: Final = -(2**63)
_MEMBER: Final = np.dtype(
    [
        ("id", "<i8"),
        ("bars", "<i4"),
        ("source", "<i2"),
        ("fetched", "<i8"),
        ("written", "<i8"),
        ("ended", "<i8"),
    ]
)
_ALL: Final = (
    "SELECT id, first_ts, last_ts, bars, digest, source, fetched_at_ms, written_at_ms, superseded_at_ms, "
    "spans, members, data"
)
# All widths of a revision by the length of their binary number: of each only those near enough are looked at.
_REACHES: Final = ", ".join(f"({reach}, {1 << reach})" for reach in range(45))
_NEAR: Final = (
    f"FROM (VALUES {_REACHES}) AS r CROSS JOIN revision "
    "WHERE market = ? AND reach = r.column1 AND first_ts > ? - r.column2 AND first_ts <= ? AND last_ts >= ?"
)


class Database(Protocol):
    """A connection to the catalog's database: statements with `?`, as DB-API has them."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Any:
        """Run a statement; what is returned has `fetchall` and `description`."""

    def executemany(self, statement: str, values: Sequence[Sequence[Any]], /) -> Any:
        """Run a statement once for each row of values."""


class Revision(NamedTuple):
    """What one write changed in a market: which bars, their digest, where they came from, and when.

    `digest` is that of the added and corrected bars alone. `source` and `fetched_at_ms` are None where the
    writer did not tell. `superseded_at_ms` is when the first of its bars was corrected; None while all stand.
    """

    id: int
    first_ts: int
    last_ts: int
    bars: int
    digest: str
    source: str | None
    fetched_at_ms: int | None
    written_at_ms: int
    superseded_at_ms: int | None


def revisions(
    db: Database,
    market: int,
    symbol: str,
    timeframe: Timeframe,
    ts: int | None = None,
    end_ms: int | None = None,
) -> list[Revision]:
    """Return every write that changed a market, the first one first; with `ts`, those of that bar.

    With `end_ms` those of all bars that open in `[ts, end_ms)`.
    """
    last = ts if ts is None or end_ms is None else end_ms - 1
    if ts is None:
        rows = db.execute(f"{_ALL} FROM revision WHERE market = ? ORDER BY id", (market,)).fetchall()
    else:
        rows = sorted(db.execute(f"{_ALL} {_NEAR}", (market, ts, last, ts)).fetchall())
    at = None if ts is None else np.arange(ts, ts + 1 if end_ms is None else end_ms, timeframe.ms)
    found = []
    for *told, spans, members, data in rows:
        if at is not None and not holds(told[1], told[2], spans, at):
            continue
        if members is None:
            found.append(Revision(*told))
        else:
            found += [
                one
                for one, bars in _apart(members, data, symbol, timeframe)
                if at is None or holds(one.first_ts, one.last_ts, spans_of(bars), at)
            ]
    return found


def tail_between(db: Database, market: int, start_ms: int, end_ms: int) -> list[bytes]:
    """Return the packs of the tail that reach into `[start_ms, end_ms)`, in the order of their writing."""
    rows = db.execute(
        f"SELECT data {_NEAR} AND folded_at_ms IS NULL ORDER BY id",
        (market, start_ms, end_ms - 1, start_ms),
    ).fetchall()
    return [row[0] for row in rows]


def supersede(
    db: Database, market: int, symbol: str, timeframe: Timeframe, ts: NDArray[np.int64], now: int
) -> None:
    """Note that these bars were corrected: the revisions that brought them stand no longer as they came."""
    rows = db.execute(
        f"SELECT id, first_ts, last_ts, spans, members, data {_NEAR} AND superseded_at_ms IS NULL",
        (market, int(ts[0]), int(ts[-1]), int(ts[0])),
    ).fetchall()
    for key, first, last, spans, members, data in rows:
        if not holds(first, last, spans, ts):
            continue
        if members is None:
            db.execute("UPDATE revision SET superseded_at_ms = ? WHERE id = ?", (now, key))
            continue
        each, sources = _opened(members)
        for i, (one, bars) in enumerate(_apart(members, data, symbol, timeframe)):
            if each["ended"][i] == _NONE and holds(one.first_ts, one.last_ts, spans_of(bars), ts):
                each["ended"][i] = now
        ended = None if (each["ended"] == _NONE).any() else now
        db.execute(
            "UPDATE revision SET members = ?, superseded_at_ms = ? WHERE id = ?",
            (_closed(each, sources), ended, key),
        )


def bundle(
    db: Database, market: int, symbol: str, timeframe: Timeframe, folded_at_ms: int | None = None
) -> int:
    """Make one row of each run of small writes in the tail, or in what was folded at a time.

    Return how many rows fewer there are.
    """
    folded = "folded_at_ms IS NULL" if folded_at_ms is None else "folded_at_ms = ?"
    rows = db.execute(
        "SELECT id, bars, source, fetched_at_ms, written_at_ms, superseded_at_ms, data FROM revision "  # noqa: S608
        f"WHERE market = ? AND {folded} AND members IS NULL AND data IS NOT NULL ORDER BY id",
        (market,) if folded_at_ms is None else (market, folded_at_ms),
    ).fetchall()
    fewer, run = 0, []
    for row in [*rows, None]:
        # What lies between must stay between: the later write of a bar counts.
        if row is not None and row[1] <= SMALL_BARS:
            run.append(row)
            continue
        if len(run) > 1:
            _join(db, market, folded_at_ms, run, unpack([one[-1] for one in run], symbol, timeframe))
            fewer += len(run) - 1
        run = []
    return fewer


def _join(
    db: Database, market: int, folded_at_ms: int | None, run: Sequence[Sequence[Any]], bars: Candles
) -> None:
    sources = sorted({row[2] for row in run if row[2] is not None})
    places = {source: i for i, source in enumerate(sources)} | {None: -1}
    each = np.array(
        [
            (key, n, places[source], *(_NONE if time is None else time for time in (fetched, written, ended)))
            for key, n, source, fetched, written, ended, _ in run
        ],
        _MEMBER,
    )
    db.executemany("DELETE FROM revision WHERE id = ?", [(row[0],) for row in run])
    ended = None if (each["ended"] == _NONE).any() else int(each["ended"].max())
    first, last = int(bars.ts[0]), int(bars.ts[-1])
    row = (
        run[-1][0], market, first, last, reach(first, last), int(each["bars"].sum()), "",
        int(each["written"][0]), int(each["written"][-1]), ended, folded_at_ms, spans_of(bars),
        _closed(each, sources), b"".join(row[-1] for row in run),
    )  # fmt: skip
    db.execute(
        "INSERT INTO revision (id, market, first_ts, last_ts, reach, bars, digest, since_ms, written_at_ms, "
        "superseded_at_ms, folded_at_ms, spans, members, data) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )


def known_by(members: bytes, data: bytes, moment: int) -> bytes:
    """Return the bars of a bundle that were written by a moment."""
    each, _ = _opened(members)
    # They were written in this order, and no clock set back reorders them.
    count = int(np.searchsorted(each["written"], moment, "right"))
    return data[: int(each["bars"][:count].sum()) * BAR_BYTES]


def _apart(
    members: bytes, data: bytes, symbol: str, timeframe: Timeframe
) -> Iterator[tuple[Revision, Candles]]:
    each, sources = _opened(members)
    start = 0
    for one in each:
        end = start + int(one["bars"]) * BAR_BYTES
        bars = unpack([data[start:end]], symbol, timeframe)
        source = sources[one["source"]] if one["source"] >= 0 else None
        fetched, ended = (None if one[name] == _NONE else int(one[name]) for name in ("fetched", "ended"))
        yield (
            Revision(
                int(one["id"]), int(bars.ts[0]), int(bars.ts[-1]), len(bars), bars.digest, source, fetched,
                int(one["written"]), ended,
            ),
            bars,
        )  # fmt: skip
        start = end


def _closed(each: NDArray[Any], sources: Sequence[str]) -> bytes:
    told = json.dumps(sources).encode()
    return zlib.compress(len(told).to_bytes(4, "little") + told + each.tobytes(), 1)


def _opened(members: bytes) -> tuple[NDArray[Any], list[str]]:
    plain = zlib.decompress(members)
    start = 4 + int.from_bytes(plain[:4], "little")
    return np.frombuffer(plain, _MEMBER, offset=start).copy(), json.loads(plain[4:start])


def reach(first_ts: int, last_ts: int) -> int:
    """Return the length of the binary number of a revision's width in ms; one bar alone has 0."""
    return (last_ts - first_ts).bit_length()


def spans_of(candles: Candles) -> bytes | None:
    """Return the runs of bars without a hole, as pairs of times; None where all of it is one run."""
    ts, step = candles.ts, candles.timeframe.ms
    if (ts[-1] - ts[0]) // step + 1 == len(ts):
        return None
    breaks = np.flatnonzero(np.diff(ts) != step)
    return np.stack([ts[np.r_[0, breaks + 1]], ts[np.r_[breaks, -1]]], axis=1).astype("<i8").tobytes()


def holds(first: int, last: int, spans: bytes | None, ts: NDArray[np.int64]) -> bool:
    """Whether any of these times (sorted) is that of a bar of the revision."""
    runs = np.array([[first, last]]) if spans is None else np.frombuffer(spans, "<i8").reshape(-1, 2)
    return bool(np.any(np.searchsorted(ts, runs[:, 0]) < np.searchsorted(ts, runs[:, 1], "right")))
