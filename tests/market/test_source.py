"""The port of a data source: found by name, and what every source must be."""

from __future__ import annotations

import pytest

from cryptai import seams
from cryptai.errors import UnknownName
from cryptai.market.source import LARGE_PAIRS, Backoff, open_source, sources
from cryptai.market.symbol import parse_symbol


def test_the_sources_of_the_folder_are_found_by_name():
    assert {"binance", "practice"} <= set(sources.names())


def test_a_misspelt_exchange_is_answered_with_the_near_name():
    with pytest.raises(UnknownName, match="did you mean binance") as caught:
        open_source("binanse")
    assert caught.value.field == "exchange"


@pytest.mark.parametrize("name", sources.names())
async def test_every_source_opens_without_arguments_under_its_own_name(name):
    source = open_source(name)
    assert source.name == name
    assert source.title
    assert source.practice == (name == "practice")
    await source.aclose()


def test_the_pairs_to_begin_with_are_twelve_and_in_the_one_spelling():
    assert len(set(LARGE_PAIRS)) == 12
    assert [parse_symbol(symbol) for symbol in LARGE_PAIRS] == list(LARGE_PAIRS)


def test_waits_double_up_to_the_most_and_half_of_each_is_jitter():
    backoff = Backoff(first=1.0, most=60.0)
    for attempt in range(2_000):
        ceiling = min(60.0, 2.0 ** min(attempt, 10))
        assert ceiling / 2 <= backoff.seconds(attempt) <= ceiling


def test_two_processes_do_not_wait_in_step():
    with seams.replaced(entropy=lambda n: b"\1" * n):
        one = Backoff()
    with seams.replaced(entropy=lambda n: b"\2" * n):
        other = Backoff()
    assert [one.seconds(k) for k in range(5)] != [other.seconds(k) for k in range(5)]
