"""The disk that forgets: it keeps exactly what was synced, and its notes miss no call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from testbeds.calls import Call, build, noting, read_calls, tool_missing
from testbeds.disk import Disk

from cryptai.seams import rng

TESTBEDS = Path(__file__).resolve().parents[2] / "testbeds"
needs_tool = pytest.mark.skipif(bool(tool_missing()), reason=tool_missing() or "-")
FOLDER, FILE, OTHER = 11, 12, 13


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def path(root, name):
    return str(root / name).encode()


def create(root, name, inode=FILE):
    return Call("C", inode, 0, path(root, name), b"")


def write(data, at=0, inode=FILE):
    return Call("W", inode, at, data, b"")


def sync(inode, data_only=0):
    return Call("S", inode, data_only, b"", b"")


def outcomes(root, tmp_path, *calls, cuts=300):
    """Return everything that may be left after these calls, as files with their bytes."""
    found = set()
    random = rng(5)
    for i in range(cuts):
        disk = Disk(root)
        for call in calls:
            disk.take(call)
        left = tmp_path / f"left-{len(calls)}-{i}"
        left.mkdir()
        disk.after_cut(random, left)
        files = [one for one in left.rglob("*") if one.is_file()]
        found.add(tuple(sorted((str(one.relative_to(left)), one.read_bytes()) for one in files)))
    return found


def top(root):
    return root.stat().st_ino


def test_what_was_synced_with_its_folder_is_there_whole(root, tmp_path):
    calls = create(root, "a"), write(b"x" * 2000), sync(FILE), sync(top(root))
    assert outcomes(root, tmp_path, *calls) == {(("a", b"x" * 2000),)}


def test_a_name_without_a_sync_of_its_folder_may_be_gone_with_all_its_bytes(root, tmp_path):
    calls = create(root, "a"), write(b"x" * 2000), sync(FILE)
    assert outcomes(root, tmp_path, *calls) == {(), (("a", b"x" * 2000),)}


def test_bytes_without_a_sync_may_be_gone_torn_or_there(root, tmp_path):
    found = outcomes(root, tmp_path, create(root, "a"), sync(top(root)), write(b"x" * 2000))
    bits = {files[0][1] for files in found}
    assert b"" in bits
    assert b"x" * 2000 in bits
    assert b"\0" * 512 + b"x" * 1488 in bits  # the second sector came before the first
    assert any(len(one) % 512 and one != b"x" * 2000 for one in bits)  # cut off within a sector


def test_a_rename_may_be_forgotten_until_the_folder_was_synced(root, tmp_path):
    old = create(root, "a"), write(b"old"), sync(FILE), sync(top(root))
    draft = create(root, "a.tmp", OTHER), write(b"new", inode=OTHER), sync(OTHER)
    rename = Call("R", 0, 0, path(root, "a.tmp"), path(root, "a"))
    found = outcomes(root, tmp_path, *old, *draft, rename)
    assert (("a", b"old"),) in found
    assert (("a", b"new"),) in found
    assert outcomes(root, tmp_path, *old, *draft, rename, sync(top(root)), cuts=50) == {(("a", b"new"),)}


def test_a_renamed_draft_that_was_never_synced_may_be_empty_under_its_name(root, tmp_path):
    calls = create(root, "a.tmp"), write(b"new")
    rename = Call("R", 0, 0, path(root, "a.tmp"), path(root, "a"))
    assert (("a", b""),) in outcomes(root, tmp_path, *calls, rename, sync(top(root)))


def test_a_folder_that_was_not_synced_into_its_parent_takes_everything_with_it(root, tmp_path):
    made = Call("D", FOLDER, 0, path(root, "f"), b"")
    calls = made, create(root, "f/a"), write(b"x"), sync(FILE), sync(FOLDER)
    assert outcomes(root, tmp_path, *calls, cuts=50) == {(), (("f/a", b"x"),)}
    assert outcomes(root, tmp_path, *calls, sync(top(root)), cuts=50) == {(("f/a", b"x"),)}


@pytest.mark.parametrize(("data_only", "may"), [(0, {7}), (1, {None, 7})])
def test_a_time_of_change_is_safe_after_a_whole_sync_only(root, tmp_path, data_only, may):
    disk = Disk(root)
    for call in (
        create(root, "a"), Call("M", FILE, 7, b"", b""), sync(FILE, data_only), sync(top(root)),
    ):  # fmt: skip
        disk.take(call)
    random, found = rng(5), set()
    for i in range(50):
        left = tmp_path / f"left-{i}"
        left.mkdir()
        disk.after_cut(random, left)
        found.add(7 if (left / "a").stat().st_mtime_ns == 7 else None)
    assert found == may


def test_a_file_written_past_the_notes_is_refused_but_for_sqlites_index(root):
    disk = Disk(root)
    disk.take(create(root, "a-shm"))
    disk.take(Call("P", FILE, 0, path(root, "a-shm"), b""))
    with pytest.raises(NotImplementedError, match="past every note"):
        disk.take(Call("P", FILE, 0, path(root, "a"), b""))


WRITES = """
import os, shutil, sqlite3, sys
from pathlib import Path
import numpy as np
import polars as pl
root = Path(sys.argv[1])
(root / "made" / "deep").mkdir(parents=True)
(root / "made" / "deep" / "text").write_text("hello" * 1000)
with (root / "saved.npy").open("wb") as file:
    np.save(file, np.arange(5000))
os.utime(root / "saved.npy", ns=(7, 7))
pl.DataFrame({"a": range(3000)}).write_ipc(root / "frame.arrow", compression="uncompressed")
with (root / "log").open("ab") as file:
    file.write(b"one")
    file.flush()
    file.write(b"two")
handle = os.open(root / "log", os.O_RDWR)
os.pwrite(handle, b"X", 1)
os.writev(handle, [b"a", b"b"])
os.ftruncate(handle, 4)
os.fsync(handle)
os.dup2(handle, 99)
os.write(99, b"dup")
os.close(99)
os.close(handle)
shutil.copy(root / "saved.npy", root / "copied.npy")
(root / "copied.npy").rename(root / "made" / "moved.npy")
os.link(root / "log", root / "linked")
(root / "log").unlink()
os.chdir(root)
Path("near").write_bytes(b"by a name of its own")
Path("near").replace("nearer")
db = sqlite3.connect("db")
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE t (a)")
db.executemany("INSERT INTO t VALUES (?)", [("x" * 100,)] * 500)
db.commit()
os._exit(0)
"""


@needs_tool
def test_the_notes_of_a_process_tell_everything_it_did(root, tmp_path):
    notes = tmp_path / "notes"
    environment = noting(build(tmp_path, TESTBEDS), root, notes)
    subprocess.run([sys.executable, "-c", WRITES, str(root)], env=environment, check=True, timeout=60)
    calls = list(read_calls(notes))
    assert {call.kind for call in calls} == set("CDWTSRLUMP")
    disk = Disk(root)
    for call in calls:
        disk.take(call)
    assert disk.is_as(root)
    (root / "made" / "deep" / "text").write_text("otherwise")
    assert not disk.is_as(root)


FAILS = """
import ctypes, errno, os, sys
disk = ctypes.CDLL(None)
handle = os.open(sys.argv[1] + "/a", os.O_RDWR | os.O_CREAT)
said = []
def attempt(call, *args):
    try:
        said.append(call(*args))
    except OSError as error:
        said.append(errno.errorcode[error.errno])
disk.disk_fail(ctypes.c_long(2), errno.EIO, ctypes.c_long(0))
attempt(os.write, handle, b"1234")
attempt(os.fsync, handle)
attempt(os.fsync, handle)
disk.disk_fail(ctypes.c_long(1), errno.ENOSPC, ctypes.c_long(1))
attempt(os.write, handle, b"1234")
attempt(os.write, handle, b"34")
attempt(os.mkdir, sys.argv[1] + "/b")
attempt(os.unlink, sys.argv[1] + "/a")
print(said)
"""


@needs_tool
def test_calls_fail_on_order_once_or_from_then_on(root, tmp_path):
    environment = noting(build(tmp_path, TESTBEDS), root)
    done = subprocess.run(
        [sys.executable, "-c", FAILS, str(root)], env=environment, capture_output=True, text=True, check=True
    )
    # A full disk takes half of the first write, and no more.
    assert done.stdout.strip() == str([4, "EIO", None, 2, "ENOSPC", "ENOSPC", None])
