"""The geometry of the pictures the server draws: sparkline, ruler, candle chart. Numbers in, coordinates out.

Coordinates are percent of the picture where its text must keep its size, else units of a stretched box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptai.analytics.scales import round_levels
from cryptai.web.pages.numbers import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptai.market.candles import Candles

SPARK_WIDTH: Final = 96.0
SPARK_HEIGHT: Final = 26.0


@dataclass(frozen=True)
class Sparkline:
    """A line through closes in a box of 96 × 26, with the level it started from."""

    path: str
    ground: float
    direction: str


def sparkline(closes: Sequence[float]) -> Sparkline | None:
    """Return the line, or None when fewer than two closes are finite."""
    values = [v for v in (number(c) for c in closes) if v is not None]
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    flat = high == low

    def y(value: float) -> float:
        part = 0.5 if flat else (value - low) / span
        return round(SPARK_HEIGHT - 2 - part * (SPARK_HEIGHT - 4), 2)

    step = SPARK_WIDTH / (len(values) - 1)
    path = "M" + " ".join(f"{round(i * step, 2)},{y(v)}" for i, v in enumerate(values))
    way = "flat" if values[-1] == values[0] else "up" if values[-1] > values[0] else "down"
    return Sparkline(path, y(values[0]), way)


@dataclass(frozen=True)
class Ruler:
    """Stop, entry, target and the price now, as percent of the ruler's width from the left.

    A long reads stop … entry … target from the left; a short is mirrored, so that gain is to the right.
    """

    entry: float
    loss_x: float
    loss_width: float
    gain_x: float
    gain_width: float
    now: float | None
    now_outside: str


def ruler(stop: float, entry: float, target: float, now: float | None = None) -> Ruler | None:
    """Return the ruler, or None where the three levels do not lie in order."""
    levels = [number(v) for v in (stop, entry, target)]
    if None in levels:
        return None
    s, e, t = (float(v) for v in levels if v is not None)
    if not (s < e < t or s > e > t):
        return None

    def at(value: float) -> float:
        return 100.0 * (value - s) / (t - s)

    middle = round(at(e), 2)
    here = number(now)
    position = None if here is None else at(here)
    outside = (
        ""
        if position is None or 0 <= position <= 100
        else "beyond the stop"
        if position < 0
        else "beyond the target"
    )
    shown = None if position is None else round(min(100.0, max(0.0, position)), 2)
    return Ruler(middle, 0.0, middle, middle, round(100.0 - middle, 2), shown, outside)


@dataclass(frozen=True)
class Bar:
    """One candle: percent of the plot's width and height, from the top left."""

    x: float
    left: float
    width: float
    top: float
    height: float
    wick_top: float
    wick_bottom: float
    up: bool
    volume_top: float
    volume_height: float


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where (percent) and which value."""

    at: float
    value: float


@dataclass(frozen=True)
class CandlePicture:
    """A whole candle chart: bars, price and time marks, lines over the bars as paths in a 100 × 100 box."""

    bars: list[Bar]
    prices: list[Tick]
    times: list[Tick]
    lines: dict[str, str]
    last: Tick
    last_up: bool


def candle_picture(
    candles: Candles, lines: Mapping[str, Sequence[float]] | None = None, *, levels: Sequence[float] = ()
) -> CandlePicture | None:
    """Return the chart of all these bars; None of none.

    `lines` hold one value a bar, NaN where undefined; `levels` are prices that must be in the picture.
    """
    n = len(candles)
    if n == 0:
        return None
    low = min(float(candles.low.min()), *levels, math.inf)
    high = max(float(candles.high.max()), *levels, -math.inf)
    pad = (high - low) * 0.06 or high * 0.01
    low, high = low - pad, high + pad
    most = float(candles.volume.max()) or 1.0
    step = 100.0 / n

    def y(value: float) -> float:
        return round(100.0 * (high - value) / (high - low), 3)

    bars = []
    for i in range(n):
        opened, closed = float(candles.open[i]), float(candles.close[i])
        top = y(max(opened, closed))
        tall = 16.0 * float(candles.volume[i]) / most
        bars.append(
            Bar(
                x=round((i + 0.5) * step, 3), left=round((i + 0.18) * step, 3), width=round(step * 0.64, 3),
                top=top, height=max(0.25, round(y(min(opened, closed)) - top, 3)),
                wick_top=y(float(candles.high[i])), wick_bottom=y(float(candles.low[i])), up=closed >= opened,
                volume_top=round(100.0 - tall, 3), volume_height=round(tall, 3),
            )
        )  # fmt: skip
    every = max(1, n // 6)
    times = [Tick(round((i + 0.5) * step, 3), float(candles.ts[i])) for i in range(every // 2, n, every)]
    prices = [Tick(y(v), v) for v in round_levels(low, high, 7)]
    paths = {name: _path(values, step, y) for name, values in (lines or {}).items()}
    close = float(candles.close[-1])
    return CandlePicture(bars, prices, times, paths, Tick(y(close), close), bool(bars[-1].up))


def _path(values: Sequence[float], step: float, y: object) -> str:
    # A pen that lifts where the value is undefined.
    parts, down = [], False
    for i, value in enumerate(values):
        n = number(value)
        if n is None:
            down = False
            continue
        parts.append(f"{'L' if down else 'M'}{round((i + 0.5) * step, 3)},{y(n)}")  # type: ignore[operator]
        down = True
    return " ".join(parts)
