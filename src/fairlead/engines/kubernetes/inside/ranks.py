"""The ranks of one pod of a gang: their processes beside each other, with logs, metrics and records of their own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from fairlead.store.backends import Backend
from fairlead.store.history import attempts_of
from fairlead.store.layout import Task, attempt_key
from fairlead.store.records import encode
from fairlead.worker.pods.children import Death, record_of_death, run_children
from fairlead.worker.pods.keeping import Keeper
from fairlead.worker.running import task_name
from fairlead.worker.tasks import Rank, WorkerTask

LOOK_S = 1.0
"""Seconds between two looks at which ranks have ended."""


def as_rank(task: WorkerTask, rank: Rank) -> WorkerTask:
    """Return the task of one rank of an attempt."""
    first = rank.rank == 0
    threads = max(1, task.threads // rank.local_world_size)
    return msgspec.structs.replace(
        task,
        rank=rank,
        metrics=f"{task.metrics}-{rank.rank}",
        cache_key=task.cache_key if first else None,
        threads=threads,
    )


def run_ranks(backend: Backend, tasks: Sequence[WorkerTask], work: Path) -> list[Death | None]:
    """Run ranks of this pod, and keep what they write.

    Args:
        backend: The store.
        tasks: Those of the ranks.
        work: A folder that is theirs.

    Returns:
        How each ended; None where it ended well.
    """
    work.mkdir(exist_ok=True)
    logs = [(task, work / f"log-{number}") for number, task in enumerate(tasks)]
    with ExitStack() as stack:
        keepers = [
            stack.enter_context(Keeper(backend, task.run, task_name(task), log, Path(task.metrics)))
            for task, log in logs
        ]
        deaths = run_children(logs, work)
    for each in keepers:
        each.finish()
    return deaths


def record_deaths(
    backend: Backend, tasks: Sequence[WorkerTask], deaths: Sequence[Death | None], *, retry: bool | None = None
) -> None:
    """Record how ranks ended that did not end well, where they have not done so themselves.

    Args:
        backend: The store.
        tasks: Those of the ranks.
        deaths: How each ended.
        retry: Whether another attempt follows; None for what the task says, and how it ended.
    """
    for task, death in zip(tasks, deaths, strict=True):
        if death is not None:
            again = task.retry or death.infrastructure if retry is None else retry
            found = record_of_death(task_name(task), death, cancelled=False, retry=again)
            backend.create(attempt_key(task.run, task_name(task)), encode(found))


def recorded(backend: Backend, task: WorkerTask) -> Iterator[Task]:
    """Yield the ranks of which an attempt has records."""
    own = task_name(task)
    for _, found in attempts_of(backend, task.run, own.step, own.index):
        if found.number == own.number and found.rank is not None:
            yield found


def outlast(backend: Backend, task: WorkerTask, ranks: Iterable[int]) -> None:
    """Wait until some ranks of an attempt have left records: where a component ends the gang with this pod."""
    while not {*ranks} <= {each.rank for each in recorded(backend, task)}:
        time.sleep(LOOK_S)
