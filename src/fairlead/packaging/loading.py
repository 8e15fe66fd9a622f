"""Import a flow's file and its project's modules from their source as it is now, or as it was recorded.

Python trusts bytecode that was compiled from a file of the same second and size, so an edit can be missed. Modules of
a project are compiled from source every time; no bytecode of theirs is read or written.

A process imports for one project at a time, from one thread.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from importlib.util import decode_source, spec_from_file_location
from types import CodeType, FrameType, ModuleType

from fairlead.errors import FairleadError
from fairlead.packaging import texts as sources
from fairlead.packaging.failures import check_file, import_failure, wrong_file
from fairlead.packaging.project import Project
from fairlead.packaging.texts import Texts


def import_project(
    project: Project, contents: Mapping[str, bytes] | None = None, *, reload: bool = False
) -> ModuleType:
    """Import a flow's file under its module name.

    Called again it returns the same module, unless a module of the project was edited since: then all of them are
    imported anew. What is on the call stack stays.

    Args:
        project: What `find_project` returned.
        contents: A recorded code package, path below the root -> source; it takes the place of the files on disk.
        reload: Import anew even where nothing changed.

    Raises:
        UsageError: There is no such file, or it can't be imported.
    """
    texts = _activate(project, contents, reload)
    check_file(project, texts)
    try:
        module = importlib.import_module(project.module)
    except (FairleadError, KeyboardInterrupt):  # these say what to do themselves
        raise
    except (Exception, SystemExit) as error:  # a process edge: the user's module may raise anything
        raise import_failure(project, texts, error) from error
    if os.path.abspath(getattr(module, "__file__", None) or "") != str(project.file):
        raise wrong_file(project, module)
    return module


class ProjectLoader(SourceFileLoader):
    """Compiles a module from its source; never from bytecode."""

    def __init__(self, fullname: str, path: str, texts: Texts) -> None:
        super().__init__(fullname, path)
        self._texts = texts

    def get_data(self, path: str | os.PathLike[str]) -> bytes:
        """Return a file's bytes: recorded, or from the disk."""
        return self._texts.now(os.fspath(path))

    def get_code(self, fullname: str) -> CodeType | None:
        """Compile the source, and let tracebacks show what was compiled."""
        source = self._texts.now(self.path)
        self._texts.loaded[self.path] = source
        _remember_lines(self.path, source)
        return self.source_to_code(source, self.path)


class ProjectFinder(FileFinder):
    """Finds a project's modules in one folder, and all others there as Python does."""

    def __init__(self, path: str, texts: Texts) -> None:
        super().__init__(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES))
        self._texts = texts

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how to load a module that lies in this folder."""
        if self._texts.hides(fullname):
            return None
        path = self._texts.find(self.path, fullname)
        if path is not None:
            return spec_from_file_location(fullname, path, loader=ProjectLoader(fullname, path, self._texts))
        spec = super().find_spec(fullname, target)
        folder = os.path.join(self.path, fullname.rpartition(".")[2])
        if spec is None and self._texts.is_recorded_folder(folder):
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [folder]
        return spec


def _project_hook(entry: str) -> ProjectFinder:
    texts = sources.active()
    if texts is None or not texts.covers(entry) or os.path.isfile(entry):  # `runpy` asks about files too
        raise ImportError(f"{entry} is no folder of the project", path=entry)
    return ProjectFinder(os.path.abspath(entry), texts)


def _activate(project: Project, contents: Mapping[str, bytes] | None, reload: bool) -> Texts:
    old, new = sources.active(), Texts(project, contents)
    if old is not None and not reload and old.is_same(project, contents) and _is_kept(project):
        if old.project == project:
            old.forget()
            return old
        new.loaded = old.loaded
    else:
        _drop_modules(new)
    for entry in old.project.search_path if old else ():
        if entry in sys.path:
            sys.path.remove(entry)
    sys.path[:0] = project.search_path
    sources.activate(new)
    if _project_hook not in sys.path_hooks:
        sys.path_hooks.insert(0, _project_hook)
    for entry, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, ProjectFinder) or new.covers(entry):
            del sys.path_importer_cache[entry]
    return new


def _is_kept(project: Project) -> bool:
    module = sys.modules.get(project.module)
    return module is None or (_is_ours(module) and getattr(module, "__file__", None) == str(project.file))


def _is_ours(module: ModuleType) -> bool:
    return isinstance(getattr(module, "__loader__", None), ProjectLoader)


def _drop_modules(texts: Texts) -> None:
    """Forget modules imported for a project, and others of the files that the flow's file will import."""
    running = _running()
    loaded: list[tuple[str, object]] = list(sys.modules.items())  # anything may stand there
    modules = {
        name: module
        for name, module in loaded
        if name != "__main__" and isinstance(module, ModuleType) and id(module.__dict__) not in running
    }
    for name in [name for name, module in modules.items() if _is_ours(module) or _is_at(name, texts.project.module)]:
        del sys.modules[name], modules[name]
    # What else was imported in this process, by a notebook or a test, goes only where the flow needs it anew.
    others = {name: path for name, module in modules.items() if (path := _project_source(module, texts.project))}
    if others:
        from fairlead.packaging.imports import reached_files  # lazy: ast, 3 ms; only in a notebook or a test

        texts.refresh()
        reached = reached_files(texts)
        for name in [name for name, path in others.items() if path in reached]:
            del sys.modules[name]


def _is_at(name: str, module: str) -> bool:
    """Say whether a name is that of a module or of a package it lies in."""
    return name == module or module.startswith(f"{name}.")


def _project_source(module: ModuleType, project: Project) -> str | None:
    path = getattr(module, "__file__", None)
    return path if isinstance(path, str) and path.endswith(".py") and project.is_project_file(path) else None


def _running() -> set[int]:
    """Return the identities of the namespaces whose code is on the call stack: those modules can't be replaced."""
    found = set()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found.add(id(frame.f_globals))
        frame = frame.f_back
    return found


def _remember_lines(path: str, source: bytes) -> None:
    import linecache  # lazy: linecache, 3 ms; only where a module is compiled

    try:
        text = decode_source(source)
    except (SyntaxError, UnicodeDecodeError):  # compiling says so, with the place
        return
    # Without a modification time the entry is never compared with the file on the disk.
    lines = [f"{line}\n" for line in text.split("\n")]
    linecache.cache[path] = (len(source), None, lines, path)
