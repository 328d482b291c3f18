"""The candle store: every bar ever acknowledged, exact to the bit, by venue, symbol and timeframe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptai.errors import DataError, WorkspaceError
from cryptai.market.catalog import Catalog, Market, Segment
from cryptai.market.exchange import PRACTICE, check_exchange
from cryptai.market.merge import Merge, Written, join
from cryptai.market.segments import SegmentFiles, digest_of, partitions
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.market.candles import Candles


@dataclass(frozen=True)
class Stored:
    """One stored market: its extent, the bars missing inside it, and a digest that names its exact content.

    Equal bars give an equal digest, in whatever order and portions they were written.
    """

    exchange: str
    symbol: str
    timeframe: Timeframe
    bars: int
    first_ts: int
    last_ts: int
    holes: int
    digest: str

    @property
    def practice(self) -> bool:
        """Whether the bars are synthetic."""
        return self.exchange == PRACTICE


class CandleStore:
    """A folder of immutable segments with a transactional catalog and tail.

    Many processes may read while one writes; writers wait for each other. What `write` has
    returned from survives a kill and a power cut. Opening a store touches nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._catalog = Catalog(folder / "catalog.sqlite3")
        self._files = SegmentFiles(folder)
        # Digests of markets with a tail take a read to know: kept by what they were made from.
        self._digests: dict[Market, tuple[str, int, str]] = {}

    def read(
        self,
        exchange: str,
        symbol: str,
        timeframe: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        last: int | None = None,
    ) -> Candles:
        """Return stored bars, read-only: those that open in `[start_ms, end_ms)`, of these the `last`.

        A range that holds no bar gives no bars.

        Raises
        ------
        DataError
            If nothing at all is stored for the market, or its files are damaged.
        """
        market = _market(exchange, symbol, timeframe)
        with self._catalog.look() as rows:
            segments, tail = rows.segments(market), rows.tail(market)
            if not segments and not len(tail):
                raise DataError(_nothing(market, rows.markets()))
        body = self._files.read(market, segments).between(start_ms, end_ms)
        tail = tail.between(start_ms, end_ms)
        if last is not None:
            tail = tail[max(len(tail) - last, 0) :]
            body = body[max(len(body) + len(tail) - last, 0) :]
        return join(body, tail)

    def write(self, exchange: str, *candles: Candles, replace: bool = False) -> Written:
        """Store bars of one venue, all of them or none; durable when it returns.

        Bars that are stored already are counted as `same` when they are equal. One bar each of many
        markets, as a live feed brings them, is one small transaction. A volume of -0.0 is stored as 0.0.

        Raises
        ------
        ConflictError
            For the first bar that differs from a stored one, unless `replace` says to take the new one.
        WorkspaceError
            If the folder cannot be written.
        """
        if not any(len(part) for part in candles):
            check_exchange(exchange)
            return Written(0, 0, 0, tuple(Written(0, 0, 0) for _ in candles))
        groups: dict[Market, list[int]] = {}
        for i, part in enumerate(candles):
            groups.setdefault(_market(exchange, part.symbol, part.timeframe), []).append(i)
        each = [Written(0, 0, 0)] * len(candles)
        try:
            with self._catalog.change() as rows:
                merges = []
                # First everything that can be refused, then the writing: a refusal leaves no file behind.
                for market, places in groups.items():
                    merge = Merge(market, rows.segments(market), rows.tail(market), self._files)
                    for i in places:
                        each[i] = merge.add(candles[i], replace=replace)
                    merges.append(merge)
                for merge in merges:
                    merge.write(rows)
        except OSError as error:
            raise WorkspaceError(
                f"The candle store {self.folder} cannot be written ({error.strerror}); nothing was changed. "
                "Check the folder's permissions and free space."
            ) from error
        for merge in merges:
            merge.join()
        return Written(
            sum(w.added for w in each), sum(w.same for w in each), sum(w.replaced for w in each), tuple(each)
        )

    def markets(self, exchange: str | None = None) -> list[Stored]:
        """Return what is stored, by venue, symbol and length of bar."""
        if exchange is not None:
            check_exchange(exchange)
        with self._catalog.look() as rows:
            found = [(m, rows.segments(m), rows.tail(m)) for m in rows.markets(exchange)]
        return [self._stored(*one) for one in found]

    def exchanges(self) -> list[str]:
        """Return the names of the venues with stored bars, sorted."""
        with self._catalog.look() as rows:
            return sorted({market.exchange for market in rows.markets()})

    def _stored(self, market: Market, segments: list[Segment], tail: Candles) -> Stored:
        bars = sum(segment.rows for segment in segments) + len(tail)
        first = segments[0].first_ts if segments else int(tail.ts[0])
        last = int(tail.ts[-1]) if len(tail) else segments[-1].last_ts
        holes = (last - first) // market.timeframe.ms + 1 - bars
        return Stored(*market, bars, first, last, holes, self._digest(market, segments, tail))

    def _digest(self, market: Market, segments: list[Segment], tail: Candles) -> str:
        digests = {segment.partition: segment.digest for segment in segments}
        if not len(tail):
            return digest_of(digests.values())
        body = digest_of(digests.values())
        known = self._digests.get(market)
        if known and known[:2] == (body, len(tail)):
            return known[2]
        # As if the tail were folded: the digest does not tell in which portions the bars came.
        for partition, part in partitions(join(self._files.read(market, segments), tail)):
            if part.ts[-1] >= tail.ts[0]:
                digests[partition] = part.digest
        digest = digest_of(digests.values())
        self._digests[market] = (body, len(tail), digest)
        return digest


def _market(exchange: str, symbol: str, timeframe: str) -> Market:
    check_exchange(exchange)
    return Market(exchange, parse_symbol(symbol), Timeframe(timeframe))


def _nothing(market: Market, stored: list[Market]) -> str:
    same = [m.timeframe for m in stored if m[:2] == market[:2]]
    symbols = sorted({m.symbol for m in stored if m.exchange == market.exchange})
    if same:
        beside = f"of {market.symbol} there are {', '.join(same)}"
    elif symbols:
        beside = (
            f"of {market.exchange} there are {', '.join(symbols[:12])}{' …' if len(symbols) > 12 else ''}"
        )
    elif stored:
        beside = f"there are bars of {', '.join(sorted({m.exchange for m in stored}))}"
    else:
        beside = "the store is empty"
    return f"No bars of {market} are stored ({beside}); bring some in with: cryptai data import FILE."
