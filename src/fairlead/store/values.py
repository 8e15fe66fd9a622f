"""Python values as stored objects: which format writes them, and how they come back.

Values are immutable once stored, and named by the hash of their bytes, so that equal ones are stored once.
What is mapped from a store's file stays mapped; nobody changes an object's file, its collection unlinks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from fairlead.errors import DamagedError, FairleadError
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend, Folder
from fairlead.store.formats.protocol import Format, Unfit, Whole
from fairlead.store.formats.registry import format_named, formats_for
from fairlead.store.objects import SMALL, Objects, Written
from fairlead.store.records import Items, decode

_PATHS = ("file", "folder")


class Values:
    """Save values and load them, in one store, on one machine.

    Safe for several threads and processes at once; saving or loading again changes nothing.

    Args:
        backend: The store.
        host: A folder of this machine only: marks of what was verified, downloads, files given to users.
    """

    def __init__(self, backend: Backend, host: Path) -> None:
        self._objects = Objects(backend, host)

    def save(self, value: Any) -> Ref:
        """Store a value in the first format that takes it; once, however often it is saved.

        Raises:
            FairleadError: Nothing can hold the value; says which part of it is at fault.
            StoreError: The store is full, read-only or unreachable. Nothing half is left.
        """
        if isinstance(value, Path):
            from fairlead.store.formats.paths import save_path  # lazy: shutil, 12 ms

            return save_path(self._objects, value)
        kind = type(value)
        for format in formats_for(kind):
            if not format.accepts(value):
                continue
            try:
                digest, size = self._write(format, value)
            except Unfit:
                continue
            name = f"{kind.__module__}.{kind.__qualname__}"
            return Ref(digest=digest, format=format.name, size_bytes=size, type=name)
        raise FairleadError(f"no format takes a value of type {kind.__module__}.{kind.__qualname__}")

    def load(self, ref: Ref) -> Any:
        """Give the value back: arrays and tables as views of the stored file, paths as read-only copies.

        Raises:
            DamagedError: The object is missing, or is not what was written.
            FairleadError: This process lacks the format, the library or the class that it takes.
        """
        if ref.format in _PATHS:
            return self.path(ref)
        format = format_named(ref.format)
        try:
            if isinstance(format, Whole) and ref.size_bytes <= SMALL:
                return format.decode(self._objects.read(ref), ref)
            return format.read(self._objects.local(ref), ref)
        except ModuleNotFoundError as error:
            raise FairleadError(
                f"cannot load a value of type {ref.type}: its format {ref.format} needs the library {error.name}",
                where=f"object {ref.digest}",
                next=f"pip install {error.name}",
            ) from error

    def exists(self, ref: Ref) -> bool:
        """Say whether all of a value is there, by presence and size; no large object is read."""
        return self._all(ref, self._objects.is_present)

    def hold(self, ref: Ref) -> bool:
        """Say whether all of a value is there, and keep a collection that is under way from removing it."""
        return self._all(ref, self._objects.hold)

    def keep(self, data: bytes, format: str) -> Ref:
        """Store bytes that are no Python value: a package, a list of items."""
        digest, size = self._objects.put(data)
        return Ref(digest=digest, format=format, size_bytes=size)

    def set_aside(self, digest: str) -> None:
        """Move a damaged object out of the way, so that its value is written again when it is saved."""
        self._objects.set_aside(digest)

    def remove_unused(self, digests: Iterable[str], since: float) -> Iterator[str]:
        """Remove objects that were not written or used since some time; yields what has gone."""
        return self._objects.remove_unused(digests, since)

    def verify(self, ref: Ref) -> None:
        """Hash all of a value, whatever was verified before.

        Raises:
            DamagedError: Some of it is missing, or is not what was written.
        """
        self._objects.verify(ref)
        for part in self.parts(ref):
            self._objects.verify(part)

    def path(self, ref: Ref) -> Path:
        """Give a verified local file with the object's bytes; for files and folders, one with the right name."""
        if ref.format not in _PATHS:
            return self._objects.local(ref)
        from fairlead.store.formats.paths import load_path  # lazy: shutil, 12 ms

        return load_path(self._objects, ref)

    def copy_to(self, store: Folder, ref: Ref) -> None:
        """Have all of a value in another store: hard links of files of this machine, or copies where these can't be.

        Raises:
            DamagedError: Some of it is missing, or is not what was written.
        """
        for each in (ref, *self.parts(ref)):
            self._objects.copy_to(store, each)

    def parts(self, ref: Ref) -> list[Ref]:
        """List the objects that belong to a value besides its own: a folder's files, a list's items, and theirs."""
        if ref.format == "items":
            items = decode(self._objects.read(ref), Items, key=ref.digest).refs
            return [*items, *(part for item in items for part in self.parts(item))]
        if ref.format != "folder":
            return []
        from fairlead.store.formats.paths import parts_of  # lazy: shutil, 12 ms

        return parts_of(self._objects, ref)

    def _all(self, ref: Ref, test: Callable[[Ref], bool]) -> bool:
        try:
            return test(ref) and all(map(test, self.parts(ref)))
        except DamagedError:  # what lists the parts is not what was written
            return False

    def _write(self, format: Format, value: Any) -> Written:
        if not isinstance(format, Whole):
            return self._objects.stream(lambda file: format.write(value, file))
        data = format.encode(value)
        return self._objects.put(data) if len(data) <= SMALL else self._objects.stream(lambda file: _all(file, data))


def _all(file: Any, data: bytes) -> None:
    file.write(data)
