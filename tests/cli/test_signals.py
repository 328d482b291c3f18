"""`cryptai signals`: what a trader reads of the best setups, and what a program does."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.screening.made import walk

from cryptai.cli.main import main
from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.market.times import iso

if TYPE_CHECKING:
    from cryptai.workspace import Workspace

TINY = "VERYLONGNAME/USDT"


@pytest.fixture
def day(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """Store one market of tiny prices and a user's broken strategy; return the last whole day."""
    one = walk(1, 3_000)
    opens, high, low, close = (column * 1.234e-8 for column in (one.open, one.high, one.low, one.close))
    store = CandleStore(workspace.candles)
    store.write("binance", Candles(one.ts, opens, high, low, close, one.volume, TINY, "1h"))
    (workspace.strategies / "broken.py").write_text("nothing = 1 / 0\n")
    monkeypatch.setenv("COLUMNS", "80")
    return iso(int(one.close_ts[-1]) - 86_400_000)[:10]


def test_no_digit_of_a_price_is_lost_and_what_was_left_out_is_told(
    day: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["signals", "--date", day, "--top", "1", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(told["failed"]) == {"broken"}
    assert set(told["unscanned"]) == {"buy_and_hold", "funding_carry", "momentum_rotation", "pairs_spread"}
    assert told["standing"] >= 1
    assert told["stopped"]["passed"] >= told["standing"]
    (one,) = told["signals"]
    assert f"{one['strategy']} {one['timeframe']}" not in one["also"]
    assert main(["signals", "--date", day, "--top", "1"]) == 0
    shown = capsys.readouterr().out
    for level in ("entry", "stop", "target"):
        assert f"{one[level]:.10f}" in shown
    assert "e-0" not in shown
    assert "broken could not be asked: " in shown
    assert "momentum_rotation, pairs_spread; see" in " ".join(shown.split())


def test_what_is_stale_is_called_so_before_anything_else(
    day: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del day
    assert main(["signals", "--top", "1"]) == 0
    first = capsys.readouterr().out.split(os.linesep)[0]
    assert first == "STALE: All of these are of markets whose newest bars are missing."
