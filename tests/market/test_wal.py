"""Several processes open a new file at once: each waits its turn, none is told that it is locked."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from cryptai.market import wal


def test_many_that_begin_at_once_all_get_their_log(tmp_path):
    failed = []

    def begin(path, gate):
        gate.wait()
        try:
            with closing(sqlite3.connect(path, timeout=30.0, isolation_level=None)) as db:
                wal.keep_log(db)
                db.execute("CREATE TABLE IF NOT EXISTS t (x)")
        except sqlite3.OperationalError as error:
            failed.append(str(error))

    for i in range(20):
        gate = threading.Barrier(6)
        threads = [threading.Thread(target=begin, args=(tmp_path / f"{i}", gate)) for _ in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert failed == []


def test_a_file_that_stays_locked_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(wal, "_PATIENCE_S", 0.05)
    with closing(sqlite3.connect(tmp_path / "f", isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN EXCLUSIVE")
        with (
            closing(sqlite3.connect(tmp_path / "f", timeout=0.0, isolation_level=None)) as db,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            wal.keep_log(db)
