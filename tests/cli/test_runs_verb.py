"""`backtest` keeps its runs; `runs`, `report` and `verify` tell them, in words and as JSON."""

from __future__ import annotations

import json
import tarfile
import zipfile

import numpy as np
import pytest
from tests.trading.worlds import random_candles

from cryptai.cli.archive import write_archive
from cryptai.cli.main import main
from cryptai.market.opening import open_store
from cryptai.market.writing import write_table

ASKED = ["backtest", "ema_trend", "--symbol", "BTC/USDT", "--timeframe", "1h"]


@pytest.fixture
def stored(workspace):
    candles = random_candles(np.random.default_rng(78), 900)
    open_store(workspace).write("binance", candles)
    return workspace, candles


def told(capsys, *arguments):
    status = main([*arguments, "--json"])
    out = capsys.readouterr()
    return status, json.loads(out.out)


def refused(capsys, *arguments):
    assert main([*arguments]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith("cryptai: ")
    assert len(out.err.splitlines()) == 1
    return out.err


def test_a_backtest_is_kept_listed_shown_reported_and_verified(stored, capsys):
    workspace, _ = stored
    status, run = told(capsys, *ASKED)
    assert status == 0
    assert run["folder"] == str(workspace.runs / run["run"])
    assert told(capsys, "runs", "list")[1]["runs"][0]["id"] == run["run"]
    shown = told(capsys, "runs", "show", run["run"][:8])[1]
    assert (shown["trials"], shown["changed"], shown["run"]) == (1, [], run["run"])
    assert shown["evidence"] == run["evidence"]
    reported = told(capsys, "report", run["run"])[1]
    assert reported["metrics"] == run["metrics"]
    assert sum(one["trades"] for one in reported["years"]) == run["metrics"]["trades"]
    status, verified = told(capsys, "verify", run["run"])
    assert (status, verified["same"], verified["differences"]) == (0, True, [])


def test_they_are_told_in_words_too(stored, capsys):
    assert main(ASKED) == 0
    capsys.readouterr()
    for arguments in (["runs", "list"], ["runs", "show", "RUN"], ["report", "RUN"], ["verify", "RUN"]):
        (folder,) = stored[0].runs.iterdir()
        assert main([folder.name if one == "RUN" else one for one in arguments]) == 0
        out = capsys.readouterr().out
        assert folder.name in out or "ema_trend on BTC/USDT 1h" in out
        assert "nan" not in out.lower().split()


def test_no_run_keeps_none_and_counts_the_trial_all_the_same(stored, capsys):
    workspace, _ = stored
    _, run = told(capsys, *ASKED, "--no-run")
    assert "folder" not in run
    assert list(workspace.runs.iterdir()) == []
    assert told(capsys, *ASKED)[1]["evidence"]["trials"] == 1


def test_deleting_a_run_lowers_no_count(stored, capsys):
    workspace, _ = stored
    first = told(capsys, *ASKED)[1]
    import shutil

    shutil.rmtree(workspace.runs / first["run"])
    assert told(capsys, *ASKED, "--fee", "0.002")[1]["evidence"]["trials"] == 2


def test_a_spoilt_file_is_exit_1_with_its_name(stored, capsys):
    workspace, _ = stored
    run = told(capsys, *ASKED)[1]["run"]
    with (workspace.runs / run / "trades.csv").open("a") as file:
        file.write(" ")
    status, verified = told(capsys, "verify", run)
    assert status == 1
    assert [one["what"] for one in verified["differences"]] == ["files"]
    assert main(["runs", "show", run]) == 0
    assert "trades.csv is not what was written" in capsys.readouterr().out


def test_a_run_on_a_file_is_verified_with_the_file(stored, capsys, tmp_path):
    _, candles = stored
    file = tmp_path / "BTCUSDT_1h.parquet"
    write_table(file, {n: getattr(candles, n) for n in ("ts", "open", "high", "low", "close", "volume")})
    run = told(capsys, "backtest", "ema_trend", "--candles", str(file))[1]["run"]
    assert "--candles" in refused(capsys, "verify", run)
    assert told(capsys, "verify", run, "--candles", str(file))[0] == 0
    moved = candles.close.copy()
    moved[400] = candles.low[400]
    other = {n: getattr(candles, n) for n in ("ts", "open", "high", "low", "close", "volume")} | {
        "close": moved
    }
    write_table(file, other)
    status, verified = told(capsys, "verify", run, "--candles", str(file))
    assert status == 1
    assert "data" in {one["what"] for one in verified["differences"]}


def test_export_writes_a_zip_and_freqtrades_form(stored, capsys, tmp_path):
    run = told(capsys, *ASKED)[1]
    assert told(capsys, "runs", "export", run["run"], str(tmp_path / "a.zip"))[1]["files"] == 6
    assert zipfile.is_zipfile(tmp_path / "a.zip")
    assert "exists already" in refused(capsys, "runs", "export", run["run"], str(tmp_path / "a.zip"))
    count = told(capsys, "runs", "export", run["run"], str(tmp_path / "ft.json"), "--freqtrade")[1]["trades"]
    assert count == run["metrics"]["trades"]
    page = tmp_path / "page.html"
    back = told(capsys, "report", "--freqtrade", str(tmp_path / "ft.json"), "--html", str(page))[1]
    assert back["metrics"]["win_rate"] == run["metrics"]["win_rate"]
    assert back["by"]["exit_reason"]
    assert "ema_trend on BTC/USDT 1h" in page.read_text()
    assert back["evidence"]["trials"] == 1
    assert told(capsys, "report", "--freqtrade", str(tmp_path / "ft.json"))[1]["evidence"]["trials"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "0000000000000000"], "There is no run"),
        (["verify", "../../etc"], "is no run"),
        (["runs", "show", "zzz"], "is no run"),
        (["runs", "export", "0000", "x.zip"], "There is no run"),
        (["report"], "Name one of the two"),
        (["report", "0000", "--freqtrade", "x.json"], "Name one of the two"),
        (["report", "--freqtrade", "none.json"], "cannot be read"),
    ],
)
def test_bad_input_is_one_sentence(stored, arguments, words, capsys):
    assert words in refused(capsys, *arguments)


def test_a_manifest_that_is_spoilt_is_one_sentence(stored, capsys):
    workspace, _ = stored
    run = told(capsys, *ASKED)[1]["run"]
    (workspace.runs / run / "manifest.json").write_text('{"format": 1}')
    assert "is no manifest" in refused(capsys, "verify", run)
    assert told(capsys, "runs", "list")[1]["runs"] == []


def test_a_folder_that_cannot_be_written_loses_no_result(stored, capsys, monkeypatch):
    from cryptai.research import run_writing

    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_writing, "sync_file", full)
    assert main([*ASKED, "--json"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["folder"] is None
    assert "the run was not kept" in out.err


def test_a_backup_holds_the_runs_but_no_draft_of_one(stored, capsys, tmp_path):
    workspace, _ = stored
    run = told(capsys, *ASKED)[1]["run"]
    (workspace.runs / "half.tmp").mkdir()
    (workspace.runs / "half.tmp" / "trades.csv").write_text("half")
    write_archive(workspace.root, tmp_path / "b.tar.gz", lambda _: None)
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        names = archive.getnames()
    assert f"runs/{run}/manifest.json" in names
    assert not [one for one in names if ".tmp" in one]
