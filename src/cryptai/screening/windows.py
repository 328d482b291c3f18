"""One market's newest bars on all its timeframes, cut to what strategies need of them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptai.errors import InputError
from cryptai.features.remembered import remembering
from cryptai.market.timeframe import TIMEFRAMES
from cryptai.screening.quality import BARS
from cryptai.screening.standing import found, needed
from cryptai.strategies.strategy import strategies as registered

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.timeframe import Timeframe
    from cryptai.screening.standing import Found
    from cryptai.strategies.strategy import Strategy

# Windows are so many bars or a multiple: then what strategies need of them is the same, and computed once.
_STEP: Final = 512


class Asked(NamedTuple):
    """Whose setups are looked for, and what the parts of their quality weigh."""

    strategies: tuple[Strategy, ...]
    needs: Mapping[str, tuple[int, ...]]
    weights: Mapping[str, float]

    @classmethod
    def of(cls, strategies: Sequence[Strategy], weights: Mapping[str, float]) -> Asked:
        """Look up once what each strategy needs of each timeframe."""
        needs = {frame: tuple(needed(one, frame) for one in strategies) for frame in TIMEFRAMES}
        return cls(tuple(strategies), needs, weights)

    def bars(self, frame: Timeframe, newest: int) -> int:
        """Return how many bars of a timeframe to read for the setups of the last few."""
        return max(self.needs[frame], default=BARS) + newest + 2 + _STEP


class Windows:
    """The candles of one market: each timeframe is read when it is first asked for.

    Parameters
    ----------
    frames
        The market's timeframes, the finest first.
    read
        Gives the newest bars of one; None where there are none.
    """

    def __init__(self, frames: Sequence[Timeframe], read: Callable[[Timeframe], Candles | None]) -> None:
        self.frames = frames
        self._read = read
        self._whole: dict[Timeframe, Candles | None] = {}
        self._cuts: dict[tuple[Timeframe, int], Candles] = {}
        # Features of all timeframes: coarser ones are asked for the confluence of the finer, too.
        self._memo: dict[Any, Any] = {}

    def whole(self, frame: Timeframe) -> Candles | None:
        """Return what was read of a timeframe."""
        if frame not in self._whole:
            self._whole[frame] = self._read(frame)
        return self._whole[frame]

    def found(
        self,
        frame: Timeframe,
        asked: Asked,
        newest: int,
        stopped: Counter[str],
        failed: dict[str, str],
        *,
        ended: bool = False,
    ) -> Iterator[tuple[Strategy, Candles, Found]]:
        """Yield the setups of the last `newest` bars of a timeframe that no filter stops."""
        for strategy, bars in zip(asked.strategies, asked.needs[frame], strict=True):
            candles = self._newest(frame, bars + newest + 2)
            try:
                # What a person's own does to the arrays it is given is not known.
                with remembering(self._memo) if _ours(strategy) else nullcontext():
                    some = found(
                        strategy, candles, lambda: self._above(frame), newest, asked.weights, stopped,
                        ended=ended,
                    )  # fmt: skip
            except InputError as error:
                # A person's broken file is told, and does not take the others' signals away.
                failed.setdefault(strategy.name, str(error))
                continue
            for one in some:
                yield strategy, candles, one

    def _newest(self, frame: Timeframe, bars: int) -> Candles:
        whole = self.whole(frame)
        if whole is None:
            raise ValueError(f"There are no bars of {frame} to look at.")
        count = min(-(-bars // _STEP) * _STEP, len(whole))
        if count == len(whole):
            return whole
        if (frame, count) not in self._cuts:
            self._cuts[frame, count] = whole[len(whole) - count :]
        return self._cuts[frame, count]

    def _above(self, frame: Timeframe) -> list[Candles]:
        coarser = self.frames[self.frames.index(frame) + 1 :]
        return [candles for one in coarser if (candles := self.whole(one)) is not None]


def _ours(strategy: Strategy) -> bool:
    return strategy.name in registered and type(strategy) is registered.get(strategy.name)
