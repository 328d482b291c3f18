"""Backup and restore: the same bytes back, or a sentence and nothing changed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sqlite3
import tarfile
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cryptai.cli.archive import FORMAT, MANIFEST
from cryptai.cli.main import main
from cryptai.market.candles import Candles
from cryptai.market.store import CandleStore
from cryptai.workspace import LAYOUT_VERSION, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptai.workspace import Workspace


def bars(n: int, first: int = 0) -> Candles:
    ts = (np.arange(first, first + n, dtype=np.int64)) * 3_600_000
    close = 100.0 + np.arange(first, first + n) % 7
    return Candles(ts, close, close + 1, close - 1, close, close, symbol="BTC/USDT", timeframe="1h")


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    CandleStore(workspace.candles).write("binance", bars(20_000))
    with closing(sqlite3.connect(workspace.database)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE note (text)")
        db.execute("INSERT INTO note VALUES ('kept')")
        db.commit()
    (workspace.secrets / "django.key").write_text("secret")
    (workspace.secrets / "django.key").chmod(0o600)
    (workspace.strategies / "mine.py").write_text("# my own\n")
    (workspace.runs / "a").mkdir()
    (workspace.runs / "a" / "result.json").write_text("{}")
    return workspace


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    def move() -> Path:
        root = tmp_path / "elsewhere" / "workspace"
        monkeypatch.setenv("CRYPTAI_HOME", str(root))
        return root

    return move


def hostile(file: Path, add: Callable[[tarfile.TarFile], None], **manifest: Any) -> Path:
    """An archive that is right in everything but what `add` puts in and `manifest` changes."""
    files = {"version": {"bytes": 2, "sha256": hashlib.sha256(b"1\n").hexdigest()}}
    content = {"format": FORMAT, "layout": LAYOUT_VERSION, "cryptai": "9.9", "made_at_ms": 0, "files": files}
    with tarfile.open(file, "w:gz") as tar:
        member("version", text=b"1\n")(tar)
        add(tar)
        text = json.dumps({**content, **manifest}).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return file


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", text: bytes = b""
) -> Callable[..., None]:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(text)
        tar.addfile(info, io.BytesIO(text))

    return add


def test_a_workspace_comes_back_as_it_was(
    filled: Workspace, tmp_path: Path, elsewhere: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.tar.gz"
    before = CandleStore(filled.candles).markets()
    assert main(["backup", str(file)]) == 0
    assert "secrets are in it" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    root = elsewhere()
    assert main(["restore", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    found = [p for p in root.rglob("*") if p.is_file()]
    assert said["files"] == len(found)
    assert said["bytes"] == sum(p.stat().st_size for p in found)
    assert CandleStore(root / "candles").markets() == before
    assert CandleStore(root / "candles").read("binance", "BTC/USDT", "1h").digest == bars(20_000).digest
    for path in ("secrets/django.key", "strategies/mine.py", "runs/a/result.json", "version"):
        assert (root / path).read_bytes() == (filled.root / path).read_bytes()
    assert (root / "secrets" / "django.key").stat().st_mode & 0o777 == 0o600
    assert (root / "secrets").stat().st_mode & 0o777 == 0o700
    with closing(sqlite3.connect(root / "cryptai.sqlite3")) as db:
        assert db.execute("SELECT text FROM note").fetchall() == [("kept",)]


def test_a_backup_while_candles_and_rows_are_written_holds_whatever_it_refers_to(
    filled: Workspace, tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    stop, written = threading.Event(), []

    def write() -> None:
        store = CandleStore(filled.candles)
        with closing(sqlite3.connect(filled.database, timeout=30)) as db:
            while not stop.is_set() and len(written) < 400:
                n = 20_000 + 500 * len(written)
                store.write("binance", bars(500, n))
                db.execute("INSERT INTO note VALUES (?)", (str(n),))
                db.commit()
                written.append(n)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not written:
            pass
        files = [tmp_path / f"{i}.tar.gz" for i in range(3)]
        assert [main(["backup", str(file)]) for file in files] == [0, 0, 0]
    finally:
        stop.set()
        writer.join()
    assert main(["restore", str(files[-1])]) == 2, "the workspace in force is in use"
    root = elsewhere()
    assert main(["restore", str(files[-1])]) == 0
    candles = CandleStore(root / "candles").read("binance", "BTC/USDT", "1h")
    assert len(candles) > 20_000
    assert candles.digest == bars(len(candles)).digest
    with closing(sqlite3.connect(root / "cryptai.sqlite3")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_backup_overwrites_nothing(
    filled: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.tar.gz"
    file.write_text("mine")
    assert main(["backup", str(file)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.read_text() == "mine"


@pytest.mark.parametrize("place", ["workspace/inside.tar.gz", "no/such/folder.tar.gz"])
def test_a_backup_needs_a_place_outside_that_exists(filled: Workspace, tmp_path: Path, place: str) -> None:
    assert main(["backup", str(tmp_path / place)]) == 2


def test_there_must_be_a_workspace_to_back_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTAI_HOME", str(tmp_path / "none"))
    assert main(["backup", str(tmp_path / "a.tar.gz")]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_not_passed_off_as_a_backup(
    filled: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled.database.write_bytes(b"not a database" * 1000)
    assert main(["backup", str(tmp_path / "a.tar.gz")]) == 2
    assert "damaged" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["workspace"]


def test_links_are_followed_and_loops_end(
    filled: Workspace, tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "big.txt").write_text("on another disk")
    (filled.root / "reports" / "far").symlink_to(tmp_path / "disk")
    (filled.root / "reports" / "loop").symlink_to(filled.root)
    assert main(["backup", str(tmp_path / "a.tar.gz")]) == 0
    root = elsewhere()
    assert main(["restore", str(tmp_path / "a.tar.gz")]) == 0
    assert (root / "reports" / "far" / "big.txt").read_text() == "on another disk"
    assert not any(p.is_symlink() for p in root.rglob("*"))


def test_restore_goes_into_an_empty_workspace_only(
    filled: Workspace, tmp_path: Path, elsewhere: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.tar.gz"
    assert main(["backup", str(file)]) == 0
    root = elsewhere()
    used = open_workspace(root)
    (used.strategies / "other.py").write_text("# another's\n")
    assert main(["restore", str(file)]) == 2
    assert "strategies/other.py" in capsys.readouterr().err
    assert [p.name for p in root.rglob("*.py")] == ["other.py"]
    (used.strategies / "other.py").unlink()
    assert main(["restore", str(file)]) == 0
    assert [p.name for p in root.rglob("*.py")] == ["mine.py"]


def test_an_archive_with_nothing_wrong_is_taken(tmp_path: Path, elsewhere: Callable[[], Path]) -> None:
    file = hostile(tmp_path / "harmless.tar.gz", lambda tar: None)
    root = elsewhere()
    assert main(["restore", str(file)]) == 0
    assert (root / "version").read_text() == "1\n"


@pytest.mark.parametrize(
    "add",
    [
        member("../outside.txt", text=b"x"),
        member("/outside.txt", text=b"x"),
        member("a/../../outside.txt", text=b"x"),
        member("a\\outside.txt", text=b"x"),
        member("a/./b", text=b"x"),
        member("a\nb", text=b"x"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("hard", tarfile.LNKTYPE, "version"),
        member("pipe", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
        member("folder", tarfile.DIRTYPE),
        member("unlisted.txt", text=b"x"),
        lambda tar: (member("twice")(tar), member("twice")(tar)),
        lambda tar: (member("a")(tar), member("a/b")(tar)),
    ],
    ids=[
        "up", "root", "up again", "backslash", "dot", "newline", "symbolic link", "hard link", "pipe",
        "device", "folder", "unlisted", "twice", "file as folder",
    ],
)  # fmt: skip
def test_what_does_not_belong_into_a_workspace_is_refused(
    add: Callable[[tarfile.TarFile], None],
    tmp_path: Path,
    elsewhere: Callable[[], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = hostile(tmp_path / "hostile.tar.gz", add)
    root = elsewhere()
    assert main(["restore", str(file)]) == 2
    assert capsys.readouterr().err.startswith("cryptai: ")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [file]
    assert not root.exists()


@pytest.mark.parametrize("newer", [{"format": FORMAT + 1}, {"layout": LAYOUT_VERSION + 1}])
def test_a_newer_backup_is_refused(
    newer: dict[str, int], tmp_path: Path, elsewhere: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = hostile(tmp_path / "newer.tar.gz", lambda tar: None, **newer)
    root = elsewhere()
    assert main(["restore", str(file)]) == 2
    assert "update CryptAI" in capsys.readouterr().err
    assert not root.exists()


@pytest.mark.parametrize(
    "manifest",
    [{"files": {}}, {"files": ["version"]}, {"files": {"a": 1}}, {"format": "x"}, {"made_at_ms": None}],
)
def test_a_manifest_that_is_none_is_refused(
    manifest: dict[str, Any], tmp_path: Path, elsewhere: Callable[[], Path]
) -> None:
    file = hostile(tmp_path / "odd.tar.gz", lambda tar: None, **manifest)
    root = elsewhere()
    assert main(["restore", str(file)]) == 2
    assert not root.exists()


def test_every_cut_and_every_flipped_byte_is_noticed(
    filled: Workspace, tmp_path: Path, elsewhere: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kept.tar.gz"
    assert main(["backup", str(file)]) == 0
    whole = file.read_bytes()
    root = elsewhere()
    # The last eight bytes are gzip's checksum and length: what is between files is compared with them alone.
    for at in (*range(0, len(whole), len(whole) // 12), *range(len(whole) - 8, len(whole))):
        file.write_bytes(whole[:at])
        assert main(["restore", str(file)]) == 2
        assert not root.exists()
        # The first bytes of gzip name its time and machine: nothing of ours.
        if at > 10:
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
            assert main(["restore", str(file)]) == 2
            assert not root.exists()
    assert "Traceback" not in capsys.readouterr().err
    assert list(root.parent.glob("*")) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no tar"), gzip.compress(bytes(10_240))],
    ids=["empty", "text", "gzip of text", "gzip of an empty tar"],
)
def test_a_file_that_is_no_backup_is_refused(
    content: bytes, tmp_path: Path, elsewhere: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "none.tar.gz"
    file.write_bytes(content)
    elsewhere()
    assert main(["restore", str(file)]) == 2
    assert "not an intact backup" in capsys.readouterr().err
    assert main(["restore", str(tmp_path / "missing.tar.gz")]) == 2


def test_a_size_beyond_the_disk_is_refused_before_it_is_written(
    tmp_path: Path, elsewhere: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 60
    with gzip.open(file, "wb") as handle:
        handle.write(info.tobuf() + bytes(1_000_000))
    root = elsewhere()
    assert main(["restore", str(file)]) == 2
    assert "no room" in capsys.readouterr().err
    assert not root.exists()


def test_the_manifest_names_every_file_with_its_digest(filled: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "kept.tar.gz"
    assert main(["backup", str(file)]) == 0
    with tarfile.open(file) as tar:
        members = tar.getmembers()
        contents = {m.name: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]
    manifest = json.loads(contents.pop(MANIFEST))
    assert members[-1].name == MANIFEST
    assert {n: hashlib.sha256(c).hexdigest() for n, c in contents.items()} == {
        name: entry["sha256"] for name, entry in manifest["files"].items()
    }
    assert not [name for name in contents if name.endswith((".npy", "-wal", "-shm")) or name == "lock"]
