"""Freqtrade's trade list, read and written: its trades judged by our evidence, and ours in its form.

A backtest result of freqtrade is a JSON file, or a zip that holds it, with `strategy.<name>.trades`. What it
calls a stake is the margin; an amount is in the base currency, and profits are net of fees and funding.

It knows no equity on a clock: the account is told at the end of each UTC day, from the trades that were
closed by then, so a drawdown inside a trade is not seen. Days without a close count.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptai.analytics.metrics import measure
from cryptai.errors import DataError, InputError
from cryptai.ledger.book import TRADE
from cryptai.market.durable import write_whole
from cryptai.market.timeframe import TIMEFRAMES
from cryptai.market.times import iso, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_DAY_MS: Final = 86_400_000
_LARGEST: Final = 512 << 20
# Freqtrade's words for an exit, and ours. What has none of ours keeps its own.
_REASONS: Final = {
    "roi": "target", "stop_loss": "stop", "trailing_stop_loss": "trailing", "exit_signal": "signal",
    "force_exit": "end", "liquidation": "liquidation",
}  # fmt: skip
_BACK: Final = {ours: theirs for theirs, ours in _REASONS.items()}
# Older files' words for the same.
_OLDER: Final = {"sell_signal": "signal", "force_sell": "end", "stoploss_on_exchange": "stop"}


@dataclass(frozen=True, eq=False)
class Imported:
    """Another engine's run: the object that `backtest --json` would print of it, and its days.

    Attributes
    ----------
    found
        As a report and its evidence read it; `run` is the digest of the trades.
    ts, equity
        Each UTC day from the first entry to the last exit (ms), and the account at its end.
    """

    found: dict[str, Any]
    ts: NDArray[np.int64]
    equity: NDArray[np.float64]


def read_freqtrade(file: Path, *, strategy: str | None = None, capital: float | None = None) -> Imported:
    """Return the trades of a backtest result of freqtrade.

    Parameters
    ----------
    file
        JSON, or a zip with it: a whole result, one strategy's part, or a bare list of trades.
    strategy
        Which one, where the file holds several.
    capital
        The account at the start; the file's `starting_balance` where it is not given.

    Raises
    ------
    DataError
        For what is no such file, or a trade that cannot be: the message names its row and field.
    InputError
        For a strategy that the file does not hold, or a capital that neither names.
    """
    name, told = _part(_content(file), strategy, file)
    trades = told["trades"]
    if not isinstance(trades, list) or not trades:
        raise DataError(f"{file} holds no trade.", field="freqtrade")
    rows = sorted(
        (_trade(one, number) for number, one in enumerate(trades, start=1)),
        key=lambda row: (row["exit_time"], row["entry_time"], row["symbol"]),
    )
    start = capital if capital is not None else told.get("starting_balance")
    if start is None:
        raise InputError(f"{file} names no starting balance; give --capital.", field="capital")
    start = _number(start, "capital", 0)
    if start <= 0.0:
        raise InputError(f"capital must be above 0, was {start:g}.", field="capital")
    return _made(rows, name, told, start)


def write_freqtrade(file: Path, found: Mapping[str, Any], trades: Sequence[Mapping[str, Any]]) -> None:
    """Write trades of ours as a backtest result of freqtrade, whole or not at all.

    `found` names `strategy`, `timeframe`, `capital`, `costs`, `rules`, `symbol`; `trades` are the rows of
    `backtest --json`. Times are the opens of the bars of entry and exit. `read_freqtrade` gives the same
    trades back.
    """
    leverage = float(found.get("rules", {}).get("leverage") or 1.0)
    rows = [_theirs(row, found, leverage) for row in trades]
    name = str(found["strategy"])
    text = json.dumps(
        {
            "strategy": {
                name: {
                    "trades": rows, "strategy_name": name, "timeframe": found["timeframe"],
                    "starting_balance": found["capital"], "total_trades": len(rows),
                    "stake_currency": str(found["symbol"]).partition("/")[2].partition(":")[0],
                }
            },
            "strategy_comparison": [],
        },
        allow_nan=False,
    )  # fmt: skip
    write_whole(file, lambda draft: draft.write_text(text, encoding="utf-8"))


def _content(file: Path) -> Any:
    try:
        if file.stat().st_size > _LARGEST:
            raise DataError(f"{file} is larger than 512 MiB.", field="freqtrade")
        if zipfile.is_zipfile(file):
            return json.loads(_unzipped(file))
        return json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}).", field="freqtrade") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is no JSON: {error}.", field="freqtrade") from error


def _unzipped(file: Path) -> bytes:
    with zipfile.ZipFile(file) as archive:
        # The result bears the zip's own name; beside it lie its configuration and the strategy.
        names = [one for one in archive.infolist() if one.filename.endswith(".json")]
        chosen = [one for one in names if one.filename == f"{file.stem}.json"] or [
            one for one in names if "_config" not in one.filename and "meta" not in one.filename
        ]
        if len(chosen) != 1:
            raise DataError(f"{file} holds {len(chosen)} results, where one is needed.", field="freqtrade")
        if chosen[0].file_size > _LARGEST:
            raise DataError(f"{file} unpacks to more than 512 MiB.", field="freqtrade")
        return archive.read(chosen[0])


def _part(content: Any, strategy: str | None, file: Path) -> tuple[str, Mapping[str, Any]]:
    if isinstance(content, list):
        return strategy or "freqtrade", {"trades": content}
    if isinstance(content, dict) and isinstance(content.get("strategy"), dict):
        parts = content["strategy"]
        if strategy is None and len(parts) != 1:
            raise InputError(
                f"{file} holds {len(parts)} strategies; name one with --strategy: {', '.join(parts)}.",
                field="strategy",
            )
        name = next(iter(parts)) if strategy is None else strategy
        if name not in parts:
            raise InputError(f"{file} holds no strategy {name!r}, but {', '.join(parts)}.", field="strategy")
        content, strategy = parts[name], name
    if not isinstance(content, dict) or "trades" not in content:
        raise DataError(f"{file} is no backtest result of freqtrade: it has no trades.", field="freqtrade")
    return str(strategy or content.get("strategy_name") or "freqtrade"), content


def _trade(given: Any, row: int) -> dict[str, Any]:
    """Return a trade as `backtest --json` tells it."""
    if not isinstance(given, dict):
        raise DataError(f"Trade {row} is no object.", field="freqtrade")

    def number(name: str, absent: float | None = None) -> float:
        value = given.get(name)
        if value is None and absent is not None:
            return absent
        return _number(value, name, row)

    pair = given.get("pair")
    if not isinstance(pair, str) or not pair:
        raise DataError(f"Trade {row}: pair is missing.", field="freqtrade")
    if given.get("is_open"):
        raise DataError(f"Trade {row}: is_open is true; only closed trades can be judged.", field="freqtrade")
    entry_ms, exit_ms = (_time(given, side, row) for side in ("open", "close"))
    if exit_ms < entry_ms:
        raise DataError(f"Trade {row}: close_date lies before open_date.", field="freqtrade")
    entry, left, amount = number("open_rate"), number("close_rate"), number("amount")
    for name, value in (("open_rate", entry), ("close_rate", left), ("amount", amount)):
        if value <= 0.0:
            raise DataError(f"Trade {row}: {name} must be above 0, was {value:g}.", field="freqtrade")
    low = min(number("min_rate", entry), entry, left)
    high = max(number("max_rate", entry), entry, left)
    short = bool(given.get("is_short", False))
    down, up = (entry - low) / entry, (high - entry) / entry
    reason = str(given.get("exit_reason") or given.get("sell_reason") or "")
    tag = given.get("enter_tag") or given.get("buy_tag")
    return {
        "symbol": pair, "side": "short" if short else "long", "entry_time": iso(entry_ms),
        "exit_time": iso(exit_ms), "entry_price": entry, "exit_price": left,
        "quantity": -amount if short else amount,
        "fees": amount * (entry * number("fee_open", 0.0) + left * number("fee_close", 0.0)),
        "funding": number("funding_fees", 0.0), "pnl": number("profit_abs"),
        "mae": up if short else down, "mfe": down if short else up, "bars_held": None,
        "entry_reason": str(tag or "entry"),
        "exit_reason": _REASONS.get(reason) or _OLDER.get(reason) or reason or "unknown",
    }  # fmt: skip


def _theirs(row: Mapping[str, Any], found: Mapping[str, Any], leverage: float) -> dict[str, Any]:
    entry, left, amount = row["entry_price"], row["exit_price"], abs(row["quantity"])
    short = row["side"] == "short"
    entry_ms, exit_ms = parse_time(row["entry_time"]), parse_time(row["exit_time"])
    stake = amount * entry / leverage
    fee = float(found["costs"]["fee"])
    up, down = (row.get(name) or 0.0 for name in (("mae", "mfe") if short else ("mfe", "mae")))
    return {
        "pair": row.get("symbol") or found["symbol"], "stake_amount": stake, "max_stake_amount": stake,
        "amount": amount, "open_date": _date(entry_ms), "close_date": _date(exit_ms), "open_rate": entry,
        "close_rate": left, "fee_open": fee, "fee_close": fee,
        "trade_duration": (exit_ms - entry_ms) // 60_000,
        "profit_ratio": row["pnl"] / stake if stake else 0.0,
        "profit_abs": row["pnl"], "exit_reason": _BACK.get(row["exit_reason"], row["exit_reason"]),
        "min_rate": entry * (1.0 - down), "max_rate": entry * (1.0 + up), "is_open": False,
        "enter_tag": row["entry_reason"], "leverage": leverage, "is_short": short,
        "open_timestamp": entry_ms, "close_timestamp": exit_ms, "orders": [],
        "funding_fees": row.get("funding") or 0.0,
    }  # fmt: skip


def _made(rows: list[dict[str, Any]], name: str, told: Mapping[str, Any], capital: float) -> Imported:
    entered = np.array([parse_time(row["entry_time"]) for row in rows], np.int64)
    left = np.array([parse_time(row["exit_time"]) for row in rows], np.int64)
    first, last = int(entered.min()) // _DAY_MS, int(left.max()) // _DAY_MS
    days = np.arange(first, last + 1, dtype=np.int64)
    gained = np.zeros(len(days))
    pnl = np.array([row["pnl"] for row in rows])
    np.add.at(gained, left // _DAY_MS - first, pnl)
    equity = capital + np.cumsum(gained)
    peaks = np.maximum(np.maximum.accumulate(equity), capital)
    records = np.zeros(len(rows), TRADE)
    for field in ("entry_price", "exit_price", "quantity", "fees", "pnl"):
        records[field] = [row[field] for row in rows]
    metrics = asdict(
        measure(
            capital, float(equity[-1]), float((1.0 - equity / peaks).max()), len(days), equity, records,
            span_ms=int(left.max() - entered.min()),
        )
    )  # fmt: skip
    metrics["time_in_market"] = _busy(entered, left) / max(int(left.max() - entered.min()), 1)
    symbols = sorted({row["symbol"] for row in rows})
    frame = told.get("timeframe")
    fees = [row["fees"] / (abs(row["quantity"]) * (row["entry_price"] + row["exit_price"])) for row in rows]
    found = {
        "run": hashlib.sha256(json.dumps([capital, rows]).encode()).hexdigest()[:16],
        "strategy": name, "params": {}, "exchange": None, "symbol": symbols[0], "symbols": symbols,
        "timeframe": frame if frame in TIMEFRAMES and frame != "1w" else "1d", "capital": capital,
        # What they paid on average: from it the evidence finds the fee at which the edge is gone.
        "costs": {"fee": float(np.mean(fees)), "slippage": 0.0}, "rules": {}, "bars": len(days),
        "from": iso(int(entered.min())), "to": iso(int(left.max())), "data_digest": "", "engine": "freqtrade",
        "metrics": {
            k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in metrics.items()
        },
        "trades": rows,
    }  # fmt: skip
    return Imported(found, days * _DAY_MS, equity)


def _busy(entered: NDArray[np.int64], left: NDArray[np.int64]) -> int:
    """Return the time in which at least one trade was open, ms."""
    order = np.argsort(entered, kind="stable")
    begins, ends = entered[order], np.maximum.accumulate(left[order])
    # Each trade adds what lies beyond the latest end so far.
    before = np.concatenate([begins[:1], ends[:-1]])
    return int(np.maximum(ends - np.maximum(begins, before), 0).sum())


def _number(value: Any, name: str, row: int) -> float:
    where = f"Trade {row}: {name}" if row else name
    if isinstance(value, bool) or not isinstance(value, int | float):
        said = "is missing" if value is None else f"must be a number, was {str(value)[:40]!r}"
        raise DataError(f"{where} {said}.", field="freqtrade")
    if not math.isfinite(value):
        raise DataError(f"{where} must be a finite number, was {value}.", field="freqtrade")
    return float(value)


def _time(given: Mapping[str, Any], side: str, row: int) -> int:
    stamp, text = given.get(f"{side}_timestamp"), given.get(f"{side}_date")
    if isinstance(stamp, int | float) and not isinstance(stamp, bool) and 0 <= stamp < 2**53:
        return int(stamp)
    if not isinstance(text, str):
        raise DataError(f"Trade {row}: {side}_date is missing.", field="freqtrade")
    try:
        return parse_time(text)
    except InputError as error:
        raise DataError(f"Trade {row}: {side}_date: {error}", field="freqtrade") from error


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S+00:00")
