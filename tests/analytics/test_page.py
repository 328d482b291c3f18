"""The report's page: whole, escaped, fetching nothing, and sound on the oddest of runs."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.analytics.test_report import ran, reported

from cryptai.analytics.figures import NONE, amount, confidence, figure, percent
from cryptai.analytics.page import page
from cryptai.analytics.pictures import curve, spread
from cryptai.analytics.report import report

EVIDENCE = {
    "status": "not_enough_evidence", "reasons": ["One trade is too few & so on."], "trials": 12,
    "deflated_sharpe": 0.9499, "probabilistic_sharpe": None,
    "mean_trade": {"value": 0.01, "low": None, "high": None},
    "break_even": {"cost_bp": -3.0, "paid_bp": 30.0, "fee": None, "slippage": None},
}  # fmt: skip


class Checker(HTMLParser):
    """Every element that is opened is closed, in order."""

    VOID = frozenset({"meta"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(text):
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert not checker.seen & {"script", "img", "link", "iframe", "object", "a", "form"}
    assert not [name for name, _ in checker.attributes if name.startswith("on") or name in ("src", "href")]
    assert "url(" not in text
    assert "@import" not in text
    assert "nan" not in re.sub(r"<[^>]+>", " ", text).split()
    return checker


def test_it_is_whole_and_needs_nothing_else():
    checker = checked(page(reported(ran(1)), EVIDENCE))
    assert {"svg", "table", "style"} <= checker.seen
    text = page(reported(ran(1)), EVIDENCE)
    assert "Not enough evidence" in text
    assert "One trade is too few &amp; so on." in text
    assert "94.9\u202f%" in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme" in text
    assert "@media print" in text


def test_a_strategys_own_words_are_escaped():
    bad = "<script>alert(1)</script>\"'&"
    result = replace(ran(2), strategy=bad, params={bad: bad}, exchange=bad)
    found = {**result.as_object(), "symbol": bad}
    found["trades"] = [{**one, "entry_reason": bad, "exit_reason": bad} for one in found["trades"]]
    text = page(report(found, result.ts, result.equity), {**EVIDENCE, "reasons": [bad]})
    checked(text)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("bars", [1, 2, 3])
def test_a_run_of_hardly_any_bars_has_a_page(bars):
    checked(page(reported(ran(1, n=bars)), None))


def test_no_trade_a_lost_account_and_absurd_sums_have_a_page():
    result = ran(1)
    found = {**result.as_object(), "trades": []}
    assert "No trade was made." in page(report(found, result.ts, np.full(len(result.ts), 1e4)))
    checked(page(report(found, result.ts, np.linspace(1e4, -5e3, len(result.ts)))))
    checked(page(report(found, result.ts, np.linspace(1e4, 1e300, len(result.ts)))))
    checked(page(report(found, result.ts, np.full(len(result.ts), 1e-9))))


def test_practice_doubts_and_what_is_undecided_are_said():
    result = ran(1)
    found = {
        **result.as_object(), "practice": True,
        "undecided": {"share": 0.25, "worst_return": -0.5, "best_return": 0.125, "exact": False},
    }  # fmt: skip
    found["metrics"] = {**found["metrics"], "sharpe_ratio": 183.0}
    text = page(report(found, result.ts, result.equity))
    assert "PRACTICE" in text
    assert "Sharpe ratio of 183.0" in text
    assert "between \u221250.00\u202f% and +12.50\u202f%" in text


def test_a_picture_keeps_its_extremes_and_says_itself():
    values = np.zeros(50_000)
    values[31_234], values[40_000] = 5.0, -7.0
    ts = np.arange(50_000) * 60_000
    text = curve(ts, [("equity", values)], ground=0.0, said='a "quoted" line')
    assert "a &quot;quoted&quot; line" in text
    assert len(re.findall(r"[ML]\d", text)) < 2 * 1_202
    assert curve(ts[:1], [("equity", values[:1])], said="") == ""
    assert curve(ts, [("equity", np.full(50_000, np.nan))], said="") == ""


def test_trades_are_spread_over_bars_that_count_them_all():
    returns = np.append(np.random.default_rng(1).normal(0.0, 0.02, 500), [np.nan, 9.0])
    counts = [int(n) for n in re.findall(r"<title>(\d+) from", spread(returns))]
    assert sum(counts) == 501
    assert spread(np.array([0.1])) == ""
    assert spread(np.array([0.1, 0.1])).count("<rect") == 1


def test_figures_are_told_one_way():
    assert figure("cagr", None) == figure("sharpe_ratio", float("nan")) == NONE
    assert figure("trades", 12_345) == "12\u202f345"
    assert (amount(-1234.5), amount(0.00012346), amount(0.0)) == ("\u22121\u202f234.50", "0.0001235", "0.00")
    assert amount(1e300) == "1e+300"
    assert percent(0.123456, signed=True) == "+12.35\u202f%"
    assert (confidence(0.95), confidence(1.0), confidence(0.0), confidence(None)) == (
        "95\u202f%", "over 99.9\u202f%", "under 0.1\u202f%", NONE,
    )  # fmt: skip
