"""One instance of a step in a pod: decide whether it runs, run it, and leave its record, its log and its facts.

Started as ``python -m fairlead.worker.pods.main --run … --node … --item …``, with the store's address and
credentials in the environment. Nothing drives it: what it needs to know stands in the store.

Exit codes: 0 where nothing more is to be done for the instance, 1 where another attempt may follow, and
`SPENT` where none may, which the workflow's retry condition refuses.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairlead.errors import DamagedError, FairleadError, NotFoundError
from fairlead.packaging.package import unpack
from fairlead.specs.reports import ErrorReport
from fairlead.specs.status import SPENT
from fairlead.specs.steps import Step
from fairlead.store.backends import Backend
from fairlead.store.claims import host_name
from fairlead.store.history import cancel_requests, count_items
from fairlead.store.layout import CACHE, Task, attempt_key, log_key, object_key, spec_key, start_key
from fairlead.store.opening import open_backend
from fairlead.store.progress import Instance
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    CacheEntry,
    Outcome,
    RunSpec,
    Started,
    decode,
    encode,
)
from fairlead.store.values import Values
from fairlead.worker.keys import cache_key, fixed_parts, input_parts
from fairlead.worker.occurrences import occurrence
from fairlead.worker.pods.children import Death, run_child
from fairlead.worker.pods.facts import facts, write_facts
from fairlead.worker.resolving import resolver_of
from fairlead.worker.tasks import Input, ProjectCode, WorkerTask
from fairlead.worker.upstream import Upstream


class Place(NamedTuple):
    """Where a pod stands: its run, its node, and the folders it may write to.

    Attributes:
        revision: Which of the run's specs counts.
        generation: How often the run was submitted before: attempts of an earlier one count towards no budget.
        since: When this generation was submitted, in seconds since 1970.
        work: The folder for code, values and logs.
        facts: The folder that the workflow's executor reads.
    """

    store: str
    run: str
    revision: int
    node: int
    item: int
    since: float
    work: Path
    facts: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the instance that the arguments name; returns the exit code."""
    place = _read_arguments(arguments)
    try:
        return Pod(place).run()
    except FairleadError as error:  # the edge of the process: the store is away, or a record is damaged
        print(f"fairlead: {error}", file=sys.stderr)
        return 1


class Pod:
    """One instance of a step, from what is recorded of its run to its own record."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._backend: Backend = open_backend(place.store)
        key = spec_key(place.run, place.revision)
        self._spec = decode(self._backend.get(key), RunSpec, key=key)
        self._upstream = Upstream(self._backend, self._spec)
        self._values = Values(self._backend, place.work / "host")
        self._resolver = resolver_of(self._backend, self._spec, self._upstream)

    def run(self) -> int:
        """Run the instance, unless it has succeeded before, is in the cache, or does not run at all."""
        node = self._place.node
        status, reason = self._upstream.verdict_on_item(node, self._place.item)
        if status is not None:
            print(f"fairlead: {self._spec.graph.nodes[node].title} is {status}: {reason}", file=sys.stderr)
            return SPENT if status == "failed" else 0
        instance = self._upstream.instance(node, self._place.item)
        if instance.outcome is not None:
            return self._done(instance.outcome)
        inputs = self._resolver.inputs(instance)
        key = None if instance.step.cache == "off" else self._key(instance, inputs)
        entry = self._cached(key)
        if entry is not None:
            found = Cached(step=instance.name, index=instance.index, entry=entry, time=time.time())
            self._backend.create(attempt_key(self._spec.run, Task(instance.name, instance.index, 0)), encode(found))
            return self._done(entry.outcome)
        return self._attempt(instance, inputs, key)

    def _done(self, outcome: Outcome) -> int:
        count = lambda ref: count_items(self._backend, ref)  # noqa: E731  # one argument of the next line
        write_facts(self._place.facts, facts(self._spec.graph, self._place.node, outcome, count))
        return 0

    # The cache ---------------------------------------------------------------------------------

    def _key(self, instance: Instance, inputs: dict[str, Input]) -> str:
        source = self._spec.sources.get(self._spec.graph.nodes[instance.node].step, {})
        parts = input_parts(inputs)
        earlier = occurrence(
            self._backend,
            self._spec,
            self._resolver,
            instance,
            lambda item: self._upstream.instances_of(instance.node)[item],
            parts,
        )
        return cache_key(fixed_parts(instance.step, source, self._spec.python), parts, earlier)

    def _cached(self, key: str | None) -> CacheEntry | None:
        if key is None or not self._spec.use_cache:
            return None
        try:
            entry = decode(self._backend.get(CACHE + key), CacheEntry, key=CACHE + key)
        except NotFoundError:
            return None
        return entry if all(map(self._values.hold, (*entry.outcome.outputs, *entry.outcome.items))) else None

    # An attempt --------------------------------------------------------------------------------

    def _attempt(self, instance: Instance, inputs: dict[str, Input], key: str | None) -> int:
        number = self._begin(instance)
        name = Task(instance.name, instance.index, number)
        retry = self._may_retry(instance)
        task = msgspec.structs.replace(self._task(instance, inputs, number), cache_key=key, retry=retry)
        log = self._place.work / "log"
        death = run_child(task, log, self._place.work, timeout_s=instance.step.timeout_s)
        if log.stat().st_size:
            self._backend.put_file(log_key(self._spec.run, name), log)
        if death is None:
            record = self._record(name)
            return self._done(record.outcome)
        record = self._recorded(name) or self._write_death(name, instance.step, death, retry=retry)
        return 1 if record.retry else SPENT

    def _begin(self, instance: Instance) -> int:
        """Take the next number that no attempt has had, by saying that it began."""
        number = max(instance.attempts, default=0) + 1
        while True:
            started = Started(step=instance.name, index=instance.index, number=number, time=time.time())
            key = start_key(self._spec.run, Task(instance.name, instance.index, number))
            if self._backend.create(key, encode(started)):
                return number
            number += 1

    def _may_retry(self, instance: Instance) -> bool:
        """Say whether another attempt follows if the step itself fails in this one."""
        recent = [each for each in instance.attempts.values() if each.started >= self._place.since]
        return sum(not each.infrastructure for each in recent) < instance.step.retries.user

    def _fetch_code(self) -> ProjectCode:
        """Unpack the run's code package, and return where the flow's file lies in it."""
        code = self._spec.code
        assert code is not None and code.package is not None
        files = unpack(self._backend.get(object_key(code.package.digest)))
        inner = next(name for name in sorted(files, key=len, reverse=True) if code.file.endswith(f"/{name}"))
        root = self._place.work / "code"
        for name, data in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (root / "setup.cfg").touch()  # what marks the root of a project
        return ProjectCode(file=str(root / inner))

    def _task(self, instance: Instance, inputs: dict[str, Input], number: int) -> WorkerTask:
        node = self._spec.graph.nodes[instance.node]
        step = instance.step
        return WorkerTask(
            id=0,
            run=self._spec.run,
            step=msgspec.structs.replace(step, name=instance.name),
            index=instance.index,
            number=number,
            code=self._fetch_code(),
            inputs=inputs,
            exports=node.exports,
            split=node.split,
            store=self._place.store,
            host=str(self._place.work / "host"),
            log=None,
            checkpoints=str(self._place.work / "checkpoints"),
            threads=max(1, step.resources.cpu_millis // 1000),
            variables=dict(step.environment.variables),
        )

    def _record(self, name: Task) -> AttemptRecord:
        record = self._recorded(name)
        if record is None:
            raise DamagedError(f"attempt {name} has ended well and left no record", next="report this")
        return record

    def _recorded(self, name: Task) -> AttemptRecord | None:
        key = attempt_key(self._spec.run, name)
        try:
            return decode(self._backend.get(key), AttemptRecord, key=key)
        except NotFoundError:
            return None

    def _write_death(self, name: Task, step: Step, death: Death, *, retry: bool) -> AttemptRecord:
        """Record an attempt whose process ended without doing so."""
        cancelled = death.evicted and cancel_requests(self._backend, self._spec.run) > 0
        record = AttemptRecord(
            step=name.step,
            index=name.index,
            number=name.number,
            status="cancelled" if cancelled else "failed",
            started=death.started,
            finished=time.time(),
            exit_code=death.exit_code,
            signal=death.signal,
            error=ErrorReport(type=death.kind, message=death.message, traceback="\n".join(death.tail)),
            retry=(retry or death.evicted) and not cancelled,
            infrastructure=death.evicted,
            peak_memory_bytes=death.peak_memory_bytes or None,
            cpu_s=death.cpu_s,
            host=host_name(),
        )
        self._backend.create(attempt_key(self._spec.run, name), encode(record))
        return record


def _read_arguments(arguments: Sequence[str] | None) -> Place:
    parser = argparse.ArgumentParser(prog="fairlead-pod")
    parser.add_argument("--store", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--revision", type=int, default=0)
    parser.add_argument("--node", type=int, required=True)
    parser.add_argument("--item", type=int, default=0)
    parser.add_argument("--since", type=float, default=0.0)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--facts", type=Path, required=True)
    given = parser.parse_args(arguments)
    return Place(**vars(given))


if __name__ == "__main__":
    sys.exit(main())
