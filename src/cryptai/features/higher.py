"""Any feature on a coarser timeframe, told on the finer bars; and the trend of the timeframe above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.features._legs import Breaks, breaks_memory, breaks_of
from cryptai.features._measure import MEASURED, in_true_ranges, relative_volume
from cryptai.features._rows import Rows, put
from cryptai.features.events import FIGURES, Events, Kind, Structure, structure
from cryptai.features.feature import features, one_of, within
from cryptai.features.remembered import recalled
from cryptai.kernels import kernel
from cryptai.market.timeframe import MINUTE_MS, Timeframe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.features.feature import Feature
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles
    from cryptai.parameters import Value

# What a trader of a timeframe looks up to.
ABOVE: Final = {"1m": "15m", "5m": "1h", "15m": "4h", "30m": "4h", "1h": "4h", "4h": "1d", "1d": "1w"}
_WIDEST: Final = 16
_TREND: Final = (
    Kind("higher_trend_up"),
    Kind("higher_trend_down"),
    Kind("higher_break_up"),
    Kind("higher_break_down"),
)


def compute_at(
    feature: str | Feature, candles: Candles, timeframe: str, **parameters: Any
) -> dict[str, NDArray[np.float64]] | Events:
    """Return a feature of coarser bars, made of these, as it was known at the close of each bar here.

    Coarse bars count once they are closed. An indicator gives its outputs by name, one row a bar here: that
    of the newest coarse bar closed by then, NaN before the first. A structure gives its events: `known_bar`
    is the bar here at whose close they were known, `at_bar` the first one here inside the coarse bar they are
    drawn at.

    Raises
    ------
    InputError
        If the coarser bars are not made of whole bars of this timeframe, or for parameters of the feature.
    UnknownName
        If there is no such feature.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.arange(1.0, 9.0)
    >>> bars = Candles(np.arange(8) * 900_000, p, p, p, p, p, "BTC/USDT", "15m")
    >>> compute_at("sma", bars, "1h", period=2)["sma"].tolist()
    [nan, nan, nan, nan, nan, nan, nan, 6.0]
    """
    made: Any = features.get(feature) if isinstance(feature, str) else feature
    coarse, newest = candles.at(timeframe)
    found = made.of(coarse, **parameters)
    if isinstance(made, Structure):
        return _on(candles, coarse, found)
    known = newest >= 0
    return {name: _rows(column, newest, known) for name, column in found.items()}


def memory_at(
    feature: Feature, timeframe: str, coarser: str, *, bitwise: bool = False, **parameters: Value
) -> int | None:
    """Return the warm-up of `compute_at`, in bars of `timeframe`; None where it needs the whole history."""
    bars = feature.warmup_bars(bitwise=bitwise, **parameters)
    ratio = Timeframe(coarser).ms // Timeframe(timeframe).ms
    # One coarse bar may be cut by the beginning, and one be unfinished.
    return None if bars is None else (bars + 2) * ratio


def _rows(column: NDArray[np.float64], newest: NDArray[np.int64], known: NDArray[np.bool_]) -> Any:
    found = np.full(len(newest), np.nan)
    found[known] = column[newest[known]]
    return found


def _on(fine: Candles, coarse: Candles, events: Events) -> Events:
    at = np.searchsorted(fine.ts, coarse.ts[events.at_bar])
    known = np.searchsorted(fine.close_ts, coarse.close_ts[events.known_bar])
    rest = {name: getattr(events, name).copy() for name in ("kind", "direction", *FIGURES)}
    return Events(fine.ts, fine.timeframe.ms, events.kinds, at, known, **rest)


@kernel
def _turns(
    high: Floats, low: Floats, close: Floats, volume: Floats, max_age: int, at: Ints, known: Ints,
    direction: Codes, bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    row = 0
    for i in range(len(at)):
        p, t, way = at[i], known[i], direction[i]
        goes_on = i > 0 and direction[i - 1] == way and t - known[i - 1] <= max_age
        level = high[p] if way > 0 else low[p]
        row = put(
            bars, codes, figures, row, p, t, (2 if goes_on else 0) + (0 if way > 0 else 1), way, level, level,
            level, in_true_ranges(way * (close[t] - level), high, low, close, t), relative_volume(volume, t),
            np.nan,
        )  # fmt: skip
    return row


def memory(timeframe: str, length: int, max_age: int) -> int:
    """Return the bars that decide what becomes known at the newest one, at worst bars of a minute."""
    ratio = _WIDEST if timeframe == "auto" else Timeframe(timeframe).ms // MINUTE_MS
    return (breaks_memory(length, max_age) + MEASURED + 2) * ratio


@structure(
    *_TREND,
    directed=("higher_trend_up", "higher_trend_down", "higher_break_up", "higher_break_down"),
    warmup=memory,
    exact=memory,
    timeframe=one_of("auto", "5m", "15m", "30m", "1h", "4h", "1d", "1w", meaning="the coarser timeframe"),
    length=within(1, 1_000, "coarse bars that must pass without a new extreme before a leg has ended"),
    max_age=within(10, 100_000, "coarse bars after which an end of a leg, and the trend, are forgotten"),
)
def higher_timeframe_trend(
    candles: Candles, timeframe: str = "auto", length: int = 5, max_age: int = 200
) -> Events:
    """Return when the trend of a coarser timeframe began or turned, and when it was confirmed.

    On closed coarse bars, a close beyond the newest end of a leg (as in `market_structure`, legs of `length`)
    makes the trend that way: `higher_trend_up` or `higher_trend_down` where it was another or none,
    `higher_break_up` or `higher_break_down` where it goes on. It lapses `max_age` coarse bars after the last
    of them. `auto` is the timeframe a trader looks up to: 15m from 1m, 1h from 5m, 4h from 15m, 30m and 1h,
    1d from 4h, 1w from 1d. Where the bars are not finer than the timeframe asked for (or have none above),
    there are no events.

    `known` is the bar here at whose close the coarse bar was closed, `at` the first one in the coarse bar
    whose price was broken; `top`, `bottom` and `level` are that price, `strength` and `volume` as in
    `market_structure`, of coarse bars. `trend_rows` gives the trend of every bar.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.repeat([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0, 3.0, 5.0, 6.0], 4)
    >>> bars = Candles(np.arange(40) * 900_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "15m")
    >>> found = higher_timeframe_trend(bars, timeframe="1h", length=2)
    >>> found.at_bar.tolist(), found.known_bar.tolist(), found.level.tolist()
    ([16], [35], [4.5])
    """
    coarse, breaks = _breaks_at(candles, timeframe, length, max_age)
    rows = Rows(len(breaks.at))
    count = _turns(
        coarse.high, coarse.low, coarse.close, coarse.volume, max_age, breaks.at, breaks.known,
        breaks.direction, rows.bars, rows.codes, rows.figures,
    )  # fmt: skip
    return _on(candles, coarse, rows.events(coarse, _TREND, count))


def _breaks_at(candles: Candles, timeframe: str, length: int, max_age: int) -> tuple[Candles, Breaks]:
    name = ABOVE.get(candles.timeframe, "") if timeframe == "auto" else timeframe
    if not name or not candles.timeframe.divides(Timeframe(name)):
        return candles, breaks_of(candles[:0], length, max_age)
    coarse = candles.resample(name)
    return coarse, breaks_of(coarse, length, max_age)


def trend_rows(
    candles: Candles, timeframe: str = "auto", length: int = 5, max_age: int = 200
) -> NDArray[np.int8]:
    """Return the coarser timeframe's trend as each bar here knows it: 1 up, -1 down, 0 none or lapsed.

    The parameters are those of `higher_timeframe_trend`.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.repeat([3.0, 2.0, 1.0, 2.0, 4.0, 3.0, 2.0, 3.0, 5.0, 6.0], 4)
    >>> bars = Candles(np.arange(40) * 900_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "15m")
    >>> trend_rows(bars, timeframe="1h", length=2)[33:37].tolist()
    [0, 0, 1, 1]
    """
    asked = {"timeframe": timeframe, "length": length, "max_age": max_age}
    return recalled("trend_rows", [candles], asked, lambda: _trend_rows(candles, timeframe, length, max_age))


def _trend_rows(candles: Candles, timeframe: str, length: int, max_age: int) -> NDArray[np.int8]:
    coarse, breaks = _breaks_at(candles, timeframe, length, max_age)
    if not len(breaks.at):
        return np.zeros(len(candles), np.int8)
    newest = candles.align(coarse)
    last = np.searchsorted(breaks.known, newest, side="right") - 1
    fresh = (last >= 0) & (newest - breaks.known[last] <= max_age)
    return np.where(fresh, breaks.direction[last], 0).astype(np.int8)
