"""Which large objects this machine has hashed already, so that it does so once.

A mark holds the size, time of change and inode of the file that was hashed: a file that was changed or
replaced since counts as not verified. Marks may be lost or deleted at any time.
"""

from __future__ import annotations

import os
from pathlib import Path

_DAMAGED = "damaged"


class Marks:
    """The marks of one machine, a small file for each object in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, digest: str, path: Path, size: int) -> bool:
        """Say whether the file is there and still the one that was hashed."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return False
        return status.st_size == size and self._read(digest) == _of(status)

    def set(self, digest: str, status: os.stat_result) -> None:
        """Remember that a file with this status had the right hash."""
        self._write(digest, _of(status))

    def set_damaged(self, digest: str) -> None:
        """Remember that the object was found damaged, so that saving its value writes it again."""
        self._write(digest, _DAMAGED)

    def is_damaged(self, digest: str) -> bool:
        """Say whether the object was found damaged, and not written again since."""
        return self._read(digest) == _DAMAGED

    def clear(self, digest: str) -> None:
        """Forget what is known of an object."""
        (self._folder / digest).unlink(missing_ok=True)

    def _read(self, digest: str) -> str:
        try:
            return (self._folder / digest).read_text("ascii", errors="replace")
        except FileNotFoundError:
            return ""

    def _write(self, digest: str, text: str) -> None:
        # A mark torn by a crash is no valid one; that the disk is full only costs the next hashing.
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / digest).write_text(text, "ascii")
        except OSError:
            return


def _of(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
