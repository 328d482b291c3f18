"""The engine, asked in the reference's words: the same markets and setup, the same kind of outcome."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.ledger.book import EXIT_REASONS
from cryptai.market.candles import Candles
from cryptai.portfolio.rules import Rules
from cryptai.signals import COLUMNS, Signals
from cryptai.trading import markets as engine
from cryptai.trading.costs import Costs

from .reference_book import Bar, Market, Outcome, Setup, Trade

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("market", "limit", "trigger", "stop_limit")


def ask(
    markets: list[Market],
    setup: Setup,
    *,
    simulate: Callable[..., engine.Simulation] | None = None,
) -> Outcome:
    """Run the engine (or another `simulate_markets`) and tell what it did as the reference does."""
    done = (simulate or engine.simulate_markets)(
        [_market(one, number) for number, one in enumerate(markets)],
        capital=setup.capital,
        rules=Rules(**_numbers(asdict(setup.rules), Rules()._asdict())),
        costs=Costs(**_numbers(asdict(setup.costs), Costs()._asdict())),
        target_steps=setup.target_steps,
        fill=setup.fill,
        policy=setup.policy,
        min_reward_risk=setup.min_reward_risk,
        close_at_end=setup.close_at_end,
    )
    return Outcome(
        done.clock.tolist(), [_trade(row) for row in done.trades], done.equity.tolist(), Counter(done.refused)
    )


def _numbers(given: dict[str, float | None], default: dict[str, float]) -> dict[str, float]:
    # What is off is NaN, or 0 where the engine's own default is a number.
    off = {name: math.nan if math.isnan(value) else 0.0 for name, value in default.items()}
    off |= {"stop": math.nan, "target": math.nan}
    return {name: off[name] if value is None else float(value) for name, value in given.items()}


def _market(market: Market, number: int) -> engine.Market:
    bars, rows = market.bars, market.rows
    columns = {
        name: np.array([math.nan if (v := getattr(row, name)) is None else v for row in rows], np.float64)
        for name in (*COLUMNS, "volatility")
    }
    said: dict[str, Any] = {
        name: None if np.isnan(column).all() else column for name, column in columns.items()
    }
    volatility = said.pop("volatility")
    entry, exits = (np.array([getattr(row, name) for row in rows], np.int8) for name in ("entry", "exits"))
    prices: dict[str, Any] = {
        name: np.array([getattr(bar, name) for bar in bars], np.float64)
        for name in ("open", "high", "low", "close", "volume")
    }
    candles = Candles(
        np.array([bar.ts for bar in bars], np.int64),
        **prices,
        symbol=f"M{number}/USDT",
        timeframe="1h",  # bars further apart are holes to it, which costs nothing
    )
    signals = replace(Signals(entry, exits), **said)
    return engine.Market(
        candles, signals, _funding(market), _filters(market), _finer(bars), market.group, volatility
    )


def _funding(market: Market) -> tuple[np.ndarray, np.ndarray] | None:
    if not market.funding:
        return None
    times, rates = zip(*market.funding, strict=True)
    return np.array(times, np.int64), np.array(rates, np.float64)


def _filters(market: Market) -> engine.Filters | None:
    if not market.filters:
        return None
    names = ("tick", "step", "min_quantity", "min_notional")
    return engine.Filters(
        np.array([row.from_ms for row in market.filters], np.int64),
        *(np.array([getattr(row, name) for row in market.filters], np.float64) for name in names),
    )


def _finer(bars: tuple[Bar, ...]) -> engine.Finer | None:
    if not any(bar.finer for bar in bars):
        return None
    paths = [path for bar in bars for path in bar.finer]
    offsets = np.concatenate([[0], np.cumsum([len(bar.finer) for bar in bars])]).astype(np.int64)
    names = ("open", "high", "low", "close")
    return engine.Finer(
        offsets, *(np.array([getattr(path, name) for path in paths], np.float64) for name in names)
    )


def _trade(row: np.void) -> Trade:
    return Trade(
        int(row["market"]), "long" if row["side"] > 0 else "short", int(row["entry_bar"]),
        int(row["exit_bar"]), int(row["entry_time"]), int(row["exit_time"]), float(row["entry_price"]),
        float(row["exit_price"]), float(row["quantity"]), float(row["fees"]), float(row["funding"]),
        float(row["pnl"]), EXIT_REASONS[row["exit_reason"]], KINDS[row["entry_kind"]], bool(row["undecided"]),
    )  # fmt: skip
