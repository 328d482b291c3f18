"""`cryptai up` as a person meets it: a real process on loopback, on the practice market."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.sync.client import connect

from cryptai.seams import sleep
from cryptai.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "cryptai"]
PATIENCE_S = 60.0  # with a server that has just begun, on a machine with more to do


def environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CRYPTAI_", "DJANGO_"))}
    return {**kept, "CRYPTAI_HOME": str(home), "PYTHONUNBUFFERED": "1"}


def cryptai(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Server:
    """A running `cryptai up` and what it has said."""

    home: Path
    port: int
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    listener: threading.Thread | None = None

    def listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.said.extend(lines)

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        status = self.process.wait(timeout=PATIENCE_S)
        assert self.listener is not None
        self.listener.join()
        return status

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def word(self, name: str) -> str:
        """What stands behind a name in the greeting."""
        return next(line.split()[1] for line in self.said if line.startswith(name))

    def wait(self) -> None:
        for _ in range(600):
            try:
                answer = httpx.get(f"{self.url}/readyz")
                if answer.status_code == 200 and answer.json()["checks"]["feed"] == "live":
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, "".join(self.said)
            sleep(0.1)
        pytest.fail("the server did not become ready: " + "".join(self.said))


def start(home: Path, *args: str) -> Server:
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "up", "--port", str(port), "--exchange", "practice", *args],
        env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    server = Server(home, port, process)
    server.listener = threading.Thread(target=server.listen)
    server.listener.start()
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = start(tmp_path_factory.mktemp("up") / "workspace")
    try:
        found.wait()
        yield found
    finally:
        found.end(signal.SIGKILL)


def test_the_first_start_prints_where_and_the_owners_secrets(server: Server) -> None:
    assert server.word("Workspace") == str(server.home)
    assert server.word("Address") == f"{server.url}/"
    assert server.word("Username") == "owner"
    assert len(server.word("Password")) >= 20
    assert server.word("Token").startswith("cai_")


def test_the_database_is_for_its_owners_eyes(server: Server) -> None:
    for file in server.home.glob("cryptai.sqlite3*"):
        assert file.stat().st_mode & 0o077 == 0, file


def test_the_secrets_are_in_no_file_of_the_workspace(server: Server) -> None:
    secrets = [server.word("Password").encode(), server.word("Token").split("_")[2].encode()]
    for file in server.home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(secret in content for secret in secrets), file


def test_pages_answer_at_this_machine_and_say_practice(server: Server) -> None:
    for where in ("/", "/markets/BTC-USDT/"):
        answer = httpx.get(server.url + where, timeout=PATIENCE_S)
        assert answer.status_code == 200
        assert "PRACTICE" in answer.text.upper()
    assert httpx.get(f"{server.url}/analytics/backtesting/", timeout=PATIENCE_S).status_code == 302
    rebound = httpx.get(f"{server.url}/", headers={"Host": "evil.example"}, timeout=PATIENCE_S)
    assert rebound.status_code == 400


def test_prices_come_over_the_socket(server: Server) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/ws/prices/") as browser:
        browser.send('{"exchange": "practice", "subscribe": ["BTC-USDT"]}')
        while '"price"' not in str(browser.recv(timeout=PATIENCE_S)):
            pass


def test_the_token_runs_a_backtest(server: Server) -> None:
    options = {"strategy": "ema_trend", "exchange": "practice", "symbol": "BTC-USDT", "timeframe": "1h"}
    program = {"Authorization": f"Bearer {server.word('Token')}"}
    answer = httpx.post(
        f"{server.url}/signals/api/backtests/", json=options, headers=program, timeout=PATIENCE_S
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["practice"] is True
    assert answer.json()["metrics"]["trades"] >= 0


def test_a_body_of_megabytes_is_refused_before_it_is_kept(server: Server) -> None:
    answer = httpx.post(f"{server.url}/accounts/login/", content=b"x" * 5_000_000, timeout=PATIENCE_S)
    assert answer.status_code == 413


def test_a_second_server_on_the_workspace_is_a_sentence(server: Server) -> None:
    done = cryptai(server.home, "up", "--port", str(free_port()))
    assert done.returncode == 2
    assert "already" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_taken_port_is_a_sentence(server: Server, tmp_path: Path) -> None:
    done = cryptai(tmp_path, "up", "--port", str(server.port))
    assert done.returncode == 2
    assert f"port {server.port}" in done.stderr
    assert "--port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_venue_or_a_newer_workspace_is_a_sentence(tmp_path: Path) -> None:
    done = cryptai(tmp_path, "up", "--port", str(free_port()), "--exchange", "binanse")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "binance" in done.stderr
    (open_workspace(tmp_path).root / "version").write_text("99\n")
    done = cryptai(tmp_path, "up")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "newer" in done.stderr


def test_a_database_with_migrations_of_a_newer_version_is_a_sentence_and_stays_as_it_was(
    tmp_path: Path,
) -> None:
    database = open_workspace(tmp_path).database
    with closing(sqlite3.connect(database)) as db:
        db.execute(
            "CREATE TABLE django_migrations (id integer PRIMARY KEY AUTOINCREMENT, app varchar(255) NOT NULL,"
            " name varchar(255) NOT NULL, applied datetime NOT NULL)"
        )
        db.execute("INSERT INTO django_migrations VALUES (1, 'research', '9999_of_tomorrow', '2030-01-01')")
        db.commit()
    done = cryptai(tmp_path, "up", "--port", str(free_port()))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "newer CryptAI (research.9999_of_tomorrow)" in done.stderr
    with closing(sqlite3.connect(database)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert sorted(tables) == ["django_migrations", "sqlite_sequence"]


def test_a_new_password_beside_the_running_server_ends_the_old_sessions_and_tokens(server: Server) -> None:
    def signed_in(password: str) -> httpx.Client:
        browser = httpx.Client(base_url=server.url, follow_redirects=True, timeout=PATIENCE_S)
        browser.get("/accounts/login/")
        page = {
            "login": "owner",
            "password": password,
            "csrfmiddlewaretoken": browser.cookies["cryptai-csrf"],
        }
        browser.post("/accounts/login/", data=page, headers={"Referer": f"{server.url}/accounts/login/"})
        return browser

    old = signed_in(server.word("Password"))
    assert old.get("/analytics/backtesting/", follow_redirects=False).status_code == 200
    done = cryptai(server.home, "owner", "reset-password", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"username", "password", "token"}
    password = found["password"]
    assert old.get("/analytics/backtesting/", follow_redirects=False).status_code == 302
    program = {"Authorization": f"Bearer {server.word('Token')}"}
    refused = httpx.post(f"{server.url}/signals/api/backtests/", json={}, headers=program, timeout=PATIENCE_S)
    assert refused.status_code == 401
    new = signed_in(password)
    assert new.get("/admin/", follow_redirects=False).status_code == 200
    old.close()
    new.close()


def test_without_a_server_before_there_is_no_owner_to_help(tmp_path: Path) -> None:
    done = cryptai(tmp_path / "nothing", "owner", "reset-password")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert not (tmp_path / "nothing").exists()


def test_ctrl_c_ends_it_and_the_next_start_prints_no_secret(server: Server) -> None:
    assert server.end(signal.SIGINT) == 0
    assert "Traceback" not in "".join(server.said)
    again = start(server.home, "--json")
    again.wait()
    assert again.end(signal.SIGINT) == 0
    told = json.loads(next(line for line in again.said if line.startswith("{")))
    assert told == {"workspace": str(server.home), "address": f"{again.url}/", "owner": None}
