"""A command in a process of its own: its store watched from here while it writes, and killed at a moment.

What is acknowledged is what another process could read: what was seen before a kill must be there after it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai import seams
from cryptai.errors import CryptaiError
from cryptai.market.budget import Budget
from cryptai.market.candles import COLUMNS
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from cryptai.market.candles import Candles
    from cryptai.market.timeframe import Timeframe
    from testbeds.exchange import LyingExchange

_ROOT: Final = Path(__file__).resolve().parents[1]
_WITH_BUG: Final = """import sys
from cryptai.cli.main import main
from testbeds import planted
with planted.bug(sys.argv.pop(1)):
    main()
"""
POLL_S: Final = 0.01
PATIENCE_S: Final = 120.0
"""A command that does nothing for so long hangs."""


@dataclass
class Seen:
    """What another process saw in a store, and what was wrong with it later."""

    folder: Path
    series: dict[tuple[str, Timeframe], Candles] = field(default_factory=dict)
    _listed: dict[tuple[str, Timeframe], str] = field(default_factory=dict)
    grew: int = 0
    lost: int = 0
    back_s: float = 0.0

    def look(self) -> None:
        """See what is stored now; what was seen before must be there, bit for bit."""
        store = CandleStore(self.folder)
        markets = {(one.symbol, one.timeframe): one for one in store.markets("binance")}
        for key in self.series.keys() - markets.keys():
            self.lost += len(self.series.pop(key))
        for key, one in markets.items():
            if self._listed.get(key) == one.digest:
                continue
            known, candles = self.series.get(key), store.read("binance", *key)
            self.grew += 1
            self.lost += 0 if known is None else _gone(known, candles)
            self.series[key], self._listed[key] = candles, one.digest

    def again(self) -> None:
        """See it after a kill: everything seen before is looked for anew; take the time."""
        began = seams.monotonic()
        before, grew = self.series, self.grew
        self.series, self._listed = {}, {}
        self.look()
        self.grew = grew
        self.back_s = max(self.back_s, seams.monotonic() - began)
        for key, known in before.items():
            self.lost += _gone(known, self.series[key]) if key in self.series else len(known)


def _gone(known: Candles, now: Candles) -> int:
    _, here, there = np.intersect1d(known.ts, now.ts, assume_unique=True, return_indices=True)
    same = np.ones(len(here), bool)
    for name in COLUMNS[1:]:
        same &= getattr(known, name)[here] == getattr(now, name)[there]
    return len(known) - int(same.sum())


def finished(child: subprocess.Popen[str], seen: Seen | None = None) -> dict[tuple[str, str], str]:
    """Let a download end, watched all the while; return the digests that it tells."""
    while seen and child.poll() is None:
        _look(child, seen)
        seams.sleep(POLL_S)
    told, _ = child.communicate(timeout=PATIENCE_S)
    if child.returncode:
        return {}
    return {(row["symbol"], row["timeframe"]): row["digest"] for row in json.loads(told)["series"]}


def kill(child: subprocess.Popen[str], seen: Seen, writes: int, wait: float) -> bool:
    """Kill it so long after so many writes were seen; return whether it was still there."""
    began, before = seams.monotonic(), seen.grew
    while child.poll() is None and seams.monotonic() - began < PATIENCE_S:
        _look(child, seen)
        if (seen.grew - before >= writes) if writes else (seams.monotonic() - began >= wait):
            seams.sleep(wait if writes else 0.0)
            break
        seams.sleep(POLL_S)
    there = child.poll() is None
    child.kill()
    child.communicate()
    return there


def _look(child: subprocess.Popen[str], seen: Seen) -> None:
    """See what is there, but not before the child has opened the store: closing would tidy up for it."""
    try:
        names = [str(one.readlink()) for one in Path(f"/proc/{child.pid}/fd").iterdir()]
    except OSError:
        return
    if any("catalog.sqlite3" in name for name in names):
        with suppress(CryptaiError):  # what cannot be read now must be readable after the kill
            seen.look()


def cryptai(bug: str) -> list[str]:
    """Return how the command is called, perhaps with a planted bug in force."""
    return [sys.executable, *(["-m", "cryptai"] if bug == "none" else ["-c", _WITH_BUG, bug])]


def child_of(
    exchange: LyingExchange, home: Path, words: list[str], bug: str = "none", **settings: str
) -> subprocess.Popen[str]:
    """Start the command on a workspace, with the exchange in the venue's place."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CRYPTAI_", "DJANGO_"))}
    named = {"CRYPTAI_BINANCE_REST": exchange.rest, "CRYPTAI_BINANCE_WS": exchange.ws}
    # Here it is the store that is proved: neither side waits for a budget.
    home.mkdir(exist_ok=True)
    budget = Budget("binance", exchange.rest, file=home / "budget.sqlite3")
    budget.learn(10_000_000)
    budget.close()
    return subprocess.Popen(
        [*cryptai(bug), *words],
        env=kept | named | settings | {"CRYPTAI_HOME": str(home)}, cwd=_ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
