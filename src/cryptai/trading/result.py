"""Result: all that a run gave, in memory and as JSON."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics.excursions import excursions
from cryptai.ledger.book import EXIT_REASONS, LONG, TRADE
from cryptai.market.exchange import PRACTICE
from cryptai.market.times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.ledger.book import Book, Order
    from cryptai.market.candles import Candles
    from cryptai.portfolio.rules import Rules
    from cryptai.trading.costs import Costs

# Part of a run's identity: raised when the same inputs give other fills.
ENGINE_VERSION: Final = 1

TRADES: Final = np.dtype(
    [
        ("side", "U5"), ("entry_time", "M8[ms]"), ("exit_time", "M8[ms]"), ("entry_price", "f8"),
        ("exit_price", "f8"), ("quantity", "f8"), ("fees", "f8"), ("pnl", "f8"), ("mae", "f8"), ("mfe", "f8"),
        ("entry_reason", "U64"), ("exit_reason", "U6"), ("entry_bar", "i8"), ("exit_bar", "i8"),
        ("bars_held", "i8"),
    ]
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Result:
    """One run of one strategy over one market.

    `bars` are those of the range and `equity` has one row for each, at its close; `candles` are the bars with
    those before, which only warmed. `records` are the round trips as the kernel wrote them, `trades` the
    same for people; `book` and `order` are what stood after the last bar.
    """

    strategy: str
    params: dict[str, float | bool | str]
    exchange: str | None
    symbol: str
    timeframe: str
    capital: float
    rules: Rules
    costs: Costs
    bars: Candles
    equity: NDArray[np.float64]
    records: NDArray[np.void]
    reasons: tuple[str, str]
    metrics: Metrics
    book: Book
    order: Order
    candles: Candles
    source_digest: str | None = None

    @property
    def ts(self) -> NDArray[np.int64]:
        """Return the open time of each bar of the range, ms UTC: the clock of `equity`."""
        return self.bars.ts

    @property
    def data_digest(self) -> str:
        """Return the digest of every bar the run could see, those that only warmed included."""
        return self.candles.digest

    @cached_property
    def trades(self) -> np.recarray[Any, Any]:
        """Return the round trips as a record array (`TRADES`): `r.trades.pnl`, `r.trades[0].entry_time`."""
        table = np.empty(len(self.records), TRADES)
        for name in TRADES.names or ():
            if name in (TRADE.names or ()) and name not in ("side", "exit_reason"):
                table[name] = self.records[name].astype(TRADES[name])
        longs = self.records["side"] == LONG
        table["side"] = np.where(longs, "long", "short")
        table["entry_reason"] = np.where(longs, self.reasons[0], self.reasons[1])
        table["mae"], table["mfe"] = excursions(self.bars, self.records)
        table["exit_reason"] = np.array(EXIT_REASONS)[self.records["exit_reason"]]
        table["bars_held"] = self.records["exit_bar"] - self.records["entry_bar"]
        return table.view(np.recarray)

    @cached_property
    def run(self) -> str:
        """Return the run's identity, 16 hex digits: a digest of data, strategy, configuration and engine."""
        identity = {
            "engine": ENGINE_VERSION,
            "data": self.data_digest,
            "source": self.source_digest,
            "capital": self.capital,
            "bars": [len(self.ts), int(self.ts[0]), int(self.ts[-1])],
            **self._configuration(),
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _configuration(self) -> dict[str, Any]:
        return {
            "strategy": self.strategy,
            "params": self.params,
            "exchange": self.exchange,
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "costs": _plain(self.costs.told()),
            "rules": _plain(self.rules.told()),
        }

    def as_object(self) -> dict[str, Any]:
        """Return the one object that `backtest --json` prints and the API answers.

        Times are bar opens in ISO UTC, fractions are fractions, what is undefined is None. `source_digest` is
        that of a user's own strategy file, None for a built-in; a trade's `bars_held` is how many bars lie
        between its entry's and its exit's: 0 within one bar.
        """
        found = {
            "run": self.run,
            **self._configuration(),
            "capital": self.capital,
            "bars": len(self.ts),
            "from": iso(int(self.ts[0])),
            "to": iso(int(self.ts[-1])),
            "data_digest": self.data_digest,
            "source_digest": self.source_digest,
            "engine": ENGINE_VERSION,
            "metrics": _plain(asdict(self.metrics)),
            "trades": [self._trade(row) for row in self.trades],
        }
        if self.exchange == PRACTICE:
            found["practice"] = True
        return found

    def _trade(self, row: Any) -> dict[str, Any]:
        return {
            "side": str(row.side),
            "entry_time": iso(int(row.entry_time.astype("i8"))),
            "exit_time": iso(int(row.exit_time.astype("i8"))),
            "entry_price": float(row.entry_price),
            "exit_price": float(row.exit_price),
            "quantity": float(row.quantity),
            "fees": float(row.fees),
            "pnl": float(row.pnl),
            "mae": float(row.mae),
            "mfe": float(row.mfe),
            "bars_held": int(row.bars_held),
            "entry_reason": str(row.entry_reason),
            "exit_reason": str(row.exit_reason),
        }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with what is not finite as None: JSON knows neither NaN nor infinity."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
