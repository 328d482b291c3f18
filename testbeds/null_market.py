"""The null market's bed: nothing that is registered wins where nothing can be won, and a leak is flagged."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np

from cryptai.features.events import Events, Structure
from cryptai.research import null_market as judged
from cryptai.research.null_market import Verdict, held, null_market, positions, spread
from cryptai.research.worlds import worlds
from testbeds.causality import pieces, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.research.piece import Piece

LEVEL: Final = 0.05
BARS: Final = {"test": 1_500, "quick": 4_000, "long": 8_760}


def null_worlds(seed: int, size: str) -> list[Candles]:
    """Return the twenty worlds, of recorded bars where there are any."""
    return worlds(recorded(seed, 6_000), seed=seed, bars=BARS[size])


def traded(tried: Sequence[Candles]) -> dict[str, Verdict]:
    """Return what everything registered that says a direction came to, with its defaults."""
    found = {}
    for name, piece in pieces(defaults=True).items():
        verdict = null_market(piece, tried=tried)
        if verdict is not None:
            found[name] = verdict
    return found


def leaky(piece: Piece, tried: Sequence[Candles]) -> Verdict:
    """Trade a structure at the bars its events are drawn at: what people do who find them on a chart."""
    made = piece.made
    if not isinstance(made, Structure):
        raise TypeError(f"{piece.name} is no structure.")
    rows = []
    for world in tried:
        events: Events = made.of(world, **dict(piece.parameters))
        rows.append(held(world, positions(events, made.directed, len(world), at_label=True)))
    gross, net, trades = zip(*rows, strict=True)
    return Verdict(np.array(gross), np.array(net), sum(trades))


def chance(returns: NDArray[np.float64]) -> float:
    """Return the probability of such a mean, or a higher one, where the true mean is 0 (one-sided t-test)."""
    mean, error = spread(returns)
    if error == 0.0:
        return 1.0 if mean <= 0.0 else 0.0
    return tail(mean / error, len(returns) - 1)


def tail(t: float, freedom: int) -> float:
    """Return P(T > t) of Student's distribution, by Simpson's rule over the angle atan(t / √freedom)."""
    start, end, steps = math.atan(t / math.sqrt(freedom)), math.pi / 2, 2_000
    angles = np.linspace(start, end, steps + 1)
    heights = np.cos(angles) ** (freedom - 1)
    weights = np.r_[1.0, np.tile([4.0, 2.0], steps // 2)[:-1], 1.0]
    area = float(weights @ heights) * (end - start) / steps / 3.0
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    return min(1.0, max(0.0, area * scale))


def above(chances: dict[str, float], level: float = LEVEL) -> list[str]:
    """Return those that stay significant after Holm's correction over all of them."""
    found: list[str] = []
    ordered = sorted(chances.items(), key=lambda one: one[1])
    for place, (name, probability) in enumerate(ordered):
        if probability > level / (len(ordered) - place):
            break
        found.append(name)
    return found


def null_bed(seed: int, size: str) -> dict[str, Any]:
    """Run the bed; `fell_short` names what is above 0 after Holm at 5 %, and a planted leak that is not."""
    tried = null_worlds(seed, size)
    verdicts = traded(tried)
    chances: dict[str, float] = {}
    for name, verdict in verdicts.items():
        chances[f"{name}, with costs"] = chance(verdict.net)
        chances[f"{name}, without"] = chance(verdict.gross)
    winners = above(chances)
    swings = pieces(defaults=True)["swing_points"]
    planted = leaky(swings, tried)
    missed = [] if not planted.fair else ["the swing label traded at its own bar is not flagged"]
    with_leak = above({**chances, "the leak": chance(planted.net)})
    if "the leak" not in with_leak:
        missed.append("the leak is lost in the correction")
    return {
        "pieces": len(verdicts), "worlds": len(tried), "bars": BARS[size], "tests": len(chances),
        "trades": sum(one.trades for one in verdicts.values()), "above_zero": len(winners),
        "lowest_chance": round(min(chances.values()), 5), "leak_net_return": round(spread(planted.net)[0], 2),
        "fell_short": [*(f"{name} wins where nothing can be won" for name in winners), *missed],
    }  # fmt: skip


def labels_traded() -> list[Any]:
    """Plant a bug: every structure is traded at the bar it is drawn at, before it is known."""
    return [patch.object(judged, "positions", partial(positions, at_label=True))]
