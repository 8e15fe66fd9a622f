"""Which files of a project travel to where its code runs: a pure listing, of which nothing has been read yet."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import UsageError
from fairlead.packaging.failures import check_file
from fairlead.packaging.git import GitFailed, GitFiles, git_files
from fairlead.packaging.ignoring import IGNORE_FILE, Rules, is_secret, unreadable
from fairlead.packaging.imports import reached_files
from fairlead.packaging.links import settle, through_links
from fairlead.packaging.manifest import RESERVED
from fairlead.packaging.package import Kind, Member, name_fault, passes_link
from fairlead.packaging.project import MARKERS, Project
from fairlead.packaging.texts import texts_of

_NAMES_MAX = 8
"""Names that a note lists; more are counted."""


class Entry(NamedTuple):
    """A file or link that travels.

    Attributes:
        content: The file that holds it, or the bytes themselves: of a link where it leads to, of a module that this
            process has imported what it was compiled from.
    """

    name: str
    kind: Kind
    size_bytes: int
    content: Path | bytes

    def read(self) -> Member:
        """Return the entry with its bytes.

        Raises:
            UsageError: It can't be read.
        """
        if isinstance(self.content, bytes):
            return Member(self.content, self.kind)
        try:
            return Member(self.content.read_bytes(), self.kind)
        except OSError as error:
            raise unreadable(str(self.content), error) from error


class Tree(NamedTuple):
    """The files of a project that travel, by name, and what to tell about others."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def project_tree(project: Project, without: Iterable[Path] = ()) -> Tree:
    """List the files of a project that its code may need at run time, and those it imports in any case.

    In a Git work tree those are the files that Git tracks or would track, else all but what tools leave behind.
    Where no project has its root, as in a home folder, they are what the flow's file imports and nothing else.

    Args:
        project: The project.
        without: Folders of state and of stores, which do not travel where they lie in the project.

    Raises:
        UsageError: A name, a link or the ``.fairleadignore`` can't be used.
    """
    own = _imported(project)
    if not project.has_marker:
        note = f"{project.file.name} is in no project: what it imports travels, and no other file"
        return Tree(own, (f"{note}; {MARKERS[0]} makes a folder of its own a project",))
    tree = list_folder(project.root, Rules(project.root, without))
    links = {each.name: each.content.decode() for each in tree.entries if isinstance(each.content, bytes)}
    listed = {each.name: each for each in tree.entries}
    for entry in own:
        name = through_links(entry.name, links)
        kind = listed[name].kind if name in listed else entry.kind
        listed[name] = entry._replace(name=name, kind=kind)
    return Tree(tuple(listed[name] for name in sorted(listed)), tree.notes)


def list_folder(folder: Path, rules: Rules, prefix: str = "") -> Tree:
    """List the files of a folder that travel.

    Args:
        folder: The folder.
        rules: What is left out.
        prefix: Where the folder lies in the package, with a slash at the end.

    Raises:
        UsageError: As `project_tree`.
    """
    listed, notes = _listed(folder, rules)
    untracked = sorted(rules.chosen(folder, listed.untracked))
    secrets = [name for name in untracked if is_secret(name)]
    names = {*listed.tracked, *untracked}.difference(secrets)
    names = {name for name in names if not name.startswith(f"{RESERVED}/") and not rules.is_named(prefix + name)}
    secrets = [name for name in secrets if not rules.is_named(prefix + name)]
    if secrets:
        notes.append(f"left out, because secrets have such names and Git does not track them: {_shown(secrets)}")
    entries, links = _looked_at(folder, names, prefix)
    settled = settle(folder, links, {each.name.removeprefix(prefix) for each in entries})
    entries += [
        Entry(prefix + name, "link", len(target.encode()), target.encode()) for name, target in settled.links.items()
    ]
    entries += [_entry(prefix + name, path, os.stat(path)) for name, path in settled.files.items()]
    return Tree(tuple(sorted(entries)), (*notes, *settled.notes))


def _listed(folder: Path, rules: Rules) -> tuple[GitFiles, list[str]]:
    notes = []
    try:
        listed = git_files(folder)
    except GitFailed as error:
        listed = None
        notes.append(f"Git can't list {folder} ({error}): files that it ignores travel, too")
    return listed or GitFiles(set(), set(rules.walked(folder))), notes


def _looked_at(folder: Path, names: Iterable[str], prefix: str) -> tuple[list[Entry], set[str]]:
    """Tell files and links apart; what is no longer there, and what is neither, goes."""
    entries: list[Entry] = []
    links: set[str] = set()
    for name in names:
        path = os.path.join(folder, name)
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):  # deleted, or its folder made a file, and not committed yet
            continue
        if stat.S_ISLNK(status.st_mode):
            links.add(name)
        elif stat.S_ISREG(status.st_mode):
            entries.append(_entry(prefix + name, Path(path), status))
    _refuse_names(folder, [*(each.name for each in entries), *links])
    # What Git tracks in a folder that a link has taken the place of is there through that link.
    entries = [each for each in entries if not passes_link(each.name.removeprefix(prefix), links)]
    return entries, links


def _entry(name: str, path: Path, status: os.stat_result) -> Entry:
    return Entry(name, "executable" if status.st_mode & stat.S_IXUSR else "file", status.st_size, path)


def _imported(project: Project) -> tuple[Entry, ...]:
    """Return the modules that the flow's file imports, as this process runs them: a notebook's lies in no file."""
    texts = texts_of(project)
    check_file(project, texts)
    found = {project.relative(path): texts.read(path) for path in reached_files(texts)}
    return tuple(Entry(name, "file", len(data), data) for name, data in sorted(found.items()))


def _refuse_names(folder: Path, names: Iterable[str]) -> None:
    faults = [f"{name!a} {fault}" for name in sorted(names) if (fault := name_fault(name))]
    if faults:
        raise UsageError(
            "the project can't travel",
            where=str(folder),
            why=_shown(faults),
            next=f"rename them, or leave them out by a pattern in {IGNORE_FILE}",
        )


def _shown(names: list[str]) -> str:
    more = len(names) - _NAMES_MAX
    return ", ".join(names[:_NAMES_MAX]) + (f" and {more} more" if more > 0 else "")
