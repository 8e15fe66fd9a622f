"""Attempts that failed, and that others have followed after which the work went on: what they show is over."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.insight.states import is_well
from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Snapshot, Thing

NODE_ID = "workflows.argoproj.io/node-id"


def is_overcome(pod: Thing, owner: Thing, snapshot: Snapshot) -> bool:
    """Say whether a pod failed, and what it belongs to has got others in its place."""
    if pod.text("status.phase") != "Failed":
        return False
    if owner.ref.kind == "Workflow":
        return pod.mapping("metadata.annotations").get(NODE_ID) in overcome_steps(owner)
    if owner.ref.kind == "TaskRun":
        return owner.text("status.podName") not in ("", pod.ref.name)
    if owner.ref.kind in ("ReplicaSet", "StatefulSet", "DaemonSet"):
        return is_well(owner, snapshot)
    if owner.ref.kind != "Job" or not owner.text("apiVersion").startswith("batch/"):
        return False
    wanted = owner.number("spec.parallelism") or 1
    rest = (owner.number("spec.completions") or wanted) - (owner.number("status.succeeded") or 0)
    return 0 < min(wanted, rest) <= (owner.number("status.ready") or 0)


def overcome_steps(workflow: Thing) -> set[str]:
    """Return the ids of a workflow's attempts that were followed by another, of steps that have not failed for good."""
    return {each for node in _retried(workflow) for each in node}


def _retried(workflow: Thing) -> Iterator[list[str]]:
    for name, value in workflow.mapping("status.nodes").items():
        node = Part(workflow.ref, f"status.nodes.{name}", value)
        tries = node.part("children").value
        if node.text("type") == "Retry" and node.text("phase") not in ("Failed", "Error") and isinstance(tries, list):
            yield [each for each in tries[:-1] if isinstance(each, str)]
