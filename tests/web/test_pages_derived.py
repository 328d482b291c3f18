"""The Market page of a timeframe that is not stored: its bars are made of finer ones, and it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

from cryptai.web import live

if TYPE_CHECKING:
    from cryptai.workspace import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def here(on_loopback: dict[str, str], home: Workspace) -> Client:
    return Client(**on_loopback)  # type: ignore[arg-type]


def test_it_works(here: Client) -> None:
    whole = live.store().read("binance", "BTC/USDT", "1h")
    made = live.store().read("binance", "BTC/USDT", "4h")
    assert 0 < len(made) <= len(whole) // 4
    page = here.get("/markets/BTC-USDT/?timeframe=4h").content.decode()
    assert "made of 1h bars" in page
    assert "derived from 1h" in page
    assert f"{len(made)} stored" not in here.get("/markets/BTC-USDT/").content.decode()


def test_the_switch_offers_what_can_be_made_and_a_market_opens_with_its_own(here: Client) -> None:
    page = here.get("/markets/BTC-USDT/").content.decode()
    assert "timeframe=4h" in page
    assert "timeframe=30m" not in page
    assert "made of" not in page


def test_what_cannot_be_made_is_told(here: Client) -> None:
    answer = here.get("/markets/BTC-USDT/?timeframe=5m")
    assert answer.status_code == 404
    assert "are stored for binance; there are" in answer.content.decode()


def test_older_bars_are_made_as_well(here: Client) -> None:
    made = live.store().read("binance", "BTC/USDT", "4h")
    found = here.get(
        f"/markets/BTC-USDT/candles.json?timeframe=4h&exchange=binance&before={made.ts[-1]}&limit=10"
    ).json()
    assert [bar[0] for bar in found["bars"]] == made.ts[-11:-1].tolist()
