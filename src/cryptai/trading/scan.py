"""Scan: every strategy over every stored market, through the engine, for the setups that stand now."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from cryptai import seams
from cryptai.errors import CryptaiError, DataError, InputError
from cryptai.ledger.book import LONG, SHORT
from cryptai.market.exchange import PRACTICE
from cryptai.market.quality import freshness
from cryptai.market.timeframe import Timeframe
from cryptai.signals import EXIT_LONG, EXIT_SHORT, Signal
from cryptai.strategies.strategy import build
from cryptai.strategies.user import find_strategy, strategy_names, what_failed
from cryptai.trading.backtest import backtest, default_rules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.strategies.strategy import Strategy
    from cryptai.trading.result import Result

_log = logging.getLogger(__name__)
# What a setup is looked for in, and how long ago it may have been decided.
HISTORY_BARS = 1000
MAX_AGE_BARS = 100
# Shares of the score; a factor that cannot be told (one timeframe only) leaves its share to the others.
WEIGHTS = {"strategy": 0.5, "reward_risk": 0.25, "timeframes": 0.25}


def scan(
    store: CandleStore,
    exchange: str = "binance",
    *,
    as_of_ms: int | None = None,
    strategies_folder: Path | None = None,
    timeframes: Sequence[str] | None = None,
) -> list[Signal]:
    """Return the setups that stand at the last closed bar of every stored market of a venue, best first.

    Each strategy runs over the last 1,000 bars with its own defaults and the default costs, through the same
    kernel as a backtest. A setup stands while the engine holds its position or waits for its fill, for at
    most 100 bars. Strategies without a bracket (the yardstick) have no setup.

    The score is 0..1: the strategy's conviction at the last bar (0.5); reward:risk, from the entry or from
    the last close, whichever is less, where 3 and more is full (0.25): a setup is not better for having
    fallen towards its stop; and the share of the symbol's other stored
    timeframes in which the strategy's score points the same way (0.25; shared out where there is none).

    Parameters
    ----------
    as_of_ms
        Only bars closed by then are seen, and staleness is measured there; None is now.
    timeframes
        Only these, made of finer bars where they are not stored; None is all that are stored.
    """
    now = seams.now_ms() if as_of_ms is None else as_of_ms
    markets: dict[str, list[Candles]] = defaultdict(list)
    for symbol, frame in _read_from(store, exchange, timeframes):
        try:
            candles = store.read(exchange, symbol, frame, last=None if as_of_ms else HISTORY_BARS)
        except DataError as error:
            # One market's damaged files stop that market, loudly, and no other.
            _log.warning("%s Its signals are missing.", error)
            continue
        closed = candles.between(None, now - candles.timeframe.ms + 1)[-HISTORY_BARS:]
        if len(closed):
            markets[symbol].append(closed)
    found: list[Signal] = []
    for name in strategy_names(strategies_folder):
        try:
            strategy = build(find_strategy(name, strategies_folder), {})
            rules = default_rules(type(strategy))
            if math.isnan(rules.stop) or math.isnan(rules.target):
                continue
            for frames in markets.values():
                found.extend(_setups(strategy, frames, exchange, now))
        except InputError as error:
            # A user's broken file is told, and does not take the other strategies' signals away.
            _log.warning("%s It is left out of the scan.", error)
    return sorted(found, key=lambda s: (-s.score, s.symbol, s.timeframe, s.strategy))


def _read_from(
    store: CandleStore, exchange: str, timeframes: Sequence[str] | None
) -> list[tuple[str, Timeframe]]:
    stored = [(one.symbol, one.timeframe) for one in store.markets(exchange)]
    if timeframes is None:
        return stored
    wanted = {Timeframe(name) for name in timeframes}
    made = [(one.symbol, one.timeframe) for one in store.derivable(exchange)]
    return sorted(one for one in stored + made if one[1] in wanted)


class _Setup(NamedTuple):
    side: int
    entry: float
    stop: float
    target: float
    bar: int  # the row that decided

    def reward_risk(self, price: float) -> float:
        """Distance to the target over that to the stop from `price`; 0 beyond either."""
        reward, risk = self.side * (self.target - price), self.side * (price - self.stop)
        return reward / risk if reward > 0 and risk > 0 else 0.0


def _setups(strategy: Strategy, frames: list[Candles], exchange: str, now: int) -> list[Signal]:
    convictions = {str(c.timeframe): _conviction(strategy, c) for c in frames}
    found = []
    for candles in frames:
        result = backtest(candles, strategy, exchange=exchange, close_at_end=False)
        setup = _standing(result, candles)
        if setup and setup.reward_risk(float(candles.close[-1])) and len(candles) - setup.bar <= MAX_AGE_BARS:
            found.append(_signal(setup, result, candles, convictions, now))
    return found


def _standing(result: Result, candles: Candles) -> _Setup | None:
    book, order, rules = result.book, result.order, result.rules
    held = LONG if book.quantity > 0 else SHORT if book.quantity < 0 else 0
    leaves = bool(order.exits & (EXIT_LONG if held == LONG else EXIT_SHORT)) if held else False
    if held and not leaves:
        return _Setup(held, book.entry_price, book.stop, book.target, max(book.entry_bar - 1, 0))
    if order.side:
        price, side = float(candles.close[-1]), order.side
        stop, target = price * (1 - side * rules.stop), price * (1 + side * rules.target)
        return _Setup(side, price, stop, target, len(candles) - 1)
    return None


def _signal(
    setup: _Setup, result: Result, candles: Candles, convictions: dict[str, float | None], now: int
) -> Signal:
    price, timeframe = float(candles.close[-1]), str(candles.timeframe)
    then, left = setup.reward_risk(setup.entry), setup.reward_risk(price)
    factors = {"reward_risk": min(then / 3.0, left / 3.0, 1.0)}
    here = convictions[timeframe]
    if here is not None:
        factors = {"strategy": min(max(setup.side * here, 0.0), 1.0), **factors}
    others = [value for frame, value in convictions.items() if frame != timeframe and value is not None]
    if others:
        factors["timeframes"] = sum(setup.side * value > 0 for value in others) / len(others)
    shares = sum(WEIGHTS[name] for name in factors)
    return Signal(
        exchange=str(result.exchange),
        symbol=candles.symbol,
        timeframe=timeframe,
        side="long" if setup.side == LONG else "short",
        strategy=result.strategy,
        entry=setup.entry,
        stop=setup.stop,
        target=setup.target,
        price=price,
        reward_risk=then,
        reward_risk_now=left,
        score=sum(WEIGHTS[name] * value for name, value in factors.items()) / shares,
        factors=factors,
        reason=result.reasons[0 if setup.side == LONG else 1],
        decided_at_ms=int(candles.close_ts[setup.bar]),
        age_bars=len(candles) - 1 - setup.bar,
        stale=freshness(int(candles.ts[-1]), candles.timeframe, now) == "stale",
        practice=result.exchange == PRACTICE,
        data_digest=result.data_digest,
    )


def _conviction(strategy: Strategy, candles: Candles) -> float | None:
    """Return the strategy's score at the last bar, 0 where it is unknown; None from one that has no score."""
    score = getattr(strategy, "score", None)
    if score is None:
        return None
    try:
        value = float(score(candles)[-1])
    except CryptaiError:
        raise
    except Exception as error:
        raise InputError(
            f"The strategy {strategy.name} failed: {what_failed(error)}.", field="strategy"
        ) from error
    return value if math.isfinite(value) else 0.0
