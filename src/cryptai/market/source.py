"""The port of a data source: what a venue must offer to be followed, and how one is found by name.

A source is one file in `cryptai.market.sources` (or an entry point in the group `cryptai.source`)
that ends with `sources.add("name", TheClass)`; sources do not know each other. A file may also bring a
family of them, as `other_exchanges` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from cryptai import seams
from cryptai.errors import InputError, UnknownName
from cryptai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cryptai.market.candles import Candles

LARGE_PAIRS: Final = (
    "BTC/USDT", "ETH/USDT", "BNB/USDT", "SOL/USDT", "XRP/USDT", "DOGE/USDT",
    "ADA/USDT", "TRX/USDT", "AVAX/USDT", "LINK/USDT", "DOT/USDT", "LTC/USDT",
)  # fmt: skip
"""Twelve large pairs to begin with, where no others are asked for."""

Row: TypeAlias = tuple[int, float, float, float, float, float]
"""One bar: open time (ms UTC), open, high, low, close, volume (base currency)."""


@dataclass(frozen=True, slots=True)
class Price:
    """The last price of a market: `ts` in ms UTC, `change_24h` a fraction (0.02 is +2 %), None if unknown."""

    symbol: str
    price: float
    ts: int
    change_24h: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar as it stands; `closed` is true only when it can never change again."""

    symbol: str
    timeframe: str
    row: Row
    closed: bool


Event: TypeAlias = Price | Bar


class CandleSource(Protocol):
    """A venue to follow: history by pages, then a stream.

    All methods raise `SourceError` when the venue does not answer as agreed (`permanent` when asking
    again cannot help), and `InputError` when the venue does not have the market asked for.
    """

    name: str
    """The exchange's name in the candle store."""
    title: str
    """Its name in a sentence."""
    practice: bool
    """Whether its prices are synthetic."""

    def now_ms(self) -> int:
        """Return the venue's time, ms UTC: whether a bar is closed is asked of its clock, not of ours."""

    async def ping(self) -> None:
        """Return if the venue can be reached from here; one try, within four seconds."""

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        """Return the last `bars` closed bars that open before `end_ms` (None: now).

        Fewer if the venue has no more; never an unfinished bar, and a hole stays a hole.
        """

    def stream(self, symbols: Sequence[str], timeframes: Sequence[str]) -> AsyncIterator[Event]:
        """Yield prices and bars as they come, over one connection.

        It never ends by itself: a connection that ends raises `SourceError`. Who reads it reconnects, and
        fills from `history` what was missed.
        """

    async def aclose(self) -> None:
        """Let go of connections; the source is not used afterwards."""


@runtime_checkable
class PriceSource(Protocol):
    """A source that tells last prices when it is asked; its methods raise as `CandleSource`'s do."""

    name: str

    async def prices(self, symbols: Sequence[str]) -> list[Price]:
        """Return the last prices of these markets; one that has none is left out."""


sources: Registry[type[CandleSource]] = Registry("source", "cryptai.market.sources")


class SourceFamily(Protocol):
    """Many sources made by one file, such as all exchanges that a library knows."""

    advice: str
    """What to install where it has none, as one sentence."""

    def names(self) -> list[str]:
        """Return the names of its sources; none where what it needs is not installed."""

    def open(self, name: str) -> CandleSource:
        """Return one of them, ready to use."""


families: Registry[type[SourceFamily]] = Registry("family of sources", "cryptai.market.sources")


def open_source(name: str) -> CandleSource:
    """Return a source ready to use, of a file of its own or of a family.

    Raises
    ------
    UnknownName
        With the near ones; where a family lacks its library, `InputError` says what to install.
    """
    found = _family_of(name)
    return sources.get(name, field="exchange")() if found is None else found.open(name)


def has_source(name: str) -> bool:
    """Return whether there is a source of that name here."""
    try:
        _family_of(name)
    except InputError:
        return False
    return True


def check_source(name: str) -> None:
    """Raise as `open_source` does for a name that no source has; nothing is opened."""
    _family_of(name)


def _family_of(name: str) -> SourceFamily | None:
    """Return the family whose source has that name; None for one that has a file of its own."""
    if name in sources:
        return None
    known = [kind() for kind in families]
    for family in known:
        if name in family.names():
            return family
    own = sources.names()
    everything = own + [other for family in known for other in family.names()]
    lacking = [family.advice for family in known if not family.names()]
    if lacking and not get_close_matches(name, own, n=1, cutoff=0.5):
        raise InputError(
            f"There is no source named {name[:60]!r} here. {' '.join(lacking)}", field="exchange"
        )
    near = get_close_matches(name, everything, n=1, cutoff=0.5)
    raise UnknownName("source", name, everything if near else own, field="exchange")


class Backoff:
    """How long to wait before trying again: doubling from `first` up to `most` seconds, half of it jitter.

    Jitter keeps many clients of one venue from coming back in step.
    """

    def __init__(self, *, first: float = 0.5, most: float = 60.0) -> None:
        self.first = first
        self.most = most
        self._random = seams.rng(int.from_bytes(seams.new_secret(8), "big"))

    def seconds(self, attempt: int) -> float:
        """Return the wait before try `attempt` (0, 1, …): between half of its ceiling and the ceiling."""
        ceiling = min(self.most, self.first * 2.0 ** min(attempt, 16))
        return float(ceiling * (0.5 + 0.5 * self._random.random()))
