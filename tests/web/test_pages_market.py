"""The Market page: whole without script, forgiving of spelling, and exact in what it hands to the chart."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.test import Client

from conftest import HOUR, START, made_candles
from cryptai.features.averages import ema
from cryptai.market.store import CandleStore
from cryptai.web import live
from cryptai.web.pages import market, stored

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def here(on_loopback: dict[str, str], home: Workspace) -> Client:
    return Client(**on_loopback)  # type: ignore[arg-type]


def data_of(response: Any) -> dict[str, Any]:
    page = response.content.decode()
    found = re.search(r'<script id="market-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_a_market_is_whole_without_script(here: Client) -> None:
    page = here.get("/markets/BTC-USDT/").content.decode()
    assert page.count('class="bar-up"') + page.count('class="bar-down"') == 120
    assert "Last closed bars" in page
    assert "style=" not in page


def test_the_first_paint_hands_300_bars_and_what_was_known_at_each_to_the_chart(here: Client) -> None:
    data = data_of(here.get("/markets/BTC-USDT/"))
    whole = live.store().read("binance", "BTC/USDT", "1h")
    assert len(data["bars"]) == 300
    assert data["older"] is True
    assert data["bars"][-1][0] == int(whole.ts[-1])
    assert data["bars"][-1][4] == float(whole.close[-1])
    assert set(map(len, data["indicators"].values())) == {300}
    expected = ema(whole.close, 26)[-300:]
    assert np.array(data["indicators"]["ema_26"]) == pytest.approx(expected, rel=1e-7)


def test_older_bars_come_by_page_and_join_without_hole_or_overlap(here: Client) -> None:
    first = data_of(here.get("/markets/BTC-USDT/"))
    before = first["bars"][0][0]
    older = here.get(
        f"/markets/BTC-USDT/candles.json?timeframe=1h&exchange=binance&before={before}&limit=1000"
    ).json()
    assert older["bars"][-1][0] == before - HOUR
    assert older["bars"][0][0] == START
    assert older["older"] is False
    assert older["indicators"]["rsi"][:14] == [None] * 14


@pytest.mark.parametrize(
    "query",
    [
        "timeframe=2h",
        "timeframe=1h&before=x",
        "timeframe=1h&before=-1",
        "timeframe=1h&limit=0",
        "timeframe=1h&limit=5001",
        "",
    ],
)
def test_a_request_for_bars_that_cannot_be_is_a_problem_document(here: Client, query: str) -> None:
    response = here.get(f"/markets/BTC-USDT/candles.json?exchange=binance&{query}")
    assert response.status_code == 400
    assert response["content-type"] == "application/problem+json"
    assert response.json()["field"] in query or response.json()["field"] == "timeframe"


@pytest.mark.parametrize("spelling", ["BTCUSDT", "btc-usdt", "btcusdt", "BTC_USDT"])
def test_another_spelling_is_sent_to_the_one(here: Client, spelling: str) -> None:
    response = here.get(f"/markets/{spelling}/?timeframe=1h")
    assert response.status_code == 302
    assert response["location"] == "/markets/BTC-USDT/?timeframe=1h"


@pytest.mark.parametrize("spelling", ["BTC-USDX", "BTC-USD", "BCT-USDT"])
def test_an_unknown_market_offers_the_near_ones(here: Client, spelling: str) -> None:
    response = here.get(f"/markets/{spelling}/")
    assert response.status_code == 404
    assert 'href="/markets/BTC-USDT/' in response.content.decode()


@pytest.mark.parametrize(
    "address", ["/markets/%20/", "/markets/BTC/", "/markets/<script>/", "/markets/BTC-USDT/?timeframe=3h"]
)
def test_what_names_no_market_is_not_found_and_nothing_of_it_runs(here: Client, address: str) -> None:
    response = here.get(address)
    assert response.status_code == 404
    assert "<script>" not in response.content.decode().split("</head>")[1]


def test_the_trades_of_a_strategy_come_as_marks_inside_the_bars(here: Client) -> None:
    answer = here.get("/markets/BTC-USDT/trades.json?exchange=binance&timeframe=1h&strategy=ema_trend").json()
    assert len(answer["trades"]) >= 3
    for side, entered, bought, left, sold, _pnl, reason in answer["trades"]:
        assert side == "long"
        assert START <= entered <= left < START + 400 * HOUR
        assert bought > 0
        assert sold > 0
        assert reason in ("signal", "stop", "target", "end")


@pytest.mark.parametrize("venue", ["binance", "practice"])
def test_every_json_answer_says_which_venue_it_is_of_and_whether_it_is_practice(
    here: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, venue: str
) -> None:
    store = CandleStore(tmp_path)
    store.write(venue, made_candles())
    monkeypatch.setattr(live, "store", lambda: store)
    for address in (
        "/markets.json?",
        "/markets/BTC-USDT/candles.json?timeframe=1h&limit=2",
        "/markets/BTC-USDT/trades.json?timeframe=1h&strategy=ema_trend",
    ):
        answer = here.get(f"{address}&exchange={venue}").json()
        assert (answer["exchange"], answer["practice"]) == (venue, venue == "practice")
    drawn = data_of(here.get(f"/markets/BTC-USDT/?exchange={venue}"))
    assert (drawn["exchange"], drawn["practice"]) == (venue, venue == "practice")


def test_the_chart_gets_the_newest_trades_and_their_number(
    here: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "/markets/BTC-USDT/trades.json?exchange=binance&timeframe=1h&strategy=ema_trend"
    whole = here.get(address).json()
    monkeypatch.setattr(market, "_MOST_TRADES", 2)
    few = here.get(address).json()
    assert few["trades"] == whole["trades"][-2:]
    assert few["all"] == whole["all"] == len(whole["trades"])


def test_only_a_built_in_strategy_is_run_for_the_chart(here: Client, home: Workspace) -> None:
    file = home.strategies / "mine.py"
    file.write_text("raise SystemExit\n")
    try:
        response = here.get("/markets/BTC-USDT/trades.json?exchange=binance&timeframe=1h&strategy=mine")
    finally:
        file.unlink()
    assert response.status_code == 400
    assert response.json()["field"] == "strategy"


def test_finding_one_market_goes_there_and_finding_none_offers_the_near(here: Client) -> None:
    assert here.get("/markets/?q=btc")["location"] == "/markets/BTC-USDT/?exchange=binance"
    page = here.get("/markets/?q=BTCUSTD").content.decode()
    assert "No market has" in page
    assert 'href="/markets/BTC-USDT/' in page
    names = here.get("/markets.json").json()["markets"]
    assert [m["symbol"] for m in names] == ["BTC/USDT", "ETH/USDT"]


def test_near_names_are_near() -> None:
    known = ["BTC/USDT", "ETH/USDT", "BNB/USDT"]
    assert stored.near("BTCUSD", known)[0] == "BTC/USDT"
    assert stored.near("QQQQQQQQ", known) == []
    assert stored.near("", known) == []
