"""Every example in a docstring gives what it says."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
WITH_EXAMPLES = sorted(p for p in (SOURCE / "cryptai").rglob("*.py") if ">>> " in p.read_text())


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda p: p.stem)
def test_the_examples_of_a_module_hold(path: Path) -> None:
    module = import_module(".".join(path.relative_to(SOURCE).with_suffix("").parts))
    written = sum(line.lstrip().startswith(">>> ") for line in path.read_text().splitlines())
    failed, tried = doctest.testmod(module)
    assert failed == 0
    assert tried == written, "an example is not found by doctest"
