"""The laboratory in a browser: a search from its form to the export of its best run, runs side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.test_pages_in_chromium import AXE, opened, settle, sign_in, violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
LABORATORY = "/analytics/backtesting/"
WIDTHS = (390, 1440)


def look(page: Page, name: str, wrong: list[str]) -> None:
    """Note what axe finds in both themes, and a page wider than its window."""
    axe = AXE.read_text() if AXE.is_file() else ""
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        settle(page)
        wrong += [f"{name}, {theme}: {found}" for found in violations(page, axe)] if axe else []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(60)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{name} is wider than {width}")


def test_the_laboratory_is_used_from_a_search_to_an_export(browser: Browser, server: Server) -> None:
    from playwright.sync_api import expect

    wrong: list[str] = []
    with opened(browser, server) as (page, ears):
        page.set_default_timeout(120_000)
        sign_in(page, server)
        page.goto(f"{LABORATORY}sweep/?strategy=ema_trend&exchange=practice")
        count = page.locator("#count")
        expect(count).to_contain_text("36 sets")
        page.fill("[name='to.fast']", "10")
        page.fill("[name='to.slow']", "29")
        expect(count).to_contain_text("6 sets")
        page.fill("[name='step.slow']", "0")
        expect(count).to_contain_text("a step above 0")
        page.fill("[name='step.slow']", "8")
        look(page, "form of a sweep", wrong)
        page.click("button.main-action")
        page.wait_for_selector("table.surface td.best")
        assert page.locator("table.surface tbody td").count() == 6
        look(page, "sweep", wrong)
        for slow in ("26", "40"):
            page.goto(f"{LABORATORY}?strategy=ema_trend&exchange=practice&param.fast=4&param.slow={slow}")
            page.click("button.main-action")
            page.wait_for_selector("[data-metric]")
        page.wait_for_selector("#trades form:not([hidden])")
        look(page, "run", wrong)
        page.hover("#equity", position={"x": 300, "y": 80})
        expect(page.locator("#equity-readout")).to_contain_text("of the start")
        page.check("[data-equity=log]")
        with page.expect_download() as download:
            page.click("summary:has-text('Download')")
            page.click(".files a:has-text('trades.csv')")
        lines = Path(download.value.path()).read_text().splitlines()
        assert lines[0].startswith("symbol,side,entry_time")
        assert page.inner_text("[data-count]") == str(len(lines) - 1)
        page.goto(f"{LABORATORY}?exchange=practice")
        for n in (0, 1):
            page.locator("td.pick input").nth(n).check()
        page.click("button:has-text('Compare')")
        page.wait_for_selector("#curves canvas")
        look(page, "runs side by side", wrong)
        assert ears.heard == []
    assert wrong == []


def test_a_long_search_tells_how_far_it_is_and_is_cancelled(browser: Browser, server: Server) -> None:
    with opened(browser, server) as (page, ears):
        page.set_default_timeout(120_000)
        sign_in(page, server)
        page.goto(f"{LABORATORY}sweep/?strategy=ema_trend&exchange=practice")
        for name, value in (("from.fast", "2"), ("to.fast", "62"), ("step.fast", "1")):
            page.fill(f"[name='{name}']", value)
        for name, value in (("from.slow", "63"), ("to.slow", "1662"), ("step.slow", "1")):
            page.fill(f"[name='{name}']", value)
        assert re.search("97\u202f600 sets", page.inner_text("#count"))
        page.click("button.main-action")
        page.wait_for_selector("#progress:has-text('Best so far')")
        page.click("text=Cancel the search")
        page.wait_for_selector("text=The search was cancelled")
        assert "sets were finished" in page.inner_text("main")
        assert ears.heard == []


# A table of 15,000 trades, put under the page and used as a person would; told is what was seen.
USED = """async () => {
  document.querySelector("main").insertAdjacentHTML("beforeend", `<div id="trades">
    <form hidden><select name="left"><option value="">all</option></select><input name="words"></form>
    <span data-count></span><div class="table-box tall"><table><thead><tr>
    <th data-by="no" data-sort="number">No.</th><th data-by="pnl" data-sort="number">Gain</th>
    </tr></thead><tbody><tr><td>1</td></tr></tbody></table></div></div>`);
  const trade = (_, i) => [
    "long", 1e12 + i * 36e5, 1, 1e12 + i * 36e5, 1, (i * 7919) % 15000 - 7000, i % 3 ? "stop" : "target",
    i % 5 ? 0.01 : null, 0, 0, 0, `why ${i}`, "BTC/USDT", 1, i + 1,
  ];
  const { tradesTable } = await import("/static/js/trades.js");
  const box = document.getElementById("trades");
  tradesTable(box, Array.from({ length: 15000 }, trade));
  const rows = () => [...box.querySelectorAll("tbody tr:not(.spacer)")];
  const gain = () => rows()[0].cells[7].textContent;
  const count = () => box.querySelector("[data-count]").textContent;
  const put = (name, value) => {
    box.querySelector(name).value = value;
    box.querySelector("form").dispatchEvent(new Event("input"));
  };
  const found = { first: rows().length };
  const scroller = box.querySelector(".table-box");
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const broken = [];
  for (const step of [70, 300, -50, 5000, -900, 33, -4000, 20]) {
    scroller.scrollTop += step;
    await drawn();
    const numbers = rows().map((row) => Number(row.cells[0].textContent));
    const high = rows()[0].offsetHeight, seen = scroller.scrollTop / high;
    const gaps = numbers.some((number, i) => number !== numbers[0] + i);
    const off = rows()[0].offsetTop - box.querySelector("thead").offsetHeight - (numbers[0] - 1) * high;
    const blank = numbers[0] > seen + 1 || numbers.at(-1) < seen + 10;
    if (gaps || blank || Math.abs(off) > high / 2) broken.push([step, seen, off, ...numbers]);
  }
  found.broken = broken;
  scroller.scrollTop = scroller.scrollHeight;
  await drawn();
  Object.assign(found, { end: rows().length, last: rows().at(-1).cells[0].textContent });
  const sort = box.querySelector("th[data-by=pnl] button");
  sort.click();
  found.highest = gain();
  sort.click();
  found.lowest = gain();
  put("select", "target");
  found.targets = count();
  put("input", "why 3");
  found.both = count();
  put("input", "nobody says this");
  found.none = rows().length;
  return found;
}"""


def test_fifteen_thousand_trades_are_sorted_and_filtered_with_few_rows_in_the_page(
    browser: Browser, server: Server
) -> None:
    with opened(browser, server) as (page, ears):
        page.goto("/accounts/login/")
        told = page.evaluate(USED)
        assert ears.heard == []
    why = sum(1 for i in range(0, 15_000, 3) if str(i).startswith("3"))
    assert told["broken"] == []
    assert told["none"] == 0
    assert told["first"] < 80
    assert told["end"] < 80
    assert told["last"] == "15000"
    assert (told["highest"], told["lowest"]) == ("+7\u202f999.00", "\u22127\u202f000.00")
    assert told["targets"] == "5\u202f000 of 15\u202f000"
    assert told["both"] == f"{why:,} of 15,000".replace(",", "\u202f")
