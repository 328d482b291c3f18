"""The candlestick patterns of TA-Lib under readable names, one indicator each, from one table."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cryptai.features._talib import talib
from cryptai.features.feature import within
from cryptai.features.indicator import indicator

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptai.kernels import Floats


class Pattern(NamedTuple):
    """One pattern: our name, TA-Lib's, what it looks like, and TA-Lib's default penetration if it has one.

    `bars` is its memory where it compares bars with each other only. Most compare with running means of
    bodies and shadows, whose rounding decides at exact ties and depends on the whole history: None.
    """

    name: str
    source: str
    says: str
    penetration: float | None = None
    bars: int | None = None


PATTERNS: Final = (
    Pattern(
        "abandoned_baby", "ABANDONEDBABY",
        "a doji alone between two gaps, then a body back the other way", 0.3,
    ),
    Pattern("advance_block", "ADVANCEBLOCK", "three rising white bodies that weaken (bearish)"),
    Pattern("belt_hold", "BELTHOLD", "a long body that opens at its extreme"),
    Pattern(
        "breakaway", "BREAKAWAY", "a gap in the trend, two more bars its way, then a body back into the gap",
    ),
    Pattern("closing_marubozu", "CLOSINGMARUBOZU", "a long body without a shadow at the close"),
    Pattern(
        "concealing_baby_swallow", "CONCEALBABYSWALL",
        "four black bodies, the last engulfs the third (bullish)",
    ),
    Pattern("counterattack", "COUNTERATTACK", "two long bodies of opposite colours with equal closes"),
    Pattern(
        "dark_cloud_cover", "DARKCLOUDCOVER",
        "a black body that opens above a white one and closes well into it", 0.5,
    ),
    Pattern("doji", "DOJI", "open and close all but equal (no direction)"),
    Pattern("doji_star", "DOJISTAR", "a doji beyond a long body, with a gap between the bodies"),
    Pattern("dragonfly_doji", "DRAGONFLYDOJI", "a doji at the top of a long lower shadow"),
    Pattern("engulfing", "ENGULFING", "a body that engulfs the opposite body before it", bars=3),
    Pattern(
        "evening_doji_star", "EVENINGDOJISTAR",
        "a white body, a doji above it, a black body back into it", 0.3,
    ),
    Pattern(
        "evening_star", "EVENINGSTAR", "a white body, a small one above it, a black body back into it", 0.3,
    ),
    Pattern(
        "gap_three_methods", "XSIDEGAP3METHODS",
        "two bodies of one colour with a gap, filled by a third against them", bars=3,
    ),
    Pattern("gravestone_doji", "GRAVESTONEDOJI", "a doji at the foot of a long upper shadow"),
    Pattern("hammer", "HAMMER", "a small body atop a long lower shadow, near the low before (bullish)"),
    Pattern(
        "hanging_man", "HANGINGMAN", "a small body atop a long lower shadow, near the high before (bearish)",
    ),
    Pattern("harami", "HARAMI", "a small body within the long body before it"),
    Pattern("harami_cross", "HARAMICROSS", "a doji within the long body before it"),
    Pattern("high_wave", "HIGHWAVE", "a short body between very long shadows"),
    Pattern(
        "hikkake", "HIKKAKE",
        "a false break out of an inside bar; ±200 where the way back is confirmed", bars=6,
    ),
    Pattern("homing_pigeon", "HOMINGPIGEON", "a small black body within a long black one (bullish)"),
    Pattern(
        "identical_three_crows", "IDENTICAL3CROWS",
        "three black bodies, each opens at the close before (bearish)",
    ),
    Pattern(
        "in_neck", "INNECK",
        "a white body that opens below a black one's low and closes a little into its body (bearish)",
    ),
    Pattern(
        "inverted_hammer", "INVERTEDHAMMER",
        "a small body under a long upper shadow, below the body before (bullish)",
    ),
    Pattern(
        "kicking", "KICKING", "two opposite marubozus with a gap between; the second tells the direction",
    ),
    Pattern(
        "kicking_by_length", "KICKINGBYLENGTH",
        "two opposite marubozus with a gap between; the longer tells the direction",
    ),
    Pattern(
        "ladder_bottom", "LADDERBOTTOM",
        "three falling black bodies, one with an upper shadow, a white one above (bullish)",
    ),
    Pattern("long_legged_doji", "LONGLEGGEDDOJI", "a doji with a long shadow"),
    Pattern("long_line", "LONGLINE", "a long body with short shadows"),
    Pattern("marubozu", "MARUBOZU", "a long body without shadows"),
    Pattern(
        "mat_hold", "MATHOLD",
        "a long white body, three small ones held above its half, a new high (bullish)", 0.5,
    ),
    Pattern("matching_low", "MATCHINGLOW", "two black bodies with equal closes (bullish)"),
    Pattern(
        "modified_hikkake", "HIKKAKEMOD", "a hikkake after two inside bars, with a close near the extreme",
    ),
    Pattern(
        "morning_doji_star", "MORNINGDOJISTAR",
        "a black body, a doji below it, a white body back into it", 0.3,
    ),
    Pattern(
        "morning_star", "MORNINGSTAR", "a black body, a small one below it, a white body back into it", 0.3,
    ),
    Pattern("on_neck", "ONNECK", "a white body that opens below a black one and closes at its low (bearish)"),
    Pattern(
        "piercing_line", "PIERCING",
        "a white body that opens below a black one's low and closes above its half",
    ),
    Pattern("rickshaw_man", "RICKSHAWMAN", "a doji near the middle of two long shadows"),
    Pattern(
        "rising_falling_three_methods", "RISEFALL3METHODS",
        "a long body, three small ones within it, a long one its way",
    ),
    Pattern(
        "separating_lines", "SEPARATINGLINES",
        "two opposite bodies with equal opens; the second goes on with the trend",
    ),
    Pattern(
        "shooting_star", "SHOOTINGSTAR",
        "a small body under a long upper shadow, above the body before (bearish)",
    ),
    Pattern("short_line", "SHORTLINE", "a short body with short shadows"),
    Pattern(
        "side_by_side_white_lines", "GAPSIDESIDEWHITE",
        "a gap, then two white bodies of like size side by side",
    ),
    Pattern("spinning_top", "SPINNINGTOP", "a small body between longer shadows"),
    Pattern(
        "stalled_pattern", "STALLEDPATTERN", "two long white bodies and a small one at their top (bearish)",
    ),
    Pattern(
        "stick_sandwich", "STICKSANDWICH", "two black bodies with equal closes around a white one (bullish)",
    ),
    Pattern("takuri", "TAKURI", "a dragonfly doji with a very long lower shadow"),
    Pattern(
        "tasuki_gap", "TASUKIGAP",
        "a gap with the trend, then a body of the other colour that does not fill it",
    ),
    Pattern(
        "three_black_crows", "3BLACKCROWS", "three falling black bodies with short lower shadows (bearish)",
    ),
    Pattern("three_inside", "3INSIDE", "a harami, then a close beyond it the other way"),
    Pattern(
        "three_line_strike", "3LINESTRIKE",
        "three bodies of one colour, then one that takes all of them back",
    ),
    Pattern("three_outside", "3OUTSIDE", "an engulfing, then a close further its way", bars=4),
    Pattern(
        "three_stars_in_the_south", "3STARSINSOUTH",
        "three black bodies, each shorter and higher at its low (bullish)",
    ),
    Pattern(
        "three_white_soldiers", "3WHITESOLDIERS",
        "three rising white bodies with short upper shadows (bullish)",
    ),
    Pattern(
        "thrusting", "THRUSTING",
        "a white body that opens below a black one and closes under its half (bearish)",
    ),
    Pattern("tristar", "TRISTAR", "three doji, the middle one beyond the others"),
    Pattern(
        "two_crows", "2CROWS",
        "a white body, a black one above a gap, a second black one back into the white (bearish)",
    ),
    Pattern(
        "unique_three_river", "UNIQUE3RIVER",
        "a long black body, a harami with a new low, a small white one below (bullish)",
    ),
    Pattern(
        "upside_gap_two_crows", "UPSIDEGAP2CROWS",
        "two black bodies above a gap over a white one, the second engulfs the first (bearish)",
    ),
)  # fmt: skip

_DOC = """Return where the candlestick pattern {name} ends: {says}.

100 where it is bullish, -100 where it is bearish, 0 elsewhere; NaN on the rows before TA-Lib's first. A bar
with a NaN is no pattern. What counts as long, short or near is set by running means of the last 5 or 10
bodies and ranges: where the pattern asks for these it is found no more after a NaN. TA-Lib's CDL{source}.
"""
# An example of each function and of none of this file: its lines do not begin as a file's own would.
_EXAMPLE = (
    "\n>>> import numpy as np\n>>> flat = np.ones(30)"
    "\n>>> float({name}(flat, flat, flat, flat)[-1])\n{of_flat}\n"
)


@cache
def _first(source: str) -> int:
    lookback: int = talib.Function("CDL" + source, getattr(talib, "CDL" + source)).lookback
    return lookback


def _marks(pattern: Pattern, found: Floats) -> Floats:
    marks = found.astype(np.float64)
    marks[: _first(pattern.source)] = np.nan
    return marks


def _plain(pattern: Pattern) -> Callable[..., Floats]:
    find = getattr(talib, "CDL" + pattern.source)

    def marks(open_: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
        return _marks(pattern, find(open_, high, low, close))

    return marks


def _penetrating(pattern: Pattern, default: float) -> Callable[..., Floats]:
    find = getattr(talib, "CDL" + pattern.source)

    def marks(
        open_: Floats, high: Floats, low: Floats, close: Floats, penetration: float = default
    ) -> Floats:
        return _marks(pattern, find(open_, high, low, close, penetration))

    return marks


def _declare(pattern: Pattern) -> None:
    deep = pattern.penetration is not None
    function = _penetrating(pattern, pattern.penetration or 0.0) if deep else _plain(pattern)
    function.__name__ = function.__qualname__ = pattern.name
    function.__doc__ = (_DOC + _EXAMPLE).format(
        name=pattern.name,
        says=pattern.says,
        source=pattern.source,
        of_flat="100.0" if pattern.name == "doji" else "0.0",
    )
    ranges = {
        "penetration": within(0.0, 10.0, "how far into the first body the last must close, as a share of it")
    }
    indicator(
        unit="flag", draw="markers", warmup=pattern.bars, exact=pattern.bars, **(ranges if deep else {})
    )(function)


for _one in PATTERNS:
    _declare(_one)
