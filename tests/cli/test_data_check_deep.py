"""`cryptai data check --deep`: bytes that changed on the disk are found, whatever their time says."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cryptai import seams
from cryptai.cli.main import main
from cryptai.market import merge
from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

HOUR = 3_600_000
T0 = 1_609_459_200_000  # 2021-01-01
BARS = 1_200


def made(count: int, symbol: str = "BTC/USDT", first: int = 0, more: float = 0.0) -> Candles:
    close = 100.0 + seams.rng(7).random(count) + more
    ts = [T0 + (first + i) * HOUR for i in range(count)]
    return Candles(ts, close, close + 2, close - 2, close + 1, close, symbol, "1h")


@pytest.fixture
def folder(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two markets, of which one has segments of now and then, their copy, and a tail."""
    monkeypatch.setattr(merge, "TAIL_BARS", 512)
    store = CandleStore(workspace.candles)
    store.write("binance", made(BARS))
    store.write("binance", made(BARS, more=1.0), replace=True)
    store.write("binance", made(10, first=BARS), made(10, "ETH/USDT"))
    store.read("binance", "BTC/USDT", "1h")
    store.finish()
    return workspace.candles


def checked(capsys: pytest.CaptureFixture[str], status: int) -> dict[str, list[dict[str, object]]]:
    assert main(["data", "check", "--deep", "--json"]) == status
    answer: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return answer


def spoil(path: Path) -> None:
    """Turn one bit, as a failing disk does: size and time stay."""
    state, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_a_sound_store_is_called_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = checked(capsys, 0)
    assert answer["damaged"] == []
    assert len([*folder.rglob("*.arrow"), *folder.rglob("joined.*.npy")]) == 3
    assert main(["data", "check", "--deep"]) == 0
    assert "3 files and 2 rows of the catalog were read again: all are" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["segment", "copy"])
def test_a_bit_turned_in_a_file_is_found(folder: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path = next(folder.rglob("joined.*.npy" if kind == "copy" else "*.arrow"))
    spoil(path)
    (found,) = checked(capsys, 1)["damaged"]
    assert (found["what"], found["kind"], found["symbol"]) == (str(path), kind, "BTC/USDT")


def test_a_segment_that_was_superseded_is_told_apart_from_one_in_force(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.rglob("*.arrow"):
        spoil(path)
    assert sorted(bool(one["in_force"]) for one in checked(capsys, 1)["damaged"]) == [False, True]


def test_a_missing_file_is_found_and_the_other_markets_are_told_of(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (*folder.rglob("*.arrow"), *folder.rglob("joined.*.npy")):
        path.unlink()
    answer = checked(capsys, 1)
    assert {one["kind"] for one in answer["damaged"]} == {"segment"}
    assert [one["symbol"] for one in answer["markets"]] == ["ETH/USDT"]
    assert main(["data", "check", "--deep"]) == 1
    assert "cryptai restore FILE" in " ".join(capsys.readouterr().out.split())


def test_a_row_of_the_catalog_that_was_spoilt_is_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(folder / "catalog.sqlite3")) as db, db:
        key, data = db.execute(
            "SELECT revision.id, data FROM revision JOIN market ON market.id = revision.market "
            "WHERE symbol = 'ETH/USDT'"
        ).fetchone()
        spoilt = data[:8] + bytes([data[8] ^ 1]) + data[9:]
        db.execute("UPDATE revision SET data = ? WHERE id = ?", (spoilt, key))
    (found,) = checked(capsys, 1)["damaged"]
    assert (found["kind"], found["symbol"], found["in_force"]) == ("row", "ETH/USDT", True)
