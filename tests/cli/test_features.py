"""`cryptai features`: what is listed can be computed on any candle file, and a mistake is one sentence."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from cryptai.cli.main import main
from cryptai.features.events import Structure
from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.market.store import CandleStore
from cryptai.research.series import noise

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.workspace import Workspace


@pytest.fixture(scope="module")
def candles() -> Candles:
    return noise(3, 300)


@pytest.fixture
def file(candles: Candles, tmp_path: Path) -> Path:
    path = tmp_path / "any_name.csv"
    write(path, candles)
    return path


def write(path: Path, candles: Candles) -> None:
    names = ("ts", "open", "high", "low", "close", "volume")
    pl.DataFrame({name: getattr(candles, name) for name in names}).write_csv(path)


def test_the_list_tells_everything_that_is_declared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["features"]
    assert [row["name"] for row in rows] == features.names()
    for row in rows:
        assert row["summary"].endswith("."), row["name"]
        assert row["kind"] in {"indicator", "structure"}
        assert {"group", "inputs", "warmup", "exact", "parameters"} <= row.keys()
        if row["name"].startswith("regime"):
            assert row["outputs"][0]["codes"]["2"] == "BEAR"
        assert row["outputs"] if row["kind"] == "indicator" else row["kinds"]
        for one in row["parameters"]:
            assert one["meaning"]
            assert one["choices"] or one["type"] == "bool" or one["low"] is not None


def test_the_list_is_read_by_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "list"]) == 0
    out = capsys.readouterr().out
    assert "(period=14) gives rsi" in out


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_indicator_gives_the_time_and_a_column_an_output(
    file: Path, candles: Candles, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"out.{ending}"
    arguments = ["macd", "--param", "fast=5", "--param", "slow=9", "--candles", str(file), "--out", str(out)]
    assert main(["features", "compute", *arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["bars"], told["rows"]) == (300, 300)
    assert told["parameters"]["fast"] == 5
    table = pl.read_csv(out) if ending == "csv" else pl.read_parquet(out)
    expected = features.get("macd").of(candles, fast=5, slow=9)
    assert table.columns == ["ts", *expected]
    assert table["ts"].to_list() == candles.ts.tolist()
    for name, values in expected.items():
        # Not a number stands for no value, and every number reads back to the bit.
        np.testing.assert_array_equal(table[name].to_numpy(), values)
    assert math.isnan(table["macd"][0])
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize("name", features.names())
def test_everything_listed_is_computed_with_its_defaults(name: str, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert main(["features", "compute", name, "--candles", str(file), "--out", str(out)]) == 0
    header = out.read_text().split("\n", 1)[0].split(",")
    feature = features.get(name)
    if isinstance(feature, Indicator):
        assert header == ["ts", *(output.name for output in feature.outputs)]
    else:
        assert isinstance(feature, Structure)
        assert header == [
            "at", "known_at", "at_bar", "known_bar", "kind", "direction", "top", "bottom", "level",
            "strength", "volume", "share", "id",
        ]  # fmt: skip


@pytest.mark.parametrize("bars", [1, 2])
def test_a_file_of_hardly_a_bar_is_no_mistake(bars: int, candles: Candles, tmp_path: Path) -> None:
    file, out = tmp_path / "few_1h.csv", tmp_path / "out.csv"
    write(file, candles[:bars])
    for name in features.names():
        asked = ["features", "compute", name, "--candles", str(file), "--timeframe", "1h", "--out", str(out)]
        assert main(asked) == 0, name


def test_a_feature_of_coarser_bars_is_told_on_the_finer_ones(
    file: Path, candles: Candles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.parquet"
    asked = ["--candles", str(file), "--on", "4h", "--out", str(out)]
    assert main(["features", "compute", "rsi", *asked]) == 0
    coarse, newest = candles.at("4h")
    table = pl.read_parquet(out)
    assert table["ts"].to_list() == candles.ts.tolist()
    expected = features.get("rsi").of(coarse)["rsi"][newest]
    expected[newest < 0] = np.nan
    np.testing.assert_array_equal(table["rsi"].to_numpy(), expected)
    assert main(["features", "compute", "swing_points", *asked]) == 0
    events = features.get("swing_points").of(coarse)
    assert len(events) > 3
    assert pl.read_parquet(out)["known_at"].to_list() == events.known_at.tolist()
    assert main(["features", "compute", "rsi", *asked[:2], "--on", "15m", "--out", str(out)]) == 2
    assert "15m bars cannot be made of 1h bars" in capsys.readouterr().err


def test_a_stored_market_is_computed(workspace: Workspace, candles: Candles, tmp_path: Path) -> None:
    CandleStore(workspace.candles).write("binance", candles)
    out = tmp_path / "rsi.parquet"
    asked = ["rsi", "--symbol", candles.symbol, "--timeframe", "1h", "--out", str(out)]
    assert main(["features", "compute", *asked]) == 0
    assert len(pl.read_parquet(out)) == 300


def test_a_file_is_replaced_but_never_the_candles_themselves(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, before = file.parent / "out.csv", file.read_bytes()
    out.write_text("older")
    assert main(["features", "compute", "rsi", "--candles", str(file), "--out", str(out)]) == 0
    assert out.read_text().startswith("ts,rsi")
    assert main(["features", "compute", "rsi", "--candles", str(file), "--out", str(file)]) == 2
    assert "holds the candles themselves" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rsj", "--candles", "FILE", "--out", "o.csv"], "did you mean rsi"),
        (["rsi", "--candles", "FILE", "--out", "o.csv", "--param", "periode=3"], "did you mean period"),
        (["rsi", "--candles", "FILE", "--out", "o.csv", "--param", "period=0"], "period must be from"),
        (["rsi", "--candles", "FILE", "--out", "o.csv", "--param", "period=x"], "a whole number"),
        (["rsi", "--candles", "FILE", "--out", "o.csv", "--param", "period"], "name=value"),
        (["rsi", "--candles", "FILE", "--out", "o.xlsx"], "not .xlsx"),
        (["rsi", "--candles", "FILE", "--out", "nowhere/o.csv"], "There is no folder"),
        (["rsi", "--candles", "FILE", "--timeframe", "7h", "--out", "o.csv"], "no timeframe named '7h'"),
        (["rsi", "--candles", "none.csv", "--timeframe", "1h", "--out", "o.csv"], "There is no file"),
        (["rsi", "--symbol", "BTC/USDT", "--timeframe", "1h", "--out", "o.csv"], "BTC/USDT"),
        (["rsi", "--symbol", "BTC/USDT", "--out", "o.csv"], "timeframe missing"),
        (["rsi", "--out", "o.csv"], "symbol and timeframe missing"),
        (["rsi", "--symbol", "", "--timeframe", "1h", "--out", "o.csv"], "symbol is empty"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_file(
    arguments: list[str], told: str, file: Path, workspace: Workspace, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    named = [str(file) if one == "FILE" else one for one in arguments]
    assert main(["features", "compute", *named]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_the_timeframe_follows_from_name_or_spacing(candles: Candles, tmp_path: Path) -> None:
    from cryptai.market.files import read_series

    for name, given, expected in (
        ("x.csv", None, "1h"), ("EURUSD_1h.csv", None, "1h"), ("x_2.csv", "1h", "1h"),
        ("y_15M.csv", None, "1h"),
    ):  # fmt: skip
        write(tmp_path / name, candles)
        assert read_series(tmp_path / name, given).timeframe == expected


def test_a_spacing_that_is_no_timeframe_asks_for_one(
    candles: Candles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "x.csv", candles[:1])
    out = str(tmp_path / "o.csv")
    asked = ["features", "compute", "rsi", "--candles", str(tmp_path / "x.csv"), "--out", out]
    assert main(asked) == 2
    assert "give --timeframe" in capsys.readouterr().err
