"""The chart's menu and its replay: what is switched on is told, and nothing is shown before it was known."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from cryptai.web.pages import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
MARKET = "/markets/BTC-USDT/?exchange=practice&timeframe=1h"
EVENTS: list[dict[str, Any]] = [
    {"id": 1, "kind": "order_block", "role": "born", "draw": "box", "direction": 1,
     "at": 10, "known": 20, "top": 9, "bottom": 8, "level": 8.5},
    {"id": 2, "kind": "swing_high", "role": "point", "draw": "label", "direction": -1,
     "at": 30, "known": 50, "top": 12, "bottom": 12, "level": 12},
    {"id": 1, "kind": "order_block_broken", "role": "end", "draw": "none", "direction": 1,
     "at": 10, "known": 60, "top": 9, "bottom": 8, "level": 7.9},
]  # fmt: skip
PAINTED = """
async ([events, upto]) => {
  const { structuresOf, things } = await import("/static/js/structures.js");
  const drawn = [];
  const context = new Proxy({}, {
    get: (_, name) => (...values) => drawn.push([name, ...values]), set: () => true,
  });
  const bars = Array.from({ length: 10 }, (_, i) => [i * 10]);
  const drawing = structuresOf(() => things(events), () => bars, () => upto, () => "red");
  drawing.attached({
    chart: { timeScale: () => ({
      timeToCoordinate: (s) => s * 1000, getVisibleRange: () => ({ from: 0, to: 0.09 }),
    }) },
    series: { priceToCoordinate: (price) => 100 - price }, requestUpdate: () => {},
  });
  const scope = { context, mediaSize: { width: 1000, height: 100 } };
  drawing.paneViews()[0].renderer().draw({ useMediaCoordinateSpace: (paint) => paint(scope) });
  return drawn.filter(([name]) => name === "fillRect" || name === "fillText");
}
"""


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, base_url=server.base)
    yield context.new_page()
    context.close()


def test_an_indicator_is_found_switched_on_and_still_there_at_the_next_visit(page: Page) -> None:
    page.goto(MARKET)
    page.click("#features-open")
    page.fill("#features-search", "donchian")
    page.locator(".feature-row", has_text="donchian").locator("input[type=checkbox]").first.check()
    page.locator(".feature-params input").first.fill("5")
    page.locator(".feature-params input").first.press("Enter")
    page.locator("#readout", has_text="donchian").wait_for()
    page.keyboard.press("Escape")
    asked = "?exchange=practice&timeframe=1h&limit=1&param.period=5"
    said = page.request.get(f"/markets/BTC-USDT/features/donchian.json{asked}").json()
    # A thin space parts the thousands.
    upper = re.compile(numbers.price_text(said["outputs"][0]["values"][-1]).replace("\u202f", r"\s"))
    page.mouse.move(5, 5)  # away from the bars: the newest is told
    page.locator("#readout", has_text=upper).wait_for()
    page.reload()
    # The newest bar's own high may be the same number, and is told before any indicator is read.
    page.locator("#readout", has_text="donchian").filter(has_text=upper).wait_for()
    page.locator("#features-open", has_text="Indicators and structures (1)").wait_for()


def test_a_parameter_out_of_range_is_refused_in_place(page: Page) -> None:
    page.goto(MARKET)
    page.click("#features-open")
    page.fill("#features-search", "donchian")
    page.locator(".feature-row", has_text="donchian").locator("input[type=checkbox]").first.check()
    field = page.locator(".feature-params input").first
    field.fill("1")
    field.press("Enter")
    assert field.evaluate("input => input.validity.rangeUnderflow")


def test_a_replay_tells_the_bar_it_stands_at_and_leaves_as_it_came(page: Page) -> None:
    page.goto(MARKET)
    data = json.loads(page.locator("#market-data").text_content() or "")
    bars = data["bars"]
    page.click("#replay-open")
    page.keyboard.press("ArrowLeft")
    clock = page.locator("[data-replay=clock]").inner_text()
    at = int(clock.partition("bar ")[2].partition(" of")[0]) - 1
    assert 0 < at < len(bars) - 1
    assert numbers.price_text(bars[at][4], data["decimals"]) in page.locator("#readout").inner_text()
    page.click("[data-replay=step]")
    assert f"bar {at + 2} of" in page.locator("[data-replay=clock]").inner_text()
    page.click("[data-replay=play]")
    page.locator("[data-replay=clock]", has_text=f"bar {at + 4} of").wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#replay").is_hidden()


@pytest.mark.parametrize(
    ("upto", "boxes", "labels"),
    [
        (10, [], []),  # drawn at 10, but not known before 20
        (20, [[10, 91, 990, 1]], ["order block"]),
        (40, [[10, 91, 990, 1]], ["order block"]),  # the swing at 30 is not known before 50
        (50, [[10, 91, 990, 1]], ["SH", "order block"]),
        (60, [[10, 91, 50, 1]], ["SH"]),  # and the block ends where it was broken
    ],
)
def test_nothing_is_drawn_before_it_was_known(
    page: Page, upto: int, boxes: list[list[int]], labels: list[str]
) -> None:
    page.goto("/accounts/login/")
    drawn = page.evaluate(PAINTED, [EVENTS, upto])
    assert [one[1:] for one in drawn if one[0] == "fillRect"] == boxes
    assert sorted(one[1] for one in drawn if one[0] == "fillText") == labels


def test_readings_of_older_and_newer_bars_join_into_one(page: Page) -> None:
    page.goto("/accounts/login/")
    rows = [[1, 2, 3], [0, 1], [3, 4]]
    said = [
        {"ts": ts, "outputs": [{"name": "x", "values": [10 * i + t for t in ts]}]}
        for i, ts in enumerate(rows)
    ]
    join = "async ([a, b]) => (await import('/static/js/overlays.js')).joined(a, b)"
    older = page.evaluate(join, said[:2])
    assert (older["ts"], older["outputs"][0]["values"]) == ([0, 1, 2, 3], [10, 11, 2, 3])
    newer = page.evaluate(join, [older, said[2]])
    assert (newer["ts"], newer["outputs"][0]["values"]) == ([0, 1, 2, 3, 4], [10, 11, 2, 23, 24])
    events = page.evaluate(join, [{"events": EVENTS[:2]}, {"events": EVENTS[1:]}])
    assert events["events"] == EVENTS
