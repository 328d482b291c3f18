"""Settings are safe for production unless told otherwise, and cheap to start with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cryptai.errors import WorkspaceError
from cryptai.web.secret import keep_secret_key, secret_key

if TYPE_CHECKING:
    from pathlib import Path

    from cryptai.workspace import Workspace


def django(*args: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CRYPTAI_", "DJANGO_"))}
    ours = {"CRYPTAI_HOME": str(home), "DJANGO_SETTINGS_MODULE": "cryptai.web.settings"}
    return subprocess.run(
        [sys.executable, *args],
        env={**kept, **ours, **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_deployment_check_is_silent_behind_tls(workspace: Workspace) -> None:
    keep_secret_key(workspace)
    check = ("-m", "django", "check", "--deploy", "--fail-level", "WARNING")
    done = django(*check, home=workspace.root, CRYPTAI_HTTPS="1", CRYPTAI_HOSTS="cryptai.example")
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_the_deployment_check_would_speak_up(workspace: Workspace) -> None:
    done = django(
        "-m", "django", "check", "--deploy", "--fail-level", "WARNING", home=workspace.root, CRYPTAI_DEBUG="1"
    )
    assert done.returncode == 1
    assert "security.W018" in done.stderr


def test_models_and_migrations_agree(workspace: Workspace) -> None:
    done = django("-m", "django", "makemigrations", "--check", "--dry-run", home=workspace.root)
    assert done.returncode == 0, done.stdout


def test_reading_the_settings_writes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "not there"
    assert django("-m", "django", "check", home=home).returncode == 0
    assert not home.exists()


def test_starting_django_loads_neither_numba_nor_polars(workspace: Workspace) -> None:
    # A worker of Celery forks its processes: what Polars' threads held there would stay held in them.
    code = (
        "import django, sys; django.setup(); import cryptai.web.urls, cryptai.web.asgi, cryptai.web.celery; "
        "print(sorted({'numba', 'polars', 'talib', 'channels'} & set(sys.modules)))"
    )
    done = django("-c", code, home=workspace.root)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_database_acknowledges_only_what_is_on_the_disk(db: None) -> None:
    del db
    from django.conf import settings
    from django.db import connection

    with connection.cursor() as cursor:
        found = {}
        for name in ("journal_mode", "synchronous", "foreign_keys"):
            cursor.execute(f"PRAGMA {name}")
            found[name] = cursor.fetchone()[0]
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert settings.DATABASES["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_the_secret_key_is_made_once_for_its_owners_eyes(workspace: Workspace) -> None:
    keep_secret_key(workspace)
    key = secret_key(workspace)
    keep_secret_key(workspace)
    assert secret_key(workspace) == key
    assert len(key) == 64
    (file,) = workspace.secrets.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("key", ["", "secret", "a" * 80, "django-insecure-" + "abcdefghij0123456789" * 4])
def test_a_weak_key_is_refused(workspace: Workspace, key: str) -> None:
    keep_secret_key(workspace)
    (file,) = workspace.secrets.iterdir()
    file.write_text(key)
    with pytest.raises(WorkspaceError, match="weak"):
        secret_key(workspace)


def test_a_key_that_others_can_read_is_refused(workspace: Workspace) -> None:
    keep_secret_key(workspace)
    (file,) = workspace.secrets.iterdir()
    file.chmod(0o644)
    with pytest.raises(WorkspaceError, match="chmod 600"):
        secret_key(workspace)


def test_a_weak_key_from_the_environment_is_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTAI_SECRET_KEY", "changeme")
    with pytest.raises(WorkspaceError, match="CRYPTAI_SECRET_KEY"):
        secret_key(workspace)


def test_a_key_that_cannot_be_written_is_told_in_a_sentence(workspace: Workspace) -> None:
    workspace.secrets.rmdir()
    with pytest.raises(WorkspaceError, match=r"secret key .* cannot be written"):
        keep_secret_key(workspace)
