"""`cryptai data import` and `cryptai data list`, as a person and as a script meet them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from cryptai import seams
from cryptai.cli.main import main
from cryptai.market.store import CandleStore

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

HOUR = 3_600_000
T0 = 1_609_459_200_000  # 2021-01-01


def frame(first: int, last: int, step: int = HOUR) -> pl.DataFrame:
    places = range(first, last)
    return pl.DataFrame(
        {
            "ts": [T0 + i * step for i in places],
            "open": [10.0 + i % 7 for i in places],
            "high": [20.0 + i % 7 for i in places],
            "low": [5.0] * len(places),
            "close": [11.0 + i % 7 for i in places],
            "volume": [float(i) for i in places],
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    frame(0, 1000).write_parquet(folder / "BTCUSDT_1h.parquet")
    frame(0, 50, 24 * HOUR).write_csv(folder / "ETH-USDT_1d.csv")
    return folder


def ask(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    status = main(["data", *map(str, args)])
    out, err = capsys.readouterr()
    return status, out, err


def ask_json(capsys: pytest.CaptureFixture[str], *args: object) -> dict[str, Any]:
    status, out, err = ask(capsys, *args, "--json")
    assert (status, err) == (0, "")
    answer: dict[str, Any] = json.loads(out)
    return answer


def snapshot(workspace: Workspace) -> tuple[dict[str, bytes], list[object]]:
    """Every file of the store but SQLite's own, and what the store says it holds."""
    folder = workspace.candles
    content = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "sqlite3" not in path.name
    }
    return content, list(CandleStore(folder).markets())


def test_import_tells_what_it_did_file_by_file(
    workspace: Workspace, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [files / "BTCUSDT_1h.parquet", files / "ETH-USDT_1d.csv"]
    answer = ask_json(capsys, "import", *names)
    assert answer == {
        "exchange": "binance",
        "files": [
            {
                "file": str(names[0]), "symbol": "BTC/USDT", "timeframe": "1h",
                "bars": 1000, "added": 1000, "same": 0, "replaced": 0, "holes": 0,
            },
            {
                "file": str(names[1]), "symbol": "ETH/USDT", "timeframe": "1d",
                "bars": 50, "added": 50, "same": 0, "replaced": 0, "holes": 0,
            },
        ],
        "added": 1050, "same": 0, "replaced": 0,
    }  # fmt: skip
    again = ask_json(capsys, "import", *names)
    assert (again["added"], again["same"]) == (0, 1050)


def test_list_tells_what_is_stored(
    workspace: Workspace, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.concat([frame(0, 10), frame(12, 20)]).write_csv(files / "BTCUSDT_1h.csv")
    ask_json(capsys, "import", files / "BTCUSDT_1h.csv", "--exchange", "practice")
    ask_json(capsys, "import", files / "ETH-USDT_1d.csv")
    listed = ask_json(capsys, "list")["markets"]
    digests = [market.pop("digest") for market in listed]
    assert listed == [
        {
            "exchange": "binance", "symbol": "ETH/USDT", "timeframe": "1d", "bars": 50,
            "from": "2021-01-01T00:00:00Z", "to": "2021-02-19T00:00:00Z", "holes": 0, "practice": False,
        },
        {
            "exchange": "practice", "symbol": "BTC/USDT", "timeframe": "1h", "bars": 18,
            "from": "2021-01-01T00:00:00Z", "to": "2021-01-01T19:00:00Z", "holes": 2, "practice": True,
        },
    ]  # fmt: skip
    assert all(len(digest) == 64 for digest in digests)
    assert ask_json(capsys, "list")["derived"] == [
        {"exchange": "binance", "symbol": "ETH/USDT", "timeframes": ["1w"]},
        {"exchange": "practice", "symbol": "BTC/USDT", "timeframes": ["4h"]},
    ]
    assert "Made of finer bars when they are read: 4h of BTC/USDT.\n" in ask(capsys, "list")[1]
    assert [m["exchange"] for m in ask_json(capsys, "list", "--exchange", "practice")["markets"]] == [
        "practice"
    ]
    assert ask_json(capsys, "list", "--exchange", "kraken") == {"markets": [], "derived": []}


def test_the_listing_is_the_same_text_whatever_the_order_of_files_and_the_hour(
    tmp_path: Path, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [(0, 400), (300, 700), (699, 1000)]
    texts = set()
    for order in ([0, 1, 2], [2, 0, 1], [2, 1, 0]):
        monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / f"home-{order}"))
        for i in order:
            path = files / f"part{i}.csv"
            frame(*pieces[i]).write_csv(path)
            ask_json(capsys, "import", path, "--symbol", "BTCUSDT", "--timeframe", "1h")
        texts.add(ask(capsys, "list", "--json")[1])
    assert len(texts) == 1


def test_the_human_view_is_a_table(
    workspace: Workspace, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = ask(capsys, "import", files / "BTCUSDT_1h.parquet")
    assert (status, err) == (0, "")
    assert "Imported into binance" in out
    assert "1,000" in out
    ask(capsys, "import", files / "BTCUSDT_1h.parquet", "--exchange", "practice")
    status, out, err = ask(capsys, "list")
    assert (status, err) == (0, "")
    assert "BTC/USDT" in out
    assert "2021-02-11 15:00" in out
    assert "PRACTICE" in out
    assert all(len(line.rstrip()) <= 100 for line in out.splitlines())


def test_an_empty_store_says_how_to_fill_it_and_listing_makes_no_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "nowhere"))
    assert ask(capsys, "list") == (
        0, "No candles are stored; bring some in with: cryptai data import FILE\n", ""
    )  # fmt: skip
    assert ask_json(capsys, "list") == {"markets": [], "derived": []}
    assert not (tmp_path / "nowhere").exists()


def test_one_bad_file_keeps_all_others_out(
    workspace: Workspace, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "XRPUSDT_1h.csv").write_text("ts,open,high,low,close,volume\n1,2,3,4,5,6\n")
    before = snapshot(workspace)
    status, out, err = ask(capsys, "import", files / "BTCUSDT_1h.parquet", files / "XRPUSDT_1h.csv", "--json")
    assert (status, out) == (2, "")
    assert err.startswith(f"cryptai: {files / 'XRPUSDT_1h.csv'}: Row 0")
    assert err.count("\n") == 1
    assert snapshot(workspace) == before


def bad_files(files: Path) -> dict[str, list[object]]:
    """By case: the arguments of an import that must be refused."""
    good = (files / "BTCUSDT_1h.parquet").read_bytes()

    def made(name: str, content: bytes) -> Path:
        path = files / "bad" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    csv = frame(0, 50).write_csv().encode()
    return {
        "missing": [files / "nothing_1h.csv"],
        "a folder": [files],
        "empty": [made("LTCUSDT_1h.csv", b"")],
        "header only": [made("ADAUSDT_1h.csv", csv.splitlines(keepends=True)[0])],
        "corrupt Parquet": [made("ADAUSDT_1h.parquet", b"PAR1" + b"junk" * 100 + b"PAR1")],
        "truncated Parquet": [made("LTCUSDT_1h.parquet", good[: len(good) // 2])],
        "wrong columns": [made("AUSDT_1h.csv", csv.replace(b"close", b"last"))],
        "swapped columns": [made("BUSDT_1h.csv", csv.replace(b"high,low", b"low,high"))],
        "text": [made("CUSDT_1h.csv", csv.replace(b"5.0", b"five", 1))],
        "NaN": [made("DUSDT_1h.csv", csv.replace(b"5.0", b"nan", 1))],
        "infinite": [made("EUSDT_1h.csv", csv.replace(b"20.0", b"inf", 1))],
        "zero price": [made("FUSDT_1h.csv", csv.replace(b"5.0", b"0", 1))],
        "unsorted": [made("GUSDT_1h.csv", frame(0, 9).reverse().write_csv().encode())],
        "duplicate": [made("HUSDT_1h.csv", pl.concat([frame(0, 9), frame(8, 9)]).write_csv().encode())],
        "off the grid": [made("IUSDT_1h.csv", csv.replace(b"00000,", b"00001,"))],
        "high below low": [made("JUSDT_1h.csv", csv.replace(b"20.0", b"4.0", 1))],
        "negative volume": [made("KUSDT_1h.csv", csv.replace(b",7.0\n", b",-7.0\n", 1))],
        "seconds": [made("LUSDT_1h.csv", csv.replace(b"00000,", b"00,"))],
        "hours called days": [files / "BTCUSDT_1h.parquet", "--timeframe", "1d"],
        "days called hours": [files / "ETH-USDT_1d.csv", "--timeframe", "1h"],
        "absurd date": [made("MUSDT_1h.csv", frame(1_200_000, 1_200_009).write_csv().encode())],
        "no such timeframe": [files / "BTCUSDT_1h.parquet", "--timeframe", "2h"],
        "no symbol": [files / "BTCUSDT_1h.parquet", "--symbol", "??"],
        "no exchange": [files / "BTCUSDT_1h.parquet", "--exchange", "../up"],
        "contradicting": [files / "BTCUSDT_1h.parquet", "--symbol", "ETH/USDT"],
        "no file": [],
        "name tells nothing": [made("prices.csv", csv)],
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_bad_input_is_one_sentence_exit_2_and_an_untouched_store(
    workspace: Workspace, files: Path, capfd: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    other = files / "other.csv"
    frame(100, 200).with_columns(pl.col("volume") + 1).write_csv(other)
    assert main(["data", "import", str(other), "--symbol", "ETHUSDT", "--timeframe", "1h", "--json"]) == 0
    capfd.readouterr()
    before = snapshot(workspace)
    for case, arguments in bad_files(files).items():
        status = main(["data", "import", *map(str, arguments), *(["--json"] if as_json else [])])
        out, err = capfd.readouterr()
        assert (case, status, out) == (case, 2, "")
        assert err.startswith("cryptai: "), case
        assert err.count("\n") == 1, case
        assert len(err) < 600, case
        assert snapshot(workspace) == before, case


def test_a_refused_import_makes_no_workspace(
    tmp_path: Path, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "nowhere"))
    for case in ("missing", "empty", "no exchange", "no symbol", "corrupt Parquet"):
        assert ask(capsys, "import", *bad_files(files)[case])[0] == 2
    assert not (tmp_path / "nowhere").exists()


def test_a_bar_that_is_still_open_is_not_imported(
    workspace: Workspace, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for now, wanted in ((T0 + 1000 * HOUR - 1, 2), (T0 + 1000 * HOUR, 0)):
        with seams.replaced(now_ns=lambda now=now: now * 1_000_000):
            status, _, err = ask(capsys, "import", files / "BTCUSDT_1h.parquet", "--json")
        assert status == wanted
    assert err == ""


def test_a_terminal_sees_progress_and_a_script_does_not(
    workspace: Workspace, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert "Reading" in ask(capsys, "import", files / "BTCUSDT_1h.parquet")[2]
    assert ask(capsys, "import", files / "BTCUSDT_1h.parquet", "--json")[2] == ""


def test_a_contradiction_goes_in_with_replace_only(
    workspace: Workspace, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files / "BTCUSDT_1h.parquet"
    ask_json(capsys, "import", path)
    before = snapshot(workspace)
    changed = frame(0, 1000).with_columns(
        pl.when(pl.col("ts") == T0 + 5 * HOUR).then(99.0).otherwise("volume").alias("volume")
    )
    changed.write_parquet(path)
    status, out, err = ask(capsys, "import", path, "--json")
    assert (status, out) == (2, "")
    assert "2021-01-01T05:00:00Z has volume 5.0 (new 99.0)" in err
    assert "--replace" in err
    assert snapshot(workspace) == before
    answer = ask_json(capsys, "import", path, "--replace")
    assert (answer["added"], answer["same"], answer["replaced"]) == (0, 999, 1)
    assert CandleStore(workspace.candles).read("binance", "BTC/USDT", "1h").volume[5] == 99.0


@pytest.mark.shared
def test_the_real_files_go_in_by_their_names(
    workspace: Workspace, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = sorted((shared / "data" / "candles" / "spot").glob("*_1[hd].parquet"))
    answer = ask_json(capsys, "import", *names)
    assert len(answer["files"]) == len(names) == 14
    listed = {(m["symbol"], m["timeframe"]): m for m in ask_json(capsys, "list")["markets"]}
    hours = listed["BTC/USDT", "1h"]
    assert (hours["bars"], hours["holes"]) == (55_740, 128)
    assert (hours["from"], hours["to"]) == ("2017-08-17T04:00:00Z", "2023-12-31T23:00:00Z")
