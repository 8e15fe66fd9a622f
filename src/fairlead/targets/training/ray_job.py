"""KubeRay's ``RayJob``: a Ray cluster for one attempt, on whose head the step runs as Ray's job.

The step's output goes to Ray's own log of the job and to that of the head's container.

Sources: https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/rayjob-quick-start.html, and of KubeRay 1.6
https://github.com/ray-project/kuberay/blob/v1.6.2/ray-operator/apis/ray/v1/rayjob_types.go
"""

from __future__ import annotations

import shlex
from functools import partial
from typing import Any, Literal

from fairlead.specs.steps import SweepStep
from fairlead.targets import naming
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import nodes, ray_cluster
from fairlead.targets.training.conditions import is_suspended
from fairlead.targets.training.indexed_job import KEPT_S
from fairlead.targets.training.members import labels, metadata
from fairlead.targets.training.target import Gang, Resource, State, Target

_JOB = Resource("ray.io", "v1", "RayJob", "rayjobs")
_OPENED = frozenset(
    {
        "metadata.annotations", "metadata.labels", "spec.activeDeadlineSeconds", "spec.rayClusterSpec.rayVersion",
        "spec.rayClusterSpec.headGroupSpec.rayStartParams",
    }
)  # fmt: skip
_ENDS: dict[str, Literal["succeeded", "failed"]] = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "failed",
}
_DEPLOYED: dict[str, Literal["running", "failed"]] = {
    "": "running",
    "Initializing": "running",
    "Running": "running",
    "Waiting": "running",
    "Retrying": "running",
    "Complete": "running",  # what the job's own status says is yet to be read
    "Suspending": "running",
    "Suspended": "running",
    "Failed": "failed",
    "ValidationFailed": "failed",
}


def render(gang: Gang) -> list[Manifest]:
    """Compile an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    # no trial runs beside Tune itself
    started = {"num-cpus": "0"} if isinstance(gang.step, SweepStep) else {}
    made: Manifest = {
        "apiVersion": _JOB.api_version,
        "kind": _JOB.kind,
        "metadata": metadata(gang, labels(gang)),
        "spec": {
            "entrypoint": _entrypoint(gang),
            "submissionMode": "HTTPMode",  # by the operator itself: another pod would have to be admitted for that
            "backoffLimit": 0,
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": KEPT_S,
            "rayClusterSpec": ray_cluster.spec_of(gang.step, partial(_node, gang), **started),
        },
    }
    return [naming.marked(overlaid(gang.step, made, None, _OPENED))]


def state(found: Manifest) -> State:
    """Return what a RayJob says of its step. Total over everything that it says."""
    status: dict[str, Any] = found.get("status") or {}
    job, deployed = str(status.get("jobStatus") or ""), str(status.get("jobDeploymentStatus") or "")
    said = ": ".join(str(status[field]) for field in ("reason", "message") if status.get(field))
    if job in _ENDS:
        return State(_ENDS[job], said)
    if _DEPLOYED.get(deployed) == "failed":
        return State("failed", said)
    if is_suspended(found):
        return State("waiting")
    return State("running", "" if deployed in _DEPLOYED else f"{deployed}: {said}")


def _node(gang: Gang, role: str) -> Manifest:
    return nodes.node(gang, role, runs_it=role == "head")


def _entrypoint(gang: Gang) -> str:
    """Return the command of the job, whose output goes to the log of the head's container too, for who follows it."""
    said = f"{shlex.join(nodes.command(gang))} 2>&1 | tee /proc/1/fd/1"
    return shlex.join(["bash", "-o", "pipefail", "-c", said])


TARGET = Target(
    name="rayjob",
    component="KubeRay 1.6 or newer",
    runtimes=frozenset({"ray"}),
    resources=(_JOB,),
    faults=lambda _: (),
    groups_itself=True,
    render=render,
    state=state,
)
