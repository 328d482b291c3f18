"""Documentation that cannot lie: whatever is registered is documented, and whatever is documented exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from cryptai.workspace import FOLDERS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands.md", "strategies.md", "indicators.md", "structures.md"])
def test_the_reference_is_what_the_code_says(page: str) -> None:
    assert (DOCS / "reference" / page).read_text() == generator().pages()[page], "run: make reference"


def test_every_setting_is_documented_and_exists() -> None:
    named = re.compile(r"\b(?:CRYPTAI_[A-Z_]+|NUMBA_DISABLE_JIT)\b")
    code = {n for p in (ROOT / "src").rglob("*.py") for n in named.findall(p.read_text())}
    documented = set(named.findall((DOCS / "reference" / "settings.md").read_text()))
    assert documented == code


def test_every_folder_of_the_workspace_is_documented() -> None:
    text = (DOCS / "reference" / "settings.md").read_text()
    assert [name for name in FOLDERS if f"| `{name}/` |" not in text] == []


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file_that_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs|frontend)/[\w./-]+\.\w+)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
