"""Folding: long tails become segments beside the writing, so that no writer waits for it."""

from __future__ import annotations

import logging
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final

from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from cryptai.market.kept import Market
    from cryptai.market.segments import SegmentFiles
    from cryptai.market.transactions import Transactions

log = logging.getLogger(__name__)

# How often a fold is begun anew because another process has changed what it was made of.
_TRIES: Final = 3


class Folding:
    """One thread a store, which lives while there is something to fold.

    The new segments are written from what a look found, without the catalog's write lock. The lock is taken
    for the moment in which they become the truth, and only if the tail is still what it was made of; bars
    written meanwhile stay in the tail. A kill at any moment leaves the tail, which is as good.
    """

    def __init__(self, catalog: Transactions, files: SegmentFiles) -> None:
        self._catalog = catalog
        self._files = files
        self._lock = Lock()
        self._waiting: dict[Market, None] = {}
        self._thread: Thread | None = None

    def add(self, markets: list[Market]) -> None:
        """Fold these soon."""
        if not markets:
            return
        with self._lock:
            self._waiting.update(dict.fromkeys(markets))
            # After a fork the thread is the parent's.
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="folding")
                self._thread.start()

    def finish(self) -> None:
        """Return when all is folded that was added."""
        with self._lock:
            thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                market = next(iter(self._waiting))
                del self._waiting[market]
            try:
                if not any(self._fold(market) for _ in range(_TRIES)):
                    log.info("The tail of %s changes too fast to be folded now.", market)
            except (CryptaiError, OSError) as error:
                # Nothing is lost: the tail stays, and the next write to this market brings it here again.
                log.warning("The tail of %s is folded later: %s", market, error)

    def _fold(self, market: Market) -> bool:
        with self._catalog.look() as rows:
            before, tail = rows.segments(market), rows.whole_tail(market)
        if not tail.ids:
            return True
        segments = self._files.write(market, self._files.laid_over(market, before, tail.candles))
        named = {one.partition: one for one in before} | {one.partition: one for one in segments}
        after = sorted(named.values(), key=lambda one: one.first_ts)
        self._files.follow(market, before, after)
        with self._catalog.change() as rows:
            done = rows.fold_tail(market, segments, before, tail)
        if done and after != before:
            self._files.forget(market, before)
        return done
