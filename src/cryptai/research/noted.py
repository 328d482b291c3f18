"""A run that was made: noted in the ledger of trials, then judged."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptai.errors import WorkspaceError
from cryptai.research.evidence import judge, trial_of
from cryptai.research.null_market import null_market
from cryptai.research.piece import of_strategy
from cryptai.research.trials import OWNER, note
from cryptai.research.worlds import worlds
from cryptai.strategies.strategy import build, strategies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.parameters import Value
    from cryptai.research.trials import Trial, Tried
    from cryptai.strategies.strategy import Strategy
    from cryptai.workspace import Workspace

_log = logging.getLogger(__name__)


def note_run(
    found: Mapping[str, Any],
    ts: NDArray[np.int64],
    equity: NDArray[np.float64],
    workspace: Workspace,
    *,
    user: str = OWNER,
) -> Tried | None:
    """Note a run as a trial of its strategy; None, with a warning in the log, where that cannot be done.

    A result is not lost for its ledger: its evidence then says that the trials are not known.
    """
    return note_all(workspace, found["strategy"], [trial_of(found, ts, equity)], user=user)


def note_all(
    workspace: Workspace, family: str, trials: Iterable[Trial], *, user: str = OWNER
) -> Tried | None:
    """Note trials of a strategy, and return what is known of it; None as above."""
    try:
        return note(workspace, family, trials, user=user)
    except WorkspaceError as error:
        _log.warning("%s", error)
        return None


def evidence_of(
    found: Mapping[str, Any],
    ts: NDArray[np.int64],
    equity: NDArray[np.float64],
    workspace: Workspace,
    *,
    user: str = OWNER,
    among: Iterable[Trial] = (),
    markets: Mapping[str, Candles] | None = None,
) -> dict[str, Any]:
    """Note a run, and return its evidence; arguments as `cryptai.research.evidence.judge` has them.

    `among` are the trials of the search that chose it, where one did.

    A built-in strategy is traded in the null market, too, which takes some hundredths of a second. A
    person's own is not, for it may be slow and must not run in a server: `cryptai check` does that.
    """
    tried = note_all(workspace, found["strategy"], [trial_of(found, ts, equity), *among], user=user)
    name, null = found["strategy"], None
    if name in strategies:
        null = _null_market(strategies.get(name), tuple(found["params"].items()))
    return judge(found, ts, equity, tried, null_market=null, markets=markets)


@lru_cache(maxsize=256)
def _null_market(cls: type[Strategy], params: tuple[tuple[str, Value], ...]) -> Mapping[str, Any] | None:
    # Of the same worlds, whatever market the run was on.
    verdict = null_market(of_strategy(build(cls, dict(params))), tried=_worlds())
    return None if verdict is None else verdict.as_object()


@lru_cache(maxsize=1)
def _worlds() -> tuple[Candles, ...]:
    # The same for all: 4 MB, made once in the life of a process.
    return tuple(worlds())
