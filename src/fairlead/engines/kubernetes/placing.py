"""Ending steps that can't be scheduled, or can't have their image, where a context or a run has asked for that.

The pod is given the end that a pod gives itself whose step may have no further attempt: the exit code which every
native condition of retries refuses. So the workflow goes on at once, and kubectl shows the reason. A pod that goes on
meanwhile has another resource version, and is left alone. The kubelet of a pod that has a node gives its container
another exit code a moment later, and leaves phase, reason and message of the pod as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import takewhile
from typing import Any

from fairlead.engines.kubernetes.known import KnownRun, KnownRuns, attempt_of, generation_of, read_records
from fairlead.errors import ClusterError, StoreError
from fairlead.kube.client import Client
from fairlead.kube.failures import Conflict, Forbidden, NotFound
from fairlead.kube.resources import NODE, POD
from fairlead.naming import iso_time, parse_time
from fairlead.quantities import human_duration
from fairlead.specs.reports import ErrorReport
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.status import SPENT
from fairlead.specs.unschedulable import parse_unschedulable
from fairlead.store.backends import list_all
from fairlead.store.layout import Task, attempt_key, parse_task, run_prefix
from fairlead.store.records import AttemptRecord, encode
from fairlead.targets import naming
from fairlead.targets.fitting import never_fits
from fairlead.targets.podcauses import UNSCHEDULABLE, is_unplaced, transition, was_ended
from fairlead.targets.podstatus import condition, main_container, pod_status

_NODES_S = 30.0
"""Seconds for which a listing of the nodes is good."""


class Placing:
    """Holds the pods of runs against their policies.

    Args:
        client: The cluster.
        runs: The runs whose pods are watched.
        noted: Is told what can't be done.
        clock: Seconds since 1970; by default of the cluster's clock, which dates conditions.
    """

    def __init__(
        self,
        client: Client,
        runs: KnownRuns,
        *,
        noted: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._client = client
        self._runs = runs
        self._noted = noted
        self._clock = clock or client.now
        self._nodes: tuple[list[dict[str, Any]], float] = ([], 0.0)
        self._refused: set[str] = set()
        self._done: set[str] = set()

    def enforce(self, pods: Iterable[dict[str, Any]]) -> None:
        """End the steps of those pods that have waited for too long, or in vain."""
        found = {pod["metadata"]["uid"]: pod for pod in pods}
        self._done &= found.keys()
        for uid, pod in found.items():
            if uid not in self._done and (transition(pod, gone=False) in ("unplaced", "image") or was_ended(pod)):
                with suppress(ClusterError, StoreError):  # away, or refuses: it is looked at again
                    known = self._runs.of(pod)
                    task = attempt_of(pod, known.spec.graph) if known is not None else None
                    if known is not None and task is not None:
                        self._look_at(pod, known, task)

    def _look_at(self, pod: dict[str, Any], known: KnownRun, task: Task) -> None:
        if was_ended(pod):  # by somebody who may not have come to write it down
            message = str(pod["status"].get("message") or "")
        else:
            message = self._verdict(pod, known)
            if not message or not self._end(pod, message):
                return
        if not self._runs.is_over(known.spec.run, generation_of(pod)):
            self._record(pod, known, task, message)
        self._done.add(pod["metadata"]["uid"])

    def _verdict(self, pod: dict[str, Any], known: KnownRun) -> str:
        """Return why a pod is not to wait any longer; empty where it is to."""
        policy = parse_unschedulable(known.submission.context.unschedulable)
        if policy.action == "warn" or pod["metadata"].get("deletionTimestamp"):
            return ""
        said = condition(pod["status"], "PodScheduled") or {}
        unplaced = is_unplaced(pod)
        if policy.action == "fail-after":
            what, why = "be scheduled", said.get("message")
            if not unplaced:
                what, why = "have its image", pod_status(pod).reason
            late = self._clock() - _seconds(said.get("lastTransitionTime")) >= policy.after_s
            return f"could not {what} for {human_duration(policy.after_s)}: {why or ''}" if late else ""
        never = never_fits(pod, self._all_nodes()) if unplaced else ""
        return f"can't be scheduled: {never}" if never else ""

    def _all_nodes(self) -> list[dict[str, Any]]:
        nodes, read = self._nodes
        if "nodes" in self._refused or self._clock() - read < _NODES_S:
            return nodes
        try:
            nodes = self._client.list(NODE).items
        except Forbidden:
            self._refused.add("nodes")
            self._noted("you may not list nodes: whether a step could ever be scheduled is not known, and it waits")
        self._nodes = (nodes, self._clock())
        return nodes

    def _end(self, pod: dict[str, Any], message: str) -> bool:
        """Give a pod its end; False where it was scheduled meanwhile, or where that is not allowed."""
        if "pods/status" in self._refused:
            return False
        metadata, now = pod["metadata"], iso_time(self._clock())
        ended = {"exitCode": SPENT, "reason": UNSCHEDULABLE, "message": message, "startedAt": now, "finishedAt": now}
        container = {"name": main_container(pod), "image": "", "imageID": "", "ready": False, "restartCount": 0}
        status = {
            "phase": "Failed",
            "reason": UNSCHEDULABLE,
            "message": message,
            "containerStatuses": [{**container, "state": {"terminated": ended}}],
        }
        patch = {"metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}, "status": status}
        try:
            self._client.patch(POD, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")
        except (Conflict, NotFound):
            return False
        except Forbidden:
            self._refused.add("pods/status")
            self._noted("you may not patch pods/status: a step that can't be scheduled waits, whatever was asked for")
            return False
        return True

    def _record(self, pod: dict[str, Any], known: KnownRun, task: Task, message: str) -> None:
        """Write down how the instance ended: once for a pod, and with no attempt to follow."""
        backend, run, uid = self._runs.backend, known.spec.run, pod["metadata"]["uid"]
        name = task._replace(rank=_rank(pod, known, task)) if task.number else self._next(run, task, uid)
        if name is None:
            return
        record = AttemptRecord(
            step=name.step,
            index=name.index,
            number=name.number,
            rank=name.rank,
            status="failed",
            error=ErrorReport(type=UNSCHEDULABLE, message=message),
            started=_seconds(pod["metadata"].get("creationTimestamp")),
            finished=self._clock(),
            pod_uid=uid,
        )
        backend.create(attempt_key(run, name), encode(record))

    def _next(self, run: str, task: Task, uid: str) -> Task | None:
        """Return the next attempt of an instance; None where there is a record of this pod."""
        backend = self._runs.backend
        records = [each for each in read_records(backend, run, task) if each.rank is None]
        if any(each.pod_uid == uid for each in records):
            return None
        prefix = run_prefix(run) + "starts/"
        own = f"{prefix}{task.step}.{task.index}."
        keys = (entry.key for entry in list_all(backend, prefix, own))
        begun = [parse_task(key[len(prefix) :]) for key in takewhile(lambda key: key.startswith(own), keys)]
        numbers = [each.number for each in begun if each[:2] == task[:2]] + [each.number for each in records]
        return Task(task.step, task.index, max(numbers, default=0) + 1)


def _rank(pod: dict[str, Any], known: KnownRun, task: Task) -> int:
    """Return the first rank of a gang's pod."""
    runtimes = (step.runtime for step in known.spec.graph.steps.values() if step.name == task.step)
    each = next((runtime.processes_per_node for runtime in runtimes if isinstance(runtime, RankRuntime)), 1)
    return (naming.gang_node(pod) or 0) * each


def _seconds(time: str | None) -> float:
    """Return a time of the cluster in seconds since 1970; one that never comes where there is none."""
    return parse_time(time).timestamp() if time else float("inf")
