"""Issue 5, C4: a session that is shown one time of the clock after the other does what the backtest did.

Random strategies over one to four markets, with holes, all kinds of orders, filters, funding and finer bars
(the worlds of `tests/trading/random_scripts.py`): fills, trades, equity, refusals and the state at the end
must be the same bytes. At random moments the session is thrown away and a new one is fed its bars again.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np
from tests.trading.asked import ask
from tests.trading.random_scripts import world

from cryptai.ledger.book import ENTRY_KINDS, EXIT_REASONS
from cryptai.trading import session as sessions
from cryptai.trading.markets import simulate_markets
from cryptai.trading.session import Said, Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptai.trading.markets import Market, Simulation

STRATEGIES: Final = {"test": 60, "quick": 500, "long": 5_000}
_SHOWN: Final = 5


def parity(seed: int, count: int) -> dict[str, Any]:
    """Run so many strategies by both; return how many differ, and what was reached."""
    differ: list[str] = []
    reached: Counter[str] = Counter()
    fills = restarts = 0
    for number in range(count):
        at = (seed - 1) * 1_000_000 + number
        markets, setup = world(at)
        shown: list[Any] = []

        def both(given: Sequence[Market], at: int = at, shown: list[Any] = shown, **options: Any) -> Any:
            options |= {"close_at_end": False, "policy": 0}
            found = simulate_markets(given, fills=True, **options)
            shown.extend((found, _shown(given, at, options, found)))
            return found

        ask(markets, setup, simulate=both)
        found, (difference, began) = shown
        if difference:
            differ.append(f"strategy {at}: {difference}")
        fills += len(found.fills)
        restarts += began
        reached.update(EXIT_REASONS[i] for i in found.trades["exit_reason"])
        reached.update(ENTRY_KINDS[i] for i in found.trades["entry_kind"])
        reached.update(found.refused)
    short = differ[:_SHOWN]
    # What no strategy came to is not proved; at the end nothing is closed here.
    missing = [name for name in (*EXIT_REASONS, *ENTRY_KINDS) if not reached[name] and name != "end"]
    short += [f"no strategy came to {name!r}" for name in missing]
    return {
        "seed": seed, "strategies": count, "differ": len(differ), "fills": fills, "restarts": restarts,
        "reached": dict(sorted(reached.items())), "fell_short": short,
    }  # fmt: skip


def _shown(
    markets: Sequence[Market], seed: int, options: Mapping[str, Any], expected: Simulation
) -> tuple[str, int]:
    # Show a session the same, one time after the other; say what differs, and how often it began again.
    rng = np.random.default_rng([4, seed])
    kept = {name: value for name, value in options.items() if name not in ("close_at_end", "policy")}
    steps = list(_steps(markets, expected.clock.tolist()))
    fills, trades, equity, refused = [], [], [], Counter[str]()
    session, restarts = _session(markets, kept), 0
    for k, step in enumerate(steps):
        if rng.random() < 0.02:
            session, restarts = _session(markets, kept), restarts + 1
            for before in steps[:k]:
                session.on_bars(*before[0], **before[1])
        found = session.on_bars(*step[0], **step[1])
        fills.append(found.fills.tobytes())
        trades.append(found.trades.tobytes())
        equity.append(found.equity)
        refused.update(found.refused)
    sides = {
        "fills": (b"".join(fills), expected.fills.tobytes()),
        "trades": (b"".join(trades), expected.trades.tobytes()),
        "equity": (np.array(equity).tobytes(), expected.equity.tobytes()),
        "refusals": (dict(refused), expected.refused),
        "account": (_state(session.account), _state(expected.account)),
        "positions": (_state(session.markets), _state(expected.markets)),
    }
    return next((name for name, (got, want) in sides.items() if got != want), ""), restarts


def _state(records: np.ndarray) -> bytes:
    # How much was written, and where in its columns a market stands, is not the state of either.
    apart = ("trades", "fills", "row", "funded")
    held = records.copy()
    if "quantity" in (held.dtype.names or ()):
        # What a market without a position and an order still has of its last ones says nothing.
        idle = (held["quantity"] == 0.0) & (held["side"] == 0)
        for name in held.dtype.names or ():
            if name not in ("cool_until", "lost"):
                held[name][idle] = 0
    for name in apart:
        if name in (held.dtype.names or ()):
            held[name] = 0
    return held.tobytes()


def _session(markets: Sequence[Market], options: Mapping[str, Any]) -> Session:
    names = [one.candles.symbol for one in markets]
    return Session(
        names,
        groups={name: one.group for name, one in zip(names, markets, strict=True)},
        filters={
            name: one.filters for name, one in zip(names, markets, strict=True) if one.filters is not None
        },
        **options,
    )


def _steps(markets: Sequence[Market], clock: Sequence[int]) -> Any:
    # What the session is shown: the arguments of `on_bars`, time by time.
    at = [0] * len(markets)
    for now in clock:
        bars, rows, funding, finer = {}, {}, {}, {}
        for i, one in enumerate(markets):
            bar, row = one.candles, at[i]
            if row == len(bar) or bar.ts[row] != now:
                continue
            name = bar.symbol
            values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            bars[name] = (int(now), *(float(column[row]) for column in values))
            rows[name] = _said(one, row)
            before = int(bar.ts[row - 1]) if row else -(1 << 62)
            if one.funding is not None:
                funding[name] = [
                    (int(t), float(rate)) for t, rate in zip(*one.funding, strict=True) if before < t <= now
                ]
            if one.finer is not None:
                inside = range(int(one.finer.offsets[row]), int(one.finer.offsets[row + 1]))
                path = (one.finer.open, one.finer.high, one.finer.low, one.finer.close)
                finer[name] = [(int(now), *(float(column[j]) for column in path), 0.0) for j in inside]
            at[i] += 1
        yield (bars, rows), {"funding": funding, "finer": finer}


def _said(market: Market, row: int) -> Said:
    signals = market.signals
    columns = {name: getattr(signals, name) for name in Said._fields[2:-1]} | {
        "volatility": market.volatility
    }
    said = {name: float(column[row]) for name, column in columns.items() if column is not None}
    return Said(int(signals.entry[row]), int(signals.exits[row]), **said)


def row_before_forgotten() -> list[Any]:
    """Let a session keep only the bar that it was just shown."""
    return [patch.object(sessions, "_ROWS", 1)]


def bars_not_counted() -> list[Any]:
    """Let a session number its bars by the few that it keeps."""
    point = Session._row  # noqa: SLF001 (this is where a slip would be)

    def wrong(self: Session, i: int, present: bool) -> None:
        point(self, i, present)
        self._columns["base"][i] = 0

    return [patch.object(Session, "_row", wrong)]


def decided_a_bar_late() -> list[Any]:
    """Let a session read with each bar the row of the bar before."""
    push = sessions._Window.push  # noqa: SLF001

    def wrong(self: Any, bar: Any, said: Said) -> None:
        late, self.late = getattr(self, "late", Said()), said
        push(self, bar, late)

    return [patch.object(sessions._Window, "push", wrong)]  # noqa: SLF001


def restart_loses_orders() -> list[Any]:
    """Let a session lose the orders that wait, as one would that keeps positions only."""
    show = Session.on_bars

    def wrong(self: Session, *args: Any, **options: Any) -> Any:
        self._work.markets["side"] = 0
        return show(self, *args, **options)

    return [patch.object(Session, "on_bars", wrong)]


def finer_bars_ignored() -> list[Any]:
    """Let a session match against its bars alone."""
    return [patch.object(Session, "_inside", staticmethod(lambda *_args: []))]


def funding_forgotten() -> list[Any]:
    """Let a session pay no funding."""
    show = Session.on_bars

    def wrong(self: Session, *args: Any, **options: Any) -> Any:
        return show(self, *args, **options | {"funding": None})

    return [patch.object(Session, "on_bars", wrong)]
