"""Slices of past setups: of one market or of all, in one regime or in any, and what each comes to.

The cards of one close mostly look at the same few slices, and those of a day at the same setups: what had
ended by a moment is known by its number alone, so each slice is cut and counted once.
"""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.analytics import significance as sig
from cryptai.market.times import iso
from cryptai.screening.outcomes import EXPIRED, TARGET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

MOST_DRAWN: Final = 250
"""Setups up to which the mean's interval is drawn (bootstrap); of more it is the normal one, which differs by
less than the draws themselves do, and takes no time."""
_MOST_KNOWN: Final = 4_096
_known: Final[dict[bytes, Any]] = {}
_knowing: Final = Lock()
# Moments of which a group's slice is kept: cards of today and of tomorrow, and of what is looked up beside.
_MOMENTS: Final = 4


class Slice:
    """Some setups of a table; those count that do not overlap (`rows`, in the table's order)."""

    def __init__(self, rows: NDArray[np.void]) -> None:
        self._all = rows
        self._deflated: dict[int | None, float | None] = {}

    @cached_property
    def rows(self) -> NDArray[np.void]:
        """Those that count."""
        return apart(self._all)

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, fewest: int) -> bool:
        """Return whether so many count."""
        return len(self._all) >= fewest and len(self) >= fewest

    @cached_property
    def symbols(self) -> int:
        """How many markets they are of."""
        return len(np.unique(self.rows["symbol"]))

    @cached_property
    def hits(self) -> int:
        """How many reached their target."""
        return int((self.rows["outcome"] == TARGET).sum())

    @cached_property
    def hit_rate(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share that did; None of no setups."""
        return sig.wilson(self.hits, len(self))

    @cached_property
    def expired(self) -> tuple[int, float]:
        """How many reached neither target nor stop in time, and their mean return after costs; 0 of none."""
        net = self.rows["net"][self.rows["outcome"] == EXPIRED]
        return len(net), float(net.mean()) if len(net) else 0.0

    @cached_property
    def net(self) -> float | None:
        """The mean return after costs; None of no setups."""
        return float(self.rows["net"].mean()) if len(self) else None

    @cached_property
    def net_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of that mean; None of fewer than two setups."""
        return interval(self.rows["net"])

    @cached_property
    def r(self) -> float | None:
        """The mean return in units of the risk; None of no setups."""
        return float(self.rows["r"].mean()) if len(self) else None

    @cached_property
    def span(self) -> tuple[str, str] | None:
        """When the first was decided and when the last of them had ended, ISO UTC; None of no setups."""
        if not len(self):
            return None
        return iso(int(self.rows["decided_ms"][0])), iso(int(self.rows["resolved_ms"].max()))

    def deflated_sharpe(self, trials: int | None) -> float | None:
        """Return the deflated Sharpe ratio of their returns; None where there is none."""
        if trials not in self._deflated:
            self._deflated[trials] = _deflated(self._moments, len(self), trials)
        return self._deflated[trials]

    @cached_property
    def _moments(self) -> tuple[float, float, float] | None:
        return sig.moments(self.rows["net"])


class _Group(NamedTuple):
    """Rows of one group in their order, when they ended in the order of that, and its slices by number."""

    rows: NDArray[np.int64]
    ended: NDArray[np.int64]
    slices: dict[int, Slice]


class Slices:
    """A table's slices; its rows do not change from the first on."""

    def __init__(self, rows: NDArray[np.void]) -> None:
        self._rows = rows
        self._columns = {
            name: np.ascontiguousarray(rows[name]) for name in ("symbol", "side", "regime", "resolved_ms")
        }
        self._groups: dict[tuple[int | None, int, int | None], _Group] = {}

    def ended(self, symbol: int | None, side: int, regime: int | None, until_ms: int) -> Slice:
        """Return the slice of the setups that had ended by a moment.

        `symbol` is a market's number, `regime` a regime's; None is any.
        """
        group = self._group(symbol, side, regime)
        # They are nested: as many of them are the same ones.
        count = int(np.searchsorted(group.ended, until_ms, "right"))
        if count not in group.slices:
            if len(group.slices) >= _MOMENTS:
                group.slices.clear()
            rows = group.rows[self._columns["resolved_ms"][group.rows] <= until_ms]
            group.slices[count] = Slice(self._rows[rows])
        return group.slices[count]

    def _group(self, symbol: int | None, side: int, regime: int | None) -> _Group:
        key = (symbol, side, regime)
        if key not in self._groups:
            rows = self._order if symbol is None else self._of(symbol)
            some = self._columns["side"][rows] == side
            if regime is not None:
                some &= self._columns["regime"][rows] == regime
            rows = rows[some]
            self._groups[key] = _Group(rows, np.sort(self._columns["resolved_ms"][rows]), {})
        return self._groups[key]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.arange(len(self._rows))

    def _of(self, symbol: int) -> NDArray[np.int64]:
        rows, symbols = self._by_symbol
        first, end = np.searchsorted(symbols, (symbol, symbol + 1))
        return rows[first:end]

    @cached_property
    def _by_symbol(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        rows = np.argsort(self._columns["symbol"], kind="stable")
        return rows, self._columns["symbol"][rows]


def apart(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return of each market the setups that do not overlap: the first, then the next after it has ended."""
    columns = [rows[name].astype(np.int64) for name in ("symbol", "decided_ms", "resolved_ms")]
    kept: NDArray[np.bool_] = _once("apart", columns, lambda: _apart(*columns))
    return rows[kept]


def interval(net: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean; None of fewer than two."""
    n = len(net)
    if n <= MOST_DRAWN:
        return _once("mean", [net], lambda: sig.bootstrap_mean(net)) if n > 1 else None
    middle, half = float(net.mean()), 1.959964 * float(net.std(ddof=1)) / math.sqrt(n)
    return middle - half, middle + half


def _apart(
    symbol: NDArray[np.int64], decided_ms: NDArray[np.int64], resolved_ms: NDArray[np.int64]
) -> NDArray[np.bool_]:
    free: dict[int, int] = {}
    kept = np.zeros(len(symbol), bool)
    for i, (market, decided, resolved) in enumerate(
        zip(symbol.tolist(), decided_ms.tolist(), resolved_ms.tolist(), strict=True)
    ):
        if decided >= free.get(market, decided):
            kept[i], free[market] = True, resolved
    return kept


def _once(name: str, of: Sequence[NDArray[Any]], make: Callable[[], Any]) -> Any:
    # A table that is looked up anew mostly holds what the one before it held.
    told = hashlib.blake2b(name.encode(), digest_size=16)
    for column in of:
        told.update(np.ascontiguousarray(column).data)
    key = told.digest()
    found = _known.get(key)
    if found is None:
        found = make()
        with _knowing:
            while len(_known) >= _MOST_KNOWN:
                del _known[next(iter(_known))]
            _known[key] = found
    return found


def _deflated(moments: tuple[float, float, float] | None, n: int, trials: int | None) -> float | None:
    if moments is None:
        return None
    ratio, skewness, kurtosis = moments
    return sig.deflated_sharpe(ratio, n, max(1, trials or 1), sig.chance_deviation(n), skewness, kurtosis)
