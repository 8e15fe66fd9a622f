"""Modules outside of a project: of packages that are installed editable, and of folders on ``sys.path``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import venv
from pathlib import Path
from typing import Any

import pytest

from fairlead.packaging.outside import imported_names

pytest.importorskip("hatchling", reason="pip install hatchling: the packages of these tests are built with it")
SOURCE = Path(__file__).parents[2] / "src"

PACK = """
import json, sys
from pathlib import Path
from fairlead.packaging.project import find_project
from fairlead.packaging.travelling import pack_project
packed = pack_project(find_project(Path("flow.py")))
Path("../package").write_bytes(packed.data)
print(json.dumps([[each.name for each in packed.entries], packed.notes]))
"""
OPEN = """
import json
from pathlib import Path
from fairlead.packaging.arriving import open_project
from fairlead.packaging.loading import import_project
project = open_project(Path("../package").read_bytes(), Path("../away"))
print(json.dumps([import_project(project).result, project.search_path]))
"""
PROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"
    [project]
    name = "{name}"
    version = "1.5"
    [tool.hatch.build]
    dev-mode-dirs = ["{folder}"]
    [tool.hatch.build.targets.wheel]
    packages = ["{package}"]
    """


class Laptop:
    """A folder with a project, and an environment to install packages in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "env", symlinks=True)
        self.python = folder / "env/bin/python"
        # What builds packages, and what Fairlead needs, comes from the environment of the tests.
        ours = [each for each in sys.path if each.endswith("site-packages")]
        self.site = next((folder / "env/lib").glob("python*/site-packages"))
        (self.site / "ours.pth").write_text("\n".join(ours))
        self.put("project/pyproject.toml")

    def put(self, name: str, text: str = "") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def install(self, folder: str, name: str, package: str) -> None:
        """Install a package editable, as a user does."""
        self.put(f"{folder}/pyproject.toml", PROJECT.format(name=name, package=package, folder=Path(package).parent))
        words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--editable", folder]
        subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.python, *words],
            cwd=self.folder, check=True, capture_output=True, timeout=120,
        )  # fmt: skip

    def call(self, python: str | Path, script: str, **variables: str) -> Any:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "FAIRLEAD"))}
        path = os.pathsep.join(filter(None, (str(SOURCE), variables.pop("path", ""))))
        done = subprocess.run(
            [python, "-W", "error", "-P", "-c", script], cwd=self.folder / "project",
            env=environment | {"PYTHONPATH": path} | variables, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def travel(self, path: str = "") -> tuple[set[str], Any, list[str]]:
        """Pack the project here and import it where nothing of it is installed.

        Returns:
            What travelled beside the project's own files, what the flow says of itself, and the search path there.
        """
        (names, notes) = self.call(self.python, PACK, path=path)
        assert notes == []
        result, search_path = self.call(sys.executable, OPEN)
        away = str(self.folder / "away")
        prefix = ".fairlead/site-packages/"
        outside = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        return outside, result, [os.path.relpath(each, away) for each in search_path]


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


def test_packages_installed_editable_travel_with_what_they_import_and_know_their_version(laptop: Laptop) -> None:
    laptop.put(
        "libs/near/src/near/__init__.py", "from importlib.metadata import version\nVERSION = version('near-by')\n"
    )
    laptop.put("libs/near/src/near/table.csv", "a,b\n")
    laptop.put("libs/near/src/near/deep/more.py", "import far.away\n")
    laptop.put("libs/near/tests/test_near.py")
    laptop.put("libs/far/far/__init__.py")
    laptop.put("libs/far/far/away.py")
    laptop.put("libs/far/docs.md")
    laptop.put("libs/unused/unused/__init__.py")
    laptop.install("libs/near", "near-by", "src/near")
    laptop.install("libs/far", "far", "far")
    laptop.install("libs/unused", "unused", "unused")
    laptop.put(
        "project/flow.py",
        "import near, far.away\nfrom pathlib import Path\nresult = [near.VERSION, Path(near.__file__).with_name('table.csv').read_text()]\n",
    )
    outside, result, search_path = laptop.travel()
    assert result == ["1.5", "a,b\n"]
    assert search_path == [".", ".fairlead/site-packages"]
    assert {name for name in outside if ".dist-info" not in name} == {
        "near/__init__.py", "near/table.csv", "near/deep/more.py", "far/__init__.py", "far/away.py",
    }  # fmt: skip
    assert {name for name in outside if ".dist-info" in name} == {
        "near_by-1.5.dist-info/METADATA",
        "far-1.5.dist-info/METADATA",
    }


def test_a_project_that_is_installed_editable_knows_its_version_where_it_arrives(laptop: Laptop) -> None:
    laptop.put("project/src/own/__init__.py", "from importlib.metadata import version\nVERSION = version('own')\n")
    laptop.install("project", "own", "src/own")
    laptop.put("project/flow.py", "import own\nresult = own.VERSION\n")
    assert laptop.travel() == ({"own-1.5.dist-info/METADATA"}, "1.5", [".", "src", ".fairlead/site-packages"])


def test_editable_packages_within_the_project_are_found_where_they_arrive(laptop: Laptop) -> None:
    laptop.put(
        "project/libs/inner/src/inner/__init__.py", "from importlib.metadata import version\nV = version('inner')\n"
    )
    laptop.install("project/libs/inner", "inner", "src/inner")
    laptop.put("project/flow.py", "import inner\nresult = inner.V\n")
    expected = [".", "libs/inner/src", ".fairlead/site-packages"]
    assert laptop.travel() == ({"inner-1.5.dist-info/METADATA"}, "1.5", expected)


def test_import_hooks_and_namespaces_are_followed(laptop: Laptop) -> None:
    """The hook is such as PEP 660 lets a build backend write: it maps names to folders that are on no path."""
    laptop.put("libs/hooked/source/code.py", "x = 1\n")
    laptop.put("libs/hooked/source/__init__.py")
    hook = f"""
    import importlib.util, sys
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "hooked":
                return importlib.util.spec_from_file_location(name, {str(laptop.folder / "libs/hooked/source/__init__.py")!r})
    sys.meta_path.append(Finder)
    """
    (laptop.site / "hook.py").write_text(textwrap.dedent(hook))
    (laptop.site / "hook.pth").write_text("import hook\n")
    laptop.put("libs/one/shared/one/__init__.py")
    laptop.put("libs/one/shared/other/__init__.py")
    laptop.install("libs/one", "one", "shared")
    laptop.put("project/shared/two.py")
    laptop.put("project/flow.py", "import shared.one, shared.two, hooked.code\nresult = hooked.code.x\n")
    outside, result, _ = laptop.travel()
    assert result == 1
    assert outside == {"hooked/__init__.py", "hooked/code.py", "shared/one/__init__.py", "one-1.5.dist-info/METADATA"}


def test_modules_of_folders_on_the_path_travel_and_installed_ones_do_not(laptop: Laptop) -> None:
    laptop.put("common/tools.py", "import msgspec, json\n")
    laptop.put("common/letters.txt")
    laptop.put(
        "project/flow.py", "import tools, numpy, fairlead\nfrom fairlead import flow, step\nresult = tools.__name__\n"
    )
    outside, result, _ = laptop.travel(path=str(laptop.folder / "common"))
    assert (outside, result) == ({"tools.py"}, "tools")


def test_editable_packages_in_folders_that_stay_travel_on_their_own(laptop: Laptop) -> None:
    """As `pip install -e git+…` puts them: into the environment, which may lie in the project."""
    laptop.put("project/.venv/src/checkout/checkout/__init__.py")
    laptop.put("project/.venv/src/checkout/checkout/table.csv")
    laptop.install("project/.venv/src/checkout", "checkout", "checkout")
    laptop.put("project/flow.py", "import checkout\nresult = 1\n")
    outside, _, search_path = laptop.travel()
    assert outside == {"checkout/__init__.py", "checkout/table.csv", "checkout-1.5.dist-info/METADATA"}
    assert search_path == [".", ".fairlead/site-packages"]


def test_what_the_user_names_stays_outside(laptop: Laptop) -> None:
    laptop.put("common/tools/__init__.py")
    laptop.put("common/tools/big.bin")
    laptop.put("project/.fairleadignore", "*.bin\n")
    laptop.put("project/flow.py", "import tools\nresult = 1\n")
    assert laptop.travel(path=str(laptop.folder / "common"))[0] == {"tools/__init__.py"}


def test_imports_are_read_from_text() -> None:
    source = b"""
import a.b as c, d
from e import (f as g,
    h)
if x: import i; import j
from k.l import m, n  # o
    from .p import q
import_module("r.s")
value = importlib.import_module(
    'dynamic'
)
from u import *
importance = p(q
import v"""
    assert imported_names(source) == {
        "a.b", "d", "e", "e.f", "e.h", "i", "j", "k.l", "k.l.m", "k.l.n", "r.s", "dynamic", "u", "v",
    }  # fmt: skip
    assert imported_names(b"") == set()
