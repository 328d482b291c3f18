"""The lookout: bar by bar it finds what a screen of that moment finds, whatever happens in between."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.market.symbols import SymbolBook, SymbolInfo
from cryptai.pipe import pipe
from cryptai.screening.evidence import unlooked
from cryptai.screening.lookout import Lookout
from cryptai.screening.outcomes import HORIZON
from cryptai.screening.present import Look, Present
from cryptai.screening.screen import screen

from .made import HOUR, walk

NAMES = ["ema_trend", "breakout", "bollinger_bands", "rsi_macd_ma"]
SYMBOLS = ["BTC/USDT", "ETH/USDT"]
HOURS, FRAMES = 3_600, ("1h", "4h", "1d")


@pytest.fixture(scope="module")
def whole():
    made = {symbol: walk(30 + i, HOURS, symbol) for i, symbol in enumerate(SYMBOLS)}
    # One market so quiet that setups come to the end of their time there.
    made["ETH/USDT"] = powered(made["ETH/USDT"], 0.2)
    return made


def powered(bars, power):
    columns = (np.power(column, power) for column in (bars.open, bars.high, bars.low, bars.close))
    return Candles(bars.ts, *columns, bars.volume, bars.symbol, bars.timeframe)


class Venue:
    """A store that is written to as time goes by, and what a lookout makes of it."""

    def __init__(self, folder, whole, **options):
        self.store, self.whole = CandleStore(folder), whole
        self.last = dict.fromkeys((symbol, frame) for symbol in SYMBOLS for frame in FRAMES)
        self.begin(**options)

    def begin(self, **options):
        self.lookout = Lookout(self.store, "binance", evidence=unlooked, names=NAMES, **options)
        self.present = Present()

    def write(self, row, frames=FRAMES):
        """Store what has closed by the close of an hour; return that moment."""
        for (symbol, frame), last in self.last.items():
            bars = self.whole[symbol][: row + 1].resample(frame)
            new = bars if last is None else bars.between(last + 1, None)
            if frame in frames and len(new):
                self.store.write("binance", new)
                self.last[symbol, frame] = int(new.ts[-1])
        return int(self.whole["BTC/USDT"].close_ts[row])

    def look(self, now):
        look = self.lookout.look(now)
        self.present.take(look, now)
        return look

    def screened(self, now):
        return screen(self.store, evidence=unlooked, as_of_ms=now, names=NAMES).signals


def keys(signals):
    return {(s.symbol, s.timeframe, s.strategy, s.decided_at_ms) for s in signals}


def test_close_by_close_it_finds_what_a_screen_finds(tmp_path, whole):
    venue = Venue(tmp_path, whole)
    first = HOURS - 250
    now = venue.write(first)
    begun = venue.look(now)
    assert venue.present.signals(now) == venue.screened(now)
    assert all(one.age_bars == 0 for one in begun.decided)
    decided, ended = [], 0
    # Some looks see several closes at once, the last one more than a setup can live.
    for row in (*range(first + 1, first + 60), first + 63, first + 70, HOURS - 1):
        now = venue.write(row)
        look = venue.look(now)
        if row % 7 == 0 or row > first + 59:
            assert venue.present.signals(now) == venue.screened(now)
        decided += look.decided
        ended += sum(map(len, look.ended.values()))
    assert len(keys(decided)) == len(decided) > 10
    assert ended > 10
    after = int(whole["BTC/USDT"].close_ts[first])
    assert all(one.decided_at_ms > after for one in decided)
    # Nothing was written: there is nothing to see, and what stands grows old.
    assert not venue.look(now).closed
    late = now + 400 * HOUR
    assert venue.present.signals(late) == venue.screened(late)
    assert {one.stale for one in venue.present.signals(late)} == {True}


def test_what_a_screen_leaves_out_of_a_halted_market_does_not_stand(tmp_path, whole, workspace):
    venue = Venue(tmp_path / "store", whole)
    now = venue.write(HOURS - 2)
    venue.look(now)
    book = SymbolBook(workspace.root / "symbols.sqlite3")
    words = zip(SYMBOLS, ("halted", "trading"), strict=True)
    book.sync("binance", [SymbolInfo(name, word, Decimal(1), Decimal(1)) for name, word in words], now)
    stops = book.stopped("binance")
    found = venue.present.signals(now, stops)
    assert found == venue.screened(now)
    assert {one.symbol for one in venue.present.signals(now)} == set(SYMBOLS) > {s.symbol for s in found}
    # A bar opens: the halt is over.
    now = venue.write(HOURS - 1)
    venue.look(now)
    found = venue.present.signals(now, stops)
    assert found == venue.present.signals(now) == venue.screened(now)
    assert {one.symbol for one in found} == set(SYMBOLS)


def test_a_corrected_bar_has_its_series_begun_anew(tmp_path, whole):
    venue = Venue(tmp_path, whole)
    venue.look(venue.write(HOURS - 30))
    now = venue.write(HOURS - 1)
    bars = venue.store.read("binance", "ETH/USDT", "1h", last=40)
    venue.store.write("binance", powered(bars[:5], 1.5), replace=True)
    look = venue.look(now)
    assert venue.present.signals(now) == venue.screened(now)
    assert all(one.decided_at_ms > int(whole["BTC/USDT"].close_ts[HOURS - 30]) for one in look.decided)


def test_a_bar_of_a_coarser_timeframe_that_ends_with_it_is_awaited(tmp_path, whole, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("cryptai.seams.monotonic", lambda: clock[0])
    ends = [row for row in range(HOURS) if whole["BTC/USDT"].close_ts[row] % (24 * HOUR) == 0]
    venue = Venue(tmp_path, whole)
    venue.look(venue.write(ends[-1] - 1))
    now = venue.write(ends[-1], frames=("1h",))
    look = venue.look(now)
    assert (look.closed, look.waits) == ({}, True)
    venue.write(ends[-1], frames=("4h", "1d"))
    look = venue.look(now)
    assert (len(look.closed), look.waits) == (6, False)
    assert venue.present.signals(now) == venue.screened(now)
    # One that does not come is not awaited for ever.
    now = venue.write(ends[-1] + 4, frames=("1h",))
    assert venue.look(now).waits
    clock[0] += 2.1
    look = venue.look(now)
    assert ({frame for _, frame in look.closed}, look.waits) == ({"1h"}, False)


def test_what_was_decided_while_nobody_looked_is_decided_newly_after_a_restart(tmp_path, whole):
    venue = Venue(tmp_path, whole)
    venue.look(venue.write(HOURS - 40))
    until = int(whole["BTC/USDT"].close_ts[HOURS - 40])
    now = venue.write(HOURS - 1)
    venue.begin(since_ms=until)
    look = venue.look(now)
    assert keys(look.decided) == {key for key in keys(venue.screened(now)) if key[-1] > until}
    assert len(look.decided) > sum(one.age_bars == 0 for one in look.decided)


def test_shares_of_the_symbols_together_are_the_whole(tmp_path, whole):
    venue = Venue(tmp_path, whole)
    now = venue.write(HOURS - 1)
    parts = [
        Lookout(venue.store, "binance", evidence=unlooked, names=NAMES, share=(i, 2)).look(now)
        for i in range(2)
    ]
    assert not parts[0].closed.keys() & parts[1].closed.keys()
    together = Present()
    together.take(parts[0].beside(parts[1]), now)
    assert together.signals(now) == venue.screened(now)


def test_a_look_goes_to_another_process_as_it_is(tmp_path, whole):
    venue = Venue(tmp_path, whole)
    venue.begin(since_ms=int(whole["BTC/USDT"].close_ts[HOURS - 90]))
    ours, theirs = pipe()
    try:
        looks = [venue.look(venue.write(row)) for row in (HOURS - 60, HOURS - 1)]
        for look in looks:
            ours.send(look.as_object())
            found = Look.of(theirs.receive())
            assert found == look
            assert [list(one) for one in found[:3]] == [list(one) for one in look[:3]]
    finally:
        ours.close()
        theirs.close()
    first, later = looks
    assert 0 < len(first.decided) < sum(map(len, first.found.values()))
    assert sum(map(len, later.ended.values())) > 0


def test_a_store_brought_back_from_before_is_begun_anew(tmp_path, whole):
    venue = Venue(tmp_path, whole)
    for row in (HOURS - 2, HOURS - 1):
        venue.look(venue.write(row))
    older = Venue(tmp_path / "older", whole)
    now = older.write(HOURS - HORIZON)
    venue.lookout._store = older.store
    look = venue.look(now)
    venue.store = older.store
    assert len(look.closed) == 6
    assert venue.present.signals(now) == venue.screened(now)
