"""Jobs run when they are due, one process at a time, and every run is on record."""

from __future__ import annotations

import json
import subprocess
import sys
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from cryptai import seams
from cryptai.errors import ConflictError, SourceError
from cryptai.registry import Registry
from cryptai.web import jobs as jobs_module
from cryptai.web.jobs import Job, job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    from cryptai.web.accounts.models import User
    from cryptai.workspace import Workspace

MINUTE = 60_000
NOON = 1_700_049_600_000


class World:
    """A clock to set, and jobs of the test's own in place of the platform's."""

    def __init__(self) -> None:
        self.ms = NOON + 60_000
        self.calls: list[int] = []
        self.raises: BaseException | None = None

    def hourly(self, **options: Any) -> Job:
        def hourly() -> str:
            """Note that it ran."""
            self.calls.append(self.ms)
            if self.raises:
                raise self.raises
            return "Done."

        return job(**(options or {"every": "1h"}))(hourly)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    from cryptai.web.ops import runs, threads

    made = World()
    registry: Registry[Job] = Registry("job", "cryptai.web.schedule")
    registry._loaded = True
    for module in (jobs_module, runs, threads):
        monkeypatch.setattr(module, "jobs", registry)
    with seams.replaced(now_ns=lambda: made.ms * 1_000_000):
        yield made


def test_the_requirements_schedule_exists_under_its_names() -> None:
    schedule = {one.name: one.schedule for one in jobs_module.jobs}
    assert schedule == {
        "follow_signals_task": "every 1h",
        "select_daily_best_signals_task": "5 0 * * * UTC",
        "sync_crypto_symbols_task": "30 1 * * * UTC",
        "sync_market_data_task": "0 1 * * * UTC",
        "update_crypto_prices": "every 30m",
        "update_historical_data_daily_task": "30 2 * * * UTC",
        "update_historical_data_task": "every 1h",
        "weekly_gap_check_and_fill_task": "0 3 * * 0 UTC",
    }
    assert all(one.meaning.endswith(".") for one in jobs_module.jobs)


def test_a_job_has_one_schedule() -> None:
    with pytest.raises(ValueError, match="one schedule"):
        job(every="1h", cron="0 3 * * 0")


@pytest.mark.django_db
def test_a_new_job_waits_for_its_moment_and_runs_once_at_it(world: World) -> None:
    from cryptai.web.ops.runs import run_due

    one = world.hourly()
    assert run_due(one) is None
    world.ms = NOON + 60 * MINUTE
    run = run_due(one)
    assert run is not None
    assert (run.status, run.reason, run.slot_ms) == ("COMPLETED", "Done.", NOON + 60 * MINUTE)
    assert (run.started_ms, run.ended_ms) == (world.ms, world.ms)
    world.ms += 59 * MINUTE
    assert run_due(one) is None
    assert len(world.calls) == 1


@pytest.mark.django_db
def test_however_many_moments_were_missed_one_run_catches_up(world: World) -> None:
    from cryptai.web.ops.runs import run_due

    one = world.hourly()
    run_due(one)
    world.ms += 5 * 60 * MINUTE
    run = run_due(one)
    assert run is not None
    assert run.slot_ms == NOON + 5 * 60 * MINUTE, "the newest moment"
    assert [run_due(one) for _ in range(5)] == [None] * 5
    assert len(world.calls) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (SourceError("The venue is away."), "The venue is away."),
        (KeyError("x"), "A mistake of ours (KeyError); the log says more."),
    ],
)
def test_a_failure_is_on_record_and_ends_with_its_moment(
    world: World, raised: BaseException, reason: str
) -> None:
    from cryptai.web.ops.runs import run_due, run_now

    one = world.hourly()
    world.raises = raised
    failed = run_now(one)
    assert (failed.status, failed.reason) == ("FAILED", reason)
    assert run_due(one) is None, "asked for by hand, it does not count as a moment"
    world.ms += 60 * MINUTE
    world.raises = None
    again = run_due(one)
    assert again is not None
    assert again.status == "COMPLETED"


@pytest.mark.django_db
def test_what_is_running_is_not_begun_again_until_its_process_is_taken_for_dead(world: World) -> None:
    from cryptai.web.ops.models import LEASE_MS, JobRun, Lease
    from cryptai.web.ops.runs import run_due, run_now

    one = world.hourly()
    run_due(one)
    world.ms += 60 * MINUTE
    dead = Lease.objects.take_due(one)  # a process that is killed now
    assert dead is not None
    world.ms += LEASE_MS - 1
    assert run_due(one) is None
    with pytest.raises(ConflictError, match="hourly is running already"):
        run_now(one)
    assert dead.extend(), "it was only slow"
    world.ms += LEASE_MS
    caught_up = run_due(one)
    assert caught_up is not None
    assert caught_up.status == "COMPLETED"
    assert not dead.extend()
    late = dead.finish(JobRun.Status.COMPLETED, "I was slow.")
    assert (late.status, late.reason) == ("FAILED", "The process that ran it ended before it did.")
    assert run_due(one) is None


@pytest.mark.django_db
def test_a_moment_whose_processes_die_is_tried_twice_not_for_ever(world: World) -> None:
    from cryptai.web.ops.models import LEASE_MS, Lease

    one = world.hourly()
    Lease.objects.take_due(one)
    world.ms += 60 * MINUTE
    taken = []
    for _ in range(5):
        taken.append(Lease.objects.take_due(one) is not None)
        world.ms += LEASE_MS
    assert taken == [True, True, False, False, False]
    world.ms += 60 * MINUTE
    assert Lease.objects.take_due(one) is not None


@pytest.mark.django_db
def test_of_two_that_saw_the_same_lease_one_gets_it(world: World) -> None:
    from cryptai.web.ops.models import JobRun, Lease

    one = world.hourly()
    Lease.objects.take_due(one)
    seen = [Lease.objects.get(pk="hourly") for _ in range(2)]
    world.ms += 60 * MINUTE
    got = [Lease.objects._take(row, world.ms, slot_ms=world.ms, attempt=1, for_slot=True) for row in seen]
    assert [held is not None for held in got] == [True, False]
    assert JobRun.objects.count() == 1


@pytest.mark.django_db
def test_of_a_job_the_newest_500_runs_are_kept(world: World) -> None:
    from cryptai.web.ops.models import JobRun
    from cryptai.web.ops.runs import run_now

    one = world.hourly()
    JobRun.objects.bulk_create(
        JobRun(job="hourly", holder="x", status="COMPLETED", started_ms=i) for i in range(600)
    )
    newest = run_now(one)
    assert JobRun.objects.count() == 500
    assert JobRun.objects.first() == newest


@pytest.mark.django_db(transaction=True)
def test_the_server_begins_what_is_due_on_a_thread_and_says_when_to_look_again(world: World) -> None:
    from cryptai.web.ops import threads
    from cryptai.web.ops.models import JobRun

    world.hourly()
    assert threads.begin_due() == 30.0
    _wait_until(lambda: not threads._underway)
    assert world.calls == []
    world.ms = NOON + 60 * MINUTE - 5000
    assert threads.begin_due() == 5.0, "the next moment is nearer"
    world.ms = NOON + 60 * MINUTE
    threads.begin_due()
    _wait_until(lambda: not threads._underway)
    assert [run.status for run in JobRun.objects.all()] == ["COMPLETED"]


@pytest.mark.django_db(transaction=True)
def test_what_runs_for_ever_is_begun_at_once_and_again_when_it_ended(world: World) -> None:
    from cryptai.web.ops import threads

    world.hourly(forever=True)
    for _ in range(3):
        threads.begin_due()
        _wait_until(lambda: not threads._underway)
        world.ms += 1000
    assert len(world.calls) == 3


@pytest.mark.django_db(transaction=True)
def test_a_long_run_keeps_its_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptai.web.ops import runs
    from cryptai.web.ops.models import Lease

    monkeypatch.setattr(runs, "LEASE_MS", 40)
    seen: list[int | None] = []

    def long() -> str:
        """Watch the lease move on."""
        first = Lease.objects.get(pk="long").until_ms
        world.ms += 1000
        _wait_until(lambda: Lease.objects.get(pk="long").until_ms != first)
        seen.append(Lease.objects.get(pk="long").until_ms)
        return "Done."

    run = runs.run_now(job()(long))
    assert run.status == "COMPLETED", run.reason
    assert seen == [world.ms + 60_000]
    assert Lease.objects.get(pk="long").until_ms is None


@pytest.mark.django_db(transaction=True)
def test_two_processes_at_once_run_it_once(world: World) -> None:
    from cryptai.web.ops.models import JobRun, Lease

    name = "sync_market_data_task"
    Lease.objects.create(job=name, token="0" * 32, slot_ms=0, attempt=2)
    code = (
        "import sys, django; django.setup()\n"
        "from django.db import connection\n"
        "connection.settings_dict['NAME'] = sys.argv[1]\n"
        "from cryptai.web.jobs import jobs\n"
        "from cryptai.web.ops.runs import run_due\n"
        "job = jobs.get('sync_market_data_task')\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(run_due(job) is not None)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(connection.settings_dict["NAME"])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**_environment(), "CRYPTAI_HOME": str(django_settings.WORKSPACE.root / "empty")},
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    ran = [process.communicate("go\n", timeout=60)[0] for process in _started(processes)]
    assert sorted(ran) == ["False\n", "False\n", "True\n"]
    assert [run.reason for run in JobRun.objects.all()] == [
        "No candles of a venue that can be asked are stored."
    ]


@pytest.mark.django_db(transaction=True)
def test_a_heavy_job_has_a_process_of_its_own(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptai.web.ops import runs

    for name, value in _environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CRYPTAI_HOME", str(workspace.root))
    run = runs.run_now(jobs_module.jobs.get("weekly_gap_check_and_fill_task"))
    assert (run.status, run.reason) == ("COMPLETED", "No candles of a venue that can be asked are stored.")
    monkeypatch.setattr(runs, "_CHILD", "import os; os.kill(os.getpid(), 9)")
    run = runs.run_now(jobs_module.jobs.get("weekly_gap_check_and_fill_task"))
    assert (run.status, run.reason) == ("FAILED", "Its own process ended with -9; the log says more.")


@pytest.mark.django_db
def test_the_page_lists_every_job_and_what_came_of_it(
    owner: User, signed_in: Callable[[User], Client], home: Workspace
) -> None:
    from cryptai.web.ops.models import JobRun, Lease

    del home
    name = "update_historical_data_task"
    Lease.objects.create(job=name, token="0", slot_ms=NOON, attempt=1)
    JobRun.objects.create(
        job=name, holder="x", status="FAILED", reason="<b>Away.</b>", started_ms=NOON, ended_ms=NOON
    )
    text = signed_in(owner).get("/ops/jobs/").content.decode()
    assert "every 1h" in text
    assert "Sundays at 03:00 UTC" in text
    assert "&lt;b&gt;Away.&lt;/b&gt;" in text


@pytest.mark.django_db
def test_the_owner_has_a_job_run_and_an_unknown_name_is_told(
    owner: User, alice: User, signed_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptai.web.ops import threads

    asked: list[str] = []
    monkeypatch.setattr(threads, "enqueue", lambda one: asked.append(one.name))
    client = signed_in(owner)
    answer = client.post("/ops/jobs/", {"job": "update_historical_data_task"})
    assert (answer.status_code, answer["Location"]) == (302, "/ops/jobs/?asked=update_historical_data_task")
    assert "update_historical_data_task was asked to run" in client.get(answer["Location"]).content.decode()
    wrong = client.post("/ops/jobs/", {"job": "update_historical_data"})
    assert wrong.status_code == 400
    assert "did you mean update_historical_data_" in wrong.content.decode()
    assert signed_in(alice).post("/ops/jobs/", {"job": "update_historical_data_task"}).status_code == 403
    assert asked == ["update_historical_data_task"]


def test_the_command_lists_and_runs_jobs(workspace: Workspace) -> None:
    def cryptai(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cryptai", *args],
            env={**_environment(), "CRYPTAI_HOME": str(workspace.root)},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    nobody = cryptai("jobs")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "has no owner yet" in nobody.stderr
    made = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "-v", "0"],
        env={**_environment(), "CRYPTAI_HOME": str(workspace.root)}, check=True,
    )  # fmt: skip
    assert made.returncode == 0
    ran = cryptai("job", "update_historical_data_task", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["status"] == "COMPLETED"
    listed = {row["name"]: row for row in json.loads(cryptai("jobs", "--json").stdout)["jobs"]}
    assert listed["update_historical_data_task"]["last_run"]["reason"].startswith("No candles of a venue")
    assert listed["weekly_gap_check_and_fill_task"]["last_run"] is None
    wrong = cryptai("job", "weekly_gap")
    assert (wrong.returncode, "There is no job named 'weekly_gap'" in wrong.stderr) == (2, True)


def _environment() -> dict[str, str]:
    import os

    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CRYPTAI_", "DJANGO_"))}
    return {**kept, "DJANGO_SETTINGS_MODULE": "cryptai.web.settings"}


def _started(processes: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def _wait_until(true: Callable[[], bool]) -> None:
    reached = Event()

    def look() -> None:
        from django.db import connections

        while not true():
            reached.wait(0.01)
        connections.close_all()
        reached.set()

    Thread(target=look, daemon=True).start()
    assert reached.wait(10), "it did not come to pass"
