"""Beginning an attempt in a pod: its number, what is left of its budgets, and the attempts that were lost before it."""

from __future__ import annotations

import os
import time
from collections.abc import Container

import msgspec

from fairlead.specs.reports import ErrorReport
from fairlead.specs.runtimes import GangRuntime
from fairlead.store.backends import Backend
from fairlead.store.claims import pod_uid
from fairlead.store.evidence import explained, read_evidence
from fairlead.store.layout import Task, attempt_key, start_key
from fairlead.store.progress import Instance
from fairlead.store.records import AttemptRecord, Started, decode, encode

RANKS_TO_COME = "its ranks are about to be created"
"""What a gang waits for at first: its own pod is not what is meant by a step that runs."""


class Budget:
    """The further tries that an instance has by now, of both kinds.

    Args:
        instance: The instance, with the attempts that have records.
        before: The attempts that were known when the run was submitted; they count towards nothing.
    """

    def __init__(self, instance: Instance, before: Container[Task] = ()) -> None:
        self._instance = instance
        self._before = before

    def allows(self, *, infrastructure: bool) -> bool:
        """Say whether another attempt may follow one that fails now, by a fault of the step or not."""
        name, index, retries = self._instance.name, self._instance.index, self._instance.step.retries
        recent = (
            each for number, each in self._instance.attempts.items() if Task(name, index, number) not in self._before
        )
        allowed = retries.infrastructure if infrastructure else retries.user
        return sum(each.infrastructure == infrastructure for each in recent) < allowed


def begin(backend: Backend, run: str, instance: Instance, budget: Budget) -> int | None:
    """Take the next number that no attempt has had, by saying that it began.

    An attempt that began and left no record died together with its pod; that is recorded first.

    Args:
        backend: The store.
        run: The run's id.
        instance: The instance; lost attempts are added to its own.
        budget: What is left for it.

    Returns:
        The number; or None where no other attempt may follow: so many were lost, or one has succeeded after all.
    """
    while True:
        number = max(instance.attempts, default=0) + 1
        waiting = RANKS_TO_COME if isinstance(instance.step.runtime, GangRuntime) else ""
        started = encode(
            Started(
                step=instance.name,
                index=instance.index,
                number=number,
                time=time.time(),
                waiting=waiting,
                pod=os.environ.get("FAIRLEAD_POD", ""),
                pod_uid=pod_uid(),
            )
        )
        key = start_key(run, Task(instance.name, instance.index, number))
        if backend.create(key, started):
            return number
        found = backend.get(key)
        if found == started:  # the answer to a first request was lost
            return number
        lost = _record_loss(backend, run, instance, decode(found, Started, key=key), budget)
        instance.attempts[number] = lost
        if not lost.retry:
            instance.outcome = lost.outcome if lost.status == "succeeded" else None
            return None


def _record_loss(backend: Backend, run: str, instance: Instance, started: Started, budget: Budget) -> AttemptRecord:
    """Record an attempt as lost, or by what a watcher saw, unless it has left a record; returns what counts."""
    record = AttemptRecord(
        step=instance.name,
        index=instance.index,
        number=started.number,
        status="lost",
        error=ErrorReport(type="Lost", message="its pod was gone before it left a record"),
        infrastructure=True,
        started=started.time,
        finished=time.time(),
        pod_uid=started.pod_uid,
    )
    if started.pod_uid:
        record = explained(record, read_evidence(backend, run, started.pod_uid))
    record = msgspec.structs.replace(record, retry=budget.allows(infrastructure=record.infrastructure))
    key = attempt_key(run, Task(instance.name, instance.index, started.number))
    if backend.create(key, encode(record)):
        return record
    return decode(backend.get(key), AttemptRecord, key=key)
