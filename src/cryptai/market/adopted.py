"""A catalog's rows taken over by another database: by PostgreSQL, and by a backup's SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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
}
_AT_A_TIME: Final = 2_000


def adopt(source: Rows, target: Database) -> None:
    """Copy all rows, with their ids and times, into tables that are empty; in the caller's transactions."""
    for table, columns in TABLES.items():
        marks, last = ", ".join("?" * len(columns.split(", "))), -(2**63)
        while True:
            rows = source.execute(
                f"SELECT {columns} FROM {table} WHERE id > ? ORDER BY id LIMIT {_AT_A_TIME}",  # noqa: S608 (ours)
                (last,),
            )
            if not rows:
                break
            target.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608 (ours)
            last = rows[-1][0]
