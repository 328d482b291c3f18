"""Random candles and random decisions, for laws that must hold for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptai.market.candles import Candles
from cryptai.signals import Signals

HOUR = 3_600_000


def random_candles(
    rng: np.random.Generator, n: int, *, volatility: float = 0.02, holes: float = 0.05
) -> Candles:
    """Hourly bars with fat tails, gaps between close and next open, ties, and missing bars."""
    steps = rng.standard_t(3, n) * volatility
    close = 100.0 * np.exp(np.cumsum(steps))
    gap = np.where(rng.random(n) < 0.1, rng.normal(0, 0.06, n), 0.0)
    opens = np.concatenate([[100.0], close[:-1]]) * np.exp(gap)
    spread = np.abs(rng.normal(0, volatility, (2, n)))
    high = np.maximum(opens, close) * np.exp(spread[0])
    low = np.minimum(opens, close) * np.exp(-spread[1])
    flat = rng.random(n) < 0.03
    opens[flat] = high[flat] = low[flat] = close[flat]
    keep = rng.random(n) >= holes
    keep[:2] = True
    ts = (np.arange(n) * HOUR + 1_600_000_000_000 // HOUR * HOUR)[keep]
    volume = rng.random(n)[keep] * 100
    return Candles(ts, opens[keep], high[keep], low[keep], close[keep], volume, "BTC/USDT", "1h")


@dataclass(frozen=True)
class Scripted:
    """A strategy that says what it was told to say."""

    name: ClassVar[str] = "scripted"
    entry_long: tuple[bool, ...]
    entry_short: tuple[bool, ...]
    leave_long: tuple[bool, ...]
    leave_short: tuple[bool, ...]
    allow_short: bool = True

    def signals(self, candles):
        return Signals.entries(
            candles,
            long=np.array(self.entry_long),
            short=np.array(self.entry_short),
            exit_long=np.array(self.leave_long),
            exit_short=np.array(self.leave_short),
        )

    def score(self, candles):
        return np.zeros(len(candles))


def random_script(rng: np.random.Generator, n: int) -> Scripted:
    """Entries and exits of a random density, sometimes in runs, never long and short at once."""
    density = rng.choice([0.02, 0.1, 0.4])
    runs = int(rng.choice([1, 1, 3]))
    draw = np.repeat(rng.random((4, n // runs + 1)), runs, axis=1)[:, :n]
    long, short, leave_long, leave_short = draw < density
    short &= ~long
    if rng.random() < 0.3:
        short[:] = False
    return Scripted(tuple(long), tuple(short), tuple(leave_long), tuple(leave_short))
