"""Reading what steps have written: which logs there are, and their bytes in blocks, whatever their size.

A log is read where it grows: the file it is spooled to on this machine, else the object in the store or its pieces.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from fairlead.errors import NotFoundError, nearest
from fairlead.runs.finding import Target
from fairlead.runs.reporting import read_report
from fairlead.specs.reports import RunReport, StepReport
from fairlead.store.backends import list_all
from fairlead.store.history import read_progress, read_spec
from fairlead.store.layout import Task, log_key, parse_task, run_prefix
from fairlead.store.opened import Store
from fairlead.store.segments import read_segments, segments_size, whole_key

BLOCK = 1 << 20
"""Bytes of a log in memory at once."""
_BACKWARDS = 64 << 10
_NOTES_MAX = 3


class Log:
    """What one attempt of a step, or one rank of it, has written so far."""

    def __init__(self, store: Store, run: str, task: Task) -> None:
        self.task = task
        self._store = store
        self._path = store.log_path(run, task)
        self._key = log_key(run, task)

    @property
    def title(self) -> str:
        """Its step and index, with the rank where it is one of several, and the number of a later attempt."""
        rank = "" if self.task.rank is None else f"/{self.task.rank}"
        attempt = f" attempt {self.task.number}" if self.task.number > 1 else ""
        return f"{self.task.step}/{self.task.index}{rank}{attempt}"

    def read(self, start: int, length: int) -> bytes:
        """Return the part of a range that is there; nothing where the log is shorter, or gone."""
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            pass
        if not self._store.is_folder:
            with suppress(NotFoundError):
                return self._store.backend.get(self._key, start, length)
        return read_segments(self._store.backend, self._key, start, length)

    def size(self) -> int:
        """Return how many bytes there are now."""
        with suppress(FileNotFoundError):
            return self._path.stat().st_size
        folder, _, _ = self._key.rpartition("/")
        before = self._key[:-1] + chr(ord(self._key[-1]) - 1) + "~"  # the last key that comes before this one
        found = self._store.backend.list_after(f"{folder}/", before, 1)
        whole = next((entry.size for entry in found if entry.key == self._key), None)
        return segments_size(self._store.backend, self._key) if whole is None else whole

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Yield what there is from a place on, a block at a time."""
        while block := self.read(start, BLOCK):
            yield block
            start += len(block)

    def tail(self, lines: int) -> int:
        """Return where the last lines begin."""
        end = place = self.size()
        wanted = lines
        while place and wanted > 0:
            begin = max(0, place - _BACKWARDS)
            block = self.read(begin, place - begin)
            if place == end and block.endswith(b"\n"):
                wanted += 1
            found = block.count(b"\n")
            if found >= wanted:
                return begin + _nth_from_end(block, wanted) + 1
            wanted -= found
            place = begin
        return place


class Selection(NamedTuple):
    """The logs that a target names, in order, and what is to be said of steps that have none."""

    logs: list[Log]
    notes: list[str]


def list_tasks(store: Store, run: str, *, remote: bool = True) -> set[Task]:
    """Return the attempts and ranks of a run that have a log.

    Args:
        store: The store.
        run: The run's id.
        remote: Whether a remote store is asked too, and not only the files of this machine.
    """
    names: set[str] = set()
    with suppress(FileNotFoundError):
        names.update(os.listdir(store.log_path(run, Task("", 0, 0)).parent))
    if remote and not store.is_folder:
        prefix = run_prefix(run) + "logs/"
        names.update(entry.key[len(prefix) :] for entry in list_all(store.backend, prefix))
    found = set()
    for name in names:
        with suppress(ValueError):  # somebody else's file
            if not name.startswith("."):
                found.add(parse_task(whole_key(name)))
    return found


def fits(task: Task, target: Target, attempt: int | None) -> bool:
    """Say whether a log is among those that a target names."""
    wanted = ((task.step, target.step), (task.index, target.index), (task.rank, target.rank), (task.number, attempt))
    return all(asked is None or value == asked for value, asked in wanted)


def in_order(task: Task) -> tuple[str, int, int, int]:
    """Return what logs are sorted by."""
    return task.step, task.index, task.number, -1 if task.rank is None else task.rank


def select(store: Store, target: Target, attempt: int | None = None, *, required: bool = True) -> Selection:
    """Find the logs that a target names.

    Args:
        store: The store.
        target: The run, and the step, index and rank where only theirs are wanted.
        attempt: The number of the attempt, where not all are wanted.
        required: Whether a rank or attempt without a log is refused, and may not yet come.

    Returns:
        The logs in the order of the flow's steps, then by index, attempt and rank.

    Raises:
        NotFoundError: The run has no such step, index, attempt or rank.
    """
    report = read_report(store.backend, target.run)
    steps = _wanted_steps(report, target)
    places = {(each.name, each.index): place for place, each in enumerate(report.steps)}
    tasks = [each for each in list_tasks(store, target.run) if fits(each, target, None)]
    chosen = [each for each in tasks if fits(each, target, attempt)]
    if required and not chosen:
        _refuse_missing(target, attempt, tasks, steps)
    chosen.sort(key=lambda task: (places.get((task.step, task.index), len(places)), in_order(task)))
    written = {(task.step, task.index) for task in chosen}
    silent = [each for each in steps if (each.name, each.index) not in written]
    return Selection(
        [Log(store, target.run, task) for task in chosen], list(_notes(store, target, silent, waiting=not required))
    )


def _wanted_steps(report: RunReport, target: Target) -> list[StepReport]:
    named = [each for each in report.steps if target.step in (None, each.name)]
    if not named:
        known = {each.name for each in report.steps}
        raise NotFoundError(
            f"run {report.run} has no step {target.step!r}",
            where=f"flow {report.flow}",
            next=nearest(str(target.step), known),
        )
    found = [each for each in named if target.index in (None, each.index)]
    if not found:
        indices = sorted(each.index for each in named)
        span = f"0 to {indices[-1]}" if len(indices) > 1 else str(indices[0])
        raise NotFoundError(
            f"step {target.step} of run {report.run} has no index {target.index}",
            why=f"its indices are {span}" if len(indices) > 1 else f"its only index is {span}",
            next=f"fairlead logs {report.run}/{target.step}",
        )
    return found


def _refuse_missing(target: Target, attempt: int | None, tasks: list[Task], steps: list[StepReport]) -> None:
    """Refuse a rank or an attempt that never was; that a step has not written anything is no error."""
    place = "/".join(str(each) for each in target if each is not None)
    if target.rank is not None and not tasks:
        whole, _, _ = place.rpartition("/")
        raise NotFoundError(
            f"there is no log of rank {target.rank}", where=place, next=f"see what there is: fairlead logs {whole}"
        )
    if attempt is None:
        return
    known = sorted({task.number for task in tasks} | {tried.number for step in steps for tried in step.attempts})
    raise NotFoundError(
        f"there is no log of attempt {attempt}",
        where=place,
        why=f"attempts that were made: {', '.join(map(str, known))}" if known else "no attempt was made",
        next=f"fairlead get {target.run}",
    )


def _notes(store: Store, target: Target, silent: list[StepReport], *, waiting: bool) -> Iterator[str]:
    """Say of steps without a log why; of a whole run, and while more may come, only where cached steps' logs are."""
    cached = [each for each in silent if each.cached]
    if cached:
        progress = read_progress(store.backend, read_spec(store.backend, target.run))
        for each in cached[:_NOTES_MAX]:
            found = progress.instances[each.name, each.index].cached
            if found is not None:
                entry = found.entry
                there = f"{entry.run}/{entry.step}/{entry.index}"
                yield f"{each.name}/{each.index} was found in the cache; what it wrote: fairlead logs {there}"
        if len(cached) > _NOTES_MAX:
            yield f"{len(cached) - _NOTES_MAX} more were found in the cache: fairlead events {target.run}"
    if target.step is None or waiting:
        return
    for each in [each for each in silent if not each.cached][:_NOTES_MAX]:
        ended = f" ({each.reason})" if each.reason else ""
        yield f"{each.name}/{each.index} is {each.status}{ended}, and has written nothing"


def _nth_from_end(block: bytes, count: int) -> int:
    place = len(block)
    for _ in range(count):
        place = block.rindex(b"\n", 0, place)
    return place
