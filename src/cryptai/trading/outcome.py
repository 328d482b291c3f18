"""What the two roads give alike: one market by the plain rules, and any number by all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryptai.jit import NativeKernel, address
from cryptai.ledger.book import TRADE, Book, Order
from cryptai.market.candles import Candles
from cryptai.market.timeframe import DAY_MS
from cryptai.portfolio.rules import Rules
from cryptai.signals import COLUMNS, Signals
from cryptai.trading import markets as full
from cryptai.trading.costs import Costs
from cryptai.trading.given import Given, paths, volatility
from cryptai.trading.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


_simulate = NativeKernel("cryptai.trading.kernel", "simulate_entry", "ipppppppp" + "ppipiip")


class Outcome(NamedTuple):
    """What happened: equity on the clock, the last of each UTC day, trades as records, and what stood then.

    `refused` counts by reason the entries that a rule refused; the plain rules refuse none. `readings` are
    the events that bars did not decide; the plain road has one to each trade that is marked.
    """

    clock: NDArray[np.int64]
    equity: NDArray[np.float64]
    daily: NDArray[np.float64]
    records: NDArray[np.void]
    max_drawdown: float
    books: tuple[Book, ...]
    orders: tuple[Order, ...]
    refused: dict[str, int]
    readings: int = 0
    total: float | None = None


def run_plain(given: Given, capital: float, rules: Rules, costs: Costs, *, close_at_end: bool) -> Outcome:
    """Run one market by stop, target, size, risk, fee and slippage alone: the fast road."""
    bars, first = given.bars, given.first
    entry, exits = given.signals.entry[first:], given.signals.exits[first:]
    n = len(bars)
    equity = np.empty(n)
    days = int(bars.ts[-1] // DAY_MS - bars.ts[0] // DAY_MS) + 1
    daily = np.empty(days)
    # Each round trip needs an entry row of its own before it.
    trades = np.empty(int(np.count_nonzero(entry)) + 1, TRADE)
    settings = np.array([capital, *rules[:4], *costs[:2]])
    end = np.empty(13)
    # Columns are contiguous by contract, so an address and a length say all.
    arrays = [bars.ts, bars.open, bars.high, bars.low, bars.close, entry, exits, settings, equity, daily]
    held = [np.ascontiguousarray(a) for a in arrays]
    count = _simulate(
        n, *map(address, held), days, address(trades), len(trades), int(close_at_end), address(end)
    )
    return Outcome(
        bars.ts,
        equity,
        daily[: int(end[9])],
        trades[:count],
        float(end[8]),
        (Book._make([*end[:6].tolist(), int(end[6]), int(end[7])]),),
        (Order(int(end[11]), int(end[10])),),
        {},
        total=float(end[12]),
    )


def make_ready() -> None:
    """Load the machine code of both roads; compile it, where this installation has not yet.

    Whoever gives a run so much time gives it to the run, and not to what is done once.
    """
    flat = np.ones(2)
    none = np.zeros(2, np.int8)
    bars = Candles(np.array([0, DAY_MS]), flat, flat, flat, flat, flat, "ANY/ANY", "1d")
    given = Given(bars, bars, Signals(none, none))
    run_plain(given, 1.0, Rules(), Costs(), close_at_end=True)
    run_full([given], 1.0, Rules(), Costs(), Terms(), min_reward_risk=0.0, close_at_end=True)


def run_full(
    given: Sequence[Given],
    capital: float,
    rules: Rules,
    costs: Costs,
    terms: Terms,
    *,
    min_reward_risk: float,
    close_at_end: bool,
    readings: int | None = None,
) -> Outcome:
    """Run any number of markets on one clock, by every rule."""
    wanted = not np.isnan(rules.volatility_target)
    found = full.simulate_markets(
        [_market(one, group, volatile=wanted) for group, one in enumerate(given)],
        capital=capital,
        rules=rules,
        costs=costs,
        target_steps=terms.target_steps,
        fill=terms.fill,
        policy=terms.policy,
        readings=readings,
        min_reward_risk=min_reward_risk,
        close_at_end=close_at_end,
    )
    return Outcome(
        found.clock,
        found.equity,
        found.daily,
        found.trades,
        found.max_drawdown,
        _books(found),
        tuple(map(Order, found.markets["exits"].tolist(), found.markets["side"].tolist())),
        found.refused,
        int(found.account["readings"][0]),
    )


def _market(given: Given, place: int, *, volatile: bool) -> full.Market:
    bars, first = given.bars, given.first
    known, filters, finer = given.funding, given.filters, None
    if given.finer is not None:
        offsets, inside = paths(bars, given.finer)
        finer = full.Finer(offsets, inside.open, inside.high, inside.low, inside.close)
    return full.Market(
        bars,
        _rows(given.signals, first),
        # What fell due before the range was paid before it.
        None if known is None else (known.ts, known.rate),
        None
        if filters is None
        else full.Filters(
            filters.from_ms, filters.tick, filters.step, filters.min_quantity, filters.min_notional
        ),
        finer,
        # Without a group of its own a market is one: below those that were named.
        given.group if given.group >= 0 else -1 - place,
        volatility(given.candles)[first:] if volatile else None,
    )


def _rows(signals: Signals, first: int) -> Signals:
    if not first:
        return signals
    columns = {name: getattr(signals, name) for name in ("entry", "exits", *COLUMNS)}
    return replace(signals, **{n: one[first:] for n, one in columns.items() if one is not None})


def _books(found: full.Simulation) -> tuple[Book, ...]:
    finished = np.bincount(found.trades["market"], minlength=len(found.markets)).tolist()
    cash = float(found.account["cash"][0])
    names = ("quantity", "entry_price", "stop", "target", "fees", "entry_bar")
    flat = (0.0, 0.0, np.nan, np.nan, 0.0, -1)
    rows = zip(*(found.markets[name].tolist() for name in names), strict=True)
    return tuple(
        Book._make((cash, *(row if row[0] != 0.0 else flat), trades))
        for row, trades in zip(rows, finished, strict=True)
    )
