"""A code package as one file: a zip archive whose bytes depend on its contents alone.

It holds files, executable files and links. Whatever is read here has been judged before: a name or a link of a
package never leads out of the folder that the package is unpacked into. Runs in pods, under Python 3.10 and without
libraries.
"""

from __future__ import annotations

import io
import stat
import zlib
from collections.abc import Container, Iterable, Mapping
from typing import Literal, NamedTuple

from fairlead.errors import DamagedError

UNPACKED_BYTES_MAX = 64 * 1024 * 1024
"""The most that an archive may unpack to: what a code package may hold."""

_MOMENT = (1980, 1, 1, 0, 0, 0)
_UNIX = 3

Kind = Literal["file", "executable", "link"]
_MODES: dict[Kind, int] = {"file": 0o100644, "executable": 0o100755, "link": 0o120777}


class Member(NamedTuple):
    """A file or link of a package.

    Attributes:
        data: The bytes; of a link, the path of where it leads to, from the folder it lies in.
        kind: Of a file's mode only this counts, whatever the umask.
    """

    data: bytes
    kind: Kind = "file"


def pack(contents: Mapping[str, bytes | Member]) -> bytes:
    """Put files into an archive. Equal contents give equal bytes, on every machine.

    Args:
        contents: Path with slashes, below the root -> bytes of a plain file, or a member.

    Raises:
        ValueError: They are more than 64 MiB, or a path or a link leads out of the archive.
    """
    import zipfile  # lazy: zipfile, 6 ms; only where a package is written

    members = {name: each if isinstance(each, Member) else Member(each) for name, each in sorted(contents.items())}
    if fault := _size_fault(len(each.data) for each in members.values()) or _faults(members):
        raise ValueError(f"cannot pack: {fault}")
    buffer = io.BytesIO()
    # Stored, not compressed: compressed bytes differ between versions of zlib.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr, info.create_system = _MODES[member.kind] << 16, _UNIX
            archive.writestr(info, member.data)
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive.

    Returns:
        Path -> bytes, in the order of the archive; a link to a file counts as that file.

    Raises:
        DamagedError: As `read_members`.
    """
    members = read_members(data)
    found = {}
    for name, member in members.items():
        path: str | None = name
        for _ in members:  # a chain of links is no longer than this, unless it has no end
            if path is None or path not in members or members[path].kind != "link":
                break
            path = link_destination(path, members[path].data.decode())
        target = members.get(path or "", member)
        if target.kind != "link":
            found[name] = target.data
    return found


def read_members(data: bytes) -> dict[str, Member]:
    """Return the files and links of an archive.

    Returns:
        Path -> member, in the order of the archive.

    Raises:
        DamagedError: It is no such archive, is damaged, unpacks to more than 64 MiB, names a file twice or outside,
            or has a link that leads outside or nowhere.
    """
    import zipfile  # lazy: zipfile, 6 ms; only where a package is read

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = {each.orig_filename: each for each in archive.infolist()}
            if len(infos) != len(archive.infolist()):
                raise _damaged("a name is there twice")
            # By its table first, before anything of it is unpacked.
            if fault := _size_fault(each.file_size for each in infos.values()):
                raise _damaged(fault)
            members = {name: Member(archive.read(each), _kind(each.external_attr)) for name, each in infos.items()}
            fault = _faults(members)
    # RuntimeError: encrypted; NotImplementedError: a compression that this Python lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _damaged(str(error) or type(error).__name__) from error
    if fault:
        raise _damaged(fault)
    return members


def name_fault(name: str) -> str | None:
    """Say why a path can't stand in a package, or None where it can."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "is no UTF-8"
    if "\\" in name or "\0" in name or ":" in name.partition("/")[0]:
        return "has a character that no path in a package has"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "is no path below the root"
    return None


def link_destination(name: str, target: str) -> str | None:
    """Return the path below the root that a link leads to.

    Args:
        name: The link's own path.
        target: What it holds.

    Returns:
        The path, empty for the root itself; None where it leads outside, or is not some ``..`` and then a path
        downwards: through a link, ``..`` is another folder than it seems.
    """
    folder = name.split("/")[:-1]
    parts = [part for part in target.rstrip("/").split("/") if part != "."]
    while folder and parts[:1] == [".."]:
        del folder[-1], parts[0]
    path = "/".join([*folder, *parts])
    return path if not parts or name_fault(path) is None else None


def folders_of(names: Iterable[str]) -> set[str]:
    """Return the folders that files with these names lie in, the root excepted."""
    found: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def passes_link(path: str, links: Container[str]) -> bool:
    """Say whether a path leads through a link, its own end excepted."""
    folder = path.rpartition("/")[0]
    while folder:
        if folder in links:
            return True
        folder = folder.rpartition("/")[0]
    return False


def _faults(members: Mapping[str, Member]) -> str | None:
    """Say what is wrong with the first member that can't be in a package."""
    folders = folders_of(members)
    links = {name for name, member in members.items() if member.kind == "link"}
    for name in members:
        if fault := name_fault(name):
            return f"{name!r} {fault}"
        if name in folders:
            return f"{name!r} is a file and a folder"
    for name in links:
        path = link_destination(name, members[name].data.decode())
        if path is None or passes_link(path, links) or (path and path not in members and path not in folders):
            return f"the link {name!r} leads outside or nowhere"
    return None


def _size_fault(sizes: Iterable[int]) -> str | None:
    total = sum(sizes)
    return (
        f"it unpacks to {total} bytes, at most {UNPACKED_BYTES_MAX} are taken" if total > UNPACKED_BYTES_MAX else None
    )


def _kind(external_attr: int) -> Kind:
    mode = external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link"
    return "executable" if mode & stat.S_IXUSR else "file"


def _damaged(why: str) -> DamagedError:
    return DamagedError("cannot read a code package", why=why, next="run with the code as it is now")
