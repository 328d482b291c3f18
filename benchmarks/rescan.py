"""The rescan at a close: 500 markets, 8 strategies, 3 timeframes, 1,000 bars of history each.

At midnight an hourly, a four-hour and a daily bar of every market close at once. The venue is a workspace of
its own with synthetic candles; the bars of the last hour are written last, and what the lookouts then say
stands is compared with a screen of that moment from nothing, signal by signal, before a figure is told.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.market.candles import Candles
from cryptai.market.opening import open_store
from cryptai.screening.abreast import Abreast
from cryptai.screening.evidence import Evidence
from cryptai.screening.present import Present
from cryptai.screening.screen import chosen, screen
from cryptai.seams import now_ms
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.market.store import CandleStore
    from cryptai.screening.present import Look

MARKETS = 500
BARS = 1_000
HOUR_MS = 3_600_000
# The next one: what cards of a day share is computed for today and for tomorrow, before anybody asks.
MIDNIGHT = (now_ms() // (24 * HOUR_MS) + 1) * 24 * HOUR_MS
STRATEGIES = (
    "bollinger_bands", "breakout", "choch_breakout", "ema_trend", "rsi_macd_ma", "smart_money", "supertrend",
    "trend_structure",
)  # fmt: skip
VENUE = "binance"


def measure() -> Iterator[dict[str, Any]]:
    """Yield the time of a rescan at closes of an hour, of all timeframes, and from nothing; with cards."""
    with tempfile.TemporaryDirectory() as home:
        workspace = open_workspace(Path(home, "home"))
        store = open_store(workspace)
        history = [walk(i, MIDNIGHT) for i in range(MARKETS)]
        write(store, history, MIDNIGHT - 2 * HOUR_MS)
        # What becomes of parameters beside a strategy's own is minutes of work, and no part of a close.
        evidence = Evidence(workspace, store, VENUE, neighbourhood=False)
        for strategy in chosen(None, STRATEGIES, {}):
            for frame in ("1h", "4h", "1d"):
                evidence.past(strategy, frame, MIDNIGHT)
        lookouts, present = Abreast(workspace, store, VENUE, names=STRATEGIES), Present()
        try:
            spent = Spent(lookouts)
            first = lookouts.look()
            yield spent.line("from nothing", first, goal_ms=30_000)
            lookouts.look_up()
            while True:
                look = lookouts.look()
                present.take(look, MIDNIGHT)
                if not look.waits:
                    break
                time.sleep(1)
            for close, goal_ms in ((MIDNIGHT - HOUR_MS, None), (MIDNIGHT, 2_000)):
                write(store, history, close)
                spent = Spent(lookouts)
                look = lookouts.look()
                told = spent.line("at a close", look, goal_ms=goal_ms)
                present.take(look, close)
                yield told
        finally:
            lookouts.close()
        whole = screen(
            store, VENUE, evidence=Evidence(workspace, store, VENUE), as_of_ms=MIDNIGHT, names=STRATEGIES
        ).signals
        _check(present.signals(MIDNIGHT), whole)


class Spent:
    """Time from here on, of the clock and of the processes that look."""

    def __init__(self, lookouts: Abreast) -> None:
        self._lookouts, self._before = lookouts, _cpu_ms(lookouts)
        self._began = time.perf_counter()

    def line(self, what: str, look: Look, *, goal_ms: int | None) -> dict[str, Any]:
        """Return the figures; on an idle machine the time is about that of the process that worked most."""
        spent = (time.perf_counter() - self._began) * 1e3
        after = _cpu_ms(self._lookouts)
        return {
            "benchmark": "rescan", "what": what, "series": len(look.closed), "strategies": len(STRATEGIES),
            "found": sum(map(len, look.found.values())), "ms": round(spent), "goal_ms": goal_ms,
            "cpu_ms_each": sorted(round(ms - self._before.get(pid, 0.0)) for pid, ms in after.items()),
            "cores": len(os.sched_getaffinity(0)), "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip


def _cpu_ms(lookouts: Abreast) -> dict[int, float]:
    found = {}
    for pid in lookouts.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        found[pid] = (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")
    return found


def walk(seed: int, until: int, bars: int = BARS) -> list[Candles]:
    """Return a random walk up to a time: so many bars of an hour, of four and of a day."""
    n = bars * 24
    rng = np.random.default_rng([31, seed])
    steps = rng.normal(0.0, 0.004, (n, 4)).cumsum(axis=1)
    begins = np.r_[0.0, steps[:-1, -1].cumsum()]
    path = np.exp(np.log(100.0) + begins[:, None] + np.c_[np.zeros(n), steps]).round(4)
    path[1:, 0] = path[:-1, -1]
    volume = np.round(rng.lognormal(5.0, 0.6, n) * 8.0) / 8.0
    columns = (path[:, 0], path.max(axis=1), path.min(axis=1), path[:, -1], volume)
    hours = Candles(until - HOUR_MS * np.arange(n, 0, -1), *columns, f"S{seed:03d}/USDT", "1h")
    return [hours.resample(frame)[-bars:] for frame in ("1h", "4h", "1d")]


_written: dict[tuple[str, str], int] = {}


def write(store: CandleStore, history: list[list[Candles]], until: int) -> int:
    """Store what closed by then and was not stored before; return of how many series."""
    new = []
    for frames in history:
        for bars in frames:
            key = (bars.symbol, str(bars.timeframe))
            some = bars.between(_written.get(key), until - bars.timeframe.ms + 1)
            if len(some):
                new.append(some)
                _written[key] = int(some.ts[-1]) + 1
    store.write(VENUE, *new)
    return len(new)


def _check(standing: list[Any], whole: list[Any]) -> None:
    assert standing == whole, f"{len(standing)} stand by the lookouts, {len(whole)} by the screen, or differ"
