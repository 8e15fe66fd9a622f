"""What a package that travels says of itself: which file is the flow's, and where its modules are found.

Everything in it is relative to the project's root, so that it is the same on every machine. Runs in pods, under
Python 3.10 and without libraries.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import DamagedError
from fairlead.packaging.package import Member
from fairlead.packaging.project import Project

RESERVED = ".fairlead"
"""The folder of a package that is not the project's own."""
MANIFEST = f"{RESERVED}/project.json"
SITE = f"{RESERVED}/site-packages"
"""The folder of what lies outside of the project and travels with it."""


def describe(project: Project, extra: Iterable[str]) -> bytes:
    """Write down a project.

    Args:
        project: The project where it is at home.
        extra: Further folders below the root that modules are found in.
    """
    import json  # lazy: json, 5 ms; only where a package is written

    entries = [project.relative(each) for each in project.search_path]
    described = {
        "file": project.relative(str(project.file)),
        "module": project.module,
        # Of a root that is itself a package, the name is part of its modules' names; of others it must not count.
        "name": project.root.name if ".." in entries else "",
        "search_path": list(dict.fromkeys([*entries, *extra])),
    }
    return json.dumps(described, sort_keys=True, indent=1).encode()


def root_of(members: Mapping[str, Member], folder: Path) -> Path:
    """Return where the root of a described project is to be, for a package that is unpacked into a folder."""
    return folder / _read(members).name


def project_at(members: Mapping[str, Member], folder: Path) -> Project:
    """Return the project that a package describes, as it is when unpacked into a folder.

    Raises:
        DamagedError: It describes none, or one that reaches out of the folder.
    """
    described, root = _read(members), root_of(members, folder)
    file = Path(_inside(folder, root, described.file))
    search_path = tuple(_inside(folder, root, each) for each in described.search_path)
    return Project(file, file.parent, root, described.module, search_path)


class _Described(NamedTuple):
    file: str
    module: str
    name: str
    search_path: tuple[str, ...]


def _read(members: Mapping[str, Member]) -> _Described:
    import json  # lazy: json, 5 ms; only where a package is unpacked

    if MANIFEST not in members:
        raise _damaged(f"no {MANIFEST}: it holds what a flow's file imports, not a project")
    try:
        found = json.loads(members[MANIFEST].data)
        entries = tuple(map(str, found["search_path"]))
        described = _Described(str(found["file"]), str(found["module"]), str(found["name"]), entries)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(f"an unreadable {MANIFEST}") from error
    if described.file not in members:
        raise _damaged(f"no file {described.file!r}")
    if "/" in described.name or described.name in (".", ".."):
        raise _damaged(f"a root named {described.name!r}")
    return described


def _inside(folder: Path, root: Path, path: str) -> str:
    found = os.path.normpath(os.path.join(root, path))
    if found != str(folder) and not found.startswith(f"{folder}{os.sep}"):
        raise _damaged(f"a path that leads out of it: {path!r}")
    return found


def _damaged(what: str) -> DamagedError:
    return DamagedError("cannot open a code package", why=f"it has {what}", next="submit the run again")
