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
    ):
        close = walk(n, len(periods))
        rooms = [np.zeros(n) for _ in periods]
        function(close, periods, rooms)
        for period, room in zip(periods, rooms, strict=True):
            if room.tobytes() != np.asarray(ema(close, period)).tobytes():
                return False
    return True


def test_four_averages_at_once_are_those_of_talib_to_the_bit():
    assert agree(emas)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("mean_of(close, 0, period - 1)", "mean_of(close, 1, period - 1)"),
        ("out[period - 1] = average", "out[period - 2] = average"),
        ("2.0 / (c + 1.0), 2.0 / (d + 1.0)", "2.0 / (c + 1.0), 2.0 / (c + 1.0)"),
        ("first = max(a, b, c, d)", "first = max(a, b, c)"),
        ("to_c[i], to_d[i] = x, y, z, w", "to_c[i], to_d[i] = x, y, w, z"),
    ],
)  # fmt: skip
def test_a_bug_planted_in_the_kernel_is_caught(right, wrong):
    written = (side_by_side._begun, side_by_side._four_emas.function)
    source = (
        "".join(inspect.getsource(one) for one in written).replace("@part\n", "").replace("@kernel\n", "")
    )

    def planted(text):
        names = {"np": np, "mean_of": mean_of}
        exec("from __future__ import annotations\n" + text, names)  # noqa: S102

        def function(close, periods, rooms):
            more = WIDTH - len(periods)
            names["_four_emas"](close, *periods, *[periods[-1]] * more, *rooms, *[rooms[-1]] * more)

        return function

    assert agree(planted(source))
    assert right in source
    assert not agree(planted(source.replace(right, wrong)))
