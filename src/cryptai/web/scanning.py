"""One venue as the board has it: what its lookouts see is sealed, and put together with the user's own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.conf import settings

from cryptai.errors import InputError, LimitExceeded
from cryptai.market.symbols import SymbolBook
from cryptai.screening.abreast import Abreast
from cryptai.screening.isolated import screen_isolated
from cryptai.screening.present import Present, standing_still
from cryptai.screening.record import Record
from cryptai.screening.screen import ranked
from cryptai.seams import monotonic, now_ms
from cryptai.strategies.user import user_files
from cryptai.web import live

if TYPE_CHECKING:
    from cryptai.market.newness import Stop
    from cryptai.signals import Signal

_log = logging.getLogger(__name__)
# Tables of past setups serve a day; what was tried meanwhile is counted on the cards within the hour.
_EVIDENCE_S: Final = 3600.0
# What the venue has halted is looked up in the book of symbols so often.
_STOPS_S: Final = 60.0


class Scanning:
    """The scanning of one venue. `look`, `look_up` and `look_at_own` may each run on a thread of its own.

    Each returns what was decided newly, None where nothing was to be done.

    A signal that was decided is in the record before anybody is told of it. After a crash, what was decided
    at closes since the newest of the record is decided newly: the record takes each signal once.
    """

    def __init__(self, exchange: str) -> None:
        self._exchange, self._store = exchange, live.store()
        self._record = Record(self._store.catalog)
        newest = self._record.newest_decided(exchange)
        # Of the moment of the newest one, others may be missing.
        since_ms = None if newest is None else newest - 1
        self._abreast = Abreast(settings.WORKSPACE, self._store, exchange, since_ms=since_ms)
        self._present = Present()
        self._own: list[Signal] = []
        self._unsealed: list[Signal] = []
        self._due: set[str] = set()
        self._edited: tuple[object, ...] = ()
        self._looked_up: float | None = None
        self._book = SymbolBook(settings.WORKSPACE.root / "symbols.sqlite3")
        self._stopped: tuple[float, dict[str, Stop]] | None = None
        self.left_out = ""
        self.looked_ms = 0
        self.waits = False

    @property
    def standing(self) -> int:
        """How many signals stand."""
        return len(self._present) + len(self._own)

    def look(self) -> list[Signal] | None:
        """Look at what was written since the last look."""
        began = now_ms()
        look = self._abreast.look()
        self.waits = look.waits
        if not look.closed and not self._unsealed:
            return None
        for name, sentence in look.failed.items():
            _log.warning("%s %s is left out of the scan.", sentence, name)
        self._present.take(look, began)
        self._due |= {symbol for symbol, _ in look.closed}
        self.looked_ms = began
        still = standing_still(look.closed, self._stops()) if look.decided else set()
        return self._sealed([one for one in look.decided if one.symbol not in still])

    def look_up(self) -> list[Signal] | None:
        """Bring the evidence up to date, if that was not done within the hour; later looks use it."""
        if self._looked_up is not None and monotonic() - self._looked_up < _EVIDENCE_S:
            return None
        self._abreast.look_up()
        self._looked_up = monotonic()
        return []

    def look_at_own(self) -> list[Signal] | None:
        """Screen the user's own strategies where candles or files have changed, in a process of their own."""
        files = user_files(settings.WORKSPACE.strategies).values()
        edited = tuple((file.name, file.stat().st_mtime_ns) for file in files)
        due, self._due = self._due, set()
        if edited == self._edited and not (edited and due):
            return None
        if not edited:
            self._own, self.left_out, self._edited = [], "", edited
            return []
        everything = edited != self._edited or bool(self.left_out)
        symbols = None if everything else sorted(due)
        try:
            found = screen_isolated(settings.WORKSPACE.root, self._exchange, symbols=symbols)
        except (InputError, LimitExceeded) as error:
            # One file that never ends does not take the signals of all others away.
            _log.warning("The user's strategies could not be scanned: %s", error)
            self.left_out = f"Your own strategies are left out: {error}"
            self._own, self._edited = [], edited
            return []
        self.left_out, self._edited = "", edited
        known = {one.identity for one in self._own}
        self._own = found + [one for one in self._own if symbols is not None and one.symbol not in due]
        return self._sealed([one for one in found if one.age_bars == 0 and one.identity not in known])

    def signals(self) -> list[Signal]:
        """Return what stands, best first."""
        stops = self._stops()
        found = self._present.signals(now_ms(), stops)
        if not self._own:
            return found
        still = self._present.still(stops)
        return ranked([*found, *(one for one in self._own if one.symbol not in still)])

    def close(self) -> None:
        """End what runs beside this process."""
        self._abreast.close()

    def _stops(self) -> dict[str, Stop]:
        if self._stopped is None or monotonic() - self._stopped[0] > _STOPS_S:
            self._stopped = monotonic(), self._book.stopped(self._exchange)
        return self._stopped[1]

    def _sealed(self, decided: list[Signal]) -> list[Signal]:
        self._unsealed += [one for one in decided if not one.stale]
        if self._unsealed:
            self._record.seal([one.as_sealed() for one in self._unsealed])
        # What could not be sealed is sealed, and told, with the next.
        fresh, self._unsealed = self._unsealed, []
        return fresh
