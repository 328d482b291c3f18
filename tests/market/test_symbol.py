"""One spelling of a market's name, out of the many that people use."""

from __future__ import annotations

import pytest

from cryptai.errors import InputError
from cryptai.market.symbol import is_perpetual, parse_symbol, url_symbol, venue_symbol


@pytest.mark.parametrize("text", ["BTC/USDT", "BTCUSDT", "BTC-USDT", "BTC_USDT", "btcusdt", " btc/usdt "])
def test_all_spellings_are_one_name(text: str) -> None:
    assert parse_symbol(text) == "BTC/USDT"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BTCFDUSD", "BTC/FDUSD"),  # not BTCFD/USD
        ("ETHBTC", "ETH/BTC"),
        ("BTCEUR", "BTC/EUR"),
        ("1000SHIBUSDT", "1000SHIB/USDT"),
        ("XYZ/ABC", "XYZ/ABC"),  # any quote, when the bar is written
    ],
)
def test_the_quote_is_found_in_a_name_without_a_bar(text: str, name: str) -> None:
    assert parse_symbol(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BTC",
        "USDT",
        "BTC/",
        "/USDT",
        "BTC/USDT/X/Y",
        "BTC/USDT:",
        "BTC/USDT:X:Y",
        "BTC:USDT",
        "../etc",
        "BTC USDT",
        "Ä/USDT",
    ],
)
def test_what_is_no_symbol_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="is not a symbol; write it like BTC/USDT") as caught:
        parse_symbol(text)
    assert caught.value.field == "symbol"


@pytest.mark.parametrize(
    "text",
    ["BTC/USDT:USDT", "btcusdt:usdt", "BTC-USDT-USDT", "BTC_USDT_USDT", "BTC-USDT:USDT", "BTC/USDT/USDT"],
)
def test_a_perpetual_is_another_market_than_spot_in_all_its_spellings(text: str) -> None:
    assert parse_symbol(text) == "BTC/USDT:USDT"
    assert is_perpetual(parse_symbol(text))
    assert not is_perpetual("BTC/USDT")
    assert venue_symbol("BTC/USDT:USDT") == venue_symbol("BTC/USDT") == "BTCUSDT"


def test_addresses_spell_it_with_a_dash_and_lead_back() -> None:
    assert url_symbol("BTC/USDT") == "BTC-USDT"
    assert parse_symbol(url_symbol("ETH/BTC")) == "ETH/BTC"
    assert url_symbol("BTC/USDT:USDT") == "BTC-USDT-USDT"
