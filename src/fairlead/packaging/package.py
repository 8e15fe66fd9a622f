"""A code package as one file: a zip archive whose bytes depend on its contents alone."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping

from fairlead.errors import DamagedError

UNPACKED_BYTES_MAX = 64 * 1024 * 1024
"""The most that an archive may unpack to: what a code package may hold."""

_MOMENT = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_UNIX = 3


def pack(contents: Mapping[str, bytes]) -> bytes:
    """Put files into an archive. Equal contents give equal bytes, on every machine.

    Args:
        contents: Path with slashes, below the root -> bytes.

    Raises:
        ValueError: A path leads out of the archive.
    """
    import zipfile  # lazy: zipfile, 6 ms; only where a package is written

    buffer = io.BytesIO()
    # Stored, not compressed: compressed bytes differ between versions of zlib.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            if fault := _name_fault(name):
                raise ValueError(f"cannot pack {name!r}: {fault}")
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr, info.create_system = _MODE, _UNIX
            archive.writestr(info, contents[name])
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive.

    Returns:
        Path -> bytes, in the order of the archive.

    Raises:
        DamagedError: It is no such archive, is damaged, unpacks to more than 64 MiB, or names a file twice or outside.
    """
    import zipfile  # lazy: zipfile, 6 ms; only where a package is read

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check([(member.orig_filename, member.file_size) for member in members])
            return {member.filename: archive.read(member) for member in members}
    # RuntimeError: encrypted; NotImplementedError: a compression that this Python lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _damaged(str(error) or type(error).__name__) from error


def _check(members: list[tuple[str, int]]) -> None:
    """Judge an archive by its table, before anything of it is unpacked."""
    names = set()
    for name, _ in members:
        if fault := _name_fault(name):
            raise _damaged(f"{name!r} {fault}")
        if name in names:
            raise _damaged(f"{name!r} is there twice")
        names.add(name)
    total = sum(size for _, size in members)
    if total > UNPACKED_BYTES_MAX:
        raise _damaged(f"it unpacks to {total} bytes, at most {UNPACKED_BYTES_MAX} are taken")


def _name_fault(name: str) -> str | None:
    if "\\" in name or "\0" in name or ":" in name.partition("/")[0]:
        return "has a character that no path in a package has"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "is no path below the root"
    return None


def _damaged(why: str) -> DamagedError:
    return DamagedError("cannot read a code package", why=why, next="run with the code as it is now")
