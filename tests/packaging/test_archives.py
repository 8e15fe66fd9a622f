"""Archives of installed packages: the same files give the same bytes, and nothing leads out of the folder."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import DamagedError
from fairlead.packaging.archives import unpack_archive, write_archive

NAMES = st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}\.py){1,2}|[a-z]{1,3}\.txt", fullmatch=True)
TREES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=2000), st.booleans()), max_size=6)


def written(folder: Path) -> bytes:
    file = io.BytesIO()
    write_archive(folder, file)
    return file.getvalue()


def make(folder: Path, tree: dict[str, tuple[bytes, bool]], *, mode: int, moment: int) -> Path:
    folder.mkdir()
    for name, (data, runs) in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode | (0o100 if runs else 0))
        os.utime(path, (moment, moment))
    return folder


def contents(folder: Path) -> dict[str, tuple[bytes, bool]]:
    files = (each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder)): (each.read_bytes(), os.access(each, os.X_OK)) for each in files}


@given(TREES)
def test_equal_contents_give_equal_bytes_and_come_back(tmp_path_factory: pytest.TempPathFactory, tree) -> None:
    tmp_path = tmp_path_factory.mktemp("trees")
    tree = {name: each for name, each in tree.items() if not any(other.startswith(f"{name}/") for other in tree)}
    one = make(tmp_path / "one", tree, mode=0o644, moment=1)
    other = make(tmp_path / "other", dict(reversed(tree.items())), mode=0o600, moment=10**9)
    (other / "empty").mkdir(exist_ok=True)
    assert written(one) == written(other)
    unpack_archive(io.BytesIO(written(one)), tmp_path / "back")
    assert {name: data for name, (data, _) in contents(tmp_path / "back").items()} == {
        name: data for name, (data, _) in tree.items()
    }
    assert {name for name, (_, runs) in tree.items() if runs} == {
        name for name in tree if (tmp_path / "back" / name).stat().st_mode & 0o100
    }


def test_a_link_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="'link' is no plain file"):
        written(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../out", tarfile.REGTYPE), ("/out", tarfile.REGTYPE), ("a", tarfile.SYMTYPE), ("a", tarfile.LNKTYPE),
     ("a", tarfile.FIFOTYPE), ("a", tarfile.DIRTYPE), ("a/../../out", tarfile.REGTYPE)],
)  # fmt: skip
def test_what_is_no_plain_file_within_is_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/hostname"
        archive.addfile(info)
    file.seek(0)
    with pytest.raises(DamagedError, match="cannot read an archive of packages"):
        unpack_archive(file, tmp_path / "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
    assert not list((tmp_path / "folder").iterdir())


def test_an_archive_that_is_cut_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "one", {"a.py": (b"1" * 5000, False)}, mode=0o644, moment=1)
    with pytest.raises(DamagedError):
        unpack_archive(io.BytesIO(written(folder)[:3000]), tmp_path / "back")
