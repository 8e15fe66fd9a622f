"""Modules are compiled from the source as it is now, or as it was recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Workplace


def test_stale_bytecode_is_neither_read_nor_written(workplace: Workplace) -> None:
    workplace.write(flow="import helper\nVALUE = helper.VALUE", helper="VALUE = 1")
    assert workplace.run(
        """
        import os, py_compile, shutil
        times = os.stat("helper.py")
        cached = py_compile.compile("helper.py")
        Path("helper.py").write_text("VALUE = 2")
        os.utime("helper.py", ns=(times.st_atime_ns, times.st_mtime_ns))
        before = Path(cached).read_bytes()
        value = load().VALUE
        result = [value, Path(cached).read_bytes() == before, sorted(os.listdir("__pycache__"))]
        """
    ) == [2, True, [f"helper.{sys.implementation.cache_tag}.pyc"]]


def test_an_edit_of_the_same_second_and_length_counts(workplace: Workplace) -> None:
    workplace.write(flow="import lib.deep\nVALUE = lib.deep.VALUE", lib__deep="VALUE = 1")
    assert workplace.run(
        """
        import os
        result = [load().VALUE]
        times = os.stat("lib/deep.py")
        edit("lib/deep.py", "1", "2")
        os.utime("lib/deep.py", ns=(times.st_atime_ns, times.st_mtime_ns))
        result.append(load().VALUE)
        """
    ) == [1, 2]


def test_a_file_of_the_project_is_run_by_its_path_as_ever(workplace: Workplace) -> None:
    workplace.write(flow="VALUE = 1", script="VALUE = 2")
    assert workplace.run(
        """
        import os, runpy
        result = [load().VALUE, runpy.run_path(os.path.abspath("script.py"))["VALUE"]]
        """
    ) == [1, 2]


def test_an_unchanged_project_is_the_same_module(workplace: Workplace) -> None:
    workplace.write(flow="class Model: pass", other="class Model: pass")
    assert workplace.run(
        """
        first = load()
        load("other.py")
        result = [load() is first, load(reload=True) is first, sys.modules["flow"] is first]
        """
    ) == [True, False, False]


def test_recorded_contents_take_the_place_of_files(workplace: Workplace) -> None:
    workplace.write(pkg__flow="raise RuntimeError", helper="VALUE = 'disk'", kept="VALUE = 'kept'")
    workplace.put("pkg/__init__.py")
    workplace.put("pyproject.toml")
    assert workplace.run(
        """
        contents = {
            "pkg/__init__.py": b"",
            "pkg/flow.py": b"import helper, kept, names.inner\\nVALUE = helper.VALUE\\ndef fail():\\n    1 / 0  # old",
            "helper/__init__.py": b"VALUE = 'recorded'",
            "names/inner.py": b"",
        }
        import traceback
        module = load("pkg/flow.py", contents)
        try:
            module.fail()
        except ZeroDivisionError:
            text = traceback.format_exc()
        import kept
        is_named = module.__file__ == str(Path("pkg/flow.py").absolute())
        result = [module.VALUE, kept.VALUE, is_named, "1 / 0  # old" in text]
        """
    ) == ["recorded", "kept", True, True]


def test_recorded_contents_need_no_file_at_all(workplace: Workplace) -> None:
    script = "result = load('gone.py', {'gone.py': b'from lib.x import Y', 'lib/x.py': b'Y = 3'}).Y"
    assert workplace.run(script) == 3


def test_tracebacks_and_inspect_show_what_was_loaded(workplace: Workplace) -> None:
    workplace.write(flow="def work():\n    raise ValueError('x')  # first\n")
    text, source = workplace.run(
        """
        import inspect, traceback
        module = load()
        edit("flow.py", "def work", "# new line\\ndef work")
        try:
            module.work()
        except ValueError:
            result = [traceback.format_exc(), inspect.getsource(module.work)]
        """
    )
    assert "raise ValueError('x')  # first" in text
    assert source.startswith("def work")


@pytest.mark.parametrize("stem", ["my-flow", "random", "json", "time", "__main__"])
def test_a_renamed_file_is_imported_and_hides_no_library(workplace: Workplace, stem: str) -> None:
    workplace.put(f"{stem}.py", "import random, json, time, helper\nclass Model: pass\nMODEL = Model()")
    workplace.write(helper="import random, json, time\nassert random.random and json.dumps and time.time")
    assert workplace.run(
        f"""
        import pickle
        module = load("{stem}.py")
        again = pickle.loads(pickle.dumps(module.MODEL))
        result = [type(again) is module.Model, sys.modules[module.__name__] is module]
        """
    ) == [True, True]


def test_a_package_named_as_a_library_is_imported(workplace: Workplace) -> None:
    workplace.write(code__helper="X = 1", code__flow="import code\nfrom .helper import X\ncode.interact")
    workplace.put("code/__init__.py")
    assert workplace.run("module = load('code/flow.py'); result = module.X") == 1


def test_namespace_packages_and_their_modules_are_found(workplace: Workplace) -> None:
    text = "from lib.part import X\nimport pkgutil, lib\nN = [m[1] for m in pkgutil.iter_modules(lib.__path__)]"
    workplace.write(flows__flow=text)
    workplace.write(lib__part="X = 1", src__lib__second="X = 2")
    workplace.put("setup.cfg")
    assert workplace.run("module = load('flows/flow.py'); result = [module.X, sorted(module.N)]") == [
        1,
        ["part", "second"],
    ]


def test_two_projects_with_modules_of_one_name(workplace: Workplace) -> None:
    for name in "ab":
        workplace.put(f"{name}/flow.py", "import helper\nX = helper.X")
        workplace.put(f"{name}/helper.py", f"X = {name!r}")
    assert workplace.run("result = [load(f'{each}/flow.py').X for each in 'aba']") == ["a", "b", "a"]


def test_modules_imported_before_are_taken_anew_where_the_flow_needs_them(workplace: Workplace) -> None:
    workplace.write(flow="import helper\nX = helper.X", helper="X = 1", unrelated="X = 1")
    assert workplace.run(
        """
        sys.path.insert(0, "")
        import flow, helper, unrelated
        edit("helper.py", "1", "2")
        result = [load().X, sys.modules["unrelated"] is unrelated, sys.modules["helper"] is helper]
        """
    ) == [2, True, False]


def test_a_missing_file_and_a_folder_are_refused(workplace: Workplace) -> None:
    workplace.write(digits="", lib__flow="")
    missing, folder = workplace.run("result = [refused(lambda: load(f)) for f in ('digts.py', 'lib')]")
    assert "no such file" in missing[0] and "did you mean 'digits.py'?" in missing[0]
    assert "it is a folder" in folder[0] and "flow.py" in folder[0]


def test_a_syntax_error_names_its_line(workplace: Workplace) -> None:
    workplace.write(flow="import helper", helper="x = 1\nif x\n    pass\n")
    text, where, cause = workplace.run("result = refused(load)")
    assert where == f"{workplace.folder}/helper.py:2"
    assert "SyntaxError: expected ':': if x" in text
    assert cause == "SyntaxError"


def test_an_exception_shows_the_users_frames_only(workplace: Workplace) -> None:
    body = "\n".join(f"def f{n}(): f{n + 1}()" for n in range(8))
    workplace.write(flow="import helper", helper=f"{body}\ndef f8(): 1 / 0\nf0()")
    text, where, cause = workplace.run("result = refused(load)")
    assert where == f"{workplace.folder}/helper.py:9"
    assert "ZeroDivisionError: division by zero" in text
    assert text.count("helper.py:") == 6  # the place, and five frames
    assert "importlib" not in text and cause == "ZeroDivisionError"


def test_a_missing_library_is_named_with_its_distribution(workplace: Workplace) -> None:
    workplace.write(
        flow="import helper", helper="\nimport fairlead_missing.sub", other="import helpr", third="import lib.x"
    )
    workplace.put("lib/__init__.py")
    library, typing_error, inner = workplace.run(
        "result = [refused(lambda: load(f'{f}.py')) for f in ('flow', 'other', 'third')]"
    )
    assert library[1] == f"{workplace.folder}/helper.py:2"
    assert "pip install fairlead_missing" in library[0]
    assert "did you mean 'helper'?" in typing_error[0]
    assert "the project has lib, but no lib.x" in inner[0]


def test_a_file_that_ends_the_process_is_refused(workplace: Workplace) -> None:
    workplace.write(flow="import sys\nsys.exit(3)")
    text, _, cause = workplace.run("result = refused(load)")
    assert "exit 3" in text and '__name__ == "__main__"' in text and cause == "SystemExit"


def test_fairleads_own_errors_pass_unchanged(workplace: Workplace) -> None:
    workplace.write(flow="from fairlead.errors import UsageError\nraise UsageError('mine')")
    assert workplace.run("result = refused(load)")[0] == "mine"


def test_a_corrected_file_is_imported_after_a_failure(workplace: Workplace) -> None:
    workplace.write(flow="import helper\nX = helper.Y", helper="X = 1")
    assert workplace.run("refused(load); edit('helper.py', 'X', 'Y'); result = load().X") == 1


def test_importing_the_package_is_light() -> None:
    source = Path(__file__).parents[2] / "src"
    modules = [path.stem for path in (source / "fairlead/packaging").glob("[!_]*.py")]
    code = f"import sys\nfor name in {modules!r}: __import__('fairlead.packaging.' + name)\nprint(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, text=True).split()
    assert not {"inspect", "dataclasses", "zipfile", "tokenize", "msgspec", "numpy", "asyncio"} & set(loaded)
