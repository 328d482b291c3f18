"""A whole server on loopback with a workspace of its own, and Chromium in front of it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import numpy as np
import pytest

from cryptai.market.candles import Candles
from cryptai.market.prices import PriceBook
from cryptai.market.source import Price
from cryptai.market.store import CandleStore
from cryptai.seams import monotonic, now_ms, rng, sleep
from cryptai.workspace import open_workspace
from tests.conftest import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
VENDORED = ROOT / "src" / "cryptai" / "web" / "static" / "vendor"
HOUR = 3_600_000
LONG_NAME = "ABCDEFGHIJKLMNOPQRST/ABCDEFGHIJKLMNOPQRST"


@dataclass(frozen=True)
class Server:
    """Where it answers, its workspace, and how its owner signs in."""

    base: str
    home: Path
    username: str
    password: str


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`cryptai up` on the practice market, beside a venue with stored candles, ordinary and absurd."""
    if not (VENDORED / "lightweight-charts.js").is_file():
        pytest.skip("the front end's packages are not copied; see frontend/README.md")
    home = tmp_path_factory.mktemp("home")
    _seed(home)
    port = _free_port()
    log = (home / "up.log").open("w")
    up = [sys.executable, "-m", "cryptai", "up", "--exchange", "practice", "--port", str(port)]
    env = {**os.environ, "CRYPTAI_HOME": str(home), "CRYPTAI_DEBUG": "1"}
    process = subprocess.Popen(up, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        base = f"http://127.0.0.1:{port}"
        _await_signals(base, process, home / "up.log")
        told = (home / "up.log").read_text()
        name, password = (re.search(rf"{word}\s+(\S+)", told) for word in ("Username", "Password"))
        assert name
        assert password
        yield Server(base, home, name[1], password[1])
    finally:
        process.terminate()
        process.wait(60)
        log.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; it ends with its module, for its loop must not meet asynchronous tests."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(
        timeout=20_000
    )  # as everything else here waits: five seconds are short beside other tests
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield opened
        opened.close()


def _seed(home: Path) -> None:
    store = CandleStore(open_workspace(home).candles)
    walk = 100 * np.exp(np.cumsum(rng(5).normal(0, 0.01, 1500)))
    store.write(
        "binance",
        _candles("BTC/USDT", walk),
        _candles("PEPE/USDT", np.full(300, 1e-8)),
        _candles("HUGE/USDT", 1e9 * walk),
        _candles(LONG_NAME, np.r_[np.full(200, 100.0), 1e-8, 1e-8]),
        _candles("ONE/USDT", np.array([5.0])),
    )
    told, names = now_ms(), ("BTC/USDT", LONG_NAME, "PEPE/USDT", "HUGE/USDT")
    book, prices = PriceBook(home / "prices.sqlite3"), (67_123.45, 1e-8, 1e-8, 1e9)
    book.add("binance", [Price(*pair, told) for pair in zip(names, prices, strict=True)])
    book.add("binance", [Price(LONG_NAME, 1.23e-8, told), Price("BTC/USDT", 1.0, told)], source="coingecko")
    holed = _candles("HOLES/USDT", walk[:600])
    # One bar missing, then forty, and it ended long ago.
    for part in (slice(0, 90), slice(91, 140), slice(180, 300)):
        store.write("binance", holed[part])


def _candles(symbol: str, close: np.ndarray) -> Candles:
    ts = now_ms() // HOUR * HOUR - HOUR * np.arange(len(close), 0, -1)
    opens = np.r_[close[0], close[:-1]]
    high, low = np.maximum(opens, close) * 1.01, np.minimum(opens, close) * 0.99
    return Candles(ts, opens, high, low, close, np.full(len(close), 1e12), symbol, "1h")


def _await_signals(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    # The practice market is filled and scanned within seconds; on a busy machine within tens.
    end = monotonic() + 60
    while monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urlopen(f"{base}/?exchange=practice", timeout=20) as answer:  # noqa: S310 (our own loopback)
                if b'<article class="card' in answer.read():
                    return
        except OSError:
            pass
        sleep(0.3)
    pytest.fail(f"No signals within 60 s; the server said:\n{log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
