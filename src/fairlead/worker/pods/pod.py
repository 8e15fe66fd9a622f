"""One instance of a step in a pod: decide whether it runs, run it, and leave its record, its log and its facts.

Nothing drives it: what it needs to know stands in the store.

Exit codes: 0 where nothing more is to be done for the instance, 1 where another attempt may follow, and
`SPENT` where none may, which the workflow's retry condition refuses; or another one in its place, ``--spent``.
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec

from fairlead.errors import DamagedError, FairleadError, NotFoundError
from fairlead.specs.runtimes import GangRuntime
from fairlead.specs.status import SPENT
from fairlead.store.backends import Backend
from fairlead.store.cached import cached_entry
from fairlead.store.history import cancel_requests, count_items, read_compacted
from fairlead.store.known import known_attempts
from fairlead.store.layout import Task, attempt_key, call_key, held_key, spec_key
from fairlead.store.progress import Instance
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    CacheEntry,
    Called,
    HeldResults,
    Outcome,
    RunSpec,
    decode,
    encode,
)
from fairlead.store.values import Values
from fairlead.worker.checkpoints import fetch_checkpoint
from fairlead.worker.keys import cache_key, fixed_parts, input_parts
from fairlead.worker.occurrences import claimed, occurrence
from fairlead.worker.pods.beginning import Budget, begin
from fairlead.worker.pods.children import Death, record_of_death, run_child
from fairlead.worker.pods.facts import facts, undecided, write_facts
from fairlead.worker.pods.fetching import PackagesError, fetch_code, fetch_packages
from fairlead.worker.pods.keeping import Keeper
from fairlead.worker.pods.place import Place, open_store, read_place
from fairlead.worker.pods.spare import Spare
from fairlead.worker.pods.trials import begin_trial
from fairlead.worker.resolving import resolver_of
from fairlead.worker.tasks import Input, WorkerTask
from fairlead.worker.upstream import Upstream


class Pod:
    """One instance of a step, from what is recorded of its run to its own record.

    Args:
        place: Where it stands.
        execute: Does the work of an attempt.
    """

    def __init__(self, place: Place, execute: Execute) -> None:
        self.place = place
        self.backend: Backend = open_store(place.store)
        key = spec_key(place.run, place.revision)
        self.spec = decode(self.backend.get(key), RunSpec, key=key)
        self._execute = execute
        compacted = read_compacted(self.backend, place.run) if place.generation > 1 else ()
        self.before = known_attempts(compacted)
        self._upstream = Upstream(self.backend, self.spec, compacted)
        self._values = Values(self.backend, place.work / "host")
        self._resolver = resolver_of(self.backend, self.spec, self._upstream)
        if place.trial:
            sweep = self._upstream.instance(place.node, place.item)
            call = begin_trial(self.backend, self.spec, place, sweep, self._resolver.inputs(sweep))
            self.place = place._replace(call=call)

    def run(self) -> int:
        """Run the instance, unless it has succeeded before, is in the cache, or does not run at all."""
        place = self.place
        if not place.call:
            write_facts(place.facts, undecided(self.spec.graph, place.node))
            status, reason = self._upstream.verdict_on_item(place.node, place.item)
            if status is not None:
                print(f"fairlead: {self.spec.graph.nodes[place.node].title} is {status}: {reason}", file=sys.stderr)
                return SPENT if status == "failed" else 0
        instance = self._called() if place.call else self._upstream.instance(place.node, place.item)
        if instance.outcome is not None:
            return self._done(instance.outcome)
        inputs = self._resolver.inputs(instance)
        entry = self._held(instance, inputs)
        key = None if instance.step.cache == "off" else self._key(instance, inputs)
        if entry is None and key is not None and self.spec.use_cache and not instance.attempts:
            entry = cached_entry(self.backend, self._values, key)
        if entry is not None:
            found = Cached(step=instance.name, index=instance.index, entry=entry, time=time.time())
            self.backend.create(attempt_key(self.spec.run, Task(instance.name, instance.index, 0)), encode(found))
            return self._done(entry.outcome)
        return self._attempt(instance, inputs, key)

    def _called(self) -> Instance:
        """Return the instance that a driver's call became, with what is recorded of it."""
        name, _, index = self.place.call.rpartition(".")
        key = call_key(self.spec.run, name, int(index))
        called = decode(self.backend.get(key), Called, key=key)
        instance = Instance(called.step, called.index, called.definition)
        instance.call = called
        return self._upstream.known(instance)

    def _done(self, outcome: Outcome) -> int:
        if not self.place.call:
            count = lambda ref: count_items(self.backend, ref)  # noqa: E731  # one argument of the next line
            write_facts(self.place.facts, facts(self.spec.graph, self.place.node, outcome, count))
        return 0

    def _held(self, instance: Instance, inputs: dict[str, Input]) -> CacheEntry | None:
        """Return what an instance produced before the run went on with other code, where its key is the same."""
        if not self.place.revision:
            return None
        key = held_key(self.spec.run, self.place.generation)
        try:
            results = decode(self.backend.get(key), HeldResults, key=key).results
        except NotFoundError:
            return None
        held = results.get(f"{instance.name}.{instance.index}")
        if held is None or held.key != self._key(instance, inputs):
            return None
        whole = all(map(self._values.hold, (*held.outcome.outputs, *held.outcome.items)))
        entry = CacheEntry(outcome=held.outcome, run=self.spec.run, step=instance.name, index=instance.index)
        return entry if whole else None

    # The cache ---------------------------------------------------------------------------------

    def _key(self, instance: Instance, inputs: dict[str, Input]) -> str:
        parts = input_parts(inputs)
        if instance.call is not None:
            earlier = claimed(self.backend, self.spec, instance, instance.call.source, parts)
            return cache_key(fixed_parts(instance.step, instance.call.source, self.spec.python), parts, earlier)
        source = self.spec.sources.get(self.spec.graph.nodes[instance.node].step, {})
        earlier = occurrence(
            self.backend,
            self.spec,
            self._resolver,
            instance,
            lambda item: self._upstream.instances_of(instance.node)[item],
            parts,
        )
        return cache_key(fixed_parts(instance.step, source, self.spec.python), parts, earlier)

    # An attempt --------------------------------------------------------------------------------

    def _attempt(self, instance: Instance, inputs: dict[str, Input], key: str | None) -> int:
        budget = Budget(instance, self.before)
        number = begin(self.backend, self.spec.run, instance, budget)
        if number is None:
            return SPENT if instance.outcome is None else self._done(instance.outcome)
        name = Task(instance.name, instance.index, number)
        task = msgspec.structs.replace(
            self._task(instance, inputs, number),
            cache_key=key,
            retry=budget.allows(infrastructure=False),
            retry_lost=budget.allows(infrastructure=True),
        )
        if not isinstance(task.step.runtime, GangRuntime):  # a gang's ranks do so themselves
            fetch_checkpoint(self.backend, task)
        log = self.place.work / "log"
        with Keeper(self.backend, self.spec.run, name, log, Path(task.metrics)) as keeper:
            death = self._executed(instance, task, log)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is left takes no longer than a pod is given to end
        record = self._recorded(name)
        keeper.finish()
        if record is None:
            record = self._write_death(name, death, budget) if death else _missing(name)
        if record.status == "succeeded":
            return self._done(record.outcome)
        may_follow = record.retry and (not record.infrastructure or budget.allows(infrastructure=True))
        return 1 if may_follow else SPENT

    def _executed(self, instance: Instance, task: WorkerTask, log: Path) -> Death | None:
        """Do the work; where the worker itself fails, that is how the attempt ended."""
        started = time.time()
        try:
            if not isinstance(task.step.runtime, GangRuntime):
                packages = fetch_packages(
                    self.backend, self.spec.run, self.place.generation, task.step, self.place.work
                )
                task = msgspec.structs.replace(task, packages=packages)
            return self._execute(self, instance, task, log)
        except PackagesError as error:
            return Death("Packages", str(error), started, None, None, infrastructure=False)
        except Exception as error:  # the edge of the process: nobody else could tell of it
            said = traceback.format_exc()
            print(said, file=sys.stderr)
            message = f"{type(error).__name__}: {error}"
            return Death("Worker", message, started, None, None, infrastructure=True, lines=tuple(said.splitlines()))

    def _task(self, instance: Instance, inputs: dict[str, Input], number: int) -> WorkerTask:
        node = None if instance.call is not None else self.spec.graph.nodes[instance.node]
        step = instance.step
        return WorkerTask(
            id=0,
            run=self.spec.run,
            step=msgspec.structs.replace(step, name=instance.name),
            index=instance.index,
            number=number,
            code=fetch_code(self.backend, self.spec, self.place.work),
            inputs=inputs,
            exports=node.exports if node else (),
            split=node.split if node else (),
            store=self.place.store,
            host=str(self.place.work / "host"),
            log=None,
            metrics=str(self.place.work / "metrics"),
            checkpoints=str(self._checkpoints(instance)),
            threads=max(1, step.resources.cpu_millis // 1000),
            variables=dict(step.environment.variables),
        )

    def _checkpoints(self, instance: Instance) -> Path:
        """Return the folder for checkpoints: on a volume where the step names one, else one that goes with the pod."""
        if instance.step.checkpoint is None:
            return self.place.work / "checkpoints"
        return Path(instance.step.checkpoint) / self.spec.run / f"{instance.name}.{instance.index}"

    def _recorded(self, name: Task) -> AttemptRecord | None:
        key = attempt_key(self.spec.run, name)
        try:
            return decode(self.backend.get(key), AttemptRecord, key=key)
        except NotFoundError:
            return None

    def _write_death(self, name: Task, death: Death, budget: Budget) -> AttemptRecord:
        """Record an attempt whose process ended without doing so, unless others have held it for lost."""
        cancelled = death.infrastructure and cancel_requests(self.backend, self.spec.run) > self.place.cancels_before
        retry = budget.allows(infrastructure=death.infrastructure)
        record = record_of_death(name, death, cancelled=cancelled, retry=retry)
        self.backend.create(attempt_key(self.spec.run, name), encode(record))
        return self._recorded(name) or record


Execute = Callable[[Pod, Instance, WorkerTask, Path], Death | None]
"""Does the work of an attempt: its log goes to the path; None where it ended well."""


def in_spare(spare: Spare | None) -> Execute:
    """Return what does the work in a process that waits for it, if there is one.

    With packages, which that one's path lacks, it is done in a new one.
    """

    def execute(pod: Pod, instance: Instance, task: WorkerTask, log: Path) -> Death | None:
        timeout_s = instance.step.timeout_s
        return run_child(task, log, pod.place.work, timeout_s=timeout_s, spare=None if task.packages else spare)

    return execute


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End this process: an attempt that it began is lost then, and the next one records that."""
    sys.exit(1)


def _missing(name: Task) -> NoReturn:
    raise DamagedError(f"attempt {name} has ended well and left no record", next="report this")


def run_pod(arguments: Sequence[str] | None, execute: Execute) -> int:
    """Run the instance that the arguments name; returns the exit code."""
    signal.signal(signal.SIGTERM, _end)  # the first process of a container has no handler, and would not heed it
    try:
        place = read_place(arguments)
        code = Pod(place, execute).run()
        return place.spent if code == SPENT else code
    except FairleadError as error:  # the edge of the process: the store is away, or a record is damaged
        print(f"fairlead: {error}", file=sys.stderr)
        return 1
