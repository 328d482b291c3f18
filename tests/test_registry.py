"""A registry finds the files of its folder, says what is near, and is whole for whoever asks."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from cryptai.errors import UnknownName
from cryptai.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path


class Ground(ModuleType):
    """What the files of the folder import: their registry, and a gate in the middle of their loading."""

    def __init__(self) -> None:
        super().__init__("ground")
        self.things: Registry[int] = Registry("thing", "folder_of_things")
        self.entered, self.go = Event(), Event()


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    folder = tmp_path / "folder_of_things"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "first.py").write_text("import ground\nground.things.add('first', 1)\n")
    (folder / "second.py").write_text(
        "import ground\nground.entered.set()\nground.go.wait(20)\nground.things.add('second', 2)\n"
    )
    (folder / "_private.py").write_text("raise RuntimeError('not a thing')\n")
    found = Ground()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "ground", found)
    for name in ("", ".first", ".second"):
        monkeypatch.delitem(sys.modules, f"folder_of_things{name}", raising=False)
    return found


def test_the_files_of_the_folder_are_found(ground: Ground) -> None:
    ground.go.set()
    assert ground.things.names() == ["first", "second"]
    assert list(ground.things) == [1, 2]
    assert "second" in ground.things
    assert "third" not in ground.things


def test_an_unknown_name_is_answered_with_the_near_ones(ground: Ground) -> None:
    ground.go.set()
    with pytest.raises(UnknownName, match="did you mean first"):
        ground.things.get("frist")


def test_two_things_of_one_name_are_a_mistake(ground: Ground) -> None:
    ground.go.set()
    assert ground.things.get("first") == 1
    with pytest.raises(ValueError, match="Two things are named 'first'"):
        ground.things.add("first", 3)


def test_what_is_written_anew_at_its_place_takes_the_place_of_what_was_there(ground: Ground) -> None:
    def cell() -> type:
        class Idea: ...

        return Idea

    things: Registry[type] = Registry("strategy", "folder_of_things")
    first, second = cell(), cell()
    ground.go.set()
    assert things.add("idea", first) is first
    assert things.add("idea", second) is second is things.get("idea")
    with pytest.raises(ValueError, match="Two strategies are named 'idea'"):
        things.add("idea", Ground)


def test_who_asks_while_another_thread_loads_gets_the_whole(ground: Ground) -> None:
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(ground.things.names)
        assert ground.entered.wait(20)
        late = pool.submit(ground.things.names)
        assert not late.done()
        ground.go.set()
        assert early.result(20) == late.result(20) == ["first", "second"]
