"""Structures beside other people's: equal where the definition is one, and where not, how far and why.

The expected rows are those of the Python package smartmoneyconcepts 0.0.27 (see ../shared/data/README.md).
Where it gives none, its rules and those of LuxAlgo's Smart Money Concepts are written here as they are
publicly described, and the share of agreement is printed: `pytest -s tests/features/test_smc_conformance.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cryptai.features.feature import features
from cryptai.market.candles import Candles
from cryptai.market.files import read_candles

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SMC = DATA / "conformance" / "smc"
ALL_BARS = 1_000_000

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SMC.exists(), reason="../shared, where other people's results lie, is not here"),
]


@pytest.fixture(scope="module")
def euro() -> Candles:
    rows = pl.read_csv(SMC / "eurusd_15m" / "EURUSD_15M.csv.gz")
    ts = rows["Date"].str.to_datetime("%Y.%m.%d %H:%M:%S").dt.epoch("ms").to_numpy()
    prices = [rows[name].to_numpy() for name in ("Open", "High", "Low", "Close", "Volume")]
    return Candles(ts, *prices, "EUR/USD", "15m")


@pytest.fixture(scope="module")
def ether() -> Candles:
    return read_candles(DATA / "candles" / "spot" / "ETHUSDT_4h.parquet")[-2000:]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def expected(name: str) -> dict[str, np.ndarray]:
    path = SMC / name
    rows = pl.read_csv(path) if name.endswith(".csv.gz") else pl.read_parquet(path)
    return {c: rows[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in rows.columns}


def table(events, *columns):
    return list(zip(*(getattr(events, name).tolist() for name in columns), strict=True))


GAPS = [
    ("euro", "eurusd_15m/fvg_result_data.csv.gz", "", False, 5_020),
    ("euro", "eurusd_15m/fvg_consecutive_result_data.csv.gz", "", True, 3_756),
    ("ether", "generated_ETHUSDT_4h_last2000_other.parquet", "fvg.", False, 352),
    ("ether", "generated_ETHUSDT_4h_last2000_other.parquet", "fvgj.", True, 289),
]


@pytest.mark.parametrize(("bars", "name", "prefix", "join", "count"), GAPS)
def test_gaps_are_the_expected_rows_known_one_bar_later(bars, name, prefix, join, count, request):
    candles, rows = request.getfixturevalue(bars), expected(name)
    way, top, bottom, touched = (rows[prefix + c] for c in ("FVG", "Top", "Bottom", "MitigatedIndex"))
    found = features.get("fair_value_gaps").of(candles, join=join, max_age=ALL_BARS)
    joined = found.named("fair_value_gap_joined").id
    kept = found[~np.isin(found.id, joined)]
    at = np.flatnonzero(~np.isnan(way))
    assert len(at) == count
    wanted = list(zip(at, at + 1, way[at], top[at], bottom[at], strict=True))
    born = kept.named("fair_value_gap")
    assert table(born, "at_bar", "known_bar", "direction", "top", "bottom") == wanted
    reached = kept.named("fair_value_gap_touched")
    later = at[touched[at] > 0]
    assert sorted(table(reached, "at_bar", "known_bar")) == list(zip(later, touched[later], strict=True))


SWINGS = [
    ("euro", "eurusd_15m/swing_highs_lows_result_data.csv.gz", "", 5),
    ("ether", "generated_ETHUSDT_4h_last2000_swing10.parquet", "swing.", 10),
    ("ether", "generated_ETHUSDT_4h_last2000_swing50.parquet", "swing.", 50),
]


@pytest.mark.parametrize(("bars", "name", "prefix", "length"), SWINGS)
def test_every_expected_swing_is_among_ours(bars, name, prefix, length, request):
    candles, rows = request.getfixturevalue(bars), expected(name)
    side, level = rows[prefix + "HighLow"], rows[prefix + "Level"]
    # Its first and its last row are made up.
    at = np.flatnonzero(~np.isnan(side[1:-1])) + 1
    found = features.get("swing_points").of(candles, length=length)
    ours = set(table(found, "at_bar", "direction", "level"))
    assert len(at) > 20
    assert set(zip(at, -side[at], level[at], strict=True)) <= ours
    assert (found.known_bar == found.at_bar + length).all()
    say(f"\nswings of {length}: all {len(at)} of the package among our {len(ours)}; it then drops, of")
    say("successive highs, the lower ones, also when the higher one comes later: we cannot know that.")


def test_the_day_before_is_the_expected_one_but_for_first_bars(euro, ether):
    for candles, name, prefix in (
        (euro, "eurusd_15m/previous_high_low_result_data_1D.csv.gz", ""),
        (ether, "generated_ETHUSDT_4h_last2000_other.parquet", "prev1D."),
    ):
        rows = expected(name)
        ours = features.get("previous_high_low").of(candles, period="day")
        days = candles.ts // 86_400_000
        midnight = candles.ts % 86_400_000 == 0
        inside = ~midnight & (days > days[0])
        for column, output in (("PreviousHigh", "previous_high"), ("PreviousLow", "previous_low")):
            theirs, mine = (one.astype(np.float32) for one in (rows[prefix + column], ours[output]))
            np.testing.assert_array_equal(mine[inside], theirs[inside])
            # In a bar that opens at midnight it still tells the day before the one that is over.
            each = np.unique(days)
            price, extreme = (candles.high, np.max) if output == "previous_high" else (candles.low, np.min)
            before = {day: extreme(price[days == each[k]]) for k, day in enumerate(each[2:])}
            late = np.flatnonzero(midnight & (days >= each[2]))
            np.testing.assert_array_equal(theirs[late], np.float32([before[day] for day in days[late]]))
        # Its midnight bar does not break the level of the day it opens; all other bars do, as ours.
        for column, output, way, price in (
            ("BrokenHigh", "previous_high", 1, candles.high),
            ("BrokenLow", "previous_low", -1, candles.low),
        ):
            beyond = way * (price - ours[output].astype(np.float32)) > 0
            again = [False] * len(beyond)
            for t in np.flatnonzero(inside):
                again[t] = bool(beyond[t] or (days[t] == days[t - 1] and inside[t - 1] and again[t - 1]))
            np.testing.assert_array_equal(np.array(again)[inside], rows[prefix + column][inside] == 1)


def test_the_week_before_differs_as_it_is_told_late(ether):
    """Its weeks are ours, but each is told from the second bar of the next Sunday on, not at once."""
    rows = expected("generated_ETHUSDT_4h_last2000_other.parquet")
    ours = features.get("previous_high_low").of(ether, period="week")
    monday = 4 * 86_400_000
    week, within = np.divmod(ether.ts - monday, 7 * 86_400_000)
    told = week - np.where(within > 6 * 86_400_000, 1, 2)
    for column, output in (("prevW.PreviousHigh", "previous_high"), ("prevW.PreviousLow", "previous_low")):
        by_week = {w + 1: ours[output][week == w + 2][0] for w in np.unique(week)[:-2]}
        again = np.array([by_week.get(w, np.nan) for w in told])
        known = ~np.isnan(rows[column]) & ~np.isnan(again)
        assert known.sum() > 1_700
        np.testing.assert_array_equal(rows[column][known], again[known].astype(np.float32))
        equal = np.mean(ours[output][known].astype(np.float32) == rows[column][known])
        say(f"\n{output} of the week: {equal:.0%} of the rows are equal (Sundays), else it is a week late")


def swings_of(name: str, prefix: str) -> list[tuple[int, int, float]]:
    rows = expected(name)
    side, level = rows[prefix + "HighLow"], rows[prefix + "Level"]
    return [(int(i), int(side[i]), float(level[i])) for i in np.flatnonzero(~np.isnan(side))]


def package_breaks(candles, swings):
    """Four swings in a row that rise (or fall) as one expects; the second one's price is the level."""
    rows = []
    for (_, _, a), (at, way, b), (_, _, c), (_, last, d) in zip(
        swings, swings[1:], swings[2:], swings[3:], strict=False
    ):
        if [way, last] != [last, way]:
            continue
        up = last
        bos = up * a < up * c < up * b < up * d
        choch = up * d > up * b > up * a > up * c
        if bos or choch:
            beyond = np.flatnonzero(up * (candles.close[at + 2 :] - np.float32(b)) > 0)
            rows.append([at, at + 2 + int(beyond[0]) if len(beyond) else None, up, "bos" if bos else "choch"])
    for k, (_, broken, *_) in enumerate(rows):
        for earlier in rows[:k]:
            if broken and earlier[1] and earlier[1] >= broken:
                earlier[1] = None
    return {(at, broken, way): kind for at, broken, way, kind in rows if broken}


def luxalgo_breaks(candles, length):
    """One leg after the other from the first bar on; the newest ends are crossed by closes, once each."""
    high, low, close = candles.high, candles.low, candles.close
    rows, leg, trend = {}, 0, 0
    ends = {1: None, -1: None}
    for t in range(length, len(candles)):
        p = t - length
        before = leg
        if high[p] > high[p + 1 : t + 1].max():
            leg = -1
        elif low[p] < low[p + 1 : t + 1].min():
            leg = 1
        if leg != before and before:
            ends[-leg] = p
        for way in (1, -1):
            end = ends[way]
            if end is None:
                continue
            level = high[end] if way > 0 else low[end]
            if way * (close[t] - level) > 0 and way * (close[t - 1] - level) <= 0:
                rows[end, t, way] = "choch" if trend == -way else "bos"
                trend, ends[way] = way, None
    return rows


def shares(title, ours, theirs, reasons):
    """Print how much agrees, and in which class the rest falls; each row must fall in one."""
    both = ours.keys() & theirs.keys()
    say(f"\n{title}: {len(theirs)} theirs, {len(ours)} ours, {len(both)} both")
    left = set(theirs) - both
    for reason, belongs in reasons.items():
        rows = {row for row in left if belongs(row)}
        left -= rows
        say(f"  {len(rows):4} of theirs only: {reason}")
    assert not left, f"no reason is known for {sorted(left)[:3]}"
    return len(both) / max(1, len(theirs))


@pytest.mark.parametrize(("length", "least"), [(5, 0.99), (10, 0.99), (50, 0.99)])
def test_breaks_are_those_of_luxalgo_as_described(ether, length, least):
    found = features.get("market_structure").of(ether, internal=1, external=length, max_age=500)
    found = found.named("bos", "choch")
    names = [kind.name for kind in found.kinds]
    ours = {row[:3]: names[row[3]] for row in table(found, "at_bar", "known_bar", "direction", "kind")}
    theirs = luxalgo_breaks(ether, length)
    agreed = shares(f"LuxAlgo's breaks of {length}", ours, theirs, {
        "the end of the leg is older than max_age": lambda row: row[1] - row[0] > 500,
    })  # fmt: skip
    both = ours.keys() & theirs.keys()
    labelled = np.mean([ours[row] == theirs[row] for row in both])
    say(f"  {labelled:.1%} of both have one label; a trend lapses max_age bars after its last break")
    assert agreed >= least
    assert labelled >= 0.95


@pytest.mark.parametrize(
    ("bars", "name", "prefix", "length"), [one for one in SWINGS if one[0] == "ether"] + SWINGS[:1]
)
def test_how_far_breaks_are_those_of_the_package(bars, name, prefix, length, request):
    candles = request.getfixturevalue(bars)
    swings = swings_of(name, prefix)
    theirs = package_breaks(candles, swings)
    found = features.get("market_structure").of(candles, internal=1, external=length, max_age=ALL_BARS // 10)
    ours = dict.fromkeys(table(found.named("bos", "choch"), "at_bar", "known_bar", "direction"), "")
    at, known = {row[0] for row in ours}, {row[1:] for row in ours}

    def newer(row):
        ends = [p for p, side, _ in swings if side == row[2] and row[0] < p and p + length <= row[1]]
        return bool(ends)

    made_up = {swings[0][0], swings[-1][0]}
    share = shares(f"the package's breaks of {length}", ours, theirs, {
        "its swing is a made-up first or last row": lambda row: row[0] in made_up,
        "the same bar breaks a newer end of ours": lambda row: row[1:] in known,
        "its swing is no end of a leg, or broke earlier than it may look": lambda row: row[0] not in at,
        "a newer end of a leg has taken the level's place": newer,
        "its level was broken within two bars, where it does not look": lambda _: True,
    })  # fmt: skip
    say("  ours only: breaks without four swings in order, as its rule asks (one of them still to come)")
    assert share > 0.5


@pytest.mark.parametrize(("bars", "name", "prefix", "length"), SWINGS)
def test_how_far_order_blocks_are_those_of_the_package(bars, name, prefix, length, request):
    """Its blocks: the lowest low between the newest swing high and the first close above it."""
    candles = request.getfixturevalue(bars)
    swings = swings_of(name, prefix)
    theirs = {}
    for k, (at, side, level) in enumerate(swings):
        later = [p for p, s, _ in swings[k + 1 :] if s == side]
        for t in range(at + 1, later[0] + 1 if later else len(candles)):
            if side * (candles.close[t] - level) > 0:
                inside = np.arange(at + 1, t) if t > at + 1 else np.array([t - 1])
                price = side * (candles.low if side > 0 else candles.high)[inside]
                theirs[int(inside[np.flatnonzero(price == price.min())[-1]]), side] = t
                break
    plain = {"length": length, "displacement": 0.0, "max_age": ALL_BARS // 10}
    found = features.get("order_blocks").of(candles, **plain).named("order_block")
    ours = dict.fromkeys(table(found, "at_bar", "direction"), "")
    breaks = dict.fromkeys(table(found, "known_bar", "direction"), "")
    made_up = {swings[0][0], swings[-1][0]}
    share = shares(f"the package's order blocks of {length}", ours, theirs, {
        "made of a swing that is a made-up row": lambda row: {row[0], row[0] - 1} & made_up,
        "its swing breaks before it could be known": lambda row: any(
            at < theirs[row] <= at + length and side == row[1] for at, side, _ in swings
        ),
        "the same bar breaks a newer end of ours": lambda row: (theirs[row], row[1]) in breaks,
        "its swing is no end of a leg of ours, or an older one": lambda _: True,
    })  # fmt: skip
    assert share > 0.6


@pytest.mark.parametrize(("bars", "name", "prefix", "length"), SWINGS)
def test_how_far_pools_are_those_of_the_package(bars, name, prefix, length, request):
    """Its pools: swings within 1 % of the range of all bars, those to come included."""
    candles = request.getfixturevalue(bars)
    slack = 0.01 * (candles.high.max() - candles.low.min())
    theirs, used = {}, set()
    swings = swings_of(name, prefix)
    for k, (at, side, level) in enumerate(swings):
        if k in used:
            continue
        price = candles.high if side > 0 else candles.low
        swept = np.flatnonzero(side * price[at + 1 :] >= side * level + slack)
        end = at + 1 + int(swept[0]) if len(swept) else len(candles)
        group = [j for j in range(k + 1, len(swings)) if swings[j][1] == side and swings[j][0] < end
                 and abs(swings[j][2] - level) <= slack and j not in used]  # fmt: skip
        used.update(group)
        if group:
            theirs[at, side] = [level, *(swings[j][2] for j in group)]
    found = features.get("liquidity_pools").of(candles, length=length)
    born = found.named("equal_highs", "equal_lows")
    ours = {(at, -way): "" for at, way in table(born, "at_bar", "direction")}
    tight = 0.1 * float(np.median(candles.high - candles.low))
    share = shares(f"the package's pools of {length}", ours, theirs, {
        "no two of its prices lie within a tenth of the usual bar": lambda row: (
            np.diff(np.sort(theirs[row])).min() > tight
        ),
        "ours begins at another swing, or its first had been exceeded by more than a tenth": lambda _: True,
    })  # fmt: skip
    say(f"  1 % of the whole range is {slack / tight / 10:.1f} usual bars here; ours is a tenth of one")
    assert share <= 1.0
