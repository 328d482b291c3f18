"""How a space is searched: all of it, at random, or by Optuna's tree of Parzen estimators.

A search asks for sets and is told what they came to. What it asks for depends on the space, the seed
and what it was told, and on nothing else: not on how many workers there are, nor on how long a set took.
"""

from __future__ import annotations

import importlib.util
import math
from typing import TYPE_CHECKING, Any, Final, Protocol

from cryptai.errors import InputError
from cryptai.research.space import made
from cryptai.seams import rng

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptai.parameters import Value
    from cryptai.research.space import Space
    from cryptai.strategies.strategy import Strategy

METHODS: Final = ("grid", "random", "tpe")
MOST_SETS: Final = 100_000
"""Sets of one search."""
TRIALS: Final = 200
"""Sets of a random or guided search, unless told."""
_PORTION: Final = 2_048
# Optuna learns between portions, so they are small.
_GUIDED_PORTION: Final = 8
# A draw that hits only what was seen, or what the strategy refuses, must end some time.
_DRAWS: Final = 200
# So many names in a row that bring nothing new, and the guided search has nothing more to say.
_IDLE: Final = 200

Params = dict[str, "Value"]


class Search(Protocol):
    """Sets in portions; `skipped` counts those which the strategy's own `check` refused."""

    skipped: int
    total: int

    def ask(self) -> list[Params]:
        """Return the next sets to run; empty when there are no more."""
        ...

    def tell(self, values: Sequence[float | None]) -> None:
        """Take what the sets last asked for came to, higher is better; None is undefined."""
        ...


def search(
    cls: type[Strategy], space: Space, *, method: str = "grid", trials: int | None = None, seed: int = 0
) -> Search:
    """Return the search of a space.

    Raises
    ------
    InputError
        For an unknown method, a grid over 100,000 sets, `trials` outside 1 to 100,000 or given for a
        grid, or `tpe` where Optuna is not installed.
    """
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, was {method[:40]!r}.", field="method")
    if trials is not None and not 1 <= trials <= MOST_SETS:
        raise InputError(f"trials must be from 1 to {MOST_SETS:,}, was {trials:,}.", field="trials")
    count = space.combinations
    if method == "grid":
        if trials is not None:
            raise InputError(
                "A grid runs every combination; give --method random or tpe with --trials.", field="trials"
            )
        if count > MOST_SETS:
            raise InputError(
                f"{count:,} combinations are more than the {MOST_SETS:,} of a grid; widen the steps, or draw "
                f"some of them: --method random --trials {TRIALS}.",
                field="param",
            )
        return _Listed(_all(cls, space), count)
    wanted = min(TRIALS if trials is None else trials, count)
    if method == "random":
        return _Listed(_drawn(cls, space, wanted, seed), wanted)
    return _Guided(cls, space, wanted, seed)


def _all(cls: type[Strategy], space: Space) -> Iterator[Params | None]:
    for number in range(space.combinations):
        params = space.at(space.places(number))
        yield params if made(cls, params) is not None else None


def _drawn(cls: type[Strategy], space: Space, wanted: int, seed: int) -> Iterator[Params | None]:
    """Draw sets without putting any back; of a space that is hardly larger than asked, shuffle all."""
    random, count = rng([seed, 51]), space.combinations
    if count <= 4 * wanted:
        numbers: Iterator[tuple[int, ...]] = (space.places(int(n)) for n in random.permutation(count))
    else:
        sizes = [len(some) for some in space.values.values()]
        numbers = (tuple(map(int, random.integers(0, sizes))) for _ in range(_DRAWS * wanted))
    seen: set[tuple[int, ...]] = set()
    taken = 0
    for places in numbers:
        if taken == wanted:
            return
        if places in seen:
            continue
        seen.add(places)
        params = space.at(places)
        fits = made(cls, params) is not None
        taken += fits
        yield params if fits else None


class _Listed:
    """Sets in an order that nothing told changes."""

    def __init__(self, sets: Iterator[Params | None], total: int) -> None:
        self._sets = sets
        self.total = total
        self.skipped = 0

    def ask(self) -> list[Params]:
        found: list[Params] = []
        for params in self._sets:
            if params is None:
                self.skipped += 1
                continue
            found.append(params)
            if len(found) == _PORTION:
                break
        return found

    def tell(self, values: Sequence[float | None]) -> None:
        pass


class _Guided:
    """Optuna's TPE (Bergstra et al. 2011), in portions of eight; a set that it names again is told again."""

    def __init__(self, cls: type[Strategy], space: Space, wanted: int, seed: int) -> None:
        if importlib.util.find_spec("optuna") is None:
            raise InputError(
                "The method tpe needs Optuna, which is not installed; install cryptai[research], or choose "
                "--method random.",
                field="method",
            )
        import optuna  # noqa: PLC0415 (only this method needs it)

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        )
        self._failed = optuna.trial.TrialState.FAIL
        self._cls, self._space = cls, space
        self.total, self._left = wanted, wanted
        self.skipped = 0
        self._waiting: list[Any] = []
        self._seen: dict[tuple[int, ...], float | None] = {}
        self._refused: set[tuple[int, ...]] = set()

    def ask(self) -> list[Params]:
        found: list[tuple[int, ...]] = []
        idle = 0
        while len(found) < min(_GUIDED_PORTION, self._left) and idle < _IDLE:
            idle += 1
            trial = self._study.ask()
            # By its place: an even step for ranges and lists alike, in the order in which they were given.
            places = tuple(
                trial.suggest_int(name, 0, len(some) - 1) for name, some in self._space.values.items()
            )
            if places in self._seen:
                self._told(trial, self._seen[places])
            elif places in found:
                self._study.tell(trial, state=self._failed)
            elif places in self._refused or made(self._cls, self._space.at(places)) is None:
                self.skipped += places not in self._refused
                self._refused.add(places)
                self._told(trial, None)
            else:
                idle = 0
                found.append(places)
                self._waiting.append((trial, places))
        self._left -= len(found)
        return [self._space.at(places) for places in found]

    def tell(self, values: Sequence[float | None]) -> None:
        for (trial, places), value in zip(self._waiting, values, strict=True):
            self._seen[places] = value
            self._told(trial, value)
        self._waiting = []

    def _told(self, trial: Any, value: float | None) -> None:
        if value is None or not math.isfinite(value):
            # Told as failed, it would be forgotten and asked for again.
            known = [one for one in self._seen.values() if one is not None]
            self._study.tell(trial, min(known, default=0.0) - 1.0)
        else:
            self._study.tell(trial, value)
