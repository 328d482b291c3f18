"""Every file of a store read again and held against its name: what a disk has spoilt since is found here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptai.market.bits import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.market.kept import Market
    from cryptai.market.segments import SegmentFiles
    from cryptai.market.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Damage:
    """What does not hold the bars that it was written with, or is missing.

    Attributes
    ----------
    what
        The file, or which row of the catalog.
    kind
        "segment" or "row": bars of the market, of now (`in_force`) or as they were known once. "copy": it
        only makes reading faster, and is made again once it is deleted.
    """

    market: Market
    what: str
    kind: str
    in_force: bool

    def as_object(self) -> dict[str, Any]:
        """Return it as the JSON object of `cryptai data check --deep`."""
        exchange, symbol, timeframe = self.market
        where = {"exchange": exchange, "symbol": symbol, "timeframe": str(timeframe)}
        return where | {"what": self.what, "kind": self.kind, "in_force": self.in_force}


@dataclass(frozen=True, slots=True)
class Proof:
    """How many files and rows of the catalog were read again, and which of them are damaged."""

    files: int
    rows: int
    damaged: tuple[Damage, ...]


def prove(
    catalog: Transactions,
    files: SegmentFiles,
    exchange: str | None = None,
    chosen: Callable[[Market], bool] = lambda _market: True,
) -> Proof:
    """Read all segments, their copies and the catalog's rows of bars again; nothing is changed.

    Segments that a correction has superseded are read too: `as_of` needs them. Rows that hold many small
    writes in one have no digest of their own; SQLite's own check is theirs.
    """
    with catalog.look() as rows:
        markets = [market for market in rows.markets(exchange) if chosen(market)]
        now = {market: rows.segments(market) for market in markets}
        named = [one for one in rows.named() if one[0] in now]
    segments = list(dict.fromkeys(named))
    damaged = [
        Damage(market, str(files.path(market, one)), "segment", in_force=one in now[market])
        for market, one in segments
        if not files.sound(market, one)
    ]
    count, copies = 0, 0
    for market, parts in now.items():
        copy = files.copy(market, parts)
        copies += copy.exists()
        if copy.exists() and not files.copy_sound(market, parts):
            damaged.append(Damage(market, str(copy), "copy", in_force=False))
        with catalog.look() as rows:
            written = rows.written(market)
        count += len(written)
        damaged += [
            Damage(market, f"row {key} of the catalog", "row", in_force=folded is None)
            for key, digest, data, folded in written
            if not _holds(data, digest, market)
        ]
    return Proof(len(segments) + copies, count, tuple(damaged))


def _holds(data: bytes, digest: str, market: Market) -> bool:
    try:
        return unpack([data], market.symbol, market.timeframe).digest == digest
    except ValueError:  # no whole number of bars
        return False
