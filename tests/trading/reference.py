"""The reference backtest: slow, obvious, and written from the rules alone.

Plain Python over lists; nothing of the engine is imported. Whatever the kernel does must agree with this. The
rules are those of docs/guide/execution.md, a function each, in the order of the page: here the moments of a
step, in `reference_account` what an entry and an exit do, in `reference_sizes` how much and what is refused.
"""

from __future__ import annotations

from .reference_account import Account, said
from .reference_book import DAY, YEAR, Market, Order, Outcome, Path, Position, Row, Setup, Spendable
from .reference_sizes import NEARLY, down, filter_at, level, up


def run(markets: list[Market], setup: Setup) -> Outcome:
    """Run all markets on the union of their bars' times with one cash."""
    one = _Run(markets, setup)
    place = [{bar.ts: i for i, bar in enumerate(market.bars)} for market in markets]
    one.out.clock = sorted({ts for places in place for ts in places})
    for step, ts in enumerate(one.out.clock):
        here = [m for m, places in enumerate(place) if ts in places]
        for m in here:
            one.bar[m] = place[m][ts]
        one.begin(step, ts)
        for m in here:
            one.pay(m)
        one.at_open(here)
        for m in here:
            one.inside(m)
        one.at_close(here)
    return one.out


class _Run(Account):
    def __init__(self, markets: list[Market], setup: Setup) -> None:
        super().__init__(markets, setup)
        self.day = -1
        self.peak = self.equity_before = self.yesterday = setup.capital

    def begin(self, step: int, ts: int) -> None:
        self.step = step
        if ts // DAY != self.day:
            self.day, self.day_lost, self.yesterday = ts // DAY, False, self.equity_before

    # --- 0. funding and borrow

    def pay(self, m: int) -> None:
        position = self.positions[m]
        if position is None:
            return
        bar, before = self.now(m), self.markets[m].bars[self.bar[m] - 1]
        due = sum(
            position.side * position.quantity * bar.open * rate
            for at, rate in self.markets[m].funding
            if before.ts < at <= bar.ts
        )
        if self.costs.borrow:
            if position.side < 0:
                borrowed = position.quantity * bar.open
            else:
                borrowed = position.quantity * position.price * (1 - 1 / self.rules.leverage)
            due += self.costs.borrow * borrowed * (bar.ts - before.ts) / YEAR
        self.cash -= due
        position.funding += due

    # --- 1. and 2. at the open

    def at_open(self, here: list[int]) -> None:
        rows = {}
        if self.setup.fill == "open":
            rows = {m: self.bar[m] - 1 for m in here if self.bar[m] > 0}
        before = self.equity()
        acted = set()
        for m in here:
            row = self.markets[m].rows[rows[m]] if m in rows else None
            if self.leave(m, row, self.now(m).open, before, timed=True):
                acted.add(m)
        self.spendable = Spendable(self.equity(), self.free(), before)
        orders = [order for m, t in rows.items() for order in self.orders_of(m, t, weighs=m not in acted)]
        for m in here:
            order = self.resting[m]
            if order is not None and self.beyond(order, self.now(m).open):
                orders.append(order)
        for order in by_score(orders):
            self.fill(order, self.now(order.market).paths()[0], self.now(order.market).open)

    def leave(self, m: int, row: Row | None, price: float, equity: float, *, timed: bool) -> bool:
        """Leave by signal, by time, in part, or down to a weight: only one of them, in this order.

        Say whether one of the first three acted: then the row's weight adds nothing either.
        """
        position, limit = self.positions[m], self.rules.max_bars
        if position is None:
            return False
        if row is not None and row.exits & (1 if position.side > 0 else 2):
            self.sell(m, price, "signal")
        elif timed and limit is not None and self.bar[m] >= position.bar + limit:
            self.sell(m, price, "time")
        elif row is not None and row.reduce is not None and row.reduce > 0:
            part = None if row.reduce >= 1 else row.reduce * position.quantity
            self.sell(m, price, "reduce", quantity=part)
        elif row is not None and row.weight is not None:
            target = equity * row.weight * position.side / price
            if target <= 0:
                self.sell(m, price, "reduce")
            elif target < position.quantity * (1 - NEARLY):
                self.sell(m, price, "reduce", quantity=position.quantity - target)
            return False
        else:
            return False
        return True

    def orders_of(self, m: int, t: int, *, weighs: bool) -> list[Order]:
        """Return what row t of a market asks for at once: a market entry, or a weight that adds."""
        row = self.markets[m].rows[t]
        if row.weight is not None:
            target = row.weight * self.spendable.at_last_close  # of an equity below zero the other side's
            return [Order(m, 1 if target > 0 else -1, "weight", row, t)] if target and weighs else []
        if self.is_new(m, t) and row.limit is None and row.trigger is None:
            return [Order(m, row.entry, "market", row, t)]
        return []

    def is_new(self, m: int, t: int) -> bool:
        rows = self.markets[m].rows
        if rows[t].entry == 0 or rows[t].weight is not None:
            return False
        return t == 0 or said(rows[t]) != said(rows[t - 1])

    @staticmethod
    def beyond(order: Order, open_: float) -> bool:
        """Say whether an open has passed the price that a resting order waits for."""
        if order.kind == "limit" or order.triggered:
            return (open_ - order.limit) * order.side <= 0
        return (open_ - order.trigger) * order.side >= 0

    def fill(self, order: Order, path: Path, price: float) -> None:
        """Fill an order at an open, or at the close where fills are there; all of them take."""
        if order.kind == "stop_limit" and not order.triggered:
            order.triggered = path
            if (price - order.limit) * order.side <= 0:
                self.enter(order, price, most=order.limit)
            return  # else it rests as a limit
        self.enter(order, price, slips=order.kind != "limit" and not order.triggered)

    # --- 3. inside the bar

    def inside(self, m: int) -> None:
        paths, stays = self.now(m).paths(), self.rules.time_in_force
        for number, path in enumerate(paths, 1):
            self.protect(m, path)
            order = self.resting[m]
            if order is not None and (stays is None or stays > 0):
                if number > 1 and self.beyond(order, path.open):
                    self.fill(order, path, path.open)
                    self.protect(m, path)
                if self.resting[m] is order:
                    self.rest(order, path)
            if number < len(paths):
                # The distance of this bar's row is known at its close only.
                self.trail(m, path, self.markets[m].rows[self.bar[m] - 1].trail if self.bar[m] > 0 else None)

    def protect(self, m: int, path: Path) -> None:
        """3a. Liquidation, the stop, the target."""
        position = self.positions[m]
        if position is None:
            return
        side, stop, target = position.side, position.stop, self.target(m, position)
        ruin = self.liquidation_price(position)
        # The price meets the nearer of the two first, unless it opens beyond both.
        ruined = ruin is not None and (
            stop is None or (stop - ruin) * side <= 0 or (path.open - ruin) * side <= 0
        )
        stop = ruin if ruined else stop
        stopped = stop is not None and (worst(path, side) - stop) * side <= 0
        reached = target is not None and (best(path, side) - target) * side >= 0
        # Beyond a level at the open already: that order fills there.
        if stop is not None and (path.open - stop) * side <= 0:
            self.end(m, path.open, None, ruined=ruined)
            return
        position.undecided |= stopped and reached
        if target is not None and (path.open - target) * side >= 0:
            target = path.open
        self.end(m, stop if stopped else None, target if reached else None, ruined=ruined)

    def end(self, m: int, stop: float | None, target: float | None, *, ruined: bool = False) -> None:
        """End a position at the level it touched; of two, the one that the policy puts first."""
        position = self.positions[m]
        assert position is not None
        if target is not None and (stop is None or self.setup.policy == 1):
            self.sell(m, target, "target", slips=False)
        elif stop is not None and ruined:
            self.liquidate(m)
        elif stop is not None:
            self.sell(m, stop, "trailing" if position.trailed else "stop")

    def liquidation_price(self, position: Position) -> float | None:
        rules, side = self.rules, position.side
        if rules.leverage == 1 and rules.maintenance is None:
            return None
        return position.price * (1 - side / rules.leverage) / (1 - side * (rules.maintenance or 0.0))

    def liquidate(self, m: int) -> None:
        """Close at the bankruptcy price: the margin is lost, no fee comes on top."""
        position = self.positions[m]
        assert position is not None
        bankrupt = position.price * (1 - position.side / self.rules.leverage)
        self.sell(m, bankrupt, "liquidation", slips=False, fee=0.0)

    def target(self, m: int, position: Position) -> float | None:
        """Return the target's price; with steps, that of the last step reached."""
        if position.own_target or not self.setup.target_steps:
            return position.target
        held = self.bar[m] - position.bar
        reached = [fraction for bars, fraction in self.setup.target_steps if bars <= held]
        if not reached:
            return None
        return level(
            position.price + position.side * (position.price * reached[-1]), position.side, self.tick(m)
        )

    def rest(self, order: Order, path: Path) -> None:
        """3b. A resting order that is touched, and 3c. the bracket of what it opened."""
        side = order.side
        touched = (worst(path, side) - order.limit) * side <= 0
        closed = (path.close - order.limit) * side <= 0
        if order.triggered is path:
            if closed:
                self.fill_resting(order, path)
        elif order.kind == "limit" or order.triggered:
            if touched:
                self.fill_resting(order, path)
        elif (best(path, side) - order.trigger) * side >= 0:
            price = path.open if (path.open - order.trigger) * side >= 0 else order.trigger
            if order.kind == "trigger":
                self.enter(order, price)
                self.after(order.market, path, "trigger")
                return
            order.triggered = path
            if (price - order.limit) * side <= 0:
                self.enter(order, price, most=order.limit)
                self.after(order.market, path, "trigger")
            elif closed:
                self.fill_resting(order, path)

    def fill_resting(self, order: Order, path: Path) -> None:
        self.enter(order, order.limit, slips=False, maker=True)
        self.after(order.market, path, "limit")

    def after(self, m: int, path: Path, kind: str) -> None:
        """3c. The bracket in the bar of an entry inside it."""
        position = self.positions[m]
        if position is None:
            return
        side, stop, target = position.side, position.stop, self.target(m, position)
        ruin = self.liquidation_price(position)
        ruined = ruin is not None and (stop is None or (stop - ruin) * side <= 0)
        stop = ruin if ruined else stop
        stopped = stop is not None and (worst(path, side) - stop) * side <= 0
        closed_below = stop is not None and (path.close - stop) * side <= 0
        reached = target is not None and (best(path, side) - target) * side >= 0
        closed_above = target is not None and (path.close - target) * side >= 0
        position.undecided |= stopped and reached
        if kind == "limit":  # the bar came down to it: what is lower is certain, what is higher is not
            position.undecided |= reached and not closed_above
            reached = reached if self.setup.policy == 1 else closed_above
        else:
            position.undecided |= stopped and not closed_below
            stopped = closed_below if self.setup.policy == 1 else stopped
        self.end(m, stop if stopped else None, target if reached else None, ruined=ruined)

    # --- 4. and 5. at the close

    def at_close(self, here: list[int]) -> None:
        for m in here:
            self.closed[m] = self.bar[m]
            self.trail(m, self.now(m).paths()[-1], self.markets[m].rows[self.bar[m]].trail)
        if self.setup.fill == "close":
            self.fill_at_close(here)
        for m in here:
            if self.is_last(m) and self.setup.close_at_end and self.positions[m] is not None:
                self.sell(m, self.now(m).close, "end")
        self.value()
        for m in here:
            self.decide(m)

    def trail(self, m: int, path: Path, distance: float | None) -> None:
        """4. The stop follows the best price, once the profit has been large enough."""
        position, rules = self.positions[m], self.rules
        if position is None:
            return
        side, reached = position.side, best(path, position.side)
        if distance is None and rules.trailing is None:
            return
        position.began |= (
            reached - (position.price + side * (position.price * rules.trailing_from))
        ) * side >= 0
        if not position.began:
            return
        if distance is not None:
            at = reached - side * distance
        else:
            at = reached - side * (reached * (rules.trailing or 0.0))
        at = level(at, side, self.tick(m))
        if position.stop is None or (at - position.stop) * side > 0:
            position.stop, position.trailed = at, True

    def fill_at_close(self, here: list[int]) -> None:
        before = self.equity()
        acted = set()
        for m in here:
            row = self.markets[m].rows[self.bar[m]]
            if self.leave(m, row, self.now(m).close, before, timed=False):
                acted.add(m)
        self.spendable = Spendable(self.equity(), self.free(), before)
        orders = [
            order
            for m in here
            if not (self.is_last(m) and self.setup.close_at_end)
            for order in self.orders_of(m, self.bar[m], weighs=m not in acted)
        ]
        for order in by_score(orders):
            self.fill(order, self.now(order.market), self.now(order.market).close)

    def value(self) -> None:
        """Value the account, then look at the protections."""
        equity, rules = self.equity(), self.rules
        self.out.equity.append(equity)
        self.equity_before = equity
        self.peak = max(self.peak, equity)
        if rules.drawdown_halt is not None and (self.peak - equity) / self.peak >= rules.drawdown_halt:
            self.halted = True
        if rules.daily_loss is not None and equity <= (1 - rules.daily_loss) * self.yesterday:
            self.day_lost = True
        if rules.stop_guard is None or rules.stop_guard_bars is None or rules.stop_guard_pause is None:
            return
        lately = [step for step in self.stopped if step > self.step - rules.stop_guard_bars]
        if self.step in lately and len(lately) >= rules.stop_guard:
            self.guarded_until = self.step + rules.stop_guard_pause

    def decide(self, m: int) -> None:
        """5. A new entry replaces the resting order, an exit of its side cancels it, and its time ends."""
        t, stays = self.bar[m], self.rules.time_in_force
        row, order = self.markets[m].rows[t], self.resting[m]
        if order is not None and (
            (row.exits & (1 if order.side > 0 else 2))
            or (stays is not None and t - order.bar >= max(stays, 1))
            or row.weight is not None
        ):
            self.resting[m] = None
        if not self.is_new(m, t):
            return
        self.resting[m] = None
        kinds = {(True, False): "limit", (False, True): "trigger", (True, True): "stop_limit"}
        kind = kinds.get((row.limit is not None, row.trigger is not None))
        if kind is not None:
            self.resting[m] = self.on_tick(Order(m, row.entry, kind, row, t))

    def on_tick(self, order: Order) -> Order:
        """Round the limit of a buy down and its trigger up; of a sale the other way."""
        row = filter_at(self.markets[order.market], self.now(order.market).ts)
        tick, less, more = row.tick if row else 0.0, down, up
        if order.side < 0:
            less, more = more, less
        if order.row.limit is not None:
            order.limit = less(order.row.limit, tick)
        if order.row.trigger is not None:
            order.trigger = more(order.row.trigger, tick)
        return order


def worst(path: Path, side: int) -> float:
    return path.low if side > 0 else path.high


def best(path: Path, side: int) -> float:
    return path.high if side > 0 else path.low


def by_score(orders: list[Order]) -> list[Order]:
    """The highest score first, those without one last; of equals the first market."""
    return sorted(orders, key=lambda o: (o.row.score is None, -(o.row.score or 0.0), o.market))
