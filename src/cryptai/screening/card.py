"""The evidence card: how often such a setup was right where it was never trained, or that nobody can know.

The card of a setup is computed from past ones (`cryptai.screening.past`), and sees only what had ended when
the setup was decided. Of each market it takes setups that do not overlap: one begins when the one before
has ended, as one could have traded them. It asks the narrowest slice that has 30 of them: this market in
this regime, this market, all markets in this regime, all markets.

Accuracy is the share of setups whose target was reached before the stop, within the horizon; beside it stands
the share at which a bet with this reward and this risk earns nothing after costs. The verdict:

`supported`
    30 setups or more, the hit rate's 95 % interval (Wilson) lies above break-even, the mean return's 95 %
    interval (bootstrap, of many the normal one) above nothing, and the deflated Sharpe ratio of the returns
    is 95 % or more.
`not_supported`
    30 or more, the hit rate's interval lies below break-even, and the mean return's below nothing: a setup
    that mostly expires reaches its target seldom, and need not lose by it.
`insufficient_evidence`
    Anything else. `missing` says what there would have to be.
"""

from __future__ import annotations

import hashlib
import math
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptai.analytics import significance as sig
from cryptai.market.times import iso
from cryptai.screening.outcomes import OUTCOMES, TARGET
from cryptai.screening.quality import regime_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cryptai.screening.past import PastSetups

SUPPORTED: Final = "supported"
NOT_SUPPORTED: Final = "not_supported"
INSUFFICIENT: Final = "insufficient_evidence"
FEWEST: Final = 30
"""Setups below which no rate is worth its interval."""
MOST_DRAWN: Final = 250
"""Setups up to which the mean's interval is drawn (bootstrap); of more it is the normal one, which differs by
less than the draws themselves do, and takes no time."""
SURE: Final = 0.95
_MOST_KNOWN: Final = 4_096
_known: Final[dict[bytes, Any]] = {}
_knowing: Final = Lock()


FORM: Final = 1
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
        empty = np.empty(0)
        return _card(empty, empty.astype(bool), [], {}, None, asked, _break_even(asked, 0.001, 0.0005), None)
    costs = past.facts["costs"]
    needed = _break_even(asked, costs["fee"], costs["slippage"])
    scope, rows = _slice(past, asked)
    hit = rows["outcome"] == TARGET
    return _card(rows["net"], hit, rows, scope, trials, asked, needed, past)


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
    >>> odds({"status": "insufficient_evidence"})
    'Nothing is known of those like it'
    """
    if not card.get("trades"):
        return card["missing"][0].rstrip(".") if card.get("missing") else "Nothing is known of those like it"
    low, high = (round(100 * card["hit_rate"][side]) for side in ("low", "high"))
    return (
        f"{card['hits']} of {card['trades']} like it reached the target, {low} to {high} %; "
        f"break-even is {round(100 * card['break_even'])} %"
    )


def _slice(past: PastSetups, asked: Asked) -> tuple[dict[str, Any], NDArray[np.void]]:
    here = past.symbols.index(asked.symbol) if asked.symbol in past.symbols else -1
    known = (past.column("resolved_ms") <= asked.decided_ms) & (past.column("side") == asked.side)
    own, regime = past.column("symbol") == here, past.column("regime") == asked.regime
    tried = [(True, False), (False, False)]
    if asked.regime:
        tried = [(True, True), (True, False), (False, True), (False, False)]
    scope: dict[str, Any] = {}
    rows = past.rows[:0]
    for narrow, by_regime in tried:
        some = known & own if narrow else known
        rows = apart(past.rows[np.flatnonzero(some & regime if by_regime else some)])
        count = 1 if narrow else len(np.unique(rows["symbol"]))
        scope = {
            "symbols": count, "symbol": asked.symbol if narrow else None,
            "regime": regime_name(asked.regime) if by_regime else None,
        }  # fmt: skip
        if len(rows) >= FEWEST:
            break
    return scope, rows


def apart(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return of each market the setups that do not overlap: the first, then the next after it has ended."""
    columns = [rows[name].astype(np.int64) for name in ("symbol", "decided_ms", "resolved_ms")]
    kept: NDArray[np.bool_] = _once("apart", columns, lambda: _apart(*columns))
    return rows[kept]


def _apart(
    symbol: NDArray[np.int64], decided_ms: NDArray[np.int64], resolved_ms: NDArray[np.int64]
) -> NDArray[np.bool_]:
    free: dict[int, int] = {}
    kept = np.zeros(len(symbol), bool)
    for i, (market, decided, resolved) in enumerate(
        zip(symbol.tolist(), decided_ms.tolist(), resolved_ms.tolist(), strict=True)
    ):
        if decided >= free.get(market, decided):
            kept[i], free[market] = True, resolved
    return kept


def _once(name: str, of: Sequence[NDArray[Any]], make: Callable[[], Any]) -> Any:
    # The cards of one close mostly look at the same slices: what takes long of one is computed once.
    told = hashlib.blake2b(name.encode(), digest_size=16)
    for column in of:
        told.update(np.ascontiguousarray(column).data)
    key = told.digest()
    found = _known.get(key)
    if found is None:
        found = make()
        with _knowing:
            while len(_known) >= _MOST_KNOWN:
                del _known[next(iter(_known))]
            _known[key] = found
    return found


def _break_even(asked: Asked, fee: float, slippage: float) -> float:
    """Return the hit rate at which stop and target earn nothing after costs; 1 where none pays."""
    fill = asked.entry * (1.0 + asked.side * slippage)
    won = asked.side * (asked.target / fill - 1.0) - fee * (1.0 + asked.target / fill)
    left = asked.stop * (1.0 - asked.side * slippage)
    lost = asked.side * (left / fill - 1.0) - fee * (1.0 + left / fill)
    return -lost / (won - lost) if won > 0.0 else 1.0


def _card(
    net: NDArray[np.float64], hit: NDArray[np.bool_], rows: Any, scope: dict[str, Any],
    trials: int | None, asked: Asked, needed: float, past: PastSetups | None,
) -> dict[str, Any]:  # fmt: skip
    n, hits = len(net), int(hit.sum())
    rate = sig.wilson(hits, n)
    mean = _interval(net)
    last = rows[-1] if n else None
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
        "break_even": needed,
        "expectancy": {
            "net": float(net.mean()) if n else None,
            "low": None if mean is None else mean[0],
            "high": None if mean is None else mean[1],
            "r": float(rows["r"].mean()) if n else None,
        },
        "deflated_sharpe": _deflated(net, trials),
        "trials": trials,
        "pbo": None if past is None else past.overfitting(asked.decided_ms),
        "pbo_sets": 0 if past is None else len(past.facts.get("sets", ())),
        "scope": scope or None,
        "span": {"from": iso(int(rows["decided_ms"][0])), "to": iso(int(rows["resolved_ms"].max()))}
        if n
        else None,
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


def _interval(net: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean."""
    n = len(net)
    if n <= MOST_DRAWN:
        return _once("mean", [net], lambda: sig.bootstrap_mean(net)) if n > 1 else None
    middle, half = float(net.mean()), 1.959964 * float(net.std(ddof=1)) / math.sqrt(n)
    return middle - half, middle + half


def _deflated(net: NDArray[np.float64], trials: int | None) -> float | None:
    moments = sig.moments(net)
    if moments is None:
        return None
    ratio, skewness, kurtosis = moments
    n = len(net)
    return sig.deflated_sharpe(ratio, n, max(1, trials or 1), sig.chance_deviation(n), skewness, kurtosis)


def _missing(told: dict[str, Any]) -> Iterator[str]:
    n, rate, mean = told["trades"], told["hit_rate"], told["expectancy"]
    if n < FEWEST:
        had = "None" if not n else "One" if n == 1 else f"Only {n}"
        were = "was" if n == 1 else "were"
        yield f"{had} like it {were} decided and ended before; {FEWEST} are the least."
        return
    if rate["low"] <= told["break_even"]:
        where = "below" if rate["high"] < told["break_even"] else "not clearly above"
        yield (
            f"{told['hits']} of {n} reached the target, {rate['low']:.0%} to {rate['high']:.0%}: {where} the "
            f"{told['break_even']:.0%} at which it earns nothing."
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
        yield f"The confidence that this is more than luck{ways} {sure}; 95 % is asked for."
