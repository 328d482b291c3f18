"""Filters that write values as `cryptai.web.pages.numbers` says, and tags that draw small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from cryptai.market.symbol import url_symbol
from cryptai.web.pages import drawing, numbers
from cryptai.web.pages.icons import ICONS
from cryptai.web.pages.vendored import is_vendored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

register = template.Library()

register.filter("fixed", numbers.fixed_text)
register.filter("price", numbers.price_text)
register.filter("amount", numbers.amount_text)
register.filter("when", numbers.when_text)
register.filter("short_when", numbers.short_when_text)
register.filter("iso", numbers.iso_text)
register.filter("age", numbers.age_text)
register.filter("url_symbol", url_symbol)


@register.filter
def odds(card: Mapping[str, Any]) -> str:
    """Write what an evidence card counted as a sentence; its verdict stands beside it."""
    from cryptai.screening.card import odds as told  # noqa: PLC0415 (TA-Lib waits until it is asked for)

    return numbers.typeset(told(dict(card)))


@register.filter
def verdict(card: Mapping[str, Any], length: str = "") -> str:
    """Write an evidence card's verdict: with enough setups and no verdict either way, no edge is shown."""
    from cryptai.screening.card import FEWEST  # noqa: PLC0415

    said = {
        "supported": ("The evidence supports it", "supports it"),
        "not_supported": ("The evidence speaks against it", "against it"),
    }
    open_ = (
        ("No edge is shown", "no edge")
        if card.get("trades", 0) >= FEWEST
        else ("Not enough evidence", "not enough")
    )
    return said.get(card.get("status", ""), open_)[length == "short"]


@register.filter
def percent(fraction: object, decimals: int = 2) -> str:
    """Write a fraction as percent, without a plus sign."""
    return numbers.percent_text(fraction, decimals)


@register.filter
def change(fraction: object, decimals: int = 2) -> str:
    """Write a change as percent, its sign always shown."""
    return numbers.percent_text(fraction, decimals, sign=True)


@register.filter
def signed(value: object, decimals: int = 2) -> str:
    """Write a number, its sign always shown."""
    return numbers.fixed_text(value, decimals, sign=True)


@register.filter
def direction(value: object) -> str:
    """Return the class of a change: up, down or flat (also for what is no number)."""
    n = numbers.number(value)
    return "flat" if n is None or n == 0 else "up" if n > 0 else "down"


@register.filter
def minus(value: object, other: object) -> float | None:
    """Return the difference of two numbers, or None where one is none."""
    a, b = numbers.number(value), numbers.number(other)
    return None if a is None or b is None else a - b


@register.filter(name="from")
def change_from(value: object, start: object) -> float | None:
    """Return the change of a value against where it started, as a fraction; None where there is none."""
    a, b = numbers.number(value), numbers.number(start)
    return None if a is None or not b else a / b - 1.0


@register.filter
def times(value: object, factor: float) -> float | None:
    """Return a number times another."""
    n = numbers.number(value)
    return None if n is None else round(n * factor, 3)


@register.filter
def of_cost(trade: Mapping[str, Any]) -> float | None:
    """Return a trade's profit or loss as a fraction of what its entry was worth."""
    cost = numbers.number(trade["entry_price"] * trade["quantity"])
    return trade["pnl"] / cost if cost else None


@register.filter
def words(name: str) -> str:
    """Write a name of the code as words: `reward_risk` is reward risk."""
    return str(name).replace("_", " ")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """Draw one of our icons; it is decoration, the word beside it is the name."""
    shape = mark_safe(ICONS[name])  # noqa: S308 (our own constant, no input in it)
    return format_html('<svg class="icon {}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>', classes, shape)


@register.simple_tag
def arrow(*, up: bool) -> SafeString:
    """Draw the small triangle that says up or down without colour."""
    points = "5,1 10,9 0,9" if up else "5,9 10,1 0,1"
    return format_html('<svg viewBox="0 0 10 10" aria-hidden="true"><polygon points="{}"/></svg>', points)


@register.simple_tag
def bar(part: object, label: str = "") -> SafeString:
    """Draw a part of 1 as a bar; with a label it is a meter for those who listen, else decoration."""
    n = numbers.number(part)
    width = 0.0 if n is None else round(100 * min(1.0, max(0.0, n)), 1)
    said = (
        format_html('role="img" aria-label="{} {} of 100"', label, round(width))
        if label
        else mark_safe('aria-hidden="true"')
    )
    return format_html(
        '<svg class="bar" {}><rect class="base" width="100%" height="100%" rx="2"/>'
        '<rect class="fill" width="{}%" height="100%" rx="2"/></svg>', said, width,
    )  # fmt: skip


@register.inclusion_tag("components/sparkline.html")
def sparkline(closes: Sequence[float], label: str = "") -> dict[str, object]:
    """Draw closes as a small line, tinted by first to last."""
    return {"line": drawing.sparkline(closes), "label": label}


@register.inclusion_tag("components/ruler.html")
def ruler(stop: float, entry: float, target: float, now: float | None = None) -> dict[str, object]:
    """Draw stop, entry and target to scale, with the price now."""
    return {"r": drawing.ruler(stop, entry, target, now)}


@register.simple_tag
def has_vendored(name: str) -> bool:
    """Return whether a third-party file was copied in (`frontend/README.md`)."""
    return is_vendored(name)
