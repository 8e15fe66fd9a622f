"""Pack a project for a run that happens elsewhere: all that its code may need there, and how it is imported.

`fairlead.packaging.arriving` opens it there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import DamagedError
from fairlead.packaging.ignoring import IGNORE_FILE, Rules
from fairlead.packaging.listing import Entry, project_tree
from fairlead.packaging.manifest import MANIFEST, SITE, describe
from fairlead.packaging.outside import outside_of
from fairlead.packaging.package import Member, pack, read_members
from fairlead.packaging.project import Project
from fairlead.packaging.sizes import check_sizes

_ADVICE = f"name data in {IGNORE_FILE}, and pass it to a step as an artifact or a dataset"


class Packed(NamedTuple):
    """A project that is ready to travel.

    Attributes:
        data: The package.
        entries: What is in it, in the order of the names; its description of itself excepted.
        notes: A sentence for each thing that was left out or looks odd; to be told to the user.
    """

    data: bytes
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def pack_project(project: Project, without: Iterable[Path] = ()) -> Packed:
    """Pack a project's tree, with the modules outside of it that are no installed libraries.

    Equal files give equal bytes, on every machine and in every folder.

    Args:
        project: The project; its modules need not be imported.
        without: Folders of state and of stores, which do not travel where they lie in the project.

    Raises:
        UsageError: It is larger than 64 MiB, or a file, name or link in it can't travel.
    """
    tree = project_tree(project, without)
    check_sizes(project, _sizes(tree.entries), _ADVICE)
    members = {each.name: each.read() for each in tree.entries}
    outside = outside_of(project, members, Rules(project.root, without))
    entries = sorted((*tree.entries, *outside.entries))
    check_sizes(project, _sizes(entries), _ADVICE)
    members |= {each.name: each.read() for each in outside.entries}
    extra = [*sorted(outside.search_path), *([SITE] if outside.entries else [])]
    members[MANIFEST] = Member(describe(project, extra))
    check_sizes(project, {name: len(each.data) for name, each in members.items()}, _ADVICE)
    return Packed(pack(members), tuple(entries), (*tree.notes, *outside.notes))


def as_travelling(data: bytes, file: str, module: str) -> bytes:
    """Return a package of what a flow's file imports as one that travels.

    Args:
        data: A package; one that travels is returned as it is.
        file: The path of the flow's file where it was packed.
        module: The name that it is imported by.

    Raises:
        DamagedError: It is no package, or holds no such file.
    """
    members = read_members(data)
    if MANIFEST in members:
        return data
    own = max((name for name in members if file.endswith(f"/{name}")), key=len, default=None)
    if own is None:
        raise DamagedError("cannot open a code package", why=f"it has no file {file!r}", next="start a new run")
    path, root = Path(file), Path(file[: -len(own) - 1])
    base = path.parents[module.count(".")]
    entries = [base, root, *([root / "src"] if any(name.startswith("src/") for name in members) else [])]
    project = Project(path, path.parent, root, module, tuple(dict.fromkeys(map(str, entries))))
    return pack({**members, MANIFEST: Member(describe(project, []))})


def _sizes(entries: Iterable[Entry]) -> dict[str, int]:
    return {each.name: each.size_bytes for each in entries}
