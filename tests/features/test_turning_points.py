"""Fractals, ZigZag and divergences against plain definitions of them."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.features.divergence import macd_divergence, rsi_divergence
from cryptai.features.oscillators import rsi
from cryptai.features.trend import macd
from cryptai.features.turning_points import fractals, zigzag
from cryptai.market.candles import Candles


def ticks(seed, bars=300):
    """Candles on a coarse grid of prices, so that equal highs and lows are common."""
    rng = np.random.default_rng(seed)
    close = 200.0 + np.cumsum(rng.integers(-3, 4, bars))
    close -= min(0.0, close.min() - 50.0)
    opened = np.r_[close[:1], close[:-1]]
    high = np.maximum(opened, close) + rng.integers(0, 3, bars)
    low = np.minimum(opened, close) - rng.integers(0, 3, bars)
    volume = rng.integers(0, 5, bars).astype(float)
    return Candles(np.arange(bars) * 60_000, opened, high, low, close, volume, "BTC/USDT", "1m")


def rows(events):
    return [
        (int(a), int(k), events.kinds[c].name, float(level))
        for a, k, c, level in zip(events.at_bar, events.known_bar, events.kind, events.level, strict=True)
    ]


def plain_fractals(candles, before, after):
    found = []
    for p in range(before, len(candles) - after):
        around = [*range(p - before, p), *range(p + 1, p + after + 1)]
        if all(candles.high[p] > candles.high[i] for i in around):
            found.append((p, p + after, "fractal_high", float(candles.high[p])))
        if all(candles.low[p] < candles.low[i] for i in around):
            found.append((p, p + after, "fractal_low", float(candles.low[p])))
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("before", "after"), [(2, 2), (1, 3), (5, 1)])
def test_fractals_are_strictly_beyond_their_neighbours(seed, before, after):
    candles = ticks(seed)
    assert rows(fractals(candles, before, after)) == plain_fractals(candles, before, after)


def fallen(edge, other, factor, sign, p, bars, *, ties):
    """Return the first of `bars` that lies the deviation away from p, before one goes beyond p."""
    for j in bars:
        if sign * edge[j] > sign * edge[p] or (ties and edge[j] == edge[p]):
            return None
        if max(edge[p], other[j]) >= factor * min(edge[p], other[j]) and sign * (edge[p] - other[j]) > 0:
            return j
    return None


def plain_zigzag(candles, deviation, max_age):
    factor = 1.0 + deviation / 100.0
    found = []
    for name, edge, other, sign in (
        ("zigzag_high", candles.high, candles.low, 1), ("zigzag_low", candles.low, candles.high, -1),
    ):  # fmt: skip
        for p in range(len(candles)):
            before = range(p - 1, max(p - max_age, 0) - 1, -1)
            after = range(p + 1, min(p + max_age, len(candles) - 1) + 1)
            if fallen(edge, other, factor, sign, p, before, ties=True) is None:
                continue
            known = fallen(edge, other, factor, sign, p, after, ties=False)
            if known is not None:
                found.append((p, known, name, float(edge[p])))
    return sorted(found, key=lambda row: (row[1], row[0]))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("deviation", "max_age"), [(3.0, 300), (8.0, 300), (5.0, 12), (5.0, 1)])
def test_zigzag_points_rise_and_fall_by_the_deviation(seed, deviation, max_age):
    candles = ticks(seed)
    assert rows(zigzag(candles, deviation, max_age)) == plain_zigzag(candles, deviation, max_age)


def walked_zigzag(close, factor):
    """Return the pivots of the usual recursive ZigZag of closes, from its first confirmed one on."""
    turns, side, extreme = [], 0, 0
    high = low = 0
    for k in range(len(close)):
        if side == 0:
            high = k if close[k] > close[high] else high
            low = k if close[k] < close[low] else low
            side = -1 if close[high] >= factor * close[k] else 1 if close[k] >= factor * close[low] else 0
            extreme = k
        elif side == 1:
            if close[k] > close[extreme]:
                extreme = k
            elif close[extreme] >= factor * close[k]:
                turns.append((extreme, k))
                side, extreme = -1, k
        elif close[k] < close[extreme]:
            extreme = k
        elif close[k] >= factor * close[extreme]:
            turns.append((extreme, k))
            side, extreme = 1, k
    return turns


@pytest.mark.parametrize("seed", range(20))
def test_zigzag_of_one_price_a_bar_is_the_usual_one_and_alternates(seed):
    close = ticks(seed, 600).close
    candles = Candles(np.arange(600) * 60_000, close, close, close, close, close, "BTC/USDT", "1m")
    found = zigzag(candles, 4.0, 600)
    usual = walked_zigzag(close, 1.04)
    ours = list(zip(found.at_bar.tolist(), found.known_bar.tolist(), strict=True))
    assert len(ours) > 5
    assert ours[-len(usual) :] == usual or ours == usual[-len(ours) :]
    assert (np.diff(found.kind) != 0).all()


def plain_divergences(candles, line, length, nearest, furthest):
    found = []
    last = {1: None, -1: None}
    for p in range(length, len(line) - length):
        window = line[p - length : p + length + 1]
        for side, price in ((-1, candles.low), (1, candles.high)):
            signed = side * window
            is_pivot = (signed[:length] < signed[length]).all() and (signed[length:] <= signed[length]).all()
            if not is_pivot or np.isnan(window).any():
                continue
            q = last[side]
            if q is not None and nearest <= p - q <= furthest:
                name = "bullish" if side < 0 else "bearish"
                if side * line[p] < side * line[q] and side * price[p] > side * price[q]:
                    found.append((p, p + length, f"regular_{name}", float(price[p])))
                if side * line[p] > side * line[q] and side * price[p] < side * price[q]:
                    found.append((p, p + length, f"hidden_{name}", float(price[p])))
            last[side] = p
    return found


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("length", "furthest"), [(5, 60), (2, 15)])
def test_divergences_compare_two_successive_pivots(seed, length, furthest):
    candles = ticks(seed, 500)
    ours = rsi_divergence(candles, 14, length, 3, furthest)
    assert rows(ours) == plain_divergences(candles, rsi(candles.close, 14), length, 3, furthest)
    line, _, histogram = macd(candles.close)
    ours = macd_divergence(candles, length=length, nearest=3, furthest=furthest)
    assert rows(ours) == plain_divergences(candles, line, length, 3, furthest)
    ours = macd_divergence(candles, source="histogram", length=length, nearest=3, furthest=furthest)
    assert rows(ours) == plain_divergences(candles, histogram, length, 3, furthest)
    assert len(ours) > 0


def test_a_divergence_is_not_known_before_its_second_pivot_is():
    candles = ticks(3, 500)
    full = rsi_divergence(candles)
    for cut in range(1, 500, 7):
        part = rsi_divergence(candles[:cut])
        assert rows(part) == [row for row in rows(full) if row[1] < cut]
