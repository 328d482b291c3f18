"""`backtest(candles, strategy, …) -> Result`: one strategy over one market or several, by one engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptai.analytics.metrics import measure, time_in_market
from cryptai.errors import DataError, InputError
from cryptai.market.candles import Candles
from cryptai.market.symbol import parse_symbol
from cryptai.market.times import iso
from cryptai.portfolio.rules import DUST, MIN_REWARD_RISK, STOP, TARGET, Rules, check_rules
from cryptai.signals import COLUMNS
from cryptai.strategies.strategy import values_of
from cryptai.trading.costs import Costs, check_costs, check_target_pays
from cryptai.trading.decisions import decided, decided_many
from cryptai.trading.given import Given
from cryptai.trading.outcome import Outcome, run_full, run_plain
from cryptai.trading.result import Result
from cryptai.trading.terms import Terms, check_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptai.analytics.metrics import Metrics
    from cryptai.market.filters import Filters
    from cryptai.market.funding import Funding
    from cryptai.strategies.strategy import Strategy

__all__ = ["backtest", "decided", "default_rules"]


def backtest(
    candles: Candles | Sequence[Candles] | Mapping[str, Candles],
    strategy: Strategy,
    *,
    capital: float = 10_000.0,
    rules: Rules | None = None,
    costs: Costs | None = None,
    min_reward_risk: float = MIN_REWARD_RISK,
    start_ms: int | None = None,
    end_ms: int | None = None,
    exchange: str | None = None,
    close_at_end: bool = True,
    target_steps: Sequence[tuple[int, float]] = (),
    fill: str = "open",
    groups: Mapping[str, str] | None = None,
    policy: int = 0,
    funding: Mapping[str, Funding] | None = None,
    filters: Mapping[str, Filters] | None = None,
    finer: Mapping[str, Candles] | None = None,
) -> Result:
    """Run a strategy over candles; the order of events is told in docs/guide/execution.md.

    One market, with stop, target, size, risk, fee and slippage alone, runs through the kernel of
    `cryptai.trading.kernel`; everything else through the loop over many markets, which gives the same where
    both can.

    Parameters
    ----------
    candles
        Those of one market, or of several of one timeframe: a portfolio on one clock with shared cash, whose
        markets have bars of their own from where and to where they have them. A strategy with a method
        `signals_many(markets)` sees them together, any other one by one.
    rules, costs
        Without rules: all equity, and the strategy's own bracket or stop 8 %, target 15 %. A strategy with
        `target_steps(timeframe)` states them itself, where neither steps nor a target are asked for.
    start_ms, end_ms
        Half-open range of bar opens, ms UTC. Earlier bars only warm the indicators; none of them decides.
    close_at_end
        Close a position left at the end at the market's last close, with costs, reason `end`.
    target_steps, fill, groups, policy
        See `cryptai.trading.terms.Terms`.
    funding, filters, finer
        By symbol: what perpetuals' holders paid each other, what the venue asks of orders, and finer candles
        for the path inside a bar. A market without is run without. Funding that was paid by then is at
        `candles.funding` when the strategy decides; candles that come with it pay it.

    Raises
    ------
    InputError
        For rules, costs or capital that cannot be, a range without bars, a strategy that fails, or amounts
        beyond the range of floating point.
    """
    markets = [one.with_funding((funding or {}).get(one.symbol)) for one in _in_order(candles)]
    funding = {one.symbol: one.funding for one in markets if one.funding is not None} | dict(funding or {})
    names = [one.symbol for one in markets]
    costs = check_costs(costs or Costs())
    shorts = bool(getattr(strategy, "allow_short", False))
    asked = rules or default_rules(type(strategy))
    check_rules(asked, min_reward_risk=min_reward_risk, shorts=shorts, own_stops=True)
    target_steps = target_steps or _own_steps(strategy, asked, str(markets[0].timeframe))
    terms = check_terms(
        Terms(tuple((int(b), float(f)) for b, f in target_steps), fill, groups or {}, policy), asked, names,
        shorts=shorts,
    )  # fmt: skip
    if not (math.isfinite(capital) and capital > 0.0):
        raise InputError(f"capital must be a finite amount above 0, was {capital:g}.", field="capital")
    given = _given(markets, strategy, start_ms, end_ms, terms)
    given = _with_data(given, funding, filters or {}, finer or {})
    own_stops = any(one.signals.stop is not None for one in given)
    rules = check_rules(asked, min_reward_risk=min_reward_risk, shorts=shorts, own_stops=own_stops)
    check_target_pays(rules, costs, rests=any(one.signals.limit is not None for one in given))
    _check_trailing(rules, given)
    plain = _plain(given, rules, costs, terms)
    if plain:
        outcome = run_plain(given[0], capital, rules, costs, close_at_end=close_at_end)
        plain = not ruined(outcome.max_drawdown)
    if not plain:
        outcome = run_full(
            given, capital, rules, costs, terms, min_reward_risk=min_reward_risk, close_at_end=close_at_end
        )
    _check_sound(outcome, capital, given)
    return Result(
        strategy=strategy.name,
        params=values_of(strategy),
        exchange=exchange,
        timeframe=str(markets[0].timeframe),
        capital=float(capital),
        rules=rules,
        costs=costs,
        terms=terms,
        markets=tuple(given),
        ts=outcome.clock,
        equity=outcome.equity,
        records=outcome.records,
        metrics=_metrics(outcome, capital, given, plain=plain),
        books=outcome.books,
        orders=outcome.orders,
        refused=outcome.refused,
        again=partial(
            run_full, given, capital, rules, costs, terms, min_reward_risk=min_reward_risk,
            close_at_end=close_at_end,
        ),
        readings=outcome.readings,
    )  # fmt: skip


def _in_order(candles: Candles | Sequence[Candles] | Mapping[str, Candles]) -> list[Candles]:
    if isinstance(candles, Candles):
        return [candles]
    if isinstance(candles, Mapping):
        wrong = next((name for name, one in candles.items() if parse_symbol(name) != one.symbol), None)
        if wrong is not None:
            raise InputError(f"The candles of {wrong} are of {candles[wrong].symbol}.", field="symbols")
        candles = list(candles.values())
    markets = list(candles)
    if not markets or not all(isinstance(one, Candles) for one in markets):
        raise InputError("A backtest needs the candles of one market at least.", field="symbols")
    seen: set[str] = set()
    for one in markets:
        if one.symbol in seen:
            raise InputError(
                f"There are two candles of {one.symbol}; a market is in a run once.", field="symbols"
            )
        if one.timeframe != markets[0].timeframe:
            raise InputError(
                f"All markets of a run have one timeframe, but {one.symbol} has {one.timeframe} and "
                f"{markets[0].symbol} {markets[0].timeframe}.",
                field="timeframe",
            )
        seen.add(one.symbol)
    return markets


def _given(
    markets: Sequence[Candles], strategy: Strategy, start_ms: int | None, end_ms: int | None, terms: Terms
) -> list[Given]:
    known = [one.between(None, end_ms) for one in markets]
    ranges = [one.between(start_ms, None) for one in known]
    for whole, bars in zip(markets, ranges, strict=True):
        if not len(bars):
            raise DataError(_no_bars(whole, start_ms, end_ms), field="from")
    said = [decided(strategy, known[0])] if len(known) == 1 else decided_many(strategy, known)
    number = {name: i for i, name in enumerate(dict.fromkeys(terms.groups.values()))}
    return [
        Given(one, bars, signals, group=number.get(terms.groups.get(one.symbol, ""), -1))
        for one, bars, signals in zip(known, ranges, said, strict=True)
    ]


def _with_data(
    given: Sequence[Given],
    funding: Mapping[str, Funding],
    filters: Mapping[str, Filters],
    finer: Mapping[str, Candles],
) -> list[Given]:
    names = [one.candles.symbol for one in given]
    for what, by_symbol in (("funding", funding), ("filters", filters), ("finer", finer)):
        other = next((name for name in by_symbol if parse_symbol(name) not in names), None)
        if other is not None:
            raise InputError(f"There is {what} of {other}, which is no market of this run.", field=what)
    if not (funding or filters or finer):
        return list(given)
    found = []
    for name, one in zip(names, given, strict=True):
        paid, inside = funding.get(name), finer.get(name)
        # What lies outside the range is no part of the run's identity.
        start, end = int(one.bars.ts[0]), int(one.bars.ts[-1]) + one.bars.timeframe.ms
        found.append(
            replace(
                one,
                funding=None if paid is None else paid.between(start, end),
                filters=filters.get(name),
                finer=None if inside is None else inside.between(start, end),
            )
        )
    return found


def _check_trailing(rules: Rules, given: Sequence[Given]) -> None:
    trails = not math.isnan(rules.trailing) or any(one.signals.trail is not None for one in given)
    if rules.trailing_from > 0.0 and not trails:
        raise InputError(
            "trailing_from is where a stop begins to trail, and none does; give trailing too.",
            field="trailing_from",
        )


def _plain(given: Sequence[Given], rules: Rules, costs: Costs, terms: Terms) -> bool:
    if len(given) > 1 or not (rules.plain() and costs.plain()) or terms.told():
        return False
    (one,) = given
    data = one.funding is None and one.filters is None and one.finer is None
    return data and all(getattr(one.signals, name) is None for name in COLUMNS)


def ruined(max_drawdown: Any) -> Any:
    """Say of a drawdown, or of each, whether so little may be left that no entry is made with it.

    The plain loop does not know that rule. Doubled, for it is asked of the closes alone.
    """
    return max_drawdown >= 1.0 - 2.0 * DUST


def _check_sound(outcome: Outcome, capital: float, given: Sequence[Given]) -> None:
    total = outcome.total
    if total is None:
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(outcome.equity.sum())
    if not math.isfinite(total):
        raise InputError(
            f"A capital of {capital:g} at prices about {given[0].bars.close[0]:g} leaves the range of "
            "numbers; choose a capital nearer to the prices.",
            field="capital",
        )


def _metrics(outcome: Outcome, capital: float, given: Sequence[Given], *, plain: bool) -> Metrics:
    clock, step = outcome.clock, given[0].bars.timeframe.ms
    holdings = [one.bars.close.item(-1) / one.bars.open.item(0) - 1.0 for one in given]
    found = measure(
        capital,
        float(outcome.equity[-1]),
        outcome.max_drawdown,
        len(clock),
        outcome.daily,
        outcome.records,
        span_ms=int(clock[-1] - clock[0]) + step,
        # Of several an equal share each, bought at its own first open.
        held=sum(holdings) / len(holdings),
    )
    if plain:
        return found
    # Positions beside each other, and parts of one, are in the market once.
    return replace(found, time_in_market=time_in_market(clock, outcome.records, step))


def default_rules(strategy: type[Strategy]) -> Rules:
    """Return all equity with the strategy's own bracket, where it states one, else 8 % and 15 %.

    An adapted class may state more of the rules, by name, in `rules`.
    """
    more: Mapping[str, float] = getattr(strategy, "rules", {})
    return Rules(stop=getattr(strategy, "stop", STOP), target=getattr(strategy, "target", TARGET), **more)


def _own_steps(strategy: Strategy, rules: Rules, timeframe: str) -> Sequence[tuple[int, float]]:
    # A target that was asked for goes before the strategy's own by bars held.
    own = getattr(strategy, "target_steps", None)
    return own(timeframe) if callable(own) and math.isnan(rules.target) else ()


def _no_bars(candles: Candles, start_ms: int | None, end_ms: int | None) -> str:
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        return "The range is empty: `to` must be later than `from`."
    market = f"{candles.symbol} {candles.timeframe}"
    if not len(candles):  # those before or after were not read, perhaps
        return f"There is no bar of {market} in that range."
    first, last = (iso(int(candles.ts[at])) for at in (0, -1))
    return f"There is no bar in that range; those of {market} are {first} to {last}."
