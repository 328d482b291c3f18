"""Runs by plain rules, many at a time: the calls of the kernel, and what its answers come to."""

from __future__ import annotations

from threading import local
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.jit import NativeKernel
from cryptai.ledger.book import TRADE
from cryptai.signals import COLUMNS, EXIT_LONG, EXIT_SHORT
from cryptai.trading.backtest import decided, ruined
from cryptai.trading.tallied import TALLIES, day_ends, measure_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.signals import Signals
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.result import Result

    Done = Callable[[int, Metrics, NDArray[np.float64]], object]

_SIGNATURE: Final = "ippppppppp" + "ipii" + "pipipi" + "ipppi" + "pippp"
_sweep = NativeKernel("cryptai.trading.event_kernel", "sweep_entry", _SIGNATURE)
# How often a block of the kernel's bars (its BLOCK of 16) is halved to one.
_HALVINGS: Final = 4
_STACK: Final = 256
WORDS_BYTES: Final = 4 << 20
"""Room for the bits of the sets of one call, where each tells one pair of lines."""
# Sets a task, where nothing is shared and each is asked for its signals.
_FEW: Final = 16
# The tally that is unknown of fewer than two trades.
_SPREAD: Final = 6
# The tally that is the drawdown.
_FELL: Final = 11


def width_of(rows: int) -> int:
    """Return how many words of 64 bits so many rows take."""
    return (rows + 63) // 64


class Market:
    """What all runs have in common, as the kernel takes it; made of the whole backtest of one set."""

    def __init__(self, result: Result, *, close_at_end: bool) -> None:
        bars = result.bars
        self.result, self.close_at_end = result, close_at_end
        self.n, self.rows = len(bars), len(result.candles)
        self.width = width_of(self.rows)
        ts, low, high, close = (
            np.ascontiguousarray(one) for one in (bars.ts, bars.low, bars.high, bars.close)
        )
        self.arrays = [
            ts, np.ascontiguousarray(bars.open), high, low, close,
            _of_blocks(np.minimum, low), _of_blocks(np.maximum, high),
            _of_blocks(np.minimum, close), _of_blocks(np.maximum, close),
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
            rooms["bits"] = np.empty(max(words, WORDS_BYTES // 8), np.uint64)
        return rooms["bits"], *rooms["kept"]

    def run(
        self,
        lines: NDArray[np.float64],
        pairs: NDArray[np.int64],
        terms: NDArray[np.int64],
        sets: int,
        words: Any = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Run sets; return tallies and daily equities. `words` are one set's conditions, already made."""
        bits, four, trades, scratch = self._room(2 * self.width * (len(pairs) // 3))
        four = four if words is None else words
        daily, out = np.empty((sets, len(self.day_last))), np.empty((sets, TALLIES))
        address = [one.ctypes.data for one in self.arrays]
        _sweep(
            self.n, *address, len(self.day_last), self.day_last.ctypes.data, self.rows, self.rows - self.n,
            lines.ctypes.data, len(lines), pairs.ctypes.data, len(pairs) // 3, terms.ctypes.data,
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
        for at, metrics in zip(good.tolist(), found, strict=True):
            done(indices[at], metrics, daily[at])
        return [indices[at] for at in np.flatnonzero(~sound).tolist()]


class Plain:
    """The runs of a search by plain rules, on the threads of a pool."""

    def __init__(
        self, market: Market, made: Sequence[Strategy], done: Done, pool: Executor,
        stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.market, self.made, self.done, self.pool, self.stopped = market, made, done, pool, stopped

    def by_signals(self, indices: Sequence[int]) -> list[int]:
        """Run sets by what each says by `signals`; return those that must be run in full."""
        tasks = [indices[begin : begin + _FEW] for begin in range(0, len(indices), _FEW)]
        return [index for some in self.pool.map(self._by_signals, tasks) for index in some]

    def _by_signals(self, indices: Sequence[int]) -> list[int]:
        if self.stopped():
            return []
        left, plain, tallies, dailies = [], [], [], []
        lines, nothing = np.empty((0, 0)), np.empty(0, np.int64)
        for index in indices:
            signals = decided(self.made[index], self.market.result.candles)
            if any(getattr(signals, name) is not None for name in COLUMNS):
                left.append(index)
                continue
            out, daily = self.market.run(lines, nothing, nothing, 1, _words(signals, self.market.width))
            plain.append(index)
            tallies.append(out)
            dailies.append(daily)
        if plain:
            left += self.market.tell(plain, np.concatenate(tallies), np.concatenate(dailies), self.done)
        return left


def _of_blocks(extreme: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
    # Of each block of bars the extreme: neighbours by pairs, as often as it takes. In one call of `reduceat`
    # it takes three times as long.
    for _ in range(_HALVINGS):
        if len(values) % 2:
            values = np.append(values, values[-1])
        values = extreme(values[::2], values[1::2])
    return values


def _words(signals: Signals, width: int) -> NDArray[np.uint64]:
    words = np.zeros(4 * width, np.uint64)
    conditions = (
        signals.entry == 1, signals.exits & EXIT_LONG, signals.entry == -1, signals.exits & EXIT_SHORT
    )  # fmt: skip
    for at, rows in enumerate(conditions):
        bits = np.packbits(rows.astype(bool), bitorder="little")
        words[at * width : (at + 1) * width].view(np.uint8)[: len(bits)] = bits
    return words
