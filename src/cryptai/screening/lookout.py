"""The lookout: what stands on a venue's markets, found by looking only at what was written since.

A screen (`cryptai.screening.screen`) asks every strategy about every market's last 120 bars. At a close all
but the newest of these were asked about before: the lookout keeps of each series where it was, and of what
stands its levels. It finds the same as a screen of that moment.

It learns from the store itself what was written, so nothing depends on who wrote it, or on being told:
after a crash it begins anew with all that stands. Bars that were corrected among the newest ones have their
series begun anew, too. Where a coarser bar of a market ends with a finer one, it belongs to what is known at
that close: it is awaited for two seconds, no longer.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai import seams
from cryptai.market.timeframe import TIMEFRAMES
from cryptai.screening.outcomes import HORIZON
from cryptai.screening.present import Closed, Look, key_of
from cryptai.screening.quality import PARTS, check_parts
from cryptai.screening.screen import bars_of, chosen
from cryptai.screening.standing import signal_of
from cryptai.screening.windows import Asked, Windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.market.timeframe import Timeframe
    from cryptai.screening.present import Key, Series
    from cryptai.screening.standing import Evidence
    from cryptai.signals import Signal

_PATIENCE_S: Final = 2.0
# Bars by which a series is known again: no setup that stands is older.
_KNOWN: Final = HORIZON + 8


class _Stands(NamedTuple):
    """A setup that stands: its levels, and how many bars have closed since."""

    key: Key
    side: int
    low: float
    high: float
    stop: float
    target: float
    age: int


class _Seen(NamedTuple):
    """Where a series was at the last look: its newest bar, a digest of its newest bars, what stands."""

    ts: int
    bars: int
    digest: str
    stands: list[_Stands]


class Lookout:
    """One venue's markets, or a share of them; see the module.

    Parameters
    ----------
    evidence
        Gives the card and the confidence of what is found; it may be replaced between looks.
    names
        Strategies to ask, of those that come with the package; None is all of them.
    since_ms
        What the first look finds decided after this moment counts as decided newly, as does what was decided
        at the newest close of its series.
    share
        `(i, n)`: only the markets of symbols that fall to the i-th of n.
    """

    def __init__(
        self,
        store: CandleStore,
        exchange: str,
        *,
        evidence: Evidence,
        names: Sequence[str] | None = None,
        since_ms: int | None = None,
        share: tuple[int, int] = (0, 1),
        weights: Mapping[str, float] = PARTS,
    ) -> None:
        check_parts(weights)
        self.evidence = evidence
        self._store, self._exchange, self._share, self._since_ms = store, exchange, share, since_ms
        self._failed: dict[str, str] = {}
        self._asked = Asked.of(chosen(None, names, self._failed), weights)
        self._written = 0
        self._frames: dict[str, list[Timeframe]] = {}
        self._seen: dict[Series, _Seen] = {}
        # Closes that wait for a coarser one, and since when.
        self._waiting: dict[Series, float] = {}

    def look(self, now_ms: int | None = None) -> Look:
        """Look at what was written since the last look, at first at everything."""
        now = seams.now_ms() if now_ms is None else now_ms
        look = Look({}, {}, {}, [], dict(self._failed), waits=False)
        for symbol, frames in self._due().items():
            read = partial(self._read, symbol)
            windows = Windows(self._frames[symbol], read)
            for frame in frames:
                if self._waits(symbol, frame, windows):
                    look = look._replace(waits=True)
                else:
                    self._look_at(symbol, frame, windows, look, now)
        return look

    def begin_anew(self, since_ms: int | None) -> None:
        """Forget what was seen: the next look is a first one."""
        self._written, self._since_ms = 0, since_ms
        self._seen.clear()
        self._waiting.clear()

    def _due(self) -> dict[str, list[Timeframe]]:
        """Return the timeframes to look at of each symbol, the finest first."""
        written, markets = self._store.changed(self._exchange, self._written)
        due = set(self._waiting)
        if written < self._written:
            # Another store lies here than before, such as one brought back from a backup.
            _, markets = self._store.changed(self._exchange, 0)
            due |= set(self._seen)
        self._written = written
        due |= {(one.symbol, one.timeframe) for one in markets if self._falls_to_us(one.symbol)}
        found: dict[str, list[Timeframe]] = defaultdict(list)
        for symbol, frame in sorted(due, key=lambda one: (one[0], TIMEFRAMES.index(one[1]))):
            found[symbol].append(frame)
            known = self._frames.setdefault(symbol, [])
            if frame not in known:
                self._frames[symbol] = sorted([*known, frame], key=TIMEFRAMES.index)
        return found

    def _falls_to_us(self, symbol: str) -> bool:
        place, of = self._share
        return zlib.crc32(symbol.encode()) % of == place

    def _read(self, symbol: str, frame: Timeframe) -> Candles | None:
        bars = self._asked.bars(frame, HORIZON)
        return bars_of(self._store, self._exchange, symbol, frame, last=bars)

    def _waits(self, symbol: str, frame: Timeframe, windows: Windows) -> bool:
        """Return whether a coarser bar that ends with the newest one is still to come."""
        series, whole = (symbol, frame), windows.whole(frame)
        if whole is None or series not in self._seen:
            return False
        end = int(whole.ts[-1]) + frame.ms
        for above in windows.frames[windows.frames.index(frame) + 1 :]:
            coarse = windows.whole(above) if above.floor(end) == end else None
            # One that has not moved for longer is not followed.
            if coarse is not None and int(coarse.ts[-1]) + 2 * above.ms == end:
                since = self._waiting.setdefault(series, seams.monotonic())
                if seams.monotonic() - since < _PATIENCE_S:
                    return True
        self._waiting.pop(series, None)
        return False

    def _look_at(self, symbol: str, frame: Timeframe, windows: Windows, look: Look, now: int) -> None:
        series, whole = (symbol, frame), windows.whole(frame)
        seen = self._seen.pop(series, None)
        if whole is None:
            if seen is not None:
                look.closed[series] = Closed(seen.ts, 0.0, None)
            return
        before, came = ([], None) if seen is None else (seen.stands, _new_bars(seen, whole))
        # Begun anew where it was not known before, or is not what it was.
        known = came is not None and came <= HORIZON
        new = came if came is not None and known else HORIZON
        stands = _left(before, whole, new) if known else []
        still = {one.key for one in stands}
        found = self._found(series, windows, new, look, now) if new else []
        newest = len(whole) - 1
        last, bars = int(whole.ts[-1]), min(len(whole), _KNOWN)
        look.closed[series] = Closed(last, float(whole.close[-1]), new if known else None)
        if known:
            look.ended[series] = [one.key for one in before if one.key not in still]
        look.found[series] = found
        after = self._since_ms if seen is None else seen.ts + frame.ms
        look.decided.extend(
            one
            for one in found
            if (after is not None and one.decided_at_ms > after) or (seen is None and one.age_bars == 0)
        )
        stands += [_stands(one) for one in found]
        self._seen[series] = _Seen(last, bars, whole[newest + 1 - bars :].digest, stands)

    def _found(self, series: Series, windows: Windows, new: int, look: Look, now: int) -> list[Signal]:
        symbol, frame = series
        stopped: Counter[str] = Counter()
        return [
            signal_of(one, strategy, candles, self._exchange, symbol, now, self.evidence, self._asked.weights)
            for strategy, candles, one in windows.found(frame, self._asked, new, stopped, look.failed)
        ]


def _new_bars(seen: _Seen, whole: Candles) -> int | None:
    """Return how many bars came since; None where the newest of those before are not what they were."""
    end = int(np.searchsorted(whole.ts, seen.ts, "right"))
    if end < seen.bars or whole[end - seen.bars : end].digest != seen.digest:
        return None
    return len(whole) - end


def _left(stands: Sequence[_Stands], whole: Candles, new: int) -> list[_Stands]:
    """Return what still stands after the newest bars, by the rule of `cryptai.screening.outcomes`."""
    columns = (whole.open, whole.high, whole.low)
    rows = list(zip(*(column[len(whole) - new :].tolist() for column in columns), strict=True))
    found = []
    for one in stands:
        for age, (opens, high, low) in enumerate(rows, one.age + 1):
            against, towards = (low, high) if one.side > 0 else (high, low)
            missed = age == 1 and not one.low <= opens <= one.high
            over = one.side * (against - one.stop) <= 0.0 or one.side * (towards - one.target) >= 0.0
            if missed or over or age >= HORIZON:
                break
        else:
            found.append(one._replace(age=one.age + new))
    return found


def _stands(one: Signal) -> _Stands:
    side = 1 if one.side == "long" else -1
    return _Stands(key_of(one), side, one.entry_low, one.entry_high, one.stop, one.target, one.age_bars)
