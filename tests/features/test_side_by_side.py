"""Averages computed side by side are those computed alone, to the bit."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from cryptai.features import side_by_side
from cryptai.features._rolling import mean_of
from cryptai.features.averages import ema
from cryptai.features.side_by_side import WIDTH, emas


def walk(n, seed=0):
    """Return prices of a random walk."""
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.01, n)))


def agree(function):
    """Say whether the averages that a function writes are `ema`'s, for whatever it is asked."""
    for n, periods in (
        (300, (12, 26, 3, 90)),
        (300, (2,)),
        (300, (300, 2)),
        (300, (7, 7, 7)),
        (2, (2,)),
        (1_000, (999, 1_000, 2, 500)),
        (1_000, (5, 9, 30, 7, 999, 1_000, 2, 500, 44)),
    ):
        close = walk(n, len(periods))
        rows = np.zeros((len(periods) + 2, n))
        slots = list(range(len(periods), 0, -1))
        function(close, periods, rows, slots)
        if rows[0].any() or rows[-1].any():
            return False
        for period, slot in zip(periods, slots, strict=True):
            if rows[slot].tobytes() != np.asarray(ema(close, period)).tobytes():
                return False
    return True


def test_averages_computed_together_are_those_of_talib_to_the_bit():
    assert agree(emas)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("mean_of(close, 0, period - 1)", "mean_of(close, 1, period - 1)"),
        ("out[period - 1] = average", "out[period - 2] = average"),
        ("2.0 / (c + 1.0), 2.0 / (d + 1.0)", "2.0 / (c + 1.0), 2.0 / (c + 1.0)"),
        ("first = max(a, b, c, d)", "first = max(a, b, c)"),
        ("to_c[i], to_d[i] = x, y, z, w", "to_c[i], to_d[i] = x, y, w, z"),
        ("min(a + 3, last)", "min(a + 2, last)"),
        ("range(0, len(periods), WIDTH)", "range(0, len(periods) - WIDTH, WIDTH)"),
        ("slots[d] * n", "d * n"),
    ],
)  # fmt: skip
def test_a_bug_planted_in_the_kernel_is_caught(right, wrong):
    written = (side_by_side._begun, side_by_side._four, side_by_side._emas.function)
    source = (
        "".join(inspect.getsource(one) for one in written).replace("@part\n", "").replace("@kernel\n", "")
    )

    def planted(text):
        names = {"np": np, "mean_of": mean_of, "WIDTH": WIDTH}
        exec("from __future__ import annotations\n" + text, names)  # noqa: S102
        return lambda close, periods, rows, slots: names["_emas"](close, periods, slots, rows.reshape(-1))

    assert agree(planted(source))
    assert right in source
    assert not agree(planted(source.replace(right, wrong)))
