"""`cryptai signals why | verify --cards | calibration`: what the record and its tables are asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.screening.made import walk

from cryptai.cli.main import main
from cryptai.market.store import CandleStore
from cryptai.screening.evidence import Evidence
from cryptai.screening.record import Record
from cryptai.screening.screen import screen

if TYPE_CHECKING:
    from cryptai.workspace import Workspace


@pytest.fixture
def home(workspace: Workspace) -> Workspace:
    """A workspace with a market, and a record of what one strategy decided on it."""
    candles = walk(1, 3_000)
    store = CandleStore(workspace.candles)
    store.write("binance", candles)
    asked: dict[str, Any] = {"names": ["bollinger_bands"], "ended": True}
    evidence = Evidence(workspace, store, "binance")
    found = screen(store, evidence=evidence, as_of_ms=int(candles.close_ts[-1]), **asked).signals
    Record(store.catalog).seal([one.as_sealed() for one in found])
    return workspace


def told(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    assert main(["signals", *words, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_cards_are_computed_again(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "verify", "--cards", "100")
    assert found["cards"] == {"same": found["signals"], "unknown": [], "different": []}
    assert main(["signals", "verify", "--cards", "100"]) == 0
    assert "cards computed again, each as it was sealed" in capsys.readouterr().out
    (table,) = (home.root / "evidence").glob("*.past")
    whole = table.read_bytes()
    table.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    broken = told(capsys, "verify", "--cards", "100", status=1)
    assert len(broken["cards"]["different"]) == found["signals"]
    assert main(["signals", "verify", "--cards", "100"]) == 1
    assert "is not what its table gives: past" in capsys.readouterr().out
    table.unlink()
    assert len(told(capsys, "verify", "--cards", "100")["cards"]["unknown"]) == found["signals"]
    assert "cards" not in told(capsys, "verify")


@pytest.mark.usefixtures("home")
def test_why_says_what_would_have_flipped_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "why", "1")
    assert {one["of"] for one in found["flips"]} <= {"close", "volume"}
    assert any(one["condition"] == "decision" for one in found["flips"])
    assert main(["signals", "why", "1"]) == 0
    assert "bollinger_bands would not have decided it" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_calibration_tells_every_strategy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["bollinger_bands", "breakout"]
    monkeypatch.setattr("cryptai.screening.screen.strategy_names", lambda _folder: names)
    found = told(capsys, "calibration", "--timeframe", "1h")["calibration"]
    (row,) = [one for one in found if one["strategy"] == "bollinger_bands"]
    assert row["timeframe"] == "1h"
    assert row["trusted"] is False
    since = told(capsys, "calibration", "--timeframe", "1h", "--from", "2000-01-01")
    assert since["calibration"][-1]["strategy"] == "all together"
    for words in (["--timeframe", "1h"], ["--timeframe", "1h", "--from", "2000-01-01"]):
        assert main(["signals", "calibration", *words]) == 0
        assert "bollinger_bands" in capsys.readouterr().out
    assert main(["signals", "calibration", "--from", "someday"]) == 2
    assert "'someday' is not a time" in capsys.readouterr().err
