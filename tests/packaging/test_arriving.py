"""Packages that are unpacked where code is to run."""

from __future__ import annotations

import ast
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fairlead.errors import DamagedError, FairleadError
from fairlead.packaging import arriving
from fairlead.packaging.arriving import open_project, unpack_tree
from fairlead.packaging.package import Member, pack

SOURCE = Path(__file__).parents[2] / "src"
DATA = pack(
    {
        "flow.py": b"x = 1\n",
        "bin/run": Member(b"#!/bin/sh\n", "executable"),
        "lib": Member(b"src/lib", "link"),
        "src/lib/__init__.py": b"",
    }
)


def described(**changes: object) -> bytes:
    manifest = {"file": "flow.py", "module": "flow", "name": "", "search_path": ["."]} | changes
    return pack({"flow.py": b"x = 1\n", ".fairlead/project.json": json.dumps(manifest).encode()})


@pytest.mark.parametrize(("umask", "file", "program"), [(0, 0o644, 0o755), (0o22, 0o644, 0o755), (0o77, 0o600, 0o700)])
def test_nothing_unpacked_is_writable_by_others(tmp_path: Path, umask: int, file: int, program: int) -> None:
    before = os.umask(umask)
    try:
        unpack_tree(DATA, tmp_path / "deep/er/tree")
    finally:
        os.umask(before)
    root = tmp_path / "deep/er/tree"
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (root, *root.parents) if tmp_path in path.parents}
    assert set(modes.values()) == {program}
    assert stat.S_IMODE((root / "flow.py").stat().st_mode) == file
    assert stat.S_IMODE((root / "bin/run").stat().st_mode) == program
    assert os.readlink(root / "lib") == "src/lib"


def test_a_folder_that_is_there_is_left_alone_unless_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    unpack_tree(DATA, tmp_path / "empty")
    assert (tmp_path / "empty/flow.py").read_bytes() == b"x = 1\n"
    (tmp_path / "empty/flow.py").write_bytes(b"edited")
    unpack_tree(DATA, tmp_path / "empty")
    assert (tmp_path / "empty/flow.py").read_bytes() == b"edited"
    assert os.listdir(tmp_path) == ["empty"]


def test_several_unpackers_do_not_fight(tmp_path: Path) -> None:
    data = pack({f"pkg{number % 7}/m{number}.py": b"x" * number for number in range(300)})
    begin, wrong = threading.Barrier(8), []

    def unpack() -> None:
        begin.wait()
        try:
            unpack_tree(data, tmp_path / "tree")
            if len(list((tmp_path / "tree").rglob("*.py"))) != 300:
                wrong.append("in part")
        except FairleadError as error:
            wrong.append(str(error))

    threads = [threading.Thread(target=unpack) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert os.listdir(tmp_path) == ["tree"]


def test_a_damaged_package_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DamagedError):
        unpack_tree(DATA.replace(b"x = 1", b"x = 2"), tmp_path / "tree")
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FairleadError, match="cannot unpack the code package") as caught:
        unpack_tree(DATA, tmp_path / "file/tree")
    assert caught.value.why in ("Not a directory", "File exists")
    with pytest.raises(FairleadError, match="cannot unpack"):
        unpack_tree(DATA, tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


def test_a_package_that_describes_no_project_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="cannot open"):
        open_project(DATA, tmp_path / "tree")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../flow.py"},
        {"file": "other.py"},
        {"file": "/etc/passwd"},
        {"search_path": [".."]},
        {"search_path": ["/usr"]},
        {"search_path": 1},
        {"name": ".."},
        {"name": "a/b"},
        {"name": "/etc"},
    ],
)
def test_a_description_that_reaches_outside_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(DamagedError, match="cannot open"):
        open_project(described(**changes), tmp_path / "tree")
    assert os.listdir(tmp_path) == []


def test_the_project_is_found_where_the_package_is_unpacked(tmp_path: Path) -> None:
    project = open_project(described(module="named", search_path=[".", "src"]), tmp_path / "tree")
    root = tmp_path / "tree"
    assert (project.file, project.folder, project.root) == (root / "flow.py", root, root)
    assert (project.module, project.search_path) == ("named", (str(root), str(root / "src")))


def test_a_root_that_is_a_package_keeps_its_name(tmp_path: Path) -> None:
    project = open_project(described(name="pkg", module="pkg.flow", search_path=["..", "."]), tmp_path / "tree")
    assert project.file == tmp_path / "tree/pkg/flow.py"
    assert project.search_path == (str(tmp_path / "tree"), str(tmp_path / "tree/pkg"))


def test_opening_needs_the_standard_library_of_python_3_10_alone() -> None:
    code = "import sys\nold = set(sys.modules)\nimport fairlead.packaging.arriving\nprint(*set(sys.modules) - old)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    loaded = done.stdout.split()
    assert arriving.__name__ in loaded
    others = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert others == {"fairlead"}
    of_named_tuples = {"ast"} if sys.version_info >= (3, 14) else set()  # typing imports it for annotations there
    assert not {"ast", "zipfile", "json", "subprocess", "asyncio"} & set(loaded) - of_named_tuples
    for name in loaded:
        if name.startswith("fairlead."):
            path = SOURCE / f"{name.replace('.', '/')}.py"
            path = path if path.is_file() else path.with_suffix("") / "__init__.py"
            ast.parse(path.read_text("utf-8"), feature_version=(3, 10))
