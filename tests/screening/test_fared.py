"""How the newest signals fared: always what the record says, and read once."""

from __future__ import annotations

import math

from cryptai.market.rows import Rows
from cryptai.screening.fared import Fared, Newest
from cryptai.screening.record import Event

from .made import HOUR, signal

BEGAN = 1_700_000_000_000


def body(i, **changes):
    told = {
        "decided_at_ms": BEGAN + i * HOUR,
        "quality": i / 100,
        "evidence": {"status": "", "break_even": 0.4},
    }
    return signal(**{**told, **changes}).as_sealed()


def qualities(newest):
    return [round(100 * one.quality) for one in newest.fared()[1]]


def events(newest):
    return [one.event for one in newest.fared()[1]]


def test_a_venue_without_signals_has_none(store, record):
    assert Newest(store.catalog, "binance", 3).fared()[1] == []
    record.seal([body(1, exchange="okx")])
    assert Newest(store.catalog, "binance", 3).fared()[1] == []


def test_each_is_told_with_the_last_that_befell_it(store, record):
    record.seal([body(1), body(2, regime="BULL", evidence={"status": ""}), body(3)])
    record.note(
        [Event(1, "filled", 5, {"price": 1.0}), Event(1, "stop", 6, {"r": -1.1}), Event(2, "missed", 6, {})]
    )
    third, second, first = Newest(store.catalog, "binance", 9).fared()[1]
    assert first == Fared("ema_trend", None, 0.01, BEGAN + HOUR, True, 0.4, "stop", -1.1)
    assert (second.regime, second.event, third.event) == ("BULL", "missed", "")
    assert math.isnan(second.needed)
    assert math.isnan(second.r)


def test_what_is_added_is_there_at_the_next_question(store, record):
    newest = Newest(store.catalog, "binance", 3)
    record.seal([body(1), body(2)])
    assert qualities(newest) == [2, 1]
    record.note([Event(1, "filled", 5, {"price": 1.0})])
    assert events(newest) == ["", "filled"]
    # Sealed later, but decided before the others.
    record.seal([body(0), body(5), body(4)])
    assert qualities(newest) == [5, 4, 2]
    record.note(
        [Event(1, "target", 6, {"r": 2.0}), Event(2, "stop", 6, {"r": -1.0}), Event(4, "filled", 6, {})]
    )
    assert events(newest) == ["filled", "", "stop"]


def test_what_stands_for_them_changes_with_whatever_is_added(store, record):
    newest = Newest(store.catalog, "binance", 3)
    seen = {newest.fared()[0]}
    record.seal([body(1)])
    seen.add(newest.fared()[0])
    record.note([Event(1, "filled", 5, {"price": 1.0})])
    seen.add(newest.fared()[0])
    assert len(seen) == 3
    assert newest.fared()[0] in seen


def test_no_body_is_read_twice(store, record, monkeypatch):
    newest = Newest(store.catalog, "binance", 5_000)
    record.seal(body(i) for i in range(40))
    newest.fared()
    read = []
    execute = Rows.execute

    def counted(self, statement, values=()):
        found = execute(self, statement, values)
        read.extend(found if "body" in statement else ())
        return found

    monkeypatch.setattr(Rows, "execute", counted)
    newest.fared()
    assert read == []
    record.seal([body(50)])
    record.note([Event(7, "filled", 5, {"price": 1.0})])
    read.clear()
    newest.fared()
    assert [row[0] for row in read] == [7, 41]
