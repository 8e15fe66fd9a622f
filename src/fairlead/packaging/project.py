"""Which folder a flow's file belongs to, under which name it is imported, and which files are the project's.

Paths are taken as they are written: links are not followed, so that a traceback names the file the user knows.
"""

from __future__ import annotations

import keyword
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from fairlead.naming import digest_bytes

MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
"""What the root of a project holds."""

INSTALLED = ("site-packages", "dist-packages")
"""Folders that hold installed libraries."""

_RESERVED = frozenset({"__init__", "__main__", "fairlead", *sys.builtin_module_names, *sys.stdlib_module_names})
_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Project(NamedTuple):
    """A flow's file and the folders whose modules are its own.

    Attributes:
        file: The flow's file, absolute.
        folder: The folder it lies in.
        root: The nearest folder above that holds a project's marker; paths in a code package are relative to it.
        module: The dotted name under which the file is imported.
        search_path: The entries to put first on ``sys.path``, in order.
    """

    file: Path
    folder: Path
    root: Path
    module: str
    search_path: tuple[str, ...]

    @property
    def has_marker(self) -> bool:
        """Say whether the root is that of a project, and not just a folder that a file lies in, as a home folder is."""
        return self.root not in _barred(self.root) and any((self.root / marker).exists() for marker in MARKERS)

    def is_project_file(self, path: str | os.PathLike[str]) -> bool:
        """Say whether a file is the project's own: not installed, of a virtual environment, hidden, or Fairlead's."""
        if os.fspath(path).startswith("<"):  # what Python calls code without a file: <string>, <frozen importlib>
            return False
        text = os.path.abspath(path)
        if text == str(self.file):
            return True
        return is_own(text, str(self.folder)) or is_own(text, str(self.root))

    def relative(self, path: str) -> str:
        """Return the path below the root, with slashes: the name of a file in the code package."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")


def find_project(file: Path) -> Project:
    """Find the project that a flow's file belongs to.

    A file whose stem can't be imported, or would hide a library (``my-flow.py``, ``random.py``), gets a name made
    from the stem alone, so that it is the same on every machine. Whether it would hide an installed library is
    judged by what this process has imported: find a project once, and hand it on.

    Args:
        file: The flow's file. It need not exist: importing it says so.
    """
    file = Path(os.path.abspath(file))
    folder = file.parent
    top = _top_package(folder)
    base = top.parent if top else folder
    root = _root(folder, top)
    entries = [str(base), str(root)]
    if (root / "src").is_dir():
        entries.append(str(root / "src"))
    return Project(file, folder, root, _module_name(file, base), tuple(dict.fromkeys(entries)))


def is_importable(name: str) -> bool:
    """Say whether a name can stand in an ``import`` statement."""
    return name.isidentifier() and not keyword.iskeyword(name)


def is_own(path: str, base: str) -> bool:
    """Say whether a file below a folder is the project's own, as `Project.is_project_file` does."""
    prefix = base.rstrip(os.sep) + os.sep
    if not path.startswith(prefix) or path.startswith(_OWN):
        return False
    for folder in path[len(prefix) :].split(os.sep)[:-1]:
        prefix += folder + os.sep
        if folder.startswith(".") or folder in INSTALLED or os.path.exists(prefix + "pyvenv.cfg"):
            return False
    return True


def _top_package(folder: Path) -> Path | None:
    """Return the outermost folder of the package that a folder is part of."""
    top = None
    while is_importable(folder.name) and (folder / "__init__.py").is_file():
        top, folder = folder, folder.parent
    return top


def _root(folder: Path, top: Path | None) -> Path:
    barred = _barred(folder)
    for candidate in (folder, *folder.parents):
        if candidate in barred and candidate != folder:
            break
        if any((candidate / marker).exists() for marker in MARKERS):
            # A marker within a package would leave the package's own upper modules outside its project.
            return top if top and top in candidate.parents else candidate
    if top is None:
        return folder
    return top if top.parent in barred else top.parent


def _barred(folder: Path) -> set[Path]:
    """Return the folders that are no project's, whatever they hold."""
    return {Path(folder.anchor), Path(os.path.expanduser("~"))}


def _module_name(file: Path, base: Path) -> str:
    *packages, stem = file.relative_to(base).with_suffix("").parts
    if packages and stem == "__init__":
        stem = packages.pop()
    names = [*packages, stem]
    if not is_importable(stem):
        names[-1] = _safe(stem)
    if _is_taken(names[0], base):
        names[0] = _safe(names[0])
    return ".".join(names)


def _safe(stem: str) -> str:
    word = re.sub(r"\W", "_", stem)
    return f"{'_' if word[:1].isdigit() else ''}{word}_{digest_bytes(stem.encode())[:6]}"


def _is_taken(name: str, base: Path) -> bool:
    if name in _RESERVED:
        return True
    module = sys.modules.get(name)
    return module is not None and _is_installed(module, str(base / name))


def _is_installed(module: ModuleType, ours: str) -> bool:
    path = getattr(module, "__file__", None)
    if path is None or path in (f"{ours}.py", os.path.join(ours, "__init__.py")):
        return False
    return path.startswith(_OWN) or any(f"{os.sep}{folder}{os.sep}" in path for folder in INSTALLED)
