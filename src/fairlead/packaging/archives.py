"""A folder of installed packages as one file: a tar archive whose bytes depend on the folder's contents alone.

Packages installed from wheels are files and nothing else, so an archive holds files and nothing else, links and
devices neither when it is written nor when it is read; and no name leads out of the folder that it is unpacked into.
Not compressed: compressed bytes differ between versions of zlib, and reading them would take longer than fetching
them. Runs in pods, without libraries.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fairlead.errors import DamagedError
from fairlead.packaging.package import name_fault

_BLOCK = 1 << 20


def write_archive(folder: Path, file: BinaryIO) -> None:
    """Write all files below a folder. Equal contents give equal bytes; times, owners and the umask do not count.

    Raises:
        ValueError: A file has a name that no archive takes, or is no plain file.
    """
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_BLOCK) as archive:
        for name in sorted(_files(folder)):
            path = folder / name
            status = path.lstat()
            fault = name_fault(name) if stat.S_ISREG(status.st_mode) else "is no plain file"
            if fault:
                raise ValueError(f"{name!r} {fault}")
            info = tarfile.TarInfo(name)
            info.size = status.st_size
            info.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
            with path.open("rb") as data:
                archive.addfile(info, data)


def unpack_archive(file: BinaryIO, folder: Path) -> None:
    """Unpack an archive, read from its beginning to its end, into a folder that is new or empty.

    Raises:
        DamagedError: It is no such archive, or has a name that leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=file, mode="r|", bufsize=_BLOCK) as archive:
            for member in archive:
                fault = name_fault(member.name) if member.isreg() else "is no plain file"
                if fault:
                    raise _damaged(f"{member.name!r} {fault}")
                _write(archive, member, folder / member.name)
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(str(error)) from error
    while file.read(_BLOCK):  # what follows the last file: whoever digests what was read has then read all
        pass


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    assert source is not None
    with path.open("xb") as target:
        while data := source.read(_BLOCK):
            target.write(data)
    if member.mode & stat.S_IXUSR:
        path.chmod(0o755)


def _files(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name).relative_to(folder).as_posix()


def _damaged(why: str) -> DamagedError:
    return DamagedError("cannot read an archive of packages", why=why)
