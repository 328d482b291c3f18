"""The doctor finds what is broken, says the way out, and changes nothing."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from cryptai.cli import findings
from cryptai.cli.finding import Finding
from cryptai.cli.findings import all_findings
from cryptai.cli.main import main
from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.workspace import LAYOUT_VERSION, lock_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace


def found(name: str) -> Finding:
    return next(finding for finding in all_findings(offline=True) if finding.name == name)


def migrate(workspace: Workspace, *rows: tuple[str, str]) -> None:
    with closing(sqlite3.connect(workspace.database)) as db:
        db.execute("CREATE TABLE django_migrations (app TEXT, name TEXT)")
        db.executemany("INSERT INTO django_migrations VALUES (?, ?)", rows)
        db.commit()


def test_it_works_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "none"))
    assert main(["doctor", "--offline", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert {"python", "engine", "workspace", "candles", "database"} <= {f["name"] for f in said["findings"]}
    assert main(["doctor", "--offline"]) == 0
    assert "named by CRYPTAI_HOME" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_it_says_where_the_workspace_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRYPTAI_HOME")
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path / 'workspace'} (in the current folder)" in found("workspace").text


def test_it_counts_the_stored_bars(workspace: Workspace) -> None:
    close = np.ones(30)
    ts = np.arange(30, dtype=np.int64) * 3_600_000
    bars = Candles(ts, close, close, close, close, close, symbol="BTC/USDT", timeframe="1h")
    CandleStore(workspace.candles).write("binance", bars)
    assert found("candles") == Finding("candles", "ok", "30 bars in 1 series of binance")


def test_a_newer_workspace_is_broken(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "version").write_text(f"{LAYOUT_VERSION + 1}\n")
    assert main(["doctor", "--offline"]) == 1
    assert "update CryptAI" in capsys.readouterr().out


def test_a_damaged_catalog_is_broken(workspace: Workspace) -> None:
    (workspace.candles / "catalog.sqlite3").write_bytes(b"no database" * 100)
    assert found("candles").state == "fail"


def test_a_damaged_database_is_broken(workspace: Workspace) -> None:
    workspace.database.write_bytes(b"no database" * 100)
    assert found("database").state == "fail"
    assert "cryptai restore" in found("database").way_out


def test_the_database_is_compared_with_the_migrations_shipped(workspace: Workspace) -> None:
    migrate(workspace, ("auth", "0001_initial"))
    assert found("database").state == "warn"
    workspace.database.unlink()
    migrate(workspace, ("accounts", "9999_from_the_future"))
    assert found("database").state == "fail"
    assert "accounts.9999_from_the_future" in found("database").text


def test_a_secret_that_others_can_read_is_broken(workspace: Workspace) -> None:
    key = workspace.secrets / "django.key"
    key.write_text("secret")
    key.chmod(0o644)
    assert found("secrets").state == "fail"
    key.chmod(0o600)
    assert "secrets" not in {finding.name for finding in all_findings(offline=True)}


def test_it_knows_whether_a_server_runs(workspace: Workspace) -> None:
    assert found("server").text == "none has run here yet"
    with lock_workspace(workspace):
        assert found("server").text.startswith("running, process ")
    assert found("server").text == "not running"


@pytest.mark.parametrize(("free", "state"), [(10**12, "ok"), (10**9, "warn"), (10**6, "fail")])
def test_little_room_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))
    assert found("disk").state == state


def test_a_missing_package_is_broken(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "CORE", ("numpy", "no-such-package"))
    monkeypatch.setattr(findings, "SITE", ("no-such-package",))
    assert found("engine").state == "fail"
    assert found("site").state == "warn"


def venue() -> Finding:
    return all_findings(offline=False)[-1]


def test_a_venue_that_cannot_be_reached_is_told_and_fails_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("CRYPTAI_BINANCE_REST", f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert venue().state == "warn"
    assert main(["doctor"]) == 0


def test_a_venue_that_is_silent_is_not_waited_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "_VENUE_SECONDS", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("CRYPTAI_BINANCE_REST", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "did not answer within" in venue().text


def test_a_venue_that_answers_is_told(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answering:
        async def ping(self) -> None:
            return

        async def aclose(self) -> None:
            return

    def open_source(_: str) -> Any:
        return Answering()

    monkeypatch.setattr("cryptai.market.source.open_source", open_source)
    assert venue() == Finding("venue", "ok", "binance answers")
