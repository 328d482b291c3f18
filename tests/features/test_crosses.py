"""The crosses of two EMAs in one pass: bit for bit those of TA-Lib's averages, whatever comes in."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.features import crosses
from cryptai.features._memory import ewm_bars
from cryptai.features._rolling import mean_of
from cryptai.features.averages import ema
from cryptai.features.crosses import crosses_above, crosses_below, ema_crosses

PERIODS = ((12, 26), (2, 3), (5, 5), (30, 7), (3, 90))


def expected(close, fast, slow):
    """Return the crosses of the averages written down."""
    a, b = ema(close, fast), ema(close, slow)
    return crosses_above(a, b), crosses_below(a, b)


def series(seed, n):
    """Return prices of one of six kinds: a walk, whole numbers, with holes, still for long, wild, none."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, n)))
    kind = seed % 6
    if kind == 1:
        close = np.round(close / 20.0) * 20.0
    elif kind == 2:
        close[: rng.integers(0, n + 1)] = np.nan
    elif kind == 3:
        close[int(n * (0.15 + 0.25 * (seed // 36))) :][:1] = np.nan
    elif kind == 4:
        close[n // 3 :] = close[:1]
    elif kind == 5:
        close = rng.choice([0.0, -0.0, 1e-300, 1e300, -7.0, np.inf], n)
    return close


def disagreement(function):
    """Return the first series and periods on which a function gives other crosses, or None."""
    for seed in range(108):
        close = series(seed, (0, 1, 2, 25, 300, 9_000)[seed // 6 % 6])
        for fast, slow in PERIODS:
            found = function(close, fast, slow)
            if any(
                a.tobytes() != b.tobytes() for a, b in zip(found, expected(close, fast, slow), strict=True)
            ):
                return seed, fast, slow
    return None


def test_the_crosses_are_those_of_talibs_averages_to_the_bit():
    with np.errstate(all="ignore"):
        assert disagreement(ema_crosses) is None


@pytest.mark.parametrize("n", [0, 1, 2, 3, 32_768, 32_769, 32_770, 70_000])
def test_crosses_are_steps_over_whatever_lies_on_the_other_side_of_a_block(n):
    rng = np.random.default_rng(n)
    a, b = rng.integers(-1, 2, n).astype(float), rng.integers(-1, 2, n).astype(float)
    a[rng.random(n) < 0.1] = np.nan
    for other in (b, 0.0, np.nan, np.zeros(1)):
        level = np.broadcast_to(other, n)
        above = [i > 0 and bool(a[i] > level[i] and a[i - 1] <= level[i - 1]) for i in range(n)]
        below = [i > 0 and bool(a[i] < level[i] and a[i - 1] >= level[i - 1]) for i in range(n)]
        assert crosses_above(a, other).tolist() == above
        assert crosses_below(a, other).tolist() == below


def quarters(close, memory):
    """Return what the kernel says of its quarters, and whether its crosses are right."""
    above, below = np.zeros(len(close) + 1, np.int8), np.zeros(len(close) + 1, np.int8)
    again = crosses._ema_crosses(close, 12, 26, memory, above, below)
    found = above[:-1].view(np.bool_), below[:-1].view(np.bool_)
    return again, all((a == b).all() for a, b in zip(found, expected(close, 12, 26), strict=True))


def test_four_quarters_go_at_once_where_the_average_forgets_and_one_after_the_other_where_not():
    long = ewm_bars(26, bitwise=True)
    for seed in range(8):
        walk = series(6 * seed, 18_000)
        assert quarters(walk, long) == (0, True)
        # Begun too late, it still remembers: this must be seen, and done again.
        assert quarters(walk, 20) == (1, True)
        for row in (1_000, 7_000, 12_000):
            broken = walk.copy()
            broken[row] = np.nan
            assert quarters(broken, long) == (1, True)


MUTANTS = {
    "a touch is a side": ("below[i + 1] = a > b, a < b", "below[i + 1] = a >= b, a <= b"),
    "the first row's side is forgotten": ("above[first], below[first] = a > b, a < b", "pass"),
    "the quarters are never compared": ("a != begun[0] or b != begun[1]", "False"),
    "the third quarter is never compared": ("a2 != begun[2] or b2 != begun[3]", "False"),
    "the last quarter is never compared": ("a3 != begun[4] or b3 != begun[5]", "False"),
    "NaN at the beginning counts": ("begin < n and np.isnan(close[begin])", "False"),
    "one row late": ("first = begin + max(fast, slow)", "first = begin + max(fast, slow) + 1"),
    "the sum begins a row late": ("mean_of(close, begin, ", "mean_of(close, begin + 1, "),
    "the third quarter is that of the second": ("a3 > b3, a4 > b4", "a2 > b2, a4 > b4"),
}


def planted(old, new):
    """Return the crosses as plain Python finds them, with a piece of the kernel's source replaced."""
    parts = (crosses._sides_from, crosses._ema_until, crosses._settled, crosses._sides)
    source = "".join(inspect.getsource(one) for one in (*parts, crosses._ema_crosses.function))
    source = source.replace("@part\n", "").replace("@kernel\n", "")
    assert old in source
    names = {"np": np, "mean_of": mean_of}
    exec("from __future__ import annotations\n" + source.replace(old, new), names)  # noqa: S102

    def function(close, fast, slow):
        above, below = np.zeros(len(close) + 1, np.int8), np.zeros(len(close) + 1, np.int8)
        # A memory as short as this lets short series go in quarters, some of them guessed wrongly.
        names["_ema_crosses"](close, fast, slow, 75, above, below)
        return above[:-1].view(np.bool_), below[:-1].view(np.bool_)

    return function


def test_the_kernel_read_by_plain_python_gives_the_same_bits():
    with np.errstate(all="ignore"):
        assert disagreement(planted("", "")) is None


@pytest.mark.parametrize("bug", MUTANTS)
def test_a_bug_planted_in_the_kernel_is_caught(bug):
    with np.errstate(all="ignore"):
        assert disagreement(planted(*MUTANTS[bug])) is not None


@pytest.mark.parametrize(("fast", "slow", "field"), [(1, 26, "fast"), (12, 0, "slow"), (-3, 5, "fast")])
def test_a_period_that_cannot_be_is_a_sentence(fast, slow, field):
    with pytest.raises(InputError, match="must be 2 bars or more") as refused:
        ema_crosses(np.ones(50), fast, slow)
    assert refused.value.field == field


def test_other_columns_of_numbers_are_taken_and_a_table_is_not():
    whole = np.array([30, 20, 10, 40, 10])
    assert [a.tolist() for a in ema_crosses(whole, 2, 3)] == [
        a.tolist() for a in ema_crosses(whole.astype(float), 2, 3)
    ]
    with pytest.raises(InputError, match="one dimension"):
        ema_crosses(np.ones((5, 2)), 2, 3)
