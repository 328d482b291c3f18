"""Scenario tables: bars and what is said at their closes, the trades that must follow, one line why.

A table is a TOML file of `[[case]]`: `why`; `bars`, a line a bar (open high low close, and the volume if it
matters) with what is said after a `|`: `long`, `short`, `exit`, `exit-long`, `exit-short`, `limit=95` and
other columns. `hole` is a bar that is not there, a line from `>` on a finer bar of the bar above. Several
markets are `[case.bars]` with a name each. `rules`, `costs` and `options` are what the run is told; `funding`
and `filters` have hours in place of times. A trade is `side kind entry_bar@price exit_bar@price reason`,
after the market's name where there are several, with `x` and its quantity, `fees=`, `funding=`, `pnl=` where
they matter, and `undecided` where it is.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from tests.trading.reference_book import Bar, Costs, Filter, Market, Outcome, Path, Row, Rules, Setup, Trade

TABLES = File(__file__).parent / "tables"
START = 1_609_459_200_000  # 2021-01-01, 00:00 UTC
HOUR = 3_600_000
MUCH = 1e12  # traded in a bar whose volume does not matter
WORDS: dict[str, tuple[str, float]] = {
    "long": ("entry", 1), "short": ("entry", -1),
    "exit": ("exits", 3), "exit-long": ("exits", 1), "exit-short": ("exits", 2),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    why: str
    markets: list[Market]
    names: list[str]
    setup: Setup
    trades: list[str]
    refused: dict[str, int]
    equity: list[float] | None
    theme: str = ""

    def __str__(self) -> str:
        return f"{self.theme}: {self.why}"


def cases() -> list[Case]:
    """Read all tables."""
    return [
        _case(raw, file.stem)
        for file in sorted(TABLES.glob("*.toml"))
        for raw in tomllib.loads(file.read_text())["case"]
    ]


def _case(raw: dict[str, Any], theme: str) -> Case:
    known = {
        "why", "bars", "rules", "costs", "options", "trades", "refused", "equity", "funding", "filters",
        "groups", "hours",
    }  # fmt: skip
    assert raw.keys() <= known, (raw["why"], raw.keys() - known)
    hours = raw.get("hours", 1)
    several = isinstance(raw["bars"], dict)
    tables = raw["bars"] if several else {"A": raw["bars"]}
    markets = []
    for name, text in tables.items():
        bars, rows = _bars(text, hours)
        funding, filters = (
            raw.get(key, {}).get(name, ()) if several else raw.get(key, ()) for key in ("funding", "filters")
        )
        markets.append(
            Market(
                tuple(bars),
                tuple(rows),
                raw.get("groups", {}).get(name, -1),
                tuple((START + round(hour * HOUR), rate) for hour, rate in funding),
                tuple(Filter(START + round(one[0] * HOUR), *one[1:]) for one in filters),
            )
        )
    options: dict[str, Any] = dict(raw.get("options", {}))
    if "target_steps" in options:
        options["target_steps"] = tuple((int(a), float(b)) for a, b in options["target_steps"])
    setup = Setup(
        **{"capital": 1000.0, **options},
        rules=Rules(**({"stop": None, "target": None} | raw.get("rules", {}))),
        costs=Costs(**({"fee": 0.0, "slippage": 0.0} | raw.get("costs", {}))),
    )
    return Case(
        raw["why"], markets, list(tables), setup, raw["trades"], raw.get("refused", {}), raw.get("equity"),
        theme,
    )  # fmt: skip


def _bars(text: str, hours: int) -> tuple[list[Bar], list[Row]]:
    bars: list[Bar] = []
    rows: list[Row] = []
    at = START
    for line in text.strip().splitlines():
        numbers, _, words = line.partition("|")
        if numbers.strip() == "hole":
            at += hours * HOUR
        elif numbers.strip().startswith(">"):
            path = Path(*map(float, numbers.strip()[1:].split()))
            last = bars[-1]
            bars[-1] = Bar(
                last.open, last.high, last.low, last.close, last.ts, last.volume, (*last.finer, path)
            )
        else:
            open_, high, low, close, *rest = (float(number) for number in numbers.split())
            bars.append(Bar(open_, high, low, close, at, rest[0] if rest else MUCH))
            rows.append(_row(words))
            at += hours * HOUR
    return bars, rows


def _row(words: str) -> Row:
    said: dict[str, Any] = {}
    for word in words.split():
        name, _, number = word.partition("=")
        column, value = (name, float(number)) if number else WORDS[name]
        said[column] = value
    return Row(**said)


def expected(case: Case, trade: str) -> dict[str, Any]:
    """Read a trade of a table: the names of `Trade`, as many as are told."""
    words = trade.split()
    told: dict[str, Any] = {"market": case.names.index(words.pop(0)) if len(case.names) > 1 else 0}
    (told["side"], told["entry_kind"]), (entry, leave), told["exit_reason"] = words[:2], words[2:4], words[4]
    told["undecided"] = False
    for what, word in (("entry", entry), ("exit", leave)):
        bar, _, price = word.partition("@")
        told[f"{what}_bar"] = int(bar)
        told[f"{what}_price"] = float(price)
    for word in words[5:]:
        if word == "undecided":
            told["undecided"] = True
        elif word.startswith("x"):
            told["quantity"] = float(word[1:])
        else:
            name, _, value = word.partition("=")
            told[name] = float(value)
    return told


def differences(case: Case, outcome: Outcome) -> list[str]:
    """Return what is not as the table says, in words."""
    if len(outcome.trades) != len(case.trades):
        return [f"{len(outcome.trades)} trades: {[told(case, trade) for trade in outcome.trades]}"]
    found = []
    for text, trade in zip(case.trades, outcome.trades, strict=True):
        for name, want in expected(case, text).items():
            got = getattr(trade, name)
            same = abs(got - want) <= 1e-9 * max(1.0, abs(want)) if isinstance(want, float) else got == want
            if not same:
                found.append(f"{name}: {got}, not {want} ({told(case, trade)})")
    refused = {name: count for name, count in outcome.refused.items() if count}
    if refused != case.refused:
        found.append(f"refused: {refused}, not {case.refused}")
    if case.equity is not None:
        far = [abs(a - b) > 1e-9 * max(1.0, abs(b)) for a, b in zip(outcome.equity, case.equity, strict=True)]
        if any(far):
            found.append(f"equity: {outcome.equity}, not {case.equity}")
    return found


def told(case: Case, trade: Trade) -> str:
    """Write a trade as the tables do."""
    market = f"{case.names[trade.market]} " if len(case.names) > 1 else ""
    return (
        f"{market}{trade.side} {trade.entry_kind} {trade.entry_bar}@{trade.entry_price:.15g} "
        f"{trade.exit_bar}@{trade.exit_price:.15g} {trade.exit_reason} x{trade.quantity:.15g} "
        f"fees={trade.fees:.15g} funding={trade.funding:.15g} pnl={trade.pnl:.15g}"
        f"{' undecided' if trade.undecided else ''}"
    )
