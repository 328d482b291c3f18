"""The pages in a browser: accessible, with a silent console, no request elsewhere, and nothing that jumps."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cryptai.web.pages import numbers
from tests.browser.conftest import LONG_NAME, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, WebSocketRoute

    from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
LONG = LONG_NAME.replace("/", "-")
PAGES = {
    "today": "/",
    "today of stored candles": "/?exchange=binance",
    "markets": "/markets/",
    "market": "/markets/BTC-USDT/?exchange=practice",
    "where a bar is from": "/markets/BTC-USDT/?exchange=practice&timeframe=1d&bar=0#provenance",
    "a price of 0.00000001": "/markets/PEPE-USDT/?exchange=binance",
    "a price of 1e9": "/markets/HUGE-USDT/?exchange=binance",
    "-100 % and a name of 41 letters": f"/markets/{LONG}/?exchange=binance",
    "one bar": "/markets/ONE-USDT/?exchange=binance",
    "signals": "/signals/?exchange=practice",
    "the quality of signals": "/signals/quality/?exchange=practice",
    "the quality of none": "/signals/quality/?exchange=binance",
    "data": "/data/dashboard/?exchange=practice",
    "data with holes, stale": "/data/dashboard/?exchange=binance",
    "data with nothing found": "/data/dashboard/?exchange=binance&market=nothing",
    "not found": "/markets/BTC-USDX/",
    "sign-in": "/accounts/login/",
    "styleguide": "/styleguide/",
    "backtest": "/analytics/backtesting/",
    "sweep": "/analytics/backtesting/sweep/?exchange=practice",
    "walk-forward": "/analytics/backtesting/walk-forward/?exchange=practice",
    "runs side by side, none chosen": "/analytics/backtesting/compare/",
    "password": "/accounts/password/change/",
    "jobs": "/ops/jobs/",
    "a job that was asked for": "/ops/jobs/?asked=update_crypto_prices",
}
WIDTHS = (390, 768, 1440, 2560)


class Ears:
    """What a page says and asks for that it should not."""

    def __init__(self, page: Page, base: str) -> None:
        self.heard: list[str] = []
        own = (base, base.replace("http", "ws"), "data:", "blob:")
        page.on("console", lambda message: self._note(message.text))
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("request", lambda r: None if r.url.startswith(own) else self._note(f"request to {r.url}"))

    def _note(self, text: str) -> None:
        # Chromium itself notes the status of a page that was not found.
        if "status of 404" not in text:
            self.heard.append(text)


@contextmanager
def opened(
    browser: Browser, server: Server, *, width: int = 1440, **options: Any
) -> Iterator[tuple[Page, Ears]]:
    context = browser.new_context(
        base_url=server.base, viewport={"width": width, "height": 900}, service_workers="block", **options
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    ears = Ears(page, server.base)
    try:
        yield page, ears
    finally:
        context.close()


def sign_in(page: Page, server: Server, to: str = "/") -> None:
    page.goto(f"/accounts/login/?next={to}")
    page.fill("#id_login", server.username)
    page.fill("#id_password", server.password)
    page.click("main button[type=submit]")
    page.wait_for_url(f"**{to}")


def settle(page: Page) -> None:
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(250)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_page_is_accessible_silent_and_stays_on_its_origin(
    browser: Browser, server: Server, theme: str
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed; run npm ci in frontend/")
    axe = AXE.read_text()
    found: dict[str, Any] = {}
    with opened(browser, server, color_scheme=theme) as (page, ears):
        page.goto(PAGES["sign-in"])
        found["sign-in"] = violations(page, axe)
        sign_in(page, server)
        page.goto("/analytics/backtesting/?strategy=ema_trend&exchange=practice")
        page.click("button.main-action")
        page.wait_for_selector("[data-metric]")
        settle(page)
        found["run"] = violations(page, axe)
        for name, address in PAGES.items():
            if name != "sign-in":
                page.goto(address)
                settle(page)
                found[name] = violations(page, axe)
        page.goto("/?exchange=practice")
        page.click(".card .why a")
        page.wait_for_selector("#flip")
        found["a signal"] = violations(page, axe)
        page.goto("/")
        page.keyboard.press("?")
        found["help"] = violations(page, axe)
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.wait_for_selector("#palette-options [aria-selected=true]")
        found["palette"] = violations(page, axe)
        assert ears.heard == []
    assert {name: v for name, v in found.items() if v} == {}


def violations(page: Page, axe: str) -> list[str]:
    """Return what axe finds serious or critical; run by the browser's own door, which no policy closes."""
    page.evaluate(axe)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{v['id']} ({v['impact']}): {[n['target'] for n in v['nodes']][:3]} {v['nodes'][0]['any'][:1]}"
        for v in result["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def test_no_page_is_wider_than_its_window_and_no_card_too_narrow_to_read(
    browser: Browser, server: Server
) -> None:
    wide, narrow = [], []
    with opened(browser, server) as (page, _ears):
        sign_in(page, server)
        for name, address in PAGES.items():
            page.goto(address)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.wait_for_timeout(60)
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wide.append(f"{name} at {width}")
                cards = page.evaluate("[...document.querySelectorAll('.card')].map((c) => c.offsetWidth)")
                narrow += [f"{name} at {width}: a card of {card}" for card in cards if card < 200]
    assert wide == []
    assert narrow == []


@pytest.mark.parametrize("address", ["/", "/markets/BTC-USDT/?exchange=practice"])
def test_live_prices_change_the_page_and_move_nothing(browser: Browser, server: Server, address: str) -> None:
    from playwright.sync_api import expect

    with opened(browser, server) as (page, ears):
        page.add_init_script(
            "window.shifts = []; new PerformanceObserver((list) => { for (const e of list.getEntries())"
            " shifts.push([e.value, e.startTime, e.sources.map((s) => s.node?.className ?? '')]); })"
            ".observe({type: 'layout-shift', buffered: true});"
        )
        page.goto(address)
        settle(page)
        # On a busy machine fonts come late, and lines are laid out again: that is not the prices' doing.
        while not page.evaluate(
            "document.readyState === 'complete' && [...document.fonts].every((f) => f.status !== 'loading')"
            " && performance.now() - (shifts.at(-1)?.[1] ?? 0) > 1500"
        ):
            page.wait_for_timeout(100)
        page.evaluate("shifts.length = 0")
        cell = '[data-price="BTC/USDT"]'
        before = page.text_content(cell) or ""
        expect(page.locator(cell)).not_to_have_text(before, timeout=20_000)
        page.wait_for_timeout(1500)
        assert page.evaluate("shifts") == []
        assert ears.heard == []


def test_a_lost_connection_is_opened_again_and_a_fall_is_told_from_a_rise(
    browser: Browser, server: Server
) -> None:
    from playwright.sync_api import expect

    opened_sockets: list[WebSocketRoute] = []
    asked: list[dict[str, Any]] = []

    def answer(route: WebSocketRoute) -> None:
        opened_sockets.append(route)
        first = len(opened_sockets) == 1
        event = {"type": "price", "exchange": "practice", "symbol": "BTC/USDT", "ts": 1, "change_24h": -0.015}

        def heard(message: str | bytes) -> None:
            asked.append(json.loads(message))
            route.send(json.dumps({"type": "hello", "epoch": "e"}))
            route.send(json.dumps({**event, "price": 2.0 if first else 1.0, "seq": 7 if first else 8}))
            if first:
                route.close(code=1011)

        route.on_message(heard)

    with opened(browser, server) as (page, _ears):
        page.route_web_socket(re.compile("/ws/prices/"), answer)
        page.goto("/?exchange=practice")
        cell = page.locator('[data-price="BTC/USDT"]')
        expect(cell).to_have_attribute("data-value", "1")
        assert "fell" in (cell.get_attribute("class") or "")
        assert page.text_content('[data-change="BTC/USDT"]') == "\u22121.50\u202f%"
    assert asked[1]["epoch"] == "e"
    assert asked[1]["seen"] == {"BTC/USDT": 7}


def test_live_values_are_written_as_the_server_writes_them(browser: Browser, server: Server) -> None:
    values = [0, 0.00000001, 0.06543, 1.005, 67012.5, 999.999, 12_070, 1e9, -1, -0.000001, 1e-12, 2.5e12]
    with opened(browser, server) as (page, _ears):
        page.goto("/accounts/login/")
        told = page.evaluate(
            "async (values) => { const n = await import('/static/js/numbers.js');"
            " return values.map((v) => [n.price(v), n.price(v, 3), n.percent(v, 2, true), n.amount(v),"
            " n.age(v)]); }",
            [*values, None],
        )
    assert told == [
        [
            numbers.price_text(v),
            numbers.price_text(v, 3),
            numbers.percent_text(v, sign=True),
            numbers.amount_text(v),
            numbers.age_text(v if v is not None else 0),
        ]
        for v in [*values, None]
    ]


def test_the_keys_reach_every_page_and_the_rows(browser: Browser, server: Server) -> None:
    with opened(browser, server) as (page, ears):
        page.goto("/")
        page.keyboard.press("g")
        page.keyboard.press("m")
        page.wait_for_url("**/markets/")
        page.keyboard.press("j")
        page.keyboard.press("j")
        second = page.locator("tbody tr").nth(1)
        assert second.get_attribute("data-at") is not None
        page.keyboard.press("k")
        page.keyboard.press("Enter")
        page.wait_for_url("**/markets/ADA-USDT/**")
        page.keyboard.press("]")
        page.wait_for_url("**timeframe=4h**")
        page.keyboard.press("[")
        page.wait_for_url("**timeframe=1h**")
        page.keyboard.press("/")
        page.keyboard.type("ethusd")
        page.wait_for_selector("#found [aria-selected=true]")
        page.keyboard.press("Enter")
        page.wait_for_url("**/markets/ETH-USDT/**")
        page.keyboard.press("Control+k")
        page.keyboard.type("sol")
        page.wait_for_selector('#palette-options [aria-selected=true]:has-text("SOL/USDT")')
        page.keyboard.press("Enter")
        page.wait_for_url("**/markets/SOL-USDT/**")
        page.keyboard.press("g")
        page.keyboard.press("d")
        page.wait_for_url("**/data/dashboard/")
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#help").is_visible()
        assert ears.heard == []


def test_a_chosen_theme_is_there_before_the_first_paint_and_stays(browser: Browser, server: Server) -> None:
    with opened(browser, server, color_scheme="light") as (page, _ears):
        page.goto("/")
        bright = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("summary[aria-label=Look]")
        page.click("[data-choice=theme] button[value=dark]")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark != bright
        page.goto("/markets/")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_the_chart_loads_older_bars_trades_and_another_pane(browser: Browser, server: Server) -> None:
    with opened(browser, server) as (page, ears):
        page.goto("/markets/BTC-USDT/?exchange=binance")
        page.wait_for_selector("#chart .live canvas")
        settle(page)
        box = page.locator("#chart").bounding_box()
        assert box
        with page.expect_response(re.compile(r"candles\.json.*before=")) as answer:
            for _ in range(2):
                page.mouse.move(box["x"] + 100, box["y"] + 150)
                page.mouse.down()
                page.mouse.move(box["x"] + 1100, box["y"] + 150, steps=20)
                page.mouse.up()
        assert len(answer.value.json()["bars"]) == 1000
        with page.expect_response(re.compile(r"trades\.json")) as answer:
            page.select_option("#trades-of", "ema_trend")
        assert answer.value.json()["trades"]
        page.wait_for_selector(".toast")
        page.click("#legend [data-series=rsi]")
        assert page.get_attribute("#legend [data-series=rsi]", "aria-pressed") == "false"
        assert "EMA" in (page.text_content("#readout") or "")
        assert ears.heard == []


def test_the_data_page_renews_itself_when_the_feed_changes_its_state(
    browser: Browser, server: Server
) -> None:
    from playwright.sync_api import expect

    sockets: list[WebSocketRoute] = []
    state = {"type": "state", "exchange": "practice", "practice": True, "since_ms": 1}

    def answer(route: WebSocketRoute) -> None:
        sockets.append(route)
        route.send(json.dumps({**state, "state": "backfilling", "message": "", "done": 3, "total": 36}))

    with opened(browser, server) as (page, ears):
        page.route_web_socket(re.compile("/ws/prices/"), answer)
        page.goto("/data/dashboard/?exchange=practice")
        page.evaluate("document.querySelector('.verdict').textContent = 'old'")
        expect(page.locator("[data-state-chip] .word")).to_have_text("backfilling")
        with page.expect_response(re.compile(r"/data/dashboard/")):
            sockets[0].send(json.dumps({**state, "state": "live", "message": "", "done": 36, "total": 36}))
        expect(page.locator(".verdict")).not_to_have_text("old")
        assert ears.heard == []


def test_a_backtest_runs_without_script(browser: Browser, server: Server) -> None:
    with opened(browser, server, java_script_enabled=False) as (page, _ears):
        sign_in(page, server)
        page.goto("/analytics/backtesting/?strategy=rsi_reversal&exchange=practice")
        page.click("button.main-action")
        page.wait_for_selector("[data-metric=total_return]")
        assert page.locator("#equity .picture").is_visible()
        page.goto("/markets/BTC-USDT/")
        assert page.locator("#chart .picture .bar-up").count() > 10


def test_a_mistake_in_the_form_is_told_beside_its_field(browser: Browser, server: Server) -> None:
    with opened(browser, server) as (page, _ears):
        sign_in(page, server)
        page.goto("/analytics/backtesting/?strategy=ema_trend&exchange=practice")
        page.fill("[name=stop]", "1.2")
        page.fill("[name=capital]", "777")
        page.click("nav[aria-label=Strategy] a:has-text('breakout')")
        page.wait_for_url("**strategy=breakout**")
        assert page.input_value("[name=capital]") == "777"
        page.click("button.main-action")
        page.wait_for_selector("#f-stop-error")
        assert page.get_attribute("[name=stop]", "aria-invalid") == "true"
