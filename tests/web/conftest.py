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
    from pathlib import Path

    from django.test import Client

    from cryptai.market.store import CandleStore
    from cryptai.screening.record import Record
    from cryptai.web.accounts.models import User

PASSWORD = "correct-horse-battery-5"
HOUR = 3_600_000
START = 1_700_006_400_000


@pytest.fixture(scope="session", autouse=True)
def _static_files_found_once() -> Iterator[None]:
    """Look through the folders of static files once: every test client makes the middleware anew."""
    from cryptai.web.headers import StaticMiddleware

    found: dict[str, Any] = {}
    look = StaticMiddleware.add_files_from_finders

    def once(middleware: Any) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticMiddleware, "add_files_from_finders", once)
        yield


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
def home() -> Iterator[Workspace]:
    """The session's workspace, as the site's settings know it, with candles of two markets and no signal."""
    from cryptai.screening.record import Record
    from cryptai.web import live

    workspace: Workspace = open_workspace(django_settings.WORKSPACE.root)
    shared = live.store()
    _fill(shared)
    yield workspace
    # What is sealed stays for ever: the pages of every test after it would show it.
    left = [(one.body["exchange"], one.body["symbol"]) for one in Record(shared.catalog).newest()]
    assert not left, f"sealed by a test into the record of all tests, not its own (`record`): {left}"


@pytest.fixture
def record(home: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """An empty record, in a store of this test's own with the candles of the session's."""
    from cryptai.market.store import CandleStore
    from cryptai.screening.record import Record
    from cryptai.web import live

    del home
    own = CandleStore(tmp_path / "candles")
    _fill(own)
    monkeypatch.setattr(live, "_store", own)
    return Record(own.catalog)


def _fill(store: CandleStore) -> None:
    for symbol, seed in (("BTC/USDT", 1), ("ETH/USDT", 2)):
        store.write("binance", made_candles(symbol, seed=seed), replace=True)


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


@pytest.fixture(scope="session")
def searched(home: Workspace) -> dict[str, dict[str, Any]]:
    """What a sweep and a walk-forward over the stored candles found, each made once."""
    from cryptai.research.sweep import sweep
    from cryptai.research.walkforward import walkforward
    from cryptai.web import live
    from cryptai.web.research.plans import read_study

    live.store().write("coinbase", made_candles("SWEPT/USDT", bars=1_200, seed=3), replace=True)
    candles = live.store().read("coinbase", "SWEPT/USDT", "1h")
    found: dict[str, dict[str, Any]] = {}
    for kind, run, more in (
        ("sweep", sweep, {"param": {"fast": "5:15:5", "slow": "20:40:10"}}),
        ("walkforward", walkforward, {"param": {"fast": "5,10"}, "train": "20d", "test": "10d"}),
    ):
        options = {"strategy": "ema_trend", "exchange": "coinbase", "symbol": "SWEPT/USDT", "timeframe": "1h"}
        request, plan = read_study(kind, {**options, **more})
        told = run(request, plan, candles, home, exchange="coinbase", user="user:searched")  # type: ignore[operator]
        found[kind] = {"request": {**options, **more}, "object": told.as_object()}
    return found


@pytest.fixture
def study_of(searched: dict[str, dict[str, Any]], db: None) -> Callable[[User, str], Any]:
    """Give a user a search of that kind, ended well, with its result on the disk."""

    from cryptai.web.research import worker
    from cryptai.web.research.models import Study

    def made(user: User, kind: str) -> Study:
        told = searched[kind]
        study = Study.objects.create(
            owner=user, kind=kind, status="COMPLETED", created_ms=START, started_ms=START, finished_ms=START,
            strategy="ema_trend", exchange="coinbase", symbol="SWEPT/USDT", timeframe="1h",
            request=told["request"], done=9, total=9,
        )  # fmt: skip
        study.summary = worker.kept(told["object"], study.folder)
        study.save()
        return study

    return made


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
    monkeypatch.setattr(jobs, "submit_long", submit)


def made_candles(symbol: str = "BTC/USDT", *, bars: int = 400, seed: int = 1) -> Candles:
    """Hourly bars of a random walk with waves in it, so that strategies trade."""
    random = rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.004, bars)) + 0.1 * np.sin(np.arange(bars) / 20))
    opens = np.r_[close[0], close[:-1]]
    high, low = np.maximum(opens, close) * 1.002, np.minimum(opens, close) * 0.998
    ts, volume = START + HOUR * np.arange(bars), random.uniform(1, 9, bars)
    return Candles(ts, opens, high, low, close, volume, symbol=symbol, timeframe="1h")
