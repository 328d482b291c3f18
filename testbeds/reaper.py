"""B2: the process that writes is killed at random moments; what it acknowledged is kept, and nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptai import seams
from cryptai.market.store import CandleStore
from cryptai.market.timeframe import MINUTE_MS, Timeframe
from testbeds import faults
from testbeds.exchange import LyingExchange
from testbeds.reader import Reader
from testbeds.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYMBOLS: Final = ("C000/USDT", "C001/USDT", "C002/USDT", "C003/USDT")
_FRAMES: Final = ("1m", "5m")
_MINUTES: Final = 960
_BACK_S: Final = 2.0
_ROOT: Final = Path(__file__).resolve().parents[1]


def kills(seed: int, count: int, bug: str = "none") -> dict[str, Any]:
    """Kill a download so often; return what was lost of what it had acknowledged."""
    random = seams.rng([seed, 37])
    end = Timeframe("1h").floor(seams.now_ms())
    truth = Truth(seed, _SYMBOLS, end - _MINUTES * MINUTE_MS, _MINUTES + 60)

    def stands() -> int:
        return end + 30_000

    exchange = LyingExchange(truth, faults.none(), stands, seed)
    # Here it is the store that is proved: neither side waits for a budget.
    exchange.ledger.limit = None
    acknowledged: set[tuple[str, str, int]] = set()
    lost = untrue = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory(prefix="cryptai-bed-") as folder, listening(exchange):
        home = Path(folder)
        for i in range(count + 1):
            after = float(random.uniform(0.0, 0.25)) if i < count else None
            acknowledged |= _download(exchange, home, i, bug, after)
            began = seams.monotonic()
            reader = Reader(CandleStore(home / "candles"), truth, stands, _FRAMES)
            reader.look()
            slowest = max(slowest, seams.monotonic() - began)
            lost += len(acknowledged - _stored(reader))
            untrue += reader.wrong
        different = reader.differences(truth.start_ms).series
    return {
        "seed": seed, "kills": count, "acknowledged": len(acknowledged), "lost": lost, "untrue": untrue,
        "different": different, "slowest_back_s": round(slowest, 3),
        "fell_short": [
            words for words, broken in {
                "nothing was acknowledged": not acknowledged,
                "acknowledged candles were lost": lost > 0,
                "untrue candles were stored": untrue > 0,
                "the store differs from an undisturbed one": different > 0,
                "it was not back in time": slowest > _BACK_S,
            }.items() if broken
        ],
    }  # fmt: skip


def _stored(reader: Reader) -> set[tuple[str, str, int]]:
    found = set()
    for symbol in _SYMBOLS:
        for frame in map(Timeframe, _FRAMES):
            candles = reader.read(symbol, frame)
            times = [] if candles is None else candles.ts.tolist()
            found |= {(symbol, str(frame), ts) for ts in times}
    return found


def _download(
    exchange: LyingExchange, home: Path, turn: int, bug: str, kill_after_s: float | None
) -> set[tuple[str, str, int]]:
    """Run the child until it is done, or kill it so long after its first word; return what it said."""
    child = subprocess.Popen(
        [
            sys.executable, "-m", "testbeds.downloading",
            str(home / "candles"), str(_MINUTES), bug, *_SYMBOLS,
        ],
        env=os.environ | {
            "CRYPTAI_BINANCE_REST": exchange.rest, "CRYPTAI_BINANCE_WS": exchange.ws,
            "CRYPTAI_HOME": str(home / f"workspace-{turn}"),
        },
        cwd=_ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said: set[tuple[str, str, int]] = set()
    killing: threading.Timer | None = None
    with child:
        for line in child.stdout or ():
            if kill_after_s is not None and killing is None:
                killing = threading.Timer(kill_after_s, child.kill)
                killing.start()
            if line.endswith("\n"):
                symbol, frame, *times = line.split()
                said |= {(symbol, frame, int(ts)) for ts in times}
    return said


@contextmanager
def listening(exchange: LyingExchange) -> Iterator[None]:
    """Run the exchange in a thread, in real time."""
    ready, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def listen() -> None:
        async with exchange.open():
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),))
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()
