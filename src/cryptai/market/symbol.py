"""Symbols: `BTC/USDT` is the name; `BTCUSDT` and `BTC-USDT` are understood too."""

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


def parse_symbol(text: str) -> str:
    """Return the name of a market in its one spelling, `BASE/QUOTE`.

    >>> parse_symbol("btcusdt"), parse_symbol("ETH-BTC"), parse_symbol("BTC/USDT")
    ('BTC/USDT', 'ETH/BTC', 'BTC/USDT')

    Raises
    ------
    InputError
        If no base and quote can be told apart.
    """
    name = text.strip().upper().replace("-", "/").replace("_", "/")
    if "/" not in name:
        quote = next((q for q in _QUOTES if name.endswith(q) and len(name) > len(q)), None)
        if quote:
            name = f"{name[: -len(quote)]}/{quote}"
    base, _, quote = name.partition("/")
    if not (_PART.fullmatch(base) and _PART.fullmatch(quote)):
        raise InputError(f"{text[:60]!r} is not a symbol; write it like BTC/USDT.", field="symbol")
    return f"{base}/{quote}"


def url_symbol(symbol: str) -> str:
    """Return the spelling used in addresses and file names: `BTC-USDT`."""
    return symbol.replace("/", "-")
