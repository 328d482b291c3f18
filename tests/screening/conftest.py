"""A record in a catalog of its own, for the tests of what is sealed and what became of it."""

from __future__ import annotations

import pytest

from cryptai.market.store import CandleStore
from cryptai.screening.record import Record


@pytest.fixture
def store(tmp_path):
    return CandleStore(tmp_path)


@pytest.fixture
def record(store):
    return Record(store.catalog)
