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
from cryptai.errors import InputError
from cryptai.ledger.book import END, ENTRY_KINDS, EXIT_REASONS, LONG, MARKET, REDUCE, SIGNAL, TRADE
from cryptai.market.exchange import PRACTICE
from cryptai.market.times import iso
from cryptai.signals import COLUMNS
from cryptai.trading.options import FILLS
from cryptai.trading.terms import Terms
from cryptai.trading.undecided import Ending, Undecided, interval, orders_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from cryptai.analytics.metrics import Metrics
    from cryptai.analytics.report import Report
    from cryptai.ledger.book import Book, Order
    from cryptai.market.candles import Candles
    from cryptai.portfolio.rules import Rules
    from cryptai.trading.costs import Costs
    from cryptai.trading.given import Given
    from cryptai.trading.outcome import Outcome

# Part of a run's identity: raised when the same inputs give other fills.
ENGINE_VERSION: Final = 2

_IDENTITY: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)

TRADES: Final = np.dtype(
    [
        ("side", "U5"), ("entry_time", "M8[ms]"), ("exit_time", "M8[ms]"), ("entry_price", "f8"),
        ("exit_price", "f8"), ("quantity", "f8"), ("fees", "f8"), ("pnl", "f8"), ("mae", "f8"), ("mfe", "f8"),
        ("entry_reason", "U64"), ("exit_reason", "U11"), ("entry_bar", "i8"), ("exit_bar", "i8"),
        ("bars_held", "i8"), ("symbol", "U41"), ("market", "i8"), ("funding", "f8"), ("hole_bars", "i8"),
        ("entry_kind", "U10"), ("undecided", "?"),
    ]
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Result:
    """One run of one strategy over one market, or over several on one clock.

    Attributes
    ----------
    markets
        What the run knew of each market, in the order they were given.
    ts, equity
        The clock, ms UTC: every time at which a market has a bar in the range; and the equity at the close of
        those bars.
    records
        The round trips as the kernel wrote them; `trades` are the same for people.
    books, orders
        What stood after the last bar, of each market; the cash in the books is the one that they share.
    refused
        How often a rule refused an entry, by reason.
    again, readings
        The same run with other readings of what bars do not tell; how many events there were of that kind.

    Of one market `symbol`, `bars`, `candles`, `reasons`, `book` and `order` are told directly: `bars` are
    those of the range, `candles` are they with those before, which only warmed.
    """

    strategy: str
    params: dict[str, float | bool | str]
    exchange: str | None
    timeframe: str
    capital: float
    rules: Rules
    costs: Costs
    terms: Terms
    markets: tuple[Given, ...]
    ts: NDArray[np.int64]
    equity: NDArray[np.float64]
    records: NDArray[np.void]
    metrics: Metrics
    books: tuple[Book, ...]
    orders: tuple[Order, ...]
    refused: dict[str, int]
    again: Callable[..., Outcome]
    readings: int
    source_digest: str | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets' symbols, in their order."""
        return tuple(one.candles.symbol for one in self.markets)

    @property
    def symbol(self) -> str:
        """Return the market's symbol; of several all of them, with commas."""
        return ", ".join(self.symbols)

    @property
    def bars(self) -> Candles:
        """Return the bars of the one market's range."""
        return self._only().bars

    @property
    def candles(self) -> Candles:
        """Return the one market's bars, those that only warmed included."""
        return self._only().candles

    @property
    def reasons(self) -> tuple[str, str]:
        """Return what the one market's long and short entries mean."""
        return self._only().reasons

    @property
    def book(self) -> Book:
        """Return the one market's book after the last bar."""
        return self.books[self.markets.index(self._only())]

    @property
    def order(self) -> Order:
        """Return the one market's order after the last bar."""
        return self.orders[self.markets.index(self._only())]

    def _only(self) -> Given:
        if len(self.markets) > 1:
            raise InputError(f"This run is over {len(self.markets)} markets; each is told in `markets`.")
        return self.markets[0]

    @cached_property
    def undecided(self) -> Undecided:
        """Return the interval of the final equity over all orders of events that the bars do not tell.

        Free where they tell everything; else the run is made again, at most as often as `orders_for` says.
        """
        marked = int(np.count_nonzero(self.records["undecided"]))

        def run(readings: int) -> Ending:
            outcome = self.again(readings=readings)
            return Ending(float(outcome.equity[-1]), outcome.readings, float(outcome.equity.min()))

        base = Ending(float(self.equity[-1]), max(marked, self.readings), float(self.equity.min()))
        if self.terms.policy:
            base = run(0)
        return interval(
            run, base, trades=len(self.records), marked=marked, rejoins=self._rejoins(),
            most=orders_for(sum(len(one.bars) + len(one.finer or ()) for one in self.markets)),
        )  # fmt: skip

    def _rejoins(self) -> bool:
        # One market, market orders with a bracket and shares of the equity: whichever level came first, the
        # bar ends flat, and all that comes after is in proportion to the cash.
        signals = self.markets[0].signals
        more = (getattr(signals, name) for name in COLUMNS if name not in ("stop", "target", "size", "score"))
        return (
            len(self.markets) == 1
            and self.rules.plain()
            and self.costs.plain()
            and self.terms == Terms(policy=self.terms.policy)
            and self.markets[0].filters is None
            and all(column is None for column in more)
        )

    @cached_property
    def data_digest(self) -> str:
        """Return the digest of all data the run could see, bars that only warmed included."""
        if len(self.markets) == 1:
            return self.markets[0].digest
        told = "".join(f"{one.candles.symbol} {one.digest}\n" for one in self.markets)
        return hashlib.sha256(f"cryptai.markets.1\n{told}".encode()).hexdigest()

    @cached_property
    def trades(self) -> np.recarray[Any, Any]:
        """Return the round trips as a record array (`TRADES`): `r.trades.pnl`, `r.trades[0].entry_time`."""
        table = np.empty(len(self.records), TRADES)
        for name in TRADES.names or ():
            if name in (TRADE.names or ()) and name not in ("side", "exit_reason", "entry_kind"):
                table[name] = self.records[name].astype(TRADES[name])
        longs = self.records["side"] == LONG
        table["side"] = np.where(longs, "long", "short")
        for i, one in enumerate(self.markets):
            rows = self.records["market"] == i
            table["symbol"][rows] = one.candles.symbol
            table["entry_reason"][rows] = np.where(longs[rows], *one.reasons)
            table["mae"][rows], table["mfe"][rows] = excursions(one.bars, self._held(rows))
        table["exit_reason"] = np.array(EXIT_REASONS)[self.records["exit_reason"]]
        table["entry_kind"] = np.array(ENTRY_KINDS)[self.records["entry_kind"]]
        table["bars_held"] = self.records["exit_bar"] - self.records["entry_bar"]
        # Bars that are missing between its entry and its exit.
        spans = self.records["exit_time"] - self.records["entry_time"]
        table["hole_bars"] = spans // self.markets[0].bars.timeframe.ms - table["bars_held"]
        return table.view(np.recarray)

    @cached_property
    def report(self) -> Report:
        """Return the run in full: months and years, groups of trades, drawdowns, exposure, doubts."""
        from cryptai.analytics.report import report  # noqa: PLC0415 (its indicators wait until one asks)

        candles = {one.candles.symbol: one.candles for one in self.markets}
        return report(self.as_object(), self.ts, self.equity, candles)

    def _held(self, rows: NDArray[np.bool_]) -> NDArray[np.void]:
        """Return the records of these rows by the bars held: what fills at a close saw none of its bar."""
        found = self.records[rows]
        if self.terms.fill == FILLS[0]:
            return found
        found = found.copy()
        found["entry_bar"] += found["entry_kind"] == MARKET
        at_close = (found["exit_reason"] == SIGNAL) | (found["exit_reason"] == REDUCE)
        found["exit_reason"][at_close] = END
        return found

    @cached_property
    def run(self) -> str:
        """Return the run's identity, 16 hex digits: a digest of data, strategy, configuration and engine."""
        return self.run_with(self.params)

    def run_with(self, params: Mapping[str, Any]) -> str:
        """Return the identity of the same run with other parameters, all of them named."""
        text = _IDENTITY.encode(self._identity | {"params": params})
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def _identity(self) -> dict[str, Any]:
        return {
            "engine": ENGINE_VERSION,
            "data": self.data_digest,
            "source": self.source_digest,
            "capital": self.capital,
            "bars": [len(self.ts), int(self.ts[0]), int(self.ts[-1])],
            **self._configuration(),
        }

    def _configuration(self) -> dict[str, Any]:
        many = {"symbols": list(self.symbols)} if len(self.markets) > 1 else {}
        return {
            "strategy": self.strategy,
            "params": self.params,
            "exchange": self.exchange,
            "symbol": self.symbol,
            **many,
            "timeframe": self.timeframe,
            "costs": _plain(self.costs.told()),
            "rules": _plain(self.rules.told()),
            **self.terms.told(),
        }

    def as_object(self) -> dict[str, Any]:
        """Return the one object that `backtest --json` prints and the API answers.

        Times are bar opens in ISO UTC, fractions are fractions, what is undefined is None. `source_digest` is
        that of a user's own strategy: of its file, or of its code; None for a built-in. A trade's `bars_held`
        is how many bars lie between its entry's and its exit's: 0 within one bar. Of several markets, and
        where funding, filters or finer candles were asked for, `markets` tells what was known of each;
        `held_through_holes` counts the trades that missed bars while they were held, and `undecided` is the
        interval of the result over what bars do not tell (`cryptai.trading.undecided`).
        """
        table = self.trades
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
            "held_through_holes": int(np.count_nonzero(table["hole_bars"])),
            "undecided": self.undecided.as_object(self.capital),
            "refused": self.refused,
            "trades": [self._trade(row) for row in table],
        }
        known = [one.told() for one in self.markets]
        if len(known) > 1 or any(one["knows"] for one in known):
            found["markets"] = known
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
            **({"symbol": str(row.symbol)} if len(self.markets) > 1 else {}),
            # What happens to few trades is told of those alone.
            **({"entry_kind": str(row.entry_kind)} if row.entry_kind != ENTRY_KINDS[MARKET] else {}),
            **({"funding": float(row.funding)} if row.funding else {}),
            **({"hole_bars": int(row.hole_bars)} if row.hole_bars else {}),
            **({"undecided": True} if row.undecided else {}),
        }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with what is not finite as None: JSON knows neither NaN nor infinity."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
