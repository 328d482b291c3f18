"""What to tell somebody who asks for bars that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptai.market.times import iso

if TYPE_CHECKING:
    from cryptai.market.kept import Market
    from cryptai.market.rows import Rows


def nothing_stored(market: Market, rows: Rows, as_of_ms: int | None) -> str:
    """Return the sentence: what was asked for, what lies nearest to it, and how bars come in."""
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
