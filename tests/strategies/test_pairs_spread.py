"""Pairs: what is called one, how it is measured, when its legs are entered and left."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.market.candles import Candles
from cryptai.strategies.pairs_spread import PairsSpread, _critical, _line, _returning
from cryptai.strategies.strategy import build, strategies
from cryptai.trading.backtest import backtest
from cryptai.trading.costs import Costs

HOUR = 3_600_000
BEGIN = 1_600_000_000_000 // (60 * HOUR) * 60 * HOUR  # where a choice of every 60 hours begins
FREE = Costs(fee=0.0, slippage=0.0)


def market(symbol, log_price, keep=None):
    price = np.exp(log_price)
    ts = BEGIN + HOUR * np.arange(len(price), dtype=np.int64)
    rows = slice(None) if keep is None else keep
    close = price[rows]
    return Candles(ts[rows], close, close, close, close, np.ones(len(close)), symbol, "1h")


def walks(seed, count, n):
    random = np.random.default_rng([seed, 41])
    return [4.0 + np.cumsum(random.normal(0.0, 0.01, n)) for _ in range(count)]


def returning(seed, n, stays=0.9, size=0.004):
    random, rest = np.random.default_rng([seed, 42]), np.zeros(n)
    for row in range(1, n):
        rest[row] = stays * rest[row - 1] + random.normal(0.0, size)
    return rest


@pytest.mark.parametrize(("walking", "statistic"), [(False, -4.360387272898133), (True, -2.625178226651724)])
def test_the_test_of_engle_and_granger_is_that_of_statsmodels(walking, statistic):
    # statsmodels 0.15.0: coint(y, x, trend="c", maxlag=0, autolag=None) of these numbers.
    random = np.random.default_rng([9, 1])
    x = 4.0 + np.cumsum(random.integers(-40, 41, 180)) / 1024
    steps, rest = random.integers(-20, 21, 180) / 1024, np.zeros(180)
    for row in range(1, 180):
        rest[row] = 0.8 * rest[row - 1] + steps[row]
    slope, constant, left = _line(x, 1.0 + 0.5 * x + (np.cumsum(steps) if walking else rest))
    assert _returning(left)[1] == pytest.approx(statistic, abs=1e-9)
    assert _critical(179) == pytest.approx(-3.37047758, abs=1e-8)
    if not walking:
        assert (slope, constant) == pytest.approx((0.51672048, 0.93802232), abs=1e-8)


def test_a_planted_pair_is_found_with_its_hedge_ratio_and_its_half_life():
    (log_price, other), n = walks(1, 2, 2_000), 2_000
    markets = [
        market("AAA/USDT", 1.0 + 0.5 * log_price + returning(1, n)),
        market("BBB/USDT", log_price),
        market("CCC/USDT", other),
    ]
    found = PairsSpread(hold=1).pairs({one.symbol: one for one in markets})
    assert len(found) >= 15
    assert {(one.first, one.second) for one in found} == {("AAA/USDT", "BBB/USDT")}
    assert np.median([one.hedge for one in found]) == pytest.approx(0.5, abs=0.05)
    # Half of it is gone after 6.6 bars; short windows find it shorter.
    assert 3.0 < np.median([one.half_life for one in found]) < 7.0
    assert all(one.from_ms % (60 * HOUR) == 0 and one.until_ms - one.from_ms == 60 * HOUR for one in found)


def test_of_walks_that_know_nothing_of_each_other_hardly_any_two_are_a_pair():
    found = chosen = 0
    for seed in range(6):
        markets = {f"{chr(65 + i)}/USDT": one for i, one in enumerate(walks(seed, 6, 1_200))}
        markets = {symbol: market(symbol, one) for symbol, one in markets.items()}
        found += len(PairsSpread(half_life=1000).pairs(markets))
        chosen += len(PairsSpread(half_life=1000, cointegrated=False).pairs(markets))
    # Of fifteen pairs a window, 5 % pass by chance, fewer with a hedge ratio above 0 and one pair a market.
    assert 0 < found < 6 * 17 * 15 * 0.05
    assert chosen > 5 * found


@pytest.mark.parametrize(
    ("away", "turns"),
    [
        ([0.0, 2.0, 1.0, 0.5, 0.0], [(1, -1), (3, 0)]),  # sold two above, left within a half
        ([0.0, -2.5, -0.6, 0.7], [(1, 1), (3, 0)]),  # bought below, left on the other side as well
        ([2.1, 3.9, 4.0, 2.0, 2.0], [(0, -1), (2, 0)]),  # too far: no pair any more, whatever comes
        ([5.0, 2.5], []),  # too far before it was entered
        ([2.0, -2.0, 0.0, 2.0, 1.0], [(0, -1), (1, 0), (3, -1)]),  # left on the other side; entered anew
        ([1.9, -1.9], []),
    ],
)
def test_a_spread_is_entered_left_and_given_up_by_its_deviations(away, turns):
    assert list(PairsSpread()._turns(np.array(away))) == turns


def test_legs_are_opposite_shared_by_the_hedge_ratio_and_end_with_the_period():
    log_price, n = walks(1, 1, 2_000)[0], 2_000
    keep = np.random.default_rng(5).random(n) > 0.03
    markets = [
        market("AAA/USDT", 1.0 + 0.5 * log_price + returning(1, n)),
        market("BBB/USDT", log_price, keep),
    ]
    made, by_name = PairsSpread(), {one.symbol: one for one in markets}
    said = made.signals_many(by_name)
    first, second = said["AAA/USDT"].weight, said["BBB/USDT"].weight
    hedges = {one.from_ms: one.hedge for one in made.pairs(by_name)}
    entered = np.flatnonzero(first > 0.0)
    assert len(entered) >= 5
    for row in entered:
        other = second[np.searchsorted(markets[1].ts, markets[0].ts[row])]
        hedge = hedges[markets[0].ts[row] // (60 * HOUR) * 60 * HOUR]
        assert first[row] - other == pytest.approx(1.0)  # one pair: all of the equity, both legs together
        assert -other / first[row] == pytest.approx(hedge)
    changes = np.flatnonzero(np.diff(markets[1].ts // (60 * HOUR))) + 1
    assert not np.isnan(second[changes]).any()
    assert said["AAA/USDT"].long_reason == "cheap against BBB/USDT"
    result = backtest(markets, made, costs=FREE)
    assert result.metrics.total_return > 0.1
    assert {one["side"] for one in result.records} == {1, -1}


def test_whoever_reads_the_hedge_ratio_of_the_period_itself_is_caught():
    from cryptai.research.causality import first_rewritten
    from cryptai.research.piece import of_strategy
    from cryptai.research.series import noise

    class Peeking(PairsSpread):
        name = "peeking"

        def pairs(self, markets):
            # Fitted to the bars it is traded in.
            late = PairsSpread(lookback=120, every=60).pairs(markets)
            return [one._replace(from_ms=one.from_ms - 60 * HOUR, until_ms=one.from_ms) for one in late]

    series = noise(1, 400)
    assert first_rewritten(of_strategy(PairsSpread(120, 60)), series, range(20, 400, 20)) is None
    found = first_rewritten(of_strategy(Peeking(120, 60)), series, range(20, 400, 20))
    assert found is not None
    assert "weight" in found.column


def test_one_market_alone_is_refused_and_levels_that_do_not_go_together():
    (log_price,) = walks(1, 1, 300)
    with pytest.raises(InputError, match="pairs_spread trades one market against another") as refused:
        backtest(market("BTC/USDT", log_price), PairsSpread())
    assert refused.value.field == "symbols"
    with pytest.raises(InputError, match="must be below enter"):
        build(strategies.get("pairs_spread"), {"enter": 5})


def test_bars_too_few_or_prices_that_stand_still_are_no_pair():
    flat = np.full(400, 4.0)
    markets = {name: market(name, one) for name, one in zip(("A/USDT", "B/USDT"), (flat, flat), strict=True)}
    assert PairsSpread().pairs(markets) == []
    young = {name: one[:100] for name, one in markets.items()}
    assert PairsSpread().pairs(young) == []
    none = PairsSpread().signals_many({name: one[:0] for name, one in markets.items()})
    assert all(len(one) == 0 for one in none.values())
