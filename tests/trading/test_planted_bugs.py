"""What the scenarios and the random scripts are worth: each slip of `bugs` is caught by one of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .bugs import BUGS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def caught():
    # A process of its own: here the rules are machine code already.
    found = subprocess.run(
        [sys.executable, "-m", "tests.trading.planted"],
        cwd=ROOT, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_without_a_bug_the_rules_read_by_plain_python_hold(caught):
    assert caught[""] is None


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_planted_in_the_compiled_rules_is_caught(caught, bug):
    assert caught[bug], f"nothing noticed: {bug}"
