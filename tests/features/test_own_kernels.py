"""Our own kernels against the formulas of their docstrings, written once more with NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.trading.worlds import random_candles

from cryptai.features.anchored import anchored_vwap, vwap, vwap_bands
from cryptai.features.averages import alma
from cryptai.features.channels import keltner
from cryptai.features.persistence import hurst
from cryptai.features.pivot_levels import pivot_points
from cryptai.features.profile import volume_profile
from cryptai.features.realised import (
    garman_klass_volatility,
    parkinson_volatility,
    realised_volatility,
    yang_zhang_volatility,
)
from cryptai.features.regression import linear_regression, regression_channel, z_score
from cryptai.features.smoothing import nadaraya_watson
from cryptai.features.trend import ichimoku, supertrend
from cryptai.features.volatility import atr, choppiness, true_range, ulcer_index

BARS = 400


@pytest.fixture(scope="module", params=range(3))
def candles(request):
    return random_candles(np.random.default_rng(request.param), BARS, holes=0.03)


def windows(compute, period, *columns):
    """Return `compute` of each window of `period` rows, NaN before the first."""
    n = len(columns[0])
    out = np.full(n, np.nan)
    for i in range(period - 1, n):
        out[i] = compute(*(column[i - period + 1 : i + 1] for column in columns))
    return out


def same(got, want, tolerance=1e-11):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.nanmax(np.abs(want)))


def test_z_score(candles):
    same(z_score(candles.close, 20), windows(lambda x: (x[-1] - x.mean()) / x.std(), 20, candles.close))


def test_alma(candles):
    weights = np.exp(-((np.arange(9) - 0.85 * 8) ** 2) / (2 * (9 / 6) ** 2))
    same(alma(candles.close), windows(lambda x: np.average(x, weights=weights), 9, candles.close))


def line(x):
    return np.polyval(np.polyfit(np.arange(len(x)), x, 1), np.arange(len(x)))


def test_regression_channel(candles):
    upper, middle, lower = regression_channel(candles.close, 50, 2.0)
    same(middle, windows(lambda x: line(x)[-1], 50, candles.close), 1e-9)
    same(middle, linear_regression(candles.close, 50), 1e-9)
    same(upper - middle, windows(lambda x: 2 * (x - line(x)).std(), 50, candles.close), 1e-8)
    same(middle - lower, upper - middle)


def test_choppiness_and_ulcer(candles):
    h, l, c = candles.high, candles.low, candles.close  # noqa: E741
    wanted = windows(
        lambda t, h, l: 100 * math.log10(t.sum() / (h.max() - l.min())) / math.log10(14),  # noqa: E741
        14, np.nan_to_num(true_range(h, l, c)), h, l,
    )  # fmt: skip
    wanted[13] = np.nan
    same(choppiness(h, l, c, 14), wanted)
    fall = windows(lambda x: math.sqrt(((100 * (x / np.maximum.accumulate(x) - 1)) ** 2).mean()), 14, c)
    same(ulcer_index(c, 14), fall)


def test_realised_volatilities(candles):
    o, h, l, c = candles.open, candles.high, candles.low, candles.close  # noqa: E741
    steps = np.diff(np.log(c), prepend=np.nan)
    plain = windows(lambda x: x.std(ddof=1), 20, steps)
    same(realised_volatility(c, 20), plain)
    same(realised_volatility(c, 20, 365), plain * math.sqrt(365))
    span, body = np.log(h / l), np.log(c / o)
    same(
        parkinson_volatility(h, l), windows(lambda x: math.sqrt((x**2).mean() / (4 * math.log(2))), 20, span)
    )
    squares = 0.5 * span**2 - (2 * math.log(2) - 1) * body**2
    same(garman_klass_volatility(o, h, l, c), windows(lambda x: math.sqrt(x.mean()), 20, squares))
    gap = np.r_[np.nan, np.log(o[1:] / c[:-1])]
    up, down = np.log(h / o), np.log(l / o)
    share = 0.34 / (1.34 + 21 / 19)
    wanted = windows(
        lambda g, b, r: math.sqrt(g.var(ddof=1) + share * b.var(ddof=1) + (1 - share) * r.mean()),
        20, gap, body, up * (up - body) + down * (down - body),
    )  # fmt: skip
    same(yang_zhang_volatility(o, h, l, c), wanted)


def rescaled(steps, correct):
    xs, ys = [], []
    for level in range(6):
        size = len(steps) >> level
        if size < 8:
            break
        pieces = [steps[len(steps) - (k + 1) * size : len(steps) - k * size] for k in range(1 << level)]
        walks = [np.cumsum(piece - piece.mean()) for piece in pieces]
        ratio = np.mean([np.ptp(w) / p.std() for w, p in zip(walks, pieces, strict=True)])
        if correct:
            expected = math.gamma((size - 1) / 2) / (math.sqrt(math.pi) * math.gamma(size / 2))
            expected *= sum(math.sqrt((size - i) / i) for i in range(1, size))
            ratio += math.sqrt(math.pi * size / 2) - expected
        xs.append(math.log(size))
        ys.append(math.log(ratio))
    return np.polyfit(xs, ys, 1)[0]


@pytest.mark.parametrize("period", [100, 33])
def test_hurst(candles, period):
    steps = np.diff(np.log(candles.close), prepend=np.nan)
    plain, corrected = hurst(candles.close, period)
    same(plain, windows(lambda x: rescaled(x, False), period, steps), 1e-9)
    same(corrected, windows(lambda x: rescaled(x, True), period, steps), 1e-9)


def test_the_corrected_hurst_of_a_random_walk_is_a_half():
    walk = np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, 60_000)))
    plain, corrected = hurst(walk, 100)
    assert abs(np.nanmean(corrected[::100]) - 0.5) < 0.02
    assert np.nanmean(plain[::100]) > 0.55


def test_nadaraya_watson(candles):
    # Neither 38 weights nor 61 errors are whole fours: what is left over counts too.
    upper, middle, lower = nadaraya_watson(candles.close, 4.2, 3.0, 61)
    weights = np.exp(-(np.arange(38)[::-1] ** 2) / (2 * 4.2**2))
    wanted = windows(lambda x: np.average(x, weights=weights), 38, candles.close)
    same(middle, wanted)
    away = windows(lambda x: 3 * x.mean(), 61, np.abs(candles.close - wanted))
    same(upper - middle, away, 1e-10)
    same(middle - lower, away, 1e-10)


def test_vwap_starts_anew_each_day_week_and_month(candles):
    typical = (candles.high + candles.low + candles.close) / 3
    volume = np.where(np.arange(len(candles)) % 7 == 0, 0.0, candles.volume)
    stamps = candles.ts.astype("datetime64[ms]")
    weeks = (candles.ts // 86_400_000 + 3) // 7
    for session, numbers in (("day", stamps.astype("datetime64[D]").astype(int)), ("week", weeks),
                             ("month", stamps.astype("datetime64[M]").astype(int))):  # fmt: skip
        wanted, deviations = np.empty((2, len(candles)))
        for i, number in enumerate(numbers):
            own = slice(int(np.argmax(numbers == number)), i + 1)
            held = volume[own].sum()
            wanted[i] = np.average(typical[own], weights=volume[own]) if held else typical[i]
            spread = np.average((typical[own] - wanted[i]) ** 2, weights=volume[own]) if held else 0.0
            deviations[i] = math.sqrt(spread)
        args = (candles.ts, candles.high, candles.low, candles.close, volume)
        same(vwap(*args, session), wanted)
        upper, middle, lower = vwap_bands(*args, session, 2.0)
        same(middle, wanted)
        same(upper - middle, 2 * deviations, 1e-7)
        same(middle - lower, 2 * deviations, 1e-7)


def test_anchored_vwap_has_no_value_before_its_anchor(candles):
    args = (candles.ts, candles.high, candles.low, candles.close, candles.volume)
    since = int(candles.ts[100]) + 1
    got = anchored_vwap(*args, since)
    assert np.isnan(got[:101]).all()
    np.testing.assert_array_equal(got[101:], anchored_vwap(*(column[101:] for column in args)))


def previous_days(candles):
    days = candles.ts // 86_400_000
    for i, day in enumerate(days):
        earlier = days[days < day]
        own = np.flatnonzero(days == (earlier[-1] if len(earlier) else -1))
        if len(own) and (own[0] > 0 or candles.ts[0] % 86_400_000 == 0):
            first = int(np.argmax(days == day))
            yield (
                i,
                candles.high[own].max(),
                candles.low[own].min(),
                candles.close[own[-1]],
                candles.open[first],
            )


def test_pivot_points_come_from_the_day_before(candles):
    args = (candles.ts, candles.open, candles.high, candles.low, candles.close)
    methods = ("standard", "fibonacci", "camarilla", "woodie")
    got = {method: np.array(pivot_points(*args, method, "day")).T for method in methods}
    seen = 0
    for i, h, l, c, o in previous_days(candles):  # noqa: E741
        p, r = (h + l + c) / 3, h - l
        same(
            got["standard"][i],
            [p, 2 * p - l, p + r, h + 2 * (p - l), 2 * p - h, p - r, l - 2 * (h - p),
             3 * p + h - 3 * l, 3 * p + l - 3 * h],
        )  # fmt: skip
        shares = (0.382, 0.618, 1.0)
        same(got["fibonacci"][i][:7], [p, *(p + s * r for s in shares), *(p - s * r for s in shares)])
        away = [1.1 * r / part for part in (12, 6, 4, 2)]
        same(
            got["camarilla"][i],
            [p, *(c + a for a in away[:3]), *(c - a for a in away[:3]), c + away[3], c - away[3]],
        )
        w = (h + l + 2 * o) / 4
        r3, s3 = h + 2 * (w - l), l - 2 * (h - w)
        same(got["woodie"][i], [w, 2 * w - l, w + r, r3, 2 * w - h, w - r, s3, r3 + r, s3 - r])
        seen += 1
    assert seen == np.count_nonzero(~np.isnan(got["standard"][:, 0])) > 300


def profile_of(high, low, volume, rows, share):
    bottom, size = low.min(), (high.max() - low.min()) / rows
    edges = bottom + size * np.arange(rows + 1)
    traded = np.zeros(rows)
    for h, l, v in zip(high, low, volume, strict=True):  # noqa: E741
        if h == l:
            traded[min(int((l - bottom) / size), rows - 1)] += v
        else:
            traded += v * np.clip(np.minimum(edges[1:], h) - np.maximum(edges[:-1], l), 0, None) / (h - l)
    best = int(np.argmax(traded))
    under = over = best
    while traded[under : over + 1].sum() < share * traded.sum() * (1 - 1e-12):
        up = traded[over + 1] if over + 1 < rows else -1.0
        down = traded[under - 1] if under > 0 else -1.0
        over, under = (over + 1, under) if up >= down else (over, under - 1)
    return edges[best] + size / 2, edges[over + 1], edges[under]


def test_volume_profile(candles):
    poc, top, bottom = volume_profile(candles.high, candles.low, candles.volume, 60, 24, 0.7)
    assert np.isnan(poc[:59]).all()
    for i in range(59, len(candles)):
        own = slice(i - 59, i + 1)
        wanted = profile_of(candles.high[own], candles.low[own], candles.volume[own], 24, 0.7)
        same([poc[i], top[i], bottom[i]], wanted)


def test_ichimoku_draws_its_spans_later(candles):
    h, l = candles.high, candles.low  # noqa: E741
    middle = {p: windows(lambda h, l: (h.max() + l.min()) / 2, p, h, l) for p in (9, 26, 52)}  # noqa: E741
    conversion, base, span_a, span_b = ichimoku(h, l)
    same(conversion, middle[9])
    same(base, middle[26])
    same(span_a[26:], ((middle[9] + middle[26]) / 2)[:-26])
    same(span_b[26:], middle[52][:-26])
    assert np.isnan(span_a[:26]).all()


def test_keltner_and_supertrend_stand_on_the_average_true_range(candles):
    h, l, c = candles.high, candles.low, candles.close  # noqa: E741
    upper, middle, lower = keltner(h, l, c, 20, 10, 2.0)
    away = 2.0 * atr(h, l, c, 10)
    same(upper - middle, np.where(np.isnan(middle), np.nan, away))
    same(middle - lower, np.where(np.isnan(middle), np.nan, away))
    # The usual rules, bar by bar.
    got, direction = supertrend(h, l, c, 10, 3.0)
    reach = 3.0 * atr(h, l, c, 10)
    tops, bottoms = (h + l) / 2 + reach, (h + l) / 2 - reach
    first = int(np.argmax(~np.isnan(got)))
    top, bottom, side = tops[first], bottoms[first], direction[first]
    for i in range(first + 1, len(c)):
        top = tops[i] if tops[i] < top or c[i - 1] > top else top
        bottom = bottoms[i] if bottoms[i] > bottom or c[i - 1] < bottom else bottom
        side = (1.0 if c[i] > top else -1.0) if side < 0 else (-1.0 if c[i] < bottom else 1.0)
        assert direction[i] == side
        assert got[i] == pytest.approx(bottom if side > 0 else top)
