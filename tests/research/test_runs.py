"""Runs on the disk: whole or not there, found by name, and computed again to the bit or with what differs."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import zipfile
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from tests.trading.worlds import random_candles

from cryptai.analytics.export import read_trades
from cryptai.errors import InputError
from cryptai.market.opening import open_store
from cryptai.research import run_writing, runs
from cryptai.research import verify as verifying
from cryptai.research.run_writing import keep_run, write_run
from cryptai.research.verify import StoreThen, verify
from cryptai.seams import now_ms, sleep
from cryptai.trading.request import BacktestRequest
from cryptai.trading.run import run_on, run_request

OWN = '''
from dataclasses import dataclass
import cryptai as ca
from cryptai.features import sma
from cryptai.features.crosses import crosses_above, crosses_below

@ca.strategy
@dataclass(frozen=True)
class Mine:
    """Be long above the average."""
    period: int = ca.param(20, low=2, high=200, meaning="period", unit="bars")

    def signals(self, candles):
        average = sma(candles.close, self.period)
        return ca.Signals.entries(candles, long=crosses_above(candles.close, average),
                                  exit_long=crosses_below(candles.close, average))
'''


@pytest.fixture
def stored(workspace):
    """A workspace with one market of 1,200 bars."""
    candles = random_candles(np.random.default_rng(77), 1_200)
    open_store(workspace).write("binance", candles)
    return workspace, candles


def kept(workspace, strategy="ema_trend", **options):
    asked = {"strategy": strategy, "symbol": "BTC/USDT", "timeframe": "1h", **options}
    request, began = BacktestRequest.parse(asked), now_ms()
    result = run_request(request, open_store(workspace), workspace.strategies)
    made = keep_run(result, result.as_object(), workspace, request, as_of_ms=began)
    return made, result


def again(workspace):
    files = {
        one.stem: hashlib.sha256(one.read_bytes()).hexdigest() for one in workspace.strategies.glob("*.py")
    }

    def checked(folder, **options):
        return verify(
            folder, open_store(workspace),
            lambda request, store: run_request(request, store, workspace.strategies),
            strategies=files, **options,
        )  # fmt: skip

    return checked


def test_a_run_is_kept_with_all_its_files(stored):
    workspace, candles = stored
    made, result = kept(workspace)
    assert made.new
    assert made.folder == workspace.runs / result.run
    assert set(runs.run_files(workspace.runs, result.run)) == set(runs.FILES) - {"strategy.py"}
    manifest = runs.read_manifest(made.folder)
    assert manifest["run"] == result.run
    assert manifest["data"]["digest"] == candles.digest
    assert manifest["data"]["series"][0]["bars"] == len(candles)
    assert {"python", "numpy", "numba", "cryptai"} <= set(manifest["versions"])
    assert runs.changed_files(made.folder, manifest) == []
    told = read_trades((made.folder / "trades.csv").read_text())
    assert [one["pnl"] for one in told] == result.records["pnl"].tolist()
    assert json.loads((made.folder / "metrics.json").read_text()) == result.as_object()["metrics"]
    assert not list(workspace.runs.glob("*.tmp"))


def test_the_same_run_is_not_written_again(stored):
    workspace, _ = stored
    made, _ = kept(workspace)
    before = {one: one.stat().st_mtime_ns for one in made.folder.iterdir()}
    second, _ = kept(workspace)
    assert not second.new
    assert second.differs is None
    assert {one: one.stat().st_mtime_ns for one in made.folder.iterdir()} == before


def test_another_run_under_the_same_id_is_said_and_not_written_over(stored):
    workspace, _ = stored
    made, result = kept(workspace)
    other = result.as_object()
    other["metrics"]["total_return"] = 9.0
    second = write_run(other, result.ts, result.equity, made.folder)
    assert "other ones" in second.differs
    (made.folder / "trades.csv").write_text("spoilt")
    third, _ = kept(workspace)
    assert "trades.csv changed since it was written" in third.differs
    assert (made.folder / "trades.csv").read_text() == "spoilt"
    (made.folder / "manifest.json").write_text("{")
    assert kept(workspace)[0].differs is not None


def test_where_there_is_no_workspace_nothing_is_kept(tmp_path, workspace):
    result = run_on(
        BacktestRequest.parse({"strategy": "ema_trend"}), random_candles(np.random.default_rng(1), 300)
    )
    elsewhere = replace(workspace, root=tmp_path / "none")
    assert (
        keep_run(result, result.as_object(), elsewhere, BacktestRequest.parse({"strategy": "ema_trend"}))
        is None
    )
    assert not (tmp_path / "none").exists()


def test_a_failure_on_the_way_leaves_nothing(stored):
    workspace, _ = stored
    with (
        patch.object(run_writing, "sync_file", side_effect=OSError(28, "No space left")),
        pytest.raises(OSError, match="No space left"),
    ):
        kept(workspace)
    assert list(workspace.runs.iterdir()) == []
    assert kept(workspace)[0].new


def test_a_folder_that_the_platform_made_gets_its_files_beside_its_own(stored):
    workspace, _ = stored
    _, result = kept(workspace)
    folder = workspace.runs / ("a" * 32)
    folder.mkdir()
    (folder / "result.json").write_text("{}")
    made = write_run(result.as_object(), result.ts, result.equity, folder)
    assert made.new
    assert (folder / "result.json").read_text() == "{}"
    assert "report.html" in runs.run_files(workspace.runs, "a" * 32)


def test_drafts_of_a_day_ago_are_swept(stored):
    workspace, _ = stored
    for name, age in (("old", 90_000), ("new", 10)):
        draft = workspace.runs / f"{name}.tmp"
        draft.mkdir()
        (draft / "trades.csv").write_text("half")
        moment = now_ms() / 1000 - age
        os.utime(draft, (moment, moment))
    kept(workspace)
    assert sorted(one.name for one in workspace.runs.glob("*.tmp")) == ["new.tmp"]


def _writes(root, barrier, answers):
    from cryptai.workspace import Workspace

    barrier.wait()
    answers.put(kept(Workspace(root))[0].new)


def test_of_two_processes_that_make_the_same_run_one_writes_it(stored):
    workspace, _ = stored
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    both = [context.Process(target=_writes, args=(workspace.root, barrier, answers)) for _ in range(2)]
    for one in both:
        one.start()
    told = sorted(answers.get(timeout=120) for _ in both)
    for one in both:
        one.join()
    assert told == [False, True]
    (folder,) = workspace.runs.iterdir()
    assert runs.changed_files(folder, runs.read_manifest(folder)) == []


def test_runs_are_listed_and_found_by_the_first_letters(stored):
    workspace, _ = stored
    made = [kept(workspace, fee=fee)[0].folder.name for fee in ("0.001", "0.002", "0.003")]
    (workspace.runs / ("b" * 16)).mkdir()
    (workspace.runs / ("c" * 16)).mkdir()
    (workspace.runs / ("c" * 16) / "manifest.json").write_text("spoilt")
    assert sorted(one["id"] for one in runs.list_runs(workspace.runs)) == sorted(made)
    assert runs.find_run(workspace.runs, made[0]).name == made[0]
    assert runs.find_run(workspace.runs, made[1][:10]).name == made[1]
    assert runs.find_run(workspace.runs, str(workspace.runs / made[2])).name == made[2]
    for wrong in ("zz", "../..", "", "deadbeef", "/", "a" * 100):
        with pytest.raises(InputError):
            runs.find_run(workspace.runs, wrong)
    for wrong in ("../../etc", "", "b" * 16, "nothing", made[0] + "/.."):
        assert runs.run_files(workspace.runs, wrong) == {}


def test_several_that_begin_so_are_refused(stored):
    workspace, _ = stored
    for name in ("abcd0000", "abcd1111"):
        (workspace.runs / name).mkdir()
        (workspace.runs / name / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="2 runs begin with"):
        runs.find_run(workspace.runs, "abcd")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"format": 1}'])
def test_a_manifest_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError):
        runs.read_manifest(tmp_path)


def test_a_newer_manifest_is_refused(stored):
    workspace, _ = stored
    made, _ = kept(workspace)
    manifest = runs.read_manifest(made.folder)
    (made.folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(InputError, match="newer"):
        runs.read_manifest(made.folder)


def test_a_zip_holds_the_files_and_is_the_same_each_time(stored, tmp_path):
    workspace, _ = stored
    made, _ = kept(workspace)
    assert runs.zip_run(made.folder, tmp_path / "a.zip") == 6
    runs.zip_run(made.folder, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read(f"{made.folder.name}/trades.csv") == (made.folder / "trades.csv").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        runs.zip_run(made.folder, tmp_path / "a.zip")


# -- verify


def test_a_run_is_the_same_to_the_bit(stored):
    workspace, _ = stored
    made, result = kept(workspace, stop="0.05", **{"from": "2020-09-20"})
    found = again(workspace)(made.folder)
    assert found.same
    assert found.as_object()["digests"] == runs.read_manifest(made.folder)["digests"]
    assert found.run == result.run
    assert found.notes == ()


def test_bars_that_came_later_are_no_difference(stored):
    workspace, candles = stored
    made, _ = kept(workspace)
    more = random_candles(np.random.default_rng(78), 1_300)
    later = more.between(int(candles.ts[-1]) + 1, None)
    assert len(later)
    open_store(workspace).write("binance", later)
    assert again(workspace)(made.folder).same
    assert kept(workspace)[1].run != made.folder.name


def corrected(workspace, candles, row=500):
    columns = {
        name: getattr(candles, name)[row : row + 1].copy()
        for name in ("ts", "open", "high", "low", "close", "volume")
    }
    columns["close"] = columns["close"] * 0.5 + columns["low"] * 0.5
    bar = type(candles)(**columns, symbol=candles.symbol, timeframe=candles.timeframe)
    open_store(workspace).write("binance", bar, replace=True)


def test_a_revised_candle_is_named_and_the_run_is_still_what_it_was(stored):
    workspace, candles = stored
    made, _ = kept(workspace)
    corrected(workspace, candles)
    found = again(workspace)(made.folder)
    assert [one.what for one in found.differences] == ["data"]
    assert "1 bars were corrected since" in found.differences[0].said
    assert "close was" in found.differences[0].said
    # As the store knew them then it is the same run.
    assert again(workspace)(made.folder, revised=False).same


def test_a_store_as_of_then_is_blind_for_what_was_written_since(stored):
    workspace, candles = stored
    store, moment = open_store(workspace), now_ms()
    sleep(0.01)  # a moment is a millisecond long
    corrected(workspace, candles)
    assert StoreThen(store, moment).read("binance", "BTC/USDT", "1h").digest == candles.digest
    assert store.read("binance", "BTC/USDT", "1h").digest != candles.digest


def test_what_was_written_while_it_ran_is_found(stored):
    workspace, candles = stored
    asked = BacktestRequest.parse({"strategy": "ema_trend", "symbol": "BTC/USDT", "timeframe": "1h"})
    sleep(0.02)  # what was stored at first was stored well before
    began = now_ms()
    corrected(workspace, candles)
    result = run_request(asked, open_store(workspace), workspace.strategies)
    made = keep_run(result, result.as_object(), workspace, asked, as_of_ms=began - 5)
    assert again(workspace)(made.folder).same


@pytest.mark.parametrize("name", ["trades.csv", "equity.csv", "metrics.json", "report.html"])
def test_one_byte_changed_in_a_file_is_named(name, stored):
    workspace, _ = stored
    made, _ = kept(workspace)
    content = bytearray((made.folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (made.folder / name).write_bytes(content)
    found = again(workspace)(made.folder)
    assert [one.what for one in found.differences] == ["files"]
    assert found.differences[0].said.startswith(name)


def test_a_file_that_is_gone_is_named(stored):
    workspace, _ = stored
    made, _ = kept(workspace)
    (made.folder / "equity.csv").unlink()
    (one,) = again(workspace)(made.folder).differences
    assert "is not there any more" in one.said


def test_another_engine_is_named(stored):
    workspace, _ = stored
    made, _ = kept(workspace)
    with patch.object(verifying, "ENGINE_VERSION", 99):
        found = again(workspace)(made.folder)
    assert [one.what for one in found.differences] == ["engine"]
    assert "this is engine 99" in found.differences[0].said


def test_a_strategy_whose_file_changed_is_named(stored):
    workspace, _ = stored
    file = workspace.strategies / "mine.py"
    file.write_text(OWN)
    made, _ = kept(workspace, "mine")
    assert (made.folder / "strategy.py").read_text() == OWN
    assert again(workspace)(made.folder).same
    file.write_text(OWN + "\n# a word more\n")
    (one,) = again(workspace)(made.folder).differences
    assert one.what == "code"
    file.write_text(OWN.replace("param(20", "param(30").replace("crosses_below", "crosses_above"))
    assert {one.what for one in again(workspace)(made.folder).differences} == {"code", "numbers"}
    file.unlink()
    found = again(workspace)(made.folder)
    assert {one.what for one in found.differences} == {"code", "configuration"}
    assert found.digests is None


def test_numbers_that_differ_are_named_with_the_first_of_them(stored):
    workspace, _ = stored
    made, result = kept(workspace)

    def otherwise(request, store):
        found = run_request(request, store, workspace.strategies)
        records = found.records.copy()
        records["pnl"][3] = np.nextafter(records["pnl"][3], np.inf)
        return replace(found, records=records)

    found = verify(made.folder, open_store(workspace), otherwise)
    (one,) = found.differences
    assert one.what == "numbers"
    assert one.said.startswith(f"Trade 4: pnl was {float(result.records['pnl'][3])!r}")


def test_other_candles_are_named(stored, tmp_path, monkeypatch):
    workspace, _ = stored
    made, _ = kept(workspace)
    from cryptai.workspace import open_workspace

    other = open_workspace(tmp_path / "other")
    open_store(other).write("binance", random_candles(np.random.default_rng(5), 1_200))
    found = verify(made.folder, open_store(other), run_request)
    assert "data" in {one.what for one in found.differences}
    empty = open_workspace(tmp_path / "empty")
    found = verify(made.folder, open_store(empty), run_request)
    (one,) = found.differences
    assert one.what == "data"
    assert "cannot be run again" in one.said


def test_a_run_without_a_request_cannot_be_run_again(stored):
    workspace, _ = stored
    _, result = kept(workspace)
    made = write_run(result.as_object(), result.ts, result.equity, workspace.runs / ("d" * 16))
    with pytest.raises(InputError, match="names no request"):
        again(workspace)(made.folder)


def test_a_portfolio_is_kept_and_computed_again(workspace):
    store = open_store(workspace)
    for seed, symbol in enumerate(("AAA/USDT", "BBB/USDT")):
        one = random_candles(np.random.default_rng([9, seed]), 900)
        columns = {name: getattr(one, name) for name in ("ts", "open", "high", "low", "close", "volume")}
        store.write("binance", type(one)(**columns, symbol=symbol, timeframe="1h"))
    made, result = kept(workspace, symbol=None, symbols=["AAA/USDT", "BBB/USDT"], size=0.5)
    told = json.loads((made.folder / "report.json").read_text())
    assert {one["name"] for one in told["by"]["symbol"]} == {"AAA/USDT", "BBB/USDT"}
    assert sum(one["trades"] for one in told["by"]["symbol"]) == result.metrics.trades
    assert again(workspace)(made.folder).same
    (corrected_candles,) = (store.read("binance", "BBB/USDT", "1h"),)
    corrected(workspace, corrected_candles)
    (one,) = again(workspace)(made.folder).differences
    assert one.said.startswith("BBB/USDT 1h: 1 bars were corrected")
