"""A snapshot as a file: an archive of JSON and logs, plain or compressed by gzip, which kubectl and tar make too.

    meta.json                               version, subject, when, what is missing
    objects/<kind>.json                     a list as the API gives it; the name is free
    events.json                             a list of events
    logs/<pod>/<container>[.previous].log   the last lines of a container

A folder with these files is read as well. A bundle may come from anybody: it is read within limits, and nothing of it
is ever unpacked to disk.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import msgspec

from fairlead.errors import UsageError
from fairlead.snapshots.snapshot import VERSION, LogName, Meta, Snapshot, Unread

MEMBERS_MAX = 50_000
MEMBER_BYTES_MAX = 64 << 20
LOG_BYTES_MAX = 256 << 10
"""Of each log, only so much of its end is read."""
BYTES_MAX = 256 << 20
"""Of all that is unpacked; what comes after that is left out, and said to be."""
VALUES_MAX = 5_000_000
"""Of all documents together: a value takes up to 30 times as much memory as it has characters."""

_META, _EVENTS = PurePosixPath("meta.json"), PurePosixPath("events.json")
_PREVIOUS = ".previous"
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)
_GZIP = b"\x1f\x8b"


class _Contents(NamedTuple):
    objects: list[Mapping[str, Any]]
    events: list[Mapping[str, Any]]
    logs: dict[LogName, str]
    unread: list[Unread]
    metas: list[Meta]


class _Member(NamedTuple):
    """A file of a bundle: where it is, how large, and how it is read; None where it is no plain file of it."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes] | None]


class _Capped(io.RawIOBase):
    """A stream that ends with an error after so many bytes: whatever an archive's headers make of it."""

    def __init__(self, source: IO[bytes], left: int) -> None:
        self._source, self._left = source, left

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        if self._left <= 0:
            raise tarfile.ReadError(_too_large())
        found = self._source.read(size)
        self._left -= len(found)
        return found


def _too_large() -> str:
    return f"it is too large: {BYTES_MAX >> 20} MiB are read"


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
    contents = _Contents([], [], {}, [], [])
    try:
        if file.is_dir():
            _read(_of_folder(file), contents)
        else:
            with file.open("rb") as stream:
                _read_archive(stream, str(file), contents)
    except OSError as failure:
        raise UsageError(f"can't read the bundle {file}", why=str(failure), next="fairlead snapshot -o FILE") from None
    return _snapshot(contents, str(file))


def _read_archive(stream: io.BufferedReader, name: str, contents: _Contents) -> None:
    plain: Any = gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == _GZIP else stream
    try:
        with tarfile.open(fileobj=_Capped(plain, BYTES_MAX + tarfile.RECORDSIZE), mode="r|") as archive:
            _read(_of_archive(archive), contents)
    except _DAMAGE as failure:
        if not contents.objects and not contents.events and not contents.metas:
            raise UsageError(
                f"{name} is no bundle",
                why=f"it is no archive of gzip or tar: {failure}",
                next="fairlead snapshot -o FILE",
            ) from None
        why = str(failure) if str(failure) == _too_large() else f"it is damaged: {failure}"
        contents.unread.append(Unread(what="the rest of the bundle", why=why))


def _snapshot(contents: _Contents, name: str) -> Snapshot:
    if not contents.objects and not contents.events:
        raise UsageError(
            f"there is nothing in the bundle {name}",
            why="it has neither objects/KIND.json with a list of objects nor events.json",
            next="fairlead snapshot -o FILE; docs/why.md has the layout",
        )
    meta = contents.metas[0] if contents.metas else Meta()
    if meta.version > VERSION:
        contents.unread.append(
            Unread(what="what is new in its layout", why=f"it has version {meta.version}, and {VERSION} is known here")
        )
    meta = msgspec.structs.replace(meta, unread=(*meta.unread, *contents.unread))
    return Snapshot(meta, contents.objects, contents.events, contents.logs)


def _of_archive(archive: tarfile.TarFile) -> Iterator[_Member]:
    for member in archive:
        path = PurePosixPath(*(each for each in PurePosixPath(member.name).parts if each != "."))
        is_plain = member.isreg() and not path.is_absolute() and ".." not in path.parts
        yield _Member(path, member.size, lambda of=member, ok=is_plain: archive.extractfile(of) if ok else None)  # type: ignore[misc]


def _of_folder(folder: Path) -> Iterator[_Member]:
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or file.is_file():
            path, is_plain = PurePosixPath(file.relative_to(folder).as_posix()), not file.is_symlink()
            yield _Member(path, file.lstat().st_size, lambda of=file, ok=is_plain: of.open("rb") if ok else None)  # type: ignore[misc]


def _read(members: Iterator[_Member], contents: _Contents) -> None:
    """Read what is read of these, within the limits."""
    left, values_left, unread = BYTES_MAX, VALUES_MAX, contents.unread
    for count, member in enumerate(members):
        if count >= MEMBERS_MAX or left <= 0:
            unread.append(Unread(what="the rest of the bundle", why=_too_large()))
            return
        left -= member.size
        what, is_log = str(member.path)[:200], member.path.parts[:1] == ("logs",)
        source = member.open()
        if source is None:
            unread.append(Unread(what=what, why="it is no plain file of a bundle"))
            continue
        with source:
            if not is_log and member.size > MEMBER_BYTES_MAX:
                unread.append(Unread(what=what, why=f"it has {member.size >> 20} MiB"))
                continue
            content = _end_of(source) if is_log else source.read()
        if not is_log:
            values_left -= sum(map(content.count, (b",", b"{", b"[")))
            if values_left < 0:
                unread.append(Unread(what=what, why=f"with it there are more than {VALUES_MAX} values"))
                continue
        _take(member.path, content, contents)


def _end_of(source: Any) -> bytes:
    """Return the end of a log without keeping the rest."""
    end = b""
    while chunk := source.read(LOG_BYTES_MAX):
        end = (end + chunk)[-LOG_BYTES_MAX:]
    return end


def _take(path: PurePosixPath, content: bytes, contents: _Contents) -> None:
    try:
        if path == _META:
            contents.metas.append(msgspec.json.decode(content, type=Meta))
        elif path == _EVENTS:
            contents.events.extend(_items(content))
        elif path.parts[:1] == ("objects",) and path.suffix == ".json":
            contents.objects.extend(_items(content))
        elif path.parts[:1] == ("logs",) and path.suffix == ".log" and len(path.parts) == 3:
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
