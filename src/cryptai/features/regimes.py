"""Regimes: bull, bear, sideways, volatile or quiet, by rules and by a hidden Markov model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._persisted import persisted
from cryptai.features.feature import within
from cryptai.features.indicator import Output, indicator
from cryptai.kernels import kernel, part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.kernels import Floats

BULL, BEAR, SIDEWAYS, VOLATILE, LOW_VOL = 1, 2, 3, 4, 5
REGIMES: Final = {BULL: "BULL", BEAR: "BEAR", SIDEWAYS: "SIDEWAYS", VOLATILE: "VOLATILE", LOW_VOL: "LOW_VOL"}
"""The numbers of the output `regime`, and their names."""
_OUTPUTS: Final = (
    Output("regime", "code", "dots", tuple(REGIMES.items())), Output("volatility_level", "ratio"),
    Output("trend_strength", "ratio"), Output("confidence", "ratio"),
)  # fmt: skip
_HORIZON: Final = within(1, 1_000, "bars after which confidence asks whether the regime still stands")
_MEMORY: Final = within(50, 100_000, "past calls from which confidence is counted")
_USUAL: Final = within(10, 100_000, "bars whose volatility counts as usual")


@part
def _mean_square(values: Floats, first: int, last: int) -> float:
    # Four sums side by side: one alone would wait for each addition.
    a = b = c = d = 0.0
    i = first
    while i + 3 <= last:
        a += values[i] * values[i]
        b += values[i + 1] * values[i + 1]
        c += values[i + 2] * values[i + 2]
        d += values[i + 3] * values[i + 3]
        i += 4
    while i <= last:
        a += values[i] * values[i]
        i += 1
    return ((a + b) + (c + d)) / (last - first + 1)


@kernel
def _ruled(
    moves: Floats, trend: int, volatility: int, usual: int, strong: float, wild: float, calm: float,
    code: Floats, level: Floats, strength: Floats, depth: Floats,
) -> int:  # fmt: skip
    first = max(trend, usual, volatility)
    for t in range(len(moves)):
        code[t] = level[t] = strength[t] = depth[t] = np.nan
        if t < first:
            continue
        base = math.sqrt(_mean_square(moves, t - usual + 1, t))
        now = math.sqrt(_mean_square(moves, t - volatility + 1, t))
        spread = math.sqrt(_mean_square(moves, t - trend + 1, t) * trend)
        total = 0.0
        for i in range(t - trend + 1, t + 1):
            total += moves[i]
        if np.isnan(base) or np.isnan(now) or np.isnan(total):
            continue
        level[t] = now / base if base > 0.0 else 0.0
        away = total / spread if spread > 0.0 else 0.0
        strength[t] = math.erf(away / math.sqrt(2.0))
        if abs(away) >= strong:
            code[t] = 1.0 if away > 0.0 else 2.0
            depth[t] = abs(strength[t])
        elif level[t] >= wild:
            code[t] = 4.0
            depth[t] = level[t] / wild - 1.0
        elif level[t] <= calm:
            code[t] = 5.0
            depth[t] = 1.0 - level[t] / calm
        else:
            code[t] = 3.0
            depth[t] = 1.0 - abs(strength[t])
    return 0


def _ruled_bars(trend: int, volatility: int, usual: int, horizon: int, memory: int, **_others: float) -> int:
    return max(trend, volatility, usual) + 1 + horizon + memory


@indicator(
    outputs=_OUTPUTS,
    pane="below",
    warmup=_ruled_bars,
    exact=_ruled_bars,
    trend=within(2, 100_000, "bars over which a trend is measured"),
    volatility=within(2, 100_000, "bars of the volatility of now"),
    usual=_USUAL,
    strong=within(0.0, 10.0, "standard deviations of a random walk that make a move a trend"),
    wild=within(1.0, 10.0, "volatility of now over the usual from which it is VOLATILE"),
    calm=within(0.0, 1.0, "volatility of now over the usual up to which it is LOW_VOL"),
    horizon=_HORIZON,
    memory=_MEMORY,
)
def regime(
    close: NDArray[np.float64],
    trend: int = 50,
    volatility: int = 20,
    usual: int = 200,
    strong: float = 1.0,
    wild: float = 1.4,
    calm: float = 0.6,
    horizon: int = 10,
    memory: int = 2000,
) -> tuple[NDArray[np.float64], ...]:
    """Return the market's regime by rules: 1 BULL, 2 BEAR, 3 SIDEWAYS, 4 VOLATILE, 5 LOW_VOL.

    With r the logarithmic returns of `close`, each deviation the root of a window's mean square:
    `trend_strength` is erf(z / √2) with z the return of the last `trend` bars over its deviation if they were
    independent, so -1 to 1, and above 0.68 in size in a third of all cases on a random walk.
    `volatility_level` is the deviation of the last `volatility` bars over that of the last `usual`, 1 as
    usual. BULL and BEAR where |z| reaches `strong`; else VOLATILE from `wild`, LOW_VOL up to `calm`, SIDEWAYS
    between.

    `confidence`, 0 to 1, is counted, not asserted: of the last `memory` calls whose outcome is known, the
    share of those alike (same regime, same quarter of depth in it) that still stood `horizon` bars later.

    All four NaN on the first `usual` bars (or `trend`, where longer), and `confidence` until an outcome is
    known; NaN while a NaN or a price not above zero lies in a window. A price that never moves is LOW_VOL,
    level 0, strength 0.

    >>> import numpy as np
    >>> code, level, strength, confidence = regime(np.geomspace(100.0, 200.0, 400))
    >>> float(code[-1]), round(float(level[-1]), 6), float(strength[-1]) > 0.99
    (1.0, 1.0, True)
    """
    code, level, strength, depth = (np.empty(len(close)) for _ in range(4))
    _ruled(_moves(close), trend, volatility, usual, strong, wild, calm, code, level, strength, depth)
    return code, level, strength, persisted(code, depth, horizon, memory)


@kernel
def _filtered(
    moves: Floats, usual: int, window: int, drift: float, wild: float, calm: float, stay: float,
    likely: Floats, code: Floats, level: Floats, strength: Floats, depth: Floats,
) -> int:  # fmt: skip
    change = (1.0 - stay) / 4.0
    kept = stay - change
    n = len(moves)
    for t in range(n):
        # How likely the move is in each regime, in units of the usual deviation; none is impossible.
        base = math.sqrt(_mean_square(moves, t - usual + 1, t)) if t >= usual else np.nan
        x = moves[t] / base if base > 0.0 else (0.0 if base == 0.0 else np.nan)
        likely[5 * t] = math.exp(-0.5 * (x - drift) * (x - drift)) + 1e-9
        likely[5 * t + 1] = math.exp(-0.5 * (x + drift) * (x + drift)) + 1e-9
        likely[5 * t + 2] = math.exp(-0.5 * x * x) + 1e-9
        likely[5 * t + 3] = math.exp(-0.5 * x * x / (wild * wild)) / wild + 1e-9
        likely[5 * t + 4] = math.exp(-0.5 * x * x / (calm * calm)) / calm + 1e-9
        code[t] = level[t] = strength[t] = depth[t] = np.nan
        if t < usual + window - 1:
            continue
        a = b = c = d = e = 0.2
        for i in range(t - window + 1, t + 1):
            mixed = change * ((a + b) + (c + d) + e)
            a = (mixed + kept * a) * likely[5 * i]
            b = (mixed + kept * b) * likely[5 * i + 1]
            c = (mixed + kept * c) * likely[5 * i + 2]
            d = (mixed + kept * d) * likely[5 * i + 3]
            e = (mixed + kept * e) * likely[5 * i + 4]
            # Brought back to a sum of 1 long before anything could vanish; a division each bar costs as much
            # as all the rest.
            if (t - i) % 16 == 0:
                whole = 1.0 / ((a + b) + (c + d) + e)
                a *= whole
                b *= whole
                c *= whole
                d *= whole
                e *= whole
        if np.isnan(a):
            continue
        level[t] = a + b + c + wild * d + calm * e
        strength[t] = a - b
        most = max(a, b, c, d, e)
        depth[t] = (most - 0.2) / 0.8
        if a == most:
            code[t] = 1.0
        elif b == most:
            code[t] = 2.0
        elif c == most:
            code[t] = 3.0
        elif d == most:
            code[t] = 4.0
        else:
            code[t] = 5.0
    return 0


def _filtered_bars(usual: int, window: int, horizon: int, memory: int, **_others: float) -> int:
    return usual + window + horizon + memory


@indicator(
    outputs=_OUTPUTS,
    pane="below",
    warmup=_filtered_bars,
    exact=_filtered_bars,
    usual=_USUAL,
    window=within(2, 1_000, "bars that the filter looks back"),
    drift=within(0.0, 2.0, "mean move of a bar in BULL (and, downward, BEAR), in usual deviations"),
    wild=within(1.0, 10.0, "deviation in VOLATILE, in usual ones"),
    calm=within(0.05, 1.0, "deviation in LOW_VOL, in usual ones"),
    stay=within(0.2, 0.9999, "probability that the next bar is of the same regime"),
    horizon=_HORIZON,
    memory=_MEMORY,
)
def regime_hmm(
    close: NDArray[np.float64],
    usual: int = 200,
    window: int = 64,
    drift: float = 0.3,
    wild: float = 2.0,
    calm: float = 0.4,
    stay: float = 0.98,
    horizon: int = 10,
    memory: int = 2000,
) -> tuple[NDArray[np.float64], ...]:
    """Return the likeliest regime of a hidden Markov model, filtered: 1 BULL, 2 BEAR, 3 SIDEWAYS, 4, 5.

    4 is VOLATILE, 5 LOW_VOL. The move of a bar (logarithmic return over the root mean square of the last
    `usual`) is Gaussian: mean `drift` in BULL, -`drift` in BEAR, else 0; deviation `wild` in VOLATILE, `calm`
    in LOW_VOL, else 1. A regime stays with probability `stay`; the four others are equally likely to follow.
    The forward algorithm (Rabiner 1989) starts from five equal chances `window` bars ago: it looks back
    only, is never smoothed by what came later, nothing is fitted, and its memory is finite.

    `trend_strength` is P(BULL) - P(BEAR), `volatility_level` the expected deviation (1 as usual);
    `confidence` is counted as for `regime`. All NaN on the first `usual + window - 1` bars, and while a NaN
    or a price not above zero lies in a window. Of a price that never moves, LOW_VOL.

    >>> import numpy as np
    >>> code, level, strength, confidence = regime_hmm(np.geomspace(100.0, 200.0, 400))
    >>> float(code[-1]), float(strength[-1]) > 0.9
    (1.0, True)
    """
    code, level, strength, depth = (np.empty(len(close)) for _ in range(4))
    likely = np.empty(5 * len(close))
    _filtered(
        _moves(close), usual, window, drift, wild, calm, stay, likely, code, level, strength, depth
    )  # fmt: skip
    return code, level, strength, persisted(code, depth, horizon, memory)


def _moves(close: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        logs = np.log(close)
        moves = np.empty(len(close))
        moves[:1] = np.nan
        np.subtract(logs[1:], logs[:-1], out=moves[1:])
    moves[~np.isfinite(moves)] = np.nan
    return moves
