"""The workspace: what it makes, whom it lets in, and what it survives."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from cryptai.errors import WorkspaceError
from cryptai.workspace import FOLDERS, LAYOUT_VERSION, lock_workspace, open_workspace, workspace_root

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_workspace_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "down"
    open_workspace(root)
    assert {path.name for path in root.iterdir()} == {*FOLDERS, "version"}
    assert (root / "version").read_text() == f"{LAYOUT_VERSION}\n"
    assert mode(root) == mode(root / "secrets") == 0o700


def test_opening_again_changes_nothing_but_brings_back_a_missing_folder(tmp_path: Path) -> None:
    root = tmp_path / "home"
    open_workspace(root)
    root.chmod(0o750)
    (root / "strategies" / "mine.py").touch()
    (root / "reports").rmdir()
    open_workspace(root)
    assert mode(root) == 0o750
    assert (root / "strategies" / "mine.py").exists()
    assert (root / "reports").is_dir()


def test_looking_makes_nothing(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "home", create=False)
    assert not workspace.root.exists()


def test_a_marker_that_a_power_cut_left_empty_is_written_again(tmp_path: Path) -> None:
    open_workspace(tmp_path)
    (tmp_path / "version").write_text("")
    open_workspace(tmp_path, create=False)
    assert (tmp_path / "version").read_text() == ""
    open_workspace(tmp_path)
    assert (tmp_path / "version").read_text() == f"{LAYOUT_VERSION}\n"


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        (b"2\n", "newer than this CryptAI"),
        (b"one\n", "says 'one'"),
        ("²".encode(), "says"),
        (b"\xff\xfe", "says"),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_workspace_of_another_version_is_left_alone(
    tmp_path: Path, marker: bytes, why: str, create: bool
) -> None:
    (tmp_path / "version").write_bytes(marker)
    with pytest.raises(WorkspaceError, match=why):
        open_workspace(tmp_path, create=create)
    assert [path.name for path in tmp_path.iterdir()] == ["version"]
    assert (tmp_path / "version").read_bytes() == marker


def test_a_place_that_cannot_be_used_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="name another with CRYPTAI_HOME"):
        open_workspace(tmp_path / "file" / "home")


def test_one_server_holds_it_until_it_ends(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    with lock_workspace(workspace):
        with pytest.raises(WorkspaceError, match=rf"process {os.getpid()}\) is running"):
            lock_workspace(workspace)
        assert (tmp_path / "lock").read_text() == str(os.getpid())
    lock_workspace(workspace).close()


def test_the_environment_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "x" / ".." / "home"))
    assert workspace_root() == (tmp_path / "home").resolve()
    monkeypatch.delenv("CRYPTAI_HOME")
    monkeypatch.chdir(tmp_path)
    assert workspace_root() == tmp_path / "workspace"
