"""`simulate_markets`: many markets on one clock with shared cash, by the rules of docs/guide/execution.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.jit import NativeKernel, address
from cryptai.ledger.book import FILL, TRADE
from cryptai.ledger.state import first_account, first_markets
from cryptai.portfolio.refusals import REFUSALS
from cryptai.portfolio.rules import MIN_REWARD_RISK, Rules
from cryptai.trading.costs import Costs
from cryptai.trading.market import Filters, Finer, Market
from cryptai.trading.tables import RUN, Table, terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cryptai.signals import Signals

__all__ = ["Filters", "Finer", "Market", "Simulation", "simulate_markets"]

_DAY_MS: Final = 86_400_000
_advance = NativeKernel("cryptai.trading.markets_kernel", "advance_entry", "p")


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a run over many markets leaves.

    Attributes
    ----------
    clock, equity
        Every time at which a market has a bar, and the equity at the close of those bars.
    daily
        The last equity of each UTC day that has bars.
    trades, fills
        Records (`TRADE`, `FILL`) in the order they were written; fills only where asked for.
    refused
        How often an entry was refused, by reason; reasons that did not occur are absent.
    account, markets
        The state at the end (`cryptai.ledger.state`).
    """

    clock: NDArray[np.int64]
    equity: NDArray[np.float64]
    daily: NDArray[np.float64]
    trades: NDArray[np.void]
    fills: NDArray[np.void]
    refused: dict[str, int]
    account: NDArray[np.void]
    markets: NDArray[np.void]

    @property
    def max_drawdown(self) -> float:
        """Return the largest fall from a peak, a positive fraction of it."""
        return float(self.account["max_drawdown"][0])


def simulate_markets(
    markets: Sequence[Market],
    *,
    capital: float = 10_000.0,
    rules: Rules | None = None,
    costs: Costs | None = None,
    target_steps: Sequence[tuple[float, float]] = (),
    fill: str = "open",
    policy: int = 0,
    readings: int | None = None,
    min_reward_risk: float = MIN_REWARD_RISK,
    close_at_end: bool = True,
    fills: bool = False,
) -> Simulation:
    """Run the strategies' rows of many markets over one clock; what is given is trusted to be sound.

    Parameters
    ----------
    target_steps
        Pairs of bars held and fraction, ascending: the target is that of the last pair reached.
    fill
        `"open"`: market orders fill at the next open; `"close"`: at the close of the row that decides.
    policy
        0 takes the worse of what a bar does not tell, 1 the better.
    readings
        In place of it: bit k for the k-th event of the run that bars do not decide, the sign for all
        further ones.
    min_reward_risk
        Entries whose own bracket gives less are refused.
    fills
        Write each fill down as well.
    """
    table = Table(markets, markets[0].candles.timeframe.ms if len(markets) > 0 else 0)
    clock = table.clock
    days = int(clock[-1] // _DAY_MS - clock[0] // _DAY_MS) + 1 if len(clock) else 0
    room = sum(_exits(one.signals) for one in markets) + len(markets)
    work = Work(
        first_account(capital),
        first_markets(len(markets)),
        terms(rules or Rules(), costs or Costs(), min_reward_risk, fill, policy, close_at_end, readings),
        np.array(target_steps, np.float64).ravel(),
        trades=np.empty(room, TRADE),
        fills=np.empty(2 * room if fills else 0, FILL),
    )
    equity, daily = np.empty(len(clock)), np.empty(days)
    work.advance(table.columns, clock, equity, daily)
    account = work.account
    return Simulation(
        clock,
        equity,
        daily[: int(account["days"][0])],
        work.trades[: int(account["trades"][0])],
        work.fills[: int(account["fills"][0])],
        work.told_refusals(),
        account,
        work.markets,
    )


def _exits(signals: Signals) -> int:
    # Every exit needs an entry before it, or a row that reduces; a weight may do both at one open.
    found = int(np.count_nonzero(signals.entry))
    if signals.reduce is not None:
        found += int(np.count_nonzero(signals.reduce > 0.0))
    if signals.weight is not None:
        found += 2 * int(np.count_nonzero(~np.isnan(signals.weight)))
    return found


@dataclass(eq=False)
class Work:
    """The state of a run and the room in which it writes: what `advance` takes from one step to the next."""

    account: NDArray[np.void]
    markets: NDArray[np.void]
    terms: NDArray[np.void]
    steps: NDArray[np.float64]
    trades: NDArray[np.void]
    fills: NDArray[np.void]

    def __post_init__(self) -> None:
        guard = float(self.terms["stop_guard"][0])
        self.stops = np.zeros(0 if math.isnan(guard) else int(guard), np.int64)
        self.refused = np.zeros(len(REFUSALS), np.int64)
        self._scratch = np.empty(4 * len(self.markets), np.int64)

    def advance(
        self,
        columns: NDArray[np.void],
        clock: NDArray[np.int64],
        equity: NDArray[np.float64],
        daily: NDArray[np.float64],
    ) -> None:
        """Take the state through the steps of the clock; fill `equity`, and `daily` where it has room."""
        run, count = np.zeros(1, RUN), len(columns)
        for name, array in (
            ("columns", columns), ("clock", clock), ("equity", equity), ("daily", daily),
            ("terms", self.terms), ("steps", self.steps), ("account", self.account),
            ("markets", self.markets), ("trades", self.trades), ("fills", self.fills),
            ("refused", self.refused), ("stops", self.stops),
        ):  # fmt: skip
            run[name] = address(array)
        at = address(self._scratch)
        for i, name in enumerate(("held", "wake", "due", "ranked")):
            run[name] = at + 8 * count * i
        run["count"], run["clocks"], run["days"] = count, len(clock), len(daily)
        run["pairs"], run["fill_room"], run["places"] = len(self.steps) // 2, len(self.fills), len(self.stops)
        _advance(address(run))

    def told_refusals(self) -> dict[str, int]:
        """Return how often an entry was refused, by reason."""
        return {name: int(count) for name, count in zip(REFUSALS, self.refused, strict=True) if count}
