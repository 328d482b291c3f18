"""The mode of several processes, against a real PostgreSQL and a real Redis."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from full import REDIS, environment, postgresql, redis_prefix  # noqa: F401 (fixtures)

from cryptai.errors import WorkspaceError
from cryptai.seams import monotonic, sleep
from cryptai.web import addresses
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace

_JOB = "update_historical_data_task"
_NOTHING = "No candles of a venue that can be asked are stored."


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_workspace(tmp_path_factory.mktemp("full") / "workspace")


@pytest.fixture(scope="module")
def migrated(place: Workspace, postgresql: str) -> str:  # noqa: F811
    done = python("-m", "django", "migrate", "-v", "0", home=place.root, DATABASE_URL=postgresql)
    assert done.returncode == 0, done.stderr
    return postgresql


def test_every_migration_runs_on_postgresql(place: Workspace, migrated: str) -> None:
    tables = {
        row[0] for row in asked(migrated, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    assert {"accounts_user", "research_run", "ops_lease", "ops_jobrun", "django_session"} <= tables
    assert not place.database.exists(), "SQLite is not touched"


def test_of_two_processes_one_runs_what_is_due(place: Workspace, migrated: str) -> None:
    code = (
        "import sys, django; django.setup()\n"
        "from cryptai.web.jobs import jobs\n"
        "from cryptai.web.ops.models import Lease\n"
        "from cryptai.web.ops.runs import run_due\n"
        f"job = jobs.get({_JOB!r})\n"
        "Lease.objects.get_or_create(job=job.name, defaults={'token': '0', 'slot_ms': 0, 'attempt': 2})\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "run = run_due(job)\n"
        "print(run and run.reason)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment(place.root, DATABASE_URL=migrated),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(said) == sorted([_NOTHING, "None"])


def test_a_celery_worker_works_off_what_was_asked_for_once(
    place: Workspace,
    migrated: str,
    redis_prefix: str,  # noqa: F811
) -> None:
    env = {"DATABASE_URL": migrated, "REDIS_URL": REDIS, "CRYPTAI_REDIS_PREFIX": redis_prefix}
    runs = "SELECT job, status, reason FROM ops_jobrun ORDER BY started_ms"
    before = len(asked(migrated, runs))
    with worker(place.root, env):
        code = (
            "import django; django.setup()\n"
            "from cryptai.web.jobs import jobs\n"
            f"jobs.get({_JOB!r}).enqueue(); jobs.get('weekly_gap_check_and_fill_task').enqueue()\n"
        )
        done = python("-c", code, home=place.root, **env)
        assert done.returncode == 0, done.stderr
        until = monotonic() + 50
        while len(found := asked(migrated, runs)[before:]) < 2 or "RUNNING" in {run[1] for run in found}:
            assert monotonic() < until, found
            sleep(0.1)
    assert sorted(found) == [
        (_JOB, "COMPLETED", _NOTHING),
        ("weekly_gap_check_and_fill_task", "COMPLETED", _NOTHING),
    ]


def test_beat_has_an_entry_for_each_schedule_and_asks_at_its_moments(
    place: Workspace,
    migrated: str,
    redis_prefix: str,  # noqa: F811
) -> None:
    code = (
        "import json\n"
        "from datetime import UTC, datetime\n"
        "from cryptai import seams\n"
        "from cryptai.web.celery import app\n"
        "def asked(schedule, last, now):\n"
        "    ns = round(datetime.fromisoformat(now + '+00:00').timestamp()) * 1_000_000_000\n"
        "    with seams.replaced(now_ns=lambda: ns):\n"
        "        return list(schedule.is_due(datetime.fromisoformat(last + '+00:00')))\n"
        "entries = app.conf.beat_schedule\n"
        "daily = entries['update_historical_data_daily_task']['schedule']\n"
        "print(json.dumps([\n"
        "    {name: entry['task'] for name, entry in entries.items()},\n"
        "    asked(daily, '2026-11-21T02:29:00', '2026-11-21T02:29:50'),\n"
        "    asked(daily, '2026-11-21T02:29:00', '2026-11-21T02:30:00'),\n"
        "    asked(daily, '2026-11-21T02:30:00', '2026-11-21T02:30:00'),\n"
        "]))\n"
    )
    done = python(
        "-c", code, home=place.root, DATABASE_URL=migrated, REDIS_URL=REDIS, CRYPTAI_REDIS_PREFIX=redis_prefix
    )
    assert done.returncode == 0, done.stderr
    entries, early, due, late = json.loads(done.stdout)
    assert entries["weekly_gap_check_and_fill_task"] == "cryptai.weekly_gap_check_and_fill_task"
    assert (early, due, late) == ([False, 10.0], [True, 86400.0], [False, 86400.0])


def test_without_addresses_everything_is_in_the_workspace(tmp_path: Path) -> None:
    found = addresses.database("", tmp_path / "cryptai.sqlite3")
    assert (found["ENGINE"], found["NAME"]) == ("django.db.backends.sqlite3", tmp_path / "cryptai.sqlite3")
    assert addresses.cache("", "x:")["BACKEND"].endswith("LocMemCache")


def test_an_address_is_read_as_written(tmp_path: Path) -> None:
    found = addresses.database("postgresql://a%40b:p%2Fw@db.example:5433/cryptai?sslmode=require", tmp_path)
    assert found == {
        "ENGINE": "django.db.backends.postgresql", "NAME": "cryptai", "USER": "a@b", "PASSWORD": "p/w",
        "HOST": "db.example", "PORT": "5433", "OPTIONS": {"sslmode": "require"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "address", ["mysql://u:secret@h/d", "secret", "postgresql://u:secret@h:port/d", "postgresql://u:secret@h"]
)
def test_a_wrong_address_is_refused_without_repeating_its_password(address: str, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="DATABASE_URL") as refused:
        addresses.database(address, tmp_path)
    assert "secret@" not in str(refused.value)
    with pytest.raises(WorkspaceError, match="REDIS_URL"):
        addresses.cache("http://127.0.0.1", "x:")


def asked(address: str, query: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(address) as connection:
        return connection.execute(query).fetchall()


class worker:  # noqa: N801 (used as a block: `with worker(…):`)
    """A real Celery worker, gone when the block ends."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        command = ["-A", "cryptai.web.celery", "worker", "--concurrency", "1", "--without-mingle"]
        with (home / "worker.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", *command],
                env=environment(home, **env), cwd=home, stdout=log, stderr=log,
            )  # fmt: skip

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def python(*args: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], env=environment(home, **env),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
