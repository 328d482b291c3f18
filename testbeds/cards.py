"""The bed of the evidence cards: an edge that is planted is covered as often as said, and none is not found.

Each world is a walk on a ladder: every bar's close is one rung above or below its open, up with a probability
that is the same at every bar. Whoever enters has the stop so many rungs below and the target so many above,
so how often the target comes first within the horizon is a number that can be worked out: that is the
planted hit rate. In a fair world the rungs are as likely as makes the mean setup earn nothing after costs.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from unittest.mock import patch

import numpy as np

from cryptai.market.candles import Candles
from cryptai.screening import card as cards_of
from cryptai.screening.card import INSUFFICIENT, SUPPORTED, Asked
from cryptai.screening.outcomes import EXPIRED, HORIZON, OPEN, outcomes
from cryptai.screening.past import PastSetups, past_setups
from cryptai.signals import Signals
from cryptai.trading.costs import Costs

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR: Final = 3_600_000
RUNG: Final = 1.01
STOP: Final = 8
TARGET: Final = 13
BARS: Final = 6_000
EDGE: Final = 0.54
"""The probability of a rung up in a world with an edge."""
# Worlds of each kind, cards that are computed again.
VOLUMES: Final = {"test": (60, 10), "quick": (300, 100), "long": (1_000, 1_000)}
MARKETS: Final = ("BTC/USDT", "ETH/USDT")


@dataclass(frozen=True)
class Climber:
    """Long after so many rungs up in a row, with its levels between two rungs, so that none is in doubt."""

    rungs: int = 3
    name: ClassVar[str] = "climber"

    def signals(self, candles: Candles) -> Signals:
        """Decide at the close of the last of these bars."""
        up = candles.close > candles.open
        climbed = np.ones(len(up), bool)
        for back in range(self.rungs):
            climbed &= np.roll(up, back)
        climbed[: self.rungs] = False
        return Signals.entries(
            candles, long=climbed, stop=candles.close * RUNG ** (0.5 - STOP),
            target=candles.close * RUNG ** (TARGET - 0.5),
        )  # fmt: skip

    def score(self, candles: Candles) -> NDArray[np.float64]:
        """Return a half: it has no conviction."""
        return np.full(len(candles), 0.5)


def cards(seed: int, size: str) -> dict[str, Any]:
    """Run the bed."""
    worlds, again = VOLUMES[size]
    planted, fair = hit_rate(EDGE), _fair()
    covered = found = 0
    for number in range(worlds):
        told = _card(ladder(seed, number, EDGE))
        rate = told["hit_rate"]
        covered += told["trades"] > 0 and rate["low"] <= planted <= rate["high"]
        found += told["status"] == SUPPORTED
    statuses = [_card(ladder(seed, worlds + number, fair))["status"] for number in range(worlds)]
    unsure, sure = statuses.count(INSUFFICIENT) / worlds, statuses.count(SUPPORTED) / worlds
    # Of few worlds the shares may be further off, by chance: four standard errors.
    slack = 0.0 if size == "long" else 4.0 * float(np.sqrt(0.05 * 0.95 / worlds))
    other, later = computed_again(seed, again)
    short = []
    if abs(covered / worlds - 0.95) > 0.02 + slack:
        short.append(f"the interval covers the planted {planted:.3f} in {covered / worlds:.1%} of the worlds")
    if unsure < 0.95 - slack:
        short.append(f"without an edge only {unsure:.1%} of the cards say that nobody knows")
    if other:
        short.append(f"{other} of {again} cards differ when they are computed again")
    if later:
        short.append(f"{later} of {again} cards know something of what came after them")
    return {
        "seed": seed, "worlds": worlds, "planted": round(planted, 4), "covered": covered,
        "supported_with_edge": found, "fair_rung": round(fair, 4), "insufficient_without": round(unsure, 4),
        "supported_without": round(sure, 4), "cards": again, "differ": other, "know_later": later,
        "fell_short": short,
    }  # fmt: skip


def ladder(seed: int, number: int, up: float, bars: int = BARS, symbol: str = MARKETS[0]) -> Candles:
    """Return a world."""
    random = np.random.default_rng([seed, 63, number])
    rungs = np.cumsum(np.where(random.random(bars) < up, 1, -1))
    close = 100.0 * RUNG**rungs
    opens = np.r_[close[0] / RUNG, close[:-1]]
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    ts = np.arange(bars) * HOUR
    return Candles(ts, opens, high, low, close, np.ones(bars), symbol, "1h")


def hit_rate(up: float) -> float:
    """Return how often the target is reached before the stop, within the horizon."""
    hit, _, _ = _ends(up)
    return hit


@lru_cache(maxsize=256)
def _ends(up: float) -> tuple[float, float, tuple[float, ...]]:
    # From the entry on, a rung a bar; the first row and the last take what comes to them.
    at = np.zeros(STOP + TARGET + 1)
    at[STOP] = 1.0
    for _ in range(HORIZON):
        inner = at[1:-1].copy()
        at[1:-1] = 0.0
        at[2:] += inner * up
        at[:-2] += inner * (1.0 - up)
    return float(at[-1]), float(at[0]), tuple(at[1:-1].tolist())


def _mean(up: float) -> float:
    """Return what a setup earns on average, after costs."""
    costs = Costs()
    hit, stopped, rest = _ends(up)
    fill = 1.0 + costs.slippage

    def net(price: float) -> float:
        return price / fill - 1.0 - costs.fee * (1.0 + price / fill)

    left = 1.0 - costs.slippage
    total = hit * net(RUNG ** (TARGET - 0.5)) + stopped * net(RUNG ** (0.5 - STOP) * left)
    return total + sum(share * net(RUNG ** (i + 1 - STOP) * left) for i, share in enumerate(rest))


def _fair() -> float:
    low, high = 0.4, 0.6
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _mean(middle) < 0.0 else (low, middle)
    return low


def _card(world: Candles) -> dict[str, Any]:
    past = past_setups(Climber(), {world.symbol: [world]}, exchange="ladder")
    return cards_of.card(past, _asked(world, len(world) - 1), 1)


def _asked(world: Candles, row: int) -> Asked:
    close = float(world.close[row])
    stop, target = close * RUNG ** (0.5 - STOP), close * RUNG ** (TARGET - 0.5)
    return Asked(world.symbol, 1, 0, int(world.close_ts[row]), close, stop, target)


def computed_again(seed: int, count: int) -> tuple[int, int]:
    """Return how many cards differ when computed from what was kept, and from a table of their moment."""
    markets = {
        symbol: [ladder(seed, 10_000_000 + i, EDGE, 3_000, symbol)] for i, symbol in enumerate(MARKETS)
    }
    whole = past_setups(Climber(), markets, exchange="ladder", neighbourhood=True)
    random = np.random.default_rng([seed, 64])
    other = later = 0
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder)
        whole.save(kept)
        for number in range(count):
            symbol = MARKETS[number % len(MARKETS)]
            asked = _asked(markets[symbol][0], int(random.integers(1_000, 3_000)))
            told = cards_of.card(whole, asked, 1)
            other += told != cards_of.card(PastSetups.load(kept, whole.digest), asked, 1)
            then = {name: [one.between(None, asked.decided_ms)] for name, (one,) in markets.items()}
            made = past_setups(Climber(), then, exchange="ladder", neighbourhood=True)
            later += {**told, "past": 0} != {**cards_of.card(made, asked, 1), "past": 0}
    return other, later


def overlapping_counted() -> list[Any]:
    """Plant a bug: setups of a market count although the one before has not ended."""

    def all_of(rows: NDArray[np.void]) -> NDArray[np.void]:
        return rows

    return [patch("cryptai.screening.slices.apart", all_of)]


def expired_forgotten() -> list[Any]:
    """Plant a bug: what reached neither the target nor the stop is left out of the rate."""

    def without(*args: Any) -> Any:
        came = outcomes(*args)
        return came._replace(outcome=np.where(came.outcome == EXPIRED, OPEN, came.outcome).astype(np.int8))

    return [patch("cryptai.screening.past.outcomes", without)]


def later_seen() -> list[Any]:
    """Plant a bug: a card counts setups that ended after its own was decided."""
    true = cards_of.card

    def late(past: Any, asked: Asked, trials: int | None = None) -> dict[str, Any]:
        return true(past, asked._replace(decided_ms=asked.decided_ms + 1_000 * HOUR), trials)

    return [patch.object(cards_of, "card", late)]
