"""Evidence looked up before it is asked for: at a close there is no time to make it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cryptai import seams
from cryptai.errors import CryptaiError
from cryptai.features.regimes import REGIMES
from cryptai.market.timeframe import DAY_MS, TIMEFRAMES
from cryptai.screening.card import Asked
from cryptai.screening.evidence import Evidence
from cryptai.screening.screen import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptai.market.store import CandleStore
    from cryptai.market.timeframe import Timeframe
    from cryptai.strategies.strategy import Strategy
    from cryptai.workspace import Workspace


class LookedUp:
    """The evidence of a venue as it is now, for strategies of the package: those of `names`, None is all."""

    def __init__(
        self, workspace: Workspace, store: CandleStore, exchange: str, names: Sequence[str] | None = None
    ) -> None:
        self.evidence = Evidence(workspace, store, exchange)
        frames = {one.timeframe for one in store.changed(exchange, 0)[1]}
        ordered = sorted(frames, key=TIMEFRAMES.index)
        self._asked = [(strategy, frame) for strategy in chosen(None, names, {}) for frame in ordered]

    def make(self) -> None:
        """Make the tables of past setups that are missing or old, on the disk."""
        for strategy, frame in self._asked:
            self.evidence.past(strategy, frame, seams.now_ms())

    def warm(self) -> Iterator[None]:
        """Have what many cards share computed, a little a step.

        That is the curves of today and tomorrow, and the slices of all markets.
        """
        for strategy, frame in self._asked:
            try:
                yield from self._warm(strategy, frame)
            except CryptaiError:
                # Whoever asks for it in earnest is told.
                continue

    def _warm(self, strategy: Strategy, frame: Timeframe) -> Iterator[None]:
        now = seams.now_ms()
        self.evidence.past(strategy, frame, now)
        yield
        for moment in (now, now + DAY_MS):
            self.evidence.calibration(strategy, frame, moment)
            yield
        for side in (1, -1) if getattr(strategy, "allow_short", False) else (1,):
            for regime in (0, *REGIMES):
                self.evidence(strategy, frame, Asked("", side, regime, now, 100.0, 92.0, 115.0), math.nan)
                yield
