"""The null market: what a strategy or a structure wins in worlds where nothing can be won."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.features.events import Structure
from cryptai.research.company import beside
from cryptai.research.worlds import worlds
from cryptai.trading.backtest import backtest, default_rules
from cryptai.trading.costs import Costs
from cryptai.trading.decisions import decided, decided_many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from cryptai.features.events import Events
    from cryptai.market.candles import Candles
    from cryptai.research.piece import Piece
    from cryptai.signals import Signals
    from cryptai.strategies.strategy import Strategy

_FREE: Final = Costs(0.0, 0.0)
TURNOVER: Final = 0.001
"""What a structure's position pays for each unit of turnover."""
ERRORS: Final = 2.0
"""The verdict: fair where the mean net return is not above 0 by more than so many standard errors."""


@dataclass(frozen=True)
class Verdict:
    """What came out in each world: sums of the returns of its bars, as fractions, without and with costs.

    `trades` counts round trips, or changes of position, over all worlds.
    """

    gross: NDArray[np.float64]
    net: NDArray[np.float64]
    trades: int

    @property
    def fair(self) -> bool:
        """Whether the mean net return is not above 0 by more than two standard errors."""
        mean, error = spread(self.net)
        return mean <= ERRORS * error

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        (net, net_error), (gross, gross_error) = spread(self.net), spread(self.gross)
        return {
            "fair": self.fair, "worlds": len(self.net), "trades": self.trades,
            "mean_net_return": net, "standard_error": net_error,
            "mean_gross_return": gross, "standard_error_gross": gross_error,
        }  # fmt: skip


def spread(returns: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean, and its standard error (0 for fewer than two)."""
    if len(returns) < 2:
        return float(returns.sum()), 0.0
    return float(returns.mean()), float(returns.std(ddof=1)) / math.sqrt(len(returns))


def null_market(
    piece: Piece,
    candles: Candles | None = None,
    *,
    tried: Sequence[Candles] | None = None,
    done: Callable[[], object] = lambda: None,
) -> Verdict | None:
    """Trade a piece in the twenty worlds; None for one that says no direction, so there is nothing to trade.

    A structure is in the market from the close that makes an event of its `directed` kinds known, in that
    event's direction, until the next one. A strategy is backtested with its own bracket; one over several
    markets on a world and two more walks, one that needs funding with rates that are as fair as the prices.

    Parameters
    ----------
    candles
        What the worlds of real bars are made of; None for the practice market's.
    tried
        Worlds made already, in place of the twenty.
    done
        Called after each world, for whoever shows progress.
    """
    trade = _trader(piece)
    if trade is None:
        return None
    rows = []
    for number, world in enumerate(worlds(candles) if tried is None else tried):
        rows.append(trade(world, number))
        done()
    gross, net, trades = zip(*rows, strict=True)
    return Verdict(np.array(gross), np.array(net), int(sum(trades)))


def positions(events: Events, directed: Sequence[str], bars: int, *, at_label: bool = False) -> Any:
    """Return the position held after each bar's close: the direction of the newest event known then.

    Two events of one bar that contradict each other change nothing. `at_label` takes each at the bar it is
    drawn at, before anybody knew it: the leak of which structures are usually traded.
    """
    wanted = events.named(*directed)
    where = wanted.at_bar if at_label else wanted.known_bar
    says = np.zeros(bars)
    np.add.at(says, where, wanted.direction.astype(np.float64))
    says = np.sign(says)
    newest = np.maximum.accumulate(np.where(says != 0.0, np.arange(bars), -1))
    return np.where(newest >= 0, says[newest], 0.0)


def held(candles: Candles, position: NDArray[np.float64]) -> tuple[float, float, int]:
    """Return gross and net return of a position held from close to close, and how often it changed."""
    change = np.diff(candles.close) / candles.close[:-1]
    turnover = np.abs(np.diff(position, prepend=0.0))
    gross = float(np.sum(position[:-1] * change))
    return gross, gross - TURNOVER * float(turnover.sum()), int(np.count_nonzero(turnover))


def _trader(piece: Piece) -> Callable[[Candles, int], tuple[float, float, int]] | None:
    made = piece.made
    if piece.kind == "strategy":
        return lambda candles, number: _backtested(made, beside(made, candles, number))
    if isinstance(made, Structure) and made.directed:
        structure, parameters = made, dict(piece.parameters)
        return lambda candles, _number: held(
            candles, positions(structure.of(candles, **parameters), structure.directed, len(candles))
        )
    return None


def _backtested(strategy: Strategy, markets: Sequence[Candles]) -> tuple[float, float, int]:
    rules = default_rules(type(strategy))
    funding = {one.symbol: one.funding for one in markets if one.funding is not None}
    if len(markets) == 1:
        said: Any = _Said(strategy, [decided(strategy, markets[0])])
    else:
        said = _SaidTogether(strategy, decided_many(strategy, markets))
    results = [
        backtest(markets, said, rules=rules, costs=costs, funding=funding) for costs in (_FREE, Costs())
    ]
    gross, net = (_bar_returns(one.capital, one.equity) for one in results)
    return gross, net, len(results[1].records)


class _Said:
    """What a strategy said of some candles, for both backtests: a slow one is asked once."""

    def __init__(self, strategy: Strategy, said: Sequence[Signals]) -> None:
        self.name = strategy.name
        self.allow_short = getattr(strategy, "allow_short", False)
        self.target_steps = getattr(strategy, "target_steps", None)
        self._said = said

    def signals(self, candles: Candles) -> Signals:
        """Return it."""
        del candles
        return self._said[0]


class _SaidTogether(_Said):
    def signals_many(self, markets: Mapping[str, Candles]) -> dict[str, Signals]:
        """Return it, of each market."""
        return dict(zip(markets, self._said, strict=True))


def _bar_returns(capital: float, equity: NDArray[np.float64]) -> float:
    before = np.r_[capital, equity[:-1]]
    # An account at or below nothing has no return; what it lost stands in the bars before.
    alive = before > 0.0
    return float(np.sum(equity[alive] / before[alive] - 1.0))
