"""A session: the rules of a backtest, one time of the clock at a time, by the same compiled functions.

It is the ground of paper trading. Its state is the records of `cryptai.ledger.state` and the last bars it was
shown; feeding a new session the same bars and rows gives the same bytes, so a restart is a replay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai.errors import InputError
from cryptai.ledger.book import FILL, TRADE
from cryptai.ledger.state import first_account, first_markets
from cryptai.portfolio.refusals import REFUSALS
from cryptai.portfolio.rules import MIN_REWARD_RISK, Rules
from cryptai.trading.costs import Costs
from cryptai.trading.markets import Work
from cryptai.trading.tables import COLUMNS, terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cryptai.market.source import Row
    from cryptai.trading.market import Filters

# Rows that a rule may look back to: the bar before, and the close before that for its true range.
_ROWS: Final = 3
# At one time a market may leave at the open, by its bracket, by the bracket of what entered inside the bar,
# and at the close; and enter as often.
_TRADES: Final = 4
_PRICES: Final = ("open", "high", "low", "close", "volume")


class Said(NamedTuple):
    """What a strategy's row says at the close of a bar: the columns of `Signals`, NaN where it says nothing.

    `volatility` is the yearly one known at that close, for `volatility_target`.
    """

    entry: int = 0
    exits: int = 0
    stop: float = math.nan
    target: float = math.nan
    limit: float = math.nan
    trigger: float = math.nan
    size: float = math.nan
    reduce: float = math.nan
    trail: float = math.nan
    weight: float = math.nan
    score: float = math.nan
    volatility: float = math.nan


_SAID: Final = Said._fields[2:]


class Happened(NamedTuple):
    """What one time of the clock brought.

    `fills` and `trades` are records (`FILL`, `TRADE`), in the order they were written; `refused` counts
    entries by reason.
    """

    fills: NDArray[np.void]
    trades: NDArray[np.void]
    equity: float
    refused: dict[str, int]


@dataclass(eq=False)
class _Window:
    # The last rows of one market, the newest last. Columns that are rows of one array move together.
    real: NDArray[np.float64]
    ts: NDArray[np.int64]
    codes: NDArray[np.int8]
    seen: int = 0

    def push(self, bar: Row, said: Said) -> None:
        for array in (self.real, self.codes):
            array[:, :-1] = array[:, 1:]
        self.ts[:-1] = self.ts[1:]
        self.ts[-1] = bar[0]
        self.real[:, -1] = (*bar[1:], *said[2:])
        self.codes[:, -1] = said[:2]
        self.seen += 1


class Session:
    """Markets on one clock with shared cash, advanced by their closed bars.

    Parameters
    ----------
    symbols
        The markets in the order in which they take turns.
    rules, costs, target_steps, fill, min_reward_risk
        As of `cryptai.trading.markets.simulate_markets`; a session always reads what bars do not tell the
        worse way, and does not close what is open: it does not know which bar is the last.
    groups, filters
        By symbol: which count together for `max_per_group` (else all), what the venue asks of orders.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        capital: float = 10_000.0,
        rules: Rules | None = None,
        costs: Costs | None = None,
        target_steps: Sequence[tuple[float, float]] = (),
        fill: str = "open",
        min_reward_risk: float = MIN_REWARD_RISK,
        groups: Mapping[str, int] | None = None,
        filters: Mapping[str, Filters] | None = None,
    ) -> None:
        count = len(symbols)
        self.symbols = tuple(symbols)
        self._place = {symbol: i for i, symbol in enumerate(symbols)}
        self._windows = [
            _Window(
                np.full((len(_PRICES) + len(_SAID), _ROWS), np.nan),
                np.zeros(_ROWS, np.int64),
                np.zeros((2, _ROWS), np.int8),
            )
            for _ in symbols
        ]
        self._work = Work(
            first_account(capital),
            first_markets(count),
            terms(rules or Rules(), costs or Costs(), min_reward_risk, fill, 0, close_at_end=False),
            np.array(target_steps, np.float64).ravel(),
            trades=np.empty(_TRADES * count, TRADE),
            fills=np.empty(2 * _TRADES * count, FILL),
        )
        self._columns = np.zeros(count, COLUMNS)
        self._filters = dict(filters or {})
        for symbol, i in self._place.items():
            self._columns["group"][i] = (groups or {}).get(symbol, 0)
            self._point(i)
        self._ts = -(1 << 62)

    @property
    def equity(self) -> float:
        """Return cash and positions at the last known closes."""
        return float(self._work.account["equity"][0])

    @property
    def account(self) -> NDArray[np.void]:
        """Return the account's state (`ACCOUNT`), a copy."""
        return self._work.account.copy()

    @property
    def markets(self) -> NDArray[np.void]:
        """Return each market's position, waiting order and last close (`MARKET_STATE`), a copy."""
        return self._work.markets.copy()

    def on_bars(
        self,
        bars: Mapping[str, Row],
        rows: Mapping[str, Said],
        *,
        funding: Mapping[str, Sequence[tuple[int, float]]] | None = None,
        finer: Mapping[str, Sequence[Row]] | None = None,
    ) -> Happened:
        """Advance by the bars that closed at one time, and the strategy's row for each.

        Parameters
        ----------
        bars
            By symbol (ts, open, high, low, close, volume), all of one `ts`, later than any before. A market
            without a bar is absent.
        rows
            By symbol; a missing one says nothing.
        funding
            By symbol the funding times (ms UTC) and rates since its bar before, ascending.
        finer
            By symbol the finer bars inside its bar, ascending.

        Raises
        ------
        InputError
            For an unknown symbol, no bars, bars of different times, or a time that is not later.
            Nothing has changed then.
        """
        now = self._checked(bars)
        kept: list[object] = []
        before = self._work.refused.copy()
        for symbol, i in self._place.items():
            window, column = self._windows[i], self._columns[i]
            bar = bars.get(symbol)
            if bar is not None:
                window.push(bar, rows.get(symbol, Said()))
            self._row(i, bar is not None)
            events = (funding or {}).get(symbol, ())
            column["fundings"] = len(events)
            times = np.array([at for at, _ in events], np.int64)
            rates = np.array([rate for _, rate in events], np.float64)
            column["funding_ts"], column["funding_rate"] = _address(times), _address(rates)
            kept += [times, rates, *self._inside(column, (finer or {}).get(symbol, ()))]
        account = self._work.account
        account["trades"] = account["fills"] = 0
        self._work.advance(self._columns, np.array([now], np.int64), np.empty(1), np.empty(0))
        self._ts = now
        counts = self._work.refused - before
        return Happened(
            self._work.fills[: int(account["fills"][0])].copy(),
            self._work.trades[: int(account["trades"][0])].copy(),
            self.equity,
            {name: int(count) for name, count in zip(REFUSALS, counts, strict=True) if count},
        )

    def _checked(self, bars: Mapping[str, Row]) -> int:
        unknown = sorted(set(bars) - set(self._place))
        if unknown:
            raise InputError(f"This session does not hold {unknown[0]}; it has {', '.join(self.symbols)}.")
        times = sorted({bar[0] for bar in bars.values()})
        if len(times) != 1:
            raise InputError(
                f"A session takes the bars of one time, was given {len(times)}; pass each alone."
            )
        if times[0] <= self._ts:
            raise InputError(f"The bar of {times[0]} is not later than the one before, {self._ts}.")
        return int(times[0])

    def _point(self, i: int) -> None:
        # The columns lie still: what moves is inside them.
        column, window = self._columns[i], self._windows[i]
        for name, row in zip((*_PRICES, *_SAID), window.real, strict=True):
            column[name] = _address(row)
        column["ts"] = _address(window.ts)
        column["entry"], column["exits"] = _address(window.codes[0]), _address(window.codes[1])
        filters = self._filters.get(self.symbols[i])
        if filters is not None:
            column["filters"], column["filter_ts"] = len(filters.ts), _address(filters.ts)
            for name in ("tick", "step", "min_quantity", "min_notional"):
                column[name] = _address(getattr(filters, name))

    def _row(self, i: int, present: bool) -> None:
        # Only rows that were filled may be looked back to, so a young market's columns begin later.
        column, window = self._columns[i], self._windows[i]
        rows = min(window.seen, _ROWS)
        if present and window.seen <= _ROWS:
            for name, row in zip((*_PRICES, *_SAID), window.real, strict=True):
                column[name] = _address(row[_ROWS - rows :])
            column["ts"] = _address(window.ts[_ROWS - rows :])
            column["entry"], column["exits"] = (_address(codes[_ROWS - rows :]) for codes in window.codes)
        column["rows"], column["base"] = rows, window.seen - rows
        column["first"] = rows - 1 if present else rows

    @staticmethod
    def _inside(column: np.void, bars: Sequence[Row]) -> list[object]:
        # The finer bars of the newest row; the rows before have none that are still asked for.
        if not bars:
            column["finer"] = 0
            return []
        columns = np.array([bar[1:5] for bar in bars], np.float64).T.copy()
        offsets = np.zeros(_ROWS + 1, np.int64)
        offsets[int(column["rows"]) :] = len(bars)
        column["finer"] = _address(offsets)
        for name, values in zip(("open", "high", "low", "close"), columns, strict=True):
            column["finer_" + name] = _address(values)
        return [offsets, columns]


def _address(array: NDArray[np.generic]) -> int:
    return int(array.__array_interface__["data"][0])
