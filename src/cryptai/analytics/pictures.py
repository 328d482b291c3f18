"""Pictures of a report as inline SVG, drawn without a script: curves, and the spread of trades."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptai.analytics.figures import level, percent
from cryptai.analytics.scales import round_levels, thinned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_MOST_POINTS: Final = 1_200
_BINS: Final = 31


def curve(
    ts: NDArray[np.int64], lines: Sequence[tuple[str, NDArray[np.float64]]], *, ground: float | None = None,
    label: Callable[[float], str] = level, said: str,
) -> str:  # fmt: skip
    """Return curves over time as one picture with marks beside it; the first one is filled to `ground`.

    Parameters
    ----------
    lines
        Class and values of each curve, as many as `ts` has.
    said
        The picture in words, for who does not see it.
    """
    finite = [values[np.isfinite(values)] for _, values in lines]
    known = np.concatenate([one for one in finite if len(one)]) if any(len(one) for one in finite) else None
    if known is None or len(ts) < 2:
        return ""
    low, high = float(known.min()), float(known.max())
    if ground is not None:
        low, high = min(low, ground), max(high, ground)
    pad = (high - low) * 0.04 or abs(high) * 0.01 or 1.0
    low, high = low - pad, high + pad
    begin, span = float(ts[0]), float(ts[-1] - ts[0])

    def x(ms: float) -> str:
        return f"{1000.0 * (ms - begin) / span:.1f}"

    def y(value: float) -> float:
        return 100.0 * (high - value) / (high - low)

    drawn = []
    for i, (kind, values) in enumerate(lines):
        rows = [r for r in thinned(np.nan_to_num(values), _MOST_POINTS).tolist() if math.isfinite(values[r])]
        path = "L".join(f"{x(float(ts[r]))},{y(float(values[r])):.2f}" for r in rows)
        if i == 0 and ground is not None and rows:
            first, last = x(float(ts[rows[0]])), x(float(ts[rows[-1]]))
            base = f"{y(ground):.2f}"
            drawn.append(f'<path class="{kind} area" d="M{first},{base}L{path}L{last},{base}Z"/>')
        drawn.append(f'<path class="{kind}" d="M{path}"/>')
    marks = round_levels(low, high, 4)
    rules = "".join(f'<path class="rule" d="M0,{y(v):.2f}H1000"/>' for v in marks)
    beside = "".join(f'<span class="y" style="top:{y(v):.2f}%">{escape(label(v))}</span>' for v in marks)
    days = [ts[0] + (ts[-1] - ts[0]) * part // 4 for part in range(5)]
    below = "".join(f"<span>{np.datetime64(int(d), 'ms').astype('M8[D]')}</span>" for d in days)
    return (
        f'<figure class="plot"><div class="box"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" '
        f'role="img" aria-label="{escape(said)}">{rules}{"".join(reversed(drawn))}</svg>{beside}</div>'
        f'<div class="x" aria-hidden="true">{below}</div></figure>'
    )


def spread(returns: NDArray[np.float64]) -> str:
    """Return a histogram of trades' returns; nothing of fewer than two.

    The outermost half per cent on each side stands in the outermost bars: one lucky trade would squeeze all
    others into one.
    """
    known = returns[np.isfinite(returns)]
    if len(known) < 2:
        return ""
    low, high = (float(one) for one in np.quantile(known, [0.005, 0.995]))
    step = max((high - low) / _BINS, 1e-9)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    places = np.clip(np.floor(known / step).astype(np.int64), first, last - 1) - first
    counts, width = np.bincount(places, minlength=last - first), 1000.0 / (last - first)
    most = int(counts.max())
    bars = []
    for i, count in enumerate(counts.tolist()):
        tall = 100.0 * count / most
        begin, end = (first + i) * step, (first + i + 1) * step
        kind = "up" if begin >= 0.0 else "down"
        bars.append(
            f'<rect class="{kind}" x="{i * width:.1f}" y="{100.0 - tall:.2f}" width="{width * 0.9:.1f}" '
            f'height="{tall:.2f}"><title>{count} from {percent(begin)} to {percent(end)}</title></rect>'
        )
    edges = [(first + (last - first) * part / 4) * step for part in range(5)]
    below = "".join(f"<span>{escape(percent(one, digits=1))}</span>" for one in edges)
    ends = percent(float(known.min())), percent(float(known.max()))
    said = f"{len(known)} trades by their return, from {ends[0]} to {ends[1]}"
    return (
        f'<figure class="plot low"><div class="box"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" '
        f'role="img" aria-label="{escape(said)}">{"".join(bars)}</svg></div>'
        f'<div class="x" aria-hidden="true">{below}</div></figure>'
    )
