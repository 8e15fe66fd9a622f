"""Where the source of a project's modules comes from: what was loaded, a recorded code package, or the disk.

Not for importing (`loading`) nor for reading Python (`syntax`); this only finds files and gives their bytes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from fairlead.packaging.project import Project


class Texts:
    """The source files of one project, as one state of them.

    Args:
        project: The project.
        contents: A recorded code package: path below the root -> bytes. A file that it holds is never read from
            the disk; one that it lacks is, because modules imported by computed names are not recorded.

    Attributes:
        loaded: The bytes that modules of this process were compiled from, by absolute path.
    """

    def __init__(self, project: Project, contents: Mapping[str, bytes] | None = None) -> None:
        self.project = project
        self.contents = None if contents is None else dict(contents)
        self.loaded: dict[str, bytes] = {}
        root = str(project.root)
        self._recorded = {os.path.join(root, *name.split("/")): data for name, data in (contents or {}).items()}
        self._folders = {str(folder) for path in self._recorded for folder in _parents(path, root)}
        self._renamed, self._hidden = _names(project)
        self._located: dict[str, str | None] = {}
        self._entries: tuple[str, ...] = ()
        self._tops: set[str] = set()

    def now(self, path: str) -> bytes:
        """Return a file's bytes: as recorded, else as they are on the disk."""
        if path in self._recorded:
            return self._recorded[path]
        with open(path, "rb") as file:
            return file.read()

    def read(self, path: str) -> bytes:
        """Return the bytes that this process runs: as loaded, else as they are now."""
        return self.loaded[path] if path in self.loaded else self.now(path)

    def is_file(self, path: str) -> bool:
        """Say whether a file is recorded or on the disk."""
        return path in self._recorded or os.path.isfile(path)

    def is_folder(self, path: str) -> bool:
        """Say whether a folder is recorded or on the disk."""
        return path in self._folders or os.path.isdir(path)

    def is_recorded_folder(self, path: str) -> bool:
        """Say whether the code package has files below this folder."""
        return path in self._folders

    def covers(self, entry: str) -> bool:
        """Say whether modules of the project may lie directly in a folder."""
        folder = os.path.abspath(entry)
        return folder in self.project.search_path or self.project.is_project_file(os.path.join(folder, "x.py"))

    def hides(self, module: str) -> bool:
        """Say whether this name must not find the flow's file: it is a library's, and the file has another."""
        return module in self._hidden

    def find(self, entry: str, module: str) -> str | None:
        """Return the project's file that holds a module directly below `entry`, a folder of some search path."""
        if module in self._hidden:
            return None
        base = self._renamed.get(module) or os.path.join(entry, module.rpartition(".")[2])
        if base == str(self.project.file):
            return base
        package, plain = os.path.join(base, "__init__.py"), f"{base}.py"
        # What was recorded wins over the disk, whatever form the module has there today.
        choices = [each for each in (package, plain) if each in self._recorded] or [package, plain]
        return next((each for each in choices if self.is_file(each) and self.project.is_project_file(each)), None)

    def locate(self, module: str) -> str | None:
        """Return the project's file that a dotted name is imported from, or None: without importing anything."""
        if module.partition(".")[0] not in self._tops:
            return None
        if module not in self._located:
            self._located[module] = self._search(module)
        return self._located[module]

    def refresh(self) -> None:
        """Look again where modules may lie: ``sys.path`` may have changed."""
        extra = [entry for entry in sys.path if entry and self.covers(entry)]
        entries = tuple(dict.fromkeys([*self.project.search_path, *map(os.path.abspath, extra)]))
        if entries != self._entries:
            self.forget()
            self._entries = entries
            self._tops = set(self._top_names())

    def forget(self) -> None:
        """Forget which files were found."""
        self._entries = ()
        self._located.clear()

    def is_same(self, project: Project, contents: Mapping[str, bytes] | None) -> bool:
        """Say whether modules loaded from here would be found the same for another file, and have not changed."""
        mine = self.project
        if mine != project and ((mine.root, mine.search_path) != (project.root, project.search_path) or self._renamed):
            return False
        if self.contents != (None if contents is None else dict(contents)):
            return False
        try:
            return all(self.now(path) == data for path, data in self.loaded.items())
        except OSError:  # a file that is gone has changed
            return False

    def _search(self, module: str) -> str | None:
        entries = list(self._entries)
        parts = module.split(".")
        for count, part in enumerate(parts, 1):
            name = ".".join(parts[:count])
            path = next(filter(None, (self.find(entry, name) for entry in entries)), None)
            if path is not None:
                if count == len(parts):
                    return path
                if os.path.basename(path) != "__init__.py":
                    return None
                entries = [os.path.dirname(path)]
            else:  # folders without __init__.py: all of that name together are one namespace package
                entries = [folder for entry in entries if self.is_folder(folder := os.path.join(entry, part))]
        return None

    def _top_names(self) -> Iterator[str]:
        yield from (name.partition(".")[0] for name in self._renamed)
        paths = [*self._recorded, *self._folders]
        for entry in self._entries:
            prefix = entry.rstrip(os.sep) + os.sep
            yield from (
                path[len(prefix) :].split(os.sep)[0].partition(".")[0] for path in paths if path.startswith(prefix)
            )
            if os.path.isdir(entry):
                yield from (name.partition(".")[0] for name in os.listdir(entry))


_active: Texts | None = None


def active() -> Texts | None:
    """Return the texts that this process imports its project's modules from."""
    return _active


def activate(texts: Texts) -> None:
    """Make these the texts that this process imports from."""
    global _active
    _active = texts


def texts_of(project: Project) -> Texts:
    """Return the texts that this process runs a project from, or what is on the disk."""
    texts = _active if _active is not None and _active.project == project else Texts(project)
    texts.refresh()
    return texts


def _parents(path: str, root: str) -> Iterator[str]:
    while len(path := os.path.dirname(path)) > len(root):
        yield path


def _names(project: Project) -> tuple[dict[str, str], set[str]]:
    """Return which names stand for other paths than they say, and which names they took the place of."""
    real = project.file.relative_to(project.search_path[0]).with_suffix("").parts
    if len(real) > 1 and real[-1] == "__init__":
        real = real[:-1]
    used = project.module.split(".")
    renamed: dict[str, str] = {}
    if used[0] != real[0]:
        renamed[used[0]] = os.path.join(project.search_path[0], real[0])
    if used[-1] != real[-1] or not project.file.name.endswith(".py"):
        renamed[project.module] = str(project.file)
    return renamed, {real[0]} if used[0] != real[0] else set()
