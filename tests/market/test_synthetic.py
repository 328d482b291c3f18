"""The synthetic market: what it is a function of, and the statistics that make it look like one."""

from __future__ import annotations

import numpy as np
import pytest

from cryptai.market import synthetic
from cryptai.market.synthetic import BLOCK_DAYS, COINS, GENESIS_DAY, hours

SEED = 2017
FIRST = GENESIS_DAY * 24
END = FIRST + 3_500 * 24  # nine and a half years


@pytest.fixture(scope="module")
def market():
    return {symbol: hours(SEED, symbol, FIRST, END) for symbol in COINS}


def returns(bars, every=1):
    return np.diff(np.log(bars.close[every - 1 :: every]))


def autocorrelation(x, lag):
    x = x - x.mean()
    return np.mean(x[lag:] * x[:-lag]) / np.mean(x**2)


def kurtosis(x):
    x = x - x.mean()
    return np.mean(x**4) / np.mean(x**2) ** 2


def clear():
    for cached in (synthetic._coin_hours, synthetic._factor_hours, synthetic._days):
        cached.cache_clear()


def test_an_hour_is_the_same_in_whatever_range_and_order_it_is_asked_for(market):
    block = BLOCK_DAYS * 24
    for start, end in ((FIRST + block - 5, FIRST + block + 5), (END - 3, END), (FIRST, FIRST + 1)):
        clear()
        part = hours(SEED, "ETH/USDT", start, end)
        for whole, piece in zip(market["ETH/USDT"], part, strict=True):
            assert whole[start - FIRST : end - FIRST].tobytes() == piece.tobytes()


def test_the_days_to_come_do_not_change_the_days_that_were():
    clear()
    early = hours(SEED, "BTC/USDT", FIRST, FIRST + 48)
    clear()
    hours(SEED, "BTC/USDT", END + 90_000, END + 90_001)
    late = hours(SEED, "BTC/USDT", FIRST, FIRST + 48)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(early, late, strict=True))


def test_another_seed_is_another_market(market):
    other = hours(SEED + 1, "BTC/USDT", FIRST, END)
    assert abs(np.corrcoef(returns(market["BTC/USDT"]), returns(other))[0, 1]) < 0.02


def test_nothing_is_traded_before_the_first_day():
    assert len(hours(SEED, "BTC/USDT", FIRST - 100, FIRST).open) == 0
    assert len(hours(SEED, "BTC/USDT", FIRST - 100, FIRST + 2).open) == 2


@pytest.mark.parametrize("symbol", COINS)
def test_bars_are_bars_without_a_gap_on_the_coins_tick(market, symbol):
    bars = market[symbol]
    assert len(bars.open) == END - FIRST
    assert np.array_equal(bars.open[1:], bars.close[:-1])
    assert np.all(bars.high >= np.maximum(bars.open, bars.close))
    assert np.all(bars.low <= np.minimum(bars.open, bars.close))
    assert bars.low.min() > 0
    assert bars.volume.min() > 0
    for column in bars[:4]:
        assert np.array_equal(column, np.round(column, COINS[symbol].decimals))
    assert np.array_equal(bars.volume * 8, np.floor(bars.volume * 8))


@pytest.mark.parametrize("symbol", COINS)
def test_prices_and_daily_moves_are_of_a_plausible_size(market, symbol):
    assert 0.02 < returns(market[symbol], 24).std() < 0.06
    anchor = COINS[symbol].anchor
    assert anchor / 12 < market[symbol].low.min() < market[symbol].high.max() < anchor * 12
    assert anchor / 3 < np.median(market[symbol].close) < anchor * 3


@pytest.mark.parametrize("symbol", COINS)
def test_volatility_comes_in_clusters(market, symbol):
    # Of white noise of this length three standard errors are 0.01. A few jumps would outweigh all other
    # squares: they count as six standard deviations.
    moves = returns(market[symbol])
    squares = np.minimum(np.abs(moves), 6 * moves.std()) ** 2
    assert all(autocorrelation(squares, lag) > 0.03 for lag in (1, 2, 3, 24))
    assert all(autocorrelation(np.abs(moves), lag) > 0.05 for lag in (1, 2, 3, 24))


def test_volatility_comes_in_clusters_of_days_too(market):
    # Of white noise three standard errors are 0.05 for one coin, and hardly less for their mean.
    daily = [np.abs(returns(bars, 24)) for bars in market.values()]
    assert np.mean([autocorrelation(moves, 1) for moves in daily]) > 0.08
    assert np.mean([autocorrelation(moves, 5) for moves in daily]) > 0.05


@pytest.mark.parametrize("symbol", COINS)
def test_tails_are_fat(market, symbol):
    assert 5.0 < kurtosis(returns(market[symbol])) < 60.0


@pytest.mark.parametrize("symbol", COINS)
def test_there_is_a_jump_now_and_then(market, symbol):
    moves = returns(market[symbol])
    usual = 1.4826 * np.median(np.abs(moves - np.median(moves)))
    jumps_a_year = np.sum(np.abs(moves) > 10 * usual) / (len(moves) / 8_766)
    assert 1 < jumps_a_year < 30


def test_there_are_trends(market):
    # Variance ratio (Lo and MacKinlay 1988) of 20 days: 1 for a random walk, above it where moves go on.
    ratios = []
    for bars in market.values():
        daily = returns(bars, 24)
        way = np.append(0.0, np.cumsum(daily - daily.mean()))
        ratios.append((way[20:] - way[:-20]).var() / (20 * daily.var()))
    assert 1.1 < np.mean(ratios) < 2.0


def test_coins_move_together_and_not_as_one(market):
    moves = np.corrcoef([returns(bars) for bars in market.values()])
    between = moves[np.triu_indices(len(moves), 1)]
    assert between.min() > 0.2
    assert between.max() < 0.9


@pytest.mark.parametrize("symbol", COINS)
def test_more_is_traded_when_prices_move(market, symbol):
    bars = market[symbol]
    turnover = bars.volume * bars.close
    assert np.corrcoef(turnover, np.log(bars.high / bars.low))[0, 1] > 0.5


@pytest.mark.parametrize("symbol", COINS)
def test_the_range_of_an_hour_fits_its_volatility(market, symbol):
    # The mean range of a Brownian path is 1.6 of its standard deviation (Feller 1951).
    bars = market[symbol]
    assert 1.3 < np.mean(np.log(bars.high / bars.low) / bars.volatility) < 1.9
