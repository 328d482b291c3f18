"""Quality: how good a setup is before anyone knows what comes of it, 0 to 1, and made of what.

Each factor is 0 to 1, 1 speaks for the setup; NaN where it cannot be told, and then its share goes to
the others. Beside the rules stand a model's opinion and the mood of the news: a part that is silent shares
its weight out too, and the setup says which was.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.errors import CryptaiError, InputError
from cryptai.features.averages import ema
from cryptai.features.regimes import REGIMES, regime
from cryptai.features.volatility import atr
from cryptai.strategies.compose import check_weights
from cryptai.strategies.user import what_failed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.screening.setups import Setups
    from cryptai.strategies.strategy import Strategy

    Floats = NDArray[np.float64]

FACTORS: Final = MappingProxyType(
    {
        "technical": 0.30, "confluence": 0.20, "entry_point": 0.15, "reward_risk": 0.15, "volume": 0.10,
        "regime_fit": 0.10,
    }
)  # fmt: skip
"""What the rules ask, and the share of each."""

PARTS: Final = MappingProxyType({"rules": 0.6, "model": 0.2, "sentiment": 0.2})
"""Whose opinions are blended, and the share of each."""

FILTERS: Final = ("quality", "against_the_trend", "no_volume")
"""Rules that take a setup for a false signal, in the order they are asked. None stops a price that ran ahead:
those setups did better than the others (docs/guide/signals.md)."""
LEAST_QUALITY: Final = 0.4

BARS: Final = 761
"""Bars of history that the factors themselves look back on: an ATR of 14 bars, to the bit, needs the most."""


class Quality(NamedTuple):
    """Columns, one row a setup.

    Attributes
    ----------
    factors
        By name, as in `FACTORS`; NaN where one cannot be told.
    parts
        `rules`, `model`, `sentiment`; NaN where one is silent.
    quality
        The blend, 0 to 1.
    regime
        int8: the number of the market's regime (`cryptai.features.regimes.REGIMES`), 0 where unknown.
    """

    factors: dict[str, Floats]
    parts: dict[str, Floats]
    quality: Floats
    regime: NDArray[np.int8]


def quality(
    found: Setups,
    strategy: Strategy,
    candles: Candles,
    coarser: Sequence[Candles] = (),
    *,
    opinions: Mapping[str, Floats] | None = None,
    weights: Mapping[str, float] = PARTS,
) -> Quality:
    """Return how good each setup was at its bar, from these candles and those of coarser timeframes.

    Parameters
    ----------
    coarser
        Candles of the same market on coarser timeframes: of each, the newest bar closed by then counts.
    opinions
        `model`, `sentiment`: 0 to 1 for each setup, NaN where there is none. A part that is missing is
        silent.
    weights
        Of the parts; they sum to 1.

    Raises
    ------
    InputError
        For weights that do not sum to 1 or name no part, or a strategy that fails.
    """
    check_parts(weights)
    row, side = found.row, found.side
    code, level, strength, _ = regime(candles.close)
    del level
    factors = {
        "technical": _for(side, _score(strategy, candles)[row]),
        "confluence": _confluence(found, strategy, candles, coarser),
        "entry_point": _entry_point(found, candles),
        "reward_risk": np.minimum(found.reward_risk() / 3.0, 1.0),
        "volume": _volume(found, candles),
        "regime_fit": _regime_fit(side, code[row], strength[row]),
    }
    parts = {"rules": _mean(factors, FACTORS)}
    for name in ("model", "sentiment"):
        silent = np.full(len(row), np.nan)
        parts[name] = np.asarray((opinions or {}).get(name, silent), np.float64)
    known = np.nan_to_num(code[row]).astype(np.int8)
    return Quality(factors, parts, _mean(parts, weights), known)


def stopped(good: Quality) -> NDArray[np.int8]:
    """Return which rule takes each setup for a false signal: 1 is the first of `FILTERS`, 0 is none."""
    factors = good.factors
    against = [
        ~(good.quality >= LEAST_QUALITY),
        factors["regime_fit"] < 0.1,
        factors["volume"] <= 0.05,
    ]
    return np.select(against, [np.int8(i) for i in range(1, len(FILTERS) + 1)], np.int8(0))


def check_parts(weights: Mapping[str, float]) -> None:
    """Refuse weights that name no part, or do not sum to 1.

    Raises
    ------
    InputError
        With `field` `weights`.
    """
    unknown = [name for name in weights if name not in PARTS]
    if unknown:
        raise InputError(f"Weights are of {', '.join(PARTS)}; there is no {unknown[0]!r}.", field="weights")
    check_weights(weights)


def contributions(values: Mapping[str, float], shares: Mapping[str, float]) -> dict[str, float]:
    """Return what each value adds to the blend: value times share, shares of silent ones given to the rest.

    >>> contributions({"rules": 0.5, "model": math.nan}, {"rules": 0.6, "model": 0.4})
    {'rules': 0.5, 'model': 0.0}
    """
    heard = math.fsum(shares.get(name, 0.0) for name, value in values.items() if not math.isnan(value))
    return {
        name: 0.0 if math.isnan(value) or not heard else value * shares.get(name, 0.0) / heard
        for name, value in values.items()
    }


def regime_name(code: int) -> str | None:
    """Return the name of a regime's number, None for 0."""
    return REGIMES.get(code)


def _mean(values: Mapping[str, Floats], shares: Mapping[str, float]) -> Floats:
    n = len(next(iter(values.values())))
    total, heard = np.zeros(n), np.zeros(n)
    for name, value in values.items():
        speaks = ~np.isnan(value)
        total += np.where(speaks, value, 0.0) * shares.get(name, 0.0)
        heard += speaks * shares.get(name, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(heard > 0.0, total / heard, np.nan)
    return found


def _score(strategy: Strategy, candles: Candles) -> Floats:
    score: Any = getattr(strategy, "score", None)
    if score is None:
        return np.full(len(candles), np.nan)
    try:
        said = np.asarray(score(candles), np.float64)
    except CryptaiError:
        raise
    except Exception as error:
        raise InputError(
            f"The strategy {strategy.name} failed: {what_failed(error)}.", field="strategy"
        ) from error
    if said.shape != (len(candles),):
        raise InputError(
            f"The strategy {strategy.name} gave a score of shape {said.shape} for {len(candles)} bars.",
            field="strategy",
        )
    return said


def _for(side: NDArray[np.int8], said: Floats) -> Floats:
    return np.clip(side * said, 0.0, 1.0)


def _confluence(found: Setups, strategy: Strategy, candles: Candles, coarser: Sequence[Candles]) -> Floats:
    """Return the share of the coarser timeframes on which the strategy's score points the same way."""
    agree, asked = np.zeros(len(found.row)), np.zeros(len(found.row))
    for above in coarser:
        newest = candles.align(above)[found.row]
        said = _score(strategy, above)[newest]
        known = (newest >= 0) & ~np.isnan(said)
        agree += known & (found.side * said > 0.0)
        asked += known
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Floats = np.where(asked > 0.0, agree / asked, np.nan)
    return share


def _entry_point(found: Setups, candles: Candles) -> Floats:
    """Return 1 at the 20-bar average, down to 0 three average true ranges beyond it."""
    away = candles.close - ema(candles.close, 20)
    with np.errstate(divide="ignore", invalid="ignore"):
        stretched = (away / atr(candles.high, candles.low, candles.close, 14))[found.row]
    near: Floats = 1.0 - np.clip(found.side * stretched / 3.0, 0.0, 1.0)
    return near


def _volume(found: Setups, candles: Candles) -> Floats:
    """Return the bar's volume over the mean of the 20 before, twice that mean being 1."""
    # Of these bars alone: a running sum would remember, in its last digit, where it began.
    before = found.row[:, None] - np.arange(1, 21)
    usual = candles.volume[np.maximum(before, 0)].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        busy: Floats = np.minimum(candles.volume[found.row] / usual / 2.0, 1.0)
    busy[(before[:, -1] < 0) | ~(usual > 0.0)] = np.nan
    return busy


def _regime_fit(side: NDArray[np.int8], code: Floats, strength: Floats) -> Floats:
    """Return how far the market's trend goes the setup's way; in a market without a trend, a half."""
    trending = np.isin(code, (1.0, 2.0))
    fit: Floats = np.where(trending, 0.5 + side * strength / 2.0, 0.5)
    fit[np.isnan(code)] = np.nan
    return np.clip(fit, 0.0, 1.0)
