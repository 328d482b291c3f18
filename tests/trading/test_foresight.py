"""Whoever sees the future is caught before a result is told; whoever does not is left alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from cryptai.errors import InputError
from cryptai.features import sma
from cryptai.features.crosses import crosses_above
from cryptai.market.candles import Candles
from cryptai.research.company import company
from cryptai.signals import Signals
from cryptai.strategies.strategy import strategies
from cryptai.trading.foresight import refuse_foresight

from .worlds import random_candles


def bars(n=1200, symbol="BTC/USDT", skip=0):
    found = random_candles(np.random.default_rng(3), n, holes=0.0)[skip:]
    columns = {name: getattr(found, name) for name in ("ts", "open", "high", "low", "close", "volume")}
    return Candles(**columns, symbol=symbol, timeframe="1h")


def strategy_of(said):
    @dataclass(frozen=True)
    class Own:
        name: ClassVar[str] = "own"

        def signals(self, candles):
            return said(candles)

    return Own()


def next_bar(candles):
    rises = np.append(candles.close[1:] > candles.close[:-1] * 1.02, False)
    return Signals.entries(candles, long=rises)


def fitted(candles):
    return Signals.entries(candles, long=candles.close > candles.close.mean())


def only_the_stop(candles):
    long = crosses_above(candles.close, sma(candles.close, 20))
    said = Signals.entries(candles, long=long)
    lows = np.minimum(candles.low, np.append(candles.low[1:], candles.low[-1]))
    return Signals(said.entry, said.exits, stop=lows)


def from_the_end(candles):
    return Signals.entries(candles, long=np.arange(len(candles))[::-1] % 50 == 0)


def honest(candles):
    long = crosses_above(candles.close, sma(candles.close, 20))
    said = Signals.entries(candles, long=long)
    return Signals(said.entry, said.exits, stop=candles.low * 0.99)


@pytest.mark.parametrize("said", [next_bar, fitted, only_the_stop, from_the_end])
def test_what_changes_when_more_bars_come_is_refused_with_its_bar(said):
    with pytest.raises(
        InputError, match=r"own sees the future: of the bar of 20\d\d-\S+Z its '\w+' said"
    ) as refused:
        refuse_foresight(strategy_of(said), [bars()])
    assert refused.value.field == "strategy"


def test_who_keeps_to_the_past_is_left_alone():
    refuse_foresight(strategy_of(honest), [bars(), bars(symbol="ETH/USDT", skip=300)])
    refuse_foresight(strategy_of(honest), [bars(40)])
    refuse_foresight(strategy_of(Signals.entries), [bars()])


@pytest.mark.parametrize("name", strategies.names())
def test_no_strategy_of_ours_is_refused(name):
    made = strategies.get(name)()
    refuse_foresight(made, company(made, bars()))


def test_who_sees_several_markets_together_is_asked_for_all_of_them():
    class Peeks:
        name = "peeks"

        def signals_many(self, markets):
            # The second market's next bar decides the first's entry.
            said = {name: Signals.entries(one) for name, one in markets.items()}
            first, second = markets.values()
            rises = np.append(np.diff(second.close) > second.close[:-1] * 0.02, False)
            said[first.symbol] = Signals.entries(first, long=rises)
            return said

    with pytest.raises(InputError, match="peeks sees the future"):
        refuse_foresight(Peeks(), [bars(), bars(symbol="ETH/USDT")])
