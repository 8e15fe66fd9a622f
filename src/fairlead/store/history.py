"""Reading a run back from its records, and compacting it when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from fairlead.errors import DamagedError, NotFoundError, nearest
from fairlead.naming import digest_bytes
from fairlead.specs.contexts import Submission
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend, Entry, at_once, list_all
from fairlead.store.catalog import latest_by_run
from fairlead.store.evidence import all_explained, kept, read_evidence
from fairlead.store.journal import read_journal
from fairlead.store.layout import Task, object_key, parse_task, run_prefix, spec_key
from fairlead.store.progress import Progress
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    Called,
    Claim,
    Ended,
    Event,
    Evidence,
    Items,
    Observation,
    RunSpec,
    Segment,
    Started,
    decode,
    encode,
)

_COMPACTED = ("attempts/", "calls/", "evidence/", "held/", "occurrences/", "observed/", "starts/", "tasks/", "waits/")
"""What the final record of a run replaces."""
RESUMED = ("calls/", "occurrences/")
"""What stays of that where a run may be resumed: which call and which of several equal executions an instance is."""
_TRIES = 20
"""Readings of a run that is compacted meanwhile; each lost one means that whoever does so got on."""


def read_spec(backend: Backend, run: str) -> RunSpec:
    """Return a run's spec.

    Raises:
        NotFoundError: There is no such run.
        DamagedError: The record can't be read.
    """
    first = spec_key(run)
    keys = [entry.key for entry in backend.list_after(run_prefix(run), first[:-1]) if entry.key.startswith(first)]
    if not keys:
        known = nearest(run, latest_by_run(backend)) or "no runs yet"
        raise NotFoundError(
            f"there is no run {run!r}", where=f"store {backend.url}", next=f"fairlead ps -a   ({known})"
        )
    return decode(backend.get(keys[-1]), RunSpec, key=keys[-1])


def read_observations(backend: Backend, run: str) -> list[Observation]:
    """Return everything known of a run, each fact once or more.

    The compacted record and the segments come first; then those attempts whose records the driver had not
    copied yet when it was last heard of.

    Raises:
        DamagedError: A record can't be read.
    """
    for _ in range(_TRIES):
        with suppress(NotFoundError):  # compacted since it was listed
            return _read_all(backend, run)
    raise DamagedError(f"cannot read the records of run {run}", why="they vanish while they are read", next="try again")


def _read_all(backend: Backend, run: str) -> list[Observation]:
    """Read a run: what compaction removes is listed first, and what it writes before that is read after."""
    small = {folder: _tasks_in(backend, run, folder) for folder in ("starts/", "attempts/")}
    calls = [entry.key for entry in list_all(backend, run_prefix(run) + "calls/")]
    segments = list(read_journal(backend, run))
    evidence = list(read_evidence(backend, run))
    found: list[Observation] = [*read_compacted(backend, run), *segments]
    known = {(each.record.step, each.record.index, each.record.number) for each in found if isinstance(each, Ended)}
    attempts = [(key, task) for key, task in small["attempts/"] if task.rank is None and task[:3] not in known]
    known.update(task[:3] for _, task in attempts)
    starts = [key for key, task in small["starts/"] if task[:3] not in known]
    found += at_once(lambda key: decode(backend.get(key), Called, key=key), calls)
    found += at_once(lambda each: _read_record(backend, *each), attempts)
    found += at_once(lambda key: decode(backend.get(key), Started, key=key), starts)
    return all_explained((*found, *evidence))


def _tasks_in(backend: Backend, run: str, folder: str) -> list[tuple[str, Task]]:
    prefix = run_prefix(run) + folder
    return [(entry.key, parse_task(entry.key[len(prefix) :])) for entry in list_all(backend, prefix)]


def read_compacted(backend: Backend, run: str) -> tuple[Observation, ...]:
    """Return what was known of a run when it ended before: nothing, where it was never resumed."""
    for key in _finals(backend, run):
        return decode(backend.get(key), Segment, key=key).observations
    return ()


def read_instance(backend: Backend, run: str, step: str, index: int) -> Iterator[Cached | Ended]:
    """Yield what workers have recorded of one instance: how its attempts ended, or what the cache had for it."""
    for key, task in attempts_of(backend, run, step, index):
        if task.rank is None:
            yield _read_record(backend, key, task)


def attempts_of(backend: Backend, run: str, step: str, index: int) -> Iterator[tuple[str, Task]]:
    """Yield the keys of what is recorded of one instance, those of ranks too, with what each is about."""
    prefix = run_prefix(run) + "attempts/"
    own = f"{prefix}{step}.{index}."
    for entry in list_all(backend, prefix, own):
        if not entry.key.startswith(own):
            return
        task = parse_task(entry.key[len(prefix) :])
        if (task.step, task.index) == (step, index):  # a driver's calls begin as it does
            yield entry.key, task


def read_submissions(backend: Backend, run: str) -> Iterator[Submission]:
    """Yield what a run was submitted to clusters with, oldest first."""
    for entry in list_all(backend, run_prefix(run) + "submissions/"):
        yield decode(backend.get(entry.key), Submission, key=entry.key)


class Recorded:
    """What somebody who follows a run has read of its workers' records."""

    def __init__(self) -> None:
        self.entries: set[Entry] = set()


def recorded_since(
    backend: Backend, run: str, read: Recorded
) -> Iterator[Called | Started | Cached | Ended | Evidence]:
    """Yield what workers and watchers have recorded since the last call: what began, what was seen, what ended."""
    for folder in ("calls/", "starts/", "evidence/", "attempts/"):
        prefix = run_prefix(run) + folder
        fresh = [entry for entry in list_all(backend, prefix) if entry not in read.entries]
        for entry, record in zip(fresh, at_once(partial(_read_one, backend, prefix), fresh), strict=True):
            if record is not None:
                yield record
            read.entries.add(entry)


def _read_one(backend: Backend, prefix: str, entry: Entry) -> Called | Started | Evidence | Cached | Ended | None:
    """Read what a worker has recorded; None for what is of one rank alone, or was compacted since it was listed."""
    with suppress(NotFoundError):
        if prefix.endswith("/calls/"):
            return decode(backend.get(entry.key), Called, key=entry.key)
        if prefix.endswith("/starts/"):
            return decode(backend.get(entry.key), Started, key=entry.key)
        if prefix.endswith("/evidence/"):
            return decode(backend.get(entry.key), Evidence, key=entry.key)
        task = parse_task(entry.key[len(prefix) :])
        if task.rank is None:
            return _read_record(backend, entry.key, task)
    return None


def _read_record(backend: Backend, key: str, task: Task) -> Cached | Ended:
    """Read a worker's record: the one of an attempt, or, in the place of the number 0, of what the cache had."""
    data = backend.get(key)
    if task.number == 0:
        return decode(data, Cached, key=key)
    return Ended(record=decode(data, AttemptRecord, key=key))


def read_progress(
    backend: Backend,
    spec: RunSpec,
    *,
    resume: bool = False,
    hold: bool = False,
    is_kept: Callable[[Ref], bool] | None = None,
) -> Progress:
    """Return how far a run is; see `Progress` for the arguments."""
    records = read_observations(backend, spec.run)
    return progress_of(backend, spec, records, resume=resume, hold=hold, is_kept=is_kept)


def progress_of(backend: Backend, spec: RunSpec, records: Iterable[Observation], **options: Any) -> Progress:
    """Return how far a run is by records that are at hand; `options` are those of `Progress`."""
    return Progress(spec.graph, lambda ref: count_items(backend, ref), constants=spec.items, records=records, **options)


def read_items(backend: Backend, ref: Ref) -> tuple[Ref, ...]:
    """Return the items that a list value names.

    Raises:
        DamagedError: The list is missing, or is not what was written.
    """
    key = object_key(ref.digest)
    try:
        data = backend.get(key)
    except NotFoundError as error:
        raise DamagedError(
            f"the list {key} is missing", why="steps are mapped over it", next="fairlead store check"
        ) from error
    if digest_bytes(data) != ref.digest:
        raise DamagedError(f"the list {key} is damaged", why="steps are mapped over it", next="fairlead store check")
    return decode(data, Items, key=key).refs


def count_items(backend: Backend, ref: Ref) -> int:
    """Return how many items a list value has."""
    return len(read_items(backend, ref))


def read_events(backend: Backend, run: str) -> Iterator[Event]:
    """Yield what people asked of a run, oldest first."""
    for entry in list_all(backend, run_prefix(run) + "events/"):
        yield decode(backend.get(entry.key), Event, key=entry.key)


def cancel_requests(backend: Backend, run: str) -> int:
    """Return how often somebody has asked to cancel a run: a count, because clocks of machines differ."""
    return sum(entry.key.endswith(".cancel") for entry in list_all(backend, run_prefix(run) + "events/"))


def write_event(backend: Backend, run: str, event: Event) -> None:
    """Ask something of a run."""
    backend.create(f"{run_prefix(run)}events/{event.time:017.6f}.{event.kind}", encode(event))


def compact(
    backend: Backend, run: str, claim: Claim, observations: Iterable[Observation], *, keep: Container[str] = ()
) -> None:
    """Replace a finished run's small records by one; what it replaces is removed after it is written.

    Args:
        backend: The store.
        run: The run's id.
        claim: The claim that it ended under.
        observations: Everything known of it.
        keep: The folders of records that stay, for a run that may be resumed.
    """
    prefix = run_prefix(run)
    backend.put(f"{prefix}final/{claim.number:06}", encode(Segment(observations=tuple(kept(observations)))))
    for folder in _COMPACTED:
        if folder not in keep:
            at_once(backend.delete, [entry.key for entry in list_all(backend, prefix + folder)])


def _finals(backend: Backend, run: str) -> list[str]:
    """Return the newest compacted record; each holds all that was known before it."""
    return [entry.key for entry in list_all(backend, run_prefix(run) + "final/")][-1:]
