"""Forty-two leaks, planted: each looks ahead in a way that people really do, or keeps what it should not."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.features.events import Events, Kind
from cryptai.research.piece import Piece, Reading, of_strategy
from cryptai.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

    Floats = NDArray[np.float64]

_DAY = 86_400_000


def _ahead(values: Floats, bars: int) -> Floats:
    out = np.full(len(values), np.nan)
    out[: max(len(values) - bars, 0)] = values[bars:]
    return out


def _smooth(values: Floats, weight: float = 0.2) -> Floats:
    out, last = np.empty(len(values)), values[0]
    for i, value in enumerate(values):
        last += weight * (value - last)
        out[i] = last
    return out


def _day_of(c: Candles) -> tuple[NDArray[np.int64], int]:
    days = c.ts // _DAY
    return days - days[0], int(days[-1] - days[0]) + 1


def _of_day(c: Candles, reduce: Any, start: float) -> Floats:
    day, count = _day_of(c)
    whole = np.full(count, start)
    reduce.at(whole, day, c.close)
    return whole[day]


def _interpolated(c: Candles) -> Floats:
    first = np.r_[np.arange(0, len(c), 12), len(c) - 1]
    return np.interp(np.arange(len(c)), first, c.close[first])


def _four_hours_at_the_open(c: Candles) -> Floats:
    coarse = c.resample("4h")
    if not len(coarse):
        return np.full(len(c), np.nan)
    row = np.searchsorted(coarse.ts, c.ts, side="right") - 1
    return np.where(row >= 0, coarse.close[row], np.nan)


def _labelled_left(c: Candles) -> Floats:
    out, hour = np.full(len(c), np.nan), c.ts // (4 * 3_600_000)
    for one in np.unique(hour):
        out[hour == one] = c.volume[hour == one].sum()
    return out


def _encoded(c: Candles) -> Floats:
    hour, after = (c.ts // 3_600_000 % 24).astype(int), np.append(np.diff(np.log(c.close)), 0.0)
    sums, counts = np.zeros(24), np.zeros(24)
    np.add.at(sums, hour, after)
    np.add.at(counts, hour, 1.0)
    encoded: Floats = (sums / np.maximum(counts, 1.0))[hour]
    return encoded


def _first_component(c: Candles) -> Floats:
    table = np.column_stack([c.open, c.high, c.low, c.close])
    table = table - table.mean(axis=0)
    _u, _s, axes = np.linalg.svd(table, full_matrices=False)
    return np.ascontiguousarray(table @ np.abs(axes[0]))


def _low_pass(c: Candles) -> Floats:
    spectrum = np.fft.rfft(c.close)
    spectrum[max(2, len(spectrum) // 8) :] = 0.0
    return np.fft.irfft(spectrum, len(c))


def _fitted(c: Candles) -> Floats:
    now = np.arange(len(c), dtype=float)
    slope, level = np.polyfit(now, c.close, 1) if len(c) > 1 else (0.0, c.close[0])
    return np.asarray(c.close - slope * now - level)


def _trained_later(c: Candles) -> Floats:
    change = np.diff(np.log(c.close), prepend=np.log(c.close[0]))
    then, after = change[:-1], change[1:]
    return np.asarray(change * (then @ after / max(then @ then, 1e-12)))


def _best_of_all(c: Candles) -> Floats:
    change = np.append(np.diff(np.log(c.close)), 0.0)
    ways = [np.sign(c.close - np.r_[np.full(k, np.nan), c.close[:-k]][: len(c)]) for k in (2, 5, 10, 20)]
    return max(ways, key=lambda way: float(np.nansum(way * change)))


def _between_turns(c: Candles) -> Floats:
    # ZigZag with hindsight: each leg is drawn as soon as it begins.
    turns = [0]
    moves = np.sign(np.diff(c.close))
    turns += [*(np.flatnonzero(moves[1:] != moves[:-1]) + 1).tolist(), len(c) - 1]
    return np.interp(np.arange(len(c)), turns, c.close[turns])


def _cached(key_of: Callable[[Candles], object]) -> Callable[[Candles], Floats]:
    kept: dict[object, Floats] = {}

    def read(c: Candles) -> Floats:
        found = kept.setdefault(key_of(c), _smooth(c.close))
        out = np.full(len(c), np.nan)
        out[: len(found)] = found[: len(c)]
        return out

    return read


def _name_and_start(c: Candles) -> object:
    return c.symbol, int(c.ts[0])


def _continuing() -> Callable[[Candles], Floats]:
    last = [0.0]

    def read(c: Candles) -> Floats:
        out = _smooth(np.r_[last[0], c.close])[1:]
        last[0] = out[-1]
        return out

    return read


def _reusing() -> Callable[[Candles], Floats]:
    room = np.zeros(10_000)

    def read(c: Candles) -> Floats:
        room[: len(c)] += c.close
        return room[: len(c)]

    return read


def _writing(c: Candles) -> Floats:
    owner: Any = c.close.base
    owner[len(c) // 2] *= 1.0 + 1e-9
    return np.array(c.close)


def _drawing() -> Callable[[Candles], Floats]:
    calls = itertools.count()
    # What numpy's own unseeded generator would do, repeatably: another stream each time.
    return lambda c: c.close + np.random.default_rng(next(calls)).normal(0.0, 1e-6, len(c))


ROWS: Final[dict[str, Callable[[], Callable[[Candles], Floats]]]] = {
    "shift(-1)": lambda: lambda c: _ahead(c.close, 1),
    "the return of the next five bars": lambda: lambda c: _ahead(c.close, 5) / c.close,
    "a centred window": lambda: lambda c: np.convolve(c.close, np.ones(5) / 5, mode="same")[: len(c)],
    "a window aligned to its first row": lambda: lambda c: np.array(
        [c.high[i : i + 4].max() for i in range(len(c))]
    ),
    "the mean of the whole series": lambda: lambda c: c.close - c.close.mean(),
    "scaled by the whole range": lambda: lambda c: (c.close - c.low.min()) / (c.high.max() - c.low.min()),
    "a scaler fitted on all": lambda: lambda c: (c.close - c.close.mean()) / max(c.close.std(), 1e-12),
    "the rank within all": lambda: lambda c: np.argsort(np.argsort(c.close)).astype(float),
    "bins of all": lambda: lambda c: np.digitize(
        c.close, np.quantile(c.close, [0.25, 0.5, 0.75])
    ).astype(float),
    "the first value filled backwards": lambda: lambda c: np.r_[
        np.full(min(20, len(c)), _smooth(c.close)[min(20, len(c) - 1)]), _smooth(c.close)[20:]
    ],
    "interpolated between samples": lambda: _interpolated,
    "a gap filled from behind": lambda: lambda c: np.maximum.accumulate(c.high[::-1])[::-1].copy(),
    "the four-hour close at its open": lambda: _four_hours_at_the_open,
    "resampled, labelled left": lambda: _labelled_left,
    "the day's high within the day": lambda: lambda c: _of_day(c, np.maximum, 0.0),
    "the day's low within the day": lambda: lambda c: _of_day(c, np.minimum, np.inf),
    "PCA on all": lambda: _first_component,
    "a trend fitted on all": lambda: _fitted,
    "a Fourier filter over all": lambda: _low_pass,
    "filtered forwards and backwards": lambda: lambda c: _smooth(_smooth(c.close)[::-1])[::-1].copy(),
    "a target encoded with the future": lambda: _encoded,
    "labels that overlap": lambda: lambda c: _ahead(np.r_[np.full(5, np.nan), c.close][: len(c)], 10),
    "sorted by close": lambda: lambda c: c.close[np.argsort(c.close, kind="stable")],
    "a model trained after the date": lambda: _trained_later,
    "the parameter that was best over all": lambda: _best_of_all,
    "today's list of symbols": lambda: lambda c: np.where(c.close[-1] > c.close[0], c.close, np.nan),
    "rebased to the newest price": lambda: lambda c: c.close / c.close[-1],
    "a share of the series so far": lambda: lambda c: np.arange(len(c)) / len(c),
    "a ZigZag with hindsight": lambda: _between_turns,
    "cached without the cut": lambda: _cached(_name_and_start),
    "cached by length": lambda: _cached(len),
    "state kept between calls": _continuing,
    "the same array handed out again": _reusing,
    "writes into its candles": lambda: _writing,
    "random without a seed": _drawing,
}  # fmt: skip


def _events(c: Candles, at: list[int], known: list[int], level: Floats, kind: str) -> Reading:
    none = np.full(len(at), np.nan)
    # As the popular package dates them: where they are drawn.
    order = np.argsort(np.array(known, np.int64), kind="stable")
    found = Events(
        c.ts, c.timeframe.ms, (Kind(kind),), np.array(at, np.int64), np.array(known, np.int64),
        np.zeros(len(at), np.int8), np.ones(len(at), np.int8), none, none.copy(), np.array(level, float),
        none.copy(), none.copy(), none.copy(),
    )[order]  # fmt: skip
    return Reading({"at": found.at, "level": found.level}, found.known_bar)


def _swing_at_its_bar(c: Candles) -> Reading:
    at = [i for i in range(3, len(c) - 3) if c.high[i] == c.high[i - 3 : i + 4].max()]
    return _events(c, at, at, c.high[at], "swing")


def _gap_at_its_middle(c: Candles) -> Reading:
    at = [i for i in range(1, len(c) - 1) if c.low[i + 1] > c.high[i - 1] or c.high[i + 1] < c.low[i - 1]]
    return _events(c, at, at, c.close[at], "gap")


def _only_the_unbroken(c: Candles) -> Reading:
    at = [i for i in range(1, len(c)) if c.low[i:].min() >= c.low[i - 1]]
    return _events(c, at, at, c.low[at], "level")


def _rewritten_birth(c: Candles) -> Reading:
    at = list(range(1, len(c), 7))
    level = np.array([c.low[i : i + 30].min() for i in at])
    return _events(c, at, at, level, "zone")


EVENTS: Final[dict[str, Callable[[Candles], Reading]]] = {
    "a swing labelled at its own bar": _swing_at_its_bar,
    "a fair value gap at its middle bar": _gap_at_its_middle,
    "only the levels that were never broken": _only_the_unbroken,
    "a zone's later life in its first row": _rewritten_birth,
}


class _Peeking:
    """Enters where the next close is higher."""

    name = "peeking"

    def signals(self, candles: Candles) -> Signals:
        return Signals.entries(candles, long=_ahead(candles.close, 1) > candles.close)


class _Announced:
    """Decides by the funding that will be paid next, as venues announce it before it is due."""

    name = "announced"
    needs = ("funding",)

    def signals(self, candles: Candles) -> Signals:
        funding: Any = candles.funding
        after = np.searchsorted(funding.ts, candles.close_ts, side="right")
        return Signals.entries(candles, long=np.append(funding.rate, np.nan)[after] < 0.0)


class _OtherFirst:
    """Buys a market where another one has risen by the close after."""

    name = "other_first"
    needs = ("others",)

    def signals_many(self, markets: Mapping[str, Candles]) -> dict[str, Signals]:
        first, second, *_ = markets.values()
        later = np.searchsorted(second.ts, first.ts, side="right")
        risen = np.append(second.close / second.open, np.nan)[later] > 1.0
        said = {symbol: Signals.entries(one) for symbol, one in markets.items()}
        return said | {first.symbol: Signals.entries(first, long=risen)}


def leaks() -> dict[str, Callable[[], Piece]]:
    """Return the forty-two by name; each call makes one anew, with no state of another's."""
    found: dict[str, Callable[[], Piece]] = {}
    for name, make in ROWS.items():
        found[name] = lambda name=name, make=make: _rows_piece(name, make())  # type: ignore[misc]
    for name, read in EVENTS.items():
        found[name] = lambda name=name, read=read: Piece(name, "structure", read, {})  # type: ignore[misc]
    peeking: dict[str, Any] = {
        "a strategy that peeks one bar": _Peeking,
        "a strategy that decides by a payment to come": _Announced,
        "a strategy that reads another market's next bar": _OtherFirst,
    }
    for name, cls in peeking.items():
        found[name] = lambda cls=cls: of_strategy(cls())  # type: ignore[misc]
    return found


def _rows_piece(name: str, read: Callable[[Candles], Floats]) -> Piece:
    return Piece(name, "indicator", lambda c: Reading({"value": np.asarray(read(c), np.float64)}), {})
