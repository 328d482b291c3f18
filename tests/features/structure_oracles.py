"""The structures once more, as their definitions say, bar by bar in plain Python: slow, and easy to believe.

Each gives rows of (known, at, kind, direction, top, bottom, level, strength, volume, share).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

NAN = math.nan
Row = tuple[Any, ...]


class Zone(NamedTuple):
    known: int
    at: int
    way: int
    top: float
    bottom: float
    strength: float
    volume: float
    joins: bool = False


def true_range(c, i):
    if i == 0:
        return c.high[0] - c.low[0]
    return max(c.high[i], c.close[i - 1]) - min(c.low[i], c.close[i - 1])


def atr(c, t):
    window = range(max(0, t - 13), t + 1)
    return math.fsum(true_range(c, i) for i in window) / len(window)


def sized(c, size, t):
    return size / atr(c, t) if atr(c, t) > 0 else NAN


def relative(c, t):
    before = [c.volume[i] for i in range(max(0, t - 20), t)]
    return c.volume[t] / (sum(before) / len(before)) if sum(before) > 0 else NAN


def pivots(c, length, before=0):
    before = min(before or length - 1, length)
    n = len(c)
    spans = {p: range(p - before, p + length + 1) for p in range(before, n - length)}
    highs = [p for p, span in spans.items() if c.high[p] >= max(c.high[i] for i in span)]
    lows = [p for p, span in spans.items() if c.low[p] <= min(c.low[i] for i in span)]
    found = []
    for p in sorted({*highs, *lows}):
        if p in highs:
            same = [q for q in highs if p - before <= q < p]
            only_lows = [q for q in lows if q not in highs and same and same[-1] < q < p]
            if not same or only_lows:
                found.append((p, 1))
        if p in lows:
            same = [q for q in lows if p - before <= q < p]
            between = [q for q in highs if same and same[-1] <= q < p]
            if not same or (p not in highs and between):
                found.append((p, -1))
    return found


def price_of(c, p, side):
    return c.high[p] if side > 0 else c.low[p]


def swing_points(c, length=5, before=0):
    rows = []
    for p, side in pivots(c, length, before):
        after = range(p + 1, p + length + 1)
        away = (
            c.high[p] - min(c.low[i] for i in after) if side > 0 else max(c.high[i] for i in after) - c.low[p]
        )
        x, t = price_of(c, p, side), p + length
        name = "swing_high" if side > 0 else "swing_low"
        rows.append((t, p, name, -side, x, x, x, sized(c, away, t), relative(c, p), NAN))
    return rows


def legs(c, length, max_age):
    found, last = [], None
    for p in range(len(c) - length):
        after = range(p + 1, p + length + 1)
        side = 0
        if all(c.high[p] > c.high[i] for i in after):
            side = 1
        elif all(c.low[p] < c.low[i] for i in after):
            side = -1
        if side:
            if last and last[1] == -side and p - last[0] <= max_age:
                found.append((p, side))
            last = (p, side)
    return found


def breaks(c, length, max_age, by="close"):
    found = []
    ends = legs(c, length, max_age)
    for p, side in ends:
        later = [q for q, s in ends if s == side and q > p]
        for t in range(p + length, min([later[0] + length] if later else [len(c)])):
            beyond = c.close[t] if by == "close" else price_of(c, t, side)
            if side * (beyond - price_of(c, p, side)) > 0:
                if t - p <= max_age:
                    found.append((t, p, side))
                break
    found.sort(key=lambda one: (one[0], (one[2] > 0) == (c.close[one[0]] >= c.open[one[0]])))
    told = []
    for k, (t, p, side) in enumerate(found):
        turned = k > 0 and found[k - 1][2] == -side and t - found[k - 1][0] <= max_age
        told.append((t, p, side, turned))
    return told


def market_structure(c, internal=5, external=50, by="close", max_age=500):
    outer, inner = breaks(c, external, max_age, by), breaks(c, internal, max_age, by)
    twice = {one[:3] for one in outer}
    named = [(*one, "choch" if one[3] else "bos") for one in outer]
    named += [(*one, "internal_choch" if one[3] else "internal_bos") for one in inner if one[:3] not in twice]
    rows = []
    for t, p, way, _, name in named:
        x = price_of(c, p, way)
        beyond = c.close[t] if by == "close" else price_of(c, t, way)
        rows.append((t, p, name, way, x, x, x, sized(c, way * (beyond - x), t), relative(c, t), NAN))
    return rows


def lives(c, zones, name, end, ending, max_age):
    rows = []
    for k, z in enumerate(zones):
        tail = (z.strength, z.volume)
        near, far = (z.top, z.bottom) if z.way > 0 else (z.bottom, z.top)
        middle = z.bottom + (z.top - z.bottom) / 2
        edge = (z.top, z.bottom)
        rows.append((z.known, z.at, name, z.way, *edge, far, *tail, 0.0))
        stage = 0
        takes = zones[k + 1].known if k + 1 < len(zones) and zones[k + 1].joins else None
        for t in range(z.known + 1, min(len(c), z.known + max_age + 1)):
            if t == takes:
                rows.append((t, z.at, f"{name}_joined", z.way, *edge, NAN, *tail, NAN))
                stage = 3
                break
            wick = c.low[t] if z.way > 0 else c.high[t]
            share = min(1.0, abs(near - wick) / abs(near - far)) if near != far else 1.0
            if stage == 0 and z.way * (wick - near) <= 0:
                rows.append((t, z.at, f"{name}_touched", z.way, *edge, wick, *tail, share))
                stage = 1
            if stage == 1 and z.way * (wick - middle) <= 0:
                rows.append((t, z.at, f"{name}_mitigated", z.way, *edge, wick, *tail, share))
                stage = 2
            price = c.close[t] if ending == "close" else wick
            beyond = z.way * (far - price)
            if stage == 2 and (beyond > 0 or (ending == "filled" and beyond == 0)):
                rows.append((t, z.at, f"{name}_{end}", z.way, *edge, price, *tail, share))
                stage = 3
                break
        if stage < 3 and z.known + max_age < len(c):
            rows.append((z.known + max_age, z.at, f"{name}_lapsed", z.way, *edge, NAN, *tail, NAN))
    return rows


def gaps(c, smallest=0.0, join=False, max_age=500):
    found = []
    run: list[tuple[float, float]] = []
    for i in range(1, len(c) - 1):
        if c.high[i - 1] < c.low[i + 1] and c.close[i] > c.open[i]:
            way, top, bottom = 1, c.low[i + 1], c.high[i - 1]
        elif c.low[i - 1] > c.high[i + 1] and c.close[i] < c.open[i]:
            way, top, bottom = -1, c.low[i - 1], c.high[i + 1]
        else:
            continue
        if smallest and not sized(c, top - bottom, i + 1) >= smallest:
            continue
        joins = bool(join and found and found[-1].at == i - 1 and found[-1].way == way)
        run = [*(run if joins else []), (top, bottom)][-max_age - 1 :]
        top, bottom = (max(one[0] for one in run), min(one[1] for one in run)) if join else (top, bottom)
        found.append(Zone(i + 1, i, way, top, bottom, sized(c, top - bottom, i + 1), relative(c, i), joins))
    return found


def fair_value_gaps(c, smallest=0.0, join=False, max_age=500):
    return lives(c, gaps(c, smallest, join, max_age), "fair_value_gap", "filled", "filled", max_age)


def inverse_fair_value_gaps(c, smallest=0.0, max_age=500):
    turned = []
    for z in gaps(c, smallest):
        for t in range(z.known + 1, min(len(c), z.known + max_age + 1)):
            if z.way * (c.close[t] - (z.bottom if z.way > 0 else z.top)) < 0:
                turned.append(z._replace(known=t, way=-z.way))
                break
    return lives(c, turned, "inverse_fair_value_gap", "broken", "close", max_age)


def blocks(c, length, bar, displacement, volume, max_age):
    found: list[Zone] = []
    for t, p, way, _ in breaks(c, length, max_age):
        inside = range(p + 1, t)
        extreme = min(c.low[i] for i in inside) if way > 0 else max(c.high[i] for i in inside)
        at = max(i for i in inside if price_of(c, i, -way) == extreme)
        if bar == "opposite":
            at = max([i for i in inside if i <= at and way * (c.close[i] - c.open[i]) < 0], default=at)
        if [z for z in found if z.way == way][-1:] and [z for z in found if z.way == way][-1].at == at:
            continue
        near = c.high[at] if way > 0 else c.low[at]
        before = [c.volume[i] for i in range(max(0, at - 20), at)]
        leg = [c.volume[i] for i in range(at, t + 1)]
        much = (sum(leg) / len(leg)) / (sum(before) / len(before)) if sum(before) > 0 else NAN
        size = sized(c, way * (c.close[t] - near), t)
        if (displacement and not size >= displacement) or (volume and not much >= volume):
            continue
        found.append(Zone(t, at, way, c.high[at], c.low[at], size, much))
    return found


def order_blocks(c, length=5, bar="extreme", displacement=0.5, volume=0.0, broken_by="close", max_age=500):
    return lives(
        c, blocks(c, length, bar, displacement, volume, max_age), "order_block", "broken", broken_by, max_age
    )


def breaker_blocks(c, length=5, bar="extreme", displacement=0.5, volume=0.0, broken_by="close", max_age=500):
    born = blocks(c, length, bar, displacement, volume, max_age)
    by_bar = {(z.at, z.way): z for z in born}
    over = [row for row in order_blocks(c, length, bar, displacement, volume, broken_by, max_age)
            if row[2] == "order_block_broken"]  # fmt: skip
    turned = [by_bar[row[1], row[3]]._replace(known=row[0], way=-row[3]) for row in over]
    return lives(c, turned, "breaker_block", "broken", broken_by, max_age)


def liquidity_swings(c, length=14, max_age=500):
    zones = []
    for p, side in pivots(c, length):
        body = max(c.open[p], c.close[p]) if side > 0 else min(c.open[p], c.close[p])
        top, bottom = (c.high[p], body) if side > 0 else (body, c.low[p])
        t = p + length
        zones.append(Zone(t, p, -side, top, bottom, sized(c, top - bottom, t), relative(c, p)))
    return lives(c, zones, "liquidity_swing", "broken", "close", max_age)


def liquidity_sweeps(c, length=5, max_age=500):
    rows = []
    for p, side in pivots(c, length):
        x = price_of(c, p, side)
        for t in range(p + length + 1, len(c)):
            wick = price_of(c, t, side)
            if side * (wick - x) > 0:
                if side * (c.close[t] - x) <= 0 and t - p <= max_age:
                    size = sized(c, abs(wick - x), t)
                    rows.append((t, p, "liquidity_sweep", -side, max(wick, x), min(wick, x), x, size,
                                 relative(c, t), NAN))  # fmt: skip
                break
    return rows


def liquidity_pools(c, length=3, tolerance=0.1, max_age=500):  # noqa: C901 (a pool's whole life)
    rows, due = [], {}
    for p, side in pivots(c, length):
        due.setdefault(p + length, []).append((p, side))
    standing: list[dict[str, Any]] = []
    for t in range(len(c)):
        for z in list(standing):
            side, name = z["side"], "equal_highs" if z["side"] > 0 else "equal_lows"
            wick = price_of(c, t, side)
            edge = (max(z["prices"]), min(z["prices"]))
            if side * (wick - (z["price"] + side * z["slack"])) > 0:
                standing.remove(z)
                if z["count"] > 1:
                    back = side * (c.close[t] - (edge[0] if side > 0 else edge[1])) <= 0
                    rows.append((t, z["bar"], f"{name}_{'swept' if back else 'broken'}", -side, *edge, wick,
                                 z["count"], relative(c, t), NAN))  # fmt: skip
            elif z["bar"] + max_age <= t:
                standing.remove(z)
                if z["count"] > 1:
                    rows.append((t, z["bar"], f"{name}_lapsed", -side, *edge, NAN, z["count"], NAN, NAN))
        for p, side in due.get(t, []):
            price = price_of(c, p, side)
            first = None
            for z in reversed([z for z in standing if z["side"] == side]):
                if side * (z["price"] - price) > z["slack"]:
                    break
                first = z
            if first:
                first["count"] += 1
                first["prices"].append(price)
                edge = (max(first["prices"]), min(first["prices"]))
                name = ("equal_highs" if side > 0 else "equal_lows") + (
                    "" if first["count"] == 2 else "_grown"
                )
                rows.append((t, first["bar"], name, -side, *edge, edge[0] if side > 0 else edge[1],
                             first["count"], relative(c, p), NAN))  # fmt: skip
            slack = tolerance * atr(c, t)
            standing.append(
                {"bar": p, "side": side, "price": price, "slack": slack, "count": 1, "prices": [price]}
            )
    return rows


def span(c, t, ends, length, max_age):
    """The range after bar t: top, bottom, direction, the leg's end, how far price came back."""
    known = [one for one in ends if one[0] + length <= t]
    highs, lows = [p for p, s in known if s > 0], [p for p, s in known if s < 0]
    if not highs or not lows or t - highs[-1] > max_age or t - lows[-1] > max_age:
        return None
    top = max(c.high[i] for i in range(highs[-1], t + 1))
    bottom = min(c.low[i] for i in range(lows[-1], t + 1))
    way = known[-1][1]
    first = (highs if way > 0 else lows)[-1]
    end = next(i for i in range(first, t + 1) if price_of(c, i, way) == (top if way > 0 else bottom))
    since = [price_of(c, i, -way) for i in range(end + 1, t + 1)]
    back = c.close[end] if not since else min(c.close[end], *since) if way > 0 else max(c.close[end], *since)
    return top, bottom, way, end, back


def premium_discount(c, length=50, equilibrium=0.05, max_age=500):
    rows, before, ends = [], 0, legs(c, length, max_age)
    for t in range(len(c)):
        now, found = 0, span(c, t, ends, length, max_age)
        if found and found[0] > found[1]:
            top, bottom = found[:2]
            share = (c.close[t] - bottom) / (top - bottom)
            now = 1 if share - 0.5 > equilibrium / 2 else (-1 if share - 0.5 < -equilibrium / 2 else 0)
            if now not in (0, before):
                size, middle = top - bottom, bottom + (top - bottom) / 2
                edge = (
                    (top, middle + size * equilibrium / 2)
                    if now > 0
                    else (middle - size * equilibrium / 2, bottom)
                )
                rows.append((t, t, "premium" if now > 0 else "discount", -now, *edge, c.close[t],
                             sized(c, size, t), NAN, share))  # fmt: skip
        before = now
    return rows


def retracements(c, length=10, max_age=500):
    rows, told, of, ends = [], 0, None, legs(c, length, max_age)
    for t in range(len(c)):
        found = span(c, t, ends, length, max_age)
        if not found:
            told, of = 0, None
            continue
        top, bottom, way, end, back = found
        if (end, way) != of:
            told, of = 0, (end, way)
        gone = top - back if way > 0 else back - bottom
        for k, share in enumerate((0.382, 0.5, 0.618, 0.786)):
            if k >= told and top > bottom and gone >= share * (top - bottom):
                level = top - share * (top - bottom) if way > 0 else bottom + share * (top - bottom)
                name = f"retracement_{(38, 50, 62, 79)[k]}"
                rows.append((t, end, name, way, top, bottom, level, sized(c, top - bottom, t), NAN,
                             gone / (top - bottom)))  # fmt: skip
                told = k + 1
    return rows


HOURS = {
    "sydney": (21, 9), "tokyo": (0, 9), "london": (7, 9), "new_york": (13, 9), "asian_kill_zone": (0, 4),
    "london_open_kill_zone": (7, 3), "new_york_kill_zone": (12, 3), "london_close_kill_zone": (15, 2),
}  # fmt: skip


def inside(when, first, hours):
    """When the span of hours that holds this instant began; None if none does."""
    for days in (0, 1):
        begin = when.replace(hour=0, minute=0) - timedelta(days=days) + timedelta(hours=first)
        if begin <= when < begin + timedelta(hours=hours):
            return begin
    return None


def spans(c, period, shift=0):
    """For every bar: what it belongs to and when that ends."""
    found = []
    for ts in c.ts:
        when = datetime.fromtimestamp(int(ts) / 1000, UTC)
        day = when.replace(hour=0, minute=0)
        if period in HOURS:
            begin = inside(when, HOURS[period][0] + shift, HOURS[period][1])
            found.append((begin, begin + timedelta(hours=HOURS[period][1]) if begin else None))
        elif period == "month":
            found.append((day.replace(day=1), (day.replace(day=1) + timedelta(days=32)).replace(day=1)))
        elif period == "week":
            monday = day - timedelta(days=day.weekday())
            found.append((monday, monday + timedelta(days=7)))
        else:
            found.append((day, day + timedelta(days=1)))
    return found


def finished(c, period, shift=0):
    """Spans that are over: their bars, and the bar at whose close that is known."""
    of = spans(c, period, shift)
    found = []
    for begin in dict.fromkeys(one[0] for one in of if one[0]):
        rows = [i for i, one in enumerate(of) if one[0] == begin]
        end = of[rows[0]][1].timestamp() * 1000
        known = rows[-1] if c.ts[rows[-1]] + c.timeframe.ms >= end else rows[-1] + 1
        found.append((rows, known))
    return found


def previous_high_low(c, period="day"):
    rows = []
    of = spans(c, period)
    for t in range(len(c)):
        begins = list(dict.fromkeys(one[0] for one in of[: t + 1] if one[0] and one[0] != of[t][0]))
        if not begins:
            rows.append((NAN,) * 4)
            continue
        last = [i for i in range(t) if of[i][0] == begins[-1]]
        top, bottom = max(c.high[i] for i in last), min(c.low[i] for i in last)
        since = range(last[-1] + 1, t + 1)
        if of[t][0] is None or any(of[i][0] is None for i in since):
            began = next((i for i in since if of[i][0] == of[t][0] and of[t][0]), None)
            since = since if began is None else range(last[-1] + 1, t + 1)
        rows.append((top, bottom, float(any(c.high[i] > top for i in since)),
                     float(any(c.low[i] < bottom for i in since))))  # fmt: skip
    return rows


def period_levels(c, period="day"):
    rows = []
    done = [one for one in finished(c, period) if one[1] < len(c)]
    for k, (bars, known) in enumerate(done):
        over = done[k + 1][1] if k + 1 < len(done) else len(c)
        top, bottom = max(c.high[i] for i in bars), min(c.low[i] for i in bars)
        for side, name, x in ((1, "previous_high", top), (-1, "previous_low", bottom)):
            at = next(i for i in bars if price_of(c, i, side) == x)
            rows.append((known, at, name, -side, x, x, x, sized(c, top - bottom, known), NAN, NAN))
            swept, ended = False, False
            for t in range(known + 1, min(over + 1, len(c))):
                wick = price_of(c, t, side)
                if side * (wick - x) <= 0:
                    continue
                ended = side * (c.close[t] - x) > 0
                if ended or not swept:
                    price = c.close[t] if ended else wick
                    rows.append((t, at, f"{name}_{'broken' if ended else 'swept'}", -side, x, x, price,
                                 sized(c, abs(wick - x), t), relative(c, t), NAN))  # fmt: skip
                swept = True
                if ended:
                    break
            if not ended and over < len(c):
                rows.append((over, at, f"{name}_lapsed", -side, x, x, NAN, NAN, NAN, NAN))
    return rows


def hours(c, names, shift):
    rows = []
    for name in names:
        if 2 * c.timeframe.ms > HOURS[name][1] * 3_600_000:
            continue
        for bars, known in finished(c, name, shift):
            first, last = bars[0], bars[-1]
            rows.append((first, first, name, 0, c.high[first], c.low[first], c.open[first], NAN, NAN, NAN))
            if known < len(c):
                top, bottom = max(c.high[i] for i in bars), min(c.low[i] for i in bars)
                share = (c.close[last] - bottom) / (top - bottom) if top > bottom else NAN
                rows.append((known, first, f"{name}_closed", 0, top, bottom, c.close[last],
                             sized(c, top - bottom, last), NAN, share))  # fmt: skip
    return rows


def sessions(c, session="all", shift=0):
    return hours(c, ["sydney", "tokyo", "london", "new_york"] if session == "all" else [session], shift)


def kill_zones(c, zone="all", shift=0):
    return hours(
        c, [name for name in HOURS if name.endswith("kill_zone")] if zone == "all" else [zone], shift
    )


def breakout_structures(c, period=20, width=4.0, volume=1.5, max_age=100):
    rows, was = [], 0
    for t in range(period, len(c)):
        before = range(t - period, t)
        top, bottom = max(c.high[i] for i in before), min(c.low[i] for i in before)
        way = 1 if c.close[t] > top else (-1 if c.close[t] < bottom else 0)
        first, was = way not in (0, was), way
        if not first or top - bottom > width * atr(c, t - 1) or (volume and not relative(c, t) >= volume):
            continue
        edge, at = top if way > 0 else bottom, t - period
        rows.append((t, at, "breakout", way, top, bottom, edge, sized(c, way * (c.close[t] - edge), t),
                     relative(c, t), NAN))  # fmt: skip
        retested = failed = False
        for i in range(t + 1, min(len(c), t + max_age + 1)):
            wick = price_of(c, i, -way)
            failed = way * (c.close[i] - edge) < 0
            if failed or (not retested and way * (wick - edge) <= 0):
                name = "breakout_failed" if failed else "breakout_retested"
                rows.append((i, at, name, way, top, bottom, c.close[i] if failed else wick,
                             sized(c, way * (edge - wick), i), relative(c, i), NAN))  # fmt: skip
                retested = True
            if failed:
                break
        if not failed and t + max_age < len(c):
            rows.append((t + max_age, at, "breakout_lapsed", way, top, bottom, NAN, NAN, NAN, NAN))
    return rows


def higher_timeframe_trend(c, timeframe="4h", length=5, max_age=200):
    coarse = c.resample(timeframe)
    rows, last = [], None
    for t, p, way, _ in breaks(coarse, length, max_age):
        on = last and last[1] == way and t - last[0] <= max_age
        last = (t, way)
        name = f"higher_{'break' if on else 'trend'}_{'up' if way > 0 else 'down'}"
        x = price_of(coarse, p, way)
        known = next(i for i in range(len(c)) if c.close_ts[i] >= coarse.close_ts[t])
        at = next(i for i in range(len(c)) if c.ts[i] >= coarse.ts[p])
        rows.append((known, at, name, way, x, x, x, sized(coarse, way * (coarse.close[t] - x), t),
                     relative(coarse, t), NAN))  # fmt: skip
    return rows
