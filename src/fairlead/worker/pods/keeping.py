"""What an attempt writes is put into the store while it runs, so that others see it, and a pod may be killed whole."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from fairlead.errors import StoreError
from fairlead.store.backends import Backend
from fairlead.store.layout import Task, log_key, metrics_key
from fairlead.store.segments import segment_key

LOOK_S = 1.0
"""Seconds between two looks: what a step logs is in the store after that."""
LOG_S = 3.0
"""Seconds between two writes of a log that grows: as much of it is lost where a whole pod is killed."""

_CLOSED = 1 << 20
"""A piece of a log that has so many bytes is not written again."""
_PIECE = 8 << 20
"""Bytes of a log in memory at once."""
_REST = 20
"""How much longer than the last write of metrics the pause after it is."""


class Keeper:
    """Puts the log and the metrics of an attempt into the store as they grow, in a thread of its own.

    Args:
        backend: The store.
        run: The run's id.
        name: The attempt, or one rank of it.
        log: The file that the output goes to.
        metrics: The file that what is logged goes to, a line each.
    """

    def __init__(self, backend: Backend, run: str, name: Task, log: Path, metrics: Path) -> None:
        self._log = _Pieces(backend, log_key(run, name), log)
        self._metrics = _Whole(backend, metrics_key(run, name), metrics)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="fairlead-keeping", daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def finish(self) -> None:
        """Put what is complete now, after the thread has ended."""
        self._log.finish()
        self._metrics.finish()

    def _keep(self) -> None:
        written = time.monotonic()
        while not self._ended.wait(LOOK_S):
            with suppress(StoreError):  # away for a while; all is put again in the end
                self._metrics.renew()
                if time.monotonic() - written >= LOG_S:
                    written = time.monotonic()
                    self._log.renew()


class _Pieces:
    """A file that is put in pieces, the last of which is written again until it is large enough."""

    def __init__(self, backend: Backend, key: str, path: Path) -> None:
        self._backend = backend
        self._key = key
        self._path = path
        self._starts: list[int] = []
        self._start = 0  # of the piece that still grows
        self._kept = 0

    def renew(self) -> None:
        """Put what has come."""
        while _size(self._path) > self._kept:
            with self._path.open("rb") as file:
                file.seek(self._start)
                data = file.read(_PIECE)
            if self._start not in self._starts[-1:]:
                self._starts.append(self._start)
            self._backend.put(segment_key(self._key, self._start), data)
            self._kept = self._start + len(data)
            if len(data) >= _CLOSED:
                self._start = self._kept

    def finish(self) -> None:
        """Put the whole file in place of its pieces."""
        if _size(self._path):
            self._backend.put_file(self._key, self._path)
        for start in self._starts:
            self._backend.delete(segment_key(self._key, start))


class _Whole:
    """A file that is put as a whole, the more seldom the longer that takes."""

    def __init__(self, backend: Backend, key: str, path: Path) -> None:
        self._backend = backend
        self._key = key
        self._path = path
        self._kept = 0
        self._not_before = 0.0

    def renew(self) -> None:
        """Put the file where it has grown."""
        begun = time.monotonic()
        if begun < self._not_before or _size(self._path) == self._kept:
            return
        data = self._path.read_bytes()
        self._backend.put(self._key, data)
        self._kept = len(data)
        self._not_before = begun + _REST * (time.monotonic() - begun)

    def finish(self) -> None:
        """Put the file, unless all of it was put."""
        if _size(self._path) != self._kept:
            self._backend.put_file(self._key, self._path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
