"""Values as objects: content addressed, verified, nothing half, whatever happens meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from fairlead.errors import DamagedError, NotFoundError, StoreError
from fairlead.store import objects
from fairlead.store.backends import Entry, Folder
from fairlead.store.values import Values

LARGE = np.arange(1 << 18, dtype=np.float64)
VALUES: dict[str, Any] = {
    "json": {"a": 1}, "bytes": b"abc" * 10, "small array": np.arange(10), "large array": LARGE,
    "dict of arrays": {"x": LARGE}, "pickle": (1, 2), "large pickle": (LARGE, 1), "large text": "x" * (2 << 20),
}  # fmt: skip


class Remote:
    """A back end without files of its own, that counts what it is asked."""

    url = "memory://"

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.asked: list[str] = []

    def create(self, key: str, data: bytes) -> bool:
        self.asked.append("create")
        return key not in self.held and not self.held.update({key: data})

    def put(self, key: str, data: bytes) -> None:
        self.asked.append("put")
        self.held[key] = data

    def put_file(self, key: str, path: Path) -> None:
        self.asked.append("put_file")
        self.held[key] = path.read_bytes()

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self.asked.append("get")
        if key not in self.held:
            raise NotFoundError(f"there is no {key}")
        return self.held[key][start : None if length is None else start + length]

    def list_after(self, prefix: str, after: str = "", limit: int = 1000) -> list[Entry]:
        self.asked.append("list")
        keys = sorted(key for key in self.held if key.startswith(prefix) and key > after)
        return [Entry(key, len(self.held[key]), 0.0) for key in keys[:limit]]

    def delete(self, key: str) -> None:
        self.held.pop(key, None)


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def values(tmp_path: Path) -> Values:
    return Values(Folder(tmp_path / "store"), tmp_path / "host")


@pytest.fixture
def far(remote: Remote, tmp_path: Path) -> Values:
    return Values(remote, tmp_path / "host")


def rewrite(path: Path, data: bytes) -> None:
    """Change a protected file's bytes, as a faulty disk or a careless user would."""
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))


def is_same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and repr(left) == repr(right)


def leftovers(root: Path) -> list[Path]:
    return list(root.rglob("*.tmp.*"))


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("store", ["values", "far"])
def test_values_come_back(request: pytest.FixtureRequest, tmp_path: Path, store: str, name: str) -> None:
    values: Values = request.getfixturevalue(store)
    ref = values.save(VALUES[name])
    assert values.exists(ref)
    values.verify(ref)
    assert values.path(ref).stat().st_size == ref.size_bytes
    assert is_same(values.load(ref), VALUES[name])
    assert values.save(VALUES[name]) == ref
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_written_once(values: Values, name: str) -> None:
    path = values.path(values.save(VALUES[name]))
    before = path.stat()
    values.save(VALUES[name])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_remote_store_is_sent_a_value_once(far: Values, remote: Remote) -> None:
    far.save(LARGE)
    far.save(1)
    far.save(LARGE)
    far.save(1)
    assert remote.asked == ["list", "put_file", "create", "list", "create"]


def test_a_remote_value_is_fetched_once_in_ranges(far: Values, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_RANGE", 1 << 20)
    ref = far.save(LARGE)
    remote.asked.clear()
    assert np.array_equal(far.load(ref), LARGE)
    assert remote.asked == ["get"] * 3
    assert np.array_equal(far.load(ref), LARGE)
    assert len(remote.asked) == 3


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("how", ["flipped", "truncated", "deleted", "emptied"])
@pytest.mark.parametrize("verified", [True, False], ids=["verified before", "never verified"])
def test_damage_is_found_and_mended(values: Values, tmp_path: Path, name: str, how: str, verified: bool) -> None:
    ref = values.save(VALUES[name])
    path = tmp_path / "store" / "objects" / ref.digest
    if not verified:
        values = Values(Folder(tmp_path / "store"), tmp_path / "another host")
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        rewrite(path, {"flipped": flipped, "truncated": data[:-1], "emptied": b""}[how])
    for act in (values.load, values.verify, values.path):
        with pytest.raises(DamagedError, match=rf"{ref.digest}(.|\n)*fairlead store check(.|\n)*fairlead resume"):
            act(ref)
    assert not values.exists(ref)
    assert values.save(VALUES[name]) == ref
    assert is_same(values.load(ref), VALUES[name])
    values.verify(ref)


@pytest.mark.parametrize("name", ["json", "large array"])
@pytest.mark.parametrize("how", ["flipped", "deleted"])
def test_damage_in_a_remote_store_is_found_and_mended(far: Values, remote: Remote, name: str, how: str) -> None:
    ref = far.save(VALUES[name])
    key = f"objects/{ref.digest}"
    if how == "deleted":
        del remote.held[key]
    else:
        remote.held[key] = bytes([remote.held[key][0] ^ 1]) + remote.held[key][1:]
    for act in (far.load, far.verify):
        with pytest.raises(DamagedError, match=ref.digest):
            act(ref)
    assert far.save(VALUES[name]) == ref
    assert is_same(far.load(ref), VALUES[name])


def test_a_damaged_download_is_fetched_again(far: Values, tmp_path: Path) -> None:
    ref = far.save(LARGE)
    path = far.path(ref)
    rewrite(path, bytes(ref.size_bytes))
    assert np.array_equal(far.load(ref), LARGE)


def test_a_large_value_is_hashed_once_on_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = Values(Folder(tmp_path / "store"), tmp_path / "one").save(LARGE)
    hashed = []
    digest = objects.digest_file
    monkeypatch.setattr(objects, "digest_file", lambda file: hashed.append(1) or digest(file))
    Values(Folder(tmp_path / "store"), tmp_path / "one").load(ref)
    assert not hashed, "save marks what it wrote"
    for _ in range(3):
        Values(Folder(tmp_path / "store"), tmp_path / "two").load(ref)
    assert len(hashed) == 1
    os.utime(tmp_path / "store" / "objects" / ref.digest)
    Values(Folder(tmp_path / "store"), tmp_path / "two").load(ref)
    assert len(hashed) == 2, "a file that was touched is hashed again"


def test_a_mark_that_is_torn_counts_as_none(values: Values, tmp_path: Path) -> None:
    ref = values.save(LARGE)
    (tmp_path / "host" / "verified" / ref.digest).write_bytes(b"\xff12")
    assert np.array_equal(values.load(ref), LARGE)


def test_a_size_that_was_not_written_is_not_there(values: Values, far: Values) -> None:
    for each in (values, far):
        ref = each.save(LARGE)
        assert not each.exists(msgspec.structs.replace(ref, size_bytes=5))
        assert not each.exists(msgspec.structs.replace(ref, digest="0" * 64))


def test_a_digest_cannot_lead_elsewhere(values: Values) -> None:
    with pytest.raises(StoreError, match="refused the digest"):
        values.load(msgspec.structs.replace(values.save(1), digest="../../etc/passwd"))


def test_a_value_that_fails_half_way_leaves_nothing(values: Values, tmp_path: Path) -> None:
    class Sudden(Exception):
        pass

    class Late:
        def __reduce__(self) -> Any:
            raise Sudden

    with pytest.raises(Sudden):
        values.save((LARGE, Late()))
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


SAVE = """
import sys; from pathlib import Path; import numpy as np
from fairlead.store.values import Values; from fairlead.store.backends import Folder
values = Values(Folder(Path(sys.argv[1])), Path(sys.argv[2])); sys.stdin.readline()
for n in range(5): print(values.save(np.arange(1 << 18) + n).digest, values.save([n]).digest)
"""


def test_two_processes_save_the_same_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", SAVE, str(tmp_path / "store"), str(tmp_path / "host")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for each in started:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    first, second = (each.communicate(timeout=60)[0] for each in started)
    assert first == second
    assert {path.name for path in (tmp_path / "store" / "objects").iterdir()} == set(first.split())
    values = Values(Folder(tmp_path / "store"), tmp_path / "host")
    assert [values.load(values.save([n])) for n in range(5)] == [[n] for n in range(5)]


EVERYTHING = """
import sys; from pathlib import Path; import numpy as np; from importlib.util import find_spec
from fairlead.store.values import Values; from fairlead.store.backends import Folder
folder = Path(sys.argv[3])
made = [{"b": 1, "a": [1.5, None]}, b"x", np.arange(9.), np.float32(1), {"y": np.ones(3), "x": np.ones(2)}, folder,
        folder / "a", ("a", {"k": (1, 2)})]
if find_spec("pandas"):
    import pandas as pd
    made += [pd.DataFrame({"a": [1, 2], "s": ["x", None], "c": pd.Categorical(["p", "q"])}), pd.Series([1., None])]
if find_spec("polars"):
    import polars as pl
    made += [pl.DataFrame({"a": [1, 2], "s": ["x", None], "c": pl.Series(["p", "q"], dtype=pl.Categorical)})]
if find_spec("pyarrow"):
    import pyarrow as pa
    made += [pa.table({"a": [1, None], "d": pa.array(["x", "y"]).dictionary_encode()})]
values = Values(Folder(Path(sys.argv[1])), Path(sys.argv[2]))
for value in made: print(values.save(value))
"""


def test_bytes_are_the_same_in_every_process(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name)
    seen = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", EVERYTHING, tmp_path / f"store{seed}", tmp_path / f"host{seed}", folder]
        done = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        seen.add(done.stdout)
    assert len(seen) == 1


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    target = tmp_path / "disk"
    target.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(target)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a tiny disk can only be mounted by root")
    yield target
    subprocess.run(["umount", str(target)], check=True)


@pytest.mark.parametrize(
    "value",
    [np.arange(1 << 20), {"x": np.arange(1 << 20)}, b"x" * (8 << 20), "x" * (8 << 20), (np.arange(1 << 20),)],
    ids=["array", "dict of arrays", "bytes", "text", "pickle"],
)
def test_a_full_disk_leaves_no_half_object(tiny_disk: Path, tmp_path: Path, value: Any) -> None:
    values = Values(Folder(tiny_disk), tmp_path / "host")
    small = values.save(np.arange(10))
    with pytest.raises(StoreError, match=r"No space left(.|\n)*free some space"):
        values.save(value)
    assert [path.name for path in (tiny_disk / "objects").iterdir()] == [small.digest]
    assert values.load(small).sum() == 45


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_full_disk_is_told_through_every_library(tiny_disk: Path, tmp_path: Path, library: str) -> None:
    module = pytest.importorskip(library)
    with pytest.raises(StoreError, match="No space left"):
        Values(Folder(tiny_disk), tmp_path / "host").save(module.DataFrame({"a": np.arange(1 << 20)}))
    assert not [path for path in tiny_disk.rglob("*") if path.is_file()]


def test_a_full_host_is_told(far: Values, remote: Remote, tiny_disk: Path) -> None:
    ref = far.save(np.arange(1 << 20))
    with pytest.raises(StoreError, match="No space left"):
        Values(remote, tiny_disk / "host").load(ref)
    assert not [path for path in tiny_disk.rglob("*") if path.is_file()]


MEMORY = """
import sys; from pathlib import Path; import numpy as np
from fairlead.store.values import Values; from fairlead.store.backends import Folder
def held(what): return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(what)) / 1024
values = Values(Folder(Path(sys.argv[1])), Path(sys.argv[2]))
values.load(values.save(np.zeros(1 << 19)))
array = np.arange(50 << 20, dtype=np.float32).reshape(50, -1)
array = array.T if sys.argv[3] == "fortran" else array
before = held("VmHWM"); ref = values.save(array); saving = held("VmHWM") - before
total = float(array[::1000].sum()); del array
before = held("RssAnon"); array = values.load(ref); assert float(array[::1000].sum()) == total
print(saving, held("RssAnon") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("order", ["c", "fortran"])
def test_large_arrays_are_never_copied(tmp_path: Path, order: str) -> None:
    command = [sys.executable, "-c", MEMORY, tmp_path / "store", tmp_path / "host", order]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    saving, loading = map(float, done.stdout.split())
    assert saving < 10, "MiB more than the array itself, which has 200"
    assert loading < 10
