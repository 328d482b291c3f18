"""The pictures the server draws: to scale, whole with absurd data, thinned without losing an extreme."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryptai.analytics.drawdowns import fallen
from cryptai.market.candles import Candles
from cryptai.seams import rng
from cryptai.web.pages import curve, drawing

HOUR = 3_600_000


def candles(close: list[float]) -> Candles:
    c = np.array(close)
    o = np.r_[c[0], c[:-1]]
    high, low = np.maximum(o, c), np.minimum(o, c)
    return Candles(HOUR * np.arange(len(c)), o, high, low, c, np.zeros(len(c)), "BTC/USDT", "1h")


def test_a_ruler_is_to_scale_and_gain_lies_right_for_long_and_short() -> None:
    long = drawing.ruler(92, 100, 115, 103)
    short = drawing.ruler(108, 100, 85, 97)
    assert long is not None
    assert short is not None
    assert long.entry == pytest.approx(100 * 8 / 23, abs=0.01)
    assert short.entry == long.entry
    assert long.now == pytest.approx(100 * 11 / 23, abs=0.01)
    assert long.now == short.now


@pytest.mark.parametrize(
    ("now", "shown", "said"), [(50.0, 0.0, "beyond the stop"), (500.0, 100.0, "beyond the target")]
)
def test_a_price_outside_the_ruler_stays_at_its_end_and_is_said(now: float, shown: float, said: str) -> None:
    ruler = drawing.ruler(92, 100, 115, now)
    assert ruler is not None
    assert (ruler.now, ruler.now_outside) == (shown, said)


@pytest.mark.parametrize("levels", [(100, 100, 115), (120, 100, 115), (math.nan, 100, 115), (92, 100, None)])
def test_levels_out_of_order_give_no_ruler(levels: tuple[float, float, float]) -> None:
    assert drawing.ruler(*levels) is None


def test_a_sparkline_of_fewer_than_two_closes_is_none_and_a_flat_one_lies_in_the_middle() -> None:
    assert drawing.sparkline([]) is None
    assert drawing.sparkline([1.0, math.nan]) is None
    flat = drawing.sparkline([2.0] * 5)
    assert flat is not None
    assert (flat.direction, flat.ground) == ("flat", 13.0)


def test_a_sparkline_touches_top_and_bottom_and_knows_its_direction() -> None:
    line = drawing.sparkline([3.0, 1.0, 9.0, 4.0])
    assert line is not None
    heights = [float(point.split(",")[1]) for point in line.path[1:].split(" ")]
    assert (min(heights), max(heights), line.direction) == (2.0, 24.0, "up")


@pytest.mark.parametrize("close", [[5.0], [1e-8] * 30, [100.0] * 20 + [1e-8], [1e9, 2e9]])
def test_a_candle_picture_of_absurd_bars_lies_inside_its_box(close: list[float]) -> None:
    picture = drawing.candle_picture(candles(close))
    assert picture is not None
    for bar in picture.bars:
        assert 0 <= bar.wick_top <= bar.top <= 100
        assert bar.wick_bottom <= 100
        assert bar.left >= 0
        assert bar.left + bar.width <= 100.001
    assert all(0 <= tick.at <= 100 for tick in [*picture.prices, *picture.times, picture.last])


def test_no_bars_give_no_picture() -> None:
    assert drawing.candle_picture(candles([1.0, 2.0])[:0]) is None


def test_a_line_over_the_bars_lifts_its_pen_where_it_is_undefined() -> None:
    picture = drawing.candle_picture(candles([1.0, 2.0, 3.0, 4.0]), {"ema": [math.nan, 2.0, math.nan, 3.0]})
    assert picture is not None
    assert picture.lines["ema"].count("M") == 2


def test_points_keep_the_deepest_drawdown_and_stay_under_two_thousand() -> None:
    equity = 10_000 * np.exp(np.cumsum(rng(4).normal(0, 0.01, 60_000)))
    ts = np.arange(60_000) * float(HOUR)
    points = curve.points(ts, equity, 10_000.0)
    assert len(points) <= curve.MOST_POINTS
    assert min(p[2] for p in points) == -fallen(10_000.0, equity).max()
    assert max(p[1] for p in points) == equity.max()


def test_drawdown_is_measured_from_the_capital_at_first() -> None:
    rows = curve.points(np.arange(3.0), np.array([90.0, 120.0, 60.0]), 100.0, np.array([100.0, 90.0, 80.0]))
    assert [row[2] for row in rows] == pytest.approx([-0.1, 0.0, -0.5])
    assert [row[3] for row in rows] == [100.0, 90.0, 80.0]
    assert curve.points(np.arange(1.0), np.array([90.0]), 100.0)[0][3] is None


@pytest.mark.parametrize("equity", [[1e4, 1e4, 1e4], [1e4, 0.0, 0.0], [1e4, 2e4, 5e3]])
def test_a_curve_is_drawn_for_every_equity(equity: list[float]) -> None:
    picture = curve.curve_picture(np.arange(3) * float(HOUR), np.array(equity), 1e4)
    assert picture is not None
    assert "nan" not in picture.equity + picture.drawdown
    assert curve.curve_picture(np.zeros(1), np.array([1e4]), 1e4) is None
