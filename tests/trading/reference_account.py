"""The reference's account: cash, positions, and the two roads in and out of them."""

from __future__ import annotations

from collections import Counter

from .reference_book import Bar, Filter, Market, Order, Outcome, Position, Row, Setup, Spendable, Trade
from .reference_sizes import (
    NEARLY,
    Refused,
    capped,
    check_kelly,
    check_reward,
    check_sides,
    check_step,
    check_volume,
    down,
    filter_at,
    impact,
    level,
    slip,
    wanted,
)

MOST_SLIPPAGE = 0.99


class Account:
    """Cash and positions of all markets, and what was decided for them."""

    def __init__(self, markets: list[Market], setup: Setup) -> None:
        self.markets, self.setup = markets, setup
        self.rules, self.costs = setup.rules, setup.costs
        self.cash = setup.capital
        self.positions: list[Position | None] = [None] * len(markets)
        self.resting: list[Order | None] = [None] * len(markets)
        self.bar = [-1] * len(markets)  # each market's newest bar
        self.closed = [-1] * len(markets)  # its newest bar whose close is known
        self.spendable = Spendable(setup.capital, setup.capital, setup.capital)
        self.out = Outcome(refused=Counter())
        self.step = -1
        self.halted = self.day_lost = False
        self.losses: list[list[int]] = [[] for _ in markets]  # bars of losing exits, known at their closes
        self.stopped: list[int] = []  # clock steps of exits by stop, trailing, liquidation
        self.guarded_until = -1

    # --- what is known

    def now(self, m: int) -> Bar:
        return self.markets[m].bars[self.bar[m]]

    def is_last(self, m: int) -> bool:
        return self.bar[m] == len(self.markets[m].bars) - 1

    def filter(self, m: int) -> Filter | None:
        return filter_at(self.markets[m], self.now(m).ts)

    def tick(self, m: int) -> float:
        row = self.filter(m)
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

    # --- entering

    def enter(
        self, order: Order, price: float, *, slips: bool = True, maker: bool = False,
        most: float | None = None,
    ) -> None:  # fmt: skip
        """Take an entry at a price, or count why not; a resting order is gone either way.

        `most` is the price of a stop-limit that no slippage takes it beyond.
        """
        if self.resting[order.market] is order:
            self.resting[order.market] = None
        position = self.positions[order.market]
        full = order.kind != "weight" and position and position.entries >= self.rules.max_entries
        if position is not None and (position.side != order.side or full):
            return
        try:
            self.take(order, price, slips=slips, maker=maker, most=most)
        except Refused as why:
            self.out.refused[str(why)] += 1

    def take(self, order: Order, open_: float, *, slips: bool, maker: bool, most: float | None) -> None:
        m, side, rules, costs = order.market, order.side, self.rules, self.costs
        equity = self.spendable.equity
        position, market, last = self.positions[m], self.markets[m], self.closed[m]
        fee = costs.maker_fee if maker else costs.fee

        def worse(by: float) -> float:
            price = open_ * (1 + side * min(by, MOST_SLIPPAGE))
            return price if most is None else min(price * side, most * side) * side

        price = worse(slip(market, last, costs)) if slips else open_
        had = position.quantity if position else 0.0
        by_weight = abs((order.row.weight or 0.0) * self.spendable.at_last_close) / open_ - had
        if order.kind == "weight" and by_weight <= NEARLY * (had + by_weight):
            return
        away = self.distance(order, price)
        self.check(order, price)
        quantity = by_weight
        if order.kind != "weight":
            quantity = wanted(order.row, equity, price, away, fee, self.out.trades, rules)
        quantity = capped(quantity, price, away, m, self.worth(), equity, rules)
        if costs.max_volume_share is not None:
            quantity = min(quantity, costs.max_volume_share * market.bars[last].volume)
        if quantity * price <= NEARLY * equity:
            raise Refused("max_exposure")
        quantity = min(quantity, self.affordable(price, fee))
        if slips and costs.impact:
            price = worse(slip(market, last, costs) + impact(market, last, quantity, costs))
            quantity = min(quantity, self.affordable(price, fee))
        row = self.filter(m)
        quantity = down(quantity, row.step) if row else quantity
        check_step(quantity, price, row)
        self.book(order, quantity, price, quantity * price * fee)

    def check(self, order: Order, price: float) -> None:
        """Refuse an entry for the first reason that there is."""
        m, rules, equity = order.market, self.rules, self.spendable.equity
        position = self.positions[m]
        self.check_limits(m, new=position is None)
        check_volume(self.markets[m], self.closed[m], self.costs)
        if position is None:
            stop, target = self.bracket(order, price)
            check_sides(price, order.side, stop, target)
            steps = self.setup.target_steps
            if order.row.target is None and steps and steps[0][0] <= 0:
                first = price + order.side * (price * steps[0][1])
                target = level(first, order.side, self.tick(m))
            check_reward(price, stop, target, order.row, self.setup)
        # Sums of floats leave a little of nothing.
        if equity <= NEARLY * self.setup.capital or self.spendable.cash <= NEARLY * equity:
            raise Refused("cash")
        if order.kind != "weight":
            check_kelly(order.row, self.out.trades, rules)

    def worth(self) -> list[tuple[int, Position, float]]:
        return [(m, position, self.last_close(m)) for m, position in self.held()]

    def affordable(self, price: float, fee: float) -> float:
        return self.spendable.cash / (price * (1 / self.rules.leverage + fee))

    def book(self, order: Order, quantity: float, price: float, paid: float) -> None:
        """Open a position, or average a further entry into it: stop and target stay."""
        m, side, position = order.market, order.side, self.positions[order.market]
        self.cash -= side * quantity * price + paid
        self.spendable.cash -= quantity * price / self.rules.leverage + paid
        if position is None:
            kind = "market" if order.kind == "weight" else order.kind
            stop, target = self.bracket(order, price)
            self.positions[m] = Position(
                side, quantity, price, self.bar[m], kind, paid, stop, target, order.row.target is not None
            )
            return
        total = position.quantity + quantity
        position.price = (position.price * position.quantity + price * quantity) / total
        position.quantity, position.fees = total, position.fees + paid
        position.entries += order.kind != "weight"

    def bracket(self, order: Order, price: float) -> tuple[float | None, float | None]:
        """Return stop and target of a new position as prices on the tick: the row's own, else the rules'."""
        side, row, rules, tick = order.side, order.row, self.rules, self.tick(order.market)
        stop = row.stop
        if stop is None and rules.stop is not None:
            stop = price - side * (price * rules.stop)
        target = row.target
        if target is None and not self.setup.target_steps and rules.target is not None:
            target = price + side * (price * rules.target)
        return (
            None if stop is None else level(stop, side, tick),
            None if target is None else level(target, side, tick),
        )

    def distance(self, order: Order, price: float) -> float | None:
        """Return how far the stop is: the position's, the row's own, or the share that the rules say."""
        position, row = self.positions[order.market], order.row
        if position is not None:
            return None if position.stop is None else abs(price - position.stop)
        if row.stop is not None:
            return abs(price - level(row.stop, order.side, self.tick(order.market)))
        return None if self.rules.stop is None else price * self.rules.stop

    def check_limits(self, m: int, *, new: bool) -> None:
        """Refuse an entry while a protection or a count stands against it."""
        rules, group, now = self.rules, self.markets[m].group, self.bar[m]
        if self.day_lost:
            raise Refused("daily_loss")
        if self.halted:
            raise Refused("drawdown")
        if rules.cooldown is not None and any(r < now <= r + rules.cooldown for r in self.losses[m]):
            raise Refused("cooldown")
        if self.step <= self.guarded_until:
            raise Refused("stop_guard")
        if not new:
            return
        if rules.max_open is not None and len(self.held()) >= rules.max_open:
            raise Refused("max_open")
        if rules.max_per_group is not None:
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
        whole = quantity is None or quantity >= position.quantity
        if quantity is None or whole:
            quantity = position.quantity
        else:
            row = self.filter(m)
            quantity = down(quantity, row.step if row else 0.0)
        if quantity <= 0:
            return
        part = 1.0 if whole else quantity / position.quantity
        if fee is None:
            fee = self.costs.maker_fee if reason == "target" else self.costs.fee
        if slips:
            last = self.closed[m]
            by = slip(market, last, self.costs) + impact(market, last, quantity, self.costs)
            price *= 1 - position.side * min(by, MOST_SLIPPAGE)
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
        if whole:
            self.positions[m] = None
        if pnl < 0:
            self.losses[m].append(t)
        if reason in {"stop", "trailing", "liquidation"}:
            self.stopped.append(self.step)


def said(row: Row) -> tuple[int, float | None, float | None]:
    """Return what makes a row a new decision: its side, its limit, its trigger."""
    return row.entry, row.limit, row.trigger
