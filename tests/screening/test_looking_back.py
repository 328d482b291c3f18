"""Looking back: what each filter stops, how a strategy fares by year, from the tables that are kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from cryptai.market.files import read_candles
from cryptai.market.store import CandleStore
from cryptai.screening.evidence import Evidence, unlooked
from cryptai.screening.looking_back import by_filter, by_year, kept
from cryptai.screening.past import ROW, PastSetups, past_setups
from cryptai.screening.quality import FILTERS, quality, stopped
from cryptai.screening.screen import screen, why_unscanned
from cryptai.screening.setups import setups
from cryptai.strategies.strategy import build, strategies
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
    one = rows((0, 1.0, 0), (1, -1.0, 0), (2, 3.0, 2))
    told = {each.name: each for each in by_filter([one, rows((0, 0.5, 2))])}
    assert list(told) == [*FILTERS, "passed"]
    assert (told["passed"].setups, told["passed"].share, told["passed"].mean_r) == (2, 0.5, 0.0)
    assert (told["against_the_trend"].setups, told["against_the_trend"].mean_r) == (2, 1.75)
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


@pytest.mark.shared
def test_no_filter_stops_what_did_clearly_better_than_what_it_lets_through(shared):
    """Months are drawn together: what the markets did in one befell all its setups."""
    files = sorted((shared / "data/candles/spot").glob("*_4h.parquet"))
    markets = {one.symbol: [one] for one in map(read_candles, files)}
    asked = [build(cls, {}) for cls in strategies if why_unscanned(cls) is None]
    past = [past_setups(one, markets, exchange="binance") for one in asked]
    told = [_month(past, month) for month in range(48)]
    drawn = np.random.default_rng(5).integers(0, len(told), (2_000, len(told)))
    for name in FILTERS:
        each = np.array([[x for of in (name, "passed") for x in one[of]] for one in told])
        stopped_r, stopped_n, passed_r, passed_n = each[drawn].sum(axis=1).T
        better = stopped_r / np.maximum(stopped_n, 1) - passed_r / np.maximum(passed_n, 1)
        assert np.quantile(better, 0.025) <= 0.0, name


def _month(past, month):
    start = 1_577_836_800_000 + month * 30 * DAY
    some = []
    for one in past:
        here = (one.rows["decided_ms"] >= start) & (one.rows["decided_ms"] < start + 30 * DAY)
        some.append(PastSetups(one.facts, one.symbols, one.rows[here]))
    return {of.name: ((of.mean_r or 0.0) * of.setups, of.setups) for of in by_filter(some)}
