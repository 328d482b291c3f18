"""The newest readings are those of the whole history, whatever is registered."""

from __future__ import annotations

import numpy as np
import pytest
from tests.trading.worlds import random_candles

from cryptai.features.feature import features
from cryptai.features.indicator import Indicator
from cryptai.features.recent import as_rows, in_view, recent
from cryptai.market.store import CandleStore

BARS = 60


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    candles = random_candles(np.random.default_rng(11), 2_500, holes=0.01)
    store = CandleStore(tmp_path_factory.mktemp("recent"))
    store.write("binance", candles)
    return store, candles


@pytest.mark.parametrize("name", features.names())
def test_the_newest_bars_read_as_the_whole_history_does(name, stored):
    store, candles = stored
    feature = features.get(name)
    found = recent(store, "binance", candles.symbol, str(candles.timeframe), feature, {}, bars=BARS)
    assert found.candles.ts.tobytes() == candles.ts[-BARS:].tobytes()
    whole = feature.of(candles)
    if isinstance(feature, Indicator):
        assert set(found.columns) == {output.name for output in feature.outputs}
        for output, column in found.columns.items():
            assert column.tobytes() == whole[output][-BARS:].tobytes(), output
    else:
        fresh = whole[whole.known_bar >= len(candles) - BARS]
        told = [row for row in as_rows(found.events) if row["known"] >= candles.ts[-BARS]]
        assert told == as_rows(fresh)


@pytest.mark.parametrize("name", [one.name for one in features if not isinstance(one, Indicator)])
def test_what_was_alive_when_the_window_began_is_still_told(name, stored):
    _, candles = stored
    events = features.get(name).of(candles)
    seen = in_view(events, len(candles) - BARS)
    roles = np.array([kind.role for kind in events.kinds], dtype=object)
    for one in set(seen.id.tolist()):
        whole_life = events.id == one
        ended = whole_life & (roles[events.kind] == "end") & (events.known_bar < len(candles) - BARS)
        assert not ended.any()
        if (roles[events.kind[whole_life]] == "born").any():
            assert (roles[seen.kind[seen.id == one]] == "born").any(), "a life is told with its birth"
