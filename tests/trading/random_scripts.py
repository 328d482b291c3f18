"""Random worlds for the whole execution: markets, rows of orders, rules and costs, all from one seed.

Each world draws which features it uses, so that most of them meet in some world and none drowns the others.
Some prices lie on a grid, and so do the levels of their rows: exact ties are common there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .reference_book import Bar, Costs, Filter, Market, Outcome, Path, Row, Rules, Setup, Trade

HOUR = 3_600_000
START = 1_600_000_000_000 // HOUR * HOUR
EXACT = ("market", "side", "entry_bar", "exit_bar", "entry_time", "exit_time", "exit_reason", "entry_kind")


class Draw:
    """Chances from one generator."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([2026, 5, seed])

    def often(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def one(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def maybe(self, chance: float, low: float, high: float) -> float | None:
        return self.between(low, high) if self.often(chance) else None

    def perhaps(self, chance: float, low: int, high: int) -> int | None:
        return self.whole(low, high) if self.often(chance) else None


def world(seed: int) -> tuple[list[Market], Setup]:
    """Return the markets and the setup of a seed."""
    draw = Draw(seed)
    long = draw.often(0.05)  # enough trades for a Kelly fraction
    setup = _setup(draw, long=long)
    count = draw.one(1, 1, 2, 3, 4, 7)
    clock = draw.whole(300, 400) if long else draw.whole(12, 110)
    return [_market(draw, clock, long=long) for _ in range(count)], setup


# --- rules and costs


def _setup(draw: Draw, *, long: bool) -> Setup:
    leverage = draw.one(1.0, 1.0, 1.0, 2.0, 5.0, draw.between(1, 20))
    stake = draw.maybe(0.1, 10, 3000)
    guard = draw.often(0.15)
    rules = Rules(
        stop=draw.maybe(0.6, 0.005, 0.12),
        target=draw.maybe(0.5, 0.005, 0.2),
        size=draw.one(1.0, 0.5, 0.25, draw.between(0.05, 1)),
        risk=draw.maybe(0.2, 0.002, 0.05),
        stake=stake,
        volatility_target=None if stake else draw.maybe(0.1, 0.05, 0.8),
        kelly=draw.between(0.1, 1) if long and not stake else None,
        trailing=draw.maybe(0.25, 0.003, 0.08),
        trailing_from=draw.one(0.0, 0.0, draw.between(0, 0.05)),
        max_bars=draw.perhaps(0.2, 1, 12),
        time_in_force=draw.perhaps(0.4, 0, 5),
        max_entries=draw.one(1, 1, 2, 3),
        max_open=draw.perhaps(0.2, 1, 2),
        max_exposure=draw.maybe(0.15, 0.2, 3),
        max_position_size=draw.maybe(0.15, 0.05, 1.5),
        max_risk_per_trade=draw.maybe(0.15, 0.001, 0.05),
        max_per_group=draw.perhaps(0.15, 1, 2),
        daily_loss=draw.maybe(0.15, 0.005, 0.1),
        drawdown_halt=draw.maybe(0.1, 0.03, 0.4),
        cooldown=draw.perhaps(0.15, 1, 8),
        stop_guard=draw.whole(1, 4) if guard else None,
        stop_guard_bars=draw.whole(1, 24) if guard else None,
        stop_guard_pause=draw.whole(1, 12) if guard else None,
        leverage=leverage,
        maintenance=draw.maybe(0.4, 0.001, 0.8 / leverage),
    )
    costs = Costs(
        fee=draw.one(0.0, 0.001, draw.between(0, 0.01)),
        slippage=draw.one(0.0, 0.0005, draw.between(0, 0.01)),
        maker=draw.maybe(0.3, 0, 0.005),
        spread=draw.maybe(0.2, 0, 0.01),
        slippage_volatility=draw.maybe(0.2, 0, 0.5),
        impact=draw.maybe(0.2, 0, 0.3),
        max_volume_share=draw.maybe(0.15, 0.01, 0.5),
        borrow=draw.maybe(0.2, 0, 2),
    )
    steps: tuple[tuple[int, float], ...] = ()
    if draw.often(0.2):
        bars = sorted({draw.whole(0, 15) for _ in range(draw.whole(1, 4))})
        steps = tuple((at, draw.between(0, 0.1)) for at in bars)
    return Setup(
        capital=draw.one(100.0, 1_000.0, 10_000.0, 1e6),
        rules=rules,
        costs=costs,
        target_steps=steps,
        fill=draw.one("open", "open", "open", "close"),
        policy=draw.one(0, 0, 1),
        min_reward_risk=draw.one(0.0, 1.0, 1.5),
        close_at_end=draw.often(0.8),
    )


# --- a market


def _market(draw: Draw, clock: int, *, long: bool) -> Market:
    grid = draw.one(None, None, 0.5)
    bars = _bars(draw, clock, grid)
    finer = draw.often(0.25)
    if finer:
        bars = [replace(bar, finer=_finer(draw, bar, grid)) if draw.often(0.8) else bar for bar in bars]
    rows = _weights(draw, bars) if draw.often(0.12) else _rows(draw, bars, grid, long=long)
    funding: list[tuple[int, float]] = []
    if draw.often(0.25):
        at = bars[0].ts + draw.whole(-2, 3) * HOUR // 2
        while at <= bars[-1].ts + HOUR:
            funding.append((at, draw.between(-0.003, 0.003)))
            at += draw.whole(1, 8) * HOUR // 2
    filters = [_filter(draw, bars[0].ts + draw.whole(-1, clock) * HOUR) for _ in range(draw.one(0, 0, 1, 3))]
    return Market(
        tuple(bars), tuple(rows), draw.whole(0, 1), tuple(funding),
        tuple(sorted({one.from_ms: one for one in filters}.values(), key=lambda one: one.from_ms)),
    )  # fmt: skip


def _filter(draw: Draw, from_ms: int) -> Filter:
    return Filter(
        from_ms,
        tick=draw.one(0.0, 0.01, 0.1, 0.5),
        step=draw.one(0.0, 0.001, 0.1, 1.0),
        min_quantity=draw.one(0.0, 0.01, 1.0),
        min_notional=draw.one(0.0, 10.0, 100.0),
    )


def _bars(draw: Draw, clock: int, grid: float | None) -> list[Bar]:
    first = draw.whole(0, clock // 3) if draw.often(0.3) else 0
    last = clock - (draw.whole(0, clock // 3) if draw.often(0.3) else 0)
    moves, holes = draw.one(0.003, 0.01, 0.03), draw.one(0.0, 0.03, 0.15)
    close, bars = 100.0, list[Bar]()
    for hour in range(first, max(last, first + 3)):
        open_ = close * float(np.exp(draw.rng.normal(0, 0.05))) if draw.often(0.06) else close
        close = open_ * float(np.exp(draw.rng.standard_t(3) * moves))
        high = max(open_, close) * float(np.exp(abs(draw.rng.normal(0, moves))))
        low = min(open_, close) * float(np.exp(-abs(draw.rng.normal(0, moves))))
        if draw.often(0.03):
            open_ = high = low = close
        prices = [open_, high, low, close]
        if grid:
            prices = [max(grid, round(price / grid) * grid) for price in prices]
        close = prices[3]
        volume = 0.0 if draw.often(0.03) else draw.between(1, 2000)
        if not draw.often(holes):
            bars.append(Bar(prices[0], prices[1], prices[2], prices[3], START + hour * HOUR, volume))
    return bars or [Bar(100.0, 100.0, 100.0, 100.0, START + first * HOUR, 1.0)]


def _finer(draw: Draw, bar: Bar, grid: float | None) -> tuple[Path, ...]:
    # A path that opens, closes and reaches where the bar does, with jumps between its pieces.
    count = draw.whole(2, 5)
    places = draw.rng.uniform(bar.low, bar.high, 4 * count)
    if grid:
        places = np.clip(np.round(places / grid) * grid, bar.low, bar.high)
    paths = [sorted(map(float, places[4 * i : 4 * i + 4])) for i in range(count)]
    shaped = [
        [four[1], four[3], four[0], four[2]] if draw.often(0.5) else [four[2], four[3], four[0], four[1]]
        for four in paths
    ]
    shaped[0][0], shaped[-1][3] = bar.open, bar.close
    shaped[draw.whole(0, count - 1)][1] = bar.high
    shaped[draw.whole(0, count - 1)][2] = bar.low
    return tuple(
        Path(open_, max(open_, high, low, close), min(open_, high, low, close), close)
        for open_, high, low, close in shaped
    )


# --- what is said


def _weights(draw: Draw, bars: list[Bar]) -> list[Row]:
    chance = draw.one(0.1, 0.5, 1.0)
    shorts = draw.often(0.5)
    return [
        Row(
            weight=draw.one(0.0, draw.between(-0.8 if shorts else 0.0, 1.0)) if draw.often(chance) else None,
            stop=None, score=draw.maybe(0.3, -1, 1),
        )
        for _ in bars
    ]  # fmt: skip


def _rows(draw: Draw, bars: list[Bar], grid: float | None, *, long: bool) -> list[Row]:
    entries = draw.one(0.3, 0.5) if long else draw.one(0.08, 0.25, 0.5)
    exits = draw.one(0.3, 0.5) if long else draw.one(0.03, 0.1, 0.3)
    kinds = draw.one(("market",), ("market", "limit"), ("market", "limit", "trigger", "stop_limit"))
    brackets, sizes, scores, parts, trails = (draw.often(0.3) for _ in range(5))
    weighs = draw.often(0.1)  # some rows say a weight: their entries are not read
    shorts, again = draw.often(0.6), draw.often(0.3)
    rows: list[Row] = []
    for number, bar in enumerate(bars):
        side = draw.one(1, -1) if shorts else 1
        entry = side if draw.often(entries) else 0
        said: dict[str, Any] = {}
        if entry:
            said = _levels(draw, bar.close, side, draw.one(*kinds), grid)
            if brackets and draw.often(0.7):
                said |= _bracket(draw, said, bar.close, side, grid)
        if again and number and rows[-1].entry and draw.often(0.4):
            entry, said = rows[-1].entry, {k: getattr(rows[-1], k) for k in ("limit", "trigger", "stop")}
        rows.append(
            Row(
                entry,
                draw.one(1, 2, 3) if draw.often(exits) else 0,
                size=draw.maybe(0.5, 0.05, 1) if sizes else None,
                score=draw.one(None, 1.0, draw.between(-1, 1)) if scores else None,
                reduce=draw.one(0.0, 1.0, draw.between(0, 1)) if parts and draw.often(0.2) else None,
                trail=bar.close * draw.between(0.001, 0.05) if trails and draw.often(0.6) else None,
                volatility=draw.maybe(0.9, 0.05, 2),
                weight=draw.one(0.0, draw.between(-0.8, 1)) if weighs and draw.often(0.2) else None,
                **said,
            )
        )
    return rows


def _levels(draw: Draw, close: float, side: int, kind: str, grid: float | None) -> dict[str, Any]:
    away = side * abs(draw.rng.normal(0, 0.015)) * draw.one(1, 1, 1, -0.3)
    said: dict[str, Any] = {}
    if kind == "limit":
        said["limit"] = close * (1 - away)
    if kind in {"trigger", "stop_limit"}:
        said["trigger"] = close * (1 + away)
    if kind == "stop_limit":
        said["limit"] = said["trigger"] * (1 + side * draw.one(0.0, 0.003, 0.01, -0.005))
    return {name: _on(value, grid) for name, value in said.items()}


def _bracket(draw: Draw, said: dict[str, Any], close: float, side: int, grid: float | None) -> dict[str, Any]:
    at = said.get("limit") or said.get("trigger") or close
    found: dict[str, Any] = {}
    if draw.often(0.8):
        found["stop"] = _on(at * (1 - side * draw.between(0.002, 0.06)), grid)
    if draw.often(0.6):
        found["target"] = _on(at * (1 + side * draw.between(0.002, 0.1)), grid)
    return found


def _on(value: float, grid: float | None) -> float:
    return max(grid, round(value / grid) * grid) if grid else float(value)


# --- what differs


def first_difference(got: Outcome, want: Outcome, capital: float) -> str | None:
    """Return the first thing in which two outcomes differ by more than 1e-9, in words."""
    for number, (a, b) in enumerate(zip(got.trades, want.trades, strict=False)):
        if found := _trade_difference(a, b, capital):
            return f"trade {number}: {found}"
    if len(got.trades) != len(want.trades):
        return f"{len(got.trades)} trades, expected {len(want.trades)}"
    refused = [{k: v for k, v in one.refused.items() if v} for one in (got, want)]
    # With nothing left in the account the last bits decide which reason comes first.
    lost_all = min(map(abs, want.equity)) <= 1e-9 * capital
    if refused[0] != refused[1] and not lost_all:
        return f"refused {refused[0]}, expected {refused[1]}"
    if got.clock != want.clock:
        return "clock"
    scale = max([capital, *map(abs, want.equity)])
    for step, (left, right) in enumerate(zip(got.equity, want.equity, strict=True)):
        if not abs(left - right) <= 1e-9 * scale:
            return f"equity at step {step}: {left!r}, expected {right!r}"
    return None


def _trade_difference(got: Trade, want: Trade, capital: float) -> str | None:
    for name in (*EXACT, "undecided"):
        if getattr(got, name) != getattr(want, name):
            return f"{name} {getattr(got, name)}, expected {getattr(want, name)}"
    # Free cash is what is left of the capital: it has the capital's last digits, not its own.
    price = max(want.entry_price, want.exit_price)
    worth = want.quantity * price + capital / 1e3
    for name, scale in (
        ("entry_price", want.entry_price), ("exit_price", want.exit_price), ("quantity", worth / price),
        ("fees", worth), ("funding", worth), ("pnl", worth),
    ):  # fmt: skip
        if not abs(getattr(got, name) - getattr(want, name)) <= 1e-9 * scale:
            return f"{name} {getattr(got, name)!r}, expected {getattr(want, name)!r}"
    return None
