"""The one small protocol that every store back end speaks, and the folder that implements it.

The folder is written here and not through an object-store library, for three reasons: a step's process
is forked, and must not carry the threads of such a library; values are read by mapping the file; and a
log is appended to in place. Remote stores are in ``remote.py``, which needs the extra ``remote``.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, TypeVar

from fairlead.errors import NotFoundError, StoreError

PAGE = 1000
"""Keys in one page of a listing: the most that S3 returns for one request."""

_TEMPORARY = ".tmp."

_ATTEMPTS = 100
"""Tries to write into a folder that others keep deleting; each lost try means that one of them got on."""

_COPIED = 1 << 20
"""Bytes of a file held in memory while it is copied."""

_AT_ONCE = 16
"""Requests under way at a time where there are many."""

_FEW = 8
"""Requests for which no threads are worth it."""

_S = TypeVar("_S")
_T = TypeVar("_T")


class Entry(NamedTuple):
    """One object of a listing: its key, its size in bytes, when it was last written (seconds since 1970)."""

    key: str
    size: int
    modified: float


class Backend(Protocol):
    """Named bytes. Keys are relative paths with ``/``; a reader never sees half an object.

    Every method may raise `StoreError` where the store is unreachable, full, read-only or refuses. All
    may be called from several threads and processes at once, and any may be repeated. No key is a folder
    of another (``a`` and ``a/b``): some back ends hold both, some refuse the second.
    """

    url: str

    def create(self, key: str, data: bytes) -> bool:
        """Write an object that must not exist; False, and nothing changed, where it does.

        False can also follow an answer that was lost on the way and asked for again: the object is then
        this caller's. Who must know compares the content.
        """

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing what was there."""

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a local file, which may be moved away by it."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Read an object or the part of a range that it has; `NotFoundError` where there is none."""

    def list_after(self, prefix: str, after: str = "", limit: int = PAGE) -> list[Entry]:
        """List at most `limit` objects under `prefix` (a folder ending in ``/``) with keys above `after`, in order."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""


def list_all(backend: Backend, prefix: str, after: str = "") -> Iterator[Entry]:
    """List every object under a prefix with a key above `after`, in order, a page at a time."""
    while True:
        page = backend.list_after(prefix, after)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].key


def at_once(request: Callable[[_S], _T], each_of: Iterable[_S]) -> list[_T]:
    """Make many requests, several at a time, and return the answers in order: one by one, 10,000 take a minute.

    Raises:
        Exception: The first one that a request has raised.
    """
    wanted = list(each_of)
    if len(wanted) < _FEW:
        return [request(each) for each in wanted]
    from concurrent.futures import ThreadPoolExecutor  # lazy: 8 ms; only where there is much to read

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(request, wanted))


def check_key(key: str, url: str) -> None:
    """Refuse a key that one of the back ends could not hold, or that would leave its store.

    Args:
        key: A key, or a prefix without its last slash.
        url: The store, for the message.

    Raises:
        StoreError: The key is empty, absolute, holds an empty, ``.`` or ``..`` part, the name of a
            temporary file, or a character that cannot be printed.
    """
    parts = key.split("/")
    if not key.isprintable() or any(part in ("", ".", "..") or part.startswith(_TEMPORARY) for part in parts):
        raise StoreError(
            f"refused the key {key!r}",
            where=f"store {url}",
            why="a key is a relative path that stays inside its store, of printable characters",
        )


def check_prefix(prefix: str, url: str) -> None:
    """Refuse a prefix that is neither empty nor a folder ending in ``/``."""
    if prefix:
        check_key(prefix.removesuffix("/") if prefix.endswith("/") else "", url)


class Folder:
    """A store in a folder of a file system with atomic ``link`` and ``rename``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)
        self._made: set[str] = set()
        self._serial = itertools.count()

    def path(self, key: str) -> Path:
        """Return the file that holds, or would hold, the object of this key."""
        check_key(key, self.url)
        return self.root / key

    def create(self, key: str, data: bytes) -> bool:
        """Write a complete file beside the target, then link it: the link is the exclusive step."""
        target = self.path(key)
        with _Translated("write", self, key), self._written(target, data) as temporary:
            try:
                os.link(temporary, target)
            except FileExistsError:
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
                return False
        return True

    def put(self, key: str, data: bytes) -> None:
        """Write a complete file beside the target, then rename it over."""
        target = self.path(key)
        with _Translated("write", self, key), self._written(target, data) as temporary:
            os.replace(temporary, target)

    def put_file(self, key: str, path: Path) -> None:
        """Rename a file that lies on the same file system; copy one that does not."""
        target = self.path(key)
        with _Translated("write", self, key):
            try:
                self._into_folder(target, lambda: os.replace(path, target))
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                with self._written(target, path) as temporary:
                    os.replace(temporary, target)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """Read a file or a range of it."""
        with _Translated("read", self, key), open(self.path(key), "rb") as file:
            if start:
                file.seek(start)
            return file.read(-1 if length is None else length)

    def list_after(self, prefix: str, after: str = "", limit: int = PAGE) -> list[Entry]:
        """Walk the folder in key order, entering no folder that lies wholly before `after`."""
        check_prefix(prefix, self.url)
        with _Translated("list", self, prefix):
            return list(itertools.islice(self._walk(prefix, after), limit))

    def delete(self, key: str) -> None:
        """Remove a file, and the folders that this leaves empty."""
        path = self.path(key)
        with _Translated("delete", self, key):
            with suppress(FileNotFoundError, NotADirectoryError):
                if path.is_dir():  # other objects' folder, and no object
                    return
                path.unlink()
            self._made.clear()
            for parent in path.parents:
                if parent == self.root or not _remove_empty(parent):
                    break

    def _walk(self, prefix: str, after: str) -> Iterator[Entry]:
        try:
            with os.scandir(self.root / prefix) as found:
                # A folder sorts as its keys do, that is with the slash that follows its name.
                entries = sorted((entry.name + "/" * entry.is_dir(), entry) for entry in found)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name, entry in entries:
            key = prefix + name
            if name.endswith("/"):
                if key > after or after.startswith(key):
                    yield from self._walk(key, after)
            elif key > after and not name.startswith(_TEMPORARY):
                try:
                    status = entry.stat()
                except FileNotFoundError:  # deleted since the folder was read
                    continue
                yield Entry(key, status.st_size, status.st_mtime)

    @contextmanager
    def _written(self, target: Path, source: bytes | Path) -> Iterator[str]:
        """Give a complete file beside the target, and remove it afterwards if it is still there."""
        temporary = self._temporary(target)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = self._into_folder(target, lambda: os.open(temporary, flags, 0o666))
        try:
            with open(descriptor, "wb") as file:
                for part in _parts(source):
                    file.write(part)
            yield temporary
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)

    def _into_folder(self, target: Path, place: Callable[[], _T]) -> _T:
        """Place a file in the target's folder, which may vanish with the deletion of its last object."""
        for _ in range(_ATTEMPTS - 1):
            try:
                self._make_parent(target)
                return place()
            except (FileNotFoundError, FileExistsError):  # the second: seen by mkdir, gone before its check
                self._made.clear()
        self._make_parent(target)
        return place()

    def _temporary(self, target: Path) -> str:
        return f"{target.parent}/{_TEMPORARY}{os.getpid()}.{next(self._serial)}.{os.urandom(4).hex()}"

    def _make_parent(self, target: Path) -> None:
        parent = str(target.parent)
        if parent not in self._made:
            os.makedirs(parent, exist_ok=True)
            self._made.add(parent)


def _parts(source: bytes | Path) -> Iterator[bytes]:
    if not isinstance(source, Path):
        yield source
        return
    with open(source, "rb") as file:
        while part := file.read(_COPIED):
            yield part


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


class _Translated:
    """Turn the operating system's errors into the store's, with what to do next."""

    _NEXT: ClassVar = {
        errno.ENOSPC: "free some space, then go on: fairlead resume RUN",
        errno.EDQUOT: "free some of your quota, then go on: fairlead resume RUN",
        errno.EROFS: "mount the file system read-write, or choose another folder with FAIRLEAD_HOME",
        errno.EACCES: "check the owner and mode of the folder, or choose another with FAIRLEAD_HOME",
    }

    def __init__(self, verb: str, folder: Folder, key: str) -> None:
        self._verb, self._folder, self._key = verb, folder, key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        missing = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
        if isinstance(error, missing) and self._verb == "read":
            raise NotFoundError(f"there is no {self._key}", where=f"store {self._folder.url}") from error
        raise StoreError(
            f"cannot {self._verb} {self._key}",
            where=f"store {self._folder.url}",
            why=error.strerror or str(error),
            next=self._NEXT.get(error.errno or 0, ""),
        ) from error
