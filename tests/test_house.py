"""The house rules that no linter knows: what may be committed, how rooms are named, who imports whom."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

import cryptai

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "cryptai"
BIN = Path(sys.executable).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# The one long file that is nobody's prose.
LOCK = (ROOT / "constraints.txt").read_text()


def committed() -> list[Path]:
    """Return the files of the repository, or what would be committed next."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone: there is no list of committed files")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    return [p for p in sorted(SOURCE.rglob("*.py")) if "migrations" not in p.parts]


def texts() -> list[tuple[Path, str]]:
    binary = {".png", ".woff2", ".ico", ".parquet", ".arrow", ".npy", ".gz"}
    return [(p, p.read_text()) for p in committed() if p.suffix not in binary and p != Path(__file__)]


def test_no_file_names_this_machine_or_a_registry() -> None:
    here = (f"{ROOT.parent}/", f"{Path.home()}/", f"{BIN}/")
    hosts = ("registry.npmjs", "pypi.org/simple", "files.pythonhosted", "--index-url http")
    found = [(path.name, word) for path, text in texts() for word in (*here, *hosts) if word in text]
    assert found == []


def test_no_third_party_code_is_committed() -> None:
    parts = {"node_modules", "vendor", "dist", ".venv", "site-packages"}
    assert [p for p in committed() if parts & set(p.relative_to(ROOT).parts)] == []
    assert [p for p in committed() if p.stat().st_size > 400_000 and p.name != "constraints.txt"] == []
    assert [p for p in committed() if p.name.endswith((".min.js", ".min.css", ".whl", ".so", ".pkl"))] == []


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_module_opens_with_a_sentence_and_has_one_idea(path: Path) -> None:
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) if text.strip() else "Empty."
    assert docstring, "it has no docstring"
    assert docstring.split("\n\n")[0].rstrip().endswith((".", ":", "?")), (
        "its docstring opens with no sentence"
    )
    assert len(text.splitlines()) <= 320, "look for the second idea in it"


def test_rooms_are_named_by_their_matter() -> None:
    pattern = re.compile(r"^(utils?|helpers?|common|misc|services?|managers?|selectors)$")
    assert [p for p in SOURCE.rglob("*") if pattern.match(p.stem)] == []


def test_there_is_no_word_of_unfinished_work() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    assert [f"{p.name}: {hit[0]}" for p in modules() for hit in words.finditer(p.read_text())] == []


# What makes objects of bytes, and may run what these say; and what does so to pass objects on.
PICKLERS = {
    "pickle", "_pickle", "pickletools", "marshal", "shelve", "copyreg", "dill", "cloudpickle", "joblib",
    "multiprocessing",
}  # fmt: skip
UNPICKLING = {"ProcessPoolExecutor", "read_pickle", "to_pickle", "PickleSerializer"}


def unpickling(text: str) -> set[str]:
    """Return by which names a module could make objects of bytes, whatever it calls them."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(one.name for one in node.names)]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # `import_module("pickle")`, `serializer="pickle"`
            names = [node.value] if node.value.split(".")[0] in PICKLERS else []
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            names = [] if isinstance(node.value, ast.Constant) and node.value.value is False else ["pickle"]
        found |= {name for name in names if name.split(".")[0] in PICKLERS or name in UNPICKLING}
    return found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle as p",
        "def f():\n    from marshal import loads",
        "from multiprocessing.connection import Connection",
        "import multiprocessing.connection",
        "from concurrent.futures import ProcessPoolExecutor as Pool",
        "import concurrent.futures as c\nc.ProcessPoolExecutor()",
        "from importlib import import_module\nimport_module('pickle')",
        "from ray import cloudpickle",
        "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
        "import numpy as np\nnp.load('a.npy', allow_pickle=bool(1))",
        "import pandas\npandas.read_pickle('a')",
    ],
    ids=lambda line: line.splitlines()[-1].strip(),
)
def test_what_unpickles_is_caught(line: str) -> None:
    assert unpickling(line)


def test_nothing_is_unpickled() -> None:
    # Ray passes objects to its workers no other way; that cluster is its user's own.
    known = {"research/cluster.py", "cli/child.py"}
    found = {str(path.relative_to(SOURCE)) for path in modules() if unpickling(path.read_text())}
    assert found == known


def test_the_version_is_said_once() -> None:
    newest = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == PYPROJECT["project"]["version"] == cryptai.__version__


def locked() -> dict[str, set[str]]:
    # A universal lock may hold a package twice, for older and for newer Pythons.
    versions: dict[str, set[str]] = {}
    for found in re.finditer(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", LOCK, re.MULTILINE):
        versions.setdefault(normal(found[1]), set()).add(found[2])
    return versions


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_locked_package_has_hashes_and_no_address() -> None:
    assert "://" not in LOCK
    for block in re.split(r"\n(?=\S)", LOCK.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_every_declared_dependency_is_locked() -> None:
    project = PYPROJECT["project"]
    declared = [*project["dependencies"], *PYPROJECT["build-system"]["requires"]]
    for group in (*project["optional-dependencies"].values(), *PYPROJECT["dependency-groups"].values()):
        declared += group
    names = {normal(re.match(r"[A-Za-z0-9._-]+", one)[0]) for one in declared}  # type: ignore[index]
    assert names - locked().keys() == set(), "run make lock"


def test_what_is_installed_is_what_is_locked() -> None:
    if not (BIN.parent / ".ok-dev").exists():
        pytest.skip("this environment was not made by make")
    own = {"cryptai", "pip", "setuptools"}
    here = {
        normal(d.name): d.version for d in distributions(path=[p for p in sys.path if "site-packages" in p])
    }
    lock = locked()
    differ = {n: v for n, v in here.items() if n not in own and v.partition("+")[0] not in lock.get(n, ())}
    assert differ == {}


def test_the_front_ends_lock_has_hashes_and_no_address() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    for name, package in lock["packages"].items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
            assert "resolved" not in package, name


@pytest.mark.parametrize(
    "line",
    [
        "import time\n\ntime.time()",
        "from time import monotonic",
        "import random",
        "from secrets import token_hex",
        "from datetime import UTC, datetime\n\ndatetime.now(UTC)",
        "from uuid import uuid4",
        "import os\n\nos.urandom(8)",
        "import numpy as np\n\nnp.random.default_rng()",
        "from django.utils.timezone import now",
    ],
    ids=lambda line: line.splitlines()[-1],
)
def test_clock_randomness_and_ids_are_out_of_reach_but_through_the_seams(line: str) -> None:
    planted = SOURCE / "market" / "planted.py"
    done = subprocess.run(
        [BIN / "ruff", "check", "--no-cache", "--select", "TID251", "--stdin-filename", planted, "-"],
        input=line + "\n", capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "TID251" in done.stdout


def contracts(root: Path) -> tuple[int, str]:
    lint = "from importlinter.cli import lint_imports_command as lint; lint()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-logo", "--no-cache"],
        cwd=root, env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def planted(tmp_path: Path, module: str, line: str) -> Path:
    """Copy the package, plant a line at the end of one of its modules, and return the copy's folder."""
    shutil.copytree(
        SOURCE, tmp_path / "cryptai", ignore=shutil.ignore_patterns("__pycache__", "static", "templates")
    )
    shutil.copy(ROOT / ".importlinter", tmp_path)
    if module:
        path = tmp_path / "cryptai" / module
        path.write_text(f"{path.read_text()}\n{line}\n")
    return tmp_path


def test_the_import_contracts_hold(tmp_path: Path) -> None:
    status, said = contracts(planted(tmp_path, "", ""))
    assert status == 0, said


@pytest.mark.parametrize(
    ("module", "planted_import", "contract"),
    [
        ("features/trend.py", "django", "The engine knows no framework"),
        ("features/trend.py", "cryptai.trading.kernel", "Imports only look upstream"),
        ("market/candles.py", "cryptai.web.live", "Imports only look upstream"),
        ("web/live.py", "cryptai.web.pages.urls", "The rooms of the platform, in order"),
        ("strategies/breakout.py", "cryptai.strategies.ema_trend", "Strategies do not know each other"),
        ("market/sources/practice.py", "cryptai.market.sources.binance", "Sources do not know each other"),
    ],
)
def test_an_import_that_does_not_belong_is_caught(
    module: str, planted_import: str, contract: str, tmp_path: Path
) -> None:
    status, said = contracts(planted(tmp_path, module, f"import {planted_import}"))
    assert status == 1, said
    assert f"{contract} BROKEN" in said


def test_a_new_room_without_a_floor_is_caught(tmp_path: Path) -> None:
    copy = planted(tmp_path, "", "")
    (copy / "cryptai" / "extra.py").write_text('"""A room nobody planned."""\n')
    status, said = contracts(copy)
    assert status == 1
    assert "cryptai.extra" in said


def test_object_code_is_named_by_every_source_it_is_made_of() -> None:
    import grimp

    from cryptai import jit

    doors = {"cryptai.trading.kernel", "cryptai.trading.event_kernel", "cryptai.trading.markets_kernel"}
    graph = grimp.build_graph("cryptai")
    # Candles, what they carry and what a market is reach a kernel as plain columns.
    for module in [one for one in graph.modules if one.startswith("cryptai.market.")]:
        graph.remove_module(module)
    below = set(doors).union(*map(graph.find_upstream_modules, doors))
    # Errors, registries and digests are not compiled, and every file with features is named by a pattern.
    apart = ("errors", "kernels", "parameters", "registry", "trading.market", "written")
    made_of = {
        module
        for module in below
        if module.removeprefix("cryptai.") not in apart and not module.startswith("cryptai.features.")
    }
    named = {"cryptai." + source.removesuffix(".py").replace("/", ".") for source in jit._SOURCES}
    assert made_of == named
