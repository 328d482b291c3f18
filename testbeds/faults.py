"""The sixteen kinds of fault of an exchange that lies, and how often each strikes in a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptai import seams

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS: Final = {
    "pause": "429 with Retry-After",
    "ban": "418, growing from two minutes to three days when it is not obeyed",
    "late_error": "5xx, or no answer at all, after the request was counted",
    "error": "5xx before anything was done",
    "reset": "the connection reset in the middle of a body, or half open: a body that never ends",
    "silence": "a stream that stays open and says nothing",
    "duplicate": "events that come twice",
    "reorder": "events that come up to 30 s late, behind newer ones",
    "drop": "events that never come",
    "unfinished": "an unfinished candle called closed by the stream, and changed afterwards",
    "revision": "a closed candle that is another one later",
    "clock": "this machine's clock and the venue's apart: offset, jumps, drift",
    "listing": "a symbol halted, or delisted and listed again",
    "malformed": "truncated JSON, HTML, NaN, Infinity, 1e400, negative, wrong type, a 50 MB body",
    "pages": "pages shorter than what there is, or reaching past what was asked for",
    "weights": "weight headers that are not true",
}
# How often at most: a share of requests, of connections or of events, or times a day and symbol.
MOST: Final = {
    "pause": 0.05, "ban": 0.01, "late_error": 0.03, "error": 0.08, "reset": 0.05, "silence": 0.02,
    "duplicate": 0.10, "reorder": 0.10, "drop": 0.10, "unfinished": 0.05, "revision": 40.0, "clock": 12.0,
    "listing": 4.0, "malformed": 0.05, "pages": 0.08, "weights": 0.20,
}  # fmt: skip


@dataclass
class Faults:
    """Rates by kind, in force while `on`; and how often each kind struck."""

    rates: dict[str, float]
    on: bool = True
    struck: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = self.rates.keys() - KINDS.keys()
        if unknown:
            raise KeyError(f"No such kind of fault: {', '.join(sorted(unknown))}.")

    def rate(self, kind: str) -> float:
        """Return how often a kind strikes now."""
        return self.rates.get(kind, 0.0) if self.on else 0.0

    def note(self, kind: str) -> None:
        """Count a fault that struck."""
        self.struck[kind] = self.struck.get(kind, 0) + 1


def draw(seed: int, kinds: Iterable[str] = KINDS) -> Faults:
    """Return rates for one run: most kinds are on, each between a tenth of its most and its most."""
    random = seams.rng([seed, 17])
    rates = {}
    for kind in kinds:
        on, share = random.random() < 0.85, 0.1 + 0.9 * random.random()
        rates[kind] = MOST[kind] * share if on else 0.0
    return Faults(rates)


def none() -> Faults:
    """Return an exchange that tells the truth."""
    return Faults({})
