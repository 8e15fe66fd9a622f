"""The record of an attempt that has ended: its worker's, or one made from how its process ended."""

from __future__ import annotations

import msgspec

from fairlead.engines.local.attempts import Attempt, record_of_death
from fairlead.errors import NotFoundError
from fairlead.store.backends import Backend
from fairlead.store.claims import host_name
from fairlead.store.layout import Task, attempt_key
from fairlead.store.records import AttemptRecord, decode, encode
from fairlead.worker.tasks import Exited


class Records:
    """Finds or makes the records of a run's attempts."""

    def __init__(self, backend: Backend, run: str) -> None:
        self._backend = backend
        self._run = run

    def of(self, attempt: Attempt) -> AttemptRecord:
        """Return the record of an attempt whose processes have all ended; afterwards it is in the store."""
        if attempt.is_gang:
            return self._of_gang(attempt)
        ((identity, exited),) = attempt.exits.items()
        return self._of_process(attempt, identity, exited)

    def _of_process(self, attempt: Attempt, identity: int, exited: Exited) -> AttemptRecord:
        task = Task(attempt.instance.name, attempt.instance.index, attempt.number, attempt.processes[identity])
        record = self._written(attempt, task, exited)
        if record is None:
            log = attempt.logs[list(attempt.processes).index(identity)]
            record = record_of_death(attempt, exited, log, host=host_name())
            self._backend.put(attempt_key(self._run, task), encode(record))
        return msgspec.structs.replace(record, peak_memory_bytes=exited.peak_memory_bytes, cpu_s=exited.cpu_s)

    def _written(self, attempt: Attempt, task: Task, exited: Exited) -> AttemptRecord | None:
        """Return the record that the worker wrote, unless it was stopped while it was leaving."""
        key = attempt_key(self._run, task)
        try:
            record = decode(self._backend.get(key), AttemptRecord, key=key)
        except NotFoundError:
            return None
        stopped = exited.status != 0 and bool(attempt.stopping)
        return None if stopped and (attempt.stopping == "memory" or record.status == "succeeded") else record

    def _of_gang(self, attempt: Attempt) -> AttemptRecord:
        """Return one record for all ranks: rank 0's if they succeeded, else that of the rank that died first."""
        chosen = attempt.first_exit
        if chosen is None:
            chosen = next(identity for identity, rank in attempt.processes.items() if rank == 0)
        record = self._of_process(attempt, chosen, attempt.exits[chosen])
        whole = msgspec.structs.replace(
            record,
            rank=attempt.processes[chosen] if record.status != "succeeded" else None,
            peak_memory_bytes=sum(each.peak_memory_bytes for each in attempt.exits.values()),
            cpu_s=sum(each.cpu_s for each in attempt.exits.values()),
        )
        task = Task(attempt.instance.name, attempt.instance.index, attempt.number)
        self._backend.create(attempt_key(self._run, task), encode(whole))
        return whole
