"""The laboratory's pages: a run in all its tables, runs side by side, searches from form to result."""

from __future__ import annotations

import io
import json
import re
import zipfile
from html import unescape
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cryptai.analytics.round_trips import of_rows
from cryptai.analytics.tables import Period
from cryptai.market.candles import Candles
from cryptai.seams import now_ms, rng
from cryptai.strategies.strategy import parameters, strategies
from cryptai.trading.options import FLAGS, NUMBERS
from cryptai.trading.request import BacktestRequest
from cryptai.web import jobs, live
from cryptai.web.pages import forms, outcome, study_words
from cryptai.web.pages.fold_picture import fold_picture
from cryptai.web.pages.heat_map import heat_map, tint
from cryptai.web.pages.study_form import study_form, study_options
from cryptai.web.pages.surface import surface
from cryptai.web.pages.trade_pictures import excursions, histogram
from cryptai.web.research.models import Run, Study
from cryptai.web.research.plans import read_study

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _pk(address: str) -> str:
    return address.rstrip("/").rsplit("/", 1)[1]


# --- a run ---


def test_a_runs_page_has_its_months_its_parts_its_spreads_and_all_its_trades(hers: Client) -> None:
    page = hers.get(hers.post(PAGE, ASKED)["location"]).content.decode()
    for title in ("Returns of months", "Years and drawdowns", "Where it came from", "What the trades gave"):
        assert title in page
    assert 'aria-label="Trades by: Left by"' in page
    assert re.search(r'<td class="num heat-(up|down)-\d">[+\u2212][\d.]+</td>', page)
    assert "held-line" in page
    assert "style=" not in page


def test_the_trades_are_answered_as_the_table_lists_them(hers: Client, alice: User) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    answer = hers.get(f"{address}trades.json").json()
    found = Run.objects.for_user(alice).get().result()
    first, given = answer["trades"][0], found["trades"][0]
    assert first[0] == given["side"]
    assert first[6:7] + first[8:12] == [
        given["exit_reason"], given["fees"], given["mae"], given["mfe"], given["entry_reason"],
    ]  # fmt: skip
    assert first[7] == pytest.approx(given["pnl"] / (given["entry_price"] * given["quantity"]))
    assert (first[12], first[14]) == ("BTC/USDT", 1)
    assert [row[14] for row in answer["trades"]] == list(range(1, len(found["trades"]) + 1))


def test_buy_and_hold_stands_beside_the_equity(hers: Client, alice: User) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    points = hers.get(f"{address}equity.json").json()["points"]
    found = Run.objects.for_user(alice).get().result()
    assert points[-1][3] / found["capital"] - 1 == pytest.approx(found["metrics"]["buy_and_hold_return"])


def test_everything_of_a_run_can_be_taken_away(hers: Client, alice: User) -> None:
    address = hers.post(PAGE, ASKED)["location"]
    page = hers.get(address).content.decode()
    run = Run.objects.for_user(alice).get()
    names = re.findall(rf'href="{address}files/([\w.]+)" download', page)
    assert {"report.html", "trades.csv", "equity.csv", "freqtrade.json", "run.zip"} <= set(names)
    for name in names:
        answer = hers.get(f"{address}files/{name}")
        assert answer.status_code == 200, name
        assert answer["Content-Disposition"].startswith('attachment; filename="ema_trend-')
        assert answer.content
    lines = hers.get(f"{address}files/trades.csv").content.decode().splitlines()
    assert len(lines) == 1 + len(run.result()["trades"])
    packed = zipfile.ZipFile(io.BytesIO(hers.get(f"{address}files/run.zip").content))
    assert packed.testzip() is None
    assert {name.rpartition("/")[2] for name in packed.namelist()} >= {"manifest.json", "trades.csv"}
    theirs = json.loads(hers.get(f"{address}files/freqtrade.json").content)
    assert json.dumps(theirs).count('"open_rate"') == len(run.result()["trades"])
    for name in ("nothing", "result.json", "..", "equity.npy", "../../secrets/key"):
        assert hers.get(f"{address}files/{name}").status_code == 404


def test_a_failed_run_leaves_no_folder(alice: User, home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptai.research import run_writing

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_writing, "write_run", full)
    with pytest.raises(OSError, match="No space left"):
        Run.objects.run_backtest(alice, forms.options_of(ASKED, parameters(strategies.get("ema_trend"))))
    run = Run.objects.for_user(alice).get()
    assert run.status == "FAILED"
    assert not run.folder.exists()


def test_an_account_that_was_lost_has_a_page_and_files(hers: Client) -> None:
    asked = {**ASKED, "param.fast": "2", "param.slow": "3", "param.allow_short": "true", "fee": "0.5"}
    answer = hers.post(PAGE, {**asked, "target": "none"})
    assert answer.status_code == 302, unescape(answer.content.decode())[:3000]
    address = answer["location"]
    page = hers.get(address).content.decode()
    assert "\u2212100.00\u202f%" in page
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<[^>]+>", " ", page))
    assert hers.get(f"{address}files/report.json").json()["metrics"]["total_return"] < -0.999
    assert hers.get(f"{address}equity.json").status_code == 200


def test_several_markets_share_one_page(hers: Client, alice: User) -> None:
    answer = hers.post(PAGE, {**ASKED, "symbol": "BTC/USDT, ETHUSDT", "max_open": "1"})
    assert answer.status_code == 302, unescape(answer.content.decode())[:4000]
    page = hers.get(answer["location"]).content.decode()
    assert "BTC/USDT and 1 more" in page
    assert 'aria-label="Trades by: Market"' in page
    assert 'data-symbol="' not in page  # the script's; the server's rows have the column
    assert re.search(r'href="\?symbol=ETH/USDT#chart-title"', page)
    again = re.search(r'href="(/analytics/backtesting/\?[^"]+)">Change', page)
    assert again
    form = hers.get(unescape(again[1])).content.decode()
    assert 'value="BTC/USDT, ETH/USDT"' in form
    assert 'name="max_open" type="text" value="1"' in form
    assert '<details class="more" open>' in form
    assert "BTC/USDT and 1 more" in hers.get(PAGE).content.decode()


@pytest.mark.parametrize("form", ["", "sweep/", "walk-forward/"])
def test_every_option_of_the_command_has_a_field_in_the_form_folded_while_it_is_off(
    hers: Client, form: str
) -> None:
    page = hers.get(PAGE + form).content.decode()
    for name in [*(option.name for option in NUMBERS), "fill", "target_steps", "group", *FLAGS]:
        assert f'name="{name}"' in page, name
    assert '<details class="more"><summary>' in page


@pytest.mark.parametrize(
    ("name", "value"),
    [("trailing", "2"), ("leverage", "0.5"), ("max_open", "1.5"), ("spread", "x"), ("target_steps", "1-2")],
)
def test_a_mistake_in_a_folded_field_opens_it_and_stands_beside_it(
    hers: Client, alice: User, name: str, value: str
) -> None:
    answer = hers.post(PAGE, {**ASKED, name: value})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert '<details class="more" open>' in page
    assert f'id="f-{name}-error"' in page
    assert not Run.objects.for_user(alice).exists()


def test_a_request_is_typed_back_as_it_was_given() -> None:
    posted = {
        "strategy": "ema_trend", "symbol": "BTC/USDT, ETH/USDT", "timeframe": "1d", "trailing": "0.05",
        "target_steps": "0:0.15,48:0.05", "group": "majors=BTC/USDT,ETH/USDT", "fill": "close",
        "funding": "true", "finer": "false", "stop": "none", "from": "2021-01-01",
    }  # fmt: skip
    request = BacktestRequest.parse(forms.plain_options(posted))
    again = forms.as_typed(request.as_options())
    assert BacktestRequest.parse(forms.plain_options(again)) == request
    for name in ("symbol", "target_steps", "group", "fill", "funding", "stop", "from"):
        assert again[name] == posted[name]


# --- pictures and words ---


def test_a_month_is_tinted_by_its_size_and_a_missing_one_is_empty() -> None:
    months = [
        Period("2023-11", 0.031, 0.0, 0, 0, 0.0), Period("2023-12", -0.25, 0.1, 0, 0, 0.0),
        Period("2024-01", None, 1.0, 0, 0, 0.0), Period("2024-02", 0.0, 1.0, 0, 0, 0.0),
    ]  # fmt: skip
    years = [Period("2023", -0.22675, 0.25, 0, 0, 0.0), Period("2024", None, 1.0, 0, 0, 0.0)]
    newest, first = heat_map(months, years)
    assert (newest.name, first.name) == ("2024", "2023")
    assert first.months[:10] == [None] * 10
    cell = first.months[10]
    assert cell is not None
    assert (cell.text, cell.tone) == ("+3.1", "heat-up-2")
    assert (first.whole.text, first.whole.tone) == ("\u221222.7", "heat-down-5")
    lost = newest.months[0]
    assert lost is not None
    assert (lost.text, lost.tone) == ("–", "")
    assert [tint(v) for v in (0.0, 0.001, -0.03, 9.0)] == ["", "heat-up-1", "heat-down-2", "heat-up-5"]


def _trips(gains: list[float], **columns: Any) -> Any:
    rows = [
        {
            "side": "long", "entry_time": "2023-01-01T00:00:00Z", "exit_time": "2023-01-02T00:00:00Z",
            "entry_price": 100.0, "exit_price": 100.0, "quantity": 1.0, "fees": 0.0, "pnl": 100.0 * gain,
            "mae": 0.01, "mfe": 0.02, "entry_reason": "x", "exit_reason": "signal", **columns,
        }
        for gain in gains
    ]  # fmt: skip
    return of_rows(rows, "BTC/USDT")


def test_every_trade_is_in_one_bar_of_the_histogram_and_none_stands_across_zero() -> None:
    gains = [-0.08, -0.08, -0.02, 0.0, 0.01, 0.01, 0.15, 3.0]
    drawn = histogram(_trips(gains), None)
    assert drawn is not None
    assert drawn.unit == "%"
    counts = [int(column.said.split()[0]) for column in drawn.columns]
    assert sum(counts) == len(gains)
    losing = [count for count, column in zip(counts, drawn.columns, strict=True) if column.tone == "down"]
    assert sum(losing) == 3
    assert "8 trades from \u22128.00\u202f% to +300.0\u202f%" in drawn.said
    risked = histogram(_trips(gains), 0.08)
    assert risked is not None
    assert risked.unit == "R"
    assert "\u22121.00\u202fR to +37.5\u202fR" in risked.said


@pytest.mark.parametrize("gains", [[], [0.1]])
def test_too_few_trades_have_no_picture(gains: list[float]) -> None:
    assert histogram(_trips(gains), 0.08) is None
    assert excursions(_trips(gains)) is None


@pytest.mark.parametrize(
    "gains", [[0.0, 0.0], [1e-12, 1e-12], [-1.03, -1.03 + 2e-16], [1e9, -1.0], [-1.0] * 50]
)
def test_odd_trades_have_a_picture_without_odd_numbers(gains: list[float]) -> None:
    drawn, spread = histogram(_trips(gains), 0.5), excursions(_trips(gains, mae=0.0, mfe=0.0))
    assert drawn is not None
    assert spread is not None
    text = f"{drawn} {spread}"
    assert "nan" not in text
    assert "inf" not in text


def test_excursions_tell_winners_from_losers_and_leave_out_what_is_not_known() -> None:
    spread = excursions(_trips([0.1, -0.1, 0.2]))
    assert spread is not None
    assert spread.won.count("M") == 2
    assert spread.lost.count("M") == 1
    assert "Half of the winners were at most 1.0\u202f% under water." in spread.said
    assert excursions(_trips([0.1, 0.2], mae=None, mfe=None)) is None


def test_what_bars_leave_open_is_told_in_words() -> None:
    base = {"trades": 7, "share": 0.0147, "worst_return": -0.767, "best_return": -0.722, "exact": True}
    said = dict(outcome.left_open({"undecided": base, "held_through_holes": 2, "refused": {"cash": 29}}))
    assert said["Inside the bars"].startswith(
        "7 trades hang on the order of events inside a bar (1.5\u202f%)"
    )
    assert "between \u221276.7\u202f% and \u221272.2\u202f%. The worse" in said["Inside the bars"]
    assert said["Holes"].startswith("2 trades were held")
    assert said["Refused"].endswith("cash 29.")
    loose = dict(outcome.left_open({"undecided": {**base, "exact": False}}))
    assert "some order may end outside" in loose["Inside the bars"]
    assert dict(outcome.left_open({"undecided": {**base, "trades": 0}})) == {
        "Inside the bars": "No trade hangs on the order of events inside a bar."
    }
    assert outcome.left_open({}) == []


def test_a_surface_marks_its_best_and_tints_by_what_is_good(searched: dict[str, Any]) -> None:
    found = searched["sweep"]["object"]
    drawn = surface(found)
    assert drawn is not None
    assert {drawn.x, drawn.y} == {"fast", "slow"}
    assert sum(cell.best for _, cells in drawn.rows for cell in cells) == 1
    best = next(cell for _, cells in drawn.rows for cell in cells if cell.best)
    assert best.said.endswith(study_words.figure("sharpe_ratio", found["best"]["metrics"]["sharpe_ratio"]))
    given = {
        "x": "a",
        "y": None,
        "xs": list(range(100)),
        "ys": [],
        "values": [[0.01 * i for i in range(100)]],
    }
    along = surface({"objective": "max_drawdown", "surface": given})
    assert along is not None
    assert along.thinned
    assert [cell.best for cell in along.rows[0][1]] == [True] + [False] * 25
    assert along.rows[0][1][0].tone == "heat-up-5"
    assert along.rows[0][1][-1].tone == "heat-down-5"
    empty = {**given, "values": [[None] * 100]}
    assert {cell.tone for cell in surface({"objective": "cagr", "surface": empty}).rows[0][1]} == {"none"}  # type: ignore[union-attr]
    assert surface({"objective": "cagr", "surface": None}) is None


def test_folds_are_drawn_to_scale(searched: dict[str, Any]) -> None:
    folds = searched["walkforward"]["object"]["folds"]
    drawn = fold_picture(folds)
    assert drawn is not None
    assert len(drawn.bars) == len(folds)
    for bar in drawn.bars:
        assert bar.train + bar.train_width <= bar.test + 0.01
        assert bar.train_width / bar.test_width == pytest.approx(2.0, rel=0.02)
    assert fold_picture([]) is None


# --- side by side ---


def _two(hers: Client) -> list[str]:
    return [_pk(hers.post(PAGE, {**ASKED, "param.slow": slow})["location"]) for slow in ("20", "40")]


def test_runs_are_compared_and_the_best_is_marked_honestly(hers: Client, alice: User) -> None:
    pks = _two(hers)
    page = hers.get(f"{PAGE}compare/", {"run": pks}).content.decode()
    assert page.count("(best)") >= 5
    assert "None of them is evidence of an edge" in page
    assert "curve-1" in page
    returns = [Run.objects.for_user(alice).get(pk=pk).result()["metrics"]["total_return"] for pk in pks]
    row = re.search(r"Total return</th>(.*?)</tr>", page)
    assert row
    cells = re.findall(r'<td class="num( best)?">', row[1])
    assert [bool(best) for best in cells] == [value == max(returns) for value in returns]
    series = json.loads(re.search(r'id="series"[^>]*>(.*?)</script>', page)[1])  # type: ignore[index]
    assert [one[-1][1] for one in series] == pytest.approx([100 * (1 + value) for value in returns])


def test_a_run_that_did_nothing_is_the_best_at_nothing(hers: Client) -> None:
    idle = _pk(hers.post(PAGE, {**ASKED, "param.fast": "900", "param.slow": "5000"})["location"])
    page = hers.get(f"{PAGE}compare/", {"run": [idle, *_two(hers)]}).content.decode()
    rows = re.findall(r'<th scope="row">[^<]+</th>(<td class="num.*?)</tr>', page)
    assert rows
    assert not any(row.startswith('<td class="num best"') for row in rows)
    assert "(best)" in page


def test_what_cannot_be_compared_like_for_like_is_said(hers: Client) -> None:
    first = _pk(hers.post(PAGE, ASKED)["location"])
    other = {
        "strategy": "ema_trend",
        "symbol": "ETH/USDT",
        "timeframe": "1h",
        "from": "2023-11-20",
        "fee": "0",
    }
    second = _pk(hers.post(PAGE, other)["location"])
    page = hers.get(f"{PAGE}compare/", {"run": [first, second]}).content.decode()
    for said in ("different markets", "different ranges", "costs or rules differ"):
        assert said in page


def test_five_runs_side_by_side_ask_the_database_ten_times_at_most(hers: Client) -> None:
    pks = [_pk(hers.post(PAGE, {**ASKED, "param.slow": str(slow)})["location"]) for slow in range(20, 45, 5)]
    with CaptureQueriesContext(connection) as asked:
        assert hers.get(f"{PAGE}compare/", {"run": pks}).status_code == 200
    assert len(asked) <= 10


def test_one_run_six_runs_and_anothers_are_not_compared(
    hers: Client, bob: User, signed_in: Callable[[User], Client]
) -> None:
    pks = _two(hers)
    assert hers.get(f"{PAGE}compare/").status_code == 200
    one = hers.get(f"{PAGE}compare/", {"run": [pks[0], pks[0], "nothing"]})
    assert one.status_code == 400
    assert "Tick two to five" in one.content.decode()
    his = signed_in(bob).get(f"{PAGE}compare/", {"run": pks})
    assert his.status_code == 400
    assert "ema_trend BTC/USDT" not in his.content.decode()


# --- searches ---


@pytest.mark.parametrize("kind", ["sweep", "walk-forward"])
@pytest.mark.parametrize("name", strategies.names())
def test_the_form_of_a_search_has_a_range_for_each_parameter_that_can_be_searched(
    hers: Client, kind: str, name: str
) -> None:
    from cryptai.web.research.plans import read_study, sets_of

    page = unescape(hers.get(f"{PAGE}{kind}/", {"strategy": name}).content.decode())
    for p in parameters(strategies.get(name)):
        assert f'name="from.{p.name}"' in page
        assert (p.meaning[:1].upper() + p.meaning[1:]) in page
    if not parameters(strategies.get(name)):
        assert "nothing to search" in page
        return
    # What the form offers at first can be searched as it stands.
    cls, kind = strategies.get(name), kind.replace("-", "")
    form = study_form(kind, name, parameters(cls), {"symbol": "BTC/USDT"}, symbols=[], timeframes=["1h"])
    typed = {f"from.{r.name}": r.low for r in form.ranges} | {f"to.{r.name}": r.high for r in form.ranges}
    typed |= {f"step.{r.name}": r.step for r in form.ranges} | {f.name: f.value for f in form.search}
    plain = {f.name: f.value for f in (*form.run.market, *form.run.money, *form.run.limits)}
    options = study_options(kind, {"strategy": name, **plain, **typed}, parameters(cls))
    assert 1 <= sets_of(cls, read_study(kind, options)[1]) <= 200


def test_a_sweep_is_started_from_its_form_shown_and_its_best_one_run(
    hers: Client, alice: User, searched: dict[str, Any]
) -> None:
    asked = {
        "strategy": "ema_trend", "exchange": "coinbase", "symbol": "SWEPT/USDT", "timeframe": "1h",
        "from.fast": "5", "to.fast": "15", "step.fast": "5", "from.slow": "20", "to.slow": "40",
        "step.slow": "10", "from.allow_short": "false", "method": "grid", "objective": "sharpe_ratio",
        "held_out": "0.25",
    }  # fmt: skip
    answer = hers.post(f"{PAGE}sweep/", asked)
    assert answer.status_code == 302, unescape(answer.content.decode())[:4000]
    page = unescape(hers.get(answer["location"]).content.decode())
    study = Study.objects.for_user(alice).get()
    assert study.status == "COMPLETED"
    assert study.result()["results"] == [
        {**one, "params": {**one["params"], "allow_short": False}}
        for one in searched["sweep"]["object"]["results"]
    ]
    assert "Not enough evidence" in page
    assert 'class="heat surface"' in page
    assert "Held out" in page
    assert "style=" not in page
    fields = dict(re.findall(r'<input type="hidden" name="([\w.]+)" value="([^"]*)">', page))
    run = hers.post(PAGE, {name: value for name, value in fields.items() if name != "csrfmiddlewaretoken"})
    assert run.status_code == 302
    best = study.result()["best"]["params"]
    assert {name: Run.objects.for_user(alice).get().params[name] for name in best} == best
    listed = hers.get(f"{PAGE}sweep/").content.decode()
    assert study.pk in listed
    assert "9 sets" in listed
    again = re.search(
        r'href="(/analytics/backtesting/sweep/\?[^"]+)">Change', hers.get(answer["location"]).content.decode()
    )
    assert again
    form = hers.get(unescape(again[1])).content.decode()
    for typed in ('name="from.fast" value="5"', 'name="to.fast" value="15"', 'name="step.slow" value="10"'):
        assert typed in form


def test_the_same_idea_tried_in_two_hundred_ways_on_noise_is_told_to_be_luck(
    hers: Client, alice: User, home: Workspace
) -> None:
    (home.root / "trials.sqlite3").unlink(missing_ok=True)
    walk = 100 * np.exp(np.cumsum(rng(11).normal(0, 0.004, 4_000)))
    opens = np.r_[walk[0], walk[:-1]]
    high, low = np.maximum(opens, walk) * 1.002, np.minimum(opens, walk) * 0.998
    ts, volume = 1_700_006_400_000 + 3_600_000 * np.arange(len(walk)), np.ones(len(walk))
    live.store().write("bybit", Candles(ts, opens, high, low, walk, volume, "NOISE/USDT", "1h"), replace=True)
    market = {"exchange": "bybit", "symbol": "NOISE/USDT"}
    address = hers.post(PAGE, {**ASKED, **market})["location"]
    run = Run.objects.for_user(alice).get()
    first = run.evidence(run.result())
    space = {
        "from.fast": "3", "to.fast": "22", "step.fast": "1", "from.slow": "30", "to.slow": "75",
        "step.slow": "5",
    }  # fmt: skip
    searched = hers.post(f"{PAGE}sweep/", {**ASKED, **market, **space})["location"]
    study = Study.objects.for_user(alice).get()
    assert (study.status, study.done) == ("COMPLETED", 200)
    now = run.evidence(run.result())
    assert first is not None
    assert now is not None
    assert now["trials"] == 201
    assert now["deflated_sharpe"] < first["deflated_sharpe"]
    assert study.result()["evidence"]["pbo"] > 0.05
    for where in (address, searched):
        page = hers.get(where).content.decode()
        assert 'data-evidence="not_enough_evidence"' in page
        assert "ways, and the best of many looks good by luck" in page
    assert "Overfitting" in page


def test_a_walk_forward_shows_its_folds_its_account_and_its_result_can_be_taken_away(
    hers: Client, alice: User, study_of: Callable[[User, str], Study]
) -> None:
    study = study_of(alice, "walkforward")
    address = f"{PAGE}studies/{study.pk}/"
    page = hers.get(address).content.decode()
    folds = study.result()["folds"]
    assert page.count('class="test"') == len(folds)
    assert f"{len(folds)} folds" in page
    points = hers.get(f"{address}equity.json").json()["points"]
    assert points[-1][1] == pytest.approx(study.result()["metrics"]["final_equity"])
    taken = hers.get(f"{address}result.json")
    assert taken.json() == study.result()
    assert taken["Content-Disposition"].startswith('attachment; filename="walkforward-ema_trend-')


def test_a_search_is_seen_cancelled_and_nobody_elses(
    hers: Client, alice: User, bob: User, signed_in: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch, searched: dict[str, Any],
) -> None:  # fmt: skip
    monkeypatch.setattr(jobs, "submit_long", lambda work: None)
    study = Study.objects.start(alice, "sweep", searched["sweep"]["request"])
    address = f"{PAGE}studies/{study.pk}/"
    page = hers.get(address).content.decode()
    assert "Waiting for its turn" in page
    assert f'hx-get="{address}"' in page
    asking = {"HX-Request": "true", "HX-Target": "progress"}
    Study.objects.for_user(alice).update(
        status="RUNNING", done=3, best={"params": {"fast": 5}, "value": 1.234}, started_ms=now_ms() - 30_000
    )
    part = hers.get(address, headers=asking).content.decode()
    assert part.lstrip().startswith("<progress")
    assert 'max="9" value="3"' in part
    assert re.search(r"about (1|60) (min|s) left", part)
    assert "fast 5" in part
    his = signed_in(bob)
    assert his.get(address).status_code == his.post(f"{address}cancel/").status_code == 404
    assert hers.get(f"{address}cancel/").status_code == 405
    assert hers.post(f"{address}cancel/")["location"] == address
    assert hers.get(address, headers=asking)["HX-Refresh"] == "true"
    page = hers.get(address).content.decode()
    assert "The search was cancelled" in page
    assert "3 of 9 sets were finished" in page
    for tail in ("equity.json", "result.json"):
        assert hers.get(address + tail).status_code == 404


def test_a_search_over_several_markets_is_typed_back_as_it_was_given(
    hers: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "submit_long", lambda work: None)
    posted = {
        "strategy": "ema_trend", "exchange": "binance", "symbol": "BTC/USDT, ETH/USDT", "timeframe": "1h",
        "from.fast": "5", "to.fast": "15", "step.fast": "5", "from.slow": "40", "size": "0.4",
        "target_steps": "0:0.15,48:0.05", "group": "majors=BTC/USDT,ETH/USDT", "max_per_group": "1",
    }  # fmt: skip
    address = hers.post(f"{PAGE}sweep/", posted)["location"]
    page = hers.get(address).content.decode()
    assert "BTC/USDT and 1 more 1h" in page
    again = re.search(r'href="([^"]+sweep/\?[^"]+)">Change', page)
    assert again
    form = hers.get(unescape(again[1])).content.decode()
    for name in ("symbol", "to.fast", "target_steps", "max_per_group"):
        assert re.search(rf'name="{re.escape(name)}"[^>]* value="{re.escape(posted[name])}"', form), name
    assert "majors=BTC/USDT,ETH/USDT" in form
    hers.post(f"{PAGE}sweep/", posted)
    one, two = Study.objects.for_user(alice)
    assert read_study("sweep", one.request) == read_study("sweep", two.request)


def test_a_search_cannot_be_begun_or_cancelled_from_another_page(
    alice: User, searched: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.test import Client

    monkeypatch.setattr(jobs, "submit_long", lambda work: None)
    study = Study.objects.start(alice, "sweep", searched["sweep"]["request"])
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(f"{PAGE}studies/{study.pk}/cancel/").status_code == 403
    assert strict.post(f"{PAGE}sweep/", {"strategy": "ema_trend"}).status_code == 403
    assert Study.objects.for_user(alice).get().status == "QUEUED"


def test_a_failed_and_a_damaged_search_say_what_is_safe(
    hers: Client, alice: User, study_of: Callable[[User, str], Study]
) -> None:
    study = study_of(alice, "sweep")
    (study.folder / "shown.json").write_text("{")
    assert "cannot be read" in hers.get(f"{PAGE}studies/{study.pk}/").content.decode()
    Study.objects.for_user(alice).update(status="FAILED", reason="Because of <this>.")
    page = hers.get(f"{PAGE}studies/{study.pk}/").content.decode()
    assert "Because of &lt;this&gt;." in page
    assert "No result was stored" in page


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"from.fast": "x"}, 'id="r-fast-error"'),
        ({"to.fast": "1"}, 'id="r-fast-error"'),
        ({"from.fast": "", "to.fast": "9"}, 'id="r-fast-error"'),
        ({"held_out": "3"}, 'id="f-held_out-error"'),
        ({"stop": "7"}, "error-block"),
        ({"symbol": "BTC/USDT,NONE/USDT"}, "No bars of NONE/USDT"),
        ({"method": "random", "trials": "0"}, 'id="f-trials-error"'),
        ({"from.fast": "2", "to.fast": "1000", "step.fast": "1", "from.slow": "6", "to.slow": "5000",
          "step.slow": "1"}, "4,990,005 combinations"),
        ({"strategy": "ema_trent"}, "did you mean ema_trend"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_search_is_told_beside_its_field(
    hers: Client, alice: User, change: dict[str, str], at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "submit_long", lambda work: None)
    asked = {
        "strategy": "ema_trend", "exchange": "binance", "symbol": "BTC/USDT", "timeframe": "1h",
        "from.fast": "5", "to.fast": "10", "step.fast": "5", "capital": "777",
    }  # fmt: skip
    answer = hers.post(f"{PAGE}sweep/", {**asked, **change})
    page = unescape(answer.content.decode())
    if "stop" in change:  # the engine's to say, in the search's own process
        assert answer.status_code == 302
        return
    assert answer.status_code == 400
    assert at in page
    assert not Study.objects.for_user(alice).exists()
    if "strategy" not in change:
        assert 'value="777"' in page


def test_a_strategy_of_the_users_is_searched_by_lines(hers: Client, home: Workspace) -> None:
    file = home.strategies / "mine.py"
    file.write_text("raise SystemExit\n")
    try:
        page = hers.get(f"{PAGE}sweep/", {"strategy": "mine"}).content.decode()
    finally:
        file.unlink()
    assert 'name="param"' in page
    assert "fast=5:30:5" in page
    posted = {"strategy": "mine", "param": "a=1:5:1\n\n b=2,3 "}
    assert study_options("sweep", posted, None)["param"] == ["a=1:5:1", "b=2,3"]


def test_a_page_of_a_sweep_lists_the_best_sets_only_and_the_result_has_them_all() -> None:
    from cryptai.web.research.summary import shown

    depths = enumerate([0.5, None, 0.1, 0.3])
    results = [{"params": {"a": i}, "metrics": {"max_drawdown": v}} for i, v in depths]
    found = {"sweep": "x", "objective": "max_drawdown", "results": results}
    kept = shown(found, 2)
    assert [one["params"]["a"] for one in kept["results"]] == [2, 3]
    assert [one["params"]["a"] for one in shown(found, 9)["results"]] == [2, 3, 0, 1]
    assert len(found["results"]) == 4
