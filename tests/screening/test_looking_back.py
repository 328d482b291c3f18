"""Looking back: what each filter stops, how a strategy fares by year, from the tables that are kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from cryptai.market.store import CandleStore
from cryptai.screening.evidence import Evidence, unlooked
from cryptai.screening.looking_back import by_filter, by_year, kept
from cryptai.screening.past import ROW, PastSetups
from cryptai.screening.quality import FILTERS, quality, stopped
from cryptai.screening.screen import screen
from cryptai.screening.setups import setups
from cryptai.strategies.strategy import strategies
from cryptai.workspace import open_workspace

from .made import HOUR, walk

DAY = 24 * HOUR


def rows(*told):
    """Return setups that do not overlap: (day, r, the filter that stops it)."""
    made = np.zeros(len(told), ROW)
    for i, (day, r, filter_) in enumerate(told):
        made[i]["decided_ms"], made[i]["resolved_ms"] = day * DAY, day * DAY + HOUR
        made[i]["r"], made[i]["stopped"] = r, filter_
    return PastSetups({}, ("BTC/USDT",), made)


@pytest.mark.parametrize("name", ["ema_trend", "bollinger_bands"])
def test_a_filter_stops_here_what_it_stops_in_a_screen(name, tmp_path):
    candles = walk(2, 4_000)
    store = CandleStore(tmp_path)
    store.write("binance", candles)
    now = int(candles.close_ts[-1])
    asked = {"as_of_ms": now, "names": [name], "timeframes": ["1h"], "ended": True, "newest": 1_000}
    screened = screen(store, evidence=unlooked, **asked).stopped
    made = strategies.get(name)()
    found = setups(made, candles, len(candles) - 1_000)
    told = Counter(("passed", *FILTERS)[i] for i in stopped(quality(found, made, candles)))
    assert told == +screened
    assert len(told) >= 2


def test_each_filter_has_its_count_and_its_mean():
    one = rows((0, 1.0, 0), (1, -1.0, 0), (2, 3.0, 3))
    told = {each.name: each for each in by_filter([one, rows((0, 0.5, 3))])}
    assert list(told) == [*FILTERS, "passed"]
    assert (told["passed"].setups, told["passed"].share, told["passed"].mean_r) == (2, 0.5, 0.0)
    assert (told["chasing"].setups, told["chasing"].mean_r) == (2, 1.75)
    assert told["no_volume"] == ("no_volume", 0, 0.0, None)
    assert by_filter([])[0] == ("quality", 0, 0.0, None)


def test_a_year_is_that_of_the_decision():
    told = by_year(rows((364, 1.0, 0), (365, 2.0, 0), (366, 4.0, 2)))
    assert told == {1970: (1, 1.0), 1971: (2, 3.0)}
    assert by_year(rows()) == {}


def test_the_newest_table_of_each_configuration_is_found(tmp_path):
    home = open_workspace(tmp_path / "home")
    store, candles = CandleStore(tmp_path / "candles"), walk(4, 2_000)
    store.write("binance", candles)
    evidence = Evidence(home, store, "binance")
    made = strategies.get("ema_trend")
    for parameters in ({}, {"fast": 5}):
        evidence.past(made(**parameters), "1h", int(candles.close_ts[-1]))
    folder = home.root / "evidence"
    (found,) = kept(folder, "binance")
    assert (found.strategy, found.timeframe, found.until_ms) == (
        "ema_trend", "1h", int(candles.close_ts[-1])
    )  # fmt: skip
    assert len(found.past.rows) > 0
    assert kept(folder, "kraken") == []
    assert kept(tmp_path / "nowhere", "binance") == []
    for file in folder.glob("*.past"):
        file.write_bytes(b"{}")
    (folder / "newest-0.json").write_text("[")
    assert kept(folder, "binance") == []
