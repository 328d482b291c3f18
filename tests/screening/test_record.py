"""The record: written once, chained, and any change shows."""

from __future__ import annotations

import random
import sqlite3

import pytest

from cryptai.errors import UnknownName
from cryptai.screening.chain import FIRST
from cryptai.screening.life import befallen, follow
from cryptai.screening.record import Event
from cryptai.signals import identity_of

from .made import HOUR, bars, signal

COLUMNS = (
    "identity", "exchange", "symbol", "timeframe", "strategy", "side", "decided_ms", "quality", "status",
    "sealed_ms", "retrospective", "body", "previous", "hash",
)  # fmt: skip


def body(i):
    return signal(decided_at_ms=1_700_000_000_000 + i * HOUR, quality=0.5 + i / 1_000).as_sealed()


def test_an_empty_record_is_whole(record):
    assert record.verify() is None
    assert record.head() == (0, FIRST)
    assert record.newest() == []


def test_a_signal_is_sealed_once(record):
    assert record.seal([body(1), body(2)]) == [1, 2]
    assert record.seal([body(2), body(3)]) == [2, 3]
    again = dict(body(2), quality=0.99)
    assert record.seal([again]) == [2]
    assert record.get(2).body["quality"] == body(2)["quality"]
    assert identity_of(again) == identity_of(body(2))


def test_one_sealed_after_the_next_close_is_retrospective(record, monkeypatch):
    first = body(0)
    for late, said in ((0, False), (HOUR, False), (HOUR + 1, True)):
        monkeypatch.setattr("cryptai.screening.record.now_ms", lambda late=late: first["decided_ms"] + late)
        (number,) = record.seal([dict(first, strategy=f"s{late}")])
        assert record.get(number).retrospective is said


def test_any_change_of_any_row_shows(record, store):
    record.seal(body(i) for i in range(60))
    head = record.head()[1]
    db = sqlite3.connect(store.folder / "catalog.sqlite3")
    rng = random.Random(5)
    for _ in range(1_000):
        row, column = rng.randint(1, 60), rng.choice(COLUMNS)
        (old,) = db.execute(f"SELECT {column} FROM signal WHERE id = ?", (row,)).fetchone()  # noqa: S608
        if isinstance(old, str):
            at = rng.randrange(len(old))
            new = old[:at] + chr(ord(old[at]) ^ (1 << rng.randrange(7))) + old[at + 1 :]
        else:
            new = old + rng.choice((1, -1)) if column != "quality" else old + 1e-12
        db.execute(f"UPDATE signal SET {column} = ? WHERE id = ?", (new, row))  # noqa: S608
        db.commit()
        assert record.verify(head) is not None, (row, column, old, new)
        db.execute(f"UPDATE signal SET {column} = ? WHERE id = ?", (old, row))  # noqa: S608
        db.commit()
    assert record.verify(head) is None


@pytest.mark.parametrize("taken", [1, 7, 20])
def test_a_row_that_was_taken_out_shows(record, store, taken):
    record.seal(body(i) for i in range(20))
    head = record.head()[1]
    db = sqlite3.connect(store.folder / "catalog.sqlite3")
    db.execute("DELETE FROM signal WHERE id = ?", (taken,))
    db.commit()
    assert record.verify(head).id == taken
    if taken < 20:
        assert record.verify().id == taken


def test_a_row_put_in_between_shows(record, store):
    record.seal(body(i) for i in range(5))
    db = sqlite3.connect(store.folder / "catalog.sqlite3")
    db.execute("UPDATE signal SET id = 10 WHERE id = 3")
    db.commit()
    assert record.verify().reason == "row 3 is missing"


def test_lists_are_filtered_newest_first(record):
    record.seal([body(1), dict(body(2), symbol="ETH/USDT"), body(3)])
    assert [one.id for one in record.newest("binance")] == [3, 2, 1]
    assert [one.id for one in record.newest(symbol="ETH/USDT")] == [2]
    assert [one.id for one in record.newest(since_ms=body(3)["decided_ms"])] == [3]
    assert [one.id for one in record.newest(limit=1)] == [3]
    with pytest.raises(UnknownName):
        record.get(9)


def test_a_selection_stays_as_it_was_made(record):
    record.seal([body(1), body(2), body(3)])
    assert record.select("binance", "2023-11-14", [3, 1]) == [3, 1]
    assert record.select("binance", "2023-11-14", [2]) == [3, 1]
    assert record.selected("binance", "2023-11-14") == [3, 1]
    assert record.days("binance") == ["2023-11-14"]


def test_each_event_is_noted_once(record):
    record.seal([body(1)])
    event = Event(1, "filled", 5, {"price": 100.0})
    assert record.note([event, event]) == 1
    assert record.events([1]) == {1: [event]}


def test_its_later_life_is_read_from_the_candles(record, store):
    flat, target = (100.0, 100.5, 99.5, 100.0), (100.0, 116.0, 99.0, 110.0)
    candles = bars(flat, flat, flat, target)
    store.write("binance", candles[:2])
    told = signal(decided_at_ms=int(candles.close_ts[1])).as_sealed()
    record.seal([told])
    assert follow(record, store, "binance") == 0
    store.write("binance", candles)
    assert follow(record, store, "binance") == 2
    life = record.events([1])[1]
    assert [one.event for one in life] == ["filled", "target"]
    assert life[1].at_ms == int(candles.close_ts[3])
    assert life[1].body["r"] > 1.7
    assert record.unresolved("binance") == []
    assert follow(record, store, "binance") == 0


def test_a_signal_whose_bar_is_missing_has_no_life(record):
    record.seal([signal(decided_at_ms=7 * HOUR + 1).as_sealed()])
    assert befallen([record.get(1)], bars((100.0, 100.0, 100.0, 100.0))) == []


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "time"),
        ({"since_ms": 5, "until_ms": 9}, "time"),
        ({"symbol": "BTC/USDT", "strategy": "s", "timeframe": "1h", "side": "long"}, "symbol"),
        ({"strategy": "s", "timeframe": "1w", "side": "short", "until_ms": 9}, "strategy"),
        ({"timeframe": "1h", "side": "short"}, "timeframe"),
        ({"side": "short"}, "side"),
    ],
)
def test_what_is_rare_is_found_by_an_index_that_holds_all_that_is_asked(record, monkeypatch, asked, index):
    # By another one a million rows are read, half a minute, to find that there are none.
    plans = []

    def explained(clause, values):
        with record._catalog.look() as rows:
            plans.extend(rows.execute(f"EXPLAIN QUERY PLAN SELECT body FROM signal {clause}", values))  # noqa: S608
        return []

    monkeypatch.setattr(record, "_read", explained)
    record.newest("binance", **asked)
    (plan,) = plans
    assert f"USING INDEX signal_by_{index} " in plan[-1]
