"""Both declared warm-ups of every indicator, at other prices and other parameters than the bench's."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.features.feature import features
from cryptai.features.indicator import Indicator

# Longer memories are left to the bench's own series.
LONGEST = 12_000
NAMES = [
    one.name for one in features
    if isinstance(one, Indicator) and one.group not in ("candlesticks", "regimes")
    and one.parameters and one.warmup_bars() is not None
]  # fmt: skip


def series(kind, bars, seed):
    rng = np.random.default_rng(seed)
    start = {"large": 6.5e4, "small": 3e-6, "ticks": 100.0}[kind]
    close = start * np.exp(np.cumsum(rng.normal(0, 0.01, bars)))
    opens = np.r_[close[:1], close[:-1]] * np.exp(rng.normal(0, 0.001, bars))
    high = np.maximum(opens, close) * (1.0 + np.abs(rng.normal(0, 0.002, bars)))
    low = np.minimum(opens, close) * (1.0 - np.abs(rng.normal(0, 0.002, bars)))
    volume = rng.lognormal(3, 2, bars) * (rng.random(bars) > 0.05)
    columns = {"open": opens, "high": high, "low": low, "close": close, "volume": volume}
    if kind == "ticks":
        columns = {name: np.round(values) for name, values in columns.items()}
    return {"ts": np.arange(bars) * 3_600_000, **columns}


def other_parameters(indicator, rng):
    """Draw whole numbers of up to three times the default, and one of each choice."""
    drawn = {}
    for one in indicator.parameters:
        if one.type is int:
            drawn[one.name] = int(rng.integers(max(one.low, 2), min(one.high, 3 * max(one.default, 4)) + 1))
        elif one.type is bool:
            drawn[one.name] = bool(rng.integers(2))
        elif one.choices:
            drawn[one.name] = one.choices[int(rng.integers(len(one.choices)))]
    return drawn


def outputs(indicator, columns, rows, parameters):
    found = indicator.function(*(columns[name][rows] for name in indicator.inputs), **parameters)
    return found if isinstance(found, tuple) else (found,)


def shortfalls(indicator, parameters, columns, warm, exact, ends):
    """Tell where the newest value of a window as long as declared is not that of the whole history."""
    whole = outputs(indicator, columns, slice(None), parameters)
    for bars, allowed in ((warm, 1e-9), (exact, 0.0)):
        for end in ends if bars is not None else ():
            part = outputs(indicator, columns, slice(end - bars, end), parameters)
            for output, ours, full in zip(indicator.outputs, part, whole, strict=True):
                a, b = ours[-1], full[end - 1]
                enough = (np.isnan(a) and np.isnan(b)) or abs(a - b) <= allowed * np.nanmax(np.abs(full))
                if not enough:
                    yield f"{output.name} at {end} with {bars} bars of {parameters}: {a!r}, not {b!r}"


@pytest.mark.parametrize("name", NAMES)
def test_a_window_as_long_as_declared_is_enough(name):
    indicator = features.get(name)
    rng = np.random.default_rng(sum(map(ord, name)))
    for kind in ("large", "small", "ticks"):
        parameters = {} if kind == "large" else other_parameters(indicator, rng)
        warm = indicator.warmup_bars(**parameters)
        exact = indicator.warmup_bars(bitwise=True, **parameters)
        needed = max(warm or 0, exact or 0)
        if needed > LONGEST:
            continue
        columns = series(kind, needed + 600, 1)
        ends = rng.integers(needed + 1, needed + 601, 12)
        assert list(shortfalls(indicator, parameters, columns, warm, exact, ends)) == []


def test_a_warmup_that_is_too_short_is_noticed():
    ema, columns, ends = features.get("ema"), series("large", 800, 1), [700, 750, 800]
    bars, exact = ema.warmup_bars(), ema.warmup_bars(bitwise=True)
    assert not list(shortfalls(ema, {}, columns, bars, exact, ends))
    assert list(shortfalls(ema, {}, columns, bars // 2, exact, ends))
    assert list(shortfalls(ema, {}, columns, bars, bars, ends))
