"""A catalog's rows taken over by another database: by PostgreSQL, and by a backup's SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from cryptai.market.catalog import migrate

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.market.revisions import Database
    from cryptai.market.rows import Rows

# Each table with its columns, in an order in which what is referred to comes first.
TABLES: Final = {
    "market": "id, exchange, symbol, timeframe, last_ts, changed_at_ms, tail_rows, tail_bars",
    "segment": "id, exchange, symbol, timeframe, partition, digest, rows, first_ts, last_ts, written_at_ms, "
    "superseded_at_ms",
    "revision": "id, market, first_ts, last_ts, reach, bars, digest, source, fetched_at_ms, since_ms, "
    "written_at_ms, superseded_at_ms, folded_at_ms, spans, members, data",
    "sync_log": "id, exchange, symbol, timeframe, started_ms, ended_ms, status, reason, bars",
    "absence": "id, exchange, symbol, timeframe, first_ts, end_ts, source, asked_at_ms",
    "signal": "id, identity, exchange, symbol, timeframe, strategy, side, decided_ms, sealed_ms, quality, "
    "status, retrospective, body, previous, hash",
    "signal_event": "id, signal, event, at_ms, noted_ms, body",
    "selection": "id, exchange, day, place, signal, selected_ms",
}
_AT_A_TIME: Final = 2_000


def adopt(source: Rows, target: Database, *, exchange: str | None = None, symbol: str | None = None) -> None:
    """Copy all rows, with their ids and times, into tables that are empty; in the caller's transactions.

    With `exchange`, and `symbol`, only what is in force today of its markets: no history, syncs or absences.
    """
    only: list[str] = [] if exchange is None else [exchange] if symbol is None else [exchange, symbol]
    chosen = " AND ".join(["exchange = ?", "symbol = ?"][: len(only)])
    in_force = {
        "market": chosen,
        "segment": f"{chosen} AND superseded_at_ms IS NULL",
        "revision": f"market IN (SELECT id FROM market WHERE {chosen}) AND folded_at_ms IS NULL",  # noqa: S608
    }
    for table, columns in TABLES.items():
        if only and table not in in_force:
            continue
        also = f" AND {in_force[table]}" if only else ""
        marks, last = ", ".join("?" * len(columns.split(", "))), -(2**63)
        while True:
            rows = source.execute(
                f"SELECT {columns} FROM {table} WHERE id > ?{also} ORDER BY id LIMIT {_AT_A_TIME}",  # noqa: S608
                (last, *only),
            )
            if not rows:
                break
            target.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 (ours)
            last = rows[-1][0]


def write_copy(source: Rows, file: Path, *, exchange: str | None = None, symbol: str | None = None) -> None:
    """Write what `adopt` copies into a new SQLite catalog, on the disk when this returns."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        migrate(db)
        db.execute("BEGIN")
        adopt(source, db, exchange=exchange, symbol=symbol)
        db.execute("COMMIT")
