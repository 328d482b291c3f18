"""Runs of sets that tell what they share: portion by portion, each by whichever thread is free."""

from __future__ import annotations

from functools import partial
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np

from cryptai.errors import CryptaiError, InputError
from cryptai.features.shared import Shared
from cryptai.strategies.user import what_failed
from cryptai.trading.plain_runs import WORDS_BYTES, width_of
from cryptai.trading.portions import Told, encoded, numbered, portions, with_any
from cryptai.trading.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.features.shared import Line
    from cryptai.market.candles import Candles
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.plain_runs import Done, Market

_LINES_BYTES: Final = 32 << 20
# Sets measured together, for the columns of a few cost as much as those of many.
_TOGETHER: Final = 64


class _Asked(NamedTuple):
    # Sets, and what they share.
    indices: list[int]
    told: Told


class _Ran(NamedTuple):
    indices: list[int]
    tallies: NDArray[np.float64]
    daily: NDArray[np.float64]


class SharedRuns:
    """The runs of a search whose strategy tells its decisions as comparisons of lines.

    Its threads have work before any set can be run: lines need neither the other sets nor the whole backtest
    of set 0, which gives the market its rules. So it is made with `some` of the sets while the others are not
    yet made, told of all of them by `begin`, and of the market by `run`. A context: where `run` is not
    reached, its threads end.
    """

    def __init__(
        self, some: Sequence[Strategy], candles: Candles, pool: Executor, threads: int,
        stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._stopped, self._threads = stopped, threads
        self._turn = Lock()
        self._ran: list[_Ran] = []
        self._left: list[int] = []
        self._agreed = self._failed = self._telling = False
        # What `begin` and `run` bring, and whether they have.
        self._made: Sequence[Strategy]
        self._portions: Iterator[list[int]]
        self._begun = Event()
        self._market: Market
        self._done: Done
        self._opened = Event()
        shared = [one for one in map(_shared, some) if one]
        needed = max(1, len(numbered(shared[:1]).lines))
        self._room = Room(candles, max(_LINES_BYTES // (8 * len(candles)), needed * threads), threads)
        ahead = partial(self._compute, numbered(shared).lines)
        self._others = [pool.submit(self._work, ahead) for _ in range(threads - 1)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._opened.is_set():
            self._end()

    def begin(self, made: Sequence[Strategy]) -> None:
        """Let the threads prepare their first sets."""
        most = max(1, WORDS_BYTES // (16 * width_of(len(self._room.candles))))
        places = portions(made[1:], len(self._room.rows), most, self._threads)
        self._made, self._portions = made, ([1 + place for place in some] for some in places)
        self._begun.set()

    def run(self, market: Market, first: Metrics, done: Done) -> list[int]:
        """Run all sets but set 0; return those left for their signals.

        `first` are the metrics of set 0, as its whole backtest has them.

        Raises
        ------
        InputError
            For a strategy whose `shared` says something else than its `signals`, seen at set 0.
        """
        self._market, self._done = market, done
        self._opened.set()
        self._work(partial(self._compare, first))
        for one in self._others:
            one.result()
        self._tell(1)
        return sorted(set(self._left) - {0})

    def _compute(self, lines: Sequence[Line]) -> None:
        # What nobody holds any more stays where it is while nothing else needs its room.
        if self._room.hold(lines, wait=False) is not None:
            self._room.release(lines)
        self._begun.wait()

    def _work(self, before: Callable[[], None]) -> None:
        try:
            before()
            while not (self._failed or self._stopped()):
                with self._turn:
                    indices = next(self._portions, None)
                if indices is None:
                    break
                ran = list(self._held(self._asked(indices)))
                with self._turn:
                    self._ran += ran
                self._tell(_TOGETHER)
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        # Where one thread fails, the others end.
        self._failed = True
        self._begun.set()
        self._opened.set()
        self._room.close()

    def _asked(self, indices: list[int]) -> _Asked:
        found = {index: shared for index in indices if (shared := _shared(self._made[index]))}
        if len(found) < len(indices):
            self._leave([index for index in indices if index not in found])
        return _Asked(list(found), numbered(list(found.values())))

    def _compare(self, first: Metrics) -> None:
        if self._stopped():
            return
        found: list[Metrics] = []
        for ran in self._held(self._asked([0])):
            self._market.tell([0], ran.tallies, ran.daily, lambda _, metrics, __: found.append(metrics))
        if found and found[0] != first:
            name = self._made[0].name
            raise InputError(
                f"The strategy {name} says one thing by `shared` and another by `signals`; make "
                "them agree, or leave `shared` out.",
                field="strategy",
            )
        self._agreed = True

    def _held(self, asked: _Asked) -> Iterator[_Ran]:
        # Sets that cannot be run by their lines are left for their signals.
        if not asked.indices or self._failed:
            return
        indices, told = asked.indices, asked.told
        slots = self._room.hold(told.lines, wait=len(indices) == 1)
        if slots is None and len(indices) > 1:
            half = len(indices) // 2
            yield from self._held(self._asked(indices[:half]))
            yield from self._held(self._asked(indices[half:]))
            return
        if slots is None:  # more lines than there is room for
            self._leave(indices)
            return
        try:
            first = self._room.first[slots]
            holed = with_any(told, first < 0)
            if not holed.any():
                pairs, terms = encoded(told, slots, first)
                if not self._has_market():
                    return
                yield _Ran(indices, *self._market.run(self._room.rows, pairs, terms, len(indices)))
                return
        finally:
            self._room.release(told.lines)
        self._leave([indices[at] for at in np.flatnonzero(holed).tolist()])
        yield from self._held(self._asked([indices[at] for at in np.flatnonzero(~holed).tolist()]))

    def _has_market(self) -> bool:
        self._opened.wait()
        return not self._failed

    def _leave(self, indices: list[int]) -> None:
        with self._turn:
            self._left += indices

    def _tell(self, fewest: int) -> None:
        # Not before the first set has agreed: what is wrong is told to nobody. And by one thread at a time:
        # it is Python, for whose lock two would wait, and the other one has sets to run.
        with self._turn:
            waiting = sum(len(one.indices) for one in self._ran)
            if self._failed or self._telling or not self._agreed or waiting < fewest:
                return
            ran, self._ran, self._telling = self._ran, [], True
        indices = [index for one in ran for index in one.indices]
        tallies, daily = (np.concatenate(some) for some in list(zip(*ran, strict=True))[1:])
        left = self._market.tell(indices, tallies, daily, self._done)
        with self._turn:
            self._left += left
            self._telling = False


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
