"""Bars made of finer ones: whole bars only, the same whichever part is asked for, and as of any moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from endless import MONDAY, bars, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptai import seams
from cryptai.errors import DataError
from cryptai.market import derived
from cryptai.market import store as store_module
from cryptai.market.bits import chosen
from cryptai.market.candles import COLUMNS, Candles
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import TIMEFRAMES, Timeframe

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
KEY = ("binance", "BTC/USDT")


def at(ms: int) -> AbstractContextManager[object]:
    return seams.replaced(now_ns=lambda: ms * 1_000_000)


@pytest.fixture
def store(tmp_path: Path) -> CandleStore:
    return CandleStore(tmp_path / "candles")


def by_hand(finer: Candles, timeframe: Timeframe) -> list[tuple[float, ...]]:
    """The whole bars, one after the other, in plain Python."""
    rows = list(zip(*(getattr(finer, name).tolist() for name in COLUMNS), strict=True))
    buckets: dict[int, list[tuple[float, ...]]] = {}
    for row in rows:
        buckets.setdefault(timeframe.floor(int(row[0])), []).append(row)
    made = []
    for ts, part in sorted(buckets.items()):
        if len(part) == timeframe.ms // finer.timeframe.ms:
            _, opens, highs, lows, closes, volumes = zip(*part, strict=True)
            made.append((ts, opens[0], max(highs), min(lows), closes[-1], sum(volumes)))
    return made


def check_whole(finer: Candles, timeframe: Timeframe) -> None:
    made, wanted = derived.whole_bars(finer, timeframe), by_hand(finer, timeframe)
    assert made.ts.tolist() == [row[0] for row in wanted]
    for name, values in zip(COLUMNS[1:5], list(zip(*wanted, strict=True))[1:5], strict=False):
        assert getattr(made, name).tolist() == list(values)
    np.testing.assert_allclose(made.volume, [row[5] for row in wanted], rtol=1e-12)
    assert (made.symbol, made.timeframe) == (finer.symbol, timeframe)


holes = st.lists(st.integers(0, 899), max_size=12)


@settings(max_examples=60)
@given(
    missing=holes,
    first=st.integers(0, 400),
    pair=st.sampled_from([("1m", "5m"), ("15m", "4h"), ("1d", "1w")]),
)
def test_a_bar_is_there_if_all_its_parts_are(missing: list[int], first: int, pair: tuple[str, str]) -> None:
    whole = bars(first, first + 900, timeframe=pair[0])
    kept = np.ones(900, bool)
    kept[missing] = False
    check_whole(chosen(whole, kept), Timeframe(pair[1]))


def test_broken_bars_kept_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    # Planted: what `Candles.resample` does, for which a hole inside a bar is no matter.
    monkeypatch.setattr(derived, "whole_bars", lambda finer, frame: finer.resample(frame))
    kept = np.ones(900, bool)
    kept[100] = False
    with pytest.raises(AssertionError):
        check_whole(chosen(bars(0, 900, timeframe="1m"), kept), Timeframe("5m"))


def test_nothing_gives_nothing() -> None:
    assert len(derived.whole_bars(bars(0, 0, timeframe="1m"), Timeframe("1h"))) == 0
    assert len(derived.whole_bars(bars(3, 59, timeframe="1m"), Timeframe("1h"))) == 0


@settings(max_examples=40)
@given(
    missing=st.lists(st.integers(0, 5_999), max_size=40),
    cut=st.tuples(st.none() | st.integers(-60, 6_100), st.none() | st.integers(-60, 6_100)),
    last=st.none() | st.integers(0, 120),
)
def test_any_part_is_that_part_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    missing: list[int],
    cut: tuple[int | None, int | None],
    last: int | None,
) -> None:
    store = CandleStore(tmp_path_factory.mktemp("store"))
    kept = np.ones(6_000, bool)
    kept[missing] = False
    minutes = chosen(bars(0, 6_000, timeframe="1m"), kept)
    store.write("binance", minutes)
    whole = derived.whole_bars(minutes, Timeframe("1h"))
    start, end = (None if place is None else MONDAY + place * MINUTE for place in cut)
    wanted = whole.between(start, end)
    wanted = wanted if last is None else wanted[len(wanted) - min(last, len(wanted)) :]
    found = store.read(*KEY, "1h", start_ms=start, end_ms=end, last=last)
    assert same_bits(found, wanted)
    assert found.digest == wanted.digest


def test_the_market_s_own_bars_win_where_there_are_any(store: CandleStore) -> None:
    store.write("binance", bars(0, 6_000, timeframe="1m"))
    made = store.read(*KEY, "1h")
    assert len(made) == 100
    assert store.stored(*KEY, "1h").derived_from == "1m"
    own = bars(3, 50)
    store.write("binance", own)
    assert same_bits(store.read(*KEY, "1h"), own)
    assert store.stored(*KEY, "1h") == store.markets()[1]
    with pytest.raises(DataError):
        store.read(*KEY, "4h", derived=False)


def test_bars_are_made_of_the_series_that_covers_most_and_of_equals_the_coarsest(store: CandleStore) -> None:
    store.write("binance", bars(0, 6_000, timeframe="1m"), bars(0, 400, timeframe="15m"))
    assert store.stored(*KEY, "1h").derived_from == "15m"
    store.write("binance", bars(6_000, 6_060, timeframe="1m"))
    assert store.stored(*KEY, "1h").derived_from == "1m"
    told = {str(market.timeframe): str(finer) for market, finer in store.derivable("binance").items()}
    assert told == {"5m": "1m", "30m": "1m", "1h": "1m", "4h": "15m", "1d": "15m"}
    assert store.derivable("kraken") == store.derivable("binance", "ETH/USDT") == {}


def test_a_correction_of_a_finer_bar_is_one_of_the_coarser_and_the_past_stays(store: CandleStore) -> None:
    with at(1_000):
        store.write("binance", bars(0, 240, timeframe="1m"), source="binance rest")
    before = store.read(*KEY, "1h")
    minute = bars(61, 62, timeframe="1m")
    higher = Candles(
        minute.ts, minute.open, minute.high + 50, minute.low, minute.close, minute.volume, "BTC/USDT", "1m"
    )
    with at(2_000):
        store.write("binance", higher, replace=True, source="second")
    after = store.read(*KEY, "1h")
    assert after.high[1] == higher.high[0]
    assert after.digest != before.digest
    assert same_bits(store.read(*KEY, "1h", as_of_ms=1_999), before)
    with pytest.raises(DataError, match="No bars of"):
        store.read(*KEY, "1h", as_of_ms=999)
    told = [(one.source, one.superseded_at_ms) for one in store.revisions(*KEY, "1h", ts=MONDAY + HOUR)]
    assert told == [("derived from 1m of binance rest", 2_000), ("derived from 1m of second", None)]
    (one,) = store.revisions(*KEY, "1h", ts=MONDAY)
    assert one.source == "derived from 1m of binance rest"
    assert [one.source for one in store.revisions(*KEY, "1h")] == [
        "derived from 1m of binance rest", "derived from 1m of second",
    ]  # fmt: skip


def test_a_hole_in_the_finer_bars_is_one_in_the_coarser(store: CandleStore) -> None:
    store.write("binance", bars(0, 200, timeframe="1m"))
    store.write("binance", bars(201, 600, timeframe="1m"))
    stored = store.stored(*KEY, "1h")
    assert (stored.bars, stored.holes) == (9, 1)
    assert (stored.first_ts, stored.last_ts) == (MONDAY, MONDAY + 9 * HOUR)


def test_too_few_finer_bars_give_no_bars(store: CandleStore) -> None:
    store.write("binance", bars(0, 50, timeframe="1m"))
    assert len(store.read(*KEY, "1h")) == len(store.read(*KEY, "1h", last=3)) == 0
    assert store.stored(*KEY, "1h").bars == 0
    with pytest.raises(DataError):
        store.stored("binance", "ETH/USDT", "1h")


@pytest.mark.shared
def test_bars_of_the_exchange_s_hours_equal_its_own(store: CandleStore, shared: Path) -> None:
    from cryptai.market.files import read_candles

    folder = shared / "data" / "candles" / "spot"
    store.write("binance", read_candles(folder / "BTCUSDT_1h.parquet"))
    for name in ("4h", "1d"):
        theirs, ours = read_candles(folder / f"BTCUSDT_{name}.parquet"), store.read(*KEY, name)
        known = np.isin(theirs.ts, ours.ts)
        assert known.mean() > 0.98
        at_ours = np.searchsorted(ours.ts, theirs.ts[known])
        for column in ("open", "high", "low", "close"):
            same = getattr(theirs, column)[known] == getattr(ours, column)[at_ours]
            assert same.all(), column


def test_every_timeframe_finds_a_finer_one() -> None:
    for name in TIMEFRAMES[1:]:
        assert derived.finer_of(Timeframe(name), [(Timeframe("1m"), 0, 60 * DAY)]) == "1m"
    assert derived.finer_of(Timeframe("1m"), [(Timeframe("1h"), 0, DAY)]) is None
    assert store_module.TIMEFRAMES == TIMEFRAMES
