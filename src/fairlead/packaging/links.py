"""What becomes of the links in a project that travels.

A link that leads to something that travels stays one. A link to a file outside becomes that file, and one to a folder
outside is refused: it may hold anything, of any size. A link that leads nowhere is left out with a note.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import UsageError
from fairlead.packaging.ignoring import IGNORE_FILE, is_secret
from fairlead.packaging.package import folders_of, link_destination, passes_link


class Settled(NamedTuple):
    """What became of links.

    Attributes:
        links: Those that stay, and the path that each holds.
        files: Those that become files, and the file whose content each takes.
        notes: What was left out, and why.
    """

    links: dict[str, str]
    files: dict[str, Path]
    notes: list[str]


def settle(root: Path, links: Iterable[str], files: Collection[str]) -> Settled:
    """Decide what becomes of links.

    Args:
        root: The folder that all paths are below.
        links: The links.
        files: The files that travel.

    Raises:
        UsageError: Some lead to folders outside; they are named.
    """
    links = sorted(links)
    kept, copied, notes, refused = {}, {}, [], []
    present = {*files, *links}
    folders = {*folders_of(files), ""}
    real_root = os.path.realpath(root)
    for name in links:
        path = root / name
        real = os.path.realpath(path)
        try:
            mode = os.stat(path).st_mode
        except OSError:  # nothing is there, or it leads in a circle
            notes.append(f"{name} is left out: it is a link to nothing")
            continue
        below = os.path.relpath(real, real_root)
        below = "" if below == "." else below
        if below in files or below in folders:
            kept[name] = _target(name, os.readlink(path), below, present, links)
        elif real.startswith(real_root.rstrip(os.sep) + os.sep):
            notes.append(f"{name} is left out: it is a link to {below}, which does not travel")
        elif stat.S_ISDIR(mode):
            refused.append(f"{name} -> {real}")
        elif stat.S_ISREG(mode) and not is_secret(real):
            copied[name] = Path(real)
        else:
            notes.append(f"{name} is left out: it is a link to {real}")
    if refused:
        raise UsageError(
            "the project can't travel",
            where=str(root),
            why=f"links lead to folders outside of it: {', '.join(refused)}",
            next=f"name them in {IGNORE_FILE}, or put what the code needs into the project",
        )
    return Settled(kept, copied, notes)


def through_links(name: str, links: dict[str, str]) -> str:
    """Return the path that a path leads to when the links on it are followed."""
    for _ in links:
        parts = name.split("/")
        prefixes = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        link = next((each for each in prefixes if each in links), None)
        if link is None:
            break
        name = f"{link_destination(link, links[link])}{name[len(link) :]}".lstrip("/")
    return name


def _target(name: str, written: str, below: str, present: Collection[str], links: Collection[str]) -> str:
    """Return what a link is to hold: what it does where that is safe anywhere, else the plain way to the same place."""
    path = link_destination(name, written)
    if path is not None and not passes_link(path, links) and (path == below or path in present):
        return written
    return os.path.relpath(below or ".", os.path.dirname(name) or ".")
