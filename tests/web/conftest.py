"""Who the site's tests are about, and what lies in its store: alice, bob, the owner, and candles."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.conf import settings as django_settings

from cryptai.market.candles import Candles
from cryptai.seams import rng
from cryptai.workspace import Workspace, open_workspace

# Models are imported inside: this file is read before Django's settings are.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    from cryptai.web.accounts.models import User

PASSWORD = "correct-horse-battery-5"
HOUR = 3_600_000
START = 1_700_006_400_000


@pytest.fixture(autouse=True)
def _fresh_limits() -> Iterator[None]:
    """Limits count in the cache; one test's requests are not another's."""
    from django.core.cache import cache

    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Hash passwords quickly: how slow the real hash is, is Django's to test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def home() -> Workspace:
    """The session's workspace, as the site's settings know it, with candles of two markets."""
    from cryptai.web import live

    workspace: Workspace = open_workspace(django_settings.WORKSPACE.root)
    for symbol, seed in (("BTC/USDT", 1), ("ETH/USDT", 2)):
        live.store().write("binance", made_candles(symbol, seed=seed), replace=True)
    return workspace


@pytest.fixture
def on_loopback(settings: Any) -> dict[str, str]:
    """Bind the site to loopback; the result makes a test client's request one of a person at the machine."""
    settings.BIND = "127.0.0.1"
    return {"HTTP_HOST": "localhost:8000", "REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def alice(db: None) -> User:
    from cryptai.web.accounts.models import User

    return User.objects.create_user("alice", "alice@example.org", PASSWORD)


@pytest.fixture
def bob(db: None) -> User:
    from cryptai.web.accounts.models import User

    return User.objects.create_user("bob", "bob@example.org", PASSWORD)


@pytest.fixture
def owner(db: None) -> User:
    from cryptai.web.accounts.models import User

    return User.objects.create_superuser("owner", "owner@example.org", PASSWORD)


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    from django.test import Client

    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return client_of


@pytest.fixture
def bearer() -> Callable[[User], dict[str, str]]:
    """What a request of that user's program carries."""

    from cryptai.web.accounts.models import ApiToken

    def headers_of(user: User) -> dict[str, str]:
        text, _row = ApiToken.objects.issue(user, "test")
        return {"HTTP_AUTHORIZATION": f"Bearer {text}"}

    return headers_of


@pytest.fixture
def inline_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run jobs where they are submitted: inside the test's own transaction."""

    from cryptai.web import jobs

    def submit(job: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(job(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (it lies in the future, as it does with threads)
            future.set_exception(error)
        return future

    monkeypatch.setattr(jobs, "submit", submit)


def made_candles(symbol: str = "BTC/USDT", *, bars: int = 400, seed: int = 1) -> Candles:
    """Hourly bars of a random walk with waves in it, so that strategies trade."""
    random = rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.004, bars)) + 0.1 * np.sin(np.arange(bars) / 20))
    opens = np.r_[close[0], close[:-1]]
    high, low = np.maximum(opens, close) * 1.002, np.minimum(opens, close) * 0.998
    ts, volume = START + HOUR * np.arange(bars), random.uniform(1, 9, bars)
    return Candles(ts, opens, high, low, close, volume, symbol=symbol, timeframe="1h")
