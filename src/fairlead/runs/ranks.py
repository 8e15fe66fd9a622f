"""How far the ranks of steps that run have come, by what they have logged and written last: here, or in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec

from fairlead.decoding import decoder
from fairlead.errors import NotFoundError
from fairlead.specs.runtimes import RankRuntime, Torch
from fairlead.store.layout import Task, log_key, metrics_key, run_prefix
from fairlead.store.opened import Store
from fairlead.store.progress import Progress
from fairlead.store.segments import whole_key
from fairlead.worker.context import LoggedLine

RANKS_MAX = 64
"""Of one step."""
_TAIL_BYTES = 16 << 10


class RankLog(NamedTuple):
    """What a rank has written last.

    Attributes:
        wrote: When it last wrote or logged anything, in seconds since 1970; None where it has not.
        lines: The last that it has logged and said where on their axis they are.
    """

    wrote: float | None
    lines: tuple[LoggedLine, ...]


class _File(NamedTuple):
    """What grows in a store: how large it is, and when it was written."""

    size: int
    modified: float


Logged = Mapping[int, RankLog]


def logged(store: Store, run: str, progress: Progress) -> dict[tuple[str, int], Logged]:
    """Return what the ranks of each step that runs have written last."""
    found: dict[tuple[str, int], Logged] = {}
    for key, each in progress.instances.items():
        runtime = each.step.runtime
        is_elastic = isinstance(runtime, Torch) and runtime.nodes_min is not None
        if each.status != "running" or each.running is None or is_elastic or not isinstance(runtime, RankRuntime):
            continue
        if runtime.world_size > 1:
            attempt = Task(*key, each.running[0])
            metrics = _files(store, f"{run_prefix(run)}metrics/", metrics_key(run, attempt))
            logs = _files(store, f"{run_prefix(run)}logs/", log_key(run, attempt))
            ranks = (attempt._replace(rank=rank) for rank in range(min(runtime.world_size, RANKS_MAX)))
            found[key] = {rank.rank or 0: _read(store, run, rank, metrics, logs) for rank in ranks}
    return found


def _files(store: Store, folder: str, first: str) -> dict[str, _File]:
    """Return the objects of an attempt and its ranks, those in pieces as one."""
    found: dict[str, _File] = {}
    for entry in store.backend.list_after(folder, first):
        key = whole_key(entry.key)
        before = found.get(key, _File(0, 0.0))
        found[key] = _File(before.size + entry.size, max(before.modified, entry.modified))
    return found


def _read(store: Store, run: str, rank: Task, metrics: Mapping[str, _File], logs: Mapping[str, _File]) -> RankLog:
    lines = list(_lines(_tail(store, run, rank, metrics)))
    wrote = [line.time for line in lines]
    with suppress(FileNotFoundError):
        wrote.append(store.log_path(run, rank).stat().st_mtime)
    if (log := logs.get(log_key(run, rank))) is not None:
        wrote.append(log.modified)
    return RankLog(max(wrote, default=None), tuple(line for line in lines if line.at is not None))


def _lines(data: bytes) -> Iterator[LoggedLine]:
    for line in data.splitlines():
        with suppress(msgspec.DecodeError):  # the first was cut, or the last is not whole yet
            yield decoder(LoggedLine).decode(line)


def _tail(store: Store, run: str, rank: Task, metrics: Mapping[str, _File]) -> bytes:
    with suppress(FileNotFoundError), store.metrics_path(run, rank).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
        return file.read()
    key = metrics_key(run, rank)
    with suppress(NotFoundError):
        return store.backend.get(key, max(0, metrics[key].size - _TAIL_BYTES), _TAIL_BYTES) if key in metrics else b""
    return b""
