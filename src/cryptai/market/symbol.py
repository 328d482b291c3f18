"""Symbols: `BTC/USDT` is spot, `BTC/USDT:USDT` the perpetual settled in USDT; other spellings are read."""

from __future__ import annotations

import re
from typing import Final

from cryptai.errors import InputError

# Longest first, so that FDUSD is not read as USD. Quotes of the large venues' spot markets.
_QUOTES: Final = (
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "USDD", "DAI", "EUR", "USD", "GBP", "TRY", "BRL",
    "JPY", "AUD", "BTC", "ETH", "BNB",
)  # fmt: skip
_PART: Final = re.compile(r"[A-Z0-9]{1,20}")
_NAME: Final = re.compile(rf"{_PART.pattern}/{_PART.pattern}(?::{_PART.pattern})?")


def parse_symbol(text: str) -> str:
    """Return the name of a market in its one spelling: `BASE/QUOTE`, or `BASE/QUOTE:SETTLE` for a perpetual.

    >>> parse_symbol("btcusdt"), parse_symbol("ETH-BTC"), parse_symbol("BTC/USDT")
    ('BTC/USDT', 'ETH/BTC', 'BTC/USDT')
    >>> parse_symbol("btcusdt:usdt"), parse_symbol("BTC-USDT-USDT")
    ('BTC/USDT:USDT', 'BTC/USDT:USDT')

    Raises
    ------
    InputError
        If no base and quote can be told apart.
    """
    if _NAME.fullmatch(text):
        return text  # as most are: names of ours come here again and again
    name, colon, settle = text.strip().upper().replace("-", "/").replace("_", "/").partition(":")
    if "/" not in name:
        quote = next((q for q in _QUOTES if name.endswith(q) and len(name) > len(q)), None)
        if quote:
            name = f"{name[: -len(quote)]}/{quote}"
    elif not colon and name.count("/") == 2:
        name, colon, settle = name.rpartition("/")
    base, _, quote = name.partition("/")
    parts = (base, quote, settle) if colon else (base, quote)
    if not all(_PART.fullmatch(part) for part in parts):
        raise InputError(f"{text[:60]!r} is not a symbol; write it like BTC/USDT.", field="symbol")
    return f"{base}/{quote}:{settle}" if colon else f"{base}/{quote}"


def is_perpetual(symbol: str) -> bool:
    """Return whether a symbol, in its one spelling, names a perpetual contract."""
    return ":" in symbol


def venue_symbol(symbol: str) -> str:
    """Return the spelling of Binance and its kin, for spot and perpetual alike: `BTCUSDT`."""
    return symbol.partition(":")[0].replace("/", "")


def url_symbol(symbol: str) -> str:
    """Return the spelling used in addresses and file names: `BTC-USDT`, `BTC-USDT-USDT`."""
    return symbol.replace("/", "-").replace(":", "-")
