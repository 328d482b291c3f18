"""Runs by plain rules, many at a time: the lines in their room, and the calls of the kernel."""

from __future__ import annotations

import math
from threading import local
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import CryptaiError, InputError
from cryptai.features.shared import Shared, batches, compute
from cryptai.jit import NativeKernel
from cryptai.ledger.book import TRADE
from cryptai.signals import COLUMNS, EXIT_LONG, EXIT_SHORT
from cryptai.strategies.user import what_failed
from cryptai.trading.backtest import decided, ruined
from cryptai.trading.portions import encoded, numbered, portions
from cryptai.trading.tallied import TALLIES, daily_returns, day_ends, measure_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.signals import Signals
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.result import Result

    Done = Callable[[int, Metrics, NDArray[np.float64]], object]

_SIGNATURE: Final = "ippppppppp" + "ipii" + "pipipi" + "ipppi" + "pippp"
_sweep = NativeKernel("cryptai.trading.event_kernel", "sweep_entry", _SIGNATURE)
_BLOCK: Final = 16
_STACK: Final = 256
_LINES_BYTES: Final = 32 << 20
_WORDS_BYTES: Final = 4 << 20
# Sets a task, where nothing is shared and each is asked for its signals.
_FEW: Final = 16
# The tally that is unknown of fewer than two trades.
_SPREAD: Final = 6
# The tally that is the drawdown.
_FELL: Final = 11


class Market:
    """What all runs have in common, as the kernel takes it; made of the whole backtest of one set."""

    def __init__(self, result: Result, *, close_at_end: bool) -> None:
        bars = result.bars
        self.result, self.close_at_end = result, close_at_end
        self.n, self.rows = len(bars), len(result.candles)
        self.width = (self.rows + 63) // 64
        begins = np.arange(0, self.n, _BLOCK)
        ts, low, high, close = (
            np.ascontiguousarray(one) for one in (bars.ts, bars.low, bars.high, bars.close)
        )
        self.arrays = [
            ts, np.ascontiguousarray(bars.open), high, low, close,
            np.minimum.reduceat(low, begins), np.maximum.reduceat(high, begins),
            np.minimum.reduceat(close, begins), np.maximum.reduceat(close, begins),
        ]  # fmt: skip
        self.day_last = day_ends(bars.ts)
        self.settings = np.array([result.capital, *result.rules[:4], *result.costs[:2]])
        self._rooms = local()

    def _room(self, words: int) -> tuple[NDArray[Any], ...]:
        # What the kernel writes to besides its answers, kept by each thread: new memory costs a fault a page.
        rooms = self._rooms.__dict__
        if "kept" not in rooms:
            # Room for a round trip a bar: what is not written to takes no memory.
            trades, scratch = np.empty(self.n + 1, TRADE), np.empty(5 * (self.n + 1) + _STACK)
            rooms["kept"] = (np.empty(4 * self.width, np.uint64), trades, scratch)
        if "bits" not in rooms or len(rooms["bits"]) < words:
            rooms["bits"] = np.empty(words, np.uint64)
        return rooms["bits"], *rooms["kept"]

    def run(
        self,
        lines: NDArray[np.float64],
        pairs: Sequence[int],
        terms: Sequence[int],
        sets: int,
        words: Any = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Run sets; return tallies and daily equities. `words` are one set's conditions, already made."""
        pair_of, term_of = np.array(pairs, np.int64), np.array(terms, np.int64)
        bits, four, trades, scratch = self._room(2 * self.width * (len(pairs) // 3))
        four = four if words is None else words
        daily, out = np.empty((sets, len(self.day_last))), np.empty((sets, TALLIES))
        address = [one.ctypes.data for one in self.arrays]
        _sweep(
            self.n, *address, len(self.day_last), self.day_last.ctypes.data, self.rows, self.rows - self.n,
            lines.ctypes.data, len(lines), pair_of.ctypes.data, len(pairs) // 3, term_of.ctypes.data,
            len(terms), sets, bits.ctypes.data, four.ctypes.data, self.settings.ctypes.data,
            int(self.close_at_end), trades.ctypes.data, len(trades), scratch.ctypes.data,
            daily.ctypes.data, out.ctypes.data,
        )  # fmt: skip
        return out, daily

    def tell(
        self, indices: Sequence[int], out: NDArray[np.float64], daily: NDArray[np.float64], done: Done
    ) -> list[int]:
        """Measure the runs and tell them; return those that must be run in full, to be refused in words."""
        bars, capital = self.result.bars, self.result.capital
        # A sum over all bars that could leave the range of numbers is for the full run to judge, and so are
        # the entries of an account that has next to nothing.
        finite = np.isfinite(np.delete(out, _SPREAD, axis=1)).all(axis=1)
        sound = finite & (out[:, 0] >= 0.0) & (out[:, -1] * self.n < 1e300) & ~ruined(out[:, _FELL])
        good = np.flatnonzero(sound)
        found = measure_all(
            capital, self.n, int(bars.ts[-1] - bars.ts[0]) + bars.timeframe.ms,
            float(bars.close[-1] / bars.open[0] - 1.0), out[good], daily[good],
        )  # fmt: skip
        kept = daily_returns(capital, daily[good])
        for at, metrics, row in zip(good.tolist(), found, kept, strict=True):
            done(indices[at], metrics, row)
        return [indices[at] for at in np.flatnonzero(~sound).tolist()]


class Plain:
    """The runs of a search by plain rules, on the threads of a pool."""

    def __init__(
        self, market: Market, made: Sequence[Strategy], done: Done, pool: Executor, threads: int,
        stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.market, self.made, self.done = market, made, done
        self.pool, self.threads, self.stopped = pool, threads, stopped

    def run(self, indices: Sequence[int], first: Metrics) -> list[int]:
        """Run sets; return those that must be run in full. `first` are the metrics of the set with index 0.

        Raises
        ------
        InputError
            For a strategy whose `shared` says something else than its `signals`, seen at that first set.
        """
        told = {index: shared for index in indices if (shared := _shared(self.made[index]))}
        if told:
            self._compare(first)
        left = [index for index in indices if index not in told]
        left += _Lines(self, told).run()
        tasks = [left[begin : begin + _FEW] for begin in range(0, len(left), _FEW)]
        return [index for some in self.pool.map(self._by_signals, tasks) for index in some]

    def _compare(self, first: Metrics) -> None:
        shared = _shared(self.made[0])
        found: list[Metrics] = []
        only = Plain(
            self.market, self.made, lambda _, metrics, __: found.append(metrics), self.pool, 1, self.stopped
        )
        _Lines(only, {0: shared} if shared else {}).run()
        if found and found[0] != first:
            raise InputError(
                f"The strategy {self.made[0].name} says one thing by `shared` and another by `signals`; make "
                "them agree, or leave `shared` out.",
                field="strategy",
            )

    def _by_signals(self, indices: Sequence[int]) -> list[int]:
        if self.stopped():
            return []
        left, plain, tallies, dailies = [], [], [], []
        nothing = np.empty((0, 0))
        for index in indices:
            signals = decided(self.made[index], self.market.result.candles)
            if any(getattr(signals, name) is not None for name in COLUMNS):
                left.append(index)
                continue
            out, daily = self.market.run(nothing, (), (), 1, _words(signals, self.market.width))
            plain.append(index)
            tallies.append(out)
            dailies.append(daily)
        if plain:
            left += self.market.tell(plain, np.concatenate(tallies), np.concatenate(dailies), self.done)
        return left


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


def _words(signals: Signals, width: int) -> NDArray[np.uint64]:
    words = np.zeros(4 * width, np.uint64)
    conditions = (
        signals.entry == 1, signals.exits & EXIT_LONG, signals.entry == -1, signals.exits & EXIT_SHORT
    )  # fmt: skip
    for at, rows in enumerate(conditions):
        bits = np.packbits(rows.astype(bool), bitorder="little")
        words[at * width : (at + 1) * width].view(np.uint8)[: len(bits)] = bits
    return words


class _Lines:
    """The runs of sets that tell what they share, and the room for their lines."""

    def __init__(self, plain: Plain, shared: Mapping[int, Shared]) -> None:
        self.plain, self.market = plain, plain.market
        self.lines, self.told = numbered(shared)
        needed = max((len(one.lines) for one in self.told.values()), default=1)
        self.slots = max(_LINES_BYTES // (8 * self.market.rows), needed)
        self.room = np.empty((min(self.slots, len(self.lines)), self.market.rows))
        self.at: dict[int, int] = {}
        self.first = [0] * len(self.lines)

    def run(self) -> list[int]:
        """Run them portion by portion; return those left for their signals."""
        left: list[int] = []
        for portion in portions(self.told, self.slots):
            if self.plain.stopped():
                break
            self._fill(portion.lines)
            units = _units(portion.indices, self.market, self.plain.threads)
            for some in self.plain.pool.map(self._run, units):
                left += some
        return left

    def _fill(self, lines: Sequence[int]) -> None:
        stay = {line: self.at[line] for line in lines if line in self.at}
        taken = set(stay.values())
        free = (slot for slot in range(len(self.room)) if slot not in taken)
        new = [line for line in lines if line not in stay]
        self.at = stay | dict(zip(new, free, strict=False))
        list(self.plain.pool.map(self._compute, batches(new, self.lines, self.market.rows)))

    def _compute(self, lines: Sequence[int]) -> None:
        rooms = [self.room[self.at[line]] for line in lines]
        compute([self.lines[line] for line in lines], self.market.result.candles, rooms)
        for line, rows in zip(lines, rooms, strict=True):
            unknown = np.isnan(rows)
            begin = int(np.argmin(unknown)) if not unknown.all() else len(rows)
            # A hole in the middle of a line has no place in the bits: its sets go by their signals.
            self.first[line] = -1 if unknown[begin:].any() else begin

    def _run(self, indices: Sequence[int]) -> list[int]:
        if self.plain.stopped():
            return []
        holed = {line for line in self.at if self.first[line] < 0}
        left = [i for i in indices if holed and not holed.isdisjoint(self.told[i].lines)]
        whole = [i for i in indices if i not in left] if left else indices
        pairs, terms = encoded([self.told[i] for i in whole], self.at, self.first)
        out, daily = self.market.run(self.room, pairs, terms, len(whole))
        return left + self.market.tell(whole, out, daily, self.plain.done)


def _units(indices: list[int], market: Market, threads: int) -> Iterator[list[int]]:
    # Equal parts for all threads, each small enough for the room of its bits: up to four pairs a set.
    most = max(1, _WORDS_BYTES // (16 * market.width))
    # More parts than threads, so that none waits long for the others at the end.
    parts = threads * max(math.ceil(len(indices) / (threads * most)), 1 if threads == 1 else 2)
    size = math.ceil(len(indices) / parts)
    for begin in range(0, len(indices), size):
        yield indices[begin : begin + size]
