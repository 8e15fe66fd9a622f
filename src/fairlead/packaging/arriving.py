"""Unpack a code package where it is to run: safely, whole or not at all, and whoever else does the same.

Runs in pods, under Python 3.10 and without libraries.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from fairlead.errors import FairleadError
from fairlead.packaging.manifest import project_at, root_of
from fairlead.packaging.package import Member, folders_of, read_members
from fairlead.packaging.project import Project


def open_project(data: bytes, folder: Path) -> Project:
    """Unpack a package that travelled, and return its project as it is there.

    The flow's file has the module name that it had at home, whatever is installed here.

    Args:
        data: What `pack_project` returned.
        folder: A folder for this package alone, best named by the package's digest; where it is there already, it
            is taken as it is.

    Raises:
        DamagedError: The package is not what was written, or would reach out of the folder.
        FairleadError: It can't be written.
    """
    folder = Path(os.path.abspath(folder))
    members = read_members(data)
    project = project_at(members, folder)
    _place(members, root_of(members, folder))
    return project


def unpack_tree(data: bytes, folder: Path) -> None:
    """Write the files and links of a package below a folder that appears whole or not at all.

    Several processes may do it at once: one of them wins. A folder that is there, and not empty, is left alone.
    No file can be written by others, and the umask may take further rights away.

    Raises:
        DamagedError: The package is damaged, or a name or link in it leads outside; nothing was written.
        FairleadError: It can't be written.
    """
    _place(read_members(data), Path(os.path.abspath(folder)))


def _place(members: Mapping[str, Member], folder: Path) -> None:
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        if folder.is_dir() and os.listdir(folder):
            return
        _make_folder(folder.parent)
        try:
            _write(members, temporary)
            _rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise FairleadError("cannot unpack the code package", where=str(folder), why=why) from error


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o755, exist_ok=True)


def _write(members: Mapping[str, Member], folder: Path) -> None:
    folder.mkdir(mode=0o755)
    for name in sorted(folders_of(members)):
        (folder / name).mkdir(mode=0o755)
    for name, member in members.items():
        if member.kind != "link":
            mode = 0o755 if member.kind == "executable" else 0o644
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(member.data)
    # Last, so that nothing is written through one.
    for name, member in members.items():
        if member.kind == "link":
            os.symlink(member.data.decode(), folder / name)


def _rename(temporary: Path, folder: Path) -> None:
    """Put a whole folder in its place, unless somebody was faster."""
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder.is_dir() and os.listdir(folder)):
            raise
