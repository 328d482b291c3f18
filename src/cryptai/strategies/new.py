"""A new strategy file of one's own, with its test beside it: what runs, to be changed."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Final

from cryptai.errors import ConflictError, InputError
from cryptai.folders import make_folder
from cryptai.strategies.strategy import strategies

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST: Final = 60

_STRATEGY: Final = '''"""{title}: long while a fast average is above a slow one. Change it into your own idea.

`cryptai check {name}` says whether it can be believed, `cryptai backtest {name}` what it would have earned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import cryptai as ca
from cryptai.features import sma
from cryptai.features.crosses import crosses_above, crosses_below
from cryptai.strategies.strategy import bars_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@ca.strategy
@dataclass(frozen=True)
class {cls}:
    """Enter long when the fast average crosses above the slow one, leave when it crosses below."""

    # The fields are the parameters: each has a type, a default, a range and a meaning.
    fast: int = ca.param(20, low=2, high=500, meaning="bars of the fast average", unit="bars")
    slow: int = ca.param(50, low=3, high=2000, meaning="bars of the slow average", unit="bars")

    def check(self) -> None:
        """Refuse values that do not go together."""
        if self.fast >= self.slow:
            raise ca.InputError(
                f"fast ({{self.fast}}) must be below slow ({{self.slow}}).",
                field="param.fast",
            )

    def memory(self, timeframe: str) -> int:
        """Return how many bars the newest decision needs; a cross needs one more than the average."""
        del timeframe  # all that is looked at is on the timeframe of the run
        return bars_of("sma", period=self.slow) + 1

    def signals(self, candles: ca.Candles) -> ca.Signals:
        """Return the decisions, one row a bar: row t from bars up to t only; it fills at the next open."""
        fast, slow = self._averages(candles)
        return ca.Signals.entries(
            candles,
            long=crosses_above(fast, slow),
            exit_long=crosses_below(fast, slow),
            long_reason=f"average of {{self.fast}} bars crossed above that of {{self.slow}}",
        )

    def score(self, candles: ca.Candles) -> NDArray[np.float64]:
        """Return the conviction, one row a bar: -1 (short) to 1 (long), NaN where nothing is known."""
        fast, slow = self._averages(candles)
        said: NDArray[np.float64] = np.tanh(20.0 * (fast / slow - 1.0))
        return said

    def _averages(self, candles: ca.Candles) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return sma(candles.close, self.fast), sma(candles.close, self.slow)
'''

_TEST: Final = '''"""Tests of {name}, on the candles of the practice market: `python -m pytest {test}`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cryptai as ca
from cryptai.research.check import check
from cryptai.research.piece import of_strategy
from cryptai.research.worlds import packaged
from cryptai.strategies.strategy import Strategy, build
from cryptai.strategies.user import find_strategy

FOLDER = Path(__file__).resolve().parents[1]


def made(**given: object) -> Strategy:
    """Return the strategy with these parameters, read and checked as the command does it."""
    return build(find_strategy("{name}", FOLDER), given)


def test_nothing_is_found_against_it() -> None:
    """It is causal, the same bar by bar, remembers enough, and wins nothing where nothing can be won."""
    found = check(of_strategy(made()))
    assert found.fair, found.as_object()


def test_it_trades() -> None:
    """A strategy that never trades passes every other test."""
    result = ca.backtest(packaged(), made())
    assert result.metrics.trades > 10


def test_it_enters_at_the_cross_and_nowhere_else() -> None:
    """The averages are computed here once more, plainly."""
    close = packaged(500).close
    fast, slow = (
        np.array([close[t - n + 1 : t + 1].mean() if t >= n - 1 else np.nan for t in range(len(close))])
        for n in (20, 50)
    )
    above = fast > slow
    crossed = above[1:] & (fast[:-1] <= slow[:-1])
    entered = made().signals(packaged(500)).entry[1:] == 1
    assert entered.any()
    assert np.array_equal(entered, crossed)


def test_averages_in_the_wrong_order_are_refused() -> None:
    """What `check` of the class refuses, a form and the command refuse in a sentence."""
    with pytest.raises(ca.InputError, match="must be below slow"):
        made(fast=50, slow=20)
'''


def free_files(name: str, folder: Path) -> tuple[Path, Path]:
    """Return where the strategy `NAME.py` and its test would lie; nothing is written.

    Raises
    ------
    InputError
        For a name that is no Python name of at most 60 characters, or a built-in strategy's.
    ConflictError
        If one of the files is there already.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > _LONGEST:
        raise InputError(
            f"{name[:_LONGEST]!r} cannot name a strategy; use at most {_LONGEST} letters, digits and "
            "underscores, no digit first, such as my_idea.",
            field="name",
        )
    if name in strategies:
        raise InputError(f"{name} is a built-in strategy's name; choose another.", field="name")
    file, test = folder / f"{name}.py", folder / "tests" / f"test_{name}.py"
    for one in (file, test):
        if one.exists() or one.is_symlink():
            raise ConflictError(
                f"{one} is there already; choose another name, or move it away.", field="name"
            )
    return file, test


def write_new(name: str, folder: Path) -> tuple[Path, Path]:
    """Write `NAME.py` into the folder of one's own strategies and its test into `tests/`; return both.

    Raises
    ------
    InputError
        As `free_files`; nothing is written then.
    """
    file, test = free_files(name, folder)
    words = {"name": name, "cls": _class_name(name), "title": name.replace("_", " ").strip().capitalize()}
    make_folder(test.parent)
    # Exclusively: what somebody wrote a moment ago is not written over.
    with test.open("x", encoding="utf-8") as made:
        made.write(_TEST.format(**words, test=test.name))
    with file.open("x", encoding="utf-8") as made:
        made.write(_STRATEGY.format(**words))
    return file, test


def _class_name(name: str) -> str:
    made = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    # Nothing, a digit first, or a name that the file uses otherwise.
    fits = made.isidentifier() and not keyword.iskeyword(made)
    return made if fits and made not in ("NDArray", "TYPE_CHECKING") else f"Own{made}"
