"""Signals: what a strategy says, as columns, and a single one as a person reads it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import InputError, UnknownName
from cryptai.market.times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from cryptai.market.candles import Candles

# Bits of the `exits` column.
EXIT_LONG: Final = 1
EXIT_SHORT: Final = 2
# The optional columns, in the order of the class.
COLUMNS: Final = ("stop", "target", "limit", "trigger", "size", "reduce", "trail", "weight", "score")


@dataclass(frozen=True, eq=False)
class Signals:
    """A strategy's columns, one row a bar; row t is decided at the close of bar t, from bars up to t.

    entry
        int8: 1 enter long, -1 enter short, 0 nothing.
    exits
        int8 bits: 1 leave a long, 2 leave a short.
    long_reason, short_reason
        What an entry of that side means, in a few words.

    The rest is optional: float64, one row a bar, NaN where the row says nothing; None says nothing anywhere
    and costs nothing. Levels are absolute prices.

    stop, target
        Bracket of the entry decided in this row; NaN takes that of the rules.
    limit, trigger
        The entry as a limit order, as a stop order, or with both as a stop-limit order; NaN for both is a
        market order at the next open.
    size
        Share of the equity for this entry, in place of the rules' `size`.
    reduce
        Share of the position to leave at the next open, 0 to 1.
    trail
        Distance of the trailing stop from the price as of this row, such as three ATR.
    weight
        Target share of the equity, -1 to 1, to which the position is brought at the next open.
    score
        Which of several entries of one moment comes first: the highest.
    """

    entry: NDArray[np.int8]
    exits: NDArray[np.int8]
    long_reason: str = "long"
    short_reason: str = "short"
    stop: NDArray[np.float64] | None = None
    target: NDArray[np.float64] | None = None
    limit: NDArray[np.float64] | None = None
    trigger: NDArray[np.float64] | None = None
    size: NDArray[np.float64] | None = None
    reduce: NDArray[np.float64] | None = None
    trail: NDArray[np.float64] | None = None
    weight: NDArray[np.float64] | None = None
    score: NDArray[np.float64] | None = None

    @classmethod
    def entries(
        cls,
        candles: Candles,
        *,
        long: NDArray[np.bool_] | None = None,
        short: NDArray[np.bool_] | None = None,
        exit_long: NDArray[np.bool_] | None = None,
        exit_short: NDArray[np.bool_] | None = None,
        long_reason: str = "long",
        short_reason: str = "short",
        **columns: ArrayLike | None,
    ) -> Signals:
        """Make the columns from four conditions, each one boolean a bar; None is never.

        `columns` are the optional ones by name (`limit=…`, `stop=…`), numbers one a bar.

        Raises
        ------
        InputError
            For a condition of another length or type, a row that says long and short at once, or a column of
            a name that there is not.
        """
        n = len(candles)
        for name in columns:
            if name not in COLUMNS:
                raise UnknownName("column", name, COLUMNS)
        ups, downs = _condition("long", long, n), _condition("short", short, n)
        if ups is None or downs is None:
            entry = ups if ups is not None else np.zeros(n, np.int8) if downs is None else -downs
        else:
            if (ups & downs).any():
                row = int(np.argmax(ups & downs))
                raise InputError(f"Row {row} says long and short at once; a bar has one entry at most.")
            entry = ups - downs
        leave, cover = _condition("exit_long", exit_long, n), _condition("exit_short", exit_short, n)
        exits = leave if leave is not None else np.zeros(n, np.int8)  # a true is the bit EXIT_LONG
        if cover is not None:
            exits = exits | cover * np.int8(EXIT_SHORT)
        more = {
            name: np.ascontiguousarray(values, np.float64)
            for name, values in columns.items()
            if values is not None
        }
        return cls(entry, exits, long_reason, short_reason, **more)

    def __len__(self) -> int:
        return len(self.entry)


def _condition(name: str, values: NDArray[np.bool_] | None, n: int) -> NDArray[np.int8] | None:
    if values is None:
        return None
    array = np.asarray(values)
    if array.dtype != bool or array.shape != (n,):
        raise InputError(
            f"{name} must be one boolean a bar ({n}), was {array.dtype} of shape {array.shape}.", field=name
        )
    return np.ascontiguousarray(array).view(np.int8)


@dataclass(frozen=True)
class Signal:
    """A setup that stands, as a person reads it: written once, never changed.

    Attributes
    ----------
    entry, entry_low, entry_high
        The close that decided, and the zone in which the entry still is worth its risk.
    stop, target, reward_risk
        The bracket, and the distance to the target over that to the stop, from `entry`.
    price, reward_risk_now
        The last close, and the same from there; 0 beyond the bracket.
    quality, factors, parts
        How good it is, 0 to 1; the rules' factors and the parts that are blended, each 0 to 1, None where one
        is silent (`cryptai.screening.quality`).
    contributions
        What each of them adds: `factors` to the rules' part, `parts` to the quality.
    confidence
        `{"kind": "probability" | "rank", "value": 0 to 1 or None}`: a probability of the target only where
        it was found calibrated, else a rank among past setups.
    score
        What signals are ranked by, 0 to 1: quality, confidence and reward:risk together.
    evidence
        The card (`cryptai.screening.card`).
    structures
        The events it rests on, each with `kind`, `id`, `at`, `known_at`, `direction` and its prices.
    decided_at_ms, expires_at_ms
        Close of the bar that decided, and when it has expired.
    state
        `waiting` for the next open, or `open`; `target`, `stop`, `expired`, `missed` where that is over.
    age_bars, stale
        Bars closed since; whether three bars or more should be here since and are not.
    data_digest
        Digest of the bars that the decision was made from.
    """

    exchange: str
    symbol: str
    timeframe: str
    side: str
    strategy: str
    params: dict[str, float | bool | str]
    entry: float
    entry_low: float
    entry_high: float
    stop: float
    target: float
    reward_risk: float
    price: float
    reward_risk_now: float
    quality: float
    factors: dict[str, float | None]
    parts: dict[str, float | None]
    confidence: dict[str, Any]
    score: float
    evidence: dict[str, Any]
    reason: str
    structures: list[dict[str, Any]]
    regime: str | None
    decided_at_ms: int
    expires_at_ms: int
    state: str
    age_bars: int
    stale: bool
    practice: bool
    data_digest: str
    engine: int
    also: list[str] = field(default_factory=list)
    contributions: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it; times in ISO UTC."""
        row = dict(vars(self))
        for name in ("decided_at", "expires_at"):
            row[name] = iso(row.pop(f"{name}_ms"))
        return row

    def as_sealed(self) -> dict[str, Any]:
        """Return what of it is written down for ever: what was known when it was decided, nothing since."""
        row = dict(vars(self))
        for name in ("price", "reward_risk_now", "score", "state", "age_bars", "stale", "also"):
            del row[name]
        for name in ("decided", "expires"):
            row[f"{name}_ms"] = row.pop(f"{name}_at_ms")
        return row

    @property
    def identity(self) -> str:
        """Return the digest that names this signal and no other."""
        return identity_of({**vars(self), "decided_ms": self.decided_at_ms})


_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(body: Mapping[str, Any]) -> str:
    """Return a body as the one text that is hashed: sorted keys, no spaces, no NaN, ASCII."""
    return _CANONICAL.encode(body)


def identity_of(body: Mapping[str, Any]) -> str:
    """Return the digest of what makes a signal this one and no other: market, strategy, side, its bar."""
    names = ("exchange", "symbol", "timeframe", "strategy", "params", "side", "decided_ms")
    return hashlib.sha256(canonical({name: body[name] for name in names}).encode()).hexdigest()
