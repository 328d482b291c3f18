"""Logarithm and exponential that are the same to the bit on every machine.

The C library's and NumPy's own depend on the processor in their last digit: with fused multiplication they
round otherwise. What a run's identity rests on must not, so these use nothing but the sums, products and
quotients that IEEE 754 rounds in one way. They are within two units in the last place of the true value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

N = TypeVar("N", float, "NDArray[np.float64]")
# ln 2 in two parts: the first has 32 bits, so that its product with any exponent is exact.
_LN2: Final = 0.693_147_180_559_945_3
_LN2_HIGH: Final = math.floor(_LN2 * 2.0**32) / 2.0**32
# ln 2 = 0.693147180559945309417232121458176568 (OEIS A002162), less the first part.
_LN2_LOW: Final = (_LN2 - _LN2_HIGH) + 2.319_046_813_846_299_6e-17
_HALF_ROOT: Final = math.sqrt(0.5)
_TERMS: Final = tuple(1.0 / (2 * k + 1) for k in range(12, 0, -1))
_FACTORS: Final = tuple(1.0 / n for n in range(18, 1, -1))


def log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the natural logarithms of finite values above 0; anything else gives NaN.

    >>> log(np.array([1.0, 2.0, 10.0]))
    array([0.        , 0.69314718, 2.30258509])
    """
    sound = (values > 0.0) & np.isfinite(values)
    part, power = np.frexp(np.where(sound, values, 1.0))
    # Between the roots of a half and of two: there the series is short.
    small = part < _HALF_ROOT
    part = np.where(small, 2.0 * part, part)
    exponent = np.where(small, power - 1, power).astype(np.float64)
    s = (part - 1.0) / (part + 1.0)
    z = s * s
    # The area hyperbolic tangent: s + s³/3 + s⁵/5 + …
    total = np.zeros_like(z)
    for term in _TERMS:
        total = (total + term) * z
    found: NDArray[np.float64] = exponent * _LN2_HIGH + (2.0 * s + (2.0 * s * total + exponent * _LN2_LOW))
    return np.where(sound, found, np.nan)


def log_of(value: float) -> float:
    """Return the natural logarithm of one finite value above 0, as `log` has it; anything else gives NaN."""
    if not 0.0 < value < math.inf:
        return math.nan
    part, power = math.frexp(value)
    if part < _HALF_ROOT:
        part, power = 2.0 * part, power - 1
    s = (part - 1.0) / (part + 1.0)
    z, total = s * s, 0.0
    for term in _TERMS:
        total = (total + term) * z
    return power * _LN2_HIGH + (2.0 * s + (2.0 * s * total + power * _LN2_LOW))


def expm1(value: float) -> float:
    """Return `exp(value) - 1` of a value from -700 to 700.

    >>> round(expm1(1.0), 12), expm1(1e-20)
    (1.718281828459, 1e-20)
    """
    halves = math.floor(value / _LN2 + 0.5)
    grown = _grown(value - halves * _LN2_HIGH, halves * _LN2_LOW)
    if halves == 0:
        return grown
    return math.ldexp(grown, halves) + (math.ldexp(1.0, halves) - 1.0)


def expm1_of_each(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `expm1` of each of some values, to the bit."""
    halves = np.floor(values / _LN2 + 0.5)
    grown = _grown(values - halves * _LN2_HIGH, halves * _LN2_LOW)
    powers = halves.astype(np.int64)
    found: NDArray[np.float64] = np.ldexp(grown, powers) + (np.ldexp(1.0, powers) - 1.0)
    return np.where(powers == 0, grown, found)


def _grown(high: N, low: N) -> N:
    # What the exponential of `high - low`, a small number, has over 1; of a number or of each of a column.
    rest = high - low
    total = 0.0 * rest
    for factor in _FACTORS:
        # Horner's scheme of r + r²/2! + r³/3! + …
        total = (total + 1.0) * rest * factor
    return (total + 1.0) * rest
