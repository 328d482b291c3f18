"""`cryptai check`: what is honest passes, what peeks is told with its bar, a mistake is one sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cryptai.cli.main import main
from cryptai.features.feature import features

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

PEEKING = """
from dataclasses import dataclass
import numpy as np
import cryptai as ca

@ca.strategy
@dataclass(frozen=True)
class Mine:
    wait: int = ca.param(1, low=1, high=9)

    def signals(self, candles):
        print("a word of its own")
        ahead = np.append(candles.close[self.wait:] > candles.close[:-self.wait], [False] * self.wait)
        return ca.Signals.entries(candles, long=ahead, exit_long=~ahead)
"""
HONEST = """
from dataclasses import dataclass
import cryptai as ca
from cryptai.features.crosses import before

@dataclass(frozen=True)
class Mine:
    def signals(self, candles):
        return ca.Signals.entries(candles, long=candles.close > before(candles.close))
"""
SHORT_WARMUP = """
import numpy as np
from cryptai.features.feature import within
from cryptai.features.indicator import indicator

@indicator(warmup=4, exact=4, period=within(2, 50, "bars"))
def my_mean(close, period: int = 10):
    '''Return a mean that needs more bars than it says.'''
    out = np.full(len(close), np.nan)
    for i in range(period - 1, len(close)):
        out[i] = close[i - period + 1 : i + 1].mean()
    return out
"""
FAR_AHEAD = """
from cryptai.features.indicator import indicator

@indicator(warmup=1, exact=1)
def far_ahead(close):
    '''Return the close, or that 1,000 bars later where there is one.'''
    out = close.copy()
    if len(close) > 1000:
        out[:-1000] = close[1000:]
    return out
"""


@pytest.fixture(autouse=True)
def _no_own_feature_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    features.names()
    monkeypatch.setattr(features, "_found", dict(features._found))


def asked(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = main(["check", *arguments, "--json"])
    out, err = capsys.readouterr()
    assert err == "" or "a word of its own" in err
    return status, json.loads(out)


def own(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize(("name", "kind"), [("ema_trend", "strategy"), ("rsi", "indicator")])
def test_what_is_honest_passes(
    name: str, kind: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = asked(name, capsys=capsys)
    (one,) = told["checks"]
    assert (status, told["fair"], one["fair"]) == (0, True, True)
    assert (one["name"], one["kind"]) == (name, kind)
    assert (one["causal"], one["rewritten"], one["streaming"]) == (True, None, True)
    assert one["warmup"]["enough"]
    assert one["cuts"] >= 75
    if kind == "strategy":
        assert one["null_market"]["fair"]
        assert one["null_market"]["worlds"] == 20
        assert one["null_market"]["trades"] > 100
        assert 500 < one["warmup"]["declared"] < 1_000
    else:
        assert one["null_market"] is None


def test_a_strategy_that_peeks_is_told_with_bar_column_and_both_values(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = asked(own(tmp_path, PEEKING), "--param", "wait=3", capsys=capsys)
    (one,) = told["checks"]
    assert (status, told["fair"], one["causal"]) == (1, False, False)
    assert one["parameters"] == {"wait": 3}
    found = one["rewritten"]
    assert found["column"] == "entry"
    assert (found["old"], found["new"]) == (0, 1)
    assert found["bar"] < found["cut"]
    assert found["at"].startswith("2021-01-04T")
    assert not one["null_market"]["fair"]
    assert main(["check", own(tmp_path, PEEKING)]) == 1
    said = capsys.readouterr().out
    assert "causal       no: on noise, with " in said
    assert "NOT fair: it wins where nothing can be won" in said
    assert "not to be believed" in said
    assert "a word of its own" not in said


def test_a_strategy_of_ones_own_is_checked_by_file_and_by_name(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (own(tmp_path, HONEST), own(workspace.strategies, HONEST) and "mine"):
        status, told = asked(name, capsys=capsys)
        (one,) = told["checks"]
        assert (status, one["name"], one["causal"]) == (0, "mine", True)
        assert one["warmup"]["needed"] == 2


def test_a_warm_up_that_is_too_short_is_told_with_what_is_needed(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = asked(own(tmp_path, SHORT_WARMUP), capsys=capsys)
    (one,) = told["checks"]
    assert (status, one["name"], one["causal"], one["streaming"]) == (1, "my_mean", True, False)
    assert (one["warmup"]["declared"], one["warmup"]["enough"], one["warmup"]["needed"]) == (4, False, 10)


def test_who_looks_a_thousand_bars_ahead_is_caught_on_a_long_series(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = asked(own(tmp_path, FAR_AHEAD), capsys=capsys)
    (one,) = told["checks"]
    assert (status, one["causal"], one["rewritten"]["column"]) == (1, False, "far_ahead")
    assert one["rewritten"]["cut"] > 1_000


def test_candles_of_ones_own_are_used(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import polars as pl

    from cryptai.research.series import noise

    bars = noise(1, 600)
    names = ("ts", "open", "high", "low", "close", "volume")
    pl.DataFrame({name: getattr(bars, name) for name in names}).write_csv(tmp_path / "mine.csv")
    status, told = asked("donchian", "--candles", str(tmp_path / "mine.csv"), capsys=capsys)
    assert (status, told["checks"][0]["bars"]) == (0, 400 + 400 + 600)


def test_how_much_a_rare_decision_needs_is_found_where_it_is_made(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rare = HONEST.replace("candles.close > before(candles.close)", "rare(candles.close)").replace(
        "@dataclass",
        "import numpy as np\n\ndef rare(close):\n    top = np.full(len(close), np.inf)\n"
        "    for i in range(90, len(close)):\n        top[i] = close[i - 90 : i].max() * 1.03\n"
        "    return close > top\n\n@dataclass",
    )
    status, told = asked(own(tmp_path, rare), capsys=capsys)
    (one,) = told["checks"]
    # Found by halving, so up to a sixty-fourth too many.
    assert (status, 91 <= one["warmup"]["needed"] <= 93) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rsj"], "did you mean rsi"),
        (["nowhere.py"], "There is no file nowhere.py"),
        (["rsi", "--param", "period=0"], "period must be from"),
        (["rsi", "--param", "fast=3"], "no parameter of rsi named 'fast'"),
        (["rsi", "--symbol", "BTC/USDT"], "timeframe missing"),
        (["rsi", "--candles", "none.csv", "--timeframe", "1h"], "There is no file none.csv"),
        (["empty.py"], "holds nothing to check"),
        (["broken.py"], "SyntaxError"),
        (["exits.py"], "cannot be imported: SystemExit"),
        (["fails.py"], "failed: ZeroDivisionError"),
        (["rsi.py"], "Two features are named 'rsi'"),
        (["raises.py"], "The indicator my_mean failed on 2 bars: IndexError: no (line 9)"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], said: str, workspace: Workspace, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    own(tmp_path, "x = 1\n", "empty.py")
    own(tmp_path, "def (:\n", "broken.py")
    own(tmp_path, "raise SystemExit(0)\n", "exits.py")
    own(tmp_path, "class Mine:\n    def signals(self, candles):\n        1 / 0\n", "fails.py")
    own(tmp_path, SHORT_WARMUP.replace("my_mean", "rsi"), "rsi.py")
    raising = "if len(close) < 3: raise IndexError('no')\n    out = np.full"
    own(
        tmp_path,
        SHORT_WARMUP.replace("out = np.full", raising, 1).replace("warmup=4, exact=4", "warmup=2, exact=2"),
        "raises.py",
    )
    assert main(["check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
