"""Candles from CSV and Parquet: exact numbers, and one clear sentence for everything else."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptai.errors import DataError, InputError
from cryptai.market.candles import COLUMNS
from cryptai.market.files import read_candles

HOUR = 3_600_000
T0 = 1_609_459_200_000
HEADER = "ts,open,high,low,close,volume"
ROWS = [f"{T0 + i * HOUR},10.5,12.25,9.125,11.0,{i}.5" for i in range(4)]
GOOD = "\n".join([HEADER, *ROWS]) + "\n"
FOUR_HOURS = "\n".join([HEADER, *(f"{T0 + i * 4 * HOUR},10,12,9,11,1" for i in range(4))])


def write(folder: Path, content: str | bytes, name: str = "BTCUSDT_1h.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def table(**other: Any) -> pl.DataFrame:
    columns = {
        "ts": [T0 + i * HOUR for i in range(4)],
        "open": [10.5] * 4, "high": [12.25] * 4, "low": [9.125] * 4, "close": [11.0] * 4, "volume": [1.5] * 4,
    }  # fmt: skip
    return pl.DataFrame(columns | other)


def changed(row: int, column: str, value: object) -> str:
    fields = ROWS[row].split(",")
    fields[COLUMNS.index(column)] = str(value)
    return "\n".join([HEADER, *ROWS[:row], ",".join(fields), *ROWS[row + 1 :]]) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD + "\n\n",
        GOOD.replace("\n", "\r\n") + "\r\n\r\n",
        GOOD.rstrip("\n"),
        GOOD.replace(HEADER, ",".join(f'"{name}"' for name in COLUMNS)),
        "\n".join([HEADER, *(",".join(f'"{v}"' for v in row.split(",")) for row in ROWS)]),
        GOOD.replace(",", " , "),
        GOOD.replace("10.5", "+1.05e1"),
        GOOD.replace(f"{T0},", f"{T0}.0,"),
    ],
)
def test_the_usual_forms_of_csv_are_read(tmp_path: Path, content: str) -> None:
    candles = read_candles(write(tmp_path, content))
    assert candles.ts.tolist() == [T0 + i * HOUR for i in range(4)]
    assert candles.open.tolist() == [10.5] * 4
    assert candles.volume.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert (candles.symbol, candles.timeframe) == ("BTC/USDT", "1h")


def test_columns_come_in_any_order_and_others_are_ignored(tmp_path: Path) -> None:
    frame = table(trades=[1, 2, 3, 4]).select("trades", "volume", "close", "ts", "low", "high", "open")
    for name in ("BTCUSDT_1h.csv", "BTCUSDT_1h.parquet"):
        path = tmp_path / name
        frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
        candles = read_candles(path)
        assert (candles.open[0], candles.high[0], candles.low[0], candles.close[0]) == (
            10.5,
            12.25,
            9.125,
            11.0,
        )


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe"),
    [
        ("BTCUSDT_1h.csv", "BTC/USDT", "1h"),
        ("BTC-USDT_1h.csv", "BTC/USDT", "1h"),
        ("BTC_USDT-1h.csv", "BTC/USDT", "1h"),
        ("ethbtc_1h.CSV", "ETH/BTC", "1h"),
    ],
)
def test_the_name_tells_symbol_and_timeframe(tmp_path: Path, name: str, symbol: str, timeframe: str) -> None:
    candles = read_candles(write(tmp_path, GOOD, name))
    assert (candles.symbol, candles.timeframe) == (symbol, timeframe)


def test_options_win_over_the_name(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, "BTCUSDT_1d.csv")
    candles = read_candles(path, "ETH-USDT", "1h")
    assert (candles.symbol, candles.timeframe) == ("ETH/USDT", "1h")
    assert read_candles(path, timeframe="1h").symbol == "BTC/USDT"
    assert read_candles(write(tmp_path, GOOD, "prices.csv"), "BTCUSDT", "1h").symbol == "BTC/USDT"


@pytest.mark.parametrize(
    ("symbol", "timeframe", "missing"),
    [
        (None, None, "--symbol and --timeframe"),
        ("BTCUSDT", None, "give --timeframe"),
        (None, "1h", "give --symbol"),
    ],
)
def test_a_name_that_tells_nothing_asks_for_the_options(
    tmp_path: Path, symbol: str | None, timeframe: str | None, missing: str
) -> None:
    with pytest.raises(InputError, match=missing):
        read_candles(write(tmp_path, GOOD, "prices.csv"), symbol, timeframe)


@given(st.lists(st.floats(5e-324, 1.7e308), min_size=1, max_size=5))
def test_a_price_is_the_double_nearest_to_what_is_written(values: list[float]) -> None:

    lines = [f"{T0 + i * HOUR},{v!r},{v!r},{v!r},{v!r},{v:.30e}" for i, v in enumerate(values)]
    with TemporaryDirectory() as folder:
        candles = read_candles(write(Path(folder), "\n".join([HEADER, *lines])))
    assert candles.close.tolist() == values
    assert candles.volume.tolist() == values


def test_parquet_comes_back_to_the_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    close = rng.uniform(9.5, 11, 4)
    table(close=close).write_parquet(tmp_path / "BTCUSDT_1h.parquet")
    assert read_candles(tmp_path / "BTCUSDT_1h.parquet").close.tobytes() == close.tobytes()


BAD_CSV = {
    "empty": ("", "is empty"),
    "only a newline": ("\n\n", "it holds no bars"),
    "header only": (HEADER + "\n", "it holds no bars"),
    "header and blank lines": (HEADER + "\n\n\n", "it holds no bars"),
    "no header": ("\n".join(ROWS), "its first line holds numbers; give it the header ts,open,"),
    "missing column": (
        GOOD.replace("volume", "v"),
        "no column volume; found are ts, open, high, low, close, v; rename v to volume",
    ),
    "other names": (
        GOOD.replace("ts,", "timestamp,").replace("close", "Close"),
        "rename timestamp to ts, Close to close",
    ),
    "nothing alike": ("a,b\n1,2\n", "found are a, b; the columns are ts, open, high, low, close, volume"),
    "semicolons": (GOOD.replace(",", ";"), "it has no column ts"),
    "column twice": (GOOD.replace("volume", "close"), "it has no column volume"),
    "needed column twice": (
        GOOD.replace("\n", ",7\n").replace("volume,7", "volume,close"),
        "its header names close twice",
    ),
    "text": (changed(2, "open", "abc"), "Row 2: open must be a number, was 'abc'"),
    "decimal comma": (changed(2, "open", '"10,5"'), "Row 2: open must be a number, was '10,5'"),
    "empty field": (changed(1, "high", ""), "Row 1: high is empty"),
    "blank field": (changed(1, "high", "  "), "Row 1: high is empty"),
    "blank line inside": (GOOD.replace(ROWS[2], f"\n{ROWS[2]}"), "Row 2: ts is empty"),
    "short line": (GOOD.replace(",1.5\n", "\n"), "Row 1: volume is empty"),
    "long line": (GOOD.replace(",1.5\n", ",1.5,7\n"), "a line of it has more fields than the header"),
    "NaN": (changed(1, "close", "NaN"), "close must be a finite price above 0, was nan"),
    "infinite": (changed(1, "high", "inf"), "high must be a finite price above 0, was inf"),
    "too large for a double": (changed(1, "high", "1e400"), "high must be a finite price above 0, was inf"),
    "zero": (changed(1, "low", "0"), "low must be a finite price above 0, was 0.0"),
    "negative": (changed(1, "low", "-9"), "low must be a finite price above 0, was -9.0"),
    "high below low": (changed(3, "high", "8"), "high 8.0 is below low 9.125"),
    "swapped columns": (GOOD.replace("open,high", "high,open"), "are columns swapped?"),
    "negative volume": (changed(3, "volume", "-1"), "volume must be finite and not negative, was -1.0"),
    "unsorted": ("\n".join([HEADER, ROWS[1], ROWS[0]]), "earlier than the bar before it; sort by time"),
    "duplicate": ("\n".join([HEADER, ROWS[0], ROWS[0]]), "its time is doubled"),
    "off the grid": (changed(1, "ts", T0 + HOUR + 1), "a 1h bar cannot open at"),
    "seconds": (GOOD.replace("00000,10", "00,10"), "are these seconds (times are milliseconds)?"),
    "microseconds": (
        GOOD.replace("00000,10", "00000000,10"),
        "is not milliseconds UTC between 1970 and 2200",
    ),
    "absurd date": (changed(3, "ts", 9_000_000_000_000), "is not milliseconds UTC between 1970 and 2200"),
    "before 1970": (changed(0, "ts", -HOUR), "is not milliseconds UTC between 1970 and 2200"),
    "integer overflow": (changed(3, "ts", 10**25), "beyond any time"),
    "date as text": (
        changed(0, "ts", "2021-01-01 00:00"),
        "Row 0: ts must be whole milliseconds UTC since 1970, was '2021-01-01",
    ),
    "half a millisecond": (changed(0, "ts", f"{T0}.5"), "not whole milliseconds"),
    "other timeframe": (
        FOUR_HOURS,
        "stated to be 1h, but no two are closer than 4h",
    ),
    "binary": (bytes(range(256)) * 10, "it holds binary data, not UTF-8 text"),
    "Parquet inside": (b"PAR1\0\0\0PAR1", "it looks like Parquet, so name it .parquet"),
    "UTF-16": (GOOD.encode("utf-16"), "it holds binary data, not UTF-8 text"),
    "Latin-1": (GOOD.replace("10.5", "10.5\xa0").encode("latin-1"), "it is not UTF-8 text"),
    "open quote": (GOOD.replace("11.0", '"11.0', 1), "is a quote left open?"),
    "huge line": ("x" * 5_000_000, "it has no column ts"),
    "huge line of commas": ("," * 200_000, "it has no column ts"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_a_bad_csv_is_one_sentence_that_names_the_file(tmp_path: Path, case: str) -> None:
    content, sentence = BAD_CSV[case]
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_candles(path)
    message = str(caught.value)
    assert sentence in message
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 500 + len(str(path))


def test_hours_called_days_are_off_the_grid(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a 1d bar cannot open at 1609462800000"):
        read_candles(write(tmp_path, GOOD), timeframe="1d")


BAD_PARQUET = {
    "missing column": (table().drop("low"), "it has no column low"),
    "text": (table(open=["a"] * 4), "its column open is of type String, but must hold numbers"),
    "dates": (table().with_columns(pl.from_epoch("ts", "ms")), "its column ts is of type Datetime"),
    "times as floats": (
        table().with_columns(pl.col("ts").cast(pl.Float64)),
        "its column ts is of type Float64",
    ),
    "null": (table(high=[12.25, None, 12.25, 12.25]), "Row 1: high is empty"),
    "null time": (table(ts=[T0, None, T0 + 2 * HOUR, T0 + 3 * HOUR]), "Row 1: ts is empty"),
    "NaN": (table(high=[12.25, np.nan, 12.25, 12.25]), "high must be a finite price above 0, was nan"),
    "no rows": (table()[:0], "it holds no bars"),
    "unsigned overflow": (table(ts=pl.Series([1, 2, 3, 2**64 - 1], dtype=pl.UInt64)), "beyond any time"),
    "list": (table(open=[[1.0]] * 4), "its column open is of type List"),
}


@pytest.mark.parametrize("case", BAD_PARQUET)
def test_a_bad_table_in_parquet_is_one_sentence(tmp_path: Path, case: str) -> None:
    frame, sentence = BAD_PARQUET[case]
    path = tmp_path / "BTCUSDT_1h.parquet"
    frame.write_parquet(path)
    with pytest.raises(DataError) as caught:
        read_candles(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(path))


def parquet_bytes(folder: Path) -> bytes:
    path = folder / "whole.parquet"
    table().write_parquet(path)
    return path.read_bytes()


@pytest.mark.parametrize("keep", [1, 4, 12, 100, -1, -4, -8])
def test_a_truncated_parquet_is_one_sentence(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path, parquet_bytes(tmp_path)[:keep], "BTCUSDT_1h.parquet")
    with pytest.raises(DataError, match="it is not a whole Parquet file"):
        read_candles(path)


def test_a_parquet_with_a_damaged_footer_is_one_sentence_and_nothing_else_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = parquet_bytes(tmp_path)
    for content in (b"PAR1" + b"\0" * 200 + b"PAR1", whole[:-60] + b"\xff" * 40 + whole[-20:], b"junk" * 100):
        path = write(tmp_path, content, "BTCUSDT_1h.parquet")
        with pytest.raises(DataError, match="it is not a whole Parquet file") as caught:
            read_candles(path)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_decoder_that_panics_is_one_sentence_and_its_report_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def panic(*_: object, **__: object) -> None:
        os.write(2, b"thread 'async-executor-0' panicked at ...\nstack backtrace: ...\n")
        raise pl.exceptions.PanicException("assertion failed: offset + length <= self.length")

    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(DataError, match=r"not a whole Parquet file \(assertion failed"):
        read_candles(write(tmp_path, parquet_bytes(tmp_path), "BTCUSDT_1h.parquet"))
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*BTCUSDT_1h\.csv"):
        read_candles(tmp_path / "BTCUSDT_1h.csv")
    (tmp_path / "ETHUSDT_1h.csv").mkdir()
    with pytest.raises(InputError, match="is a folder; name the files in it"):
        read_candles(tmp_path / "ETHUSDT_1h.csv")
    with pytest.raises(InputError, match=r"read from \.csv and \.parquet files, not \.xlsx"):
        read_candles(write(tmp_path, GOOD, "BTCUSDT_1h.xlsx"))
    with pytest.raises(InputError, match=r"There is no timeframe named '3m'"):
        read_candles(write(tmp_path, GOOD, "BTCUSDT_3m.csv"))
    with pytest.raises(InputError, match="'XYZ' is not a symbol"):
        read_candles(write(tmp_path, GOOD, "XYZ_1h.csv"))
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        read_candles(tmp_path / f"{'A' * 300}_1h.csv")
