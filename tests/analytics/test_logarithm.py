"""Logarithm and exponential against exact arithmetic, and bit for bit on a stand-in for another machine."""

from __future__ import annotations

import hashlib
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from cryptai.analytics.logarithm import expm1, expm1_of_each, log, log_of

VALUES = np.concatenate(
    [
        np.random.default_rng(1).lognormal(0.0, 3.0, 300),
        1.0 + np.random.default_rng(2).normal(0.0, 1e-4, 300),
        [1.0, 2.0, 0.5, math.nextafter(1.0, 2.0), math.nextafter(1.0, 0.0), 5e-324, 1.7e308, 1e-300],
    ]
)


def ulps(found, exact):
    return abs(Decimal(found) - exact) / Decimal(math.ulp(float(exact) or 5e-324))


def test_logarithms_are_within_two_units_of_the_true_value():
    with localcontext() as context:
        context.prec = 60
        worst = max(
            ulps(found, Decimal(v).ln())
            for v, found in zip(VALUES.tolist(), log(VALUES).tolist(), strict=True)
        )
    assert worst < 2


def test_powers_are_within_two_units_of_the_true_value():
    tried = np.concatenate(
        [np.linspace(-40.0, 40.0, 401), np.random.default_rng(3).normal(0, 1e-6, 50), [699.0, -699.0]]
    )
    with localcontext() as context:
        context.prec = 80
        worst = max(ulps(expm1(v), Decimal(v).exp() - 1) for v in tried.tolist() if v)
    assert worst < 2
    assert expm1(0.0) == 0.0


def test_one_value_has_the_bits_that_many_have():
    assert [log_of(v) for v in VALUES.tolist()] == log(VALUES).tolist()
    tried = np.concatenate([np.log(VALUES[VALUES < 1e300]), [0.0, 699.0, -699.0, -9_000.0, 1e-20]])
    assert [expm1(v) for v in tried.tolist()] == expm1_of_each(tried).tolist()


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_what_has_no_logarithm_is_nan(value):
    assert math.isnan(log_of(value))


def test_the_bits_are_those_of_every_machine():
    # A sum of whole numbers over a power of two: no library makes these values.
    tried = np.arange(1, 20_001, dtype=np.float64) / 1_024.0
    told = hashlib.sha256(log(tried).tobytes()).hexdigest()[:16]
    other = hashlib.sha256(np.array([expm1(v) for v in tried.tolist()]).tobytes()).hexdigest()[:16]
    assert (told, other) == ("ab0e8ef65d131a69", "4716bdc334d3224e")
