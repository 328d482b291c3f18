"""What a name or a person's file stands for: pieces to be judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptai.errors import CryptaiError, InputError, UnknownName
from cryptai.features.feature import features
from cryptai.research.piece import of_feature, of_strategy
from cryptai.strategies.strategy import build, strategies
from cryptai.strategies.user import classes_of, find_strategy, run_file, strategy_names, what_failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptai.market.candles import Candles
    from cryptai.research.piece import Piece, Reading


def found(name: str, given: Mapping[str, Any], strategies_folder: Path | None = None) -> list[Piece]:
    """Return the pieces of a name (feature or strategy, the user's own too), or of a Python file.

    A file is run, as `cryptai backtest` runs a user's strategy. It holds one strategy class, or functions
    with `@indicator` or `@structure`, as many as there are. `given` are parameters, as a person gives them.

    Raises
    ------
    InputError
        For a name that nothing has (with the near ones), a file that cannot be run or holds neither, or
        parameters that do not fit.
    """
    if name.endswith(".py"):
        return _of_file(Path(name), given)
    pieces = [of_feature(features.get(name), given)] if name in features else []
    known = strategy_names(strategies_folder)
    if name in known:
        pieces.append(of_strategy(build(find_strategy(name, strategies_folder), given)))
    if not pieces:
        raise UnknownName("feature or strategy", name, [*features.names(), *known], field="name")
    return pieces


def _of_file(file: Path, given: Mapping[str, Any]) -> list[Piece]:
    if not file.is_file():
        raise InputError(f"There is no file {file}.", field="name")
    before = set(features.names())
    module = run_file(file.stem, file)
    own = [one for one in features if one.name not in before]
    if own:
        return [_of_a_person(of_feature(one, given), file) for one in own]
    if not classes_of(module):
        raise InputError(
            f"{file} holds nothing to check: a strategy class with `signals`, or a function with @indicator "
            "or @structure.",
            field="name",
        )
    if file.stem in strategies:
        raise InputError(f"{file} bears the name of a built-in strategy; rename it.", field="name")
    return [of_strategy(build(find_strategy(file.stem, file.parent), given))]


def _of_a_person(piece: Piece, file: Path) -> Piece:
    """Return the piece so that what its own code raises is told as theirs, in a sentence."""

    def read(candles: Candles) -> Reading:
        try:
            return piece.read(candles)
        except CryptaiError:
            raise
        except Exception as error:  # whatever a person's own code raises is told as theirs
            bars = f"{len(candles):,} bar{'s' if len(candles) != 1 else ''}"
            raise InputError(
                f"The {piece.kind} {piece.name} failed on {bars}: {what_failed(error, file)}.", field="name"
            ) from error

    return replace(piece, read=read)
