"""The record over every catalog: many signals sealed at once are sealed as one by one, each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptai.screening.record import Record
from tests.screening.made import HOUR, signal

if TYPE_CHECKING:
    import pytest

    from tests.contracts.conftest import Backend

MANY = 450


def body(i: int) -> dict[str, Any]:
    return signal(decided_at_ms=1_700_000_000_000 + i * HOUR, quality=0.5 + i / 1_000).as_sealed()


def test_many_at_once_are_sealed_as_one_by_one(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptai.screening.record.now_ms", lambda: 1_700_000_000_000)
    record = Record(backend.open().catalog)
    each = [record.seal([body(i)])[0] for i in range(3)]
    assert each == [1, 2, 3]
    # Among them are some that are there, and one that comes twice.
    order = [*range(1, MANY), 7, 0]
    assert record.seal([body(i) for i in order]) == [i + 1 for i in order]
    assert record.verify() is None
    assert [one.body for one in record.several(range(1, MANY + 1))] == [body(i) for i in range(MANY)]
    head = record.head()
    assert record.seal([body(i) for i in order]) == [i + 1 for i in order]
    assert record.head() == head == (MANY, record.get(MANY).hash)
