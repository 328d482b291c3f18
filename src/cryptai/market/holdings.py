"""What a store holds, market by market: extent, holes, and a digest that names the content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryptai.errors import DataError
from cryptai.market.bits import lay_over
from cryptai.market.exchange import PRACTICE
from cryptai.market.joined import digest_of
from cryptai.market.segments import SegmentFiles, partitions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.market.kept import Market, Segment
    from cryptai.market.rows import Rows
    from cryptai.market.timeframe import Timeframe


@dataclass(frozen=True)
class Stored:
    """One stored market: its extent, the bars missing inside it, and a digest that names its exact content.

    Equal bars give an equal digest, in whatever order and portions they were written. `derived_from` is the
    finer timeframe that the bars are made of, where the market's own are not stored.
    """

    exchange: str
    symbol: str
    timeframe: Timeframe
    bars: int
    first_ts: int
    last_ts: int
    holes: int
    digest: str
    derived_from: Timeframe | None = None

    @property
    def practice(self) -> bool:
        """Whether the bars are synthetic."""
        return self.exchange == PRACTICE


class Holdings:
    """Tells what is stored, and keeps what it told: where a market has a tail, it takes a read to know."""

    def __init__(self, files: SegmentFiles) -> None:
        self._files = files
        self._known: dict[Market, tuple[tuple[str, str], Stored]] = {}

    def told(self, market: Market, segments: list[Segment], tail: Candles) -> Stored:
        """Return what is stored of a market; where its files are damaged, what the catalog says of it."""
        try:
            return self.stored(market, segments, tail)
        except DataError:
            edges = [edge for segment in segments for edge in (segment.first_ts, segment.last_ts)]
            first, last = min(*edges, int(tail.ts[0])), max(*edges, int(tail.ts[-1]))
            bars = sum(segment.rows for segment in segments) + int((tail.ts > max(edges)).sum())
            holes = (last - first) // market.timeframe.ms + 1 - bars
            return Stored(*market, bars, first, last, holes, "damaged")

    def opens(self, rows: Rows, market: Market, start_ms: int) -> NDArray[np.int64]:
        """Return when the bars of a market open from `start_ms` on; if none does, when its newest one did."""
        segments, tail = rows.segments(market), rows.tail(market, start_ms=start_ms)
        if segments and segments[-1].last_ts >= start_ms:
            tail = lay_over(self._files.read(market, segments, start_ms), tail)
        if len(tail):
            return tail.ts
        extent = rows.extent(market)
        return np.array(extent[1:] if extent else [], np.int64)

    def stored(self, market: Market, segments: list[Segment], tail: Candles) -> Stored:
        """Return what is stored of a market; raise `DataError` where its files are damaged."""
        digests = {segment.partition: segment.digest for segment in segments}
        bars = sum(segment.rows for segment in segments)
        first, last = (segments[0].first_ts, segments[-1].last_ts) if segments else (0, 0)
        known_by = digest_of(digests.values()), tail.digest
        known = self._known.get(market)
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
        self._known[market] = known_by, stored
        return stored
