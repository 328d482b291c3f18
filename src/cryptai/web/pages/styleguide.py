"""The styleguide: every component in every state, with plain specimens; there only when DEBUG."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from django.shortcuts import render
from django.views.decorators.http import require_safe

from cryptai.web.context import shown
from cryptai.web.pages.fields import Field
from cryptai.web.pages.icons import ICONS
from cryptai.web.pages.laboratory_specimens import specimens

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_ROLES: Final = (
    "s0",
    "s1",
    "s2",
    "s3",
    "line",
    "line-strong",
    "text",
    "text-2",
    "muted",
    "accent",
    "selection",
    "up",
    "up-soft",
    "down",
    "down-soft",
    "warn",
    "warn-soft",
    "risk",
    "risk-soft",
    "info",
    "info-soft",
    "grid",
    "line-a",
    "line-b",
    "line-c",
)
_NUMBERS: Final = (0.00000001, 0.06543, 67012.5, 1e9, -1.0, 0.0, math.nan, None)
_HOUR: Final = 3_600_000


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Show it."""
    now_ms = shown(request)["now_ms"]
    page = {
        **specimens(),
        "roles": _ROLES,
        "icons": sorted(ICONS),
        "values": _NUMBERS,
        "states": ("connecting", "backfilling", "live", "stale", "halted", "stopped", "stored"),
        "row_states": [
            _row(state, holes, now_ms)
            for state, holes in (("fresh", 0), ("late", 0), ("stale", 0), ("halted", 0), ("fresh", 12))
        ],
        "cards": _cards(now_ms),
        "themes": [
            (theme, [replace(f, name=f"{theme}.{f.name}") for f in _FIELDS]) for theme in ("dark", "light")
        ],
        "waves": [
            [math.sin(i / 5) + i / 30 for i in range(56)],
            [-math.sin(i / 4) - i / 40 for i in range(56)],
            [1.0] * 10,
            [],
        ],
        "rulers": [(92, 100, 115, 103), (92, 100, 115, 88), (108, 100, 85, 97), (92, 100, 115, None)],
    }
    return render(request, "pages/styleguide.html", page)


def _row(state: str, holes: int, now_ms: int) -> SimpleNamespace:
    return SimpleNamespace(state=state, holes=holes, last_close_ms=now_ms - 5 * _HOUR)


def _cards(now_ms: int) -> list[tuple[SimpleNamespace, int]]:
    base: dict[str, Any] = {
        "exchange": "specimen",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "side": "long",
        "strategy": "ema_trend",
        "entry": 67012.5,
        "stop": 61651.5,
        "target": 77064.38,
        "price": 67480.0,
        "reward_risk": 1.88,
        "reward_risk_now": 1.64,
        "score": 0.73,
        "factors": {"strategy": 0.81, "reward_risk": 0.66, "agreement": 0.67},
        "reason": "EMA 12 crossed above EMA 26",
        "decided_at_ms": now_ms - 2 * _HOUR,
        "stale": False,
        "evidence": {
            "status": "supported", "trades": 41, "hits": 23, "break_even": 0.35, "missing": [],
            "hit_rate": {"value": 0.56, "low": 0.41, "high": 0.70},
        },
    }  # fmt: skip
    short = {
        "side": "short",
        "strategy": "breakout",
        "symbol": "ETH/USDT",
        "entry": 3000.0,
        "stop": 3240.0,
        "target": 2550.0,
        "price": 3100.0,
        "score": 0.41,
        "reason": "Close fell below the lowest low of 20 bars",
    }
    tiny = {
        "symbol": "A" * 20 + "/" + "B" * 19,
        "entry": 0.00000001,
        "stop": 0.000000008,
        "target": 0.000000014,
        "price": 0.00000001,
        "score": 1.0,
        "stale": True,
        "decided_at_ms": now_ms - 90 * _HOUR,
        "strategy": "a_strategy_of_the_user_with_a_long_name",
    }
    return [
        (SimpleNamespace(**base), 2),
        (SimpleNamespace(**{**base, **short}), 2),
        (SimpleNamespace(**{**base, **tiny}), 9),
    ]


_FIELDS: Final = (
    Field("param.fast", "Fast", "number", "12", unit="bars", hint="Period of the fast EMA; 2 to 1000."),
    Field(
        "stop",
        "Stop",
        "text",
        "1.2",
        unit="of fill",
        hint="0.08 is 8 %.",
        error="stop must be above 0 and below 1, was 1.2.",
    ),
    Field("timeframe", "Timeframe", "choice", "4h", choices=("1h", "4h", "1d")),
    Field("param.allow_short", "Allow short", "check", "true", hint="Enter short on the cross below."),
    Field("param", "Parameters", "lines", "fast=12", hint="One name=value in each line."),
)
