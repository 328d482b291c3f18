"""The page of recorded signals and a signal's own: with good, weak and absent evidence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse
from tests.screening.made import signal, walk

from cryptai.market.times import iso
from cryptai.screening.evidence import Evidence, unlooked
from cryptai.screening.fared import Fared
from cryptai.screening.record import Event, Record
from cryptai.screening.screen import screen
from cryptai.seams import now_ms
from cryptai.strategies.strategy import strategies
from cryptai.web import board, live
from cryptai.web.pages.hit_rates import by_month, fifth, rates
from cryptai.web.pages.one_signal import _around as around

if TYPE_CHECKING:
    from cryptai.workspace import Workspace

CARD: dict[str, Any] = {
    "status": "supported", "missing": [], "trades": 41, "hits": 23,
    "hit_rate": {"value": 0.56, "low": 0.41, "high": 0.7}, "break_even": 0.35,
    "expectancy": {"net": 0.02, "low": 0.01, "high": 0.03, "r": 0.25}, "deflated_sharpe": 0.97, "trials": 3,
    "pbo": None, "scope": {"symbols": 1, "symbol": "BTC/USDT", "regime": "BULL"},
    "span": {"from": "2018-01-01T00:00:00Z", "to": "2023-01-01T00:00:00Z"},
    "last": {"symbol": "BTC/USDT", "decided_at": "2022-12-01T00:00:00Z", "outcome": "target", "r": 1.8},
    "past": "0" * 64, "form": 1, "pbo_sets": 9,
}  # fmt: skip
WEAK = {**CARD, "status": "insufficient_evidence", "missing": ["23 of 41 reached the target."]}
ABSENT = {
    **CARD, "status": "insufficient_evidence", "missing": ["None like it were decided and ended before."],
    "trades": 0, "hits": 0, "hit_rate": {"value": None, "low": None, "high": None},
    "expectancy": {"net": None, "low": None, "high": None, "r": None}, "deflated_sharpe": None,
    "scope": None, "span": None, "last": None,
}  # fmt: skip
AGAINST = {**CARD, "status": "not_supported", "missing": ["9 of 41 reached the target."], "hits": 9}
STRUCTURE = {
    "kind": "choch", "id": 1, "at": 0, "known_at": 0, "direction": 1, "level": 100.0, "top": 100.0,
    "bottom": 100.0,
}  # fmt: skip


@pytest.fixture
def here(on_loopback: dict[str, str], record: Record) -> Client:
    del record  # what these seal is nobody else's to meet
    return Client(**on_loopback)  # type: ignore[arg-type]


def text(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


def last_close() -> int:
    return int(live.store().read("binance", "BTC/USDT", "1h", last=30).close_ts[0])


@pytest.mark.parametrize(
    ("card", "says"),
    [
        (CARD, "The evidence supports it"),
        (AGAINST, "The evidence speaks against it"),
        (WEAK, "No edge is shown"),
        (ABSENT, "Not enough evidence"),
    ],
)
def test_a_signals_page_says_how_often_such_was_right(
    here: Client, record: Record, card: Any, says: str
) -> None:
    decided = last_close()
    structure = {**STRUCTURE, "at": decided - 9 * 3_600_000, "known_at": decided}
    made = signal(decided_at_ms=decided, evidence=card, structures=[structure], params={"card": says})
    (number,) = record.seal([made.as_sealed()])
    record.note(
        [Event(number, "filled", decided, {"price": 100.0}), Event(number, "target", decided, {"r": 1.84})]
    )
    page = text(here.get(f"/signals/{made.identity}/"))
    assert says in page
    assert "level-target" in page
    assert "structure up" in page
    assert "Sealed" in page
    assert "+1.84 R" in page
    assert "silent" in page
    if card["trades"]:
        assert f"{card['hits']} of 41 like it reached the target, 41 to 70 %; break-even is 35 %" in page


def test_the_chart_of_a_signal_reaches_until_it_expires(here: Client) -> None:
    hour = 3_600_000
    closes = live.store().read("binance", "BTC/USDT", "1h").close_ts
    decided, last = int(closes[-90]), int(closes[-1])
    body = signal(decided_at_ms=decided, expires_at_ms=last - 9 * hour).as_sealed()
    ends = [
        int(found.close_ts[-1])
        for expires in (last - 9 * hour, decided + hour)
        if (found := around({**body, "structures": [], "expires_ms": expires})) is not None
    ]
    assert ends == [last - 9 * hour, decided + 60 * hour]


def test_one_that_stands_and_is_not_recorded_has_a_page(
    here: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = signal(symbol="NOWHERE/USDT", decided_at_ms=now_ms(), evidence=ABSENT)
    monkeypatch.setitem(board._signals, "binance", [made])
    page = text(here.get(f"/signals/{made.identity}/"))
    assert "Not recorded" in page
    assert "are not stored any more" in page


def test_one_that_does_not_exist_is_not_found(here: Client) -> None:
    text(here.get("/signals/" + "0" * 64 + "/"), 404)
    text(here.get("/signals/nothing/"), 404)


def test_the_record_is_shown_by_day_with_what_came_of_each(here: Client, record: Record) -> None:
    numbers = record.seal(
        [signal(decided_at_ms=1_652_000_000_000 + i * 3_600_000, evidence=CARD).as_sealed() for i in range(3)]
    )
    record.note([Event(numbers[0], "stop", 1_652_100_000_000, {"r": -1.03})])
    page = text(here.get("/signals/?exchange=binance"))
    assert "2022-05-08" in page
    assert "\u22121.03 R" in page
    assert "retrospective" in page
    assert "1 stop, 2 open" in page
    for one in record.several(numbers):
        assert f'href="{reverse("signal", args=[one.identity])}"' in page


def test_a_venue_without_signals_says_what_will_be_here(here: Client) -> None:
    live.store().write("kraken", live.store().read("binance", "BTC/USDT", "1h", last=5), replace=True)
    assert "No signal is recorded yet" in text(here.get("/signals/?exchange=kraken"))
    page = text(here.get("/signals/quality/?exchange=kraken"))
    assert "None has ended yet" in page
    assert "No past setups have been looked up yet" in page


def test_the_quality_page_has_rates_calibration_filters_and_years(
    here: Client, home: Workspace, record: Record
) -> None:
    store = live.store()
    early = signal(exchange="okx", decided_at_ms=now_ms(), evidence=CARD)
    late = signal(exchange="okx", decided_at_ms=1_600_000_000_000, evidence=CARD)
    numbers = record.seal([early.as_sealed(), late.as_sealed()])
    record.note([Event(number, "target", now_ms(), {"r": 1.84}) for number in numbers])
    candles = [
        walk(i, 4_000, name) for i, name in enumerate(("A/USDT", "B/USDT", "C/USDT", "D/USDT", "E/USDT"))
    ]
    store.write("okx", *candles, replace=True)
    evidence = Evidence(home, store, "okx")
    for name in ("bollinger_bands", "smart_money"):
        evidence.past(strategies.get(name)(), "1h", int(candles[0].close_ts[-1]))
    page = text(here.get("/signals/quality/?exchange=okx"))
    assert "1 of 2 recorded" in page
    assert "ema_trend" in page
    assert 'class="reliability"' in page
    assert "smart_money 1h" in page.partition("Too few to fit")[2]
    assert "against the trend" in page
    year = iso(int(candles[0].ts[-1]))[:4]
    assert f'<th class="num" scope="col">{year}</th>' in page


def test_what_would_have_flipped_a_signal_is_told(here: Client, record: Record) -> None:
    store = live.store()
    candles = walk(1, 2_000)
    store.write("bitget", candles, replace=True)
    asked = {"as_of_ms": int(candles.close_ts[-1]), "names": ["bollinger_bands"], "ended": True}
    found = screen(store, "bitget", evidence=unlooked, **asked).signals
    changed = {**found[1].as_sealed(), "data_digest": "0" * 64}
    record.seal([found[0].as_sealed(), changed, {**found[2].as_sealed(), "strategy": "my_own"}])
    told = [text(here.get(f"/signals/{one.identity}/")) for one in record.newest("bitget")]
    assert any("bollinger_bands would not have decided it" in page for page in told)
    assert any("are not stored any more as they were then" in page for page in told)
    assert any("Your own strategies are not asked again here" in page for page in told)


def fared(event: str = "", r: float = math.nan, **changes: Any) -> Fared:
    return Fared("a", "BULL", 0.5, 0, False, 0.36, event, r)._replace(**changes)


def test_rates_count_only_what_has_ended() -> None:
    some = [
        fared("target", 1.8), fared("stop", -1.0), fared("expired", 0.1), fared("filled"), fared("missed"),
        fared(strategy="b"),
    ]  # fmt: skip
    (rate,) = rates(some, lambda one: one.strategy)
    assert (rate.name, rate.ended, rate.hits) == ("a", 3, 1)
    assert rate.low < 1 / 3 < rate.high
    assert rate.mean_r == pytest.approx(0.3)
    # At that rate the mean of targets, stops and the third that expired is nothing.
    won = (1 - 0.36) / 0.36
    assert rate.needed * won - (2 / 3 - rate.needed) + 0.1 / 3 == pytest.approx(0.0)


def test_months_are_the_newest_and_fifths_hold_their_ends() -> None:
    some = [fared("stop", -1.0, decided_ms=day * 86_400_000) for day in (0, 31, 32, 60)]
    assert [(rate.name, rate.ended) for rate in by_month(some, 2)] == [("1970-03", 1), ("1970-02", 2)]
    assert [fifth(fared(quality=value)) for value in (0.0, 0.2, 0.599, 1.0)] == [
        "0.0 to 0.2", "0.2 to 0.4", "0.4 to 0.6", "0.8 to 1.0",
    ]  # fmt: skip


def test_the_page_of_a_signal_without_newer_bars_says_so_and_what_can_be_done(
    here: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = signal(exchange="gate", stale=True, evidence=CARD, decided_at_ms=now_ms() - 3_600_000)
    monkeypatch.setattr(live, "exchanges", lambda: ["gate"])
    monkeypatch.setattr(board, "signals", lambda _exchange=None: [one])
    page = text(here.get(f"/signals/{one.identity}/"))
    assert "Newer bars of this market are missing" in page
    assert "strategy=ema_trend&amp;symbol=BTC%2FUSDT&amp;timeframe=1h&amp;exchange=gate" in page
    monkeypatch.setattr(board, "signals", lambda _exchange=None: [replace(one, stale=False)])
    page = text(here.get(f"/signals/{one.identity}/"))
    assert "Newer bars" not in page
    assert "The last close is 100.00, 0.0" in page
