"""The examples of README and guide are run as they stand, over synthetic candles in an own workspace."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from cryptai.cli.main import main

if TYPE_CHECKING:
    from cryptai.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "docs/guide/start.md",
    "docs/guide/features.md",
    "docs/guide/own_strategies.md",
    "docs/guide/portfolio.md",
    "docs/guide/execution.md",
    "docs/guide/research.md",
    "CONTRIBUTING.md",
)
# These start a server or a whole test run; tests of their own drive them.
NOT_HERE = ("make ", "cryptai up", "git ", "cryptai restore")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name: three years of hours, up and down, and funding."""
    hours = np.arange(3 * 365 * 24, dtype=np.int64)
    close = 30_000 * np.exp(0.3 * np.sin(hours / 300) + 0.02 * np.sin(hours / 17))
    first = np.concatenate([[close[0]], close[:-1]])
    frame = pl.DataFrame(
        {
            "ts": 1_609_459_200_000 + hours * 3_600_000,
            "open": first,
            "high": np.maximum(first, close) * 1.002,
            "low": np.minimum(first, close) * 0.998,
            "close": close,
            "volume": np.ones(len(hours)),
        }
    )
    frame.write_parquet(tmp_path / "BTCUSDT_1h.parquet")
    frame.write_csv(tmp_path / "candles.csv")
    prices = [pl.col(name) ** 0.8 for name in ("open", "high", "low", "close")]
    frame.with_columns(prices).write_parquet(tmp_path / "ETHUSDT_1h.parquet")
    due = pl.DataFrame({"ts": frame["ts"][::8], "funding_rate": np.full(len(frame[::8]), 0.0001)})
    due.write_csv(tmp_path / "BTCUSDT_funding.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_runs(page: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]
    for line in lines:
        command = line.split("#")[0].strip()
        if command.startswith(NOT_HERE):
            continue
        name, *arguments = shlex.split(command)
        assert name == "cryptai", f"what is {line!r}?"
        assert main(arguments) == 0, f"{line}: {capsys.readouterr().err}"
        assert capsys.readouterr().out.strip(), f"{line} said nothing"


@pytest.mark.parametrize("page", PAGES)
def test_every_piece_of_python_of_the_page_runs(page: str, desk: Path) -> None:
    for number, block in enumerate(blocks(page, "python")):
        # A process of its own, as a person's script has: what it registers stays there.
        file = desk / f"example_{number}.py"
        file.write_text(block)
        done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_readme_names_the_two_commands_on_its_first_screen() -> None:
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:12])
    assert "make run" in first
    assert "make test" in first
