"""Find what a project's code imports from outside of it, and what is no installed library: that travels, too.

Such modules are of packages installed editable (`pip install -e`), or lie in a folder that is on ``sys.path``. Where
they are is asked of Python's own finders, so that it does not matter how an installer made them importable. The
imports are read from the source by patterns, not by syntax: too much found is harmless, and reading ten thousand
files must not take much longer than reading them.

Source: https://peps.python.org/pep-0660/ and https://packaging.python.org/specifications/direct-url/.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

from fairlead.packaging.ignoring import Rules
from fairlead.packaging.listing import Entry, list_folder
from fairlead.packaging.manifest import SITE
from fairlead.packaging.package import Kind, Member
from fairlead.packaging.project import INSTALLED, Project
from fairlead.packaging.texts import texts_of

_IMPORT = re.compile(
    rb"""(?:^|[;:])[ \t]*
    (?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n;#]*)
    |import[ \t]+([\w.,\ \t]+))
    |(?:import_module|__import__)\([ \t\n]*["']([\w.]+)["']""",
    re.MULTILINE | re.VERBOSE,
)
_WORD = re.compile(r"[^\W\d]\w*")
_ALIAS = re.compile(r"\s+as\s+\w+")
_DESCRIBED = ("METADATA", "entry_points.txt", "top_level.txt")
"""The files by which ``importlib.metadata`` knows a distribution. What else an installer writes is of its machine."""


class Outside(NamedTuple):
    """What travels with a project, though it lies outside of it or is not found without help.

    Attributes:
        entries: The files, by their names in the package.
        search_path: Folders of the project that modules are imported from, and that are not on its search path.
        notes: What to tell about files that were left out.
    """

    entries: list[Entry]
    search_path: list[str]
    notes: list[str]


def outside_of(project: Project, tree: Mapping[str, Member], rules: Rules) -> Outside:
    """Find the modules that a project imports and that are not in its tree, and what those import in their turn.

    Args:
        project: The project.
        tree: What travels of it, by name.
        rules: What does not travel.

    Raises:
        UsageError: A file of such a module can't be used.
    """
    return _Search(project, tree, rules).run()


def imported_names(source: bytes) -> set[str]:
    """Return the dotted names that a source file seems to import; ``from a import b`` gives ``a.b``."""
    found = set()
    statements = b"\n".join(_statements(source))
    for module, names, modules, called in _IMPORT.findall(statements):
        if module:
            listed = _WORD.findall(_ALIAS.sub("", names.decode("utf-8", "replace")))
            found |= {f"{module.decode('utf-8', 'replace')}.{name}" for name in listed}
        text = b",".join(filter(None, (module, modules, called))).decode("utf-8", "replace")
        found |= {name.strip() for name in _ALIAS.sub("", text).split(",")}
    return {name for name in found if all(map(str.isidentifier, name.split(".")))}


def _statements(source: bytes) -> Iterator[bytes]:
    """Yield the lines with the word ``import``, up to a closing parenthesis: a pattern on all lines is slow."""
    place = source.find(b"import")
    while place >= 0:
        line_end = source.find(b"\n", place)
        end = source.find(b")", place) if b"(" in source[place : line_end if line_end > 0 else None] else line_end
        end = end if end >= 0 else len(source)
        yield source[source.rfind(b"\n", 0, place) + 1 : end + 1]
        place = source.find(b"import", end)


class _Search:
    """One search: each name is looked up once, each module outside is taken once."""

    def __init__(self, project: Project, tree: Mapping[str, Member], rules: Rules) -> None:
        self._project = project
        self._tree = tree
        self._rules = rules
        self._texts = texts_of(project)
        self._specs: dict[str, ModuleSpec | None] = {}
        self._taken: dict[str, str] = {}
        self._found = Outside([], [], [])

    def run(self) -> Outside:
        todo = [each.data for name, each in self._tree.items() if _is_source(name, each.kind)]
        seen: set[str] = set()
        while todo:
            names = imported_names(todo.pop()) - seen
            seen |= names
            for name in sorted(names):
                todo += [each.read().data for each in self._take(name) if _is_source(each.name, each.kind)]
        self._describe_distributions()
        return self._found

    def _take(self, name: str) -> list[Entry]:
        """Take the module that the beginning of a dotted name names, where it lies outside; returns its files."""
        parts = name.split(".")
        if parts[0] in sys.stdlib_module_names or parts[0] == "fairlead":
            return []
        path: list[str] | None = None
        for count in range(1, len(parts) + 1):
            inner = ".".join(parts[:count])
            place = self._texts.locate(inner)
            if place is None:
                spec = self._spec(inner, path)
                if spec is None:
                    return []
                place = _place_of(spec)
                path = list(spec.submodule_search_locations or ())
            if place is not None:
                return self._took(inner, place)
        return []  # a namespace, of which nothing is used that is known

    def _took(self, name: str, place: str) -> list[Entry]:
        if name in self._taken or _is_installed(place):
            return []
        self._taken[name] = place
        if self._project.relative(place) in self._tree:
            self._note_entry(name, place)
            return []
        prefix = f"{SITE}/{name.replace('.', '/')}"
        if _is_package(place):
            tree = list_folder(Path(place).parent, self._rules, f"{prefix}/")
            self._found.notes.extend(tree.notes)
            entries = list(tree.entries)
        else:
            suffix = os.path.basename(place).partition(".")[2]
            status = os.stat(place)
            entries = [Entry(f"{prefix}.{suffix}", "file", status.st_size, Path(place))]
        self._found.entries.extend(entries)
        return entries

    def _note_entry(self, name: str, place: str) -> None:
        """Have the folder of the project that a module is found in on the search path there, too."""
        entry = Path(place).parents[name.count(".") + _is_package(place)]
        below = self._project.relative(str(entry))
        known = [self._project.relative(each) for each in self._project.search_path]
        if below not in known and below not in self._found.search_path:
            self._found.search_path.append(below)

    def _spec(self, name: str, path: list[str] | None) -> ModuleSpec | None:
        if name not in self._specs:
            self._specs[name] = _find(name, path)
        return self._specs[name]

    def _describe_distributions(self) -> None:
        """Let ``importlib.metadata`` know the editable distributions that travel, with the project's own."""
        for folder, name, files in _editables():
            is_used = any(place.startswith(folder + os.sep) for place in self._taken.values())
            if is_used or os.path.realpath(folder) == os.path.realpath(self._project.root):
                entries = [Entry(f"{SITE}/{name}/{file}", "file", len(data), data) for file, data in files.items()]
                self._found.entries.extend(entries)


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    """Ask Python's finders, and neither import anything nor heed what is imported."""
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except (ImportError, AttributeError, ValueError, OSError):  # what is odd there is found by nobody
            continue
        if spec is not None:
            return spec
    return None


def _place_of(spec: ModuleSpec) -> str | None:
    """Return the file of a module that is no namespace."""
    return os.path.abspath(spec.origin) if spec.origin and os.path.isfile(spec.origin) else None


def _is_package(place: str) -> bool:
    return os.path.basename(place).partition(".")[0] == "__init__"


def _is_installed(place: str) -> bool:
    return any(f"{os.sep}{each}{os.sep}" in place for each in INSTALLED)


def _is_source(name: str, kind: Kind) -> bool:
    return name.endswith(".py") and kind != "link"


def _editables() -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """Yield folder, name and describing files of each distribution that is installed editable."""
    from importlib import metadata  # lazy: importlib.metadata, 20 ms; only where a project travels
    from json import loads
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    for distribution in metadata.distributions():
        try:
            origin = loads(distribution.read_text("direct_url.json") or "{}")
            is_editable = origin["dir_info"]["editable"] is True
        except (ValueError, KeyError, TypeError):
            continue
        if is_editable:
            folder = url2pathname(urlsplit(origin["url"]).path).rstrip(os.sep)
            name = re.sub(r"[-_.]+", "_", distribution.name)
            files = {each: text.encode() for each in _DESCRIBED if (text := distribution.read_text(each)) is not None}
            yield folder, f"{name}-{distribution.version}.dist-info", files
