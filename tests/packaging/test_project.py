"""Which project a file belongs to, and its name in it."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from fairlead.packaging.project import find_project


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_file_alone_is_its_own_project(tmp_path: Path) -> None:
    project = find_project(tmp_path / "digits.py")
    assert (project.folder, project.root, project.module) == (tmp_path, tmp_path, "digits")
    assert project.search_path == (str(tmp_path),)


@pytest.mark.parametrize("marker", ["pyproject.toml", "setup.py", "setup.cfg", ".git"])
def test_the_root_holds_a_marker(tmp_path: Path, marker: str) -> None:
    touch(tmp_path, marker, "examples/digits/flow.py", "src/x.py")
    project = find_project(tmp_path / "examples/digits/flow.py")
    assert project.root == tmp_path
    assert project.module == "flow"
    assert project.search_path == tuple(map(str, (tmp_path / "examples/digits", tmp_path, tmp_path / "src")))
    assert project.relative(str(project.file)) == "examples/digits/flow.py"


def test_the_nearest_marker_counts(tmp_path: Path) -> None:
    touch(tmp_path, "pyproject.toml", "inner/setup.py", "inner/deep/flow.py")
    assert find_project(tmp_path / "inner/deep/flow.py").root == tmp_path / "inner"


def test_the_home_folder_is_a_root_only_of_files_directly_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, ".git", "work/flow.py", "pkg/__init__.py", "pkg/flow.py")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_project(tmp_path / "work/flow.py").root == tmp_path / "work"
    assert find_project(tmp_path / "flow.py").root == tmp_path
    packaged = find_project(tmp_path / "pkg/flow.py")
    assert (packaged.root, packaged.module) == (tmp_path / "pkg", "pkg.flow")


def test_a_file_in_a_package_has_a_dotted_name(tmp_path: Path) -> None:
    touch(tmp_path, "lib/__init__.py", "lib/flows/__init__.py", "lib/flows/fit.py")
    project = find_project(tmp_path / "lib/flows/fit.py")
    assert (project.module, project.root) == ("lib.flows.fit", tmp_path)
    assert project.search_path == (str(tmp_path),)
    assert find_project(tmp_path / "lib/flows/__init__.py").module == "lib.flows"


def test_a_marker_within_a_package_leaves_the_package_whole(tmp_path: Path) -> None:
    touch(tmp_path, "lib/__init__.py", "lib/flows/__init__.py", "lib/flows/setup.py")
    assert find_project(tmp_path / "lib/flows/fit.py").root == tmp_path / "lib"


@pytest.mark.parametrize("stem", ["my-flow", "2024", "class", "flow.v2", "random", "json", "sys", "__init__", "pytest"])
def test_a_stem_that_cannot_be_imported_gets_a_safe_name(tmp_path: Path, stem: str) -> None:
    first, second = (find_project(tmp_path / folder / f"{stem}.py").module for folder in ("a", "b"))
    assert first == second != stem
    assert first.isidentifier()


def test_a_module_of_the_project_that_was_imported_takes_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("digits_flow")
    module.__file__ = str(tmp_path / "elsewhere/digits_flow.py")
    monkeypatch.setitem(sys.modules, "digits_flow", module)
    assert find_project(tmp_path / "digits_flow.py").module == "digits_flow"


def test_installed_hidden_and_fairlead_files_are_not_the_projects(tmp_path: Path) -> None:
    touch(tmp_path, "pyproject.toml", "env/pyvenv.cfg")
    project = find_project(tmp_path / "flows/flow.py")
    assert project.is_project_file(tmp_path / "lib/x.py")
    assert project.is_project_file(project.file)
    for name in ("env/x.py", ".tox/x.py", "lib/site-packages/x.py", "../x.py"):
        assert not project.is_project_file(tmp_path / name), name
    assert not project.is_project_file("<frozen importlib._bootstrap>")
    source = Path(find_project.__code__.co_filename)
    assert not find_project(source.parents[3] / "flow.py").is_project_file(source)


def test_a_flow_in_a_hidden_folder_is_still_a_project(tmp_path: Path) -> None:
    touch(tmp_path, "pyproject.toml")
    project = find_project(tmp_path / ".notebooks/cells.py")
    assert project.is_project_file(tmp_path / ".notebooks/other.py")
    assert not project.is_project_file(tmp_path / ".cache/other.py")
