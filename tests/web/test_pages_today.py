"""Today and Market answer complete in their first HTML, in every state of the data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from conftest import HOUR, START, made_candles
from cryptai.errors import WorkspaceError
from cryptai.market.feed import FeedStatus
from cryptai.market.store import CandleStore
from cryptai.signals import Signal
from cryptai.web import board, live
from cryptai.web.pages import today, watch

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def here(on_loopback: dict[str, str]) -> Client:
    return Client(**on_loopback)  # type: ignore[arg-type]


def status(**changes: Any) -> FeedStatus:
    known = {"exchange": "binance", "practice": False, "state": "live", "message": "", "done": 0, "total": 0}
    return FeedStatus(**{**known, "since_ms": START, **changes})


def signal(**changes: Any) -> Signal:
    known: dict[str, Any] = {
        "exchange": "binance",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "side": "long",
        "strategy": "ema_trend",
        "entry": 100.0,
        "stop": 92.0,
        "target": 115.0,
        "price": 103.0,
        "reward_risk": 1.88,
        "score": 0.73,
        "reward_risk_now": 1.09,
        "factors": {"strategy": 0.8, "reward_risk": 0.6},
        "reason": "EMA 12 crossed above EMA 26",
        "decided_at_ms": START,
        "age_bars": 1,
        "stale": False,
        "practice": False,
        "data_digest": "0" * 64,
        "params": {"fast": 12, "slow": 26, "allow_short": False},
        "entry_low": 98.8,
        "entry_high": 101.2,
        "quality": 0.7,
        "parts": {"rules": 0.7, "model": None, "sentiment": None},
        "confidence": {"kind": "rank", "value": 0.8},
        "evidence": {
            "status": "insufficient_evidence", "missing": ["Only 7 like it were decided and ended before."],
            "trades": 7, "hits": 2, "break_even": 0.36,
            "hit_rate": {"value": 0.29, "low": 0.08, "high": 0.64},
        },
        "structures": [],
        "regime": "BULL",
        "expires_at_ms": START + 120 * 3_600_000,
        "state": "open",
        "engine": 2,
    }  # fmt: skip
    return Signal(**{**known, **changes})


def say(
    monkeypatch: pytest.MonkeyPatch, signals: list[Signal], state: str = "ready", message: str = ""
) -> None:
    monkeypatch.setattr(board, "signals", lambda _exchange=None: signals)
    told = board.BoardState(state, message, START if state == "ready" else 0)  # type: ignore[arg-type]
    monkeypatch.setattr(board, "state", lambda _exchange=None: told)


def text(response: Any) -> str:
    return re.sub(r"[ \n]+", " ", response.content.decode())


def test_today_shows_the_five_best_with_levels_score_reason_and_evidence(
    here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(
        monkeypatch,
        [signal(score=0.7 - i / 10, strategy=f"s{i}", symbol=f"C{i}/USDT") for i in range(7)],
    )
    page = text(here.get("/"))
    assert page.count('<article class="card long"') == 5
    best, _, others = page.partition("2 more")
    assert "s4" in best
    assert "s5" not in best
    assert "C5/USDT" in others
    for said in (
        "100.00",
        "92.00",
        "115.00",
        "\u22128.0\u202f%",
        "+15.0\u202f%",
        "1.88",
        "now 1.09",
        "0.70",
        "EMA 12 crossed above",
    ):
        assert said in page
    assert page.count("2 of 7 like it reached the target, 8 to 64\u202f%; break-even is 36\u202f%") == 5
    assert "Signals are information, not advice" in page


def test_a_stale_signal_says_so(here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, [signal(stale=True)])
    assert '<b class="risk">stale</b>' in text(here.get("/"))


@pytest.mark.parametrize(
    ("state", "message", "said"),
    [
        ("ready", "", "No signal stands now"),
        ("waiting", "The markets have not been scanned yet.", "The first scan takes a few seconds"),
        ("failed", "The strategy used too much memory.", "The strategy used too much memory."),
    ],
)
def test_today_without_signals_says_which_kind_of_nothing_it_is(
    here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch, state: str, message: str, said: str
) -> None:
    say(monkeypatch, [], state, message)
    page = text(here.get("/"))
    assert said in page
    assert ('http-equiv="refresh"' in page) == (state == "waiting")


@pytest.mark.parametrize("state", ["ready", "scanning", "failed"])
@pytest.mark.parametrize("signals", [[], [signal()]])
def test_strategies_left_out_of_the_scan_are_told_in_every_state(
    here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch, state: Any, signals: list[Signal]
) -> None:
    monkeypatch.setattr(today, "_PATIENCE_S", 0.0)
    say(monkeypatch, signals)
    told = board.BoardState(state, "", START, "Your own strategies are left out: mine.py took over 60 s.")
    monkeypatch.setattr(board, "state", lambda _exchange=None: told)
    assert "mine.py took over 60 s." in text(here.get("/"))


@pytest.mark.parametrize("address", ["/", "/markets/", "/markets/BTC-USDT/"])
def test_another_venue_is_one_link_away_and_every_link_keeps_it(
    here: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    store = CandleStore(tmp_path)
    store.write("practice", made_candles())
    monkeypatch.setattr(live, "store", lambda: store)
    monkeypatch.setattr(live, "feed_status", lambda: status(exchange="practice", practice=True))
    say(monkeypatch, [])
    assert 'aria-label="Exchange"' not in text(here.get(address))
    store.write("binance", made_candles())
    page = text(here.get(address))
    assert 'exchange=binance"' in page
    assert 'href="/markets/"' in page
    page = text(here.get(f"{address}?exchange=binance"))
    assert "<b>PRACTICE</b>" not in page
    ways = re.findall(r'href="(/(?!static|accounts|admin|icon)[^"]*)"', page)
    assert {way.partition("?")[0] for way in ways} >= {"/", "/markets/", "/analytics/backtesting/"}
    assert [way for way in ways if "exchange=binance" not in way] == []
    assert '<input type="hidden" name="exchange" value="binance">' in page


def test_the_watchlist_has_price_change_line_and_age_of_every_symbol(
    here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, [])
    page = text(here.get("/"))
    assert re.findall(r'data-price="([A-Z/]+)"', page) == ["BTC/USDT", "ETH/USDT"]
    assert page.count('class="spark ') == 2
    assert "stale" in page


def test_a_live_price_is_in_the_first_html(
    here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, [])
    told = {"BTC/USDT": {"price": 123.45, "change_24h": -0.5, "ts": START, "seq": 1}}
    monkeypatch.setattr(live, "latest", lambda _exchange: told)
    page = text(here.get("/"))
    assert ">123.4500" in page
    assert "\u221250.00\u202f%" in page


def test_the_practice_market_is_marked_on_every_page(
    here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "feed_status", lambda: status(exchange="practice", practice=True))
    for address in ("/", "/markets/", "/markets/NONE-USDT/"):
        assert "<b>PRACTICE</b>" in text(here.get(address))


def test_a_venue_that_is_only_stored_is_not_called_live(
    here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "feed_status", lambda: status(exchange="practice", practice=True))
    page = text(here.get("/?exchange=binance"))
    assert 'data-state-chip="stored"' in page
    assert "<b>PRACTICE</b>" not in page


@pytest.mark.parametrize(
    ("state", "said"),
    [("backfilling", "The first candles are on their way"), ("stopped", "No candles of practice yet")],
)
def test_an_empty_venue_says_what_will_be_here_and_the_one_action(
    here: Client, home: Workspace, monkeypatch: pytest.MonkeyPatch, state: str, said: str
) -> None:
    feed = status(exchange="practice", state=state, message="A word.", done=3, total=36)
    monkeypatch.setattr(live, "feed_status", lambda: feed)
    page = text(here.get("/"))
    assert said in page
    assert "A word." in page
    assert ("3 of 36 series" in page) == (state == "backfilling")


@pytest.mark.parametrize("address", ["/", "/markets/", "/markets/BTC-USDT/", "/markets.json"])
def test_a_store_that_cannot_be_read_is_told_and_nothing_else_breaks(
    here: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    store = CandleStore(tmp_path)
    message = "The candle catalog is damaged; bring it back with: cryptai restore FILE."

    def damaged(*_args: object) -> None:
        raise WorkspaceError(message)

    monkeypatch.setattr(store, "markets", damaged)
    monkeypatch.setattr(store, "exchanges", damaged)
    monkeypatch.setattr(live, "store", lambda: store)
    response = here.get(address)
    assert response.status_code == 500
    assert message in text(response)


def test_more_than_a_watchlist_is_a_list_on_the_market_page(
    here: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = CandleStore(tmp_path)
    store.write("binance", *(made_candles(f"S{i:02d}/USDT", bars=30, seed=i) for i in range(30)))
    monkeypatch.setattr(live, "store", lambda: store)
    say(monkeypatch, [])
    page = text(here.get("/"))
    assert page.count("data-price=") == 24
    assert "The first 24 of 30." in page
    assert text(here.get("/markets/")).count("data-price=") == 30


def test_the_change_of_24_hours_needs_a_bar_of_that_time() -> None:
    candles = made_candles(bars=30)
    expected = candles.close[-1] / candles.close[-25] - 1
    assert watch.change_over(candles, 24 * HOUR) == pytest.approx(expected)
    assert watch.change_over(candles[-20:], 24 * HOUR) is None
    assert watch.change_over(candles[:0], 24 * HOUR) is None
