"""A driver in a pod: what a dynamic flow or a sweep calls becomes a job each, and its outcome the answer.

A driver that is started again goes through its calls once more: each is found by its identity, and one that has ended
is answered at once. So nothing is lost with a driver, and nothing is executed twice.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from fairlead.engines.kubernetes.claiming import Claims
from fairlead.engines.kubernetes.inside.listening import Listener
from fairlead.engines.kubernetes.inside.owning import create_owned, remove, this_pod
from fairlead.engines.kubernetes.inside.packages import Packages
from fairlead.engines.kubernetes.remaining import counting, is_outdated
from fairlead.errors import FairleadError, SpecError
from fairlead.kube.client import Client
from fairlead.kube.resources import JOB
from fairlead.specs.contexts import Submission
from fairlead.specs.reports import ErrorReport
from fairlead.specs.steps import SweepStep
from fairlead.store.history import Recorded, recorded_since
from fairlead.store.layout import Task, attempt_key, call_key
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import AttemptRecord, Called, Ended, encode
from fairlead.targets import job, naming
from fairlead.worker.calls import Calls
from fairlead.worker.channel import Framing, driver_framing, frame
from fairlead.worker.pods.children import Death, run_child
from fairlead.worker.pods.pod import Pod
from fairlead.worker.tasks import Call, Definition, Stop, WorkerTask

LOOK_S = 0.5
"""Seconds between two looks at what calls have left in the store."""
_JOBS_S = 5.0
"""Seconds between two looks at the jobs, for those that end without a record."""


def run_driver(
    pod: Pod, instance: Instance, task: WorkerTask, log: Path, client: Client, submission: Submission
) -> Death | None:
    """Run a driver's body in a process of this pod, and what it calls in pods of their own."""
    own, given = socket.socketpair()
    conversation = _Conversation(pod, instance, own, client, submission)
    task = msgspec.structs.replace(task, past=conversation.past())
    thread = threading.Thread(target=conversation.hold, name="fairlead-calls", daemon=True)
    thread.start()
    try:
        death = run_child(task, log, pod.place.work, timeout_s=instance.step.timeout_s, channel=given)
        if conversation.failure is not None:
            raise conversation.failure
        return death
    finally:
        own.close()
        thread.join(2 * LOOK_S)
        conversation.abandon()


def definitions_of(pod: Pod, instance: Instance) -> dict[str, Definition]:
    """Return the definitions that a sweep refers to."""
    step = instance.step
    if not isinstance(step, SweepStep):
        return {}
    if instance.call is not None:
        return msgspec.convert(instance.call.definitions or {}, dict[str, Definition])
    return {step.trial: Definition(pod.spec.graph.steps[step.trial], pod.spec.sources.get(step.trial, {}))}


class _Conversation:
    """Takes calls from a driver's process, has them run, and answers."""

    def __init__(self, pod: Pod, driver: Instance, own: socket.socket, client: Client, submission: Submission) -> None:
        self._pod = pod
        self._driver = driver
        self._socket = own
        self._client = client
        self._submission = submission
        self._framing: Framing[Any] = driver_framing()
        self._recorded = Recorded()
        records = counting(pod.backend, pod.spec.run, pod.before)
        self._progress = Progress(pod.spec.graph, lambda ref: 0, constants=pod.spec.items, records=records)
        self._calls = Calls(pod.spec, self._progress, self, self)
        self._calls.begin(driver, 0)
        self._listener = Listener(pod.backend, pod.spec.run, self._calls)
        self._written: set[tuple[str, int]] = set()
        self._jobs: dict[tuple[str, int], dict[str, Any]] = {}
        self._claims = Claims(client, submission)
        self._packages = Packages(client, pod.backend, submission)
        self._held: list[tuple[Instance, dict[str, Any]]] = []
        self._looked = time.monotonic()
        self.failure: FairleadError | None = None

    def past(self) -> Any:
        """Return what a sweep has called before."""
        return self._calls.past(self._driver) if isinstance(self._driver.step, SweepStep) else ()

    def hold(self) -> None:
        """Talk until the driver's process has ended; it is ended where the store or the cluster stays away."""
        try:
            self._talk()
        except FairleadError as failure:
            self.failure = failure
            os.kill(os.getpid(), signal.SIGTERM)  # as if this pod were to end: nobody would answer the process any more

    def _talk(self) -> None:
        while True:
            try:
                readable, _, _ = select.select([self._socket], [], [], LOOK_S)
                data = self._socket.recv(1 << 18) if readable else None
            except (OSError, ValueError):  # closed by the other thread: the driver has ended
                return
            if data == b"":
                return
            for message in self._framing.feed(data) if data else ():
                self._handle(message)
            self._submit_ready()
            self._look()

    def abandon(self) -> None:
        """Stop what the driver has called and does not wait for any more."""
        for key, manifest in list(self._jobs.items()):
            if not self._progress.instances[key].ended:
                remove(self._client, manifest)

    # What `Calls` needs ------------------------------------------------------------------------

    def add(self, observation: Called) -> None:
        """Write down a call before it is made."""
        key = call_key(self._pod.spec.run, observation.step, observation.index)
        self._pod.backend.create(key, encode(observation))
        self._written.add((observation.step, observation.index))

    def send(self, identity: int, message: Any) -> None:
        """Answer the driver."""
        try:
            self._socket.sendall(frame(message))
        except OSError:  # it has ended; so does this conversation
            return

    # Calls -------------------------------------------------------------------------------------

    def _handle(self, message: Any) -> None:
        match message:
            case Call():
                self._calls.take(self._driver, message)
            case Stop(position=position):
                called = self._calls.instance_at(self._driver, position)
                if called is not None and not called.ended:
                    self._prune(called)

    def _submit_ready(self) -> None:
        for instance in self._progress.take_ready():
            if instance.call is None or instance.call.parent != f"{self._driver.name}.{self._driver.index}":
                continue
            try:
                manifest = job.called(self._submission, instance.step, instance.name, instance.index)
            except SpecError as error:  # it can't run there, which nobody could know before it was called
                self._record(instance, "failed", ErrorReport(type="SpecError", message=str(error)))
                continue
            self._held.append((instance, manifest))
        held, self._held = self._held, []
        for instance, manifest in held:
            if instance.ended:  # while its packages were installed
                continue
            if not self._packages.are_there(instance):
                self._held.append((instance, manifest))
                continue
            if (
                instance.call is not None and instance.key not in self._written
            ):  # an earlier driver's, whose record was compacted
                self.add(instance.call)
            self._claims.make([instance.step])
            create_owned(self._client, manifest, this_pod())
            self._jobs[instance.key] = manifest

    def _look(self) -> None:
        """Take in what the calls' pods have recorded, and seldom whether a job ended without."""
        if not self._jobs:
            return
        for record in recorded_since(self._pod.backend, self._pod.spec.run, self._recorded):
            if not isinstance(record, Called) and not is_outdated(record, self._pod.before):
                instance = self._progress.apply(record)
                if instance is not None and instance.ended and instance.call is not None:
                    self._end(instance)
        self._listener.look()
        if time.monotonic() - self._looked >= _JOBS_S:
            self._looked = time.monotonic()
            self._look_at_jobs()

    def _look_at_jobs(self) -> None:
        labels = {naming.RUN: self._pod.spec.run}
        found = self._client.list(JOB, namespace=self._submission.namespace, labels=labels).items
        ended = {each["metadata"]["name"]: end for each in found if (end := job.end_of(each)) is not None}
        for key, manifest in list(self._jobs.items()):
            end = ended.get(manifest["metadata"]["name"])
            if end is not None:
                self._lose(self._progress.instances[key], end)

    def _lose(self, instance: Instance, end: dict[str, Any]) -> None:
        """Record a call whose job has ended, and whose pods have left no record that decides."""
        said = end.get("message", "") if end["type"] == "Failed" else ""
        self._record(instance, "failed", ErrorReport(type="Lost", message=f"none of its pods left a record: {said}"))

    def _prune(self, instance: Instance) -> None:
        message = "was stopped early by the sweep's pruner"
        self._record(instance, "cancelled", ErrorReport(type="Pruned", message=message))

    def _record(self, instance: Instance, status: str, error: ErrorReport) -> None:
        number = instance.running[0] if instance.running else max(instance.attempts, default=0) + 1
        now = time.time()
        record = AttemptRecord(
            step=instance.name,
            index=instance.index,
            number=number,
            status=status,
            error=error,
            started=instance.running[1] if instance.running else now,
            finished=now,
        )
        key = attempt_key(self._pod.spec.run, Task(instance.name, instance.index, number))
        if self._pod.backend.create(key, encode(record)):
            self._progress.apply(Ended(record=record))
        if instance.ended:
            self._end(instance)

    def _end(self, instance: Instance) -> None:
        manifest = self._jobs.pop(instance.key, None)
        if manifest is not None and instance.status != "succeeded":
            remove(self._client, manifest)
        if instance.status == "succeeded" and instance.attempts:
            self._listener.hear(instance, max(instance.attempts))
        self._calls.ended(instance)
