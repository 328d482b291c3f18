"""The cache that servers share keeps JSON: what somebody else put into Redis is read, never run."""

from __future__ import annotations

import os
import pickle

import pytest
from django.core.cache.backends.redis import RedisCache
from full import REDIS, redis_prefix  # noqa: F401 (a fixture)

from cryptai.web import addresses
from cryptai.web.shared_cache import JsonSerializer


@pytest.fixture
def shared(redis_prefix: str) -> RedisCache:  # noqa: F811
    told = addresses.cache(REDIS, redis_prefix)
    assert told["BACKEND"].endswith(".RedisCache")
    return RedisCache(told["LOCATION"], {name: told[name] for name in ("KEY_PREFIX", "OPTIONS")})


@pytest.mark.parametrize("value", [True, None, 7, -1, "y", [1_700_000_000.25, 1.5], {"until": 3.0}, []])
def test_what_limits_keep_comes_back(shared: RedisCache, value: object) -> None:
    shared.set("limit", value, 60)
    assert shared.get("limit", "nothing") == value
    assert type(shared.get("limit")) is type(value)


def test_a_number_is_counted_on_by_redis(shared: RedisCache) -> None:
    shared.set("count", 1, 60)
    assert shared.incr("count") == 2
    assert shared.get("count") == 2


def test_a_mark_is_set_once(shared: RedisCache) -> None:
    assert shared.add("mark", value=True)
    assert not shared.add("mark", value=True)


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 3",)


def test_what_another_wrote_is_not_run(shared: RedisCache) -> None:
    client = shared._cache.get_client("planted", write=True)
    client.set(shared.make_and_validate_key("planted"), pickle.dumps(_Runs()))
    with pytest.raises(ValueError, match=r"decode|Expecting"):
        shared.get("planted")


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", float("nan")])
def test_what_json_cannot_tell_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        JsonSerializer().dumps(value)
