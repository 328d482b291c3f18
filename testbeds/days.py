"""The bed of days: what is found day by day, and at each close as if live, is what one pass over all finds.

The markets are the recorded ones, where they are here, for two years of days; else walks. One pass asks the
screen once for everything that was ever decided. Then the screen is asked at the end of each day, of a store
that knows later bars, too; and a lookout looks after each hour into a store that has only what had closed by
then. The three must tell the same signals, to the last digit, but for the card, which the bed `cards` proves.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np

from cryptai import seams
from cryptai.market.candles import Candles
from cryptai.market.files import read_candles
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import DAY_MS
from cryptai.market.times import iso
from cryptai.screening.evidence import unlooked
from cryptai.screening.lookout import Lookout
from cryptai.screening.screen import screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.signals import Signal

    Told = dict[str, dict[str, Any]]

RECORDED: Final = Path(__file__).resolve().parents[1].parent / "shared/data/candles/spot"
HOUR: Final = 3_600_000
START_MS: Final = 1_640_995_200_000
"""2022-01-01."""
# Days, and whether of the recorded markets; of those all but the short volume looks at all.
VOLUMES: Final = {"test": (4, False), "quick": (30, True), "long": (730, True)}
_HISTORY: Final = 200
_VENUE: Final = "binance"
_NAMED: Final = 3


def days(seed: int, size: str) -> dict[str, Any]:
    """Run the bed."""
    count, real = VOLUMES[size]
    real = real and RECORDED.is_dir()
    series = list(recorded() if real else walks(seed, count))
    first, end = START_MS, START_MS + count * DAY_MS
    with tempfile.TemporaryDirectory() as folder:
        store = CandleStore(Path(folder) / "whole")
        store.write(_VENUE, *series)
        once = one_pass(store, first, end)
        daily = day_by_day(store, first, end)
        closes = close_by_close(CandleStore(Path(folder) / "live"), series, first, end)
    short = []
    if not once:
        short.append("nothing was decided")
    for name, other in (("day by day", daily), ("close by close", closes)):
        wrong = [key for key in once.keys() | other.keys() if once.get(key) != other.get(key)]
        some = ", ".join(sorted(_named(once.get(key) or other[key]) for key in wrong)[:_NAMED])
        if wrong:
            short.append(f"{len(wrong)} of {len(once)} signals are others {name}, such as {some}")
    return {
        "seed": seed, "recorded": real, "series": len(series), "days": count, "one_pass": len(once),
        "day_by_day": len(daily), "close_by_close": len(closes), "fell_short": short,
    }  # fmt: skip


def recorded() -> Iterator[Candles]:
    """Yield the recorded series: all markets at 1d, four of them at 1h and 4h."""
    for file in sorted(RECORDED.glob("*USDT_*.parquet")):
        yield read_candles(file)


def walks(seed: int, count: int) -> Iterator[Candles]:
    """Yield two walks at 1h, 4h and 1d, with what goes before them."""
    hours = (_HISTORY + count) * 24
    ts = START_MS + (np.arange(hours) - _HISTORY * 24) * HOUR
    for i, symbol in enumerate(("BTC/USDT", "ETH/USDT")):
        random = np.random.default_rng([seed, 71, i])
        close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.01, hours)))
        opens = np.r_[100.0, close[:-1]]
        wicks = np.exp(np.abs(random.normal(0.0, 0.004, (2, hours))))
        high, low = np.maximum(opens, close) * wicks[0], np.minimum(opens, close) / wicks[1]
        hourly = Candles(ts, opens, high, low, close, random.lognormal(0.0, 0.5, hours), symbol, "1h")
        yield from (hourly, hourly.resample("4h"), hourly.resample("1d"))


def one_pass(store: CandleStore, first: int, end: int) -> Told:
    """Return what one look over all bars finds decided in a span, its end included, by identity."""
    everything = max(one.bars for one in store.markets(_VENUE))
    found = screen(store, _VENUE, evidence=unlooked, as_of_ms=end, ended=True, newest=everything)
    return _between(found.signals, first, end)


def day_by_day(store: CandleStore, first: int, end: int) -> Told:
    """Return the same, asked at the end of each day for what was decided on it."""
    told: Told = {}
    for then in range(first + DAY_MS, end + 1, DAY_MS):
        found = screen(store, _VENUE, evidence=unlooked, as_of_ms=then, ended=True, newest=DAY_MS // HOUR)
        told |= _between(found.signals, then - DAY_MS, then)
    return told


def close_by_close(store: CandleStore, series: list[Candles], first: int, end: int) -> Told:
    """Return the same, as a lookout finds it that looks after each hour at what was written in it."""
    for one in series:
        before = _closed(one, 0, first)
        if len(before):
            store.write(_VENUE, before)
    told: Told = {}
    clock = [first]
    # It waits for coarser bars by this clock, not by the machine's.
    with patch.object(seams, "monotonic", lambda: clock[0] / 1000.0):
        lookout = Lookout(store, _VENUE, evidence=unlooked)
        lookout.look(first)
        for now in range(first + HOUR, end + 1, HOUR):
            clock[0] = now
            store.write(_VENUE, *(new for one in series if len(new := _closed(one, now - HOUR, now))))
            seen = lookout.look(now)
            told |= _between(seen.decided, first, end)
            if seen.waits:
                clock[0] = now + HOUR // 2
                told |= _between(lookout.look(now).decided, first, end)
    return told


def _closed(bars: Candles, after: int, until: int) -> Candles:
    begin, end = np.searchsorted(bars.close_ts, (after, until), "right").tolist()
    return bars[begin:end]


def _between(signals: list[Signal], after: int, until: int) -> Told:
    return {one.identity: one.as_sealed() for one in signals if after < one.decided_at_ms <= until}


def _named(body: dict[str, Any]) -> str:
    at = iso(int(body["decided_ms"]))
    return f"{body['strategy']} {body['side']} {body['symbol']} {body['timeframe']} {at}"


def too_few_bars() -> list[Any]:
    """Plant a bug: strategies are shown fewer bars than they need."""
    return [
        patch("cryptai.screening.windows.needed", lambda _strategy, _timeframe: 30),
        patch("cryptai.screening.windows._STEP", 32),
    ]


def coarser_bar_peeked() -> list[Any]:
    """Plant a bug: the newest coarser bar counts from its open on."""
    align = Candles.align

    def early(self: Candles, other: Candles) -> Any:
        found = align(self, other)
        return np.minimum(found + 1, len(other) - 1)

    return [patch.object(Candles, "align", early)]
