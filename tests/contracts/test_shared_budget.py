"""One request budget for all machines of a database: its weights, its pauses, and what a look changes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cryptai.errors import SourceError, WorkspaceError
from cryptai.market.budget import Budget, budget_states
from cryptai.workspace import workspace_root

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contracts.conftest import Backend

HOST = "https://api.example.org"


@pytest.fixture
def shared(postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", postgresql)
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "home"))
    return postgresql


async def test_two_machines_spend_from_one_budget(
    shared: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert budget_states() == []
    waited: list[float] = []

    async def rest(seconds: float) -> None:
        waited.append(seconds)
        raise TimeoutError

    here = Budget("binance", HOST, limit=100)
    await here.spend(60)
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "another machine"))
    there = Budget("binance", HOST, limit=100, rest=rest)
    await there.spend(30)
    with pytest.raises(TimeoutError):
        await there.spend(1)
    assert 0 < waited[0] <= 2.0
    (state,) = budget_states()
    assert (state.venue, state.address, state.used, state.waiting) == ("binance", HOST, 90, 0)
    there.heard({"X-MBX-USED-WEIGHT-1M": "97"})
    assert here.state().used == 97
    here.learn(6_000)
    assert there.state().limit == 6_000
    await there.spend(1)
    for budget in (here, there):
        budget.close()
        budget.close()
    assert not (workspace_root() / "budget.sqlite3").exists()


async def test_a_pause_that_one_machine_was_told_holds_for_all(shared: str) -> None:
    one, two = Budget("binance", HOST), Budget("binance-perps", HOST)
    assert one.refused(429, {"Retry-After": "90"}) == 90
    with pytest.raises(SourceError, match=r"asked for a pause, of which 9[01] s are left"):
        await two.spend(1)
    assert two.refused(429, {"Retry-After": "3"}) == 3
    assert 88 < two.state().pause_s < 91, "a shorter pause does not end a longer one"
    await Budget("binance", "https://elsewhere.example.org").spend(1)


def test_processes_on_all_machines_never_ask_for_more_than_there_is(shared: str) -> None:
    script = f"""
import asyncio
from cryptai.market.budget import Budget
async def ask():
    budget = Budget("binance", "{HOST}", limit=100)
    budget.state()
    for _ in range(46):
        try:
            await asyncio.wait_for(budget.spend(2), 2)
        except TimeoutError:
            break
        print("asked", flush=True)
asyncio.run(ask())
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ}
        )
        for _ in range(3)
    ]
    asked = [process.communicate(timeout=60)[0].count("asked") for process in processes]
    assert sum(asked) == 45, "nine tenths of 100, two each"


def test_a_database_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/db")
    for use in (budget_states, Budget("binance", HOST).state):
        with pytest.raises(WorkspaceError, match="request budget in the database") as caught:
            use()
        assert "secret" not in str(caught.value)


async def test_a_look_changes_nothing(backend: Backend) -> None:
    assert budget_states() == []
    assert not (backend.root / "home" / "budget.sqlite3").exists()
    if backend.catalog_is_shared:
        import psycopg

        with psycopg.connect(backend.environment["DATABASE_URL"], autocommit=True) as db:
            await Budget("binance", HOST).spend(7)
            before = db.execute("SELECT xmin, * FROM cryptai_budget.spent").fetchall()
            assert [state.used for state in budget_states()] == [7]
            assert db.execute("SELECT xmin, * FROM cryptai_budget.spent").fetchall() == before
        return
    import sqlite3

    budget = Budget("binance", HOST)
    await budget.spend(7)
    budget.close()
    with sqlite3.connect(backend.root / "home" / "budget.sqlite3") as file:
        file.execute("UPDATE spent SET boot = 'of yesterday'")
    file.close()
    before = (backend.root / "home" / "budget.sqlite3").read_bytes()
    assert [state.used for state in budget_states()] == [0]
    assert (backend.root / "home" / "budget.sqlite3").read_bytes() == before
