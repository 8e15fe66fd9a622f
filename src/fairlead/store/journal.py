"""The journal of a driver: what it observed, written in segments.

Small segments are merged into larger ones as they come, eight to one, so that a run is read back with a few
dozen reads whatever its length. Merging leaves copies behind if it is killed in the middle; they do no harm,
because an observation counts once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fairlead.store.backends import Backend, Folder, list_all
from fairlead.store.layout import object_key, run_prefix
from fairlead.store.records import Claim, Observation, Segment, decode, encode

_FAN_IN = 8
_GROUP = 500


class Journal:
    """Collects observations and writes them as the segments of one claim."""

    def __init__(self, backend: Backend, run: str, claim: Claim) -> None:
        self._backend = backend
        self._prefix = f"{run_prefix(run)}observed/{claim.number:06}."
        self._buffer: list[Observation] = []
        self._levels: list[list[tuple[str, tuple[Observation, ...]]]] = [[]]
        self._serial = 0

    def add(self, observation: Observation) -> None:
        """Note an observation; it is written with its group."""
        self._buffer.append(observation)

    @property
    def waiting(self) -> int:
        """How many observations are not written yet."""
        return len(self._buffer)

    @property
    def full(self) -> bool:
        """Whether a group is complete."""
        return len(self._buffer) >= _GROUP

    def flush(self) -> None:
        """Write what has been noted; afterwards it survives the death of this process."""
        if not self._buffer:
            return
        observations = tuple(self._buffer)
        self._write(0, observations)
        self._buffer.clear()

    def _write(self, level: int, observations: tuple[Observation, ...]) -> None:
        self._serial += 1
        key = f"{self._prefix}{level}.{self._serial:08}"
        self._backend.put(key, encode(Segment(observations=observations)))
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append((key, observations))
        if len(self._levels[level]) == _FAN_IN:
            merged = self._levels[level]
            self._levels[level] = []
            self._write(level + 1, tuple(each for _, part in merged for each in part))
            for old, _ in merged:
                self._backend.delete(old)


def read_journal(backend: Backend, run: str) -> Iterator[Observation]:
    """Yield every observation of every driver of a run."""
    for entry in list_all(backend, run_prefix(run) + "observed/"):
        yield from decode(backend.get(entry.key), Segment, key=entry.key).observations


_ONE_BY_ONE_MAX = 32


def sync(backend: Backend, digests: Sequence[str]) -> None:
    """Have everything a run has written survive a loss of power. A remote store has seen to it when it answered.

    A few values are flushed one by one; for many, one call flushes the file system, since each flush of a
    small file costs as much as all of them together.
    """
    if not isinstance(backend, Folder):
        return
    if len(digests) > _ONE_BY_ONE_MAX:
        _sync_file_system(str(backend.root))
        return
    for digest in dict.fromkeys(digests):
        _sync_file(backend.path(object_key(digest)))


def _sync_file(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(path: str) -> None:
    import ctypes  # lazy: ctypes, 4 ms

    # One call for the whole group: a thousand small files would each cost a flush of their own.
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        syncfs(descriptor)
    finally:
        os.close(descriptor)
