"""`check`: one piece before the whole bench: is it causal, the same bar by bar, warm enough, and honest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai import seams
from cryptai.errors import InputError
from cryptai.market.times import iso
from cryptai.research.causality import TOLERANCE, bars_needed, first_rewritten, first_unlike_live
from cryptai.research.null_market import null_market
from cryptai.research.series import adversarial, noise, roughened
from cryptai.research.worlds import BARS, WORLDS, packaged, worlds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptai.market.candles import Candles
    from cryptai.research.causality import Offence
    from cryptai.research.null_market import Verdict
    from cryptai.research.piece import Piece

_BARS: Final = 400
_OWN_BARS: Final = 1_000
# What a slow piece may take for each of the three questions, about; a quick one needs a fraction of it.
_REPLAY_S: Final = 5.0
_MEMORY_S: Final = 4.0
_TRADING_S: Final = 6.0
_FEWEST: Final = 25
_FAR_CUTS: Final = 6
_LONGEST: Final = 20_000
_SHORTEST: Final = 1_000


@dataclass(frozen=True)
class Checked:
    """What the bench found of a piece.

    Attributes
    ----------
    cuts, bars
        How many cuts of how many bars were replayed, over all series.
    asked
        Whether history was asked for: not of what is rewritten, too slow, or declares more than can be tried.
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
    asked: bool
    verdict: Verdict | None

    def _answer(self, found: tuple[str, Offence] | None) -> bool | None:
        return found is None if self.asked else None

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
            "streaming": self._answer(self.unlike_live), "unlike_live": _told(self.unlike_live),
            "warmup": {
                "declared": piece.warmup, "exact": piece.exact, "enough": self._answer(self.cold),
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
    if rewritten is None:
        progress(f"looking far ahead of {piece.name}")
        rewritten = _far(piece, real)
    memory = _Memory(None, None, None, asked=False)
    if rewritten is None:
        progress(f"looking how much history {piece.name} needs")
        memory = _memory(piece, real)
    verdict = None
    if piece.kind != "indicator":
        progress(f"trading {piece.name} in twenty worlds without an edge")
        verdict = null_market(piece, tried=worlds(candles, bars=_world_bars(piece)))
    return Checked(piece, cuts, bars, rewritten, *memory, verdict)


def _far(piece: Piece, real: Candles) -> tuple[str, Offence] | None:
    """Return what few cuts of long series show: who looks a thousand bars ahead is silent on short ones."""
    second = _cost(piece, noise(3, _BARS)) / _BARS
    bars = int(np.clip(_REPLAY_S / (4.0 * _FAR_CUTS) / second, 2 * _BARS, _LONGEST))
    for name, series in _long(real, bars):
        if len(series) > _BARS:
            cuts = _spread(len(series) // _FAR_CUTS, len(series) - 1, _FAR_CUTS)
            offence = first_rewritten(piece, series, cuts)
            if offence is not None:
                return name, offence
    return None


def _world_bars(piece: Piece) -> int:
    # A slow piece trades shorter worlds: it finds out less, sooner.
    probe = noise(3, BARS // 4)
    longest = BARS * _TRADING_S / WORLDS / (4.0 * _cost(piece, probe))
    return int(np.clip(longest, BARS // 8, BARS))


def _cost(piece: Piece, candles: Candles) -> float:
    began = seams.monotonic()
    piece.read(candles)
    return max(seams.monotonic() - began, 1e-6)


def _affordable(piece: Piece, candles: Candles, patience_s: float) -> list[int]:
    """Return the cuts to try: all of them, or as many as patience allows, evenly over the series."""
    first = _shortest(piece, candles)
    cost = _cost(piece, candles[: len(candles) // 2 + 1])
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


class _Memory(NamedTuple):
    unlike_live: _Found
    cold: _Found
    needed: int | None
    asked: bool


def _memory(piece: Piece, real: Candles) -> _Memory:
    if piece.kind == "strategy" and piece.warmup is None:
        # It declares nothing: what it needs is found, and told.
        slow = _cost(piece, noise(2, 1_000)) > _MEMORY_S / 100.0
        return _Memory(None, None, None if slow else _needed(piece, real, 1_000), asked=not slow)
    if max(piece.exact or 0, piece.warmup or 0) > _LONGEST:
        return _Memory(None, None, None, asked=False)
    live = _first(piece, real, piece.exact, 0.0)
    cold = _first(piece, real, piece.warmup, TOLERANCE)
    declared = piece.warmup or piece.exact or 0
    needed = _needed(piece, real, declared) if cold or live else None
    return _Memory(live, cold, needed, asked=True)


def _first(piece: Piece, real: Candles, window: int | None, tolerance: float) -> _Found:
    if window is None:
        return None
    for name, series in _long(real, window + max(100, window // 4)):
        affordable = _MEMORY_S / 4.0 / _cost(piece, series)
        cuts = _spread(min(window + 1, len(series)), len(series), int(np.clip(affordable, 4, 25)))
        cuts = sorted({*cuts, *(cut for cut in _decisive(piece, series) if cut > window)})
        found = first_unlike_live(piece, series, window, cuts, tolerance=tolerance)
        if found is not None:
            return name, found
    return None


def _needed(piece: Piece, real: Candles, declared: int) -> int | None:
    most: int | None = 0
    for _name, series in _long(real, min(4 * max(declared, 1_000), 2 * _LONGEST)):
        if len(series) < _SHORTEST:
            continue
        cuts = sorted({*_spread(len(series) // 2 + 1, len(series), 10), *_decisive(piece, series)})
        found = bars_needed(piece, series, cuts)
        most = None if found is None or most is None else max(most, found)
    return most


def _decisive(piece: Piece, candles: Candles) -> list[int]:
    # A strategy is silent on most bars, and silence needs no history: asked is where it says something.
    if piece.kind != "strategy":
        return []
    said = piece.read(candles).columns["entry"]
    rows = np.flatnonzero(said) + 1
    late = rows[rows > len(candles) // 2]
    return [int(one) for one in late[:: max(1, len(late) // 12)]]


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
