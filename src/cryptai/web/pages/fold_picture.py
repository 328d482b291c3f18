"""The folds of a walk-forward to scale: where each trained and where it was tested, on one axis of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cryptai.market.times import parse_time
from cryptai.web.pages.drawing import Tick

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TALLEST: Final = 480
_ROWS: Final = (4, 16)


@dataclass(frozen=True)
class FoldBar:
    """One fold: from the left in percent, from above in pixels."""

    train: float
    train_width: float
    test: float
    test_width: float
    top: int
    said: str


@dataclass(frozen=True)
class FoldPicture:
    """All folds, one under the other; `row` is the height of one in pixels."""

    bars: list[FoldBar]
    years: list[Tick]
    row: int

    @property
    def height(self) -> int:
        """Return the height of them all."""
        return self.row * len(self.bars)

    @property
    def thick(self) -> int:
        """Return the height of a bar."""
        return max(2, self.row - 4)


def fold_picture(folds: Sequence[Mapping[str, Any]]) -> FoldPicture | None:
    """Return the picture of a result's folds; None without one."""
    if not folds:
        return None
    spans = [[parse_time(text, field="fold") for text in (*one["train"], *one["test"])] for one in folds]
    first, last = min(span[0] for span in spans), max(span[3] for span in spans)
    row = max(_ROWS[0], min(_ROWS[1], _TALLEST // len(folds)))

    def at(ms: float) -> float:
        return round(100.0 * (ms - first) / (last - first), 3)

    bars = [
        FoldBar(
            at(span[0]), round(at(span[1]) - at(span[0]), 3),
            at(span[2]), round(at(span[3]) - at(span[2]), 3), i * row,
            f"Trained {one['train'][0][:10]} to {one['train'][1][:10]}, tested to {one['test'][1][:10]}",
        )
        for i, (one, span) in enumerate(zip(folds, spans, strict=True))
    ]  # fmt: skip
    begin, end = (datetime.fromtimestamp(ms / 1000, UTC).year for ms in (first, last))
    starts = [
        (year, datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in range(begin + 1, end + 1)
    ]
    return FoldPicture(bars, [Tick(at(ms), year) for year, ms in starts], row)
