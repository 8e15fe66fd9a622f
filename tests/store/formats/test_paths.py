"""Files and folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import DamagedError, FairleadError
from fairlead.store.values import Values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "weights.bin").write_bytes(bytes(2 << 20))
    (root / "sub" / "ü.txt").write_text("text")
    (root / "sub" / "deep" / "run.sh").write_text("#!/bin/sh\n")
    (root / "sub" / "deep" / "run.sh").chmod(0o755)
    return root


def tree(root: Path) -> dict[str, Any]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


@pytest.mark.parametrize("data", [b"", b"abc", os.urandom(3 << 20)], ids=["empty", "small", "large"])
def test_a_file_comes_back_with_its_name(values: Values, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "naïve name.bin"
    path.write_bytes(data)
    ref = values.save(path)
    assert (ref.format, ref.name, ref.size_bytes) == ("file", path.name, len(data))
    path.unlink()
    back = values.load(ref)
    assert (back.name, back.read_bytes()) == (path.name, data)
    assert back.stat().st_mode & 0o777 == 0o444
    assert values.load(ref) == back == values.path(ref)


def test_a_relative_path_and_a_link_are_followed(
    values: Values, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert values.save(Path("weights.bin")) == values.save(folder / "weights.bin")
    assert values.save(Path()).name == "model"
    (tmp_path / "link").symlink_to(folder / "weights.bin")
    assert values.save(tmp_path / "link").name == "link"


def test_a_folder_comes_back_whole(values: Values, folder: Path) -> None:
    ref = values.save(folder)
    assert (ref.format, ref.name) == ("folder", "model")
    back = values.load(ref)
    assert back.name == "model"
    assert tree(back) == tree(folder)
    assert (back / "sub/deep/run.sh").stat().st_mode & 0o777 == 0o555
    assert (back / "weights.bin").stat().st_mode & 0o777 == 0o444
    assert values.load(ref) == back
    assert {each.name for each in values.parts(ref)} == {"weights.bin", "ü.txt", "run.sh"}
    assert values.exists(ref)
    values.verify(ref)


def test_equal_folders_give_one_reference(values: Values, folder: Path) -> None:
    first = values.save(folder)
    os.utime(folder / "weights.bin", (0, 0))
    (folder / "weights.bin").chmod(0o600)
    assert values.save(folder) == first
    (folder / "weights.bin").chmod(0o700)
    assert values.save(folder) != first


def test_an_empty_folder(values: Values, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert tree(values.load(values.save(tmp_path / "nothing"))) == {}


def test_files_that_were_added_to_a_copy_are_not_part_of_the_value(values: Values, folder: Path) -> None:
    ref = values.save(folder)
    first = values.load(ref)
    (first / "cache.lock").write_text("")
    again = values.load(ref)
    assert again != first
    assert tree(again) == tree(folder)
    (first / "cache.lock").unlink()


def test_a_file_that_was_replaced_in_a_copy_is_put_right(values: Values, folder: Path) -> None:
    ref = values.save(folder)
    back = values.load(ref)
    (back / "weights.bin").unlink()
    (back / "weights.bin").write_text("mine")
    assert tree(values.load(ref)) == tree(folder)


def test_links_inside_are_followed(values: Values, folder: Path) -> None:
    (folder / "same.bin").symlink_to("weights.bin")
    (folder / "same").symlink_to("sub")
    back = values.load(values.save(folder))
    assert (back / "same.bin").stat().st_size == 2 << 20
    assert (back / "same" / "ü.txt").read_text() == "text"
    assert not (back / "same").is_symlink()


@pytest.mark.parametrize(
    ("target", "why"),
    [("/etc/hostname", "leads out"), ("..", "leads out"), ("nowhere", "link to nothing"), (".", "lies in")],
)
def test_links_that_cannot_be_kept_are_refused(values: Values, folder: Path, target: str, why: str) -> None:
    (folder / "sub" / "link").symlink_to(folder / target if target != ".." else "../..")
    with pytest.raises(FairleadError, match=f"cannot store the folder(.|\n)*sub/link(.|\n)*{why}|{why}(.|\n)*sub/link"):
        values.save(folder)


def test_what_is_no_file_is_refused(values: Values, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FairleadError, match="there is no such file"):
        values.save(tmp_path / "nothing.csv")
    os.mkfifo(folder / "pipe")
    with pytest.raises(FairleadError, match="neither a file nor a folder"):
        values.save(folder / "pipe")
    with pytest.raises(FairleadError, match="pipe is a link to nothing, or neither"):
        values.save(folder)


def test_a_name_that_leads_out_of_the_folder_is_refused(values: Values, folder: Path) -> None:
    import msgspec

    ref = values.save(folder / "weights.bin")
    for name in ("../x", "..", "/x", "a/b"):
        with pytest.raises(DamagedError, match="file name"):
            values.load(msgspec.structs.replace(ref, name=name))
    forged = values.save({"folders": [], "files": [{"path": "../x", "mode": "644", "digest": ref.digest, "size": 1}]})
    with pytest.raises(DamagedError, match="file name"):
        values.load(msgspec.structs.replace(forged, format="folder"))


def test_a_folder_with_a_file_missing_is_told(values: Values, folder: Path) -> None:
    (folder / "weights.bin").write_bytes(os.urandom(2 << 20))
    ref = values.save(folder)
    part = next(each for each in values.parts(ref) if each.name == "weights.bin")
    values.path(part).chmod(0o644)
    (values._objects.backend.path(f"objects/{part.digest}")).unlink()  # type: ignore[attr-defined] # a Folder
    assert not values.exists(ref)
    with pytest.raises(DamagedError, match="missing"):
        values.load(ref)
