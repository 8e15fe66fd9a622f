"""Attempts that failed, and after which the work went on: what they show is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import MAINS, Thing, moment

NODE_ID = "workflows.argoproj.io/node-id"
_STEADY = timedelta(minutes=10)
"""So long a container runs at least before its end before that is over: twice what a kubelet waits at most."""


def is_overcome(pod: Thing, owner: Thing, now: datetime | None) -> bool:
    """Say whether a pod failed, or a container of it, and that is over.

    What it belongs to has got others in its place, or its containers have been started again, and have run on since
    for longer than before.
    """
    if pod.text("status.phase") != "Failed":
        mains = list(pod.each(MAINS))
        return bool(pod.ends and mains and now) and all(_runs_on(each, now) for each in mains)
    if owner.ref.kind == "Workflow":
        return pod.mapping("metadata.annotations").get(NODE_ID) in overcome_steps(owner)
    if owner.ref.kind == "TaskRun":
        return owner.text("status.podName") not in ("", pod.ref.name)
    if owner.ref.kind in ("ReplicaSet", "StatefulSet"):
        return (owner.number("status.availableReplicas") or 0) >= (owner.number("spec.replicas") or 1)
    if owner.ref.kind != "Job" or not owner.text("apiVersion").startswith("batch/"):
        return False
    wanted = owner.number("spec.parallelism") or 1
    rest = (owner.number("spec.completions") or wanted) - (owner.number("status.succeeded") or 0)
    return 0 < min(wanted, rest) <= (owner.number("status.ready") or 0)


def _runs_on(container: Part, now: datetime | None) -> bool:
    last, begun = container.part("lastState.terminated"), moment(container.text("state.running.startedAt"))
    if begun is None or now is None or container.part("ready").value is not True:
        return False
    first, end = moment(last.text("startedAt")), moment(last.text("finishedAt"))
    return now - begun >= max(_STEADY, end - first if first and end else _STEADY)


def overcome_steps(workflow: Thing) -> set[str]:
    """Return the ids of a workflow's attempts that were followed by another, of steps that have not failed for good."""
    return {each for node in _retried(workflow) for each in node}


def _retried(workflow: Thing) -> Iterator[list[str]]:
    for name, value in workflow.mapping("status.nodes").items():
        node = Part(workflow.ref, f"status.nodes.{name}", value)
        tries = node.part("children").value
        if node.text("type") == "Retry" and node.text("phase") not in ("Failed", "Error") and isinstance(tries, list):
            yield [each for each in tries[:-1] if isinstance(each, str)]
