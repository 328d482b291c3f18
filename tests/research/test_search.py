"""How a space is searched: every set once, the same ones from the same seed, and an end in every case."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from cryptai.errors import InputError
from cryptai.research.search import search
from cryptai.research.space import read_space
from cryptai.strategies.ema_trend import EmaTrend

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="Optuna is not installed")
GUIDED = pytest.param("tpe", marks=needs_optuna)


def run(space, method, trials=None, seed=0, value=lambda params: -abs(params["fast"] - 20)):
    asked = search(EmaTrend, space, method=method, trials=trials, seed=seed)
    found = []
    while portion := asked.ask():
        found += portion
        asked.tell([value(params) for params in portion])
    return found, asked


def space(fast="5:30:5", slow="20:100:20"):
    return read_space(EmaTrend, {"fast": fast, "slow": slow})


def test_a_grid_runs_every_set_that_fits_once():
    found, asked = run(space(), "grid")
    assert len(found) == 27
    assert asked.skipped == 3
    assert all(one["fast"] < one["slow"] for one in found)
    assert len({tuple(one.items()) for one in found}) == 27


@pytest.mark.parametrize("method", ["random", GUIDED])
def test_a_drawn_search_takes_so_many_different_sets_and_the_same_from_the_same_seed(method):
    wide = space("2:200:1", "3:500:1")
    found, _ = run(wide, method, trials=40, seed=3)
    assert len({tuple(one.items()) for one in found}) == 40
    assert run(wide, method, trials=40, seed=3)[0] == found
    assert run(wide, method, trials=40, seed=4)[0] != found


@pytest.mark.parametrize("method", ["random", GUIDED])
def test_a_small_space_is_exhausted_and_the_search_ends(method):
    found, asked = run(space("5,10", "8,20"), method, trials=50)
    assert sorted(tuple(one.values()) for one in found) == [(5, 8), (5, 20), (10, 20)]
    assert asked.skipped == 1


@needs_optuna
def test_the_guided_search_finds_what_chance_seldom_does():
    wide = space("2:1000:1", "1001:1500:1")
    guided, _ = run(wide, "tpe", trials=120, value=lambda p: -((p["fast"] - 700) ** 2))
    drawn, _ = run(wide, "random", trials=120)
    near = [sum(abs(one["fast"] - 700) <= 50 for one in found) for found in (guided, drawn)]
    assert near[0] > 2 * near[1]


def test_an_undefined_objective_is_taken():
    found, _ = run(space(), "random", trials=10, value=lambda _: None)
    assert len(found) == 10


@needs_optuna
def test_an_undefined_objective_is_taken_by_the_guided_search():
    found, _ = run(space(), "tpe", trials=20, value=lambda p: None if p["fast"] > 10 else 1.0)
    assert len(found) == 20


def test_a_thousand_million_combinations_are_refused_with_the_way_out():
    huge = read_space(EmaTrend, {"fast": "2:1000:1", "slow": "3:5000:1", "allow_short": "true,false"})
    with pytest.raises(InputError, match=r"9,986,004 combinations .*--method random --trials 200") as refused:
        search(EmaTrend, huge)
    assert refused.value.field == "param"
    assert len(run(huge, "random", trials=20)[0]) == 20


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({"method": "guess"}, "method", "grid, random, tpe"),
        ({"method": "random", "trials": 0}, "trials", "from 1"),
        ({"method": "random", "trials": 10**9}, "trials", "1,000,000,000"),
        ({"trials": 5}, "trials", "every combination"),
    ],
)
def test_what_cannot_be_is_refused(options, field, says):
    with pytest.raises(InputError, match=says) as refused:
        search(EmaTrend, space(), **options)
    assert refused.value.field == field


def test_without_optuna_the_way_out_is_told(monkeypatch):
    monkeypatch.setattr("cryptai.research.search.importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"cryptai\[research\]"):
        search(EmaTrend, space(), method="tpe")
