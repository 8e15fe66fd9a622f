"""Projects that travel: packed here, opened and imported there."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import DamagedError, UsageError
from fairlead.naming import digest_bytes
from fairlead.packaging.arriving import open_project
from fairlead.packaging.imports import import_closure
from fairlead.packaging.package import UNPACKED_BYTES_MAX, pack, unpack
from fairlead.packaging.project import find_project
from fairlead.packaging.travelling import Packed, as_travelling, pack_project

PROPERTY = settings(deadline=None, max_examples=40)
PART = st.text("abcé \n-", min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))
PATHS = st.lists(PART, min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(PATHS, st.tuples(st.binary(max_size=20), st.booleans()), max_size=8)


def packed(folder: Path, file: str = "flow.py") -> Packed:
    return pack_project(find_project(folder / file))


def write(folder: Path, tree: Mapping[str, tuple[bytes, bool]], umask: int = 0o22) -> None:
    before = os.umask(umask)
    try:
        for name, (data, is_executable) in tree.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod((path.stat().st_mode | 0o400) ^ (0o100 if is_executable else 0))
    finally:
        os.umask(before)


def is_possible(tree: Mapping[str, object]) -> bool:
    return not any(one != other and other.startswith(f"{one}/") for one in tree for other in tree)


@PROPERTY
@given(TREES.filter(is_possible))
def test_what_was_packed_is_there_when_it_is_opened(tree: dict[str, tuple[bytes, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        home, away = Path(name, "home"), Path(name, "away")
        tree |= {"pyproject.toml": (b"", False), "flow.py": (b"x = 1", False)}
        write(home, tree)
        project = open_project(packed(home).data, away)
        assert project.file == away / "flow.py"
        found = {
            path.relative_to(away).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
            for path in away.rglob("*")
            if path.is_file() and ".fairlead" not in path.parts
        }
        assert found == tree
        assert packed(away).data == packed(home).data


@PROPERTY
@given(TREES.filter(is_possible), st.randoms(use_true_random=False), st.sampled_from([0o22, 0o77, 0o2]))
def test_equal_trees_give_equal_bytes(tree: dict[str, tuple[bytes, bool]], random: object, umask: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        one, other = Path(name, "one/at"), Path(name, "other/place")
        tree |= {"setup.cfg": (b"", False), "flow.py": (b"x = 1", False)}
        write(one, tree)
        order = list(tree)
        random.shuffle(order)  # type: ignore[attr-defined]
        write(other, {each: tree[each] for each in order}, umask)
        os.utime(other / "flow.py", (1, 1))
        assert packed(one).data == packed(other).data


def test_the_bytes_are_the_same_in_every_version(tmp_path: Path) -> None:
    write(tmp_path, {"setup.cfg": (b"", False), "flow.py": (b"x = 1\n", True)})
    (tmp_path / "again.py").symlink_to("flow.py")
    data = packed(tmp_path).data
    assert packed(tmp_path).entries[0].name == "again.py"
    # A change here makes every package of a tree that was stored so far another one.
    assert digest_bytes(data)[:16] == "53a0b68b9a2fe60f"


def test_code_that_is_too_large_is_refused_and_the_biggest_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"setup.cfg": (b"", False), "flow.py": (b"", False)})
    for number in range(1, 8):
        with open(tmp_path / f"data{number}.bin", "wb") as file:
            file.truncate(number << 20 if number < 7 else UNPACKED_BYTES_MAX - (20 << 20))
    with pytest.raises(UsageError, match=r"the code of flow\.py is too large") as caught:
        packed(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert caught.value.why == (
        "at most 64 MiB, got 65.0 in 9 files: data7.bin 44.0 MiB, data6.bin 6.0 MiB, data5.bin 5.0 MiB, "
        "data4.bin 4.0 MiB, data3.bin 3.0 MiB"
    )
    assert ".fairleadignore" in caught.value.next
    (tmp_path / ".fairleadignore").write_text("data7.bin\n")
    assert len(packed(tmp_path).data) > 21 << 20


def test_the_file_has_the_same_module_name_where_it_arrives(workplace: Any, tmp_path: Path) -> None:
    """Each flow is imported here, travels to a folder of another name, and is imported there by a fresh process."""
    workplace.put("pyproject.toml")
    workplace.put("src/own/__init__.py", "NAME = __name__")
    workplace.put("src/own/flows/__init__.py")
    workplace.put("src/own/flows/fit.py", "from own import NAME\nresult = [__name__, NAME]")
    workplace.put("conf/settings.yaml", "a: 1")
    workplace.put("lib/dynamic.py", "NAME = __name__")
    workplace.put("jobs/beside.py", "NAME = __name__")
    workplace.put(
        "jobs/my-flow.py",
        """
        import importlib
        from pathlib import Path
        import beside, own
        text = Path(__file__).parents[1].joinpath("conf/settings.yaml").read_text()
        result = [__name__, beside.NAME, own.NAME, importlib.import_module("lib." + "dynamic").NAME, text]
        """,
    )
    for file in ("jobs/my-flow.py", "src/own/flows/fit.py"):
        here = workplace.run(f"result = load({file!r}).result")
        away = tmp_path / "away" / Path(file).stem
        (tmp_path / "package").write_bytes(packed(workplace.folder, file).data)
        script = f"""
        from fairlead.packaging.arriving import open_project
        project = open_project(Path({str(tmp_path / "package")!r}).read_bytes(), Path({str(away)!r}))
        result = [import_project(project).result, sys.modules[project.module].__file__, sorted(source_parts(len, project))]
        """
        there, place, _ = workplace.run(script)
        assert there == here
        assert place == str(away / file)


def test_a_tree_can_be_imported_from_where_it_is_recorded_as_well(workplace: Any) -> None:
    workplace.put("pyproject.toml")
    workplace.put("lib.py", "x = 1")
    workplace.put("flow.py", "import lib\nresult = lib.x")
    script = """
    from fairlead.packaging.travelling import pack_project
    from fairlead.packaging.package import unpack
    contents = unpack(pack_project(find_project(Path("flow.py"))).data)
    edit("lib.py", "x = 1", "x = 2")
    result = load(contents=contents).result
    """
    assert workplace.run(script) == 1


def test_a_package_in_a_home_folder_is_imported_as_one_where_it_arrives(
    workplace: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(workplace.folder))
    workplace.put("pkg/__init__.py")
    workplace.put("pkg/flow.py", "from pkg import other\nresult = [__name__, other.__name__]")
    workplace.put("pkg/other.py")
    workplace.put("letters.txt")
    data = packed(workplace.folder, "pkg/flow.py").data
    assert set(unpack(data)) == {"__init__.py", "flow.py", "other.py", ".fairlead/project.json"}
    project = open_project(data, tmp_path / "away")
    assert (project.root, project.module) == (tmp_path / "away/pkg", "pkg.flow")
    script = f"""
    from fairlead.packaging.arriving import open_project
    project = open_project(Path("data").read_bytes(), Path({str(tmp_path / "away")!r}))
    result = import_project(project).result
    """
    (workplace.folder / "data").write_bytes(data)
    assert workplace.run(script) == ["pkg.flow", "pkg.other"]


def test_modules_that_lie_in_no_file_travel_as_they_were_loaded(workplace: Any) -> None:
    """A notebook's cells are such a module; see fairlead.notebook.modules."""
    workplace.put("pyproject.toml")
    workplace.put("lib.py", "x = 1")
    script = """
    from fairlead.packaging.texts import Texts, activate
    from fairlead.packaging.travelling import pack_project
    from fairlead.packaging.package import unpack
    project = find_project(Path("cells.py"))
    activate(Texts(project, {"cells.py": b"import lib"}))
    result = {name: data.decode() for name, data in unpack(pack_project(project).data).items()}
    """
    result = workplace.run(script)
    assert (result["cells.py"], result["lib.py"]) == ("import lib", "x = 1")


def test_what_travels_is_what_this_process_has_loaded(workplace: Any) -> None:
    workplace.put("pyproject.toml")
    workplace.put("lib.py", "x = 1")
    workplace.put("flow.py", "import lib")
    script = """
    from fairlead.packaging.travelling import pack_project
    from fairlead.packaging.package import unpack
    load()
    edit("lib.py", "x = 1", "x = 2")
    result = unpack(pack_project(find_project(Path("flow.py"))).data)["lib.py"].decode()
    """
    assert workplace.run(script) == "x = 1"


def test_a_package_of_what_a_file_imports_can_be_made_to_travel(tmp_path: Path) -> None:
    """Its project is found again from the package alone, with the module's name and the folders of its modules."""
    root = tmp_path / "home"
    for name, text in {
        "pyproject.toml": "",
        "flows/__init__.py": "",
        "flows/main.py": "from flows.near import X\nimport far\n",
        "flows/near.py": "X = 1\n",
        "src/far.py": "Y = 2\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    project = find_project(root / "flows" / "main.py")
    alone = pack(import_closure(project))
    package = as_travelling(alone, str(project.file), project.module)
    arrived = open_project(package, tmp_path / "there")
    assert arrived.module == project.module == "flows.main"
    assert [each.removeprefix(str(tmp_path / "there")) for each in arrived.search_path] == [
        each.removeprefix(str(root)) for each in project.search_path
    ]
    assert (tmp_path / "there" / "src" / "far.py").read_text() == "Y = 2\n"
    assert as_travelling(package, str(project.file), project.module) == package


def test_a_package_without_its_flow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=r"no file '.*flow\.py'"):
        as_travelling(pack({"other.py": b""}), str(tmp_path / "flow.py"), "flow")
