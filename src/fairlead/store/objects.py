"""The bytes behind references: written once under their hash, read back verified, brought to this machine.

Knows nothing of Python values and formats; that is `fairlead.store.values`.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from fairlead.errors import DamagedError, NotFoundError, StoreError
from fairlead.naming import digest_file
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend, Folder
from fairlead.store.layout import DAMAGED
from fairlead.store.leases import collector, remove_unused, use
from fairlead.store.marks import Marks
from fairlead.store.spool import Spool, store_error

SMALL = 1 << 20
"""Bytes up to which an object is hashed each time it is read (below 1 ms); larger ones once on each host."""

_RANGE = 16 << 20
"""Bytes fetched with one request from a remote store."""


class Written(NamedTuple):
    """An object that is in the store now."""

    digest: str
    size: int


class Objects:
    """The objects of one store, seen from one machine.

    Safe for several threads and processes at once. Everything may be repeated: an object that is there with
    the right bytes is left alone, one that was found damaged is replaced when its value is saved again.

    Args:
        backend: The store.
        host: A folder of this machine only, where downloads and what was verified are kept.
    """

    def __init__(self, backend: Backend, host: Path) -> None:
        self.backend = backend
        self.host = host
        self._folder = backend if isinstance(backend, Folder) else None
        self._marks = Marks(host / "verified")

    def put(self, data: bytes) -> Written:
        """Store bytes that are in memory."""
        digest = hashlib.sha256(data).hexdigest()
        key = key_of(digest)
        if self._folder is not None and _holds(self._folder.path(key), data) and self._use(digest):
            return Written(digest, len(data))
        # What a folder has by now is damaged, or was written this moment by another process: the same bytes.
        if not self.backend.create(key, data) and (self._folder is not None or self._marks.is_damaged(digest)):
            self.backend.put(key, data)
        self._marks.clear(digest)
        if self._folder is not None:
            self._protect(self._folder.path(key))
        return Written(digest, len(data))

    def stream(self, write: Callable[[BinaryIO], None]) -> Written:
        """Store what `write` writes, hashed on the way; what it raises is passed on, and leaves nothing."""
        spool = Spool(self.host / "spool" if self._folder is None else self._folder.path("objects"))
        try:
            try:
                write(cast(BinaryIO, spool))
            except BaseException:
                if spool.failure is not None:
                    raise spool.failure from None
                raise
            digest = spool.finish()
            if spool.path is None:
                return self.put(spool.data())
            self._place(digest, spool.size, spool.path)
            return Written(digest, spool.size)
        except OSError as error:
            raise store_error("write a value", spool.path or self.host, error) from error
        finally:
            spool.discard()

    def read(self, ref: Ref) -> bytes:
        """Read a whole object, always verified.

        Raises:
            DamagedError: It is missing, or is not what was written.
        """
        try:
            data = self.backend.get(key_of(ref.digest))
        except NotFoundError as error:
            raise self._missing(ref) from error
        if hashlib.sha256(data).hexdigest() != ref.digest:
            raise self._damaged(ref, len(data))
        return data

    def local(self, ref: Ref) -> Path:
        """Give a verified file of this machine with the object's bytes: the store's own where that is one."""
        if self._folder is None:
            return self.hosted(ref)
        path = self._folder.path(key_of(ref.digest))
        self._check(path, ref)
        return path

    def hosted(self, ref: Ref) -> Path:
        """Give a verified file with the object's bytes in the host's folder, fetched if it is not there."""
        path = self.host / "objects" / ref.digest
        try:
            self._check(path, ref)
        except DamagedError:
            self._fetch(ref, path)
        return path

    def copy_to(self, store: Folder, ref: Ref) -> None:
        """Have a verified object in another store, too: a hard link of a file of this machine, or a copy."""
        source, target = self.local(ref), store.path(key_of(ref.digest))
        try:
            if target.exists():
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:  # of another file system, or another user's
                _write_protected(target, source.read_bytes())
        except OSError as error:
            raise store_error("copy a value", target, error) from error

    def is_present(self, ref: Ref) -> bool:
        """Say whether an object of this name and size is there and not known to be damaged, without reading it."""
        key = key_of(ref.digest)
        if self._marks.is_damaged(ref.digest):
            return False
        if self._folder is None:
            # The listing starts after all but the last digit: the object itself is among the first 16.
            found = self.backend.list_after("objects/", key[:-1], limit=16)
            return any(each.key == key and each.size == ref.size_bytes for each in found)
        try:
            return self._folder.path(key).stat().st_size == ref.size_bytes
        except FileNotFoundError:
            return False
        except OSError as error:
            raise store_error("read a value", self._folder.root, error) from error

    def hold(self, ref: Ref) -> bool:
        """Say whether an object is there, and keep a collection that is under way from removing it."""
        if not self.is_present(ref):
            return False
        return collector(self.backend) is None if self._folder is None else self._use(ref.digest)

    def remove_unused(self, digests: Iterable[str], since: float) -> Iterator[str]:
        """Remove objects, except those that were written or used at or after some time; yields what has gone.

        Args:
            digests: Their names.
            since: Seconds since 1970, by the clock of the store.
        """
        for digest in digests:
            if self._folder is None:
                found = self.backend.list_after("objects/", key_of(digest)[:-1], limit=16)
                gone = any(each.key == key_of(digest) and each.modified < since for each in found)
                if gone:
                    self.backend.delete(key_of(digest))
            else:
                gone = remove_unused(self._folder, key_of(digest), since)
            if gone:
                self._marks.clear(digest)
                yield digest

    def set_aside(self, digest: str) -> None:
        """Move a damaged object out of the way, so that its value is written again."""
        key = key_of(digest)
        if self._folder is not None:
            self.backend.put_file(DAMAGED + digest, self._folder.path(key))
        else:
            self.backend.put(DAMAGED + digest, self.backend.get(key))
            self.backend.delete(key)
        self._marks.clear(digest)

    def _use(self, digest: str) -> bool:
        """Mark an object of the folder as used now; False where it is not there any more."""
        assert self._folder is not None
        try:
            return use(self._folder, key_of(digest))
        except OSError as error:
            raise store_error("use a value", self._folder.path(key_of(digest)), error) from error

    def verify(self, ref: Ref) -> None:
        """Hash the object as it lies in the store, whatever was verified before.

        Raises:
            DamagedError: It is missing, or is not what was written.
        """
        if self._folder is not None:
            self._check(self._folder.path(key_of(ref.digest)), ref, always=True)
            if ref.size_bytes <= SMALL:  # a mark that it was damaged holds no longer
                self._marks.clear(ref.digest)
            return
        hashed, size = hashlib.sha256(), 0
        for data in self._ranges(ref):
            hashed.update(data)
            size += len(data)
        if hashed.hexdigest() != ref.digest:
            raise self._damaged(ref, size)

    def _place(self, digest: str, size: int, file: Path) -> None:
        key = key_of(digest)
        if self._folder is None:
            if self._marks.is_damaged(digest) or not self.is_present(Ref(digest=digest, format="", size_bytes=size)):
                self.backend.put_file(key, file)
                self._marks.clear(digest)
            return
        target = self._folder.path(key)
        if not self._marks.hold(digest, target, size) or not self._use(digest):
            # Costs no more than removing the new file, and mends an object whose bytes are in doubt.
            self._folder.put_file(key, file)
            self._marks.set(digest, target.stat())

    def _check(self, path: Path, ref: Ref, *, always: bool = False) -> None:
        always = always or ref.size_bytes <= SMALL
        try:
            if not always and self._marks.hold(ref.digest, path, ref.size_bytes):
                return
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_size != ref.size_bytes or digest_file(file) != ref.digest:
                    raise self._damaged(ref, status.st_size)
        except FileNotFoundError as error:
            raise self._missing(ref) from error
        except OSError as error:
            raise store_error("read a value", path, error) from error
        if ref.size_bytes > SMALL:
            self._marks.set(ref.digest, status)

    def _fetch(self, ref: Ref, path: Path) -> None:
        spool = Spool(path.parent)
        try:
            for data in self._ranges(ref):
                spool.write(data)
            digest = spool.finish()
            if digest != ref.digest:
                raise self._damaged(ref, spool.size)
            if spool.path is None:
                _write_protected(path, spool.data())
                self._marks.clear(ref.digest)
                return
            os.replace(spool.path, path)
            self._marks.set(ref.digest, path.stat())
        except OSError as error:
            raise store_error("keep a download", path.parent, error) from error
        finally:
            spool.discard()

    def _ranges(self, ref: Ref) -> Iterator[bytes]:
        for start in range(0, ref.size_bytes or 1, _RANGE):
            try:
                yield self.backend.get(key_of(ref.digest), start, min(_RANGE, ref.size_bytes - start))
            except NotFoundError as error:
                raise self._missing(ref) from error

    def _protect(self, path: Path) -> None:
        try:
            os.chmod(path, 0o444)
        except FileNotFoundError:  # collected since
            return
        except OSError as error:  # another user's object, who has done it
            if error.errno != errno.EPERM:
                raise store_error("protect a value", path, error) from error

    def _missing(self, ref: Ref) -> DamagedError:
        return self._error(ref, "missing", "the store has no such object")

    def _damaged(self, ref: Ref, size: int) -> DamagedError:
        self._marks.set_damaged(ref.digest)
        why = f"{ref.size_bytes} bytes were written, {size} are there" if size != ref.size_bytes else ""
        return self._error(ref, "damaged", why or "its bytes do not have the hash that they were stored under")

    def _error(self, ref: Ref, state: str, why: str) -> DamagedError:
        return DamagedError(
            f"a stored value is {state}: {ref.digest}",
            where=f"store {self.backend.url}, object {key_of(ref.digest)}",
            why=why,
            next="see what else is: fairlead store check; its step makes it again: fairlead resume RUN, or rerun RUN",
        )


def key_of(digest: str) -> str:
    """Return the key of an object."""
    if len(digest) != 64 or not digest.isalnum():
        raise StoreError(f"refused the digest {digest!r}", why="it is not a SHA-256 in hexadecimal")
    return f"objects/{digest}"


def _holds(path: Path, data: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read() == data
    except OSError:  # no such file, most often; anything worse is told when it is written
        return False


def _write_protected(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp.{os.getpid()}.{os.urandom(4).hex()}")
    temporary.write_bytes(data)
    temporary.chmod(0o444)
    os.replace(temporary, path)
