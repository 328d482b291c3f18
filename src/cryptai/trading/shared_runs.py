"""Runs of sets that tell what they share: portion by portion, each by whichever thread is free."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.errors import CryptaiError, InputError
from cryptai.features.shared import Shared
from cryptai.strategies.user import what_failed
from cryptai.trading.plain_runs import WORDS_BYTES
from cryptai.trading.portions import encoded, numbered, portions, with_any
from cryptai.trading.room import Room

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.plain_runs import Plain

_LINES_BYTES: Final = 32 << 20
# Sets measured together, for the columns of a few cost as much as those of many.
_TOGETHER: Final = 128


class _Ran(NamedTuple):
    indices: list[int]
    tallies: NDArray[np.float64]
    daily: NDArray[np.float64]


class SharedRuns:
    """The runs of a search whose strategy tells its decisions as comparisons of lines.

    `first` are the metrics of the set with index 0, as its whole backtest has them.
    """

    def __init__(self, plain: Plain, indices: Sequence[int], first: Metrics) -> None:
        self._plain, self._market, self._expected = plain, plain.market, first
        market, threads = plain.market, plain.threads
        self._first = _shared(plain.made[0])
        needed = len(numbered([self._first]).lines) if self._first else 1
        slots = max(_LINES_BYTES // (8 * market.rows), needed * threads)
        self._room = Room(market.result.candles, slots, threads)
        most = max(1, WORDS_BYTES // (16 * market.width))
        places = portions([plain.made[index] for index in indices], slots, most, threads)
        self._portions = ([indices[place] for place in some] for some in places)
        self._turn = Lock()
        self._ran: list[_Ran] = []
        self._left: list[int] = []
        self._agreed = self._failed = False

    def run(self) -> list[int]:
        """Run the sets; return those left for their signals.

        Raises
        ------
        InputError
            For a strategy whose `shared` says something else than its `signals`, seen at the first set.
        """
        others = [self._plain.pool.submit(self._work) for _ in range(self._plain.threads - 1)]
        self._work(compare=True)
        for one in others:
            one.result()
        self._tell(1)
        return sorted(self._left)

    def _work(self, *, compare: bool = False) -> None:
        try:
            if compare and not self._plain.stopped():
                self._compare()
                self._agreed = True
            while not (self._failed or self._plain.stopped()):
                with self._turn:
                    indices = next(self._portions, None)
                if indices is None:
                    break
                self._run(indices)
                self._tell(_TOGETHER)
            # While others still run, what they have is told.
            self._tell(1)
        except BaseException:
            self._failed = True
            self._room.close()
            raise

    def _compare(self) -> None:
        found: list[Metrics] = []
        for ran in self._held([0], [self._first], []) if self._first else ():
            self._market.tell([0], ran.tallies, ran.daily, lambda _, metrics, __: found.append(metrics))
        if found and found[0] != self._expected:
            name = self._plain.made[0].name
            raise InputError(
                f"The strategy {name} says one thing by `shared` and another by `signals`; make "
                "them agree, or leave `shared` out.",
                field="strategy",
            )

    def _run(self, indices: list[int]) -> None:
        told = {index: shared for index in indices if (shared := _shared(self._plain.made[index]))}
        left = [index for index in indices if index not in told]
        ran = list(self._held(list(told), list(told.values()), left))
        with self._turn:
            self._ran += ran
            self._left += left

    def _held(self, indices: list[int], shared: list[Shared], left: list[int]) -> Iterator[_Ran]:
        # Sets that cannot be run by their lines are added to `left`.
        if not indices or self._failed:
            return
        told = numbered(shared)
        slots = self._room.hold(told.lines, wait=len(indices) == 1)
        if slots is None and len(indices) > 1:
            half = len(indices) // 2
            yield from self._held(indices[:half], shared[:half], left)
            yield from self._held(indices[half:], shared[half:], left)
            return
        if slots is None:  # more lines than there is room for
            left += indices
            return
        try:
            first = self._room.first[slots]
            holed = with_any(told, first < 0)
            if not holed.any():
                pairs, terms = encoded(told, slots, first)
                yield _Ran(indices, *self._market.run(self._room.rows, pairs, terms, len(indices)))
                return
        finally:
            self._room.release(told.lines)
        left += [indices[at] for at in np.flatnonzero(holed).tolist()]
        whole = np.flatnonzero(~holed).tolist()
        yield from self._held([indices[at] for at in whole], [shared[at] for at in whole], left)

    def _tell(self, fewest: int) -> None:
        # Not before the first set has agreed: what is wrong is told to nobody.
        with self._turn:
            if self._failed or not self._agreed or sum(len(one.indices) for one in self._ran) < fewest:
                return
            ran, self._ran = self._ran, []
        indices = [index for one in ran for index in one.indices]
        tallies, daily = (np.concatenate(some) for some in list(zip(*ran, strict=True))[1:])
        left = self._market.tell(indices, tallies, daily, self._plain.done)
        with self._turn:
            self._left += left


def _shared(made: Strategy) -> Shared | None:
    tell: Any = getattr(made, "shared", None)
    if tell is None:
        return None
    try:
        shared: Shared = tell()
    except CryptaiError:
        raise
    except Exception as error:
        raise InputError(
            f"The strategy {made.name} failed in `shared`: {what_failed(error)}.", field="strategy"
        ) from error
    if not isinstance(shared, Shared):
        raise InputError(
            f"The strategy {made.name} gave {type(shared).__name__} as `shared`, where a Shared is needed.",
            field="strategy",
        )
    # What tells no condition has nothing to share.
    return shared if any(shared) else None
