"""Sessions and kill zones: hours of the day with the range that price made in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.features._measure import MEASURED, in_true_ranges
from cryptai.features._rows import Rows, put
from cryptai.features._spans import KILL_ZONES, SESSIONS
from cryptai.features.events import Kind, structure
from cryptai.features.feature import one_of, within
from cryptai.kernels import kernel, part
from cryptai.market.timeframe import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptai.features._spans import Hours
    from cryptai.features.events import Events
    from cryptai.kernels import Codes, Floats, Ints
    from cryptai.market.candles import Candles


def _kinds(names: Iterable[str]) -> tuple[Kind, ...]:
    each = ((Kind(name, "born", "none"), Kind(f"{name}_closed", "end", "box", name)) for name in names)
    return tuple(kind for two in each for kind in two)


_SESSIONS: Final = _kinds(SESSIONS)
_ZONES: Final = _kinds(KILL_ZONES)
_SHIFT: Final = within(-12, 12, "hours to add to all hours: -1 where the clocks show summer time")
# Nine hours of minutes, the bar before and the bar after.
_MEMORY: Final = 9 * 60 + MEASURED + 2


@part
def closed(
    high: Floats, low: Floats, close: Floats, kind: int, first: int, last: int, t: int, top: float,
    bottom: float, bars: Ints, codes: Codes, figures: Floats, row: int,
) -> int:  # fmt: skip
    """Write the end of a span from bar `first` to `last`, known at `t`; return the next row."""
    size = top - bottom
    return put(
        bars, codes, figures, row, first, t, kind, 0, top, bottom, close[last],
        in_true_ranges(size, high, low, close, last), np.nan,
        (close[last] - bottom) / size if size > 0.0 else np.nan,
    )  # fmt: skip


@kernel
def _hours(
    ts: Ints, step: int, begins: Ints, lengths: Ints, open_: Floats, high: Floats, low: Floats, close: Floats,
    begin: Ints, open_now: Codes, first: Ints, top: Floats, bottom: Floats,
    bars: Ints, codes: Codes, figures: Floats,
) -> int:  # fmt: skip
    # Of each span of hours: when the newest one began, and whether it is not yet told as over.
    row, day = 0, 86_400_000
    for t in range(len(ts)):
        for k in range(len(begins)):
            if ts[t] >= begin[k] + day or t == 0:
                # Its last bar was missing: that it is over is known now.
                if open_now[k]:
                    row = closed(
                        high, low, close, 2 * k + 1, first[k], t - 1, t, top[k], bottom[k],
                        bars, codes, figures, row,
                    )  # fmt: skip
                begin[k] = ts[t] - (ts[t] - begins[k]) % day
                open_now[k], first[k] = 0, -1
            end = begin[k] + lengths[k]
            if ts[t] >= end:
                if open_now[k]:
                    row = closed(
                        high, low, close, 2 * k + 1, first[k], t - 1, t, top[k], bottom[k],
                        bars, codes, figures, row,
                    )  # fmt: skip
                    open_now[k] = 0
                continue
            if first[k] < 0:
                open_now[k], first[k], top[k], bottom[k] = 1, t, high[t], low[t]
                row = put(
                    bars,
                    codes,
                    figures,
                    row,
                    t,
                    t,
                    2 * k,
                    0,
                    high[t],
                    low[t],
                    open_[t],
                    np.nan,
                    np.nan,
                    np.nan,
                )
            top[k], bottom[k] = max(top[k], high[t]), min(bottom[k], low[t])
            if ts[t] + step >= end:
                row = closed(
                    high, low, close, 2 * k + 1, first[k], t, t, top[k], bottom[k], bars, codes, figures, row
                )
                open_now[k] = 0
    return row


def _told(
    candles: Candles, named: Mapping[str, Hours], only: str, shift: int, kinds: tuple[Kind, ...]
) -> Events:
    step = candles.timeframe.ms
    # A span that is not wanted, or too short for these bars, has no length.
    wanted = [
        hours.length if only in {"all", name} and 2 * step <= hours.length * HOUR_MS else 0
        for name, hours in named.items()
    ]
    count = len(wanted)
    begins = np.array([(hours.first + shift) * HOUR_MS for hours in named.values()])
    rows = Rows(2 * len(candles) * count if any(wanted) else 0)
    told = 0
    if rows.room:
        told = _hours(
            candles.ts, step, begins, np.array(wanted) * HOUR_MS, candles.open, candles.high, candles.low,
            candles.close, np.zeros(count, np.int64), np.zeros(count, np.int8), np.zeros(count, np.int64),
            np.zeros(count), np.zeros(count), rows.bars, rows.codes, rows.figures,
        )  # fmt: skip
    return rows.events(candles, kinds, told)


@structure(
    *_SESSIONS,
    warmup=_MEMORY,
    exact=_MEMORY,
    session=one_of("all", *SESSIONS, meaning="which of them"),
    shift=_SHIFT,
)
def sessions(candles: Candles, session: str = "all", shift: int = 0) -> Events:
    """Return trading sessions: when each opens, and its high and low when it is over.

    In UTC, the year round: Sydney 21 to 6, Tokyo 0 to 9, London 7 to 16, New York 13 to 22, as
    `smartmoneyconcepts` has them (its bar at the end counts as inside, ours does not). A bar belongs to the
    session it opens in; bars longer than half a session give no events. `shift` moves all hours.

    A session is born with its first bar (`top`, `bottom` that bar's, `level` its open), and `closed` by its
    last one, or by the next bar there is where that is missing: then `top` and `bottom` are its high and low,
    `level` its last close, `share` where that lies between them, `strength` its height in true ranges (mean
    of 14 bars). `at` is its first bar. For what becomes of its high and low see `period_levels`.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 4.0, 5.0, 4.0])
    >>> bars = Candles(np.arange(4) * 14_400_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "4h")
    >>> found = sessions(bars, session="tokyo")
    >>> found.known_bar.tolist(), found.top.tolist()
    ([0, 2], [3.5, 5.5])
    """
    return _told(candles, SESSIONS, session, shift, _SESSIONS)


@structure(
    *_ZONES,
    warmup=_MEMORY,
    exact=_MEMORY,
    zone=one_of("all", *KILL_ZONES, meaning="which of them"),
    shift=_SHIFT,
)
def kill_zones(candles: Candles, zone: str = "all", shift: int = 0) -> Events:
    """Return ICT's kill zones: when each begins, and its high and low when it is over.

    In UTC: Asia 0 to 4, London open 7 to 10, New York 12 to 15, London close 15 to 17. That is New York's
    winter time (London open: 2 to 5 there); with `shift=-1` its summer time, the hours of
    `smartmoneyconcepts`. Births and ends are those of `sessions`.

    >>> import numpy as np
    >>> from cryptai.market.candles import Candles
    >>> p = np.array([3.0, 4.0, 5.0, 4.0, 3.0])
    >>> bars = Candles(np.arange(5) * 3_600_000, p, p + 0.5, p - 0.5, p, p, "BTC/USDT", "1h")
    >>> found = kill_zones(bars)
    >>> found.known_bar.tolist(), found.top.tolist(), found.bottom.tolist()
    ([0, 3], [3.5, 5.5], [2.5, 2.5])
    """
    return _told(candles, KILL_ZONES, zone, shift, _ZONES)
