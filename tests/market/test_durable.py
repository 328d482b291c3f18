"""Durable files: whole or absent, and on the disk before anything says they are there."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from endless import bars

from cryptai.market.durable import make_folder, write_whole
from cryptai.market.store import CandleStore

linux = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc to see what is synced"
)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def torn(draft: Path) -> None:
        draft.write_text("half of it")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(path, torn)
    assert path.read_text() == "old"
    write_whole(path, lambda draft: draft.write_text("new"))
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What reaches the disk, in order: synced and renamed names, and SQLite's statements."""
    seen: list[tuple[str, str]] = []
    fsync, replace, connect = os.fsync, Path.replace, sqlite3.connect

    def noting_fsync(handle: int) -> None:
        seen.append(("sync", Path(f"/proc/self/fd/{handle}").readlink().name))
        fsync(handle)

    def noting_replace(self: Path, target: Path) -> Path:
        seen.append(("rename", f"{self.name} to {target.name}"))
        return replace(self, target)

    def noting_connect(*args: object, **options: object) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]
        db.set_trace_callback(lambda statement: seen.append(("sql", statement)))
        return db

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    monkeypatch.setattr(sqlite3, "connect", noting_connect)
    return seen


@linux
def test_new_folders_are_on_the_disk_in_their_parents(tmp_path: Path, events: list[tuple[str, str]]) -> None:
    make_folder(tmp_path / "x" / "y" / "z")
    assert events == [("sync", tmp_path.name), ("sync", "x"), ("sync", "y")]
    make_folder(tmp_path / "x" / "y" / "z")
    assert len(events) == 3


@linux
def test_a_segment_is_on_the_disk_before_the_catalog_says_so(
    tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    store = CandleStore(tmp_path / "candles")
    store.write("binance", bars(0, 3))
    events.clear()
    CandleStore(store.folder).write("binance", bars(3, 20_000))
    commit = events.index(("sql", "COMMIT"))
    assert (
        events.index(("sql", "PRAGMA synchronous = FULL")) < events.index(("sql", "BEGIN IMMEDIATE")) < commit
    )
    renames = [i for i, (what, name) in enumerate(events) if what == "rename" and name.endswith(".arrow")]
    assert len(renames) == 3
    for i in renames:
        draft = events[i][1].partition(" to ")[0]
        assert ("sync", draft) in events[:i], "renamed before its bytes were on the disk"
    folder = max(i for i, event in enumerate(events) if event == ("sync", "1h"))
    assert renames[-1] < folder < commit, "acknowledged before its name was on the disk"


@linux
def test_a_copy_is_marked_as_proven_only_when_it_is_on_the_disk_before_its_name(
    tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    store = CandleStore(tmp_path / "candles")
    store.write("binance", bars(0, 20_000))
    rename = next(i for i, (what, name) in enumerate(events) if what == "rename" and "joined" in name)
    assert ("sync", events[rename][1].partition(" to ")[0]) in events[:rename]
    (copy,) = (tmp_path / "candles").rglob("joined.*.npy")
    marked = copy.stat().st_mtime_ns
    copy.unlink()
    events.clear()
    store.read("binance", "BTC/USDT", "1h")  # a reader lays it again, and does not wait for the disk
    (copy,) = (tmp_path / "candles").rglob("joined.*.npy")
    assert not any(what == "sync" for what, _ in events)
    assert copy.stat().st_mtime_ns != marked
