"""The exchange's clock: what time it is there, whatever this machine's clock says."""

from __future__ import annotations

from typing import Final

from cryptai import seams

# Two quartz clocks drift apart by less than this (0.1 %).
_DRIFT: Final = 0.001
# So little is no jump, but a slow answer.
_SMALL_MS: Final = 2_000.0
# A clock of the venue's that springs forward is believed when this machine's agrees to so much, …
_AGREES_MS: Final = 5_000.0
# … or when it has stayed there so long.
_HELD_S: Final = 60.0


class ExchangeClock:
    """The venue's time, from its own answers, carried on by the monotonic clock.

    An answer that names the time T was written at some moment between sending and receiving, so each one
    bounds the difference of the two clocks; bounds are intersected, and widen slowly with drift. This
    machine's clock may be wrong or set anew at any time: nothing here depends on it once the venue was heard.
    A venue's clock that steps back is believed at once (bars are then called closed later, never earlier);
    one that springs forward only when this machine's clock says the same, or after a minute.
    """

    def __init__(self) -> None:
        self._low = 0.0
        self._high = 0.0
        self._at = 0.0
        self.heard = False
        # A forward jump not yet believed: its bounds, and when it was first heard.
        self._jump: tuple[float, float, float] | None = None

    def hear(self, time_ms: int, sent: float, received: float, *, resolution_ms: int = 1) -> None:
        """Take what an answer says: the time it names and the monotonic seconds around it.

        `resolution_ms` is 1000 for an HTTP Date, which is cut to whole seconds.
        """
        low = time_ms - received * 1000.0
        high = time_ms + resolution_ms - sent * 1000.0
        known_low, known_high = self._bounds(received)
        if self.heard and low > known_high + _SMALL_MS and not self._believed(time_ms, low, high, received):
            return
        self._jump = None
        if self.heard and low <= known_high and high >= known_low:
            low, high = max(low, known_low), min(high, known_high)
        self._low, self._high, self._at, self.heard = low, high, received, True

    def now_ms(self) -> int:
        """Return the time there, as near as it is known; this machine's time until the venue was heard."""
        if not self.heard:
            return seams.now_ms()
        now = seams.monotonic()
        low, high = self._bounds(now)
        return int((low + high) / 2 + now * 1000.0)

    def latest_ms(self, at: float) -> int:
        """Return the latest that it can have been there at a monotonic moment, once the venue was heard."""
        return int(self._bounds(at)[1] + at * 1000.0)

    def earliest_ms(self, at: float) -> int:
        """Return the earliest that it can have been there at such a moment, once the venue was heard."""
        return int(self._bounds(at)[0] + at * 1000.0)

    def _bounds(self, at: float) -> tuple[float, float]:
        drift = abs(at - self._at) * 1000.0 * _DRIFT
        return self._low - drift, self._high + drift

    def _believed(self, time_ms: int, low: float, high: float, received: float) -> bool:
        if abs(time_ms - seams.now_ms()) <= _AGREES_MS:
            return True
        if self._jump is not None:
            was_low, was_high, since = self._jump
            drift = (received - since) * 1000.0 * _DRIFT
            if low <= was_high + drift and high >= was_low - drift:
                return received - since >= _HELD_S
        self._jump = (low, high, received)
        return False
