"""What the pages are made of: nothing inline, nothing from elsewhere, and not much of it."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

import cryptai

WEB = Path(cryptai.__file__).parent / "web"
STATIC = WEB / "static"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
OURS = sorted(p for p in STATIC.rglob("*") if p.is_file() and "vendor" not in p.parts)
CREDIT = "https://www.tradingview.com/"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_a_template_has_no_inline_style_script_or_handler(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)


@pytest.mark.parametrize("path", [*TEMPLATES, *OURS], ids=lambda p: p.name)
def test_nothing_names_an_address_elsewhere_but_the_charts_credit(path: Path) -> None:
    found = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}/?", path.read_text()))
    assert found <= {CREDIT, "http://www.w3.org/"}


def test_htmx_is_served_from_here_and_only_to_pages_that_use_it() -> None:
    uses = {path.name for path in TEMPLATES if "hx-" in path.read_text()}
    loads = {path.name for path in TEMPLATES if "components/htmx.html" in path.read_text()}
    assert loads == {"run.html", "backtesting.html", "study.html"}
    assert uses == {"run.html", "run_history.html", "study.html"}
    tag = (WEB / "templates" / "components" / "htmx.html").read_text()
    assert '"includeIndicatorStyles": false' in tag
    assert '"allowEval": false' in tag
    named = re.search(r"{% static '([^']+)' %}", tag)
    assert named
    assert finders.find(named[1])


def test_a_page_needs_under_250_kilobytes_of_script() -> None:
    chart = STATIC / "vendor" / "lightweight-charts.js"
    if not chart.is_file():
        pytest.skip("the front end's packages are not copied; see frontend/README.md")
    scripts = [chart, *(STATIC / "js").glob("*.js")]
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) < 250_000


def test_colours_are_named_in_one_file_only() -> None:
    for sheet in (STATIC / "css").glob("*.css"):
        if sheet.name != "tokens.css":
            assert not re.search(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(|oklch\(", sheet.read_text()), sheet.name
