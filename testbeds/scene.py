"""What the beds of the disk write: step after step through the product, and what must be there after each.

The steps follow from a seed, so the process that writes and the one that judges know the same. What the
product keeps apart is judged apart: bars as of now and then, recorded holes, the sync log, the book of
symbols, pauses, the platform's key.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

import numpy as np

from cryptai import seams
from cryptai.market import accounts, merge
from cryptai.market.budget import Budget
from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.market.symbols import SymbolBook, SymbolInfo
from cryptai.market.timeframe import Timeframe
from cryptai.web.secret import keep_secret_key, secret_key
from cryptai.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_MS: Final = 1_700_006_400_000  # 2023-11-15, midnight UTC
VENUE: Final = "binance"
_ADDRESS: Final = "https://venue.invalid"
_MARKETS: Final = (("BTC/USDT", "1m"), ("ETH/USDT", "1m"), ("ETH/USDT", "1h"), ("SOL/USDT", "1d"))
# Tails are folded into segments early, so that a short scene has many folds in it.
_TAIL: Final = {"TAIL_BARS": 96, "TAIL_ROWS": 6}
_STEP_MS: Final = 1000
_LOOKS_BACK: Final = 4


@dataclass(frozen=True)
class Step:
    """One call that is acknowledged: what is done, and with what."""

    kind: str
    candles: tuple[Candles, ...] = ()
    number: int = 0


@dataclass
class State:
    """What must be there after so many steps; digests of bars by market."""

    bars: dict[tuple[str, str], str] = field(default_factory=dict)
    absences: int = 0
    syncs: int = 0
    listed: int = 0
    pause_s: int = 0
    key: bool = False


def steps(seed: int, count: int) -> list[Step]:
    """Return the steps of a scene."""
    random = seams.rng([seed, 41])
    reach: dict[tuple[str, str], int] = dict.fromkeys(_MARKETS, START_MS - 90 * 86_400_000)
    found = []
    for turn in range(count):
        kind = "bars" if turn < 2 else str(random.choice(_KINDS, p=_OFTEN))
        if kind == "minute":
            parts = [_bars(random, market, reach, 1) for market in _MARKETS]
        elif kind in {"bars", "import"}:
            most = 40 if kind == "bars" else 400
            parts = [_bars(random, _MARKETS[random.integers(4)], reach, int(random.integers(1, most)))]
        elif kind == "correct":
            market = _MARKETS[random.integers(4)]
            bars = int(random.integers(1, 30))
            back = max(START_MS - 90 * 86_400_000, reach[market] - 2 * bars * Timeframe(market[1]).ms)
            parts = [_bars(random, market, {market: back} if back < reach[market] else reach, bars)]
            last = int(parts[0].ts[-1]) + Timeframe(market[1]).ms
            reach[market] = max(reach[market], last)
        else:
            parts = []
        found.append(Step(kind, tuple(parts), turn + 1))
    return found


_KINDS: Final = ("minute", "bars", "import", "correct", "absent", "sync", "symbols", "pause")
_OFTEN: Final = (0.36, 0.18, 0.06, 0.14, 0.06, 0.10, 0.06, 0.04)


def _bars(
    random: np.random.Generator, market: tuple[str, str], reach: dict[tuple[str, str], int], count: int
) -> Candles:
    symbol, frame = market[0], Timeframe(market[1])
    first = -((frame.origin_ms - reach[market]) // frame.ms) * frame.ms + frame.origin_ms
    ts = first + np.arange(count, dtype=np.int64) * frame.ms
    reach[market] = int(ts[-1]) + frame.ms
    close = 100.0 + random.random(count)
    opens = 100.0 + random.random(count)
    high, low = (
        np.maximum(opens, close) + random.random(count),
        np.minimum(opens, close) - random.random(count),
    )
    return Candles(ts, opens, high, low, close, 1.0 + random.random(count), symbol, frame)


def states(scene: list[Step]) -> list[State]:
    """Return what must be there after 0, 1, 2 … steps, by arithmetic that knows nothing of the store."""
    rows: dict[tuple[str, str], dict[int, tuple[float, ...]]] = {}
    found = [State()]
    for step in scene:
        last = found[-1]
        now = replace(last, bars=dict(last.bars), key=True)
        for part in step.candles:
            market = (part.symbol, str(part.timeframe))
            columns = (part.ts, part.open, part.high, part.low, part.close, part.volume)
            known = rows.setdefault(market, {})
            known |= {row[0]: row[1:] for row in zip(*(c.tolist() for c in columns), strict=True)}
            ordered = [(ts, *known[ts]) for ts in sorted(known)]
            ts, opens, high, low, close, volume = zip(*ordered, strict=True)
            now.bars[market] = Candles(ts, opens, high, low, close, volume, *market).digest
        now.absences += step.kind == "absent"
        now.syncs += step.kind == "sync"
        now.listed += step.kind == "symbols"
        now.pause_s = max(now.pause_s, 1000 * step.number if step.kind == "pause" else 0)
        found.append(now)
    return found


class Stage:
    """The product on one workspace, with the clock of a scene."""

    def __init__(self, root: Path) -> None:
        self._workspace = open_workspace(root)
        keep_secret_key(self._workspace)
        self.store = CandleStore(self._workspace.candles)
        self._book = SymbolBook(self._workspace.root / "symbols.sqlite3")
        self._budget = _budget(self._workspace)

    def play(self, step: Step) -> None:
        """Do one step; it is acknowledged when this returns."""
        now = seams.now_ms()
        if step.candles:
            self.store.write(VENUE, *step.candles, replace=True, source="scene", fetched_at_ms=now)
        elif step.kind == "absent":
            span = (START_MS + step.number * 60_000, START_MS + (step.number + 1) * 60_000)
            self.store.absences.add(VENUE, "BTC/USDT", "1m", [span])
        elif step.kind == "sync":
            key = self.store.sync_log.begin(VENUE, f"C{step.number}/USDT", "1m")
            self.store.sync_log.end(key, bars=step.number)
        elif step.kind == "symbols":
            known = {info.symbol for info in self._book.universe(VENUE)} | {f"C{step.number}/USDT"}
            infos = [SymbolInfo(name, "trading", Decimal("0.01"), Decimal("0.001")) for name in sorted(known)]
            self._book.sync(VENUE, infos, now)
        elif step.kind == "pause":
            self._budget.refused(418, {"Retry-After": str(1000 * step.number)})

    def close(self) -> None:
        """Let go of what is open, as the end of a process does."""
        self._budget.close()


@contextmanager
def on_stage(number: int) -> Iterator[None]:
    """Let it be the time of a step, and tails short."""
    with ExitStack() as stack:
        for name, value in _TAIL.items():
            stack.enter_context(patch.object(merge, name, value))
        stack.enter_context(seams.replaced(now_ns=lambda: at_ms(number) * 1_000_000))
        yield


def at_ms(number: int) -> int:
    """Return the time at which a step is made."""
    return START_MS + number * _STEP_MS


def judge(root: Path, known: list[State], acknowledged: int, random: np.random.Generator) -> str:
    """Say in words what is wrong with a workspace in which so many steps were acknowledged; "" if nothing is.

    The next step may have been under way: it is there as a whole or not at all. Afterwards the store is
    written to, and must keep that too.
    """
    try:
        with (
            on_stage(acknowledged + 1),
            # The machine was started anew: what was counted by its clock since the last start says nothing.
            patch.object(accounts, "boot", lambda: "after the cut"),
        ):
            return _judge(root, known, acknowledged, random)
    except Exception as error:  # noqa: BLE001 (whatever cannot be read is lost)
        return f"unreadable: {type(error).__name__}: {error}"


def _judge(root: Path, known: list[State], acknowledged: int, random: np.random.Generator) -> str:
    # A missing workspace is an empty one.
    workspace = Workspace(root)
    store = CandleStore(workspace.candles)
    found = _found(workspace, store)
    allowed = known[acknowledged : acknowledged + 2]
    for name in ("bars", "absences", "syncs", "listed", "pause_s", "key"):
        if all(getattr(found, name) != getattr(state, name) for state in allowed):
            shown = {"is": getattr(found, name), "acknowledged": getattr(allowed[0], name)}
            return f"{name} are not what was acknowledged: {shown}"
    for number in random.integers(0, acknowledged + 1, _LOOKS_BACK).tolist():
        for market, digest in known[number].bars.items():
            then = store.read(VENUE, *market, as_of_ms=at_ms(number) + 1)
            if then.digest != digest:
                return f"{market} as of step {number} is not what it was then"
    return _goes_on(store)


def _found(workspace: Workspace, store: CandleStore) -> State:
    bars = {}
    for stored in store.markets():
        market = (stored.symbol, str(stored.timeframe))
        bars[market] = store.read(VENUE, *market).digest
    budget, book = _budget(workspace), SymbolBook(workspace.root / "symbols.sqlite3")
    pause = 0.0
    if (workspace.root / "budget.sqlite3").exists():
        pause = budget.state().pause_s
        budget.close()
    return State(
        bars=bars,
        absences=len(store.absences.of(VENUE, "BTC/USDT", "1m")),
        # One refused may be there all the same, and then there twice when it is tried again.
        syncs=len({one.symbol for one in store.sync_log.entries(status="COMPLETED", limit=1_000_000)}),
        listed=len(book.universe(VENUE)),
        pause_s=round(pause / 1000) * 1000,
        # A fresh key is another each time; a torn one is refused.
        key=secret_key(workspace) == secret_key(workspace),
    )


def _goes_on(store: CandleStore) -> str:
    ts = np.array([START_MS + 400 * 86_400_000], dtype=np.int64)
    one = np.ones(1)
    store.write(VENUE, Candles(ts, one, one, one, one, one, "BTC/USDT", Timeframe("1m")))
    last = store.read(VENUE, "BTC/USDT", "1m", last=1)
    store.finish()
    return "" if last.ts.tolist() == ts.tolist() else "a write after it is lost"


def _budget(workspace: Workspace) -> Budget:
    return Budget(VENUE, _ADDRESS, file=workspace.root / "budget.sqlite3")
