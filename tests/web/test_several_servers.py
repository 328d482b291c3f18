"""The platform of several processes: two servers, two workers and beat, on a real PostgreSQL and Redis."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.crowd import Crowd
from full import REDIS, environment, postgresql, redis_prefix  # noqa: F401 (fixtures)
from venue import MINUTE, NAME, SYMBOL, bar

from cryptai.seams import monotonic, now_ms, sleep
from cryptai.web.ops.turn import LOOK_S, TURN_MS
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DUE = "update_historical_data_task"
_STARTING_S = 60
_CELERY = (sys.executable, "-m", "celery", "-A", "cryptai.web.celery")


@dataclass
class Platform:
    """Its processes, and the workspace and database they share."""

    home: Path
    env: dict[str, str]
    servers: dict[int, subprocess.Popen[bytes]]  # by port

    def connection(self) -> Any:
        import psycopg

        return psycopg.connect(self.env["DATABASE_URL"])

    def asked(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self.connection() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(query, values).fetchall()
            return rows

    def follower(self) -> int | None:
        """The port of the server that follows the market."""
        held = "SELECT holder FROM ops_jobrun WHERE job = 'follow_market' AND status = 'RUNNING'"
        holders = {int(row[0].rsplit(":", 1)[1]) for row in self.asked(held)}
        return next((port for port, process in self.servers.items() if process.pid in holders), None)


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql: str,  # noqa: F811
    redis_prefix: str,  # noqa: F811
) -> Iterator[Platform]:
    home = open_workspace(tmp_path_factory.mktemp("several") / "workspace").root
    env = environment(
        home, DATABASE_URL=postgresql, REDIS_URL=REDIS, CRYPTAI_REDIS_PREFIX=redis_prefix,
        VENUE_START_MS=str((now_ms() - 3 * 86_400_000) // MINUTE * MINUTE), VENUE_BEGAN=str(monotonic()),
    )  # fmt: skip
    with ExitStack() as stack:
        made = Platform(home, env, {})
        processes = []
        for port in _free_ports(2):
            command = [sys.executable, str(Path(__file__).with_name("venue.py")), str(port)]
            made.servers[port] = stack.enter_context(_running(command, env, home / f"up-{port}.log"))
        for what in ("one", "two"):
            command = [*_CELERY, "worker", "-n", f"{what}@%h", "--concurrency", "1", "--without-mingle"]
            processes.append(stack.enter_context(_running(command, env, home / f"{what}.log")))
        _await(lambda: made.asked("SELECT 1 FROM pg_tables WHERE tablename = 'ops_lease'"), "tables")
        # An hour that came while nothing ran.
        with made.connection() as connection:
            connection.execute("INSERT INTO ops_lease VALUES (%s, '0', NULL, 0, 2)", [_DUE])
        processes.append(stack.enter_context(_running([*_CELERY, "beat"], env, home / "beat.log")))
        yield made
        # All at once: each takes its time to end in order.
        for process in processes:
            process.terminate()


def test_what_is_due_is_run_once_by_one_of_the_workers(platform: Platform) -> None:
    runs = "SELECT status, slot_ms FROM ops_jobrun WHERE job = %s"
    _await(lambda: [run for run in platform.asked(runs, _DUE) if run[0] != "RUNNING"], "the job")
    sleep(2)
    found = platform.asked(runs, _DUE)
    assert len(found) == 1, found
    assert found[0][1] > 0, "for its moment, not because somebody asked"


def test_when_the_server_that_follows_the_market_is_killed_another_goes_on_and_nothing_is_missing(
    platform: Platform,
) -> None:
    _await(platform.follower, "a server that follows the market")
    first = platform.follower()
    other = next(port for port in platform.servers if port != first)
    crowd = Crowd(other)
    try:
        member = _await(lambda: crowd.join([SYMBOL], NAME), "the other server")
        prices: list[float] = []

        def newest() -> float:
            prices.extend(_prices(member))
            return prices[-1] if prices else 0.0

        _read(crowd, lambda: newest() > 0.0)
        before = newest()
        assert before, "prices come through Redis"
        assert first is not None
        os.kill(platform.servers[first].pid, signal.SIGKILL)
        killed = monotonic()
        _await(lambda: platform.follower() == other, "the other server's turn")
        took = monotonic() - killed
        # A minute of the venue is a second: what the first server told last is older than this.
        late = before + 5 * MINUTE
        _read(crowd, lambda: newest() > late)
        assert not member.ended
        assert newest() > late, "the same browser hears on"
        _await(lambda: _newest_bar(platform) > late, "a bar kept by the other server")
        # What is promised, and something for a machine that is busy.
        assert took < TURN_MS / 1000 + LOOK_S + 20
    finally:
        crowd.leave()
    rows = _bars(platform)
    times = [int(row[0]) for row in rows]
    assert times == list(range(times[0], times[-1] + MINUTE, MINUTE)), "no minute is missing"
    assert [float(row[4]) for row in rows] == [bar(ts)[4] for ts in times]
    assert times[0] < before < times[-1], "from before the kill until after it"


def _prices(member: Any) -> list[float]:
    return [event["price"] for _, event in member.events() if event["type"] == "price"]


def _bars(platform: Platform) -> list[list[str]]:
    out = platform.home / "bars.csv"
    exported = subprocess.run(
        [sys.executable, "-m", "cryptai", "data", "export", "--exchange", NAME, "--symbol", SYMBOL,
         "--timeframe", "1m", "--out", str(out), "--force"],
        env=platform.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert exported.returncode == 0, exported.stderr
    return [line.split(",") for line in out.read_text().splitlines()[1:]]


def _newest_bar(platform: Platform) -> int:
    return int(_bars(platform)[-1][0])


def _read(crowd: Crowd, enough: Callable[[], bool]) -> None:
    end = monotonic() + _STARTING_S
    crowd.read(lambda: enough() or monotonic() > end)


def _await(true: Any, what: str) -> Any:
    end = monotonic() + _STARTING_S
    while monotonic() < end:
        try:
            if found := true():
                return found
        except OSError:
            pass
        sleep(0.2)
    pytest.fail(f"{what}: not within {_STARTING_S} s")


@contextmanager
def _running(command: list[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as kept:
        process = subprocess.Popen(command, env=env, cwd=log.parent, stdout=kept, stderr=kept)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
