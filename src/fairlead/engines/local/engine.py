"""The local engine: one loop that starts steps as they become ready, and records how they end."""

from __future__ import annotations

import heapq
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from fairlead.engines.contract import Observer
from fairlead.engines.local.attempts import Attempt, ranks_of, record_of_loss
from fairlead.engines.local.capacity import Capacity, Machine, lacking, this_machine
from fairlead.engines.local.inline import InlineProcesses
from fairlead.engines.local.making import TaskMaker, remove_scratch
from fairlead.engines.local.memory import MemoryLimits
from fairlead.engines.local.mending import Mending
from fairlead.engines.local.processes import Processes
from fairlead.engines.local.records import Records
from fairlead.engines.local.waiting import WaitingLine
from fairlead.errors import ClaimedError, Fault
from fairlead.specs.graphs import Graph
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.status import RunStatus
from fairlead.specs.steps import DriverStep, SweepStep
from fairlead.store import claims
from fairlead.store.cached import cached_entry
from fairlead.store.history import cancel_requests
from fairlead.store.journal import Journal, sync
from fairlead.store.known import known_attempts, time_of
from fairlead.store.layout import Task
from fairlead.store.opened import Store
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    Claim,
    Ended,
    Observation,
    RunSpec,
    RunStatusChanged,
    Started,
    Superseded,
)
from fairlead.worker.calls import Calls
from fairlead.worker.context import extended
from fairlead.worker.keys import InstanceKeys
from fairlead.worker.occurrences import numbers_of
from fairlead.worker.resolving import resolver_of
from fairlead.worker.tasks import Call, Exited, Logged, Progressed, ProjectCode, Rank, Stop

FLUSH_S = 0.5
"""How old an observation may grow before it is written: what another process sees of a run is no older."""
_WAITING_MAX = 4
_AHEAD = 2
GRACE_S = 5.0
"""How long a step has to end by itself after it was asked to, before it is killed."""


class LocalEngine:
    """Runs steps as processes of this machine. See `fairlead.engines.contract.Engine`.

    Args:
        store: Where records and values lie.
        slots: How many steps at most run at once; as many as fit where it is None.
        relaxed: Whether a step that asks for more than this machine has may run all the same.
        inline: Whether steps run in this process, one after another.
        volumes: The folder with what stands for claims, see `fairlead.engines.local.volumes`.
    """

    def __init__(
        self,
        store: Store,
        *,
        slots: int | None = None,
        relaxed: bool = False,
        inline: bool = False,
        volumes: Path,
    ) -> None:
        self._store = store
        self._machine: Machine = this_machine()
        self._slots = slots
        self._relaxed = relaxed
        self._inline = inline
        self._volumes = volumes

    def faults(self, graph: Graph) -> Iterable[Fault]:
        """Yield what can never run on this machine."""
        return () if self._relaxed else lacking(graph, self._machine)

    def drive(
        self,
        spec: RunSpec,
        progress: Progress,
        observer: Observer,
        *,
        claim: Claim,
        code: ProjectCode,
        settled: Mapping[tuple[str, int], str],
        cancels_before: int,
    ) -> RunStatus:
        """Run what is left of a run, under a claim on it.

        Args:
            spec: What the run is.
            progress: How far it is.
            observer: Is told what happens.
            claim: The claim that this process holds.
            code: Where its code is.
            settled: After a resume with other code: the cache keys of what had succeeded before.
            cancels_before: How often somebody had asked to cancel the run before it was claimed.
        """
        capacity = Capacity(self._machine, self._slots)
        drive = _Drive(
            self._store,
            spec,
            progress,
            observer,
            claim,
            capacity,
            code,
            settled,
            cancels_before,
            self._inline,
            self._volumes,
        )
        return drive.run()


class _Drive:
    """One run being driven."""

    def __init__(
        self,
        store: Store,
        spec: RunSpec,
        progress: Progress,
        observer: Observer,
        claim: Claim,
        capacity: Capacity,
        code: ProjectCode,
        settled: Mapping[tuple[str, int], str],
        cancels_before: int,
        inline: bool,
        volumes: Path,
    ) -> None:
        self._store = store
        self._backend = store.backend
        self._spec = spec
        self._progress = progress
        self._observer = observer
        self._claim = claim
        self._before = known_attempts(progress.records)
        self._capacity = capacity
        self._journal = Journal(store.backend, spec.run, claim)
        self._processes = InlineProcesses(code, self._turn) if inline else Processes(code)
        self._memory = MemoryLimits(use_groups=not inline)
        self._resolver = resolver_of(store.backend, spec, progress)
        self._calls = Calls(spec, progress, self._journal, self._processes)
        self._attempts: dict[int, Attempt] = {}
        self._running: dict[tuple[str, int], Attempt] = {}
        self._queue = WaitingLine(capacity)
        self._mending = Mending(store.backend, progress)
        self._held_back: list[Instance] = []
        self._resting: set[tuple[str, int]] = set()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        numbers = numbers_of(self._backend, spec.run) if claim.number > 1 else {}
        self._keys = InstanceKeys(spec, progress, self._resolver, numbers)
        self._settled = settled
        self._interrupts = self._heeded = 0
        self._cancelled = False
        self._cancels_before = cancels_before
        self._unsynced: list[str] = []
        self._flushed_at = self._looked_at = self._beat_at = time.monotonic()
        self._records = Records(store.backend, spec.run)
        self._maker = TaskMaker(
            store,
            spec,
            progress,
            code,
            keys=self._keys,
            calls=self._calls,
            memory=self._memory,
            gpus=bool(capacity.machine.total.gpus),
            folder=self._processes.folder,
            inline=inline,
            standing=volumes,
        )

    # The loop ----------------------------------------------------------------------------------

    def run(self) -> RunStatus:
        """Drive until nothing is left that may run."""
        previous = self._catch_interrupts()
        try:
            self._observe_run("running")
            self._observer.started(self._spec, self._progress)
            while not self._finished():
                self._turn()
            status = self._status()
            self._observe_run(status)
            self._journal.flush()
            sync(self._backend, self._unsynced)
        finally:
            self._release_interrupts(previous)
            self._processes.close()
            self._memory.close()
        return status

    def _turn(self) -> None:
        """Turn the loop once."""
        self._start_ready()
        self._handle(self._processes.wait(self._patience()))
        self._heed_interrupts()
        self._keep_time()

    def _finished(self) -> bool:
        if self._running:
            return False
        if self._cancelled:
            self._progress.cancel_open()
            return True
        return self._progress.done

    def _status(self) -> RunStatus:
        if self._cancelled:
            return "cancelled"
        bad = ("failed", "cancelled", "blocked")
        graph = (each for each in self._progress.instances.values() if each.call is None)
        return "failed" if any(each.status in bad for each in graph) else "succeeded"

    def _patience(self) -> float:
        """Return how long the loop may sleep, in seconds."""
        now = time.monotonic()
        until = [self._looked_at + FLUSH_S]
        if self._timers:
            until.append(self._timers[0][0])
        return max(0.0, min(until) - now)

    def _keep_time(self) -> None:
        """Do what is due: timers, limits, the journal, and what people asked of the run."""
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        if self._journal.full or (self._journal.waiting and now - self._flushed_at >= FLUSH_S):
            self._flushed_at = now
            self._journal.flush()
        if now - self._looked_at < FLUSH_S:
            return
        self._looked_at = now
        for attempt in self._running.values():
            if not attempt.stopping and self._memory.enforce(attempt.processes, self._processes.pids):
                self._stop(attempt, "memory", at_once=True)
        if cancel_requests(self._backend, self._spec.run) > self._cancels_before:
            self._cancel()
        if now - self._beat_at >= claims.BEAT_S:
            self._beat_at = now
            self._keep_claim()

    def _keep_claim(self) -> None:
        if claims.is_fenced(self._backend, self._spec.run, self._claim):
            for attempt in self._running.values():
                self._stop(attempt, "cancel", at_once=True)
            raise ClaimedError(
                f"run {self._spec.run} was taken over by another driver",
                why="this one gave no sign of life for a while",
                next=f"fairlead get {self._spec.run}",
            )
        claims.beat(self._backend, self._spec.run, self._claim)

    def _at(self, delay_s: float, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._timers, (time.monotonic() + delay_s, self._serial, action))

    # Starting ----------------------------------------------------------------------------------

    def _start_ready(self) -> None:
        """Take what is ready: from the cache where it is there, else into processes as far as they fit."""
        if self._cancelled:
            return
        hits = False
        waiting, self._held_back = self._held_back, []
        for instance in chain(waiting, self._progress.take_ready()):
            if instance.key in self._resting or self._mending.waits(instance):
                self._held_back.append(instance)
            elif self._from_cache(instance):
                hits = True
            else:
                self._queue.add(instance)
        if hits or self._calls.unwritten:
            # A reference is recorded before it is used, and a call before its step starts.
            self._calls.unwritten = False
            self._journal.flush()
        if not self._processes.ready:
            return
        for instance, amount, gpus in self._queue.take():
            self._start(Attempt(instance, self._next_number(instance), amount, gpus))
        self._processes.keep_waiting(self._wanted_waiting())

    def _wanted_waiting(self) -> int:
        """Return how many processes should wait for tasks.

        A fork ahead of time saves a chain of steps the wait for it, and costs a full machine as much as it saves.
        """
        if self._progress.done or self._cancelled:
            return 0
        if self._processes.forks_ready_code:
            return _AHEAD * int(not self._queue and len(self._running) <= 1)
        return min(len(self._queue) + 1, _WAITING_MAX)

    def _next_number(self, instance: Instance) -> int:
        """Return the number of the next attempt; one that died with another driver keeps its own, and its log."""
        number = max(instance.attempts, default=0) + 1
        while self._claim.number > 1 and (died := self._written_until(instance, number)) is not None:
            lost = Ended(record=record_of_loss(instance, number, died))
            self._note(lost)
            number += 1
        return number

    def _written_until(self, instance: Instance, number: int) -> float | None:
        """Return when an attempt that has no record wrote its log last, or None where it never began."""
        for rank in (None, 0):
            with suppress(OSError):
                log = self._store.log_path(self._spec.run, Task(instance.name, instance.index, number, rank))
                return log.stat().st_mtime
        return None

    def _start(self, attempt: Attempt) -> None:
        instance, step = attempt.instance, attempt.instance.step
        ranks: list[Rank | None] = list(ranks_of(step.runtime)) if isinstance(step.runtime, RankRuntime) else [None]
        inputs = self._resolver.inputs(instance)
        for position, rank in enumerate(ranks):
            attempt.logs[position] = log = self._maker.log(attempt, rank)
            identity = self._processes.launch(self._maker.maker(attempt, inputs, rank, log))
            attempt.processes[identity] = None if rank is None else rank.rank
            self._attempts[identity] = attempt
        self._running[instance.key] = attempt
        if step.timeout_s is not None:
            self._at(step.timeout_s, lambda: self._time_out(attempt))
        if isinstance(step, DriverStep | SweepStep):
            self._calls.begin(instance, next(iter(attempt.processes)))
        started = Started(step=instance.name, index=instance.index, number=attempt.number, time=attempt.started)
        self._note(started)
        self._observer.changed(instance)

    # The cache ---------------------------------------------------------------------------------

    def _from_cache(self, instance: Instance) -> bool:
        if instance.held is not None and self._still_counts(instance):
            return True
        if instance.step.cache == "off":
            return False
        key = self._keys.of(instance)
        if not self._spec.use_cache or instance.attempts:
            return False
        entry = cached_entry(self._backend, self._store.values, key)
        if entry is None:
            return False
        found = Cached(step=instance.name, index=instance.index, entry=entry, time=time.time())
        self._note(found)
        self._calls.ended(instance)
        self._observer.changed(instance)
        return True

    def _still_counts(self, instance: Instance) -> bool:
        """Say whether what a step produced with other code counts: if its cache key is the same."""
        assert instance.held is not None
        if self._settled.get(instance.key) != self._keys.of(instance):  # by its own time: clocks of machines differ
            self._note(Superseded(step=instance.name, index=instance.index, time=time_of(instance.held)))
            return False
        self._progress.accept(instance)
        self._observer.changed(instance)
        return True

    # What processes say ------------------------------------------------------------------------

    def _handle(self, messages: list[Any]) -> None:
        for message in messages:
            attempt = self._attempts.get(message.id)
            if attempt is None:
                continue
            match message:
                case Exited():
                    self._exited(attempt, message)
                case Logged():
                    self._logged(attempt, message)
                case Progressed(done=done, total=total):
                    self._observer.progressed(attempt.instance, done, total)
                case Call():
                    self._calls.take(attempt.instance, message)
                case Stop(position=position):
                    called = self._calls.instance_at(attempt.instance, position)
                    if called is not None and called.key in self._running:
                        self._stop(self._running[called.key], "pruned")

    def _logged(self, attempt: Attempt, logged: Logged) -> None:
        for name, value in logged.values.items():
            attempt.summaries[name] = extended(attempt.summaries.get(name), value)
        self._observer.logged(attempt.instance, logged.values)
        self._calls.logged(attempt.instance, logged)

    def _exited(self, attempt: Attempt, exited: Exited) -> None:
        if exited.status != 0 and self._memory.killed(exited.id):
            attempt.stopping = attempt.stopping or "memory"
            exited = msgspec.structs.replace(exited, status=signal.SIGKILL)
        attempt.exits[exited.id] = exited
        if attempt.first_exit is None and (exited.status != 0):
            attempt.first_exit = exited.id
        del self._attempts[exited.id]
        self._memory.forget(exited.id)
        if attempt.ended:
            self._end(attempt)
        elif exited.status != 0 and attempt.stopping in ("", "memory"):
            self._stop(attempt, "gang")

    # Ending ------------------------------------------------------------------------------------

    def _end(self, attempt: Attempt) -> None:
        instance = attempt.instance
        del self._running[instance.key]
        self._capacity.give_back(attempt.amount, attempt.gpus)
        record = self._records.of(attempt)
        makers = None if self._cancelled else self._mending.begin(instance, record)
        retry_in = 0.0 if makers is not None else self._retry_in(instance, record)
        if retry_in is not None:
            record = msgspec.structs.replace(record, retry=True)
        elif record.damaged is not None:
            record = self._mending.explained(instance, record)
        for log in (*attempt.logs.values(), *attempt.metrics):
            self._store.keep_log(log)
        for identity in attempt.processes:
            remove_scratch(self._maker.scratch(identity))
        self._maker.remove_volumes(attempt)
        self._unsynced.extend(ref.digest for ref in record.outcome.outputs)
        self._note(Ended(record=record))
        if retry_in is not None:
            self._rest(instance, retry_in)
        if isinstance(instance.step, DriverStep | SweepStep):
            self._calls.finish(instance)
            if makers is None:
                self._abandon(instance)
        if retry_in is None:
            self._calls.ended(instance)
        if makers:
            self._make_again(makers, record.damaged)
        self._observer.changed(instance)

    def _rest(self, instance: Instance, pause_s: float) -> None:
        """Let an instance wait for its next attempt; one that is not known now is told of when it is."""
        self._resting.add(instance.key)
        self._at(pause_s, lambda: self._resting.discard(instance.key))
        if self._progress.instances.get(instance.key) is instance:
            self._held_back.append(instance)

    def _make_again(self, makers: list[Instance], damaged: str | None) -> None:
        """Let results whose values are damaged not count any more, so that their steps are executed again."""
        for each in makers:
            self._observer.noted(f"a value of step {each.name}/{each.index} is damaged; it is made again")
            made = each.finished or 0.0  # by its own time: clocks of machines differ
            self._note(Superseded(step=each.name, index=each.index, time=made, damaged=damaged))
        self._queue.clear()  # what may start is told again
        self._held_back.clear()
        self._resolver.forget()
        self._keys.forget()
        for driver in list(self._progress.instances.values()):
            if isinstance(driver.step, DriverStep | SweepStep) and driver.ended:
                self._abandon(driver)
        for each in makers:
            self._observer.changed(each)

    def _abandon(self, driver: Instance) -> None:
        """Stop what a driver has called and does not wait for any more."""
        for child in self._calls.children(driver):
            if child.key in self._running:
                self._stop(self._running[child.key], "cancel")
            elif not child.ended:
                self._progress.cancel(child)

    def _retry_in(self, instance: Instance, record: AttemptRecord) -> float | None:
        """Return the pause before the next attempt, or None where the budget is spent."""
        if record.status != "failed" or record.damaged is not None or self._cancelled:
            return None
        own = (each for each in instance.attempts.values() if each.damaged is None)
        recent = [each for each in own if Task(each.step, each.index, each.number) not in self._before]
        same = sum(each.infrastructure == record.infrastructure for each in recent)
        retries = instance.step.retries
        budget = retries.infrastructure if record.infrastructure else retries.user
        return retries.pause_s(same + 1) if same < budget else None

    def _time_out(self, attempt: Attempt) -> None:
        if self._running.get(attempt.instance.key) is attempt and not attempt.stopping:
            self._stop(attempt, "timeout")

    def _stop(self, attempt: Attempt, reason: Any, *, at_once: bool = False) -> None:
        """Ask an attempt's processes to end, and kill those that do not in time."""
        attempt.stopping = attempt.stopping or reason
        for identity in attempt.processes:
            self._processes.signal(identity, signal.SIGKILL if at_once else signal.SIGTERM)
        if not at_once:
            self._at(GRACE_S, lambda: self._stop(attempt, reason, at_once=True))

    # Cancelling --------------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        for attempt in list(self._running.values()):
            self._stop(attempt, "cancel")

    def _catch_interrupts(self) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return None
        return {number: signal.signal(number, self._interrupted) for number in (signal.SIGINT, signal.SIGTERM)}

    def _release_interrupts(self, previous: Any) -> None:
        for number, handler in (previous or {}).items():
            signal.signal(number, handler)

    def _interrupted(self, number: int, _: Any) -> None:
        """Count, and wake the loop: in the middle of a message nothing else can be sent."""
        self._interrupts += 1
        self._processes.wake()

    def _heed_interrupts(self) -> None:
        """First: cancel, and say how to go on. Second: kill."""
        if self._heeded == self._interrupts:
            return
        first, self._heeded = not self._heeded, self._interrupts
        if first:
            self._observer.noted(
                f"cancelling; interrupt again to kill. Go on later with: fairlead resume {self._spec.run}"
            )
            self._cancel()
        if self._interrupts > 1:
            for attempt in list(self._running.values()):
                self._stop(attempt, "cancel", at_once=True)

    def _observe_run(self, status: str) -> None:
        earliest = self._progress.run.time if self._progress.run else 0.0  # clocks of machines differ
        self._note(RunStatusChanged(status=status, time=max(time.time(), earliest)))

    def _note(self, observation: Observation) -> None:
        self._journal.add(observation)
        self._progress.apply(observation)
