"""The candle store: every bar ever acknowledged, exact to the bit, by venue, symbol and timeframe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptai.errors import DataError, WorkspaceError
from cryptai.market.absences import Absences
from cryptai.market.adopted import write_copy
from cryptai.market.bits import lay_over
from cryptai.market.catalog import Catalog
from cryptai.market.derived import derive, finer_market, finer_of
from cryptai.market.exchange import check_exchange
from cryptai.market.folding import Folding
from cryptai.market.holdings import Holdings, Stored
from cryptai.market.kept import Market
from cryptai.market.merge import Merge, Written
from cryptai.market.nothing_stored import nothing_stored
from cryptai.market.proving import prove
from cryptai.market.segments import SegmentFiles
from cryptai.market.symbol import parse_symbol
from cryptai.market.synclog import SyncLog
from cryptai.market.timeframe import TIMEFRAMES, Timeframe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.market.objects import ObjectFolder
    from cryptai.market.proving import Proof
    from cryptai.market.revisions import Revision
    from cryptai.market.transactions import Transactions

__all__ = ["CandleStore", "Stored"]

# Past so many markets in one write, what is known of them is asked for at once.
_MANY: Final = 8


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
        self._holdings = Holdings(self._files)

    @property
    def catalog(self) -> Transactions:
        """The engine's database: the rooms that build on the market keep their own tables in it."""
        return self._catalog

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
        derived: bool = True,
    ) -> Candles:
        """Return stored bars, read-only: those that open in `[start_ms, end_ms)`, of these the `last`.

        A range that holds no bar gives no bars. `digest` of what is returned names exactly these bars.
        With `as_of_ms` they are as this store knew them at that moment (ms UTC): with everything written
        until then and nothing written or corrected after it.

        Where no bars of the timeframe are stored but finer ones are, its whole bars are made of those (see
        `cryptai.market.derived`), unless `derived` says not to.

        Raises
        ------
        DataError
            If nothing at all is (or then was) stored for the market, or its files are damaged.
        """
        market = _market(exchange, symbol, timeframe)
        with self._catalog.look() as rows:
            segments = rows.segments(market, as_of_ms)
            tail = rows.tail(market, as_of_ms, start_ms, end_ms)
            if not segments and not len(tail) and rows.extent(market, as_of_ms) is None:
                finer = finer_market(market, rows, as_of_ms) if derived else None
                if finer is None:
                    raise DataError(nothing_stored(market, rows, as_of_ms))
                return derive(self._reading(finer, as_of_ms), market.timeframe, start_ms, end_ms, last)
        body = self._files.read(market, segments, start_ms, end_ms, join=as_of_ms is None)
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
                    rows.learn(list(groups))
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

    def stored(self, exchange: str, symbol: str, timeframe: str) -> Stored:
        """Return what `markets` tells of one market, also of one whose bars are made of finer ones.

        Raises
        ------
        DataError
            If nothing at all is stored for it, or its files are damaged.
        """
        market = _market(exchange, symbol, timeframe)
        with self._catalog.look() as rows:
            segments, tail = rows.segments(market), rows.tail(market)
            finer = None if segments or len(tail) else finer_market(market, rows, None)
            if finer is None and not segments and not len(tail):
                raise DataError(nothing_stored(market, rows, None))
        if finer is None:
            return self._holdings.stored(market, segments, tail)
        bars = self.read(*market)
        first, last = (int(bars.ts[0]), int(bars.ts[-1])) if len(bars) else (0, 0)
        holes = (last - first) // market.timeframe.ms + 1 - len(bars) if len(bars) else 0
        return Stored(*market, len(bars), first, last, holes, bars.digest, finer.timeframe)

    def derivable(self, exchange: str | None = None, symbol: str | None = None) -> dict[Market, Timeframe]:
        """Return the markets that are not stored but can be read, and the finer timeframe each is made of.

        They are those of which the finer bars cover a whole bar at least; holes may still leave none.
        """
        if exchange is not None:
            check_exchange(exchange)
        wanted = None if symbol is None else parse_symbol(symbol)
        found: dict[Market, Timeframe] = {}
        with self._catalog.look() as rows:
            markets = [one for one in rows.markets(exchange) if wanted in (None, one.symbol)]
            for one in {one[:2]: one for one in markets}.values():
                own = [other for other in markets if other[:2] == one[:2]]
                extents = [(each.timeframe, *extent) for each in own if (extent := rows.extent(each))]
                for name in {*TIMEFRAMES} - {str(other.timeframe) for other in own}:
                    frame = Timeframe(name)
                    fit = [each for each in extents if each[2] + each[0].ms - each[1] >= 2 * frame.ms]
                    if finer := finer_of(frame, fit):
                        found[one._replace(timeframe=frame)] = finer
        order = sorted(found, key=lambda m: (m.exchange, m.symbol, TIMEFRAMES.index(m.timeframe)))
        return {market: found[market] for market in order}

    def finish(self) -> None:
        """Return when the folding that runs beside the writing is done; nothing but order needs it."""
        self._folding.finish()

    def snapshot(self, file: Path, *, exchange: str | None = None, symbol: str | None = None) -> None:
        """Write the catalog of this moment as one new SQLite file; all it names then lies in the folder.

        So a folder with this file as its `catalog.sqlite3` is a store that needs no database and no object
        store. With `exchange`, and `symbol`, it holds only what is in force of its markets.

        Raises
        ------
        DataError
            If a segment is to be had nowhere.
        """
        with self._catalog.look() as rows:
            write_copy(rows, file, exchange=exchange, symbol=symbol)
        with Catalog(file).look() as rows:
            for market, segment in rows.named():
                self._files.bring(market, segment)

    def share(self) -> int:
        """Put all segments into the object store that are not there yet; return how many were put."""
        with self._catalog.look() as rows:
            named = rows.named()
        return sum(self._files.share(market, segment) for market, segment in named)

    def markets(self, exchange: str | None = None) -> list[Stored]:
        """Return what is stored, by venue, symbol and length of bar.

        Where a market's files are damaged the others are listed all the same; its own digest is then
        "damaged", its bars are those of the catalog, and reading it raises.
        """
        if exchange is not None:
            check_exchange(exchange)
        with self._catalog.look() as rows:
            found = [(m, rows.segments(m), rows.tail(m)) for m in rows.markets(exchange)]
        return [self._holdings.told(*one) for one in found]

    def changed(self, exchange: str, since: int) -> tuple[int, dict[Market, int]]:
        """Return the newest write's number, and the markets of a venue that were written to after `since`.

        With each market when the first bar opens (ms UTC) that was written, or an earlier one. For whoever
        follows the store: the number is what to ask with next time. After 0 that is every market, from 0 on.
        """
        check_exchange(exchange)
        with self._catalog.look() as rows:
            return rows.changed(exchange, since)

    def opens(
        self, exchange: str, since: Mapping[tuple[str, str], int]
    ) -> dict[tuple[str, str], NDArray[np.int64]]:
        """Return when the bars of many series of one venue open, each from a time of its own on (ms UTC).

        Of a series whose bars all open before it, the newest one; series without bars are left out.
        """
        check_exchange(exchange)
        with self._catalog.look() as rows:
            wanted = {(one.symbol, str(one.timeframe)): one for one in rows.markets(exchange)}
            return {
                series: self._holdings.opens(rows, wanted[series], start)
                for series, start in since.items()
                if series in wanted
            }

    def prove(self, exchange: str | None = None, chosen: Callable[[Market], bool] | None = None) -> Proof:
        """Read every file and row of bars again, against its digest; see `cryptai.market.proving`."""
        return prove(self._catalog, self._files, exchange, chosen or (lambda _market: True))

    def exchanges(self) -> list[str]:
        """Return the names of the venues with stored bars, sorted."""
        with self._catalog.look() as rows:
            return sorted({market.exchange for market in rows.markets()})

    def revisions(
        self, exchange: str, symbol: str, timeframe: str, *, ts: int | None = None
    ) -> list[Revision]:
        """Return every write that changed a market, the first one first: what, from where, and when.

        With `ts` only those that brought or corrected the bar that opens then. A market without bars has
        none. Of bars made of finer ones they are the finer bars' own, whose source then says so.
        """
        market = _market(exchange, symbol, timeframe)
        with self._catalog.look() as rows:
            finer = None if rows.state(market) else finer_market(market, rows, None)
            if finer is None:
                return rows.revisions(market, ts)
            end = None if ts is None else ts + market.timeframe.ms
            found = rows.revisions(finer, ts, end)
        made = f"derived from {finer.timeframe}"
        return [one._replace(source=f"{made} of {one.source}" if one.source else made) for one in found]

    def _reading(self, finer: Market, as_of_ms: int | None) -> Callable[..., Candles]:
        return lambda start, end, last: self.read(
            *finer, start_ms=start, end_ms=end, last=last, as_of_ms=as_of_ms, derived=False
        )


def _market(exchange: str, symbol: str, timeframe: str) -> Market:
    check_exchange(exchange)
    return Market(exchange, parse_symbol(symbol), Timeframe(timeframe))
