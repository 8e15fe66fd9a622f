"""The folder back end: the shared contract, and what only a file system can do to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.errors import NotFoundError, StoreError
from fairlead.store.backends import Folder, list_all
from fairlead.testing.stores import BackendContract


class TestFolder(BackendContract):
    model_examples = 30

    @pytest.fixture
    def backend(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path / "store")


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "store")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def files_of(store: Folder) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


def test_a_full_disk_keeps_what_was_there_and_leaves_nothing_half_written(small_disk: Path, tmp_path: Path) -> None:
    store = Folder(small_disk / "store")
    large = b"x" * 400_000
    (tmp_path / "large").write_bytes(large)
    store.put("a/kept", b"old")
    for act in (
        lambda: store.put("a/kept", large),
        lambda: store.create("b/new", large),
        lambda: store.put_file("c/file", tmp_path / "large"),
    ):
        with pytest.raises(StoreError, match=r"(?s)No space left.*next.*free some space"):
            act()
    assert files_of(store) == ["kept"]
    assert store.get("a/kept") == b"old"
    assert (tmp_path / "large").read_bytes() == large
    assert store.create("b/new", b"small")


def test_a_read_only_file_system_can_still_be_read(small_disk: Path, tmp_path: Path) -> None:
    store = Folder(small_disk / "store")
    store.put("a/b", b"1")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    (tmp_path / "file").write_bytes(b"2")
    for act in (
        lambda: store.put("a/b", b"2"),
        lambda: store.create("c", b"2"),
        lambda: store.delete("a/b"),
        lambda: store.put_file("c", tmp_path / "file"),
    ):
        with pytest.raises(StoreError, match=r"(?s)Read-only file system.*next.*read-write"):
            act()
    assert store.get("a/b") == b"1"
    assert [entry.key for entry in store.list_after("")] == ["a/b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder; the read-only file system is tested")
def test_a_folder_of_somebody_else_says_what_to_do(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    tmp_path.chmod(0o555)
    with pytest.raises(StoreError, match=r"(?s)Permission denied.*next.*owner and mode"):
        store.put("a", b"1")


def test_put_file_copies_from_another_file_system(small_disk: Path, store: Folder) -> None:
    (small_disk / "file").write_bytes(b"content")
    store.put_file("a/b", small_disk / "file")
    assert store.get("a/b") == b"content"
    assert files_of(store) == ["b"]


def test_put_file_moves_on_the_same_file_system(store: Folder, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    store.put_file("a/b", tmp_path / "file")
    assert store.get("a/b") == b"content"
    assert not (tmp_path / "file").exists()


def test_an_object_cannot_take_the_name_of_a_folder_nor_be_one(store: Folder) -> None:
    store.put("a/b", b"1")
    for act in (lambda: store.put("a", b"2"), lambda: store.create("a", b"2"), lambda: store.create("a/b/c", b"2")):
        with pytest.raises(StoreError):
            act()
    assert files_of(store) == ["b"]


def test_deletion_leaves_no_empty_folders(store: Folder) -> None:
    store.put("a/b/c", b"1")
    store.put("a/d", b"1")
    store.delete("a/b/c")
    assert [path.name for path in store.root.iterdir()] == ["a"]
    assert [path.name for path in (store.root / "a").iterdir()] == ["d"]
    store.delete("a/d")
    assert list(store.root.iterdir()) == []


def test_a_store_that_is_not_there_is_empty(store: Folder) -> None:
    assert store.list_after("") == []
    with pytest.raises(NotFoundError):
        store.get("a")
    store.delete("a")


# The kernel kills the writer in the middle of its file, because it may not grow beyond 64 KiB.
KILLED_WRITER = """
import resource, signal, sys
from pathlib import Path
from fairlead.store.backends import Folder
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
getattr(Folder(Path(sys.argv[1])), sys.argv[2])("a/b", b"new" * 100_000)
"""


@pytest.mark.parametrize("method", ["put", "create"])
def test_a_killed_writer_leaves_nothing_visible(store: Folder, method: str) -> None:
    if method == "put":
        store.put("a/b", b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, store.root, method], check=False)
    assert killed.returncode == -signal.SIGXFSZ
    assert any(name.startswith(".tmp.") for name in files_of(store)), "it was killed before it wrote"
    assert [entry.key for entry in list_all(store, "")] == (["a/b"] if method == "put" else [])
    assert store.create("a/c", b"1")
    store.put("a/b", b"next")
    assert store.get("a/b") == b"next"


DELETER = """
import sys
from pathlib import Path
from fairlead.store.backends import Folder
store = Folder(Path(sys.argv[1]))
print("ready", flush=True)
while not (store.root / "stop").exists():
    for number in range(3):
        store.delete(f"a/b/c/{number}")
"""


def test_writing_goes_on_while_others_delete_the_last_object_of_its_folder(store: Folder, tmp_path: Path) -> None:
    deleter = subprocess.Popen([sys.executable, "-c", DELETER, store.root], stdout=subprocess.PIPE)
    stop = threading.Event()

    def delete_here() -> None:
        while not stop.is_set():
            store.delete("a/b/c/1")

    thread = threading.Thread(target=delete_here)
    try:
        assert deleter.stdout is not None
        assert deleter.stdout.readline() == b"ready\n"
        thread.start()
        for number in range(500):
            store.put("a/b/c/0", b"1")
            store.create("a/b/c/1", b"1")
            (tmp_path / "file").write_bytes(str(number).encode())
            store.put_file("a/b/c/2", tmp_path / "file")
            store.list_after("")
    finally:
        stop.set()
        thread.join()
        store.put("stop", b"")
        _, _ = deleter.communicate(timeout=60)
    assert deleter.returncode == 0
    assert {entry.key for entry in list_all(store, "")} <= {"a/b/c/0", "a/b/c/1", "a/b/c/2", "stop"}
    assert not [name for name in files_of(store) if name.startswith(".tmp.")]
