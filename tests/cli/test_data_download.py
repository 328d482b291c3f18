"""`cryptai data download`, `check`, `repair` and `revisions` as processes: killed, resumed, judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from cryptai import seams
from cryptai.cli.main import main
from cryptai.market.budget import Budget
from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.market.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptai.workspace import Workspace

DAY = 86_400_000
NOW = 1_700_049_630_000
SINCE = NOW - NOW % DAY - 20 * DAY
# Kills of one download, enough to go on twice: that any number is survived, the bed `commands` proves.
KILLS = 2
COMMAND = [
    sys.executable, "-m", "cryptai", "data", "download", "--symbols", "BTC/USDT,ETH/USDT",
    "--timeframes", "1m,1h", "--since", iso(SINCE), "--json",
]  # fmt: skip


class Venue:
    """The stand-in process, its address, and a line for each request of candles."""

    def __init__(self, *arguments: int) -> None:
        script = Path(__file__).parents[1] / "market" / "loopback_venue.py"
        self.process = subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.address = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"
        self.said: Queue[str] = Queue()
        self.listener = Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.put(line)

    def drain(self) -> list[list[str]]:
        lines = []
        while not self.said.empty():
            lines.append(self.said.get().split())
        return lines

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.listener.join()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def venue() -> Iterator[Venue]:
    holes = [NOW - NOW % DAY - 3 * DAY + k * 60_000 for k in (0, 1, 2, 700)]
    venue = Venue(NOW, 0, *holes)
    yield venue
    venue.close()


def environment(venue: Venue, home: Path) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    Budget("binance", venue.address, file=home / "budget.sqlite3").learn(1_000_000)
    return os.environ | {"CRYPTAI_HOME": str(home), "CRYPTAI_BINANCE_REST": venue.address}


def finish(arguments: list[str], env: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_download_killed_again_and_again_ends_with_the_same_digests(venue: Venue, tmp_path: Path) -> None:
    undisturbed = finish(COMMAND, environment(venue, tmp_path / "whole"))
    env = environment(venue, tmp_path / "killed")
    rng = seams.rng(25)
    killed = 0
    for _ in range(KILLS):
        venue.drain()
        process = subprocess.Popen(env=env, args=COMMAND, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(int(rng.integers(1, 40))):
            try:
                venue.said.get(timeout=5)
            except Empty:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed >= KILLS // 2
    resumed = finish(COMMAND, env)

    def content(answer: dict[str, Any]) -> list[Any]:
        return [(s["symbol"], s["timeframe"], s["bars"], s["digest"], s["holes"]) for s in answer["series"]]

    assert content(resumed) == content(undisturbed)
    assert [s["missing"] for s in resumed["series"]] == [4, 1, 4, 1]
    assert {hole["cause"] for s in resumed["series"] for hole in s["holes"]} == {"the venue has none"}
    stored = CandleStore(tmp_path / "killed" / "candles")
    reasons = {entry.reason for entry in stored.sync_log.entries(status="FAILED")}
    assert reasons <= {"cut off before it ended"}
    assert not stored.sync_log.entries(status="PENDING")

    venue.drain()
    again = finish(COMMAND, env)
    assert [s["added"] for s in again["series"]] == [0, 0, 0, 0]
    # Our clock is years ahead of this venue's: one question for the newest bar, and nothing else.
    assert {line[3] for line in venue.drain()} <= {"1", "2"}


def test_a_venue_that_cannot_be_reached_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    env = os.environ | {"CRYPTAI_HOME": str(tmp_path), "CRYPTAI_BINANCE_REST": "http://127.0.0.1:9"}
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cryptai: Binance can't be reached from here")
    assert done.stderr.count("\n") == 1
    assert CandleStore(tmp_path / "candles").markets() == []


@pytest.mark.shared
def test_check_finds_the_28_holes_of_real_hours_exactly(
    workspace: Workspace, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared / "data" / "candles" / "spot"
    files = [str(folder / f"BTCUSDT_{timeframe}.parquet") for timeframe in ("1h", "1d")]
    assert main(["data", "import", *files, "--json"]) == 0
    capsys.readouterr()
    assert main(["data", "check", "--symbol", "BTC/USDT", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    hours, days = answer["markets"]
    assert answer["complete"] is False
    assert (hours["bars"], hours["expected"], hours["gaps"], hours["missing"]) == (55_740, 55_868, 28, 128)
    assert (len(hours["holes"]), sum(hole["bars"] for hole in hours["holes"])) == (28, 128)
    assert {hole["cause"] for hole in hours["holes"]} == {"not fetched yet"}
    assert hours["freshness"] == "stale"
    (pair,) = days["against_finer"]
    assert (pair["finer"], pair["differ"]) == ("1h", 0)
    assert pair["compared"] == 1_566
    assert main(["data", "check"]) == 0
    table = capsys.readouterr().out
    assert "99.77 %" in table
    assert "128 missing bars were not fetched yet: cryptai data repair" in table


@pytest.mark.parametrize(("close", "words"), [(1.5, "in volume only"), (1.6, "by up to 6.3 %")])
def test_check_says_how_far_two_sources_disagree(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], close: float, words: str
) -> None:
    store = CandleStore(workspace.candles)
    for source, last, volume in (("kraken", 1.5, 1.0), ("binance", close, 2.0)):
        bar = Candles([SINCE], [1.0], [2.0], [0.5], [last], [volume], "BTC/USDT", "1h")
        store.write("binance", bar, replace=True, source=source, fetched_at_ms=NOW)
    assert main(["data", "check"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"1 bars of kraken were corrected by binance, first {iso(SINCE)}, {words}:" in told


def test_revisions_tell_where_the_bars_came_from(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    store = CandleStore(workspace.candles)
    for close in (1.5, 1.6):
        bar = Candles([SINCE], [1.0], [2.0], [0.5], [close], [1.0], "BTC/USDT", "1h")
        store.write("binance", bar, replace=True, source="binance", fetched_at_ms=NOW)
    assert main(["data", "revisions", "--symbol", "BTCUSDT", "--timeframe", "1h", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["revisions"]
    assert (first["source"], first["bars"], first["from"]) == ("binance", 1, iso(SINCE))
    assert first["fetched"] == iso(NOW)
    assert first["superseded"] is not None
    assert second["superseded"] is None
    assert main(["data", "revisions", "--symbol", "BTC/USDT", "--timeframe", "1h"]) == 0
    assert "Revisions of BTC/USDT 1h of binance" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["download", "--symbols", "BTC/USDT", "--timeframes", "2h", "--since", "2021-01-01"], "2h"),
        (["download", "--symbols", ",", "--timeframes", "1h", "--since", "2021-01-01"], "names nothing"),
        (["download", "--symbols", "??", "--timeframes", "1h", "--since", "2021-01-01"], "??"),
        (["download", "--symbols", "BTC/USDT", "--timeframes", "1h", "--since", "then"], "not a time"),
        (
            ["download", "--symbols", "BTC/USDT", "--timeframes", "1h", "--since", "2021-01-01",
             "--until", "2020-01-01"], "must be later",
        ),
        (
            ["download", "--exchange", "binanze", "--symbols", "BTC/USDT", "--timeframes", "1h",
             "--since", "2021-01-01"], "binance",
        ),
        (["check", "--symbol", "BTC/USDT"], "No bars BTC/USDT are stored"),
        (["repair", "--second", "practice"], "synthetic"),
        (["repair", "--second", "binance"], "another source"),
        (["revisions", "--symbol", "BTC/USDT", "--timeframe", "1h"], "No bars of BTC/USDT 1h"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence_exit_2_and_nothing_stored(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["data", *arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1
    assert list(workspace.candles.iterdir()) == []


def test_the_practice_market_is_downloaded_as_any_other(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--symbols", "BTC/USDT", "--timeframes", "1d", "--since", "2023-01-01", "--until", "2023-02-01"]
    assert main(["data", "download", "--exchange", "practice", *asked]) == 0
    told = capsys.readouterr().out
    assert "Downloaded from practice" in told
    assert "2023-01-31" in told
    assert main(["data", "repair", "--exchange", "practice", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["series"][0]["added"] == 0
