"""A recorded signal as JSON: the quick way says what the plain one does."""

from __future__ import annotations

import json

import pytest

from cryptai.market.store import CandleStore
from cryptai.screening.record import Event, Record
from cryptai.screening.told import told, told_text

from .made import signal

TRICKY = 'it says "decided_ms":5, and \\"expires_ms\\":7,'


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reason": TRICKY, "strategy": "Žlutý kůň 😀"},
        {"params": {"decided_ms": 5, "fast": 12}},
        {"structures": [{"kind": "choch", "expires_ms": 7}, {"kind": "swing", "decided_ms": 1}]},
        {"confidence": {"kind": "rank", "value": None, "decided_ms": 3}, "params": {}},
        {"decided_at_ms": 0, "expires_at_ms": -86_400_000, "quality": 1e-17, "regime": None},
    ],
)
def test_the_text_says_what_the_object_does(tmp_path, changes):
    record = Record(CandleStore(tmp_path).catalog)
    (number,) = record.seal([signal(**changes).as_sealed()])
    record.note([Event(number, "filled", 5, {"price": 100.0}), Event(number, "stop", 6, {"r": -1.03})])
    one, life = record.get(number), record.events([number])[number]
    said = told(one, life)
    assert json.loads(told_text(one, life)) == said
    assert json.loads(told_text(one, [])) == told(one, [])
    assert [event["event"] for event in said["events"]] == ["filled", "stop"]
    assert "decided_at" in said
    assert "decided_ms" not in said
    for name, value in changes.items():
        if not name.endswith("_ms"):
            assert said[name] == value


def test_no_body_is_read_for_a_text(tmp_path):
    record = Record(CandleStore(tmp_path).catalog)
    record.seal([signal().as_sealed()])
    one = record.get(1)
    told_text(one, [])
    assert "body" not in vars(one)
