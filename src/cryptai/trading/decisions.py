"""What a strategy decides: its columns, asked for and checked, so that a mistake becomes a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from cryptai.errors import CryptaiError, DataError, InputError
from cryptai.market.funding import perpetual_of
from cryptai.signals import COLUMNS, EXIT_LONG, EXIT_SHORT
from cryptai.strategies.strategy import needs_of
from cryptai.strategies.user import what_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptai.market.candles import Candles
    from cryptai.signals import Signals
    from cryptai.strategies.strategy import Strategy

# The least and the most that a row of an optional column may say.
_RANGES: Final = {
    "stop": (0.0, math.inf), "target": (0.0, math.inf), "limit": (0.0, math.inf), "trigger": (0.0, math.inf),
    "size": (0.0, 1.0), "reduce": (0.0, 1.0), "trail": (0.0, math.inf), "weight": (-1.0, 1.0),
    "score": (-math.inf, math.inf),
}  # fmt: skip
_optional: Final = attrgetter(*COLUMNS)


def decided(strategy: Strategy, candles: Candles) -> Signals:
    """Return the strategy's columns for these candles; a user's mistake becomes a sentence."""
    if not hasattr(strategy, "signals"):
        return decided_many(strategy, [candles])[0]
    return _each(strategy, [candles])[0]


def decided_many(strategy: Strategy, markets: Sequence[Candles]) -> list[Signals]:
    """Return the strategy's columns for each market, seen together where it has `signals_many`."""
    together = getattr(strategy, "signals_many", None)
    if together is None:
        return _each(strategy, markets)
    _check_needs(strategy, markets)
    said = _asked(strategy, together, {candles.symbol: candles for candles in markets})
    names = [candles.symbol for candles in markets]
    if not isinstance(said, Mapping) or set(said) != set(names):
        kind = sorted(map(str, said)) if isinstance(said, Mapping) else type(said).__name__
        raise InputError(
            f"The strategy {strategy.name} must give signals of each market ({', '.join(names)}), gave "
            f"{kind}.",
            field="strategy",
        )
    return _checked(strategy, [said[candles.symbol] for candles in markets], markets)


def _each(strategy: Strategy, markets: Sequence[Candles]) -> list[Signals]:
    said = []
    needs = needs_of(type(strategy))
    for candles in markets:
        if needs:
            _check_needs(strategy, [candles])
        said.append(_asked(strategy, strategy.signals, candles))
    return _checked(strategy, said, markets)


def _asked(strategy: Strategy, method: Callable[..., object], given: object) -> object:
    try:
        return method(given)
    except CryptaiError:
        raise
    except (Exception, SystemExit) as error:  # a user's sys.exit() would end the command as if all were well
        raise InputError(
            f"The strategy {strategy.name} failed: {what_failed(error)}.", field="strategy"
        ) from error


def _check_needs(strategy: Strategy, markets: Sequence[Candles]) -> None:
    needs = needs_of(type(strategy))
    if "others" in needs and len(markets) < 2:
        raise InputError(
            f"{strategy.name} trades one market against another and was given {markets[0].symbol} alone; "
            "name two or more, such as --symbols BTC/USDT,ETH/USDT.",
            field="symbols",
        )
    if "funding" in needs and all(one.funding is None for one in markets):
        name = perpetual_of(markets[0].symbol)
        raise DataError(
            f"{strategy.name} decides by funding and was given none of {name}; `cryptai data funding "
            f"--download {name} --since 2021-01-01` stores it, and a backtest then takes it.",
            field="funding",
        )


def _checked(strategy: Strategy, said: Sequence[object], markets: Sequence[Candles]) -> list[Signals]:
    given: list[Signals] = []
    for signals, candles in zip(said, markets, strict=True):
        # Whatever has the columns is signals: a test's script may be a plain object.
        if not (hasattr(signals, "entry") and hasattr(signals, "exits")):
            raise InputError(
                f"The strategy {strategy.name} must give Signals, gave {type(signals).__name__}.",
                field="strategy",
            )
        given.append(signals)  # type: ignore[arg-type]
        shape = (len(candles.ts),)
        for name, codes in (("entry", given[-1].entry), ("exits", given[-1].exits)):
            if wrong := _unfit(codes, shape):
                _refuse(strategy, name, wrong, "Signals.entries")
        for name, column in zip(COLUMNS, _optional(signals), strict=True):
            if column is not None and (wrong := _unfit_optional(name, column, shape)):
                _refuse(strategy, name, wrong, "Signals")
    for name, low, high in (("entry", -1, 1), ("exits", 0, EXIT_LONG | EXIT_SHORT)):
        # Of all markets at once: one by one these small columns would take longer than their run.
        columns = [getattr(one, name) for one in given]
        rows = np.concatenate(columns) if len(columns) > 1 else columns[0]
        if len(rows) and not (low <= rows.min() and rows.max() <= high):
            _refuse(strategy, name, f"with values outside {low} to {high}", "Signals.entries")
    return given


def _refuse(strategy: Strategy, name: str, wrong: str, see: str) -> NoReturn:
    raise InputError(
        f"The strategy {strategy.name} gave a column {name!r} {wrong}; see {see}.", field="strategy"
    )


def _unfit_optional(name: str, values: object, shape: tuple[int]) -> str | None:
    if not isinstance(values, np.ndarray) or values.dtype != np.float64:
        return f"of {getattr(values, 'dtype', type(values).__name__)}, where float64 is needed"
    if values.shape != shape:
        return f"of shape {values.shape} for {shape[0]} bars, where one row a bar is needed"
    low, high = _RANGES[name]
    positive = high == math.inf and low == 0.0
    wrong = np.isinf(values) | (values < low) | (values > high)
    if positive or name == "size":
        wrong |= values == 0.0
    if wrong.any():
        row = int(np.argmax(wrong))
        range_ = f"above {low:g}" if positive else f"a finite number from {low:g} to {high:g}"
        return f"that says {values[row]:g} in row {row}, where {range_} is needed, or NaN for nothing"
    return None


def _unfit(values: object, shape: tuple[int]) -> str | None:
    # The kernel is handed an address, and would read whatever lies there.
    if not isinstance(values, np.ndarray) or values.dtype != np.int8:
        return f"of {getattr(values, 'dtype', type(values).__name__)}, where int8 is needed"
    if values.shape != shape:
        return f"of shape {values.shape} for {shape[0]} bars, where one row a bar is needed"
    return None
