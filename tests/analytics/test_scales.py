"""Marks of pictures are round, and what is left of a long curve has its extremes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryptai.analytics.scales import round_levels, thinned
from cryptai.seams import rng


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0.0, 1.0),
        (41_000.0, 44_900.0),
        (1e-9, 3e-8),
        (-5.0, 1e9),
        (-83.0, 0.0),
        (9.6e3, 1.5e5),
        (2e-17, 9e-17),
    ],
)
def test_marks_are_round_and_inside(low, high):
    marks = round_levels(low, high, 6)
    assert 2 <= len(marks) <= 8
    assert all(low <= m <= high or m == pytest.approx(low) for m in marks)


def test_a_range_that_is_none_has_no_marks():
    assert round_levels(1.0, 1.0, 6) == []
    assert round_levels(math.nan, 1.0, 6) == []


def test_thinning_keeps_ends_and_extremes_within_the_limit():
    values = rng(3).normal(0, 1, 100_000)
    values[77_777], values[12_345] = 50.0, -50.0
    rows = thinned(values, 2000)
    assert len(rows) <= 2000
    assert {0, 12_345, 77_777, 99_999} <= set(rows.tolist())
    assert (np.diff(rows) > 0).all()


def test_a_short_curve_is_kept_whole():
    assert thinned(np.arange(10.0), 10).tolist() == list(range(10))
