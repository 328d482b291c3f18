"""`cryptai symbols`, as a person and as a script meet it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from cryptai.cli.main import main
from cryptai.errors import SourceError
from cryptai.market.candles import Candles
from cryptai.market.sources.binance import Binance
from cryptai.market.store import CandleStore
from cryptai.market.symbols import SymbolInfo

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

DAY = 1_700_000_000_000


@pytest.fixture
def venue(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A venue whose list of symbols is in the test's hands."""
    venue: dict[str, Any] = {"list": ["BTC/USDT", "LUNA/USDT"], "now": DAY}

    async def symbols(_self: Binance) -> list[SymbolInfo]:
        if venue["list"] is None:
            raise SourceError("Binance has trouble of its own (HTTP 503).")
        return [SymbolInfo(name, "trading", Decimal("0.01"), Decimal("0.001")) for name in venue["list"]]

    async def listed_ms(_self: Binance, _symbol: str) -> int:
        return DAY - 900 * 86_400_000

    monkeypatch.setattr(Binance, "symbols", symbols)
    monkeypatch.setattr(Binance, "listed_ms", listed_ms)
    monkeypatch.setattr(Binance, "now_ms", lambda _self: venue["now"])
    return venue


def ask(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = main(["symbols", *args])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_list_is_synced_and_what_changed_is_said(
    venue: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(capsys, "sync")[1] == "binance trades 2 markets; 2 listed.\n"
    assert ask(capsys, "sync")[1] == "binance trades 2 markets; nothing has changed.\n"
    venue.update(list=["BTC/USDT"], now=DAY + 1)
    assert json.loads(ask(capsys, "sync", "--json")[1]) == {
        "exchange": "binance", "trading": 1, "events": {"delisted": 1},
    }  # fmt: skip


def test_a_universe_of_the_past_is_listed_with_what_was_delisted_since(
    venue: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    ask(capsys, "sync", "--dates", "BTC/USDT,LUNA/USDT")
    venue.update(list=["BTC/USDT"], now=DAY + 86_400_000)
    ask(capsys, "sync")
    now = json.loads(ask(capsys, "list", "--json")[1])
    assert [one["symbol"] for one in now["symbols"]] == ["BTC/USDT"]
    assert now["symbols"][0]["tick"] == "0.01"
    status, out, _ = ask(capsys, "list", "--as-of", "2023-01-01")
    assert status == 0
    assert "LUNA/USDT" in out
    status, out, _ = ask(capsys, "events", "--symbol", "LUNA/USDT")
    assert "delisted" in out


def test_a_venue_in_trouble_changes_nothing(
    venue: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    venue["list"] = None
    assert ask(capsys, "sync") == (2, "", "cryptai: Binance has trouble of its own (HTTP 503).\n")
    assert "No such symbol of binance is known" in ask(capsys, "list")[1]
    assert "Nothing is known of binance" in ask(capsys, "events")[1]


def test_a_market_without_a_list_says_so(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "sync", "--exchange", "practice") == (
        2, "", "cryptai: the practice market has no list of symbols to sync.\n",
    )  # fmt: skip


@pytest.mark.parametrize("verb", [["up"], ["symbols", "sync"]])
def test_the_help_names_the_settings_of_addresses(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb, "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for setting in ("CRYPTAI_BINANCE_REST", "CRYPTAI_BINANCE_WS", "CRYPTAI_COINGECKO_REST"):
        assert setting in out


def test_a_rename_is_noted_by_hand_and_its_history_exported_whole(
    venue: dict[str, Any], workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    venue["list"] = ["MATIC/USDT", "POL/USDT"]
    assert ask(capsys, "sync")[0] == 0
    status, out, _ = ask(capsys, "rename", "matic-usdt", "POLUSDT", "--since", "2024-09-13")
    assert (status, out) == (0, "MATIC/USDT of binance goes on as POL/USDT since 2024-09-13T00:00:00Z.\n")
    assert json.loads(ask(capsys, "list", "--json")[1])["symbols"][0]["symbol"] == "POL/USDT"
    status, _, err = ask(capsys, "rename", "POL/USDT", "MATIC/USDT")
    assert (status, err.count("\n")) == (2, 1)
    assert ask(capsys, "rename", "NONE/USDT", "POL/USDT")[0] == 2
    told = json.loads(ask(capsys, "rename", "MATIC/USDT", "POL/USDT", "--since", "2024-09-13", "--json")[1])
    assert (told["old"], told["new"], told["since_ms"]) == ("MATIC/USDT", "POL/USDT", 1_726_185_600_000)

    day, ones = 86_400_000, [1.0, 1.0]
    since = told["since_ms"]
    store = CandleStore(workspace.candles)
    for symbol, first in (("MATIC/USDT", since - 2 * day), ("POL/USDT", since)):
        store.write("binance", Candles([first, first + day], ones, ones, ones, ones, ones, symbol, "1d"))
    out_file = tmp_path / "POLUSDT_1d.csv"
    named = ["--symbol", "POL/USDT", "--timeframe", "1d", "--out", str(out_file)]
    assert main(["data", "export", *named, "--former", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bars"] == 4
    assert len(out_file.read_text().splitlines()) == 5
