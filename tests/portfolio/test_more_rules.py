"""The rules that are off until they are asked for: their ranges, and which of them contradict each other."""

from __future__ import annotations

import math

import pytest

from cryptai.errors import InputError
from cryptai.portfolio.rules import Rules, check_rules
from cryptai.trading.costs import Costs, check_costs, check_target_pays

NAN = math.nan
GUARD = {"stop_guard": 3.0, "stop_guard_bars": 24.0, "stop_guard_pause": 12.0}


@pytest.mark.parametrize(
    "rules",
    [
        {"stake": 1000.0},
        {"stake": 1e15},
        {"volatility_target": 0.2},
        {"kelly": 1.0},
        {"trailing": 0.05, "trailing_from": 0.02},
        {"trailing": 0.05, "trailing_from": 0.0},
        {"max_bars": 1.0},
        {"time_in_force": 0.0},
        {"max_entries": 3.0, "max_open": 1.0, "max_per_group": 1.0, "cooldown": 1.0},
        {"max_exposure": 125.0, "max_position_size": 0.1, "max_risk_per_trade": 0.02},
        {"daily_loss": 0.05, "drawdown_halt": 0.999},
        GUARD,
        {"leverage": 125.0, "maintenance": 0.0079},
        {"leverage": 1.0, "maintenance": 0.5},
    ],
)
def test_what_can_be_kept_is_returned_as_it_is(rules):
    given = Rules(**rules)
    assert check_rules(given) is given
    assert not given.plain()
    assert set(given.told()) - {"stop", "target", "size", "risk"} == {
        name for name, value in rules.items() if value != Rules()._asdict()[name]
    }


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"stake": 0.0}, "stake"),
        ({"stake": math.inf}, "stake"),
        ({"stake": -1.0}, "stake"),
        ({"volatility_target": 0.0}, "volatility_target"),
        ({"volatility_target": 10.5}, "volatility_target"),
        ({"kelly": 1.5}, "kelly"),
        ({"kelly": 0.0}, "kelly"),
        ({"trailing": 0.0}, "trailing"),
        ({"trailing": 1.0}, "trailing"),
        ({"trailing_from": -0.1}, "trailing_from"),
        ({"trailing_from": NAN}, "trailing_from"),
        ({"max_bars": 0.0}, "max_bars"),
        ({"max_bars": 1.5}, "max_bars"),
        ({"max_bars": math.inf}, "max_bars"),
        ({"time_in_force": -1.0}, "time_in_force"),
        ({"max_entries": 0.0}, "max_entries"),
        ({"max_entries": NAN}, "max_entries"),
        ({"max_open": 0.0}, "max_open"),
        ({"max_exposure": 0.0}, "max_exposure"),
        ({"max_position_size": 126.0}, "max_position_size"),
        ({"max_risk_per_trade": 1.0}, "max_risk_per_trade"),
        ({"max_per_group": 0.5}, "max_per_group"),
        ({"daily_loss": 1.0}, "daily_loss"),
        ({"drawdown_halt": 0.0}, "drawdown_halt"),
        ({"cooldown": 0.0}, "cooldown"),
        ({**GUARD, "stop_guard_bars": NAN}, "stop_guard_bars"),
        ({"stop_guard_pause": 5.0}, "stop_guard"),
        ({**GUARD, "stop_guard": 0.0}, "stop_guard"),
        ({"leverage": 0.5}, "leverage"),
        ({"leverage": 126.0}, "leverage"),
        ({"leverage": NAN}, "leverage"),
        ({"maintenance": 1.0}, "maintenance"),
        ({"leverage": 20.0, "maintenance": 0.05}, "maintenance"),
        ({"stake": 100.0, "kelly": 0.5}, "kelly"),
        ({"stake": 100.0, "volatility_target": 0.2}, "volatility_target"),
        ({"stop": NAN, "target": NAN, "max_risk_per_trade": 0.02}, "max_risk_per_trade"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_name(rules, field):
    with pytest.raises(InputError, match=field) as refused:
        check_rules(Rules(**rules))
    assert refused.value.field == field


def test_leverage_over_the_venues_own_is_refused():
    check_rules(Rules(leverage=20.0), max_leverage=20.0)
    with pytest.raises(InputError, match="from 1 to 20, the most that the venue gives, was 21"):
        check_rules(Rules(leverage=21.0), max_leverage=20.0)


def test_risk_is_measured_to_the_stops_of_the_strategy_where_it_gives_them():
    rules = Rules(stop=NAN, target=NAN, risk=0.01, max_risk_per_trade=0.02)
    assert check_rules(rules, own_stops=True) is rules
    with pytest.raises(InputError, match="risk is measured to the stop"):
        check_rules(rules)


@pytest.mark.parametrize(
    "costs",
    [
        {"maker": 0.0},
        {"spread": 0.001, "slippage_volatility": 0.5},
        {"impact": 1.0, "max_volume_share": 1.0},
        {"borrow": 10.0},
    ],
)
def test_costs_that_can_be_are_taken(costs):
    given = Costs(**costs)
    assert check_costs(given) is given
    assert set(given.told()) == {"fee", "slippage", *costs}


@pytest.mark.parametrize(
    ("costs", "field"),
    [
        ({"maker": 1.0}, "maker"),
        ({"maker": -0.0001}, "maker"),
        ({"spread": NAN}, "spread"),
        ({"slippage_volatility": 11.0}, "slippage_volatility"),
        ({"impact": -1.0}, "impact"),
        ({"max_volume_share": 0.0}, "max_volume_share"),
        ({"max_volume_share": 1.01}, "max_volume_share"),
        ({"borrow": math.inf}, "borrow"),
    ],
)
def test_costs_that_cannot_be_are_refused_by_their_name(costs, field):
    with pytest.raises(InputError, match=field) as refused:
        check_costs(Costs(**costs))
    assert refused.value.field == field


def test_a_target_that_the_fees_eat_is_refused():
    # Bought at 100 for a fee of 0.1, sold at 100.2 for one of 0.1002: nothing is left.
    with pytest.raises(InputError, match="does not pay the fees of the round trip") as refused:
        check_target_pays(Rules(stop=NAN, target=0.002), Costs(fee=0.001))
    assert refused.value.field == "target"
    check_target_pays(Rules(stop=NAN, target=0.0021), Costs(fee=0.001))
    check_target_pays(Rules(stop=NAN, target=0.0005), Costs(fee=0.001, maker=0.0), rests=True)
    with pytest.raises(InputError, match=r"above 0\.001\b"):
        check_target_pays(Rules(stop=NAN, target=0.0005), Costs(fee=0.001, maker=0.0))
    check_target_pays(Rules(stop=NAN, target=0.002), Costs(fee=0.0))
    check_target_pays(Rules(stop=NAN, target=NAN), Costs())
