"""The evidence card: how often such a setup was right where it was never trained, or that nobody can know.

The card of a setup is computed from past ones (`cryptai.screening.past`), and sees only what had ended when
the setup was decided. Of each market it takes setups that do not overlap: one begins when the one before
has ended, as one could have traded them. It asks the narrowest slice that has 30 of them: this market in
this regime, this market, all markets in this regime, all markets.

Accuracy is the share of setups whose target was reached before the stop, within the horizon; beside it stands
the share at which a bet with this reward and this risk earns nothing after costs (`break_even`). That is of
setups that all end at one or the other. Where some expire, fewer have to reach the target: `needed` is the
share at which nothing is earned if as many expire as did, and with the same mean return. The verdict:

`supported`
    30 setups or more, the hit rate's 95 % interval (Wilson) lies above what was needed, the mean return's
    95 % interval (bootstrap, of many the normal one) above nothing, and the deflated Sharpe ratio of the
    returns is 99 % or more: with 95 %, one in twenty without an edge had a verdict.
`not_supported`
    30 or more, the hit rate's interval lies below what was needed, and the mean return's below nothing.
`insufficient_evidence`
    Anything else. `missing` says what there would have to be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.market.times import iso
from cryptai.screening.outcomes import OUTCOMES
from cryptai.screening.past import ROW
from cryptai.screening.quality import regime_name
from cryptai.screening.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.screening.past import PastSetups

SUPPORTED: Final = "supported"
NOT_SUPPORTED: Final = "not_supported"
INSUFFICIENT: Final = "insufficient_evidence"
FEWEST: Final = 30
"""Setups below which no rate is worth its interval."""
SURE: Final = 0.99

FORM: Final = 2
"""Raised when the same table would give another card: one of another form is not compared."""


class Asked(NamedTuple):
    """The setup a card is for. `regime` is a number of `REGIMES`, 0 where it is not known."""

    symbol: str
    side: int
    regime: int
    decided_ms: int
    entry: float
    stop: float
    target: float


def card(past: PastSetups | None, asked: Asked, trials: int | None = None) -> dict[str, Any]:
    """Return the card of a setup as JSON takes it.

    Parameters
    ----------
    past
        Those of its strategy, parameters and timeframe; None where there are none yet.
    trials
        How many configurations of the strategy were tried, from the ledger; None where that is not known.
    """
    if past is None:
        return _card(Slice(np.empty(0, ROW)), {}, None, asked, _ends(asked, 0.001, 0.0005), None)
    costs = past.facts["costs"]
    scope, some = _slice(past, asked)
    return _card(some, scope, trials, asked, _ends(asked, costs["fee"], costs["slippage"]), past)


def words(card: dict[str, Any]) -> str:
    """Return a card in a sentence.

    >>> words({"trades": 41, "hits": 23, "break_even": 0.35, "status": "supported",
    ...     "hit_rate": {"low": 0.41, "high": 0.7}, "missing": []})
    '23 of 41 like it reached the target, 41 to 70 %; break-even is 35 %'
    """
    if not card.get("trades"):
        missing = card["missing"][0].rstrip(".") if card.get("missing") else ""
        return f"not enough evidence: {missing}" if missing else "not enough evidence"
    told = odds(card)
    return told if card["status"] == SUPPORTED else f"{told}: {card['status'].replace('_', ' ')}"


def odds(card: dict[str, Any]) -> str:
    """Return what a card counted, without its verdict; of a card that counted nothing, what is missing.

    >>> odds({"trades": 0, "missing": ["None like it were decided and ended before; 30 are the least."]})
    'None like it were decided and ended before; 30 are the least'
    >>> odds({"trades": 45, "hits": 6, "break_even": 0.36, "expired": 27, "needed": 0.12,
    ...     "hit_rate": {"low": 0.063, "high": 0.262}}).partition(" target, ")[2]
    '6 to 26 %, and 27 expired; break-even is 12 % with so many, 36 % if none expires'
    >>> odds({"status": "insufficient_evidence"})
    'Nothing is known of those like it'
    """
    if not card.get("trades"):
        return card["missing"][0].rstrip(".") if card.get("missing") else "Nothing is known of those like it"
    low, high = (round(100 * card["hit_rate"][side]) for side in ("low", "high"))
    told = f"{card['hits']} of {card['trades']} like it reached the target, {low} to {high} %"
    even = f"{round(100 * card['break_even'])} %"
    if not card.get("expired"):
        return f"{told}; break-even is {even}"
    so = f"{round(100 * card['needed'])} %"
    return f"{told}, and {card['expired']} expired; break-even is {so} with so many, {even} if none expires"


def _slice(past: PastSetups, asked: Asked) -> tuple[dict[str, Any], Slice]:
    """Return the narrowest slice with enough setups, else the widest, and what it is of."""
    here = past.number(asked.symbol)
    tried = [(True, False), (False, False)]
    if asked.regime:
        tried = [(True, True), (True, False), (False, True), (False, False)]
    for narrow, by_regime in tried:
        regime = asked.regime if by_regime else None
        some = past.slices.ended(here if narrow else None, asked.side, regime, asked.decided_ms)
        scope = {
            "symbols": 1 if narrow else some.symbols, "symbol": asked.symbol if narrow else None,
            "regime": regime_name(asked.regime) if by_regime else None,
        }  # fmt: skip
        if some.has(FEWEST):
            break
    return scope, some


def _ends(asked: Asked, fee: float, slippage: float) -> tuple[float, float]:
    """Return what a target and a stop come to after costs, as fractions of the fill."""
    fill = asked.entry * (1.0 + asked.side * slippage)
    won = asked.side * (asked.target / fill - 1.0) - fee * (1.0 + asked.target / fill)
    left = asked.stop * (1.0 - asked.side * slippage)
    lost = asked.side * (left / fill - 1.0) - fee * (1.0 + left / fill)
    return won, lost


def _break_even(won: float, lost: float, expired: float = 0.0, net: float = 0.0) -> float:
    """Return the hit rate at which nothing is earned, if a share expires with that mean; 1 if none does."""
    if won <= 0.0:
        return 1.0
    return min(1.0, max(0.0, (-(1.0 - expired) * lost - expired * net) / (won - lost)))


def _card(
    some: Slice, scope: dict[str, Any], trials: int | None, asked: Asked, ends: tuple[float, float],
    past: PastSetups | None,
) -> dict[str, Any]:  # fmt: skip
    n, hits = len(some), some.hits
    expired, expired_net = some.expired
    needed = _break_even(*ends, expired / n, expired_net) if n else _break_even(*ends)
    rate, mean, span = some.hit_rate, some.net_interval, some.span
    last = some.rows[-1] if n else None
    told: dict[str, Any] = {
        "status": INSUFFICIENT,
        "missing": [],
        "trades": n,
        "hits": hits,
        "hit_rate": {
            "value": hits / n if n else None,
            "low": None if rate is None else rate[0],
            "high": None if rate is None else rate[1],
        },
        "break_even": _break_even(*ends),
        "expired": expired,
        "needed": needed,
        "expectancy": {
            "net": some.net,
            "low": None if mean is None else mean[0],
            "high": None if mean is None else mean[1],
            "r": some.r,
        },
        "deflated_sharpe": some.deflated_sharpe(trials),
        "trials": trials,
        "pbo": None if past is None else past.overfitting(asked.decided_ms),
        "pbo_sets": 0 if past is None else len(past.facts.get("sets", ())),
        "scope": scope or None,
        "span": None if span is None else {"from": span[0], "to": span[1]},
        "last": None
        if last is None
        else {
            "symbol": past.symbols[int(last["symbol"])] if past is not None else asked.symbol,
            "decided_at": iso(int(last["decided_ms"])),
            "outcome": OUTCOMES[int(last["outcome"])],
            "r": float(last["r"]),
        },
        "past": None if past is None else past.digest,
        "form": FORM,
    }
    told["missing"] = list(_missing(told))
    if not told["missing"]:
        told["status"] = SUPPORTED
    elif n >= FEWEST and rate is not None and mean is not None and rate[1] < needed and mean[1] < 0.0:
        told["status"] = NOT_SUPPORTED
    return told


def _missing(told: dict[str, Any]) -> Iterator[str]:
    n, rate, mean = told["trades"], told["hit_rate"], told["expectancy"]
    if n < FEWEST:
        had = "None" if not n else "One" if n == 1 else f"Only {n}"
        were = "was" if n == 1 else "were"
        yield f"{had} like it {were} decided and ended before; {FEWEST} are the least."
        return
    if rate["low"] <= told["needed"]:
        where = "below" if rate["high"] < told["needed"] else "not clearly above"
        so = f" with {told['expired']} expiring" if told["expired"] else ""
        yield (
            f"{told['hits']} of {n} reached the target, {rate['low']:.0%} to {rate['high']:.0%}: {where} the "
            f"{told['needed']:.0%} at which it earns nothing{so}."
        ).replace("%", " %")
    if mean["low"] is None or mean["low"] <= 0.0:
        yield (
            f"The mean setup returned {mean['net']:+.2%} after costs, with an interval of {mean['low']:+.2%} "
            f"to {mean['high']:+.2%}: {'it loses' if mean['high'] < 0.0 else 'it may as well be nothing'}."
        ).replace("%", " %")
    deflated = told["deflated_sharpe"]
    if deflated is None or deflated < SURE:
        sure = "cannot be told" if deflated is None else f"is {math.floor(deflated * 100)} %"
        tried = told["trials"]
        ways = "" if not tried or tried == 1 else f", allowing for the {tried:,} ways it was tried in,"
        asked_for = f"{round(100 * SURE)} % is asked for"
        yield f"The confidence that this is more than luck{ways} {sure}; {asked_for}."
