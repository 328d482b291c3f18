"""A folder of candle files as a source: `BTCUSDT_1h.parquet`, `ETH-USDT_1d.csv`, as `data import` takes them.

The folder is named by CRYPTAI_FOLDER. Files are read when they are asked for, and again when they have
changed, so what another program appends is followed. Nothing is sent anywhere.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptai import seams
from cryptai.errors import InputError, SourceError, UnknownName
from cryptai.market.candles import COLUMNS
from cryptai.market.files import ENDINGS, market_of, read_candles
from cryptai.market.source import Bar, Price, sources
from cryptai.market.symbol import parse_symbol
from cryptai.market.timeframe import Timeframe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from cryptai.market.candles import Candles
    from cryptai.market.source import Event

    Key = tuple[str, Timeframe]

SETTING: Final = "CRYPTAI_FOLDER"
# Files that stay read.
_KEPT: Final = 8
# How often the files are looked at; a feed takes half a minute without a word for silence.
_LOOK_S: Final = 5.0


class Folder:
    """Candle files of one folder, not of those in it; two files of one market and timeframe are refused.

    A bar is closed when this machine's clock has passed its end: a file may hold one that is not.
    """

    name = "folder"
    title = "The folder of candles"
    practice = False

    def __init__(
        self, path: Path | None = None, *, rest: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._path = path
        self._rest = rest
        self._read: dict[Path, tuple[tuple[int, int], Candles]] = {}
        self._newest: dict[Path, tuple[tuple[int, int], Price]] = {}
        self._reading = asyncio.Lock()

    def now_ms(self) -> int:
        """Return this machine's time: files have no clock."""
        return seams.now_ms()

    async def ping(self) -> None:
        """Return if the folder is there and names candles; raise `SourceError` if not, for good."""
        try:
            found = await asyncio.to_thread(self._files)
        except InputError as error:
            raise SourceError(str(error), permanent=True) from error
        if not found:
            raise SourceError(
                f"{self._folder()} holds no file named like BTCUSDT_1h.parquet or BTCUSDT_1h.csv.",
                permanent=True,
            )

    async def aclose(self) -> None:
        """Let go of what was read."""
        self._read.clear()

    async def history(self, symbol: str, timeframe: str, *, end_ms: int | None = None, bars: int) -> Candles:
        """Return the last `bars` closed bars of the file that open before `end_ms`.

        Raises
        ------
        UnknownName
            If the folder has no file of that market and timeframe.
        InputError
            If CRYPTAI_FOLDER names no folder, or the file holds no candles: its name, row and value.
        """
        there = await asyncio.to_thread(self._files)
        candles = await self._candles((parse_symbol(symbol), Timeframe(timeframe)), there)
        return candles.between(None, end_ms)[-bars:] if bars > 0 else candles[:0]

    def series(self) -> list[Key]:
        """Return the markets and timeframes that the folder has files of; raise as `history` does."""
        return list(self._files())

    async def prices(self, symbols: Sequence[str]) -> list[Price]:
        """Return the newest close of each market, as of that close."""
        there = await asyncio.to_thread(self._files)
        found = [await self._price(parse_symbol(symbol), there) for symbol in symbols]
        return [price for price in found if price]

    async def stream(self, symbols: Sequence[str], timeframes: Sequence[str]) -> AsyncIterator[Event]:
        """Look at the files every few seconds; yield bars that came since, and newest closes as prices.

        There are no unfinished bars: a file holds what happened.
        """
        names = [parse_symbol(symbol) for symbol in symbols]
        wanted = [(name, Timeframe(frame)) for name in names for frame in timeframes]
        last: dict[Key, int] = {}
        while True:
            try:
                there = await asyncio.to_thread(self._files)
                for key in wanted:
                    if key in there:
                        candles = await self._candles(key, there)
                        for bar in _newer(candles, last.get(key)):
                            yield bar
                        last[key] = int(candles.ts[-1]) if len(candles) else 0
                for name in names:
                    if price := await self._price(name, there):
                        yield price
            except InputError as error:
                raise SourceError(str(error)) from error
            await self._rest(_LOOK_S)

    async def _price(self, symbol: str, there: Mapping[Key, Path]) -> Price | None:
        newest: Price | None = None
        for key, file in there.items():
            if key[0] != symbol:
                continue
            state = await asyncio.to_thread(_state, file)
            if file not in self._newest or self._newest[file][0] != state:
                candles = await self._candles(key, there)
                if not len(candles):
                    continue
                price = Price(symbol, float(candles.close[-1]), int(candles.close_ts[-1]))
                self._newest[file] = state, price
            price = self._newest[file][1]
            if newest is None or price.ts > newest.ts:
                newest = price
        return newest

    async def _candles(self, key: Key, there: Mapping[Key, Path]) -> Candles:
        if key not in there:
            symbol, frame = key
            named = [f"{name} {length}" for name, length in there]
            raise UnknownName("file of candles in the folder", f"{symbol} {frame}", named, field="symbol")
        async with self._reading:
            candles = await asyncio.to_thread(self._load, there[key])
        return candles.between(None, key[1].last_closed(self.now_ms()) + 1)

    def _load(self, file: Path) -> Candles:
        state = _state(file)
        known = self._read.pop(file, None)
        if known is None or known[0] != state:
            known = state, read_candles(file)
        # The one used last goes last: of many files a few stay read.
        self._read[file] = known
        while len(self._read) > _KEPT:
            del self._read[next(iter(self._read))]
        return known[1]

    def _files(self) -> dict[Key, Path]:
        """Return the candle files by market and timeframe; files of other names are none of ours."""
        found: dict[Key, Path] = {}
        folder = self._folder()
        try:
            files = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)
        except OSError as error:
            raise InputError(
                f"{SETTING} names {folder}, which cannot be read ({error.strerror}).", field=SETTING
            ) from error
        for file in files:
            try:
                key = market_of(file)
            except InputError:
                continue
            if key in found:
                raise InputError(
                    f"{found[key].name} and {file.name} in {folder} both hold {key[0]} {key[1]}; keep one."
                )
            found[key] = file
        return found

    def _folder(self) -> Path:
        told = os.environ.get(SETTING, "").strip()
        if self._path is None and not told:
            raise InputError(
                f"{SETTING} names no folder; set it to one that holds files like BTCUSDT_1h.parquet.",
                field=SETTING,
            )
        return self._path or Path(told).expanduser()


sources.add(Folder.name, Folder)


def _state(file: Path) -> tuple[int, int]:
    try:
        told = file.stat()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}).") from error
    return told.st_mtime_ns, told.st_size


def _newer(candles: Candles, after: int | None) -> list[Bar]:
    """Return the bars after a time as closed; None is the first look, at which what is there is history."""
    if after is None or not len(candles):
        return []
    new = candles.between(after + 1, None)
    columns = [getattr(new, name).tolist() for name in COLUMNS]
    return [
        Bar(new.symbol, str(new.timeframe), (ts, *values), closed=True)
        for ts, *values in zip(*columns, strict=True)
    ]
