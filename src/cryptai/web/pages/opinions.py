"""What each source says: last prices side by side, and stored bars on which sources contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.conf import settings

from cryptai.errors import CryptaiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptai.market.disagreement import Conflict
    from cryptai.market.prices import Quote
    from cryptai.market.store import CandleStore
    from cryptai.web.pages.series import Series

_ROWS: Final = 12
# Farther apart than this is said in colour: fees and clocks explain less.
FAR: Final = 0.01


@dataclass(frozen=True)
class Opinion:
    """A market's last price by its exchange, and by the source farthest from it (None: no other spoke)."""

    own: Quote
    other: Quote | None

    @property
    def apart(self) -> float | None:
        """How far the other is from the exchange's own, as a signed fraction of it."""
        return None if self.other is None else self.other.price / self.own.price - 1.0

    @property
    def far(self) -> bool:
        """Whether that calls for a look."""
        return self.apart is not None and abs(self.apart) >= FAR


@dataclass(frozen=True)
class Opinions:
    """The markets farthest apart first, the number of all, and a sentence if the book cannot be read."""

    rows: list[Opinion]
    markets: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Contradiction:
    """What two sources say differently in a series."""

    series: Series
    conflict: Conflict


def opinions(exchange: str) -> Opinions:
    """Return the newest price that is kept of each market of a venue, beside what others say."""
    from cryptai.market.prices import PriceBook  # noqa: PLC0415 (heavy: not at start)

    try:
        quotes = PriceBook(settings.WORKSPACE.root / "prices.sqlite3").opinions(exchange)
    except CryptaiError as error:
        return Opinions([], failure=str(error))
    own = {quote.symbol: quote for quote in quotes if quote.source == exchange}
    farthest: dict[str, Quote] = {}
    for quote in quotes:
        if quote.source != exchange and quote.symbol in own:
            before = farthest.get(quote.symbol)
            if before is None or _apart(own, quote) > _apart(own, before):
                farthest[quote.symbol] = quote
    rows = [Opinion(quote, farthest.get(symbol)) for symbol, quote in own.items()]
    rows.sort(key=lambda row: (-abs(row.apart or 0.0), row.other is None, row.own.symbol))
    return Opinions(rows[:_ROWS], len(rows))


def contradictions(store: CandleStore, exchange: str, rows: Iterable[Series]) -> list[Contradiction]:
    """Return where sources contradict each other in these series, the largest difference first."""
    from cryptai.market.disagreement import conflicts  # noqa: PLC0415 (heavy: not at start)

    found = []
    for row in rows:
        if row.damage:
            continue
        try:
            told = conflicts(store, exchange, row.stored.symbol, str(row.stored.timeframe))
        except CryptaiError:
            continue  # the page says above what cannot be read
        found += [Contradiction(row, one) for one in told]
    return sorted(found, key=lambda one: -one.conflict.largest)


def _apart(own: dict[str, Quote], quote: Quote) -> float:
    return abs(quote.price / own[quote.symbol].price - 1.0)
