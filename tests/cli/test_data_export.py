"""`cryptai data export`: the stored bars in a file, to the bit, and never over another file unasked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

from cryptai import seams
from cryptai.cli.main import main
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.files import read_candles
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

HOUR = 3_600_000
T0 = 1_609_459_200_000  # 2021-01-01
BTC = ["--symbol", "BTC/USDT", "--timeframe", "1h"]


@pytest.fixture
def candles(workspace: Workspace) -> Candles:
    """Bars whose numbers need all their digits, from tiny to huge, with a hole."""
    rng = seams.rng(7)
    places = [i for i in range(600) if i not in {100, 101}]
    close = 10.0 ** rng.uniform(-12, 12, len(places))
    columns = (close, close * (1 + rng.random(len(places))), close / 3, close / 1.7, rng.random(len(places)))
    made = Candles([T0 + i * HOUR for i in places], *columns, "BTC/USDT", "1h")
    CandleStore(workspace.candles).write("binance", made)
    return made


@pytest.mark.parametrize("ending", ["csv", "parquet", "CSV"])
def test_what_is_exported_reads_back_to_the_bit(
    candles: Candles, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path = tmp_path / f"BTCUSDT_1h.{ending}"
    assert main(["data", "export", *BTC, "--out", str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["bars"], answer["digest"]) == (598, candles.digest)
    assert main(["data", "list", "--json"]) == 0
    assert [answer["series_digest"]] == [m["digest"] for m in json.loads(capsys.readouterr().out)["markets"]]
    assert read_candles(path).digest == candles.digest
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


def test_other_tools_find_the_six_columns_in_their_order(candles: Candles, tmp_path: Path) -> None:
    for ending, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        path = tmp_path / f"out.{ending}"
        assert main(["data", "export", *BTC, "--out", str(path)]) == 0
        frame = read(path)
        assert tuple(frame.columns) == COLUMNS
        assert frame["ts"].to_list() == candles.ts.tolist()


def test_a_part_is_cut_by_the_bars_opens(
    candles: Candles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "BTCUSDT_1h.csv"
    cut = ["--from", "2021-01-02", "--to", "2021-01-03T00:00"]
    assert main(["data", "export", *BTC, *cut, "--out", str(path)]) == 0
    assert "24 bars of BTC/USDT 1h, 2021-01-02T00:00:00Z to 2021-01-02T23:00:00Z" in capsys.readouterr().out
    assert read_candles(path).digest == candles.between(T0 + 24 * HOUR, T0 + 48 * HOUR).digest


def test_bars_are_exported_as_the_store_knew_them_at_a_time(workspace: Workspace, tmp_path: Path) -> None:
    store = CandleStore(workspace.candles)
    for day, close in ((1, 1.5), (3, 1.6)):
        with seams.replaced(now_ns=lambda day=day: (T0 + day * 24 * HOUR) * 1_000_000):
            bar = Candles([T0], [1.0], [2.0], [0.5], [close], [1.0], "BTC/USDT", "1h")
            store.write("binance", bar, replace=True)
    for as_of, close in (("2021-01-03", 1.5), ("2021-01-05", 1.6)):
        path = tmp_path / f"{as_of}.csv"
        assert main(["data", "export", *BTC, "--as-of", as_of, "--out", str(path)]) == 0
        assert read_candles(path, "BTC/USDT", "1h").close.tolist() == [close]


def test_a_file_that_exists_is_replaced_only_by_force(
    candles: Candles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "BTCUSDT_1h.csv"
    path.write_text("mine")
    assert main(["data", "export", *BTC, "--out", str(path)]) == 2
    assert "exists already; give --force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["data", "export", *BTC, "--out", str(path), "--force"]) == 0
    assert read_candles(path).digest == candles.digest


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([*BTC, "--out", "out.xlsx"], "not .xlsx"),
        ([*BTC, "--out", "out"], "not this"),
        ([*BTC, "--out", "nowhere/out.csv"], "There is no folder nowhere"),
        ([*BTC, "--out", "folder.csv"], "is a folder"),
        (["--symbol", "ETH/USDT", "--timeframe", "1h", "--out", "out.csv"], "No bars of ETH/USDT 1h"),
        ([*BTC, "--out", "out.csv", "--from", "2035-01-01"], "lie in that time"),
        ([*BTC, "--out", "out.csv", "--from", "yesterday"], "is not a time"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence_and_leaves_no_file(
    candles: Candles, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str,
) -> None:  # fmt: skip
    folder = tmp_path / "here"
    (folder / "folder.csv").mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert main(["data", "export", *arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["folder.csv"]
