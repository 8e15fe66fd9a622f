"""A snapshot as a file: a compressed archive of JSON and logs, which kubectl and tar make too.

    meta.json                               version, subject, when, what is missing
    objects/<kind>.json                     a list as the API gives it; the name is free
    events.json                             a list of events
    logs/<pod>/<container>[.previous].log   the last lines of a container

A bundle may come from anybody: it is read within limits, and nothing of it is ever unpacked to disk.
"""

from __future__ import annotations

import io
import tarfile
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import msgspec

from fairlead.errors import UsageError
from fairlead.snapshots.snapshot import VERSION, LogName, Meta, Snapshot, Unread

MEMBERS_MAX = 50_000
MEMBER_BYTES_MAX = 64 << 20
LOG_BYTES_MAX = 256 << 10
"""Of each log, only so much of its end is read."""
BYTES_MAX = 256 << 20
"""Of all that is unpacked; what comes after that is left out, and said to be."""

_META, _EVENTS = PurePosixPath("meta.json"), PurePosixPath("events.json")
_PREVIOUS = ".previous"
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)


class _Contents(NamedTuple):
    objects: list[Mapping[str, Any]]
    events: list[Mapping[str, Any]]
    logs: dict[LogName, str]
    unread: list[Unread]


def write(snapshot: Snapshot, file: Path) -> None:
    """Write a bundle; the same snapshot gives the same bytes but for the time.

    Args:
        snapshot: The snapshot.
        file: Where to.
    """
    kinds: dict[str, list[Any]] = {}
    for thing in snapshot.things.values():
        group = thing.text("apiVersion").rpartition("/")[0]
        kinds.setdefault(f"{thing.ref.kind.lower()}.{group}".rstrip("."), []).append(thing.value)
    with tarfile.open(file, "w:gz") as archive:
        _add(archive, _META, msgspec.json.format(msgspec.json.encode(snapshot.meta)))
        for kind, items in sorted(kinds.items()):
            _add(archive, PurePosixPath("objects", f"{kind}.json"), msgspec.json.encode({"items": items}))
        _add(archive, _EVENTS, msgspec.json.encode({"items": snapshot.events}))
        for name, text in sorted(snapshot.logs.items()):
            log = f"{name.container}{_PREVIOUS if name.previous else ''}.log"
            _add(archive, PurePosixPath("logs", name.pod, log), text.encode())


def _add(archive: tarfile.TarFile, path: PurePosixPath, content: bytes) -> None:
    member = tarfile.TarInfo(str(path))
    member.size, member.mtime = len(content), int(time.time())
    archive.addfile(member, io.BytesIO(content))


def read(file: Path) -> Snapshot:
    """Read a bundle, in part where it is damaged or too large: the snapshot says what of it was not read.

    Raises:
        UsageError: The file can't be read, or is no bundle.
    """
    try:
        with file.open("rb") as stream:
            return _read(stream, str(file))
    except OSError as failure:
        raise UsageError(f"can't read the bundle {file}", why=str(failure), next="fairlead snapshot -o FILE") from None


def _read(stream: BinaryIO, name: str) -> Snapshot:
    metas: list[Meta] = []
    contents = _Contents([], [], {}, [])
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for path, content in _members(archive, contents.unread):
                _take(path, content, metas, contents)
    except _DAMAGE as failure:
        if not contents.objects and not contents.events and not metas:
            raise UsageError(
                f"{name} is no bundle", why=f"it is no compressed archive: {failure}", next="fairlead snapshot -o FILE"
            ) from None
        contents.unread.append(Unread(what="the rest of the bundle", why=f"it is damaged: {failure}"))
    if not contents.objects and not contents.events:
        raise UsageError(
            f"there is nothing in the bundle {name}",
            why="it has neither objects/KIND.json with a list of objects nor events.json",
            next="fairlead snapshot -o FILE; docs/snapshots.md has the layout",
        )
    meta = metas[0] if metas else Meta()
    if meta.version > VERSION:
        contents.unread.append(
            Unread(what="what is new in its layout", why=f"it has version {meta.version}, and {VERSION} is known here")
        )
    meta = msgspec.structs.replace(meta, unread=(*meta.unread, *contents.unread))
    return Snapshot(meta, contents.objects, contents.events, contents.logs)


def _members(archive: tarfile.TarFile, unread: list[Unread]) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the files that are read, within the limits."""
    left = BYTES_MAX
    for count, member in enumerate(archive):
        path = PurePosixPath(*(each for each in PurePosixPath(member.name).parts if each != "."))
        if count >= MEMBERS_MAX or left <= 0:
            unread.append(Unread(what="the rest of the bundle", why=f"it is too large: {BYTES_MAX >> 20} MiB are read"))
            return
        if not member.isreg() or path.is_absolute() or ".." in path.parts:
            unread.append(Unread(what=str(path)[:200], why="it is no plain file of a bundle"))
            continue
        is_log = path.parts[:1] == ("logs",)
        if member.size > MEMBER_BYTES_MAX and not is_log:
            unread.append(Unread(what=str(path)[:200], why=f"it has {member.size >> 20} MiB"))
            left -= member.size
            continue
        source = archive.extractfile(member)
        assert source is not None
        content = _end_of(source) if is_log else source.read()
        left -= member.size
        yield path, content


def _end_of(source: Any) -> bytes:
    """Return the end of a log without keeping the rest."""
    end = b""
    while chunk := source.read(LOG_BYTES_MAX):
        end = (end + chunk)[-LOG_BYTES_MAX:]
    return end


def _take(path: PurePosixPath, content: bytes, metas: list[Meta], contents: _Contents) -> None:
    try:
        if path == _META:
            metas.append(msgspec.json.decode(content, type=Meta))
        elif path == _EVENTS:
            contents.events.extend(_items(content))
        elif path.parts[0] == "objects" and path.suffix == ".json":
            contents.objects.extend(_items(content))
        elif path.parts[0] == "logs" and path.suffix == ".log" and len(path.parts) == 3:
            container = path.stem.removesuffix(_PREVIOUS)
            name = LogName(path.parts[1], container, path.stem.endswith(_PREVIOUS))
            contents.logs[name] = content.decode("utf-8", "replace")
    except (msgspec.DecodeError, RecursionError) as failure:
        contents.unread.append(Unread(what=str(path)[:200], why=f"it is damaged: {failure}"))


def _items(content: bytes) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list, or the one object that there is; the items of a typed list are of its kind."""
    document = msgspec.json.decode(content)
    if not isinstance(document, dict):
        raise msgspec.DecodeError("it is no list of objects")
    items = document.get("items")
    if not isinstance(items, list):
        yield document
        return
    kind = str(document.get("kind") or "").removesuffix("List")
    known = {"apiVersion": document.get("apiVersion"), "kind": kind} if kind else {}
    for each in items:
        if isinstance(each, dict):
            yield {**known, **each}
