"""Pinned backtests: a digest says that something changed, a few golden numbers say what it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from testbeds.goldens import goldens, world

from cryptai.trading.result import ENGINE_VERSION

TABLE = Path(__file__).with_name("goldens.json")
PINNED = json.loads(TABLE.read_text())


def test_there_are_a_hundred_and_each_pinned_one_is_there():
    # A strategy that was added since is pinned when the table is written anew: python -m testbeds.goldens
    names = [one.name for one in goldens()]
    assert len(names) == len(set(names))
    assert len(PINNED["digests"]) >= 100
    assert PINNED["digests"].keys() - set(names) == set()


@pytest.mark.parametrize("strategy", sorted({name.partition(",")[0] for name in PINNED["digests"]}))
def test_the_numbers_are_those_that_were_pinned(strategy):
    # A difference is a mistake, or other fills: then ENGINE_VERSION rises, too (see `testbeds.goldens`).
    pinned = [one for one in goldens() if one.strategy == strategy and one.name in PINNED["digests"]]
    assert [one.name for one in pinned if one.digest() != PINNED["digests"][one.name]] == []
    assert PINNED["engine"] == ENGINE_VERSION


def test_golden_numbers_of_a_few():
    told = {one.name: one for one in goldens()}
    for name, numbers in PINNED["numbers"].items():
        result = told[name].run()
        assert result.metrics.trades == numbers["trades"], name
        assert result.metrics.final_equity == numbers["final_equity"], name
        assert result.metrics.sharpe_ratio == numbers["sharpe_ratio"], name
        assert [float(one) for one in result.records["pnl"][:3]] == numbers["first_pnl"], name


def test_the_worlds_are_made_of_whole_ticks():
    for symbol in ("AAA/USDT", "BBB/USDT", "CCC/USDT", "DDD/USDT"):
        bars = world(symbol)
        for name in ("open", "high", "low", "close", "volume"):
            ticks = getattr(bars, name) * 64.0
            assert (ticks == np.round(ticks)).all()
        assert bars.digest == PINNED["worlds"][symbol]


def test_one_tick_of_one_price_changes_the_digest():
    one = goldens()[0]
    before = one.digest()
    bars = world("AAA/USDT")
    moved = bars.close.copy()
    records = one.run().records
    # A bar that was held to its close: the position is valued there.
    row = int(records["entry_bar"][records["exit_bar"] > records["entry_bar"]][0])
    moved[row] += 1.0 / 64.0
    columns = {name: getattr(bars, name) for name in ("ts", "open", "high", "low", "volume")}
    columns["high"] = np.maximum(columns["high"], moved)
    from testbeds import goldens as module

    changed = type(bars)(**columns, close=moved, symbol=bars.symbol, timeframe=bars.timeframe)
    original = module.world
    try:
        module.world = lambda _symbol: changed
        assert one.digest() != before
    finally:
        module.world = original
