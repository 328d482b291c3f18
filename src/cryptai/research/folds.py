"""Folds: what a walk-forward found in each window, with its trades out of sample; stored and read back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.analytics.round_trips import of_rows, regimes_at_entry
from cryptai.errors import InputError
from cryptai.market.times import iso, parse_time
from cryptai.research.windows import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptai.market.candles import Candles
    from cryptai.parameters import Value
    from cryptai.trading.result import Result


@dataclass(frozen=True)
class OutOfSampleTrade:
    """One round trip out of sample.

    Attributes
    ----------
    entry_ms, exit_ms
        Opens of its bars, ms UTC.
    side
        `long` or `short`.
    r_multiple
        `pnl` over what the stop of the rules would have cost, without costs; None where there is no stop.
    pnl
        Net, in the quote currency.
    regime
        The regime by rules that was known at the entry; `unknown` before its warm-up.
    symbol
        Its market, where there are several.
    """

    entry_ms: int
    exit_ms: int
    side: str
    r_multiple: float | None
    pnl: float
    exit_reason: str
    regime: str
    symbol: str | None = None


@dataclass(frozen=True)
class Fold:
    """One window: the set that was best in training, and what it came to on both sides."""

    window: Window
    params: Mapping[str, Value]
    in_sample: Mapping[str, float | None]
    out_of_sample: Mapping[str, float | None]
    trades: tuple[OutOfSampleTrade, ...]


@dataclass(frozen=True)
class Folds:
    """The folds of a walk-forward, in time order; `from_object(folds.as_object())` is equal to it."""

    strategy: str
    exchange: str | None
    symbol: str
    timeframe: str
    folds: tuple[Fold, ...]

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it; times in ISO UTC."""
        return {
            "strategy": self.strategy, "exchange": self.exchange, "symbol": self.symbol,
            "timeframe": self.timeframe, "folds": [_told(one) for one in self.folds],
        }  # fmt: skip

    @classmethod
    def from_object(cls, told: Mapping[str, Any]) -> Folds:
        """Return the folds of `as_object`.

        Raises
        ------
        InputError
            For an object that is none.
        """
        try:
            folds = tuple(_read(one) for one in told["folds"])
            return cls(told["strategy"], told["exchange"], told["symbol"], told["timeframe"], folds)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"These are no stored folds: {type(error).__name__} {error}.") from error


def out_of_sample_trades(result: Result, markets: Sequence[Candles]) -> tuple[OutOfSampleTrade, ...]:
    """Return the trades of a fold's test; the markets' bars reach back far enough to know the regime."""
    rows = result.as_object()["trades"]
    trips = of_rows(rows, result.symbol)
    labels = regimes_at_entry(trips, {one.symbol: one for one in markets})
    risked = trips.cost * result.rules.stop
    return tuple(
        OutOfSampleTrade(
            entry_ms=int(trips.entry_ms[i]),
            exit_ms=int(trips.exit_ms[i]),
            side=row["side"],
            r_multiple=float(trips.pnl[i] / risked[i]) if np.isfinite(risked[i]) else None,
            pnl=float(trips.pnl[i]),
            exit_reason=row["exit_reason"],
            regime=labels[i],
            symbol=str(trips.symbol[i]) if len(markets) > 1 else None,
        )
        for i, row in enumerate(rows)
    )


def _told(one: Fold) -> dict[str, Any]:
    window = one.window
    return {
        "train": [iso(window.train_from), iso(window.train_to)],
        "test": [iso(window.test_from), iso(window.test_to)],
        "params": dict(one.params),
        "in_sample": dict(one.in_sample), "out_of_sample": dict(one.out_of_sample),
        "trades": [
            {"entry_time": iso(row.pop("entry_ms")), "exit_time": iso(row.pop("exit_ms")), **row}
            for row in map(_of_trade, one.trades)
        ],
    }  # fmt: skip


def _of_trade(one: OutOfSampleTrade) -> dict[str, Any]:
    row = asdict(one)
    if one.symbol is None:
        del row["symbol"]
    return row


def _read(told: Mapping[str, Any]) -> Fold:
    return Fold(
        Window(*(parse_time(text) for text in (*told["train"], *told["test"]))),
        dict(told["params"]),
        dict(told["in_sample"]),
        dict(told["out_of_sample"]),
        tuple(
            OutOfSampleTrade(
                parse_time(row["entry_time"]), parse_time(row["exit_time"]), row["side"],
                row["r_multiple"], row["pnl"], row["exit_reason"], row["regime"], row.get("symbol"),
            )
            for row in told["trades"]
        ),
    )  # fmt: skip
