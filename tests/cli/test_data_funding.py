"""`cryptai data import --funding` and `cryptai data funding`."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from cryptai.cli.main import main

T0 = 1_609_459_200_000  # 2021-01-01


def ask(capsys, *args):
    status = main(["data", *map(str, args)])
    out, err = capsys.readouterr()
    return status, out, err


def test_funding_is_imported_once_and_listed(capsys, tmp_path, workspace):
    file = tmp_path / "BTCUSDT_funding.csv"
    pl.DataFrame({"ts": T0 + 28_800_000 * np.arange(6), "funding_rate": [0.0001] * 6}).write_csv(file)
    status, out, _ = ask(capsys, "import", "--funding", file, "--json")
    assert (status, json.loads(out)["files"][0]["added"]) == (0, 6)
    status, out, _ = ask(capsys, "import", "--funding", file, "--json")
    assert (status, json.loads(out)["files"][0]["same"]) == (0, 6)
    (row,) = json.loads(ask(capsys, "funding", "--json")[1])["funding"]
    assert (row["symbol"], row["rates"], row["first_ts"]) == ("BTC/USDT:USDT", 6, "2021-01-01T00:00:00Z")
    assert "BTC/USDT:USDT" in ask(capsys, "funding")[1]
    assert (workspace.root / "funding.sqlite3").exists()


def test_a_file_of_candles_is_no_funding_and_leaves_nothing(capsys, tmp_path, workspace):
    file = tmp_path / "BTCUSDT_funding.csv"
    file.write_text("ts,open,high,low,close,volume\n1609459200000,1,2,1,2,3\n")
    status, out, err = ask(capsys, "import", "--funding", file)
    assert (status, out) == (2, "")
    assert "no column funding_rate" in err
    assert not (workspace.root / "funding.sqlite3").exists()
    assert ask(capsys, "funding")[1].startswith("No funding is stored")


def test_a_download_without_a_beginning_or_a_market_is_refused(capsys, workspace):
    assert "since is missing" in ask(capsys, "funding", "--download", "BTC/USDT")[2]
    assert "names no market" in ask(capsys, "funding", "--download", ",", "--since", "2021-01-01")[2]
    status, _, err = ask(capsys, "funding", "--download", "BTC", "--since", "2021-01-01")
    assert status == 2
    assert "not a symbol" in err
    assert not (workspace.root / "funding.sqlite3").exists()
