"""The candle store: every bar ever acknowledged, exact to the bit, by venue, symbol and timeframe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptai.errors import DataError, WorkspaceError
from cryptai.market.absences import Absences
from cryptai.market.bits import lay_over
from cryptai.market.catalog import Catalog
from cryptai.market.exchange import PRACTICE, check_exchange
from cryptai.market.folding import Folding
from cryptai.market.joined import digest_of
from cryptai.market.merge import Merge, Written
from cryptai.market.rows import Market, Segment
from cryptai.market.segments import SegmentFiles, partitions
from cryptai.market.symbol import parse_symbol
from cryptai.market.synclog import SyncLog
from cryptai.market.timeframe import Timeframe
from cryptai.market.times import iso

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.market.candles import Candles
    from cryptai.market.objects import ObjectFolder
    from cryptai.market.revisions import Revision
    from cryptai.market.rows import Rows, Transactions

# Past so many markets in one write, what is known of them is asked for at once.
_MANY: Final = 8


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

    def __init__(
        self, folder: Path, catalog: Transactions | None = None, objects: ObjectFolder | None = None
    ) -> None:
        self.folder = folder
        self._catalog: Transactions = catalog or Catalog(folder / "catalog.sqlite3")
        self._files = SegmentFiles(folder, objects)
        self._folding = Folding(self._catalog, self._files)
        self.sync_log = SyncLog(self._catalog)
        self.absences = Absences(self._catalog)
        # The listing of a market with a tail takes a read to know: kept by what it was made from.
        self._listed: dict[Market, tuple[tuple[str, str], Stored]] = {}

    def read(
        self,
        exchange: str,
        symbol: str,
        timeframe: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        last: int | None = None,
        as_of_ms: int | None = None,
    ) -> Candles:
        """Return stored bars, read-only: those that open in `[start_ms, end_ms)`, of these the `last`.

        A range that holds no bar gives no bars. `digest` of what is returned names exactly these bars.
        With `as_of_ms` they are as this store knew them at that moment (ms UTC): with everything written
        until then and nothing written or corrected after it.

        Raises
        ------
        DataError
            If nothing at all is (or then was) stored for the market, or its files are damaged.
        """
        market = _market(exchange, symbol, timeframe)
        with self._catalog.look() as rows:
            segments, tail = rows.segments(market, as_of_ms), rows.tail(market, as_of_ms)
            if not segments and not len(tail):
                raise DataError(_nothing(market, rows, as_of_ms))
        body = self._files.read(market, segments, start_ms, end_ms, join=as_of_ms is None)
        tail = tail.between(start_ms, end_ms)
        if last is not None:
            body = body[max(len(body) - last, 0) :]
        bars = lay_over(body, tail)
        return bars if last is None else bars[max(len(bars) - last, 0) :]

    def write(
        self,
        exchange: str,
        *candles: Candles,
        replace: bool = False,
        source: str | None = None,
        fetched_at_ms: int | None = None,
    ) -> Written:
        """Store bars of one venue, all of them or none; durable when it returns.

        Bars that are stored already are counted as `same` when they are equal. One bar each of many
        markets, as a live feed brings them, is one small transaction. A volume of -0.0 is stored as 0.0.

        What a write changes is a revision of the market (see `revisions`), which keeps where the bars
        came from (`source`, such as "binance rest") and when they were asked for; what it corrects stays
        readable by `as_of_ms`.

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
                if len(groups) > _MANY:
                    rows.learn(exchange)
                # First everything that can be refused, then the writing: a refusal leaves no file behind.
                for market, places in groups.items():
                    merge = Merge(market, rows, self._files)
                    for i in places:
                        each[i] = merge.add(candles[i], replace=replace)
                    merges.append(merge)
                for merge in merges:
                    merge.write(source, fetched_at_ms)
        except OSError as error:
            raise WorkspaceError(
                f"The candle store {self.folder} cannot be written ({error.strerror}); nothing was changed. "
                "Check the folder's permissions and free space."
            ) from error
        for merge in merges:
            merge.renew()
        self._folding.add([merge.market for merge in merges if merge.overdue])
        return Written(
            sum(w.added for w in each), sum(w.same for w in each), sum(w.replaced for w in each), tuple(each)
        )

    def finish(self) -> None:
        """Return when the folding that runs beside the writing is done; nothing but order needs it."""
        self._folding.finish()

    def markets(self, exchange: str | None = None) -> list[Stored]:
        """Return what is stored, by venue, symbol and length of bar.

        Where a market's files are damaged the others are listed all the same; its own digest is then
        "damaged", its bars are those of the catalog, and reading it raises.
        """
        if exchange is not None:
            check_exchange(exchange)
        with self._catalog.look() as rows:
            found = [(m, rows.segments(m), rows.tail(m)) for m in rows.markets(exchange)]
        return [self._told(*one) for one in found]

    def exchanges(self) -> list[str]:
        """Return the names of the venues with stored bars, sorted."""
        with self._catalog.look() as rows:
            return sorted({market.exchange for market in rows.markets()})

    def revisions(
        self, exchange: str, symbol: str, timeframe: str, *, ts: int | None = None
    ) -> list[Revision]:
        """Return every write that changed a market, the first one first: what, from where, and when.

        With `ts` only those that brought or corrected the bar that opens then. A market without bars has
        none.
        """
        with self._catalog.look() as rows:
            return rows.revisions(_market(exchange, symbol, timeframe), ts)

    def _told(self, market: Market, segments: list[Segment], tail: Candles) -> Stored:
        try:
            return self._stored(market, segments, tail)
        except DataError:
            edges = [edge for segment in segments for edge in (segment.first_ts, segment.last_ts)]
            first, last = min(*edges, int(tail.ts[0])), max(*edges, int(tail.ts[-1]))
            bars = sum(segment.rows for segment in segments) + int((tail.ts > max(edges)).sum())
            holes = (last - first) // market.timeframe.ms + 1 - bars
            return Stored(*market, bars, first, last, holes, "damaged")

    def _stored(self, market: Market, segments: list[Segment], tail: Candles) -> Stored:
        digests = {segment.partition: segment.digest for segment in segments}
        bars = sum(segment.rows for segment in segments)
        first, last = (segments[0].first_ts, segments[-1].last_ts) if segments else (0, 0)
        known_by = digest_of(digests.values()), tail.digest
        known = self._listed.get(market)
        if known and known[0] == known_by:
            return known[1]
        if len(tail):
            # As if the tail were folded: the listing does not tell in which portions the bars came.
            rows = {segment.partition: segment.rows for segment in segments}
            spans = {segment.partition: segment for segment in segments}
            for partition, part in partitions(tail):
                if partition in spans:
                    start, end = spans[partition].first_ts, spans[partition].last_ts + 1
                    part = lay_over(self._files.read(market, segments, start, end), part)  # noqa: PLW2901
                bars += len(part) - rows.get(partition, 0)
                digests[partition] = part.digest
            first = min(first, int(tail.ts[0])) if segments else int(tail.ts[0])
            last = max(last, int(tail.ts[-1]))
        holes = (last - first) // market.timeframe.ms + 1 - bars
        ordered = (digests[partition] for partition in sorted(digests))
        stored = Stored(*market, bars, first, last, holes, digest_of(ordered))
        self._listed[market] = known_by, stored
        return stored


def _market(exchange: str, symbol: str, timeframe: str) -> Market:
    check_exchange(exchange)
    return Market(exchange, parse_symbol(symbol), Timeframe(timeframe))


def _nothing(market: Market, rows: Rows, as_of_ms: int | None) -> str:
    stored = rows.markets()
    if market in stored and as_of_ms is not None:
        since = min(revision.written_at_ms for revision in rows.revisions(market))
        return f"No bars of {market} were stored by {iso(as_of_ms)}; the first were written at {iso(since)}."
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
