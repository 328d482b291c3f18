"""The read model of a candle chart: bars with the indicators that were known at each, ready for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptai.web.pages.numbers import decimals_of, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cryptai.market.candles import Candles
    from cryptai.market.store import CandleStore

FIRST_BARS: Final = 300
MOST_BARS: Final = 5_000
# Bars before the window that the indicators see: what an EMA 26 forgot by then is under one part in 10⁹.
_WARM_UP: Final = 300


def window(
    store: CandleStore,
    exchange: str,
    symbol: str,
    timeframe: str,
    *,
    before_ms: int | None = None,
    bars: int = FIRST_BARS,
) -> tuple[Candles, Candles, bool]:
    """Return the last `bars` before an instant, the same with warm-up in front, and whether older ones exist.

    Raises
    ------
    DataError
        If nothing at all is stored for the market.
    """
    wide = store.read(exchange, symbol, timeframe, end_ms=before_ms, last=bars + _WARM_UP + 1)
    shown = wide[max(0, len(wide) - bars) :]
    return shown, wide, len(wide) > len(shown)


def indicators(wide: Candles, bars: int) -> dict[str, NDArray[np.float64]]:
    """Return the chart's indicators over the last `bars` rows, NaN where not yet defined."""
    from cryptai.features.averages import ema  # noqa: PLC0415
    from cryptai.features.channels import bollinger  # noqa: PLC0415
    from cryptai.features.oscillators import rsi  # noqa: PLC0415 (TA-Lib waits for the first chart)
    from cryptai.features.trend import macd  # noqa: PLC0415
    from cryptai.features.volatility import atr  # noqa: PLC0415

    close = wide.close
    upper, _, lower = bollinger(close)
    line, signal, histogram = macd(close)
    columns = {
        "ema_12": ema(close, 12),
        "ema_26": ema(close, 26),
        "bollinger_upper": upper,
        "bollinger_lower": lower,
        "rsi": rsi(close),
        "macd": line,
        "macd_signal": signal,
        "macd_histogram": histogram,
        "atr": atr(wide.high, wide.low, close),
    }
    return {name: values[len(values) - bars :] for name, values in columns.items()}


def as_json(shown: Candles, columns: Mapping[str, NDArray[np.float64]], *, older: bool) -> dict[str, Any]:
    """Return bars as rows of six numbers, and a list for each indicator, None where undefined."""
    bars = zip(
        shown.ts.tolist(), shown.open.tolist(), shown.high.tolist(), shown.low.tolist(), shown.close.tolist(),
        shown.volume.tolist(), strict=True,
    )  # fmt: skip
    return {
        "symbol": shown.symbol,
        "timeframe": str(shown.timeframe),
        "decimals": decimals_of(shown.close[-50:].tolist()),
        "bars": list(bars),
        "indicators": {name: [short(v) for v in values.tolist()] for name, values in columns.items()},
        "older": older,
    }


def marks(trades: NDArray[Any]) -> list[tuple[Any, ...]]:
    """Return trades (`Result.trades`) as the chart draws them: side, entry, exit, pnl, exit reason.

    Entry and exit are two columns each, the bar's open time (ms UTC) and the price of the fill.
    """
    columns = (
        trades["side"], trades["entry_time"].astype("i8"), trades["entry_price"],
        trades["exit_time"].astype("i8"), trades["exit_price"], trades["pnl"], trades["exit_reason"],
    )  # fmt: skip
    return list(zip(*(column.tolist() for column in columns), strict=True))


def rows(trades: Iterable[Mapping[str, Any]], symbol: str, *, before: int = 0) -> list[tuple[Any, ...]]:
    """Return trades as `backtest --json` writes them as the table lists them: `marks`, and more behind.

    Behind follow profit or loss over cost, fees, adverse and favourable excursion, the entry's reason, the
    market (`symbol` where a run has one), the bars held, and the number, counted from `before`.
    """
    from cryptai.market.times import parse_time  # noqa: PLC0415

    return [
        (
            t["side"], parse_time(t["entry_time"], field="entry_time"), t["entry_price"],
            parse_time(t["exit_time"], field="exit_time"), t["exit_price"], t["pnl"], t["exit_reason"],
            t["pnl"] / cost if (cost := abs(t["entry_price"] * t["quantity"])) else None,
            t["fees"], t.get("mae"), t.get("mfe"), t["entry_reason"], t.get("symbol", symbol), t.get("bars"),
            no,
        )
        for no, t in enumerate(trades, start=before + 1)
    ]  # fmt: skip


def short(value: float) -> float | None:
    """Return a value as the chart draws it, None where it is not a number."""
    n = number(value)
    # Eight significant figures draw any line; the rest is weight.
    return None if n is None else float(f"{n:.8g}")
