"""Where a screen's evidence comes from: past setups kept in the workspace, and what is calibrated on them."""

from __future__ import annotations

import hashlib
import json
import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from cryptai.errors import CryptaiError, DataError
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
    from cryptai.market.holdings import Stored
    from cryptai.market.kept import Market
    from cryptai.market.store import CandleStore
    from cryptai.screening.calibration import Calibration
    from cryptai.screening.card import Asked
    from cryptai.strategies.strategy import Strategy
    from cryptai.workspace import Workspace

_log = logging.getLogger(__name__)
# Of the tables and how they are kept: one of another form is made anew.
_FORM: Final = 4


class Evidence:
    """The past setups of a venue's configurations: kept in the workspace, made where they are missing or old.

    Those that were made of bars up to some moment serve every setup decided before it, for a card looks at
    nothing that ended later; a later one is served by them for a day, then they are made anew. Where the
    workspace cannot be written, they are made for this call alone. A timeframe that is not stored is made of
    finer bars, as the screen makes it. Without `neighbourhood` the parameters around a strategy's own are not
    looked at, and its cards know no probability of overfitting.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: CandleStore,
        exchange: str,
        *,
        progress: Callable[[str], object] = lambda _said: None,
        neighbourhood: bool = True,
    ) -> None:
        self.folder = workspace.root / "evidence"
        self._workspace, self._store, self._exchange = workspace, store, exchange
        self._progress, self._neighbourhood = progress, neighbourhood
        self._past: dict[tuple[str, str], tuple[int, PastSetups]] = {}
        self._curves: dict[tuple[str, int], Calibration] = {}
        self._trials: dict[str, int | None] = {}
        self._markets: dict[str, dict[str, list[Candles]]] = {}
        self._ends: dict[str, int] = {}
        # With the strategy each is of: another must not come to lie where it lay.
        self._names: dict[int, tuple[Strategy, str]] = {}

    def __call__(
        self, strategy: Strategy, timeframe: str, asked: Asked, quality: float
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the card and the confidence of a setup."""
        past = self.past(strategy, timeframe, asked.decided_ms)
        told = card(past, asked, self._tried(strategy.name))
        return told, self.calibration(strategy, timeframe, asked.decided_ms).confidence(quality)

    def past(self, strategy: Strategy, timeframe: str, decided_ms: int) -> PastSetups:
        """Return the past setups of a configuration that reach a moment, or come within a day of it."""
        key = (self._named(strategy), timeframe)
        found = self._past.get(key) or self._kept(key)
        if found is None or found[0] < min(decided_ms, self._newest(timeframe)) - DAY_MS:
            found = self._made(strategy, timeframe, key)
        self._past[key] = found
        return found[1]

    def calibration(self, strategy: Strategy, timeframe: str, decided_ms: int) -> Calibration:
        """Return the curve of a configuration as it could be fitted by the beginning of a day."""
        day = decided_ms // DAY_MS * DAY_MS
        key = (f"{self._named(strategy)} {timeframe}", day)
        if key not in self._curves:
            self._curves[key] = calibrate([self.past(strategy, timeframe, decided_ms)], until_ms=day)
        return self._curves[key]

    def _named(self, strategy: Strategy) -> str:
        known, name = self._names.get(id(strategy), (None, ""))
        if known is not strategy:
            name = json.dumps([strategy.name, values_of(strategy)], sort_keys=True)
            self._names[id(strategy)] = (strategy, name)
        return name

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
        if frame not in self._ends:
            ends = {(one.symbol, one.timeframe): one.last_ts + one.timeframe.ms for one in self._stored}
            made = {one.symbol: finer for one, finer in self._made_of.items() if one.timeframe == frame}
            of_finer = [frame.floor(ends[of]) for of in made.items()]
            own = [end for (_, stored), end in ends.items() if stored == frame]
            self._ends[frame] = max((*own, *of_finer), default=0)
        return self._ends[frame]

    @cached_property
    def _stored(self) -> list[Stored]:
        return self._store.markets(self._exchange)

    @cached_property
    def _made_of(self) -> dict[Market, Timeframe]:
        return self._store.derivable(self._exchange)

    def _read(self, frame: Timeframe) -> dict[str, list[Candles]]:
        """Return each market's candles: of this timeframe, stored or made, then of coarser stored ones."""
        if frame not in self._markets:
            found: dict[str, list[Candles]] = {}
            stored = {(one.symbol, one.timeframe) for one in self._stored}
            own = {symbol for symbol, other in stored if other == frame}
            own |= {one.symbol for one in self._made_of if one.timeframe == frame}
            coarser = TIMEFRAMES[TIMEFRAMES.index(frame) + 1 :]
            for symbol in sorted(own):
                above = [one for one in coarser if (symbol, one) in stored]
                try:
                    read = [self._store.read(self._exchange, symbol, one) for one in (frame, *above)]
                except DataError as error:
                    # One market's damaged files take its own past away, loudly, and no other's.
                    _log.warning("%s What came of its setups is missing.", error)
                    continue
                if len(read[0]):
                    found[symbol] = [one for one in read if len(one)]
            self._markets[frame] = found
        return self._markets[frame]

    def _made(self, strategy: Strategy, timeframe: str, key: tuple[str, str]) -> tuple[int, PastSetups]:
        self._progress(f"looking up what came of {strategy.name} on {timeframe}")
        markets = self._read(Timeframe(timeframe))
        made = past_setups(strategy, markets, exchange=self._exchange, neighbourhood=self._neighbourhood)
        until = self._newest(timeframe)
        if (self._workspace.root / "version").is_file():
            made.save(self.folder)
            told = json.dumps(
                {
                    "digest": made.digest, "until_ms": until, "form": _FORM, "exchange": self._exchange,
                    "strategy": strategy.name, "timeframe": timeframe,
                }
            )  # fmt: skip
            make_folder(self.folder)
            write_whole(self._pointer(key), lambda draft: draft.write_text(told))
            sync_folder(self.folder)
        return until, made

    def _kept(self, key: tuple[str, str]) -> tuple[int, PastSetups] | None:
        try:
            told = json.loads(self._pointer(key).read_text())
            if told["form"] != _FORM:
                return None
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
