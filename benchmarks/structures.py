"""Every structure over 1,000,000 one-minute bars on one core, and the seven that the popular package has.

Each is first compared, to the row, with its definition in plain Python over 5,000 bars of the same series
(`tests/features/structure_oracles.py`). The package's seven functions (111 s over as many bars, says
`../shared/bench`) are here: swing points, gaps, breaks of structure, order blocks, equal highs and lows, the
day before, retracements. The C reference's whole backtest of the same bars (see `one_run`) is timed in the
same run: that ratio says more than milliseconds on a busy machine. Seconds are the processor's, the least of
several rounds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.features.events import Structure
from cryptai.features.feature import features
from cryptai.market.candles import Candles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEERS = Path(__file__).resolve().parents[2] / "shared" / "bench" / "peers"
SEVEN = (
    "swing_points", "fair_value_gaps", "market_structure", "order_blocks", "liquidity_pools",
    "previous_high_low", "retracements",
)  # fmt: skip
# Those of these files are the set; others' structures have benchmarks of their own.
GROUPS = ["swings", "market_breaks", "gaps", "zones", "liquidity", "legs", "periods", "hours", "breakouts"]
GROUPS += ["higher", "pools"]
ROUNDS = 7


def measure() -> Iterator[dict[str, Any]]:
    """Yield a line for each structure, and one for the package's seven and one for all."""
    if not PEERS.is_dir():
        sys.exit("This benchmark needs ../shared/bench (the reference and its data); it is not here.")
    sys.path.insert(0, str(PEERS))
    import common

    data = common.load_single(common.N_1M)
    candles = Candles(data.ts, data.o, data.h, data.l, data.c, data.v, "BTC/USDT", "1m")
    room = np.empty(data.n), np.empty((data.n // 4 + 16, 6))
    reference = _least(lambda: common.ref_single(data, warmup=0, buf=room))
    names = [one.name for one in features if isinstance(one, Structure) and one.group in GROUPS]
    spent: dict[str, float] = {}
    for name in sorted({*names, *SEVEN}):
        made: Any = features.get(name)
        _check(name, made, candles[:5_000])
        spent[name] = _least(lambda made=made: made.of(candles))
        found = made.of(candles)
        yield {
            "benchmark": "structures", "what": name, "bars": data.n, "ms": round(spent[name] * 1e3, 1),
            "ratio_to_c_backtest": round(spent[name] / reference, 2),
            "events": len(found) if isinstance(made, Structure) else 0,
        }  # fmt: skip
    for what, chosen, goal in (("the package's seven", SEVEN, 250), ("all structures", names, 600)):
        total = sum(spent[name] for name in chosen)
        yield {
            "benchmark": "structures", "what": what, "count": len(chosen), "bars": data.n,
            "ms": round(total * 1e3, 1), "goal_ms": goal, "ratio_to_c_backtest": round(total / reference, 2),
        }  # fmt: skip


def _check(name: str, made: Any, candles: Candles) -> None:
    from tests.features import structure_oracles
    from tests.features.test_structures import rows_of, same

    given = {"timeframe": "15m"} if name == "higher_timeframe_trend" else {}
    oracle = getattr(structure_oracles, name)
    if isinstance(made, Structure):
        same(rows_of(made.of(candles, **given)), sorted(oracle(candles, **given), key=lambda row: row[:6]))
        return
    few = candles[:3_000]
    np.testing.assert_array_equal(list(zip(*made.of(few).values(), strict=True)), oracle(few))


def _least(work: Callable[[], object]) -> float:
    work()
    spent = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent)
