"""Bugs planted on purpose: a bed that passes with one of them in force proves nothing."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np

from cryptai import seams
from cryptai.errors import InputError
from cryptai.market import feed, following, reconcile, sync
from cryptai.market.budget import Budget
from cryptai.market.candles import Candles
from cryptai.market.following import Following
from cryptai.market.inbox import Inbox
from cryptai.market.reconcile import Reconciler
from cryptai.market.source import Bar, Price
from cryptai.market.sources import _binance_messages, binance
from cryptai.market.sources.binance import Binance
from cryptai.market.store import CandleStore
from testbeds.calibration import purged_by_entry, trials_not_counted
from testbeds.cards import expired_forgotten, later_seen, overlapping_counted
from testbeds.careless import CARELESS
from testbeds.causality import a_feature_peeks
from testbeds.days import coarser_bar_peeked, too_few_bars
from testbeds.execution import better_reading
from testbeds.null_market import labels_traded
from testbeds.parity import (
    bars_not_counted,
    decided_a_bar_late,
    finer_bars_ignored,
    funding_forgotten,
    restart_loses_orders,
    row_before_forgotten,
)
from testbeds.reproducible import local_times, set_of_markets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def _forming_is_closed() -> list[Any]:
    put = Inbox.put

    def wrong(self: Inbox, event: Any) -> None:
        put(self, replace(event, closed=True) if isinstance(event, Bar) else event)

    return [patch.object(Inbox, "put", wrong)]


async def _nothing(*_args: Any, **_options: Any) -> None: ...


def _revisions_ignored() -> list[Any]:
    return [patch.object(Reconciler, "compare", _nothing)]


def _no_back_fill() -> list[Any]:
    fill = sync.fill
    filled: set[bool] = set()

    async def once(*args: Any, **options: Any) -> Any:
        # After the first connection nothing that was missed is asked for.
        if filled:
            return sync.Filled()
        filled.add(True)
        return await fill(*args, **options)

    async def none_missing(*_args: Any) -> list[Any]:
        return []

    return [
        patch.object(feed, "fill", once), patch.object(Following, "_missing_before", none_missing),
        *_revisions_ignored(),
    ]  # fmt: skip


def _retry_after_ignored() -> list[Any]:
    return [patch.object(Budget, "refused", lambda *_args: 0.0)]


def _own_clock_trusted() -> list[Any]:
    def page_as_it_came(candles: Candles, *_bounds: int | None) -> Candles:
        return candles

    return [
        patch.object(Binance, "now_ms", lambda _self: seams.now_ms()),
        patch.object(binance, "_answered_at", lambda *_args: seams.now_ms()),
        patch.object(Candles, "between", page_as_it_came),
    ]


def _gaps_filled_flat() -> list[Any]:
    keep = sync.keep

    async def inventing(store: CandleStore, exchange: str, *candles: Candles, **options: Any) -> Any:
        return await keep(store, exchange, *(_flat(one) for one in candles), **options)

    return [patch.object(module, "keep", inventing) for module in (sync, following, reconcile)]


def _flat(candles: Candles) -> Candles:
    if len(candles) < 2:
        return candles
    every = np.arange(candles.ts[0], candles.ts[-1] + 1, candles.timeframe.ms)
    at = np.searchsorted(candles.ts, every, "right") - 1
    real = candles.ts[at] == every
    close = candles.close[at]
    opens, high, low = (np.where(real, getattr(candles, name)[at], close) for name in ("open", "high", "low"))
    volume = np.where(real, candles.volume[at], 0.0)
    return Candles(every, opens, high, low, close, volume, candles.symbol, candles.timeframe)


def _closes_conflated() -> list[Any]:
    put = Inbox.put

    def wrong(self: Inbox, event: Any) -> None:
        if isinstance(event, Bar) and event.closed:
            waiting = self._batch.closes
            waiting[:] = [one for one in waiting if one.symbol != event.symbol]
        put(self, event)

    return [patch.object(Inbox, "put", wrong)]


def _closes_dropped() -> list[Any]:
    put = Inbox.put

    def bounded(self: Inbox, event: Any) -> None:
        if not (isinstance(event, Bar) and event.closed and self._batch.closes):
            put(self, event)

    return [patch.object(Inbox, "put", bounded)]


def _prices_queued() -> list[Any]:
    put = Inbox.put

    def unbounded(self: Inbox, event: Any) -> None:
        if not isinstance(event, Price):
            put(self, event)
            return
        waiting: dict[Any, Price] = self._batch.prices
        waiting[event.symbol, event.price] = event
        self._arrived.set()

    return [patch.object(Inbox, "put", unbounded)]


def _oldest_price_kept() -> list[Any]:
    put = Inbox.put

    def stubborn(self: Inbox, event: Any) -> None:
        if not (isinstance(event, Price) and event.symbol in self._batch.prices):
            put(self, event)

    return [patch.object(Inbox, "put", stubborn)]


def _silence_unnoticed() -> list[Any]:
    begin = Following.__init__

    def patient(self: Following, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        self._silence_s = 1e9

    return [patch.object(Following, "__init__", patient)]


def _acknowledged_early() -> list[Any]:
    keep, writing = sync.keep, set()

    async def later(*args: Any, **options: Any) -> None:
        async def write() -> None:
            # Longer than the killer takes on a busy machine, or the bug would have time to make good.
            await asyncio.sleep(5)
            await keep(*args, **options)

        task = asyncio.create_task(write())
        writing.add(task)
        task.add_done_callback(writing.discard)

    return [patch.object(sync, "keep", later)]


def _budget_each() -> list[Any]:
    path = Budget._path  # noqa: SLF001 (what is patched)
    return [patch.object(Budget, "_path", lambda self: path(self).with_name(f"budget-{os.getpid()}.sqlite3"))]


def _newest_dropped() -> list[Any]:
    begin = CandleStore.__init__

    def careful(self: CandleStore, folder: Path, *args: Any, **options: Any) -> None:
        # As if a log that an earlier process left could not be trusted.
        for path in folder.glob("catalog.sqlite3-*"):
            path.unlink(missing_ok=True)
        begin(self, folder, *args, **options)

    return [patch.object(CandleStore, "__init__", careful)]


def _delisting_raises() -> list[Any]:
    history = Binance.history

    async def raising(self: Binance, *args: Any, **options: Any) -> Candles:
        try:
            return await history(self, *args, **options)
        except InputError as error:
            raise KeyError(str(error)) from error

    return [patch.object(Binance, "history", raising)]


def _dead_cost_nothing() -> list[Any]:
    def zero(data: dict[str, Any], symbol: str) -> Price:
        return Price(symbol, float(data["c"]), data["E"], None)

    return [patch.object(_binance_messages, "_mini_ticker", zero)]


def _practice_at_once() -> list[Any]:
    async def once(source: Any, *_args: Any) -> None:
        await source.ping()

    return [patch.object(feed, "reach", once)]


BUGS: Final[dict[str, Callable[[], list[Any]]]] = {
    "forming_is_closed": _forming_is_closed,
    "revisions_ignored": _revisions_ignored,
    "no_back_fill": _no_back_fill,
    "retry_after_ignored": _retry_after_ignored,
    "own_clock_trusted": _own_clock_trusted,
    "gaps_filled_flat": _gaps_filled_flat,
    "closes_conflated": _closes_conflated,
    "closes_dropped": _closes_dropped,
    "prices_queued": _prices_queued,
    "oldest_price_kept": _oldest_price_kept,
    "silence_unnoticed": _silence_unnoticed,
    "practice_at_once": _practice_at_once,
    "delisting_raises": _delisting_raises,
    "dead_cost_nothing": _dead_cost_nothing,
    "acknowledged_early": _acknowledged_early,
    "budget_each": _budget_each,
    "newest_dropped": _newest_dropped,
    **CARELESS,
    "a_feature_peeks": a_feature_peeks,
    "labels_traded": labels_traded,
    "local_times": local_times,
    "set_of_markets": set_of_markets,
    "trials_not_counted": trials_not_counted,
    "purged_by_entry": purged_by_entry,
    "too_few_bars": too_few_bars,
    "coarser_bar_peeked": coarser_bar_peeked,
    "overlapping_counted": overlapping_counted,
    "expired_forgotten": expired_forgotten,
    "later_seen": later_seen,
    "better_reading": better_reading,
    "row_before_forgotten": row_before_forgotten,
    "bars_not_counted": bars_not_counted,
    "decided_a_bar_late": decided_a_bar_late,
    "restart_loses_orders": restart_loses_orders,
    "finer_bars_ignored": finer_bars_ignored,
    "funding_forgotten": funding_forgotten,
}


@contextmanager
def bug(name: str) -> Iterator[None]:
    """Put a bug in force while the block runs; "none" is none."""
    with ExitStack() as stack:
        for one in BUGS[name]() if name != "none" else []:
            stack.enter_context(one)
        yield
