"""The Backtest page: a form from declared parameters, errors in place, runs of the user alone."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from conftest import made_candles
from cryptai.market.feed import FeedStatus
from cryptai.market.store import CandleStore
from cryptai.research.trials import OWNER, Trial, note, tried
from cryptai.seams import rng
from cryptai.strategies.strategy import parameters, strategies
from cryptai.web import live
from cryptai.web.pages import evidence, forms, history, outcome
from cryptai.web.research.models import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client

    from cryptai.web.accounts.models import User
    from cryptai.workspace import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("inline_jobs")]
PAGE = "/analytics/backtesting/"
ASKED = {
    "strategy": "ema_trend",
    "symbol": "btcusdt",
    "timeframe": "1h",
    "param.fast": "5",
    "param.slow": "20",
}


@pytest.fixture
def hers(alice: User, signed_in: Callable[[User], Client], home: Workspace) -> Client:
    return signed_in(alice)


def test_a_run_page_is_marked_by_the_venue_it_ran_on(hers: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    feed = FeedStatus("practice", practice=True, state="live", message="", done=0, total=0, since_ms=0)
    monkeypatch.setattr(live, "feed_status", lambda: feed)
    assert "<b>PRACTICE</b>" in hers.get(PAGE).content.decode()
    assert "<b>PRACTICE</b>" not in hers.get(address).content.decode()


@pytest.mark.parametrize("name", strategies.names())
def test_the_form_of_every_strategy_has_each_declared_parameter_with_its_meaning(
    hers: Client, name: str
) -> None:
    page = unescape(hers.get(PAGE, {"strategy": name}).content.decode())
    for p in parameters(strategies.get(name)):
        assert f'name="param.{p.name}"' in page
        assert (p.meaning[:1].upper() + p.meaning[1:]) in page


def test_a_posted_form_runs_and_its_result_is_whole_without_script(hers: Client) -> None:
    response = hers.post(PAGE, ASKED)
    assert response.status_code == 302
    page = hers.get(response["location"]).content.decode()
    shown = re.findall(r'data-metric="(\w+)"', page)
    assert {"total_return", "sharpe_ratio", "max_drawdown", "win_rate", "profit_factor", "trades"} <= set(
        shown
    )
    assert "Not enough evidence" in page
    assert "Equity ends at" in page
    assert "style=" not in page


def test_the_same_idea_tried_often_turns_the_words_of_its_first_run(hers: Client, home: Workspace) -> None:
    (home.root / "trials.sqlite3").unlink(missing_ok=True)
    address = hers.post(PAGE, ASKED)["location"]
    first = hers.get(address).content.decode()
    assert "In one way." in first
    assert "When it ran" not in first
    for slow in range(30, 50):
        assert hers.post(PAGE, {**ASKED, "param.slow": str(slow)}).status_code == 302
    page = hers.get(address).content.decode()
    tries = Run.objects.for_user(_alice()).values("run_digest").distinct().count()
    assert tries > 1
    assert f"In {tries} ways." in page
    assert "When it ran, ema_trend had been tried in one way" in page
    # What was kept of the run is what was known then; looking has written nothing.
    run = Run.objects.for_user(_alice()).order_by("created_ms", "id").first()
    assert run is not None
    found = run.result()
    now = run.evidence(found)
    assert now is not None
    assert (found["evidence"]["trials"], now["trials"]) == (1, tries)
    assert now["deflated_sharpe"] < found["evidence"]["deflated_sharpe"]
    # Deleting the runs takes no try back, and nobody else's count has grown.
    Run.objects.for_user(_alice()).delete()
    again = Run.objects.run_backtest(_alice(), forms.options_of(ASKED, _ema()), patience_s=60)
    assert again.result()["evidence"]["trials"] == tries
    assert tried(home, "ema_trend").trials == 0


def test_an_edge_is_evidence_until_it_was_the_best_of_many(hers: Client, home: Workspace) -> None:
    (home.root / "trials.sqlite3").unlink(missing_ok=True)
    live.store().write("coinbase", made_candles("TURN/USDT", bars=6_000, seed=5), replace=True)
    address = hers.post(PAGE, {**ASKED, "exchange": "coinbase", "symbol": "TURN/USDT"})["location"]
    page = hers.get(address).content.decode()
    assert 'data-evidence="enough"' in page
    assert "nothing of it was held out" in page
    others = [Trial(f"{i}", ratio) for i, ratio in enumerate(rng(1).normal(0.0, 0.5, 200).tolist())]
    note(home, "ema_trend", others, user=f"user:{_alice().pk}")
    page = hers.get(address).content.decode()
    assert 'data-evidence="not_enough_evidence"' in page
    assert "Not enough evidence" in page
    assert "ema_trend was tried in 201 ways, and the best of many looks good by luck" in page


def test_the_owners_tries_are_the_commands(
    owner: User, home: Workspace, signed_in: Callable[[User], Client]
) -> None:
    (home.root / "trials.sqlite3").unlink(missing_ok=True)
    assert signed_in(owner).post(PAGE, ASKED).status_code == 302
    assert tried(home, "ema_trend", user=OWNER).trials == 1


def test_a_run_that_is_older_than_the_evidence_says_so(hers: Client) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    file = Run.objects.for_user(_alice()).get().folder / "result.json"
    found = json.loads(file.read_text())
    del found["evidence"]
    file.write_text(json.dumps(found))
    page = hers.get(address).content.decode()
    assert "older than the evidence" in page
    assert "Not enough evidence" in page


def test_a_ledger_that_cannot_be_read_costs_no_page(hers: Client, home: Workspace) -> None:
    file = home.root / "trials.sqlite3"
    file.unlink(missing_ok=True)
    address = hers.post(PAGE, ASKED)["location"]
    kept = file.read_bytes()
    try:
        for side in ("-wal", "-shm"):
            file.with_name(file.name + side).unlink(missing_ok=True)
        file.write_bytes(b"no database" * 400)
        assert "In one way." in hers.get(address).content.decode()
        later = hers.post(PAGE, {**ASKED, "fee": "0.002"})["location"]
        assert "How often is not known" in hers.get(later).content.decode()
    finally:
        file.unlink()
    assert kept


def _evidence(**changes: Any) -> dict[str, Any]:
    now = {
        "status": "not_enough_evidence", "reasons": ["Because."], "trials": 40, "deflated_sharpe": 0.9496,
        "probabilistic_sharpe": 0.99961, "sharpe": 0.1,
        "minimum_track_record": {"days": 223.2, "have": 1_091},
        "mean_trade": {"value": 0.0052, "low": -0.0044, "high": 0.017},
        "win_rate": {"value": 0.5, "low": 0.21, "high": 0.79, "break_even": 0.35},
        "break_even": {"cost_bp": 81.9, "paid_bp": 30.0, "fee": 0.00358, "slippage": None},
        "null_market": {"fair": True},
    }  # fmt: skip
    return {**now, **changes}


def test_the_figures_are_sentences_a_trader_reads() -> None:
    found = {
        "strategy": "ema_trend", "metrics": {"trades": 2, "win_rate": 0.5}, "evidence": _evidence(trials=1),
    }  # fmt: skip
    panel = evidence.told(found, _evidence())
    rows = {name: text.replace("\u202f", " ") for name, text in panel.rows}
    assert rows["Wins"] == "1 of 2 trades won (21 % to 79 %). Break-even is 35 %."
    assert rows["Mean trade"] == "+0.52 % after costs (\u22120.44 % to +1.70 %)."
    assert rows["Costs"] == "30.0 bp a trade; the edge is gone at 81.9. That is a fee of 0.358 % a side."
    assert rows["Tried"] == (
        "In 40 ways. Sharpe ratio above zero: over 99.9 % sure; allowing for the tries: 94.9 %."
    )
    assert rows["Track record"] == "1 091 days; 224 are needed at this Sharpe ratio."
    assert rows["Worlds without an edge"] == "It earns nothing there, as it should."
    assert "had been tried in one way" in panel.since
    said = evidence.told(found, _evidence(reasons=["It fell -0.16 % in 1,364 days of ema-trend."])).reasons
    assert said == ["It fell \u22120.16\u202f% in 1\u202f364 days of ema-trend."]
    assert dict(evidence.told(found, _evidence(sharpe=None, trials=1)).rows)["Tried"] == "In one way."
    bare = evidence.told(
        {**found, "metrics": {"trades": 0, "win_rate": None}},
        _evidence(mean_trade=None, win_rate=None, break_even=None, sharpe=None, trials=None,
                  null_market=None, probabilistic_sharpe=None, deflated_sharpe=None),
    )  # fmt: skip
    assert [name for name, _ in bare.rows] == ["Tried", "Worlds without an edge"]
    assert "cryptai check ema_trend" in bare.rows[-1][1]
    lost = dict(evidence.told(found, _evidence(break_even={"cost_bp": -3.0, "paid_bp": 30.0})).rows)
    assert lost["Costs"] == "The edge is gone without any cost."


def _ema() -> Any:
    return parameters(strategies.get("ema_trend"))


def test_the_points_of_the_equity_begin_and_end_as_the_run_does(hers: Client) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    points = hers.get(f"{address}equity.json").json()["points"]
    run = Run.objects.for_user(_alice()).get()
    ts, equity = run.equity()
    assert points[0][:2] == [int(ts[0]), equity[0]]
    assert points[-1][:2] == [int(ts[-1]), equity[-1]]
    trades = hers.get(f"{address}trades.json").json()
    for answer in (hers.get(f"{address}equity.json").json(), trades):
        assert (answer["exchange"], answer["practice"]) == ("binance", False)
    assert len(trades["trades"]) == trades["all"] == run.result()["metrics"]["trades"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"stop": "1.2"}, "stop"),
        ({"stop": "nan"}, "stop"),
        ({"capital": "0"}, "capital"),
        ({"fee": "abc"}, "fee"),
        ({"param.fast": "1"}, "param.fast"),
        ({"param.fast": "50"}, "param.fast"),
        ({"symbol": "NONE/USDT"}, None),
        ({"symbol": "??"}, "symbol"),
        ({"timeframe": "7h"}, "timeframe"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2040-01-01"}, None),
    ],
)
def test_what_cannot_be_run_is_told_beside_its_field_and_keeps_what_was_typed(
    hers: Client, change: dict[str, str], field: str | None
) -> None:
    response = hers.post(PAGE, {**ASKED, "slippage": "0.00077", **change})
    page = response.content.decode()
    assert response.status_code == 400
    assert 'value="0.00077"' in page
    assert ('class="error"' in page) or ("error-block" in page)
    if field is not None:
        assert f'id="f-{field.replace(".", "-")}-error"' in page
    assert not Run.objects.for_user(_alice()).exists()


def test_an_unknown_strategy_is_told_with_the_near_names(hers: Client) -> None:
    response = hers.post(PAGE, {**ASKED, "strategy": "ema_trent"})
    assert response.status_code == 400
    assert "did you mean ema_trend" in response.content.decode()


def test_a_run_of_another_is_as_if_it_were_not(
    hers: Client, bob: User, signed_in: Callable[[User], Client]
) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    his = signed_in(bob)
    for tail in ("", "equity.json", "trades.json"):
        assert his.get(address + tail).status_code == 404
    assert "ema_trend</b>" not in his.get(PAGE).content.decode()


def test_the_history_is_filtered_and_an_empty_filter_says_so(hers: Client) -> None:
    hers.post(PAGE, ASKED)
    hers.post(PAGE, {"strategy": "buy_and_hold", "symbol": "ETH/USDT", "timeframe": "1h"})
    page = hers.get(PAGE, {"of": "buy_and_hold"}).content.decode()
    assert "<b>buy_and_hold</b> ETH/USDT" in page
    assert "<b>ema_trend</b>" not in page
    assert "No run fits this filter" in hers.get(PAGE, {"market": "XRP"}).content.decode()


@pytest.mark.parametrize(
    "text", ["BTCUSDT", "btc-usdt", "BTC/USDT", "btc_usdt", "btc", "BTC/", "c-us", " BTC "]
)
def test_the_history_knows_a_market_by_any_spelling_and_by_a_part_of_its_name(
    hers: Client, text: str
) -> None:
    hers.post(PAGE, ASKED)
    hers.post(PAGE, {"strategy": "buy_and_hold", "symbol": "ETH/USDT", "timeframe": "1h"})
    page = hers.get(PAGE, {"market": text}).content.decode()
    assert "<b>ema_trend</b> BTC/USDT" in page
    assert "<b>buy_and_hold</b> ETH/USDT" not in page


def test_the_filter_and_the_pager_renew_the_history_alone(
    hers: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_PAGE", 1)
    hers.post(PAGE, ASKED)
    hers.post(PAGE, {"strategy": "buy_and_hold", "symbol": "ETH/USDT", "timeframe": "1h"})
    asked = {"strategy": "breakout", "exchange": "binance", "market": "usdt"}
    part = hers.get(PAGE, asked, headers={"HX-Request": "true", "HX-Target": "runs"}).content.decode()
    assert part.lstrip().startswith('<section class="c4" id="runs"')
    assert part.rstrip().endswith("</section>")
    assert part.count("two-lines") == 1
    older = re.search(r'id="runs-older" href="([^"]+)"', part)
    assert older
    assert older[1] == "?strategy=breakout&amp;exchange=binance&amp;market=usdt&amp;page=2"
    whole = hers.get(PAGE + older[1].replace("&amp;", "&")).content.decode()
    assert "<b>ema_trend</b> BTC/USDT" in whole
    assert 'name="strategy" value="breakout"' in whole


def test_a_run_on_the_practice_market_is_told_from_others_in_the_history(hers: Client) -> None:
    hers.post(PAGE, ASKED)
    assert "· practice" not in hers.get(PAGE).content.decode()
    Run.objects.for_user(_alice()).update(exchange="practice")
    assert "· practice" in hers.get(PAGE).content.decode()


def test_its_user_and_nobody_else_is_told_when_a_run_begins_and_ends(hers: Client) -> None:
    told: list[dict[str, Any]] = []
    live.speak_by(told.append)
    try:
        pk = hers.post(PAGE, ASKED)["location"].rstrip("/").rsplit("/", 1)[1]
    finally:
        live.speak_by(None)
    assert told == [
        {"to": _alice().pk, "type": "run", "id": pk, "status": status} for status in ("RUNNING", "COMPLETED")
    ]


def test_the_progress_of_a_run_is_asked_for_alone_until_it_ends(hers: Client) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    asking = {"HX-Request": "true", "HX-Target": "progress"}
    Run.objects.for_user(_alice()).update(status="RUNNING")
    assert (
        f'hx-get="{address}" hx-trigger="every 2s, cryptai:run from:document"'
        in hers.get(address).content.decode()
    )
    part = hers.get(address, headers=asking)
    assert part.content.decode().lstrip().startswith("<progress")
    assert "HX-Refresh" not in part
    for ended in ("COMPLETED", "FAILED"):
        Run.objects.for_user(_alice()).update(status=ended)
        assert hers.get(address, headers=asking)["HX-Refresh"] == "true"
        assert "hx-" not in hers.get(address).content.decode()


def test_another_venues_markets_are_one_link_away_and_stay(
    hers: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CandleStore(tmp_path)
    store.write("binance", made_candles())
    monkeypatch.setattr(live, "store", lambda: store)
    assert 'aria-label="Exchange"' not in hers.get(PAGE).content.decode()
    store.write("practice", made_candles("DOGE/USDT"))
    page = hers.get(PAGE, {"strategy": "breakout"}).content.decode()
    assert 'href="?strategy=breakout&amp;exchange=practice"' in page
    page = hers.get(PAGE, {"strategy": "breakout", "exchange": "practice"}).content.decode()
    assert 'name="exchange" value="practice"' in page
    assert "<b>PRACTICE</b>" in page
    assert "DOGE/USDT" in page
    assert 'href="/markets/?exchange=practice"' in page
    refused = hers.post(PAGE, {**ASKED, "exchange": "practice", "stop": "nan"}).content.decode()
    assert "<b>PRACTICE</b>" in refused


def test_a_run_whose_files_are_gone_says_so(hers: Client) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    (Run.objects.for_user(_alice()).get().folder / "result.json").unlink()
    assert "cannot be read" in hers.get(address).content.decode()
    assert hers.get(f"{address}equity.json").status_code == 404


@pytest.mark.parametrize(
    ("status", "said"), [("QUEUED", "Waiting for its turn"), ("RUNNING", "Running"), ("FAILED", "A reason.")]
)
def test_a_run_that_has_not_ended_well_shows_where_it_stands(hers: Client, status: str, said: str) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    Run.objects.for_user(_alice()).update(status=status, reason="A reason.")
    page = hers.get(address).content.decode()
    assert said in page
    assert ('http-equiv="refresh"' in page) == (status != "FAILED")


def test_running_again_gives_the_form_as_it_was_filled_in(hers: Client) -> None:
    address = hers.post(PAGE, {**ASKED, "capital": "5000", "from": "2023-11-16"})["location"]
    again = re.search(r'href="(/analytics/backtesting/\?[^"]+)">Change', hers.get(address).content.decode())
    assert again
    page = hers.get(again[1].replace("&amp;", "&")).content.decode()
    for said in (
        'name="param.fast" type="text" value="5"',
        'value="5000"',
        'value="2023-11-16"',
        'value="BTC/USDT"',
    ):
        assert said in page


def _timeframes(page: str) -> tuple[list[str], list[str]]:
    select = re.search(r'<select [^>]*name="timeframe".*?</select>', page, re.DOTALL)
    assert select
    options = re.findall(r"<option( selected)?>([^<]*)", select[0])
    return [name for _, name in options], [name for chosen, name in options if chosen]


@pytest.mark.parametrize("form", ["", "sweep/", "walk-forward/"])
def test_timeframes_made_of_finer_bars_are_offered_and_the_one_asked_for_is_kept(
    hers: Client, form: str
) -> None:
    assert _timeframes(hers.get(PAGE + form).content.decode())[0] == ["1h", "4h", "1d", "1w"]
    for asked in ("4h", "15m"):  # of stored hours the second cannot be made, and the run will say so
        assert _timeframes(hers.get(PAGE + form, {"timeframe": asked}).content.decode())[1] == [asked]
    run = hers.post(PAGE, {**ASKED, "timeframe": "4h"})["location"]
    assert "BTC/USDT 4h" in hers.get(run).content.decode()


def test_a_strategy_of_the_users_is_offered_without_being_imported(hers: Client, home: Workspace) -> None:
    file = home.strategies / "mine.py"
    file.write_text("raise SystemExit\n")
    try:
        page = hers.get(PAGE, {"strategy": "mine"}).content.decode()
    finally:
        file.unlink()
    assert 'name="param"' in page
    assert "process of its own" in page


def test_an_unticked_box_is_false_and_an_empty_field_its_default() -> None:
    declared = parameters(strategies.get("ema_trend"))
    posted = {
        "strategy": "ema_trend",
        "param.allow_short": "false",
        "param.fast": "",
        "stop": " ",
        "fee": "0",
    }
    options = forms.options_of(posted, declared)
    assert options == {"strategy": "ema_trend", "fee": "0", "param": {"allow_short": "false"}}
    assert forms.options_of({"param": "a=1\n\n b=2 "}, None)["param"] == ["a=1", "b=2"]


def test_an_undefined_metric_is_a_dash_with_its_reason() -> None:
    found = {
        "capital": 100.0,
        "trades": [],
        "metrics": {"total_return": 0.0, "sharpe_ratio": None, "max_drawdown": 0.0, "win_rate": None,
                    "profit_factor": None, "trades": 0, "final_equity": 100.0},
    }  # fmt: skip
    told = {m.name: m for m in outcome.metrics(found)}
    for name in ("sharpe_ratio", "win_rate", "profit_factor"):
        assert told[name].text == "–"
        assert told[name].note.startswith("undefined: ")


def _alice() -> Any:
    from cryptai.web.accounts.models import User

    return User.objects.get(username="alice")


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("funding_carry", "cryptai data funding --download BTC/USDT:USDT"),
        ("pairs_spread", "name two or more"),
    ],
)
def test_what_a_strategy_needs_and_is_not_there_is_told_in_the_form(
    hers: Client, strategy: str, words: str
) -> None:
    asked = {"strategy": strategy, "symbol": "btcusdt", "timeframe": "1h"}
    response = hers.post(PAGE, asked)
    assert response.status_code == 400
    assert words in unescape(response.content.decode())
