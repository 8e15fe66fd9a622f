"""Files that writers left behind when they were killed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from fairlead.store.claims import process_started

_NAME = re.compile(r"\.tmp\.(\d+)\.")
_FOREIGN = ("checkpoints",)
"""Folders with files of users, whatever their names."""


def abandoned_files(roots: Iterable[Path], cutoff: float) -> Iterator[tuple[Path, int]]:
    """Yield temporary files below some folders, with their sizes, whose writers are gone.

    Args:
        roots: The folders; one that lies in another is not looked through twice.
        cutoff: Files that were changed at or after this time stay, in seconds since 1970.
    """
    known: list[Path] = []
    for root in sorted(roots):
        if not any(root.is_relative_to(each) for each in known):
            known.append(root)
            yield from _below(root, cutoff)


def _below(root: Path, cutoff: float) -> Iterator[tuple[Path, int]]:
    for folder, folders, files in os.walk(root):
        folders[:] = [each for each in folders if each not in _FOREIGN]
        for name in files:
            match = _NAME.match(name)
            if match is None or process_started(int(match[1])) is not None:
                continue
            path = Path(folder, name)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            if max(status.st_ctime, status.st_mtime) < cutoff:
                yield path, status.st_size
