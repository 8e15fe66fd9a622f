"""Small pictures of clusters: pods, workloads and events as an API server has them, in the words of their components."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from fairlead.snapshots.snapshot import LogName, Meta, Snapshot

NAMESPACE = "team"
LATER = "2026-11-20T10:05:00Z"
TAKEN = "2026-11-20T10:30:00Z"
BEGUN = "2026-11-20T10:00:00Z"


def thing(kind: str, name: str, *, owner: str = "", **fields: Any) -> dict[str, Any]:
    """Return an object; its uid is its name."""
    metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE, "uid": name, "creationTimestamp": BEGUN}
    if owner:
        metadata["ownerReferences"] = [{"kind": "Job", "name": owner, "uid": owner, "apiVersion": "batch/v1"}]
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


def pod(name: str = "p", *, owner: str = "", spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """Return a pod with one container."""
    container = {"name": "main", "image": "registry.example/fit:1", "resources": {"requests": {"cpu": "1"}}}
    return thing("Pod", name, owner=owner, spec={"containers": [container], **(spec or {})}, status=status)


def unplaced(message: str, **fields: Any) -> dict[str, Any]:
    """Return a pod for which the scheduler finds no node."""
    condition = {
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastTransitionTime": BEGUN,
    }  # fmt: skip
    return pod(phase="Pending", conditions=[condition], **fields)


def waiting(reason: str, message: str = "", *, name: str = "p", owner: str = "") -> dict[str, Any]:
    """Return a pod whose container waits."""
    status = {
        "name": "main", "image": "registry.example/fit:1", "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
    }  # fmt: skip
    return pod(name, owner=owner, spec={"nodeName": "n1"}, phase="Pending", containerStatuses=[status])


def ended(code: int, reason: str = "Error", message: str = "", *, name: str = "p", owner: str = "", at: str = BEGUN,
          part: str = "containerStatuses") -> dict[str, Any]:  # fmt: skip
    """Return a pod whose container has ended badly."""
    state = {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": at}}
    status = {"name": "main", "image": "registry.example/fit:1", "restartCount": 0, "state": state}
    return pod(name, owner=owner, spec={"nodeName": "n1"}, phase="Failed", **{part: [status]})


def failed(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """Return a pod that the kubelet has failed."""
    return pod(spec={"nodeName": "n1"}, phase="Failed", reason=reason, message=message, **more)


def condition(kind: str, status: str, reason: str = "", message: str = "", at: str = BEGUN) -> dict[str, Any]:
    """Return a condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}


def job(name: str = "j", **status: Any) -> dict[str, Any]:
    """Return a Job."""
    return {**thing("Job", name, spec={}, status=status), "apiVersion": "batch/v1"}


def workload(message: str, reason: str = "Pending") -> dict[str, Any]:
    """Return a workload that its queue holds back."""
    return thing("Workload", "w", status={"conditions": [condition("QuotaReserved", "False", reason, message)]})


def node(name: str, labels: dict[str, str] | None = None, conditions: list[dict[str, Any]] | None = None,
         **allocatable: str) -> dict[str, Any]:  # fmt: skip
    """Return a node."""
    found = thing("Node", name, status={"allocatable": allocatable, "conditions": conditions or []})
    found["metadata"].update(namespace="", labels=labels or {})
    return found


def budget(*, expected: int, healthy: int, desired: int, reason: str = "InsufficientPods", message: str = ""
           ) -> dict[str, Any]:  # fmt: skip
    """Return a PodDisruptionBudget that lets no pod go."""
    said = condition("DisruptionAllowed", "False", reason, message)
    counts = {"expectedPods": expected, "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": 0}
    spec = {"minAvailable": desired, "selector": {"matchLabels": {"app": "serve"}}}
    return thing("PodDisruptionBudget", "b", spec=spec, status={**counts, "conditions": [said]})


def event(reason: str, message: str, *, kind: str = "Pod", name: str = "p", at: str = BEGUN, space: str = NAMESPACE
          ) -> dict[str, Any]:  # fmt: skip
    """Return an event of an object."""
    about = {"kind": kind, "namespace": space, "name": name}
    return {
        "kind": "Event", "metadata": {"name": f"{name}.1", "namespace": NAMESPACE}, "involvedObject": about,
        "reason": reason, "message": message, "lastTimestamp": at, "type": "Warning",
    }  # fmt: skip


def rank(number: int, *, owner: str = "j", state: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a pod of a gang: one that runs, or else the state that its container is in."""
    status = {"name": "main", "image": "registry.example/fit:1", "state": state or {"running": {"startedAt": BEGUN}}}
    phase = "Pending" if state else "Running"
    conditions = [condition("Ready", "False" if state else "True")]
    return pod(f"fit-{number}", owner=owner, spec={"nodeName": f"n{number}"}, phase=phase, startTime=BEGUN,
               conditions=conditions, containerStatuses=[status])  # fmt: skip


def gang(kind: str = "Job", name: str = "j", *, owner: str = "") -> dict[str, Any]:
    """Return what ranks belong to that wait for each other."""
    spec = {"completionMode": "Indexed", "template": {"spec": {"subdomain": name}}} if kind == "Job" else {}
    return thing(kind, name, owner=owner, spec=spec, status={"active": 4, "ready": 3})


def steps(first: int, last: int, *, every_s: int = 10, until: str = TAKEN, of: str = "") -> str:
    """Return the log of a rank, with times: a line for each step, so far apart, the last one at a moment."""
    end = datetime.fromisoformat(until)
    times = ((number, end - timedelta(seconds=(last - number) * every_s)) for number in range(first, last + 1))
    return "".join(f"{time:%Y-%m-%dT%H:%M:%S}.123456789Z step {number}{of} loss 0.31\n" for number, time in times)


def picture(*objects: dict[str, Any], events: tuple[dict[str, Any], ...] = (), log: str = "",
            logs: Mapping[str, str] = MappingProxyType({})) -> Snapshot:  # fmt: skip
    """Return a snapshot; `log` is what the container of the pod ``p`` wrote last, `logs` what those of others did."""
    written = {**logs, "p": log} if log else logs
    return Snapshot(Meta(taken=TAKEN), objects, events, {LogName(name, "main"): text for name, text in written.items()})
