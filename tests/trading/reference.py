"""The reference backtest: slow, obvious, and written from the rules alone.

Plain Python over lists; nothing of the engine is imported. Whatever the kernel does must agree with this. The
rules are those of docs/guide/execution.md, in its
order: first the moments of a clock time, then entering and leaving.
"""

from __future__ import annotations

from collections import Counter

from .reference_book import (
    DAY,
    YEAR,
    Bar,
    Market,
    Order,
    Outcome,
    Path,
    Position,
    Row,
    Setup,
    Spendable,
    Trade,
)  # fmt: skip
from .reference_sizes import (
    Refused,
    check_bracket,
    down,
    filter_at,
    impact,
    least,
    level,
    room,
    share_of_equity,
    slip,
    wanted,
)


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


class _Run:
    def __init__(self, markets: list[Market], setup: Setup) -> None:
        self.markets, self.setup = markets, setup
        self.rules, self.costs = setup.rules, setup.costs
        self.cash = setup.capital
        self.positions: list[Position | None] = [None] * len(markets)
        self.resting: list[Order | None] = [None] * len(markets)
        self.bar = [-1] * len(markets)  # each market's newest bar
        self.closed = [-1] * len(markets)  # its newest bar whose close is known
        self.distance: list[float | None] = [None] * len(markets)  # the newest `trail`
        self.spendable = Spendable(setup.capital, setup.capital)
        self.out = Outcome(refused=Counter())
        self.step, self.day = -1, -1
        self.peak = self.equity_before = self.yesterday = setup.capital
        self.halted = self.day_lost = False
        self.lost_at: list[int | None] = [None] * len(markets)  # bar of the last losing exit
        self.stopped: list[int] = []  # clock steps of exits by stop, trailing, liquidation
        self.guarded_until = -1

    # --- what is known

    def now(self, m: int) -> Bar:
        return self.markets[m].bars[self.bar[m]]

    def said(self, m: int) -> Row | None:
        """Return the row decided at the close of the market's bar before this one."""
        return self.markets[m].rows[self.bar[m] - 1] if self.bar[m] > 0 else None

    def is_new(self, m: int, t: int) -> bool:
        rows = self.markets[m].rows
        return rows[t].entry != 0 and (t == 0 or rows[t - 1].entry != rows[t].entry)

    def tick(self, m: int) -> float:
        row = filter_at(self.markets[m], self.now(m).ts)
        return row.tick if row else 0.0

    def held(self) -> list[tuple[int, Position]]:
        return [(m, p) for m, p in enumerate(self.positions) if p is not None]

    def last_close(self, m: int) -> float:
        return self.markets[m].bars[self.closed[m]].close

    def equity(self) -> float:
        return self.cash + sum(p.side * p.quantity * self.last_close(m) for m, p in self.held())

    def free(self) -> float:
        own = sum(p.side * p.quantity * p.price for _, p in self.held())
        return self.cash + own - sum(p.quantity * p.price / self.rules.leverage for _, p in self.held())

    # --- a new clock time; 0. funding and borrow

    def begin(self, step: int, ts: int) -> None:
        self.step = step
        if ts // DAY != self.day:
            self.day, self.day_lost, self.yesterday = ts // DAY, False, self.equity_before

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
        by_rows = self.setup.fill == "open"
        for m in here:
            self.leave(m, self.said(m) if by_rows else None, self.now(m).open, timed=True)
        self.spendable = Spendable(self.equity(), self.free())
        orders = [order for m in here for order in self.orders_of(m, self.bar[m] - 1)] if by_rows else []
        orders += [order for m in here if (order := self.resting[m]) and self.beyond(order, self.now(m).open)]
        for order in by_score(orders):
            self.spendable.cash = self.free()
            self.fill(order, self.now(order.market).open)
        self.spendable.cash = self.free()

    def leave(self, m: int, row: Row | None, price: float, *, timed: bool) -> None:
        position, limit = self.positions[m], self.rules.max_bars
        if position is None:
            return
        if row is not None and row.exits & (1 if position.side > 0 else 2):
            self.sell(m, price, "signal")
            return
        if timed and limit is not None and self.bar[m] >= position.bar + limit:
            self.sell(m, price, "time")
            return
        if row is not None and row.reduce is not None and row.reduce > 0:
            self.sell(m, price, "reduce", quantity=row.reduce * position.quantity)
        if row is not None and row.weight is not None and self.positions[m] is not None:
            target = self.equity() * row.weight * position.side / price
            if target < position.quantity:
                self.sell(m, price, "reduce", quantity=position.quantity - max(target, 0.0))

    def orders_of(self, m: int, t: int) -> list[Order]:
        """Return what row t of a market asks for at once: a market entry, a weight that adds."""
        if t < 0:
            return []
        row, orders = self.markets[m].rows[t], []
        if self.is_new(m, t) and row.limit is None and row.trigger is None:
            orders.append(Order(m, row.entry, "market", row, t))
        if row.weight:
            orders.append(Order(m, 1 if row.weight > 0 else -1, "weight", row, t))
        return orders

    @staticmethod
    def beyond(order: Order, open_: float) -> bool:
        """Say whether an open has passed the price that a resting order waits for."""
        if order.kind == "limit" or order.triggered:
            return (open_ - order.limit) * order.side <= 0
        return (open_ - order.trigger) * order.side >= 0

    def fill(self, order: Order, price: float) -> None:
        """Fill an order at the open, or at the close where fills are there; all of them take."""
        if order.kind == "stop_limit" and not order.triggered:
            order.triggered = True
            if (price - order.limit) * order.side > 0:
                return  # it rests as a limit
            self.enter(order, price, most=order.limit)
            return
        self.enter(order, price, slips=order.kind != "limit" and not order.triggered)

    # --- 3. inside the bar

    def inside(self, m: int) -> None:
        bar = self.now(m)
        for number, path in enumerate(bar.paths(), 1):
            self.protect(m, path)
            order = self.resting[m]
            if order is not None and self.alive_inside(order):
                self.rest(order, path)
            if number < len(bar.paths()):
                self.trail(m, path)

    def alive_inside(self, order: Order) -> bool:
        return self.rules.time_in_force is None or self.rules.time_in_force > 0

    def protect(self, m: int, path: Path) -> None:
        """3a. Liquidation, then the stop, then the target."""
        position = self.positions[m]
        if position is None or self.liquidate(m, path):
            return
        side, stop, target = position.side, position.stop, self.target(m, position)
        stopped = stop is not None and (worst(path, side) - stop) * side <= 0
        reached = target is not None and (best(path, side) - target) * side >= 0
        # Beyond a level at the open already: that order fills there.
        if stop is not None and (path.open - stop) * side <= 0:
            stop = path.open
        if target is not None and (path.open - target) * side >= 0:
            target = path.open
        position.undecided |= stopped and reached
        self.end(m, stop if stopped else None, target if reached else None)

    def end(self, m: int, stop: float | None, target: float | None) -> None:
        """End a position at the level it touched; of two, the one that the policy puts first."""
        if stop is not None and (target is None or self.setup.policy == 0):
            self.stop_out(m, stop)
        elif target is not None:
            self.sell(m, target, "target", slips=False)

    def liquidate(self, m: int, path: Path) -> bool:
        position, rules = self.positions[m], self.rules
        assert position is not None
        if rules.leverage == 1 and rules.maintenance is None:
            return False
        side, part = position.side, 1 / rules.leverage
        at = position.price * (1 - side * part) / (1 - side * (rules.maintenance or 0.0))
        if (worst(path, side) - at) * side > 0:
            return False
        self.sell(m, position.price * (1 - side * part), "liquidation", slips=False, fee=0.0)
        return True

    def stop_out(self, m: int, price: float) -> None:
        position = self.positions[m]
        assert position is not None
        self.sell(m, price, "trailing" if position.trailed else "stop")

    def target(self, m: int, position: Position) -> float | None:
        """Return the target's price; with steps, that of the last step reached."""
        if position.own_target or not self.setup.target_steps:
            return position.target
        held = self.bar[m] - position.bar
        reached = [fraction for bars, fraction in self.setup.target_steps if bars <= held]
        if not reached:
            return None
        return level(position.price * (1 + position.side * reached[-1]), position.side, self.tick(m))

    def rest(self, order: Order, path: Path) -> None:
        """3b. A resting order that is touched, and 3c. the bracket of what it opened."""
        side, m = order.side, order.market
        how = ""
        if order.kind == "limit" or order.triggered:
            if (worst(path, side) - order.limit) * side <= 0:
                how = "limit"
        elif (best(path, side) - order.trigger) * side >= 0:
            price = path.open if (path.open - order.trigger) * side >= 0 else order.trigger
            if order.kind == "trigger":
                self.enter(order, price)
                self.after(m, path, "trigger")
                return
            order.triggered = True
            if (price - order.limit) * side <= 0:
                self.enter(order, price, most=order.limit)
                self.after(m, path, "trigger")
                return
            if (path.close - order.limit) * side <= 0:
                how = "limit"
        if how:
            self.enter(order, order.limit, slips=False, maker=True)
            self.after(m, path, "limit")

    def after(self, m: int, path: Path, kind: str) -> None:
        """3c. The bracket in the bar of an entry inside it."""
        position = self.positions[m]
        if position is None or self.liquidate(m, path):
            return
        side, stop, target = position.side, position.stop, self.target(m, position)
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
        self.end(m, stop if stopped else None, target if reached else None)

    def trail(self, m: int, path: Path) -> None:
        """4. The stop follows the best price, once the profit is large enough."""
        position, rules = self.positions[m], self.rules
        if position is None:
            return
        side, reached = position.side, best(path, position.side)
        if (reached - position.price * (1 + side * rules.trailing_from)) * side < 0:
            return
        levels = []
        if rules.trailing is not None:
            levels.append(reached * (1 - side * rules.trailing))
        if self.distance[m] is not None:
            levels.append(reached - side * self.distance[m])  # type: ignore[operator]
        for at in levels:
            rounded = level(at, side, self.tick(m))
            if position.stop is None or (rounded - position.stop) * side > 0:
                position.stop, position.trailed = rounded, True

    # --- 4. and 5. at the close

    def at_close(self, here: list[int]) -> None:
        for m in here:
            self.closed[m] = self.bar[m]
            trail = self.markets[m].rows[self.bar[m]].trail
            self.distance[m] = self.distance[m] if trail is None else trail
            self.trail(m, self.now(m).paths()[-1])
        if self.setup.fill == "close":
            self.fill_at_close([m for m in here if self.bar[m] < len(self.markets[m].bars) - 1])
        for m in here:
            if self.bar[m] == len(self.markets[m].bars) - 1:
                self.resting[m] = None
                if self.setup.close_at_end and self.positions[m] is not None:
                    self.sell(m, self.now(m).close, "end")
        self.value()
        for m in here:
            self.decide(m)

    def fill_at_close(self, here: list[int]) -> None:
        for m in here:
            self.leave(m, self.markets[m].rows[self.bar[m]], self.now(m).close, timed=False)
        self.spendable = Spendable(self.equity(), self.free())
        for order in by_score([order for m in here for order in self.orders_of(m, self.bar[m])]):
            self.spendable.cash = self.free()
            self.fill(order, self.now(order.market).close)

    def value(self) -> None:
        equity = self.equity()
        self.out.equity.append(equity)
        self.equity_before = equity
        self.peak = max(self.peak, equity)
        rules = self.rules
        if rules.drawdown_halt is not None and (self.peak - equity) / self.peak >= rules.drawdown_halt:
            self.halted = True
        if rules.daily_loss is not None and equity <= (1 - rules.daily_loss) * self.yesterday:
            self.day_lost = True

    def decide(self, m: int) -> None:
        """5. A new entry replaces the resting order, an exit cancels it, and its time ends."""
        t = self.bar[m]
        row, order, stays = self.markets[m].rows[t], self.resting[m], self.rules.time_in_force
        if order is not None and (
            (row.exits & (1 if order.side > 0 else 2))
            or (stays is not None and t - order.bar >= max(stays, 1))
            or self.is_new(m, t)
        ):
            self.resting[m] = None
        if self.is_new(m, t) and t < len(self.markets[m].bars) - 1:
            if row.limit is not None and row.trigger is not None:
                self.resting[m] = Order(m, row.entry, "stop_limit", row, t)
            elif row.limit is not None:
                self.resting[m] = Order(m, row.entry, "limit", row, t)
            elif row.trigger is not None:
                self.resting[m] = Order(m, row.entry, "trigger", row, t)

    # --- entering

    def enter(
        self,
        order: Order,
        price: float,
        *,
        slips: bool = True,
        maker: bool = False,
        most: float | None = None,
    ) -> None:
        """Take an entry at a price, or count why not; a resting order is gone either way."""
        if self.resting[order.market] is order:
            self.resting[order.market] = None
        try:
            self.take(order, price, slips=slips, maker=maker, most=most)
        except Refused as why:
            self.out.refused[str(why)] += 1

    def take(self, order: Order, open_: float, *, slips: bool, maker: bool, most: float | None) -> None:
        m, side, rules = order.market, order.side, self.rules
        position, market, t = self.positions[m], self.markets[m], self.bar[m]
        if position is not None and (
            position.side != side or (order.kind != "weight" and position.entries >= rules.max_entries)
        ):
            return
        fee = self.costs.maker_fee if maker else self.costs.fee

        def worse(by: float) -> float:
            price = open_ * (1 + side * by)
            return price if most is None else min(price * side, most * side) * side

        price = worse(slip(market, t, self.costs)) if slips else open_
        if order.kind == "weight":
            had = position.quantity if position else 0.0
            asked = abs(order.row.weight or 0.0) * self.spendable.equity
            asked = asked / (price * (1 / rules.leverage + fee)) - had
            if asked <= 0:
                return
        self.halts(m, new=position is None)
        stop, target, own_target = self.bracket(order, price)
        check_bracket(price, side, stop, target, order.row, self.setup)
        if order.kind != "weight":
            size = share_of_equity(order.row, self.out.trades, rules)
            asked = wanted(size, self.spendable.equity, price, stop, fee, rules)
        worth = [(one, p, self.last_close(one)) for one, p in self.held()]
        quantity = room(asked, price, stop, m, worth, self.spendable, rules)
        quantity = least(quantity, price, fee, market, t, self.spendable, rules, self.costs)
        if slips:
            price = worse(slip(market, t, self.costs) + impact(market, t, quantity, self.costs))
        paid = quantity * price * fee
        self.cash -= side * quantity * price + paid
        self.spendable.cash -= quantity * price / rules.leverage + paid
        if position is None:
            stop, target, own_target = self.bracket(order, price)
            kind = "market" if order.kind == "weight" else order.kind
            self.positions[m] = Position(side, quantity, price, t, kind, paid, stop, target, own_target)
            return
        total = position.quantity + quantity
        position.price = (position.price * position.quantity + price * quantity) / total
        position.quantity, position.fees = total, position.fees + paid
        position.entries += order.kind != "weight"

    def bracket(self, order: Order, price: float) -> tuple[float | None, float | None, bool]:
        """Return stop and target as prices, and whether the target is the row's own."""
        position, side, row, rules = self.positions[order.market], order.side, order.row, self.rules
        if position is not None:
            return position.stop, position.target, position.own_target
        stop, target = row.stop, row.target
        if stop is None and rules.stop is not None:
            stop = price * (1 - side * rules.stop)
        if target is None and rules.target is not None and not self.setup.target_steps:
            target = price * (1 + side * rules.target)
        tick = self.tick(order.market)
        return (
            None if stop is None else level(stop, side, tick),
            None if target is None else level(target, side, tick),
            row.target is not None,
        )

    def halts(self, m: int, *, new: bool) -> None:
        """Refuse an entry while a limit stands against it."""
        rules, lost, group = self.rules, self.lost_at[m], self.markets[m].group
        if self.halted:
            raise Refused("drawdown")
        if self.day_lost:
            raise Refused("daily_loss")
        if self.step <= self.guarded_until:
            raise Refused("stop_guard")
        if rules.cooldown is not None and lost is not None and self.bar[m] - lost <= rules.cooldown:
            raise Refused("cooldown")
        if new and rules.max_open is not None and len(self.held()) >= rules.max_open:
            raise Refused("max_open")
        if new and rules.max_per_group is not None:
            together = [one for one, _ in self.held() if self.markets[one].group == group]
            if len(together) >= rules.max_per_group:
                raise Refused("group")

    # --- leaving

    def sell(
        self, m: int, price: float, reason: str, *, quantity: float | None = None, slips: bool = True,
        fee: float | None = None,
    ) -> None:  # fmt: skip
        """Leave a position, or a part of it floored to the step, and write the trade."""
        position, market, t = self.positions[m], self.markets[m], self.bar[m]
        assert position is not None
        part = 1.0
        if quantity is not None and quantity < position.quantity:
            row = filter_at(market, self.now(m).ts)
            quantity = down(quantity, row.step if row else 0.0)
            if quantity <= 0:
                return
            part = quantity / position.quantity
        quantity = position.quantity * part
        if fee is None:
            fee = self.costs.maker_fee if reason == "target" else self.costs.fee
        if slips:
            worse = slip(market, t, self.costs) + impact(market, t, quantity, self.costs)
            price *= 1 - position.side * worse
        paid = quantity * price * fee
        fees, funding = position.fees * part + paid, position.funding * part
        pnl = position.side * quantity * (price - position.price) - fees - funding
        self.cash += position.side * quantity * price - paid
        self.out.trades.append(
            Trade(
                m, "long" if position.side > 0 else "short", position.bar, t, market.bars[position.bar].ts,
                market.bars[t].ts, position.price, price, quantity, fees, funding, pnl, reason, position.kind,
                position.undecided,
            )
        )  # fmt: skip
        position.quantity -= quantity
        position.fees -= position.fees * part
        position.funding -= funding
        if part == 1.0:
            self.positions[m] = None
        if pnl < 0:
            self.lost_at[m] = t
        if reason in {"stop", "trailing", "liquidation"}:
            self.guard()

    def guard(self) -> None:
        rules = self.rules
        self.stopped.append(self.step)
        if rules.stop_guard is None or rules.stop_guard_bars is None or rules.stop_guard_pause is None:
            return
        lately = [step for step in self.stopped if step > self.step - rules.stop_guard_bars]
        if len(lately) >= rules.stop_guard:
            self.guarded_until = self.step + rules.stop_guard_pause


def worst(path: Path, side: int) -> float:
    return path.low if side > 0 else path.high


def best(path: Path, side: int) -> float:
    return path.high if side > 0 else path.low


def by_score(orders: list[Order]) -> list[Order]:
    """The highest score first, those without one last; of equals the first market."""
    return sorted(
        orders, key=lambda o: (o.row.score is None, -(o.row.score or 0.0), o.market, o.kind == "weight")
    )
