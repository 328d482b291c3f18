"""What changes on a page without another page: a run's progress, the history, what is drawn over candles."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages_in_chromium import opened, sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
FORM = "/analytics/backtesting/?strategy=ema_trend&exchange=practice"


def start_run(page: Page, address: str = FORM) -> str:
    page.goto(address)
    page.click("button.main-action")
    page.wait_for_url("**/runs/**")
    expect(page.locator("[data-metric]").first).to_be_visible()
    return page.url


def set_status(home: Path, run: str, status: str) -> None:
    with closing(sqlite3.connect(home / "cryptai.sqlite3", timeout=20)) as db:
        pk = run.rstrip("/").rpartition("/")[2]
        changed = db.execute("UPDATE research_run SET status = ? WHERE id = ?", (status, pk))
        assert changed.rowcount == 1
        db.commit()


def test_a_runs_progress_is_asked_for_until_its_result_is_there(browser: Browser, server: Server) -> None:
    with opened(browser, server) as (page, ears):
        sign_in(page, server)
        run = start_run(page)
        set_status(server.home, run, "QUEUED")
        page.goto(run)
        page.evaluate("window.kept = true")
        expect(page.locator("#progress")).to_contain_text("Waiting for its turn")
        set_status(server.home, run, "RUNNING")
        expect(page.locator("#progress")).to_contain_text("Running;")
        assert page.evaluate("window.kept"), "the page was loaded anew"
        set_status(server.home, run, "COMPLETED")
        expect(page.locator("[data-metric]").first).to_be_visible()
        assert page.url == run
        assert ears.heard == []


def test_the_history_is_filtered_and_turned_without_losing_what_was_typed(
    browser: Browser, server: Server
) -> None:
    with opened(browser, server) as (page, ears):
        sign_in(page, server)
        start_run(page)
        start_run(page, FORM.replace("ema_trend", "buy_and_hold"))
        page.goto(FORM)
        runs = page.locator("#runs tbody tr")
        both = runs.count()
        page.fill("#f-capital", "4321")
        page.select_option("#of", "buy_and_hold")
        expect(runs).to_have_count(1)
        page.wait_for_timeout(200)  # nobody's hand is quicker than what was swapped in settles
        page.select_option("#of", "")
        expect(runs).to_have_count(both)
        page.fill("#of-market", "btcusdt")
        page.press("#of-market", "Enter")
        page.wait_for_url("**market=btcusdt**")
        expect(runs).to_have_count(both)
        expect(page.locator("#of-market")).to_be_focused()
        page.fill("#of-market", "xrp")
        page.click("#runs-filter")
        expect(page.locator("#runs")).to_contain_text("No run fits this filter")
        assert page.input_value("#f-capital") == "4321"
        assert page.locator("style").count() == 0
        page.go_back()
        expect(runs).to_have_count(both)
        assert ears.heard == []


def test_keys_search_and_palette_stay_on_the_venue_of_the_page(browser: Browser, server: Server) -> None:
    with opened(browser, server) as (page, ears):
        page.goto("/?exchange=binance")
        page.keyboard.press("g")
        page.keyboard.press("m")
        page.wait_for_url("**/markets/?exchange=binance")
        page.click("nav[aria-label=Exchange] a:has-text('practice')")
        page.wait_for_url("**/markets/?exchange=practice")
        page.click("nav[aria-label=Exchange] a:has-text('binance')")
        page.wait_for_url("**/markets/?exchange=binance")
        page.keyboard.press("/")
        page.keyboard.type("huge")
        page.wait_for_selector("#found [aria-selected=true]")
        page.keyboard.press("Enter")
        page.wait_for_url("**/markets/HUGE-USDT/?exchange=binance")
        page.keyboard.press("Control+k")
        page.keyboard.type("today")
        page.wait_for_selector('#palette-options [aria-selected=true]:has-text("Today")')
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/\?exchange=binance$"))
        assert ears.heard == []


def test_a_thin_line_joins_a_signals_band_to_the_bar_that_caused_it(browser: Browser, server: Server) -> None:
    # x is a hundredth of the time, y is 100 less the price; decided at the close of the third bar.
    draw = """async () => {
      const { bandsOf } = await import("/static/js/drawings.js");
      const bars = [[0, 9, 9, 9, 9, 1], [1000, 9, 9, 9, 9, 1], [2000, 9, 9, 9, 20, 1], [3000, 9, 9, 9, 9, 1]];
      const band = { side: "long", strategy: "s", entry: 21, stop: 10, target: 40, decided_at_ms: 3000 };
      const drawing = bandsOf(() => [band], () => bars, () => "#000", () => true);
      const chart = { timeScale: () => ({ timeToCoordinate: (seconds) => seconds * 10 }) };
      drawing.attached({ chart, series: { priceToCoordinate: (price) => 100 - price } });
      const context = document.createElement("canvas").getContext("2d");
      const done = [];
      for (const name of ["arc", "moveTo", "lineTo"]) context[name] = (x, y) => done.push([name, x, y]);
      const scope = { context, mediaSize: { width: 300, height: 100 } };
      drawing.paneViews()[0].renderer().draw({ useMediaCoordinateSpace: (paint) => paint(scope) });
      return done.slice(-3);
    }"""
    with opened(browser, server) as (page, ears):
        page.goto("/")
        assert page.evaluate(draw) == [["arc", 20, 80], ["moveTo", 20, 80], ["lineTo", 30, 79]]
        assert ears.heard == []
