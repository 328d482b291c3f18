"""`check`: one piece before the whole bench: is it causal, the same bar by bar, warm enough, and honest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai import seams
from cryptai.errors import InputError
from cryptai.market.times import iso
from cryptai.research.causality import TOLERANCE, bars_needed, first_rewritten, first_unlike_live
from cryptai.research.null_market import null_market
from cryptai.research.series import adversarial, noise, roughened
from cryptai.research.worlds import packaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptai.market.candles import Candles
    from cryptai.research.causality import Offence
    from cryptai.research.null_market import Verdict
    from cryptai.research.piece import Piece

_BARS: Final = 400
_OWN_BARS: Final = 1_000
_REPLAY_S: Final = 5.0
_FEWEST: Final = 25
_LONGEST: Final = 20_000


@dataclass(frozen=True)
class Checked:
    """What the bench found of a piece.

    Attributes
    ----------
    cuts, bars
        How many cuts of how many bars were replayed, over all series.
    rewritten
        The first reading that did not stay, and the series; None for a causal piece.
    unlike_live
        The first newest bar that a live session would have read otherwise; None where none did.
    cold
        The first newest bar that needs more than the declared warm-up, to 1e-9; None where none does.
    needed
        Bars of history found to be enough where too few were declared, or none; None where not looked for, or
        no window of these series was enough.
    verdict
        Of the null market; None where nothing is traded.
    """

    piece: Piece
    cuts: int
    bars: int
    rewritten: tuple[str, Offence] | None
    unlike_live: tuple[str, Offence] | None
    cold: tuple[str, Offence] | None
    needed: int | None
    verdict: Verdict | None

    @property
    def fair(self) -> bool:
        """Whether nothing was found against it."""
        found = (self.rewritten, self.unlike_live, self.cold)
        return not any(found) and (self.verdict is None or self.verdict.fair)

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        piece = self.piece
        return {
            "name": piece.name, "kind": piece.kind, "parameters": dict(piece.parameters), "fair": self.fair,
            "cuts": self.cuts, "bars": self.bars,
            "causal": self.rewritten is None, "rewritten": _told(self.rewritten),
            "streaming": self.unlike_live is None, "unlike_live": _told(self.unlike_live),
            "warmup": {
                "declared": piece.warmup, "exact": piece.exact, "enough": self.cold is None,
                "needed": self.needed, "offence": _told(self.cold),
            },
            "null_market": None if self.verdict is None else self.verdict.as_object(),
        }  # fmt: skip


def check(
    piece: Piece, candles: Candles | None = None, *, progress: Callable[[str], object] = lambda _said: None
) -> Checked:
    """Put a piece before the bench: three series, all cuts that patience allows, then the null market.

    Parameters
    ----------
    candles
        Real bars to try it on, and to make worlds of; None for those of the practice market.
    progress
        Called with a few words when something new begins.

    Raises
    ------
    InputError
        What the piece itself raises, on whatever candles.
    """
    real = packaged() if candles is None else candles
    rewritten, cuts, bars = None, 0, 0
    tried = {
        "noise": noise(1, _BARS),
        "an adversary's prices": adversarial(1, _BARS, timeframe="4h"),
        "practice candles" if candles is None else "these candles": roughened(real[-_OWN_BARS:], 1)
        if candles is None
        else real[-_OWN_BARS:],
    }
    for name, series in tried.items():
        if not len(series):
            continue
        progress(f"replaying {piece.name} on {name}")
        at = _affordable(piece, series, _REPLAY_S / len(tried))
        cuts, bars = cuts + len(at), bars + len(series)
        offence = first_rewritten(piece, series, at)
        if offence is not None:
            rewritten = (name, offence)
            break
    unlike_live = cold = needed = None
    if rewritten is None:
        progress(f"looking how much history {piece.name} needs")
        unlike_live, cold, needed = _memory(piece, real)
    verdict = None
    if piece.kind != "indicator":
        progress(f"trading {piece.name} in twenty worlds without an edge")
        verdict = null_market(piece, candles)
    return Checked(piece, cuts, bars, rewritten, unlike_live, cold, needed, verdict)


def _affordable(piece: Piece, candles: Candles, patience_s: float) -> list[int]:
    """Return the cuts to try: all of them, or as many as patience allows, evenly over the series."""
    first = _shortest(piece, candles)
    began = seams.monotonic()
    piece.read(candles[: len(candles) // 2 + 1])
    cost = max(seams.monotonic() - began, 1e-6)
    count = int(np.clip(patience_s / cost, _FEWEST, len(candles)))
    return _spread(first, len(candles), count)


def _shortest(piece: Piece, candles: Candles) -> int:
    # A person's own may fail on hardly a bar; that is no lie, so it is tried from where it works.
    length = 1
    while length < len(candles):
        try:
            piece.read(candles[:length])
        except InputError:
            length += length // 2 + 1
        else:
            return length
    piece.read(candles)
    return len(candles)


def _spread(first: int, last: int, count: int) -> list[int]:
    return [int(one) for one in np.unique(np.linspace(first, last, count).round())]


_Found = tuple[str, "Offence"] | None


def _memory(piece: Piece, real: Candles) -> tuple[_Found, _Found, int | None]:
    if piece.kind == "strategy":
        # A strategy declares nothing: what it needs is found, and told.
        return None, None, _needed(piece, real, 1_000)
    live = _first(piece, real, piece.exact, 0.0)
    cold = _first(piece, real, piece.warmup, TOLERANCE)
    declared = piece.warmup or piece.exact or 0
    needed = _needed(piece, real, declared) if cold or live else None
    return live, cold, needed


def _first(piece: Piece, real: Candles, window: int | None, tolerance: float) -> _Found:
    if window is None or window > _LONGEST:
        return None
    for name, series in _long(real, window + max(100, window // 4)):
        cuts = _spread(min(window + 1, len(series)), len(series), 25)
        found = first_unlike_live(piece, series, window, cuts, tolerance=tolerance)
        if found is not None:
            return name, found
    return None


def _needed(piece: Piece, real: Candles, declared: int) -> int | None:
    most: int | None = 0
    for _name, series in _long(real, min(4 * max(declared, 1_000), 2 * _LONGEST)):
        if len(series) < 4:
            continue
        cuts = _spread(len(series) // 2 + 1, len(series), 20)
        found = bars_needed(piece, series, cuts)
        most = None if found is None or most is None else max(most, found)
    return most


def _long(real: Candles, bars: int) -> Iterator[tuple[str, Candles]]:
    yield "noise", noise(2, bars)
    yield "these candles", real[-bars:]


def _told(found: tuple[str, Offence] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    name, offence = found
    row = offence._asdict()
    row["at"] = iso(row.pop("ts"))
    return {"series": name, **{key: _plain(value) for key, value in row.items()}}


def _plain(value: Any) -> Any:
    # What JSON has no number for is told in words.
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
