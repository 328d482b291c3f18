"""Where a screen's evidence comes from: past setups kept in the workspace, and what is calibrated on them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from cryptai.errors import CryptaiError
from cryptai.market.durable import make_folder, sync_folder, write_whole
from cryptai.market.timeframe import DAY_MS, TIMEFRAMES, Timeframe
from cryptai.research.trials import tried
from cryptai.screening.calibration import calibrate
from cryptai.screening.card import card
from cryptai.screening.past import PastSetups, past_setups
from cryptai.strategies.strategy import values_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore
    from cryptai.screening.calibration import Calibration
    from cryptai.screening.card import Asked
    from cryptai.strategies.strategy import Strategy
    from cryptai.workspace import Workspace


class Evidence:
    """The past setups of a venue's configurations: kept in the workspace, made where they are missing or old.

    Those that were made of bars up to some moment serve every setup decided before it, for a card looks at
    nothing that ended later; a later one is served by them for a day, then they are made anew. Where the
    workspace cannot be written, they are made for this call alone.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: CandleStore,
        exchange: str,
        *,
        progress: Callable[[str], object] = lambda _said: None,
    ) -> None:
        self.folder = workspace.root / "evidence"
        self._workspace, self._store, self._exchange = workspace, store, exchange
        self._progress = progress
        self._past: dict[tuple[str, str], tuple[int, PastSetups]] = {}
        self._curves: dict[tuple[str, int], Calibration] = {}
        self._trials: dict[str, int | None] = {}
        self._markets: dict[str, dict[str, list[Candles]]] = {}

    def __call__(
        self, strategy: Strategy, timeframe: str, asked: Asked, quality: float
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the card and the confidence of a setup."""
        past = self.past(strategy, timeframe, asked.decided_ms)
        told = card(past, asked, self._tried(strategy.name))
        return told, self.calibration(strategy, timeframe, asked.decided_ms).confidence(quality)

    def past(self, strategy: Strategy, timeframe: str, decided_ms: int) -> PastSetups:
        """Return the past setups of a configuration that reach a moment, or come within a day of it."""
        key = (_named(strategy), timeframe)
        found = self._past.get(key) or self._kept(key)
        if found is None or found[0] < min(decided_ms, self._newest(timeframe)) - DAY_MS:
            found = self._made(strategy, timeframe, key)
        self._past[key] = found
        return found[1]

    def calibration(self, strategy: Strategy, timeframe: str, decided_ms: int) -> Calibration:
        """Return the curve of a configuration as it could be fitted by the beginning of a day."""
        day = decided_ms // DAY_MS * DAY_MS
        key = (f"{_named(strategy)} {timeframe}", day)
        if key not in self._curves:
            self._curves[key] = calibrate([self.past(strategy, timeframe, decided_ms)], until_ms=day)
        return self._curves[key]

    def _tried(self, name: str) -> int | None:
        if name not in self._trials:
            try:
                self._trials[name] = max(1, tried(self._workspace, name).trials)
            except CryptaiError:
                self._trials[name] = None
        return self._trials[name]

    def _newest(self, timeframe: str) -> int:
        # From the store's own list: reading every history to learn where it ends would cost each screen that.
        frame = Timeframe(timeframe)
        stored = self._store.markets(self._exchange)
        return max((one.last_ts + frame.ms for one in stored if one.timeframe == frame), default=0)

    def _read(self, frame: Timeframe) -> dict[str, list[Candles]]:
        if frame not in self._markets:
            stored = self._store.markets(self._exchange)
            found: dict[str, list[Candles]] = {}
            for one in sorted(stored, key=lambda m: TIMEFRAMES.index(m.timeframe)):
                if TIMEFRAMES.index(one.timeframe) < TIMEFRAMES.index(frame):
                    continue
                if one.timeframe != frame and one.symbol not in found:
                    continue
                read = self._store.read(self._exchange, one.symbol, one.timeframe)
                found.setdefault(one.symbol, []).append(read)
            self._markets[frame] = dict(sorted(found.items()))
        return self._markets[frame]

    def _made(self, strategy: Strategy, timeframe: str, key: tuple[str, str]) -> tuple[int, PastSetups]:
        self._progress(f"looking up what came of {strategy.name} on {timeframe}")
        made = past_setups(strategy, self._read(Timeframe(timeframe)), exchange=self._exchange)
        until = self._newest(timeframe)
        if (self._workspace.root / "version").is_file():
            made.save(self.folder)
            told = json.dumps({"digest": made.digest, "until_ms": until})
            make_folder(self.folder)
            write_whole(self._pointer(key), lambda draft: draft.write_text(told))
            sync_folder(self.folder)
        return until, made

    def _kept(self, key: tuple[str, str]) -> tuple[int, PastSetups] | None:
        try:
            told = json.loads(self._pointer(key).read_text())
            return int(told["until_ms"]), PastSetups.load(self.folder, str(told["digest"]))
        except (OSError, ValueError, KeyError, TypeError, CryptaiError):
            # Nothing there, or damaged: they can always be made again.
            return None

    def _pointer(self, key: tuple[str, str]) -> Any:
        name = hashlib.sha256(" ".join((self._exchange, *key)).encode()).hexdigest()[:16]
        return self.folder / f"newest-{name}.json"


def unlooked(
    strategy: Strategy, timeframe: str, asked: Asked, quality: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the card of a setup whose like was not looked up yet."""
    del strategy, timeframe, quality
    told = card(None, asked)
    return told | {"missing": ["What came of those like it is being looked up."]}, {
        "kind": "rank",
        "value": None,
    }


def _named(strategy: Strategy) -> str:
    return json.dumps([strategy.name, values_of(strategy)], sort_keys=True)
