"""A file that is hashed while it is written, so that an object's name is known once its bytes are."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.errors import StoreError

if TYPE_CHECKING:
    from queue import SimpleQueue
    from threading import Thread

IN_MEMORY = 1 << 20
"""Bytes that are kept in memory: a value of less needs no file of its own."""

_SLICE = 4 << 20
"""Bytes hashed and written side by side: large enough that handing over (20 µs) costs nothing."""

_serial = itertools.count()


class Spool(io.RawIOBase):
    """Collect what a format writes, in memory first, then in a temporary file of `folder`.

    Nothing of what is handed to `write` is used after it returns. The file's name starts with ``.tmp.``,
    which listings of a store pass over.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path: Path | None = None
        self.size = 0
        self.failure: StoreError | None = None
        self._folder = folder
        self._buffer = bytearray()
        self._hash = hashlib.sha256()
        self._descriptor = -1
        self._hashing: _Hashing | None = None

    def writable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    def write(self, data: Any) -> int:
        """Write any contiguous buffer, all of it."""
        view = memoryview(data)
        if not view.nbytes:
            return 0
        view = view.cast("B")
        if len(self._buffer) + len(view) > IN_MEMORY:
            self._spill()
        if len(view) > IN_MEMORY:
            for start in range(0, len(view), _SLICE):
                self._pass_on(view[start : start + _SLICE])
        else:
            self._buffer += view
        self.size += len(view)
        return len(view)

    def finish(self) -> str:
        """Return the SHA-256 of everything, hexadecimal; the file, where there is one, is complete."""
        if self.path is None:
            self._hash.update(self._buffer)
        else:
            self._spill()
            os.fchmod(self._descriptor, 0o444)
            self._stop()
        return self._hash.hexdigest()

    def data(self) -> bytes:
        """Return the bytes of a value that stayed in memory."""
        return bytes(self._buffer)

    def discard(self) -> None:
        """Remove the file, if there is one; may be called at any time, and again."""
        self._stop()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _spill(self) -> None:
        if self._buffer:
            self._pass_on(memoryview(self._buffer))
            self._buffer = bytearray()

    def _pass_on(self, view: memoryview) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            if self.path is None:
                self._open()
            if self._hashing is not None:
                self._hashing.start(view)
            try:
                self._write_all(view)
            finally:
                if self._hashing is not None:
                    self._hashing.wait()
        except OSError as error:
            # Kept as well as raised: a library between may put an error of its own in its place.
            self.failure = store_error("write a value", self._folder, error)
            raise self.failure from error

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f".tmp.{os.getpid()}.{next(_serial)}.{os.urandom(4).hex()}"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.path = path
        self._hashing = _Hashing(self._hash)

    def _write_all(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _stop(self) -> None:
        if self._hashing is not None:
            self._hashing.stop()
            self._hashing = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _Hashing:
    """A thread that hashes one slice while its owner writes the same; it ends with the value."""

    def __init__(self, hash: Any) -> None:
        from queue import SimpleQueue  # lazy: queue and threading, 5 ms; for large values only
        from threading import Thread

        self._hash = hash
        self._slices: SimpleQueue[memoryview | None] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        self._thread: Thread = Thread(target=self._work, name="fairlead-hash", daemon=True)
        self._thread.start()

    def start(self, view: memoryview) -> None:
        self._slices.put(view)

    def wait(self) -> None:
        self._done.get()

    def stop(self) -> None:
        self._slices.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (view := self._slices.get()) is not None:
            self._hash.update(view)
            del view
            self._done.put(None)


def store_error(doing: str, folder: Path, error: OSError) -> StoreError:
    """Say in the store's words what the operating system said."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreError(
        f"cannot {doing}",
        where=str(folder),
        why=error.strerror or str(error),
        next="free some space, then go on: fairlead resume RUN" if full else "check the folder's owner and mode",
    )
