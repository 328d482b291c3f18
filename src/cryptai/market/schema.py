"""The catalog's tables, as numbered steps from an empty file to the newest version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.market.bits import pack
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.revisions import reach
from cryptai.seams import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.market.revisions import Database

_FIRST: Final = (
    """CREATE TABLE segment (
        id INTEGER PRIMARY KEY,
        exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL, partition TEXT NOT NULL,
        digest TEXT NOT NULL, rows INTEGER NOT NULL, first_ts INTEGER NOT NULL, last_ts INTEGER NOT NULL,
        written_at_ms INTEGER NOT NULL, superseded_at_ms INTEGER
    )""",
    # One truth a partition; what it superseded stays beside it.
    """CREATE UNIQUE INDEX segment_current ON segment (exchange, symbol, timeframe, partition)
        WHERE superseded_at_ms IS NULL""",
    """CREATE TABLE tail (
        exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL, ts INTEGER NOT NULL,
        open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
        volume REAL NOT NULL,
        PRIMARY KEY (exchange, symbol, timeframe, ts)
    ) WITHOUT ROWID""",
)


def _tails_become_revisions(db: Database) -> None:
    # Where the old bars came from was not kept: their source and fetch stay unknown. When a tail was written
    # was not kept either: it counts as known from now on.
    now = now_ms()
    markets = db.execute(
        "SELECT exchange, symbol, timeframe FROM segment UNION SELECT exchange, symbol, timeframe FROM tail"
    ).fetchall()
    for market in markets:
        one = "exchange = ? AND symbol = ? AND timeframe = ?"
        bars = db.execute(
            f"SELECT ts, open, high, low, close, volume FROM tail WHERE {one} ORDER BY ts",  # noqa: S608
            market,
        ).fetchall()
        (last,) = db.execute(f"SELECT max(last_ts) FROM segment WHERE {one}", market).fetchone()  # noqa: S608
        (key,) = db.execute(
            "INSERT INTO market (exchange, symbol, timeframe, last_ts, changed_at_ms, tail_rows, tail_bars) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (*market, bars[-1][0] if bars else last, now, int(bool(bars)), len(bars)),
        ).fetchone()
        db.execute(
            "INSERT INTO revision (market, first_ts, last_ts, bars, digest, written_at_ms, "  # noqa: S608
            "superseded_at_ms, folded_at_ms) SELECT ?, first_ts, last_ts, rows, digest, written_at_ms, "
            f"superseded_at_ms, written_at_ms FROM segment WHERE {one} ORDER BY id",
            (key, *market),
        )
        if bars:
            ts, *values = (np.array(column) for column in zip(*bars, strict=True))
            columns: dict[str, Any] = dict(zip(COLUMNS, (ts, *values), strict=True))
            tail = Candles(**columns, symbol=market[1], timeframe=market[2])
            db.execute(
                "INSERT INTO revision (market, first_ts, last_ts, bars, digest, written_at_ms, data) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, int(ts[0]), int(ts[-1]), len(tail), tail.digest, now, pack(tail)),
            )


_PROVENANCE: Final = (
    # What every write needs to know of a market before it reads a single bar.
    """CREATE TABLE market (
        id INTEGER PRIMARY KEY,
        exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL,
        last_ts INTEGER NOT NULL, changed_at_ms INTEGER NOT NULL,
        tail_rows INTEGER NOT NULL, tail_bars INTEGER NOT NULL,
        UNIQUE (exchange, symbol, timeframe)
    )""",
    # What each write changed. Until it is folded into segments, `data` is part of the truth: the tail.
    # `spans` says which bars, where they are not one run without a hole.
    """CREATE TABLE revision (
        id INTEGER PRIMARY KEY,
        market INTEGER NOT NULL REFERENCES market (id),
        first_ts INTEGER NOT NULL, last_ts INTEGER NOT NULL, bars INTEGER NOT NULL, digest TEXT NOT NULL,
        source TEXT, fetched_at_ms INTEGER,
        written_at_ms INTEGER NOT NULL, superseded_at_ms INTEGER, folded_at_ms INTEGER,
        spans BLOB, data BLOB
    )""",
    "CREATE INDEX revision_by_fold ON revision (market, folded_at_ms)",
    """CREATE TABLE sync_log (
        id INTEGER PRIMARY KEY,
        exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL,
        started_ms INTEGER NOT NULL, ended_ms INTEGER,
        status TEXT NOT NULL CHECK (status IN ('PENDING', 'COMPLETED', 'FAILED')),
        reason TEXT, bars INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX sync_log_by_market ON sync_log (exchange, symbol, timeframe, id)",
    _tails_become_revisions,
    "DROP TABLE tail",
)

_ABSENCES: Final = (
    """CREATE TABLE absence (
        id INTEGER PRIMARY KEY,
        exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL,
        first_ts INTEGER NOT NULL, end_ts INTEGER NOT NULL,
        source TEXT NOT NULL, asked_at_ms INTEGER NOT NULL
    )""",
    "CREATE INDEX absence_by_market ON absence (exchange, symbol, timeframe, first_ts)",
)


def _reaches_are_known(db: Database) -> None:
    widths = db.execute("SELECT id, first_ts, last_ts FROM revision").fetchall()
    db.executemany(
        "UPDATE revision SET reach = ? WHERE id = ?",
        [(reach(first, last), key) for key, first, last in widths],
    )


_BUNDLES: Final = (
    # How wide a revision is, so that those of one bar are found among hundreds of thousands.
    "ALTER TABLE revision ADD COLUMN reach INTEGER NOT NULL DEFAULT 0",
    # Many small writes in one row: when the first of them was written, and what each of them was.
    "ALTER TABLE revision ADD COLUMN since_ms INTEGER",
    "ALTER TABLE revision ADD COLUMN members BLOB",
    _reaches_are_known,
    "CREATE INDEX revision_by_reach ON revision (market, reach, first_ts)",
)

_SIGNALS: Final = (
    # What was promised, each row sealed by the one before it (`cryptai.screening.record`).
    """CREATE TABLE signal (
        id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE,
        exchange TEXT NOT NULL, symbol TEXT NOT NULL, timeframe TEXT NOT NULL, strategy TEXT NOT NULL,
        side TEXT NOT NULL, decided_ms INTEGER NOT NULL, sealed_ms INTEGER NOT NULL, quality REAL,
        status TEXT NOT NULL, retrospective INTEGER NOT NULL,
        body TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL
    )""",
    "CREATE INDEX signal_by_time ON signal (exchange, decided_ms, id)",
    "CREATE INDEX signal_by_symbol ON signal (exchange, symbol, decided_ms, id)",
    # What became of it, in further rows.
    """CREATE TABLE signal_event (
        id INTEGER PRIMARY KEY, signal INTEGER NOT NULL REFERENCES signal (id), event TEXT NOT NULL,
        at_ms INTEGER NOT NULL, noted_ms INTEGER NOT NULL, body TEXT NOT NULL,
        UNIQUE (signal, event)
    )""",
    # The best of each day, as they were chosen then.
    """CREATE TABLE selection (
        id INTEGER PRIMARY KEY, exchange TEXT NOT NULL, day TEXT NOT NULL, place INTEGER NOT NULL,
        signal INTEGER NOT NULL REFERENCES signal (id), selected_ms INTEGER NOT NULL,
        UNIQUE (exchange, day, place)
    )""",
)

# A list asks for the newest of a kind: what it filters by stands in one index, so that what is rare among a
# million is found without reading them.
_LISTS: Final = (
    "DROP INDEX signal_by_symbol",
    "CREATE INDEX signal_by_symbol ON signal (exchange, symbol, decided_ms, id, strategy, timeframe, side)",
    "CREATE INDEX signal_by_strategy ON signal (exchange, strategy, decided_ms, id, timeframe, side)",
    "CREATE INDEX signal_by_timeframe ON signal (exchange, timeframe, decided_ms, id, side)",
    "CREATE INDEX signal_by_side ON signal (exchange, side, decided_ms, id)",
)

# Each entry brings the catalog from the version of its index to the next one; entries are only ever added.
MIGRATIONS: Final[tuple[tuple[str | Callable[[Database], None], ...], ...]] = (
    _FIRST, _PROVENANCE, _ABSENCES, _BUNDLES, _SIGNALS, _LISTS,
)  # fmt: skip
