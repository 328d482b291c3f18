"""Cards computed again are those that were sealed; one that is not is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cryptai.market.store import CandleStore
from cryptai.screening.evidence import Evidence, unlooked
from cryptai.screening.past import PastSetups, past_setups
from cryptai.screening.recomputed import Different, recompute
from cryptai.screening.record import Record
from cryptai.screening.screen import screen
from cryptai.signals import canonical
from cryptai.strategies.strategy import strategies
from cryptai.workspace import open_workspace

from .made import walk

NAMES = ["ema_trend", "bollinger_bands", "breakout"]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """Return the record of what a screen found, with the home of its cards."""
    home = open_workspace(tmp_path_factory.mktemp("cards") / "home")
    store = CandleStore(home.root / "candles")
    store.write("binance", *(walk(i, 4_000, name) for i, name in enumerate(("BTC/USDT", "ETH/USDT"))))
    now = int(store.read("binance", "BTC/USDT", "1h", last=1).close_ts[-1])
    asked = {"as_of_ms": now, "names": NAMES, "ended": True, "newest": 600}
    found = screen(store, evidence=Evidence(home, store, "binance"), **asked).signals
    record = Record(store.catalog)
    record.seal([one.as_sealed() for one in found])
    return record, home.root / "evidence", len(found)


def test_every_card_is_the_one_that_its_table_gives(sealed):
    record, folder, count = sealed
    assert count >= 40
    assert recompute(record.newest(limit=1_000), folder) == (count, [], [])


def test_a_card_with_anything_changed_is_told(sealed):
    record, folder, _ = sealed
    one = record.newest(limit=1)[0]
    for name, value in one.body["evidence"].items():
        body = json.loads(canonical(one.body))
        body["evidence"][name] = value + 1 if isinstance(value, int | float) else "other"
        found = recompute([replace(one, text=canonical(body))], folder)
        if name in ("past", "form"):
            assert found.unknown == [one.id]
        elif name == "trials":
            # It is what the deflated Sharpe ratio is computed with.
            assert all({*told.keys} <= {"deflated_sharpe", "missing"} for told in found.different)
        else:
            assert found.different == [Different(one.id, (name,))]


def test_a_table_that_is_gone_or_changed_is_told(sealed, tmp_path):
    record, folder, count = sealed
    found = recompute(record.newest(limit=1_000), tmp_path)
    assert (found.same, len(found.unknown)) == (0, count)
    one = record.newest(limit=1)[0]
    name = f"{one.body['evidence']['past']}.past"
    whole = (folder / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert recompute([one], tmp_path).different == [Different(one.id, ("past",))]


def test_a_card_made_of_nothing_is_made_of_nothing_again(sealed, tmp_path):
    record, folder, _ = sealed
    one = record.newest(limit=1)[0]
    card, _ = unlooked(strategies.get("ema_trend")(), "1h", _asked(one), 0.5)
    again = recompute([replace(one, text=canonical({**one.body, "evidence": card}))], folder)
    assert (again.same, again.different) == (1, [])


def test_bars_that_are_made_of_finer_ones_have_a_past(tmp_path):
    home = open_workspace(tmp_path / "home")
    store, hourly = CandleStore(tmp_path / "candles"), walk(3, 4_000)
    store.write("binance", hourly)
    made = strategies.get("ema_trend")()
    past = Evidence(home, store, "binance").past(made, "4h", int(hourly.close_ts[-1]))
    four = store.read("binance", "BTC/USDT", "4h")
    rows = past_setups(made, {"BTC/USDT": [four]}, exchange="binance").rows
    assert len(rows) > 5
    assert (past.rows == rows).all()
    # And it is kept like any other, until those bars reach a day further.
    looked: list[str] = []
    again = Evidence(home, store, "binance", progress=looked.append)
    assert again.past(made, "4h", int(hourly.close_ts[-1])).digest == past.digest
    assert looked == []
    assert PastSetups.load(home.root / "evidence", past.digest).facts["timeframe"] == "4h"


def _asked(one):
    from cryptai.screening.recomputed import asked_of

    return asked_of(one.body)
