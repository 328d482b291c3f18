"""`Events` and `@structure`: what is drawn at one bar and known at a later one, as records."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, NamedTuple, ParamSpec, cast

import numpy as np

from cryptai.features.feature import Feature, declared, features, group_of
from cryptai.features.remembered import recalled

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cryptai.market.candles import Candles

P = ParamSpec("P")
FIGURES: Final = ("top", "bottom", "level", "strength", "volume", "share")
_ROWS: Final = ("at_bar", "known_bar", "kind", "direction", *FIGURES)


class Kind(NamedTuple):
    """One kind of event of a structure.

    `of` names the kind whose life it tells (itself by default): the `order_block_broken` of an
    `order_block`. `role` is `born` (something that lives on from here), `life` (something befell it), `end`
    (it is over), or `point` (a thing of one moment). `draw` is how a chart shows it: `box`, `line`, `label`,
    `none`.
    """

    name: str
    role: str = "point"
    draw: str = "label"
    of: str = ""


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one structure over some candles, in the order they became known; read-only columns.

    Attributes
    ----------
    ts, step
        Open times of the candles (ms UTC) and the length of a bar in ms.
    kinds
        The structure's kinds; `kind` holds their numbers.
    at_bar, known_bar
        int64 rows of the candles: where it is drawn, and the bar whose close made it known. The events of the
        first n bars are exactly those of any longer history with `known_bar < n`.
    kind, direction
        int8: number of its kind; 1 bullish, -1 bearish, 0 neither.
    top, bottom, level
        Prices: the edges of the zone (equal for a line), and the price that mattered. NaN for none.
    strength, volume, share
        Figures the structure's docstring explains: `strength` usually a size in average true ranges, `volume`
        a ratio to the average volume, `share` a fraction. NaN for none.
    """

    ts: NDArray[np.int64]
    step: int
    kinds: tuple[Kind, ...]
    at_bar: NDArray[np.int64]
    known_bar: NDArray[np.int64]
    kind: NDArray[np.int8]
    direction: NDArray[np.int8]
    top: NDArray[np.float64]
    bottom: NDArray[np.float64]
    level: NDArray[np.float64]
    strength: NDArray[np.float64]
    volume: NDArray[np.float64]
    share: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in _ROWS:
            getattr(self, name).flags.writeable = False

    def __len__(self) -> int:
        return len(self.at_bar)

    def __getitem__(self, rows: Any) -> Events:
        """Return some of the events: a slice, or a mask of as many rows."""
        cut = {name: getattr(self, name)[rows] for name in _ROWS}
        return Events(self.ts, self.step, self.kinds, **cut)

    @property
    def at(self) -> NDArray[np.int64]:
        """Open time (ms UTC) of the bar it is drawn at."""
        return self.ts[self.at_bar]

    @property
    def known_at(self) -> NDArray[np.int64]:
        """The instant one could act on it (ms UTC): the close of `known_bar`."""
        return self.ts[self.known_bar] + self.step

    @property
    def id(self) -> NDArray[np.int64]:
        """What an event belongs to: equal for the birth and every later event of one zone, in any window."""
        names = [one.name for one in self.kinds]
        family = np.array([names.index(one.of or one.name) for one in self.kinds], np.int64)
        return (self.at // 1000 * 64 + family[self.kind]) * 4 + self.direction + 1

    def named(self, *names: str) -> Events:
        """Return the events of these kinds only."""
        wanted = np.array([one.name in names for one in self.kinds], bool)
        return self if wanted.all() else self[wanted[self.kind]]

    def table(self) -> dict[str, Any]:
        """Return the columns a person reads, by name; times in ms UTC, `kind` as text."""
        names = np.array([one.name for one in self.kinds], dtype=object)
        return {
            "at": self.at, "known_at": self.known_at, "at_bar": self.at_bar, "known_bar": self.known_bar,
            "kind": names[self.kind] if len(self) else np.array([], dtype=object),
            "direction": self.direction.astype(np.int64),
            **{name: getattr(self, name) for name in FIGURES}, "id": self.id,
        }  # fmt: skip


@dataclass(frozen=True)
class Structure(Feature):
    """One structure: a function of candles that gives events.

    `kinds` are all events it can give; `directed` those one would trade in their direction at `known_at`
    (what the null market tries).
    """

    kinds: tuple[Kind, ...]
    directed: tuple[str, ...]

    def of(self, candles: Candles, **parameters: Any) -> Events:
        """Compute it over candles."""
        found: Events = self.function(candles, **parameters)
        return found


def structure(
    *kinds: Kind,
    directed: tuple[str, ...] = (),
    warmup: int | Callable[..., int | None],
    exact: int | Callable[..., int | None],
    name: str = "",
    **ranges: Any,
) -> Callable[[Callable[Concatenate[Candles, P], Events]], Callable[Concatenate[Candles, P], Events]]:
    """Declare a function of candles to be a structure; the keywords are those of `Structure` and `Feature`.

    Its events must be causal (those known at bar t from bars up to t, never changed later), in the order of
    `known_bar`, and its memory finite: with `exact` bars of history, the events known at the newest bar are
    those of the whole history, to the bit. So pivots, zones and trend lapse after a `max_age`, and
    averages inside are windowed.
    """

    def declare(
        function: Callable[Concatenate[Candles, P], Events],
    ) -> Callable[Concatenate[Candles, P], Events]:
        named = name or function.__name__
        first = next(iter(inspect.signature(function).parameters))
        parameters = declared(function, ranges, (first,))
        by_name = {one.name: one for one in parameters}

        @wraps(function)
        def checked(candles: Candles, *args: P.args, **kwargs: P.kwargs) -> Events:
            if len(args) > len(parameters):
                raise TypeError(f"{named} takes {len(parameters)} parameters, was given {len(args)}.")
            given = {
                **dict(zip((one.name for one in parameters), args, strict=False)),
                **kwargs,
            }
            values: Any = {
                key: by_name[key].read(value, field=key) if key in by_name else value
                for key, value in given.items()
            }
            return recalled(named, [candles], values, lambda: function(candles, **values))  # type: ignore[call-arg]

        features.add(
            named, Structure(named, group_of(function), checked, parameters, warmup, exact, kinds, directed)
        )
        return cast("Callable[Concatenate[Candles, P], Events]", checked)

    return declare
