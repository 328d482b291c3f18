"""Strategies made of strategies: a weighted blend, a gate by regime, a confirmation by timeframe."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cryptai.errors import InputError, UnknownName
from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.features.regimes import REGIMES, regime
from cryptai.market.timeframe import Timeframe
from cryptai.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.strategies.strategy import Strategy

_USUAL = 200


@dataclass(frozen=True)
class Blend:
    """Several strategies as one: the weighted mean of their scores, entered and left at thresholds.

    Long when the mean score crosses above `enter`, until it falls below `leave`; mirrored with `allow_short`.
    Where a part says nothing (its score is NaN), its weight is shared out among the others; where all are
    silent, so is the blend.

    >>> from cryptai.strategies.breakout import Breakout
    >>> from cryptai.strategies.ema_trend import EmaTrend
    >>> Blend((Breakout(), EmaTrend()), (0.6, 0.4)).shares
    {'breakout': 0.6, 'ema_trend': 0.4}
    """

    parts: tuple[Strategy, ...]
    weights: tuple[float, ...]
    enter: float = 0.3
    leave: float = 0.0
    allow_short: bool = False
    name: ClassVar[str] = "blend"

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.weights):
            raise InputError(
                f"A blend needs one weight for each of its {len(self.parts)} parts, was given "
                f"{len(self.weights)}.",
                field="weights",
            )
        check_weights({str(i): weight for i, weight in enumerate(self.weights)})
        silent = [part.name for part in self.parts if not hasattr(part, "score")]
        if silent:
            raise InputError(f"{silent[0]} has no score, so it cannot be blended.", field="parts")
        if not -1.0 < self.leave < self.enter <= 1.0:
            raise InputError(
                f"leave ({self.leave:g}) must be below enter ({self.enter:g}), both within -1 to 1.",
                field="leave",
            )

    @property
    def shares(self) -> dict[str, float]:
        """Return the parts' weights by name."""
        return {part.name: weight for part, weight in zip(self.parts, self.weights, strict=True)}

    def memory(self, timeframe: str) -> int:
        """Return the longest memory of its parts."""
        return max(memory_of(part, timeframe) for part in self.parts) + 1

    def signals(self, candles: Candles) -> Signals:
        """Decide where the blended score crosses the thresholds."""
        mean = self.score(candles)
        return Signals.entries(
            candles,
            long=crosses_above(mean, self.enter),
            exit_long=crosses_below(mean, self.leave),
            short=crosses_below(mean, -self.enter) if self.allow_short else None,
            exit_short=crosses_above(mean, -self.leave) if self.allow_short else None,
            long_reason=f"blend of {', '.join(self.shares)} above {self.enter:g}",
            short_reason=f"blend of {', '.join(self.shares)} below {-self.enter:g}",
        )

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the weighted mean of the parts that say something, NaN where none does."""
        total, heard = np.zeros(len(candles)), np.zeros(len(candles))
        for part, weight in zip(self.parts, self.weights, strict=True):
            said = np.asarray(part.score(candles), np.float64)
            speaks = ~np.isnan(said)
            total += np.where(speaks, weight * said, 0.0)
            heard += weight * speaks
        with np.errstate(divide="ignore", invalid="ignore"):
            mean: NDArray[np.float64] = np.where(heard > 0.0, total / heard, np.nan)
        return mean


@dataclass(frozen=True)
class Gate:
    """A strategy whose entries count only in some regimes (`BULL`, `SIDEWAYS` …); its exits always do."""

    inner: Strategy
    regimes: tuple[str, ...]
    name: ClassVar[str] = "gate"

    def __post_init__(self) -> None:
        for one in self.regimes:
            if one not in REGIMES.values():
                raise UnknownName("regime", one, REGIMES.values(), field="regimes")

    @property
    def allow_short(self) -> bool:
        """Whether the strategy inside may be short."""
        return bool(getattr(self.inner, "allow_short", False))

    def memory(self, timeframe: str) -> int:
        """Return the memory of the strategy inside, or of the regime where that is longer."""
        return max(memory_of(self.inner, timeframe), _USUAL + 1)

    def signals(self, candles: Candles) -> Signals:
        """Return the decisions of the strategy inside, without entries in other regimes."""
        code = regime(candles.close)[0]
        wanted = [number for number, name in REGIMES.items() if name in self.regimes]
        return _only(self.inner.signals(candles), np.isin(code, wanted))

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the score of the strategy inside."""
        return self.inner.score(candles)


@dataclass(frozen=True)
class Confirm:
    """A strategy whose entries count only where its own score on a coarser timeframe points the same way.

    The coarser score is that of the newest coarse bar closed by then; none yet confirms nothing.
    """

    inner: Strategy
    timeframe: str
    name: ClassVar[str] = "confirm"

    @property
    def allow_short(self) -> bool:
        """Whether the strategy inside may be short."""
        return bool(getattr(self.inner, "allow_short", False))

    def memory(self, timeframe: str) -> int:
        """Return the memory of the strategy inside on the coarser bars, counted in these."""
        ratio = Timeframe(self.timeframe).ms // Timeframe(timeframe).ms
        return max(memory_of(self.inner, timeframe), (memory_of(self.inner, self.timeframe) + 2) * ratio)

    def signals(self, candles: Candles) -> Signals:
        """Return the decisions of the strategy inside, without unconfirmed entries."""
        made = self.inner.signals(candles)
        return _only(made, made.entry * np.nan_to_num(self._above(candles)) > 0.0)

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return the mean of the scores here and above; NaN while there is none above."""
        mean: NDArray[np.float64] = (self.inner.score(candles) + self._above(candles)) / 2.0
        return mean

    def _above(self, candles: Candles) -> NDArray[np.float64]:
        coarse, newest = candles.at(self.timeframe)
        found = np.full(len(candles), np.nan)
        known = newest >= 0
        found[known] = np.asarray(self.inner.score(coarse), np.float64)[newest[known]]
        return found


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights that are not all 0 or more, or do not sum to 1.

    Raises
    ------
    InputError
        With the sum, and `field` `weights`.
    """
    total = math.fsum(weights.values())
    if any(not (math.isfinite(one) and one >= 0.0) for one in weights.values()) or abs(total - 1.0) > 1e-9:
        raise InputError(
            f"Weights must be 0 or more and sum to 1; these are {_listed(weights.values())} and sum to "
            f"{total:g}.",
            field="weights",
        )


def memory_of(strategy: Strategy, timeframe: str) -> int:
    """Return a strategy's declared memory in bars of a timeframe.

    Raises
    ------
    InputError
        If it declares none.
    """
    declared: Any = getattr(strategy, "memory", None)
    if declared is None:
        raise InputError(
            f"{strategy.name} declares no memory; add `def memory(self, timeframe)`.", field="strategy"
        )
    return int(declared(timeframe))


def _only(made: Signals, where: NDArray[np.bool_]) -> Signals:
    # A row beside a removed one must not look like a repetition of it: entries that go on are one entry.
    began = made.entry.copy()
    began[1:][made.entry[1:] == made.entry[:-1]] = 0
    return dataclasses.replace(made, entry=np.where(where, began, 0).astype(np.int8))


def _listed(values: Sequence[float] | Any) -> str:
    return ", ".join(f"{one:g}" for one in values)
