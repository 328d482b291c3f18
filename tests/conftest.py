"""What every test stands on: a home of its own, repeatable examples, and no network but loopback."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from cryptai.workspace import Workspace, open_workspace

# Before anything reads it: no test, and no worker beside this one, ever sees a person's own workspace.
_HOME = Path(tempfile.mkdtemp(prefix="cryptai-tests-"))
os.environ["CRYPTAI_HOME"] = str(_HOME)

_SHARED = Path(__file__).resolve().parents[1].parent / "shared"
_LOOPBACK = {"localhost", "127.0.0.1", "::1", ""}

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


def pytest_configure() -> None:
    """Load Django's settings after the home is known (pytest-django's own option would load them before).

    The variable is taken away again, or a worker of pytest-xdist would inherit it, and load its settings
    before this file gave it a home.
    """
    if find_spec("cryptai.web") and find_spec("cryptai.web.settings"):
        from django.conf import settings as django_settings

        os.environ["DJANGO_SETTINGS_MODULE"] = "cryptai.web.settings"
        try:
            assert django_settings.DATABASES
        finally:
            del os.environ["DJANGO_SETTINGS_MODULE"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors: there is always a test that waits for a process, a page or a clock."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return processors + 1


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    no_shared = pytest.mark.skip(reason="../shared (real candles, other people's results) is not here")
    no_browser = pytest.mark.skip(
        reason="no Chromium on this machine; the pages were not opened in a browser"
    )
    # The beds are few and long: where they come last, one worker ends minutes after the others.
    items.sort(key=lambda item: "testbeds" not in item.path.parts)
    for item in items:
        if not _SHARED.is_dir() and "shared" in item.keywords:
            item.add_marker(no_shared)
        if chromium() is None and "browser" in item.keywords:
            item.add_marker(no_browser)


def chromium() -> str | None:
    """Return the machine's Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A new, empty workspace in force for this test (Django's settings keep the session's own)."""
    root = tmp_path / "workspace"
    monkeypatch.setenv("CRYPTAI_HOME", str(root))
    return open_workspace(root)


@pytest.fixture
def shared() -> Path:
    """The folder of real candles and other people's results; the test is skipped where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("../shared (real candles, other people's results) is not here")
    return _SHARED


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    # As if this machine had no network: what is built to live with that may, everything else fails.
    def guarded(self: socket.socket, address: object) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            assert isinstance(address, tuple)
            if address[0] not in _LOOPBACK:
                raise ConnectionRefusedError(f"Tests talk to loopback only; {address[0]} was asked for.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
