"""Past setups: all that a configuration ever decided on stored bars, and what came of them, kept.

The parameters were given before these bars were looked at, or tuned on bars before `tuned_until_ms`: only
setups decided after that are kept, so each is out of sample. A card (`cryptai.screening.card`) is
computed from such a table and names its digest; whoever has the table gets the same card. Beside it lie the
setups of the sets of parameters around the one that is used (`cryptai.screening.neighbourhood`), from which
the card's probability of overfitting is computed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.errors import DataError
from cryptai.market.durable import make_folder, sync_folder, write_whole
from cryptai.market.timeframe import DAY_MS
from cryptai.screening.neighbourhood import TRY, neighbours, overfitting, tries
from cryptai.screening.outcomes import MISSED, OPEN, outcomes
from cryptai.screening.quality import quality, stopped
from cryptai.screening.setups import setups
from cryptai.screening.slices import Slices
from cryptai.strategies.strategy import values_of
from cryptai.trading.costs import Costs
from cryptai.trading.result import ENGINE_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.strategies.strategy import Strategy

ROW: Final = np.dtype(
    [
        ("symbol", "i4"), ("side", "i1"), ("outcome", "i1"), ("regime", "i1"), ("stopped", "i1"),
        ("decided_ms", "i8"),
        ("resolved_ms", "i8"), ("reward_risk", "f8"), ("quality", "f8"), ("net", "f8"), ("r", "f8"),
        ("mae", "f8"), ("mfe", "f8"), ("entry", "f8"), ("stop", "f8"), ("target", "f8"),
    ]
)  # fmt: skip
"""One setup that was entered and has ended. `symbol` is its number in `PastSetups.symbols`; times are closes
of bars, ms UTC; `stopped` is the filter that would have taken it for a false signal, as in
`cryptai.screening.quality.stopped`; `net`, `r`, `mae`, `mfe` as in `cryptai.screening.outcomes`."""


@dataclass(frozen=True, eq=False)
class PastSetups:
    """The table, and what it was made of.

    Attributes
    ----------
    facts
        Strategy, parameters, exchange, timeframe, costs, engine, `data` (symbol: digest of its candles),
        `tuned_until_ms`, `sets` (the parameters of the neighbourhood; none where it was not looked at).
    symbols
        In the order of the rows' numbers.
    rows
        `ROW`s in the order they were decided.
    tries
        The setups of the neighbourhood's sets, `cryptai.screening.neighbourhood.TRY`.
    """

    facts: dict[str, Any]
    symbols: tuple[str, ...]
    rows: NDArray[np.void]
    tries: NDArray[np.void] = field(default_factory=lambda: np.empty(0, TRY))

    @cached_property
    def digest(self) -> str:
        """Return the digest of facts and rows, 64 hex digits."""
        h = hashlib.sha256(_text(self.facts, self.symbols).encode())
        h.update(self.rows.tobytes())
        h.update(self.tries.tobytes())
        return h.hexdigest()

    @cached_property
    def slices(self) -> Slices:
        """What cards count of the rows."""
        return Slices(self.rows)

    def number(self, symbol: str) -> int:
        """Return a symbol's number, -1 of one that is not among them."""
        return self._numbers.get(symbol, -1)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    def overfitting(self, until_ms: int) -> float | None:
        """Return the probability that these parameters are the luckiest of their like, as of a day's begin.

        None where the neighbourhood was not looked at, or says too little by then.
        """
        day = until_ms // DAY_MS * DAY_MS
        if day not in self._overfitting:
            self._overfitting[day] = overfitting(self.tries, day) if len(self.tries) else None
        return self._overfitting[day]

    @cached_property
    def _overfitting(self) -> dict[int, float | None]:
        return {}

    def save(self, folder: Path) -> Path:
        """Keep it in a folder under its digest; it is on the disk when this returns."""
        path = folder / f"{self.digest}.past"
        if not path.exists():
            make_folder(folder)
            head = _text(self.facts, self.symbols, setups=len(self.rows)).encode()
            body = self.rows.tobytes() + self.tries.tobytes()
            write_whole(path, lambda draft: draft.write_bytes(head + b"\n" + body))
            sync_folder(folder)
        return path

    @classmethod
    def load(cls, folder: Path, digest: str) -> PastSetups:
        """Return the table of a digest.

        Raises
        ------
        DataError
            If it is not there, or is not what its name says.
        """
        path = folder / f"{digest}.past"
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            told = json.loads(head)
            end = int(told["setups"]) * ROW.itemsize
            rows, tried = np.frombuffer(body[:end], ROW), np.frombuffer(body[end:], TRY)
            found = cls(told["facts"], tuple(told["symbols"]), rows, tried)
        except FileNotFoundError:
            raise DataError(
                f"The past setups {digest[:16]} are not in this workspace.", field="past"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged: {error}.", field="past") from error
        if found.digest != digest:
            raise DataError(f"{path} is not what its name says; it was changed.", field="past")
        return found


def past_setups(
    strategy: Strategy,
    markets: Mapping[str, Sequence[Candles]],
    *,
    exchange: str,
    costs: Costs | None = None,
    tuned_until_ms: int | None = None,
    neighbourhood: bool = False,
) -> PastSetups:
    """Return what came of every setup of a strategy.

    Parameters
    ----------
    markets
        By symbol: its candles on the timeframe in question, then those of coarser ones (for confluence).
    tuned_until_ms
        The close of the last bar its parameters were chosen on; None where they were not chosen on any.
    neighbourhood
        Whether to follow the sets of parameters around it, too.
    """
    costs = costs or Costs()
    tables, digests = [], {}
    for number, (symbol, (candles, *coarser)) in enumerate(markets.items()):
        digests[symbol] = [one.digest for one in (candles, *coarser)]
        tables.append(_table(number, strategy, candles, coarser, costs, tuned_until_ms))
    rows = np.concatenate(tables) if tables else np.empty(0, ROW)
    rows = rows[np.lexsort((rows["symbol"], rows["decided_ms"]))]
    sets = neighbours(strategy) if neighbourhood else []
    timeframes = {str(candles.timeframe) for candles, *_ in markets.values()}
    facts = {
        "strategy": strategy.name, "params": values_of(strategy), "exchange": exchange,
        "timeframe": " ".join(sorted(timeframes)), "costs": {"fee": costs.fee, "slippage": costs.slippage},
        "engine": ENGINE_VERSION, "data": digests, "tuned_until_ms": tuned_until_ms,
        "sets": [values_of(one) for one in sets],
    }  # fmt: skip
    return PastSetups(facts, tuple(markets), rows, tries(sets, markets, costs))


def _table(
    number: int,
    strategy: Strategy,
    candles: Candles,
    coarser: Sequence[Candles],
    costs: Costs,
    tuned_until_ms: int | None,
) -> NDArray[np.void]:
    found = setups(strategy, candles)
    came = outcomes(found, candles, costs)
    good = quality(found, strategy, candles, coarser)
    ended = (came.outcome != OPEN) & (came.outcome != MISSED)
    decided = candles.close_ts[found.row]
    if tuned_until_ms is not None:
        ended &= decided > tuned_until_ms
    rows = np.zeros(int(ended.sum()), ROW)
    columns: dict[str, NDArray[Any]] = {
        "side": found.side, "outcome": came.outcome, "regime": good.regime, "stopped": stopped(good),
        "decided_ms": decided,
        "resolved_ms": candles.close_ts[came.row], "reward_risk": found.reward_risk(),
        "quality": good.quality, "net": came.net, "r": came.r, "mae": came.mae, "mfe": came.mfe,
        "entry": found.entry, "stop": found.stop, "target": found.target,
    }  # fmt: skip
    for name, column in columns.items():
        rows[name] = column[ended]
    rows["symbol"] = number
    return rows


def _text(facts: Mapping[str, Any], symbols: Sequence[str], **more: int) -> str:
    told = {"facts": facts, "symbols": list(symbols), **more}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
