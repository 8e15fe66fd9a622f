"""Waiting for a gang: its ranks run in pods of their own, admitted whole, and rank 0's record is the step's.

The pod that waits is small and never queued, so that gangs that wait for quota hold none. Names carry the attempt.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from types import FrameType
from typing import Any

import msgspec

from fairlead.engines.kubernetes.inside.listening import logged_since
from fairlead.engines.kubernetes.inside.owning import create_owned, remove, this_pod
from fairlead.errors import ClusterError
from fairlead.kube.client import Client
from fairlead.kube.failures import Forbidden, NotFound
from fairlead.kube.resources import POD, WORKLOAD, Kind
from fairlead.specs.contexts import Submission
from fairlead.store.history import attempts_of
from fairlead.store.layout import Task, attempt_key, start_key, task_key
from fairlead.store.progress import Instance
from fairlead.store.records import AttemptRecord, Started, decode, encode
from fairlead.targets import pods
from fairlead.targets.orders import Manifest
from fairlead.targets.training.table import render, target_of
from fairlead.targets.training.target import Gang
from fairlead.worker.context import SHOWN, show
from fairlead.worker.pods.beginning import RANKS_TO_COME
from fairlead.worker.pods.children import Death
from fairlead.worker.pods.pod import Pod
from fairlead.worker.tasks import WorkerTask

LOOK_S = 0.5
"""Seconds between two looks at the object."""
SETTLE_S = 15.0
"""Seconds that a component may take to hear of an object which the next one refers to: its webhooks refuse that until
then."""


def run_gang(pod: Pod, instance: Instance, task: WorkerTask, client: Client, submission: Submission) -> Death | None:
    """Run the ranks of an attempt, and make one record of theirs; None where it ended well."""
    return _Gang(pod, instance, task, client, submission).run()


class _Gang:
    def __init__(self, pod: Pod, instance: Instance, task: WorkerTask, client: Client, submission: Submission) -> None:
        self._pod = pod
        self._instance = instance
        self._task = task
        self._client = client
        self._submission = submission
        self._started = time.time()
        self._asked_to_end = False
        self._was_admitted = False
        self._why = ""
        self._waiting = RANKS_TO_COME
        self._heard = 0
        self._name = Task(instance.name, instance.index, task.number)
        self._target = target_of(self._gang(task.number))

    def run(self) -> Death | None:
        previous = signal.signal(signal.SIGTERM, self._end)
        self._remove_earlier()
        objects = self._objects(self._task.number)
        self._pod.backend.put(task_key(self._pod.spec.run, self._name), msgspec.msgpack.encode(self._task))
        try:
            for manifest in objects:
                self._create(manifest)
            return self._outcome(self._wait(objects[-1]["metadata"]["name"]))
        finally:
            self._remove(objects)
            signal.signal(signal.SIGTERM, previous)

    def _create(self, manifest: Manifest) -> None:
        until = time.monotonic() + SETTLE_S
        while True:
            try:
                create_owned(self._client, manifest, this_pod())
                return
            except Forbidden as refused:
                if refused.missing_rule is not None or time.monotonic() > until:
                    raise
            time.sleep(LOOK_S)

    def _wait(self, name: str) -> str:
        """Wait for the gang's end; returns ``succeeded``, ``failed``, or why it is not waited for any longer.

        A queue that takes its quota back suspends the object, and would start it anew later, under the number of this
        attempt. It is another attempt that waits for quota then, and goes on from the checkpoint.
        """
        kind = Kind(*self._target.awaited)
        timeout_s = self._instance.step.timeout_s
        while True:
            if self._asked_to_end:
                return "evicted"
            if timeout_s is not None and time.time() - self._started > timeout_s:
                return "timeout"
            try:
                found = self._client.get(kind, name, namespace=self._submission.namespace)
            except NotFound:
                return "deleted"
            state = self._target.state(found)
            waits = state.word == "waiting" or self._is_held(found)
            if waits and self._was_admitted:
                self._why = self._why_suspended(found)
                return "preempted"
            self._was_admitted = not waits
            self._tell("" if self._was_admitted else self._what_for(found))
            if SHOWN in os.environ:
                self._show()
            if state.word in ("succeeded", "failed"):
                return state.word
            time.sleep(LOOK_S)

    def _is_held(self, found: dict[str, Any]) -> bool:
        """Say whether a queue that holds a gang's pods, and not their object, has let none of them go yet."""
        group = _label(found, pods.GROUP)
        if not group or self._was_admitted:
            return False
        made = self._client.list(POD, namespace=self._submission.namespace, labels={pods.GROUP: group}).items
        return all(each["spec"].get("schedulingGates") for each in made)

    def _show(self) -> None:
        """Print what rank 0 has logged since: a component reads it from here."""
        first = self._name._replace(rank=0)
        lines, self._heard = logged_since(self._pod.backend, self._pod.spec.run, first, self._heard)
        for each in lines:
            show({name: float(value) for name, value in each.values.items()})

    def _tell(self, waiting: str) -> None:
        """Write down what the gang waits for, and when it does no longer."""
        if waiting == self._waiting:
            return
        self._waiting = waiting
        started = Started(
            step=self._name.step, index=self._name.index, number=self._name.number, time=time.time(), waiting=waiting
        )
        self._pod.backend.put(start_key(self._pod.spec.run, self._name), encode(started))

    def _what_for(self, found: dict[str, Any]) -> str:
        """Return why a gang is not admitted, in the words of its queue where they can be read."""
        queue = _label(found, pods.QUEUE)
        said = self._said_by_queue(found, "QuotaReserved", "False")
        return f"queue {queue}: {said}" if said else f"waits to be admitted by the queue {queue}"

    def _why_suspended(self, found: dict[str, Any]) -> str:
        """Return why a gang is not admitted any more, in the words of its queue where they can be read."""
        queue = _label(found, pods.QUEUE)
        said = self._said_by_queue(found, "Evicted", "True")
        return f"queue {queue}: {said}" if said else f"it was suspended: the queue {queue} took its quota back"

    def _said_by_queue(self, found: dict[str, Any], kind: str, status: str) -> str:
        """Return the message of a condition of a gang's workload; empty where there is none, or it can't be read."""
        group = _label(found, pods.GROUP)
        own = f"metadata.name={group}" if group else ""
        owner = {} if group else {"kueue.x-k8s.io/job-uid": found["metadata"]["uid"]}
        with suppress(ClusterError):  # without the right to read workloads it still waits
            listed = self._client.list(WORKLOAD, namespace=self._submission.namespace, labels=owner, fields=own)
            for workload in listed.items:
                for condition in workload.get("status", {}).get("conditions", ()):
                    if (condition["type"], condition["status"]) == (kind, status):
                        return str(condition["message"])
        return ""

    def _outcome(self, how: str) -> Death | None:
        """Write the record of the gang as a whole from those of its ranks: rank 0's, or the first one's that failed."""
        records = self._records()
        failed = sorted((each for each in records.values() if each.status != "succeeded"), key=_finished)
        if how == "succeeded" and 0 in records and not failed:
            self._write(msgspec.structs.replace(_of_all(records[0], records.values()), rank=None))
            return None
        if failed and how in ("succeeded", "failed"):
            self._write(_of_all(failed[0], records.values()))
        return Death(kind=_KINDS.get(how, "Lost"), message=self._said(how), started=self._started, exit_code=None,
                     signal=None, infrastructure=how != "timeout")  # fmt: skip

    def _said(self, how: str) -> str:
        if how == "timeout":
            return f"took longer than its timeout of {self._instance.step.timeout}"
        if how == "evicted":
            return "the pod that waits for the gang was asked to end"
        if how == "preempted":
            return self._why
        if how == "deleted":
            return f"the gang's {self._target.awaited.kind} was deleted"
        return "a rank's pod was gone before it left a record"

    def _write(self, record: AttemptRecord) -> None:
        self._pod.backend.create(attempt_key(self._pod.spec.run, self._name), encode(record))

    def _records(self) -> dict[int, AttemptRecord]:
        backend, own = self._pod.backend, self._name
        return {
            task.rank: decode(backend.get(key), AttemptRecord, key=key)
            for key, task in attempts_of(backend, self._pod.spec.run, own.step, own.index)
            if task.number == own.number and task.rank is not None
        }

    def _gang(self, number: int) -> Gang:
        return Gang(self._submission, self._instance.step, self._instance.name, self._instance.index, number)

    def _objects(self, number: int) -> list[Manifest]:
        return render(self._gang(number))

    def _remove_earlier(self) -> None:
        """Remove the gangs of attempts before this one: whoever waited for them is gone."""
        for number in range(1, self._task.number):
            self._remove(self._objects(number))

    def _remove(self, objects: list[Manifest]) -> None:
        for manifest in reversed(objects):  # what is made later may need what was made before it
            remove(self._client, manifest)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = True


_KINDS = {"timeout": "Timeout", "evicted": "Evicted", "preempted": "Preempted"}


def _of_all(record: AttemptRecord, ranks: Collection[AttemptRecord]) -> AttemptRecord:
    """Return a record of one rank with what all of them have used."""
    return msgspec.structs.replace(
        record,
        peak_memory_bytes=sum(each.peak_memory_bytes or 0 for each in ranks) or None,
        cpu_s=sum(each.cpu_s or 0.0 for each in ranks),
    )


def _label(found: dict[str, Any], name: str) -> str:
    return str(found["metadata"].get("labels", {}).get(name, ""))


def _finished(record: AttemptRecord) -> float:
    return record.finished
