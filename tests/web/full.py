"""PostgreSQL and Redis of this machine, where they answer; what the tests leave in them is removed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cryptai.seams import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = "postgresql://postgres@127.0.0.1:5432"
REDIS = "redis://127.0.0.1:6379/0"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The address of a new, empty database."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed (extra `full`)")
    name = f"cryptai_test_{new_id()[:12]}"
    try:
        server = psycopg.connect(f"{SERVER}/postgres", autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL answers on 127.0.0.1:5432 for the user postgres")
    with server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{SERVER}/{name}"
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def redis_prefix() -> Iterator[str]:
    """A prefix of our own in the machine's Redis."""
    redis = pytest.importorskip("redis", reason="redis is not installed (extra `full`)")
    client = redis.Redis.from_url(REDIS, socket_connect_timeout=2)
    try:
        client.ping()
    except redis.RedisError:
        pytest.skip("no Redis answers on 127.0.0.1:6379")
    prefix = f"cryptai-test-{new_id()[:12]}:"
    yield prefix
    left = list(client.scan_iter(f"{prefix}*"))
    if left:
        client.delete(*left)
    client.close()


def environment(home: object, **more: str) -> dict[str, str]:
    """Return the environment of a process of the platform on that workspace."""
    ours = ("CRYPTAI_", "DJANGO_", "DATABASE_URL", "REDIS_URL")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {**kept, "CRYPTAI_HOME": str(home), "DJANGO_SETTINGS_MODULE": "cryptai.web.settings", **more}
