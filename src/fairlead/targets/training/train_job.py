"""Kubeflow Trainer's ``TrainJob``, with a ``TrainingRuntime`` of its own that has the pods of the attempt.

No runtime of the cluster is used: a TrainJob's patches change containers that a runtime has, and can't add the one that
brings the worker; nor can they forbid that a pod is tried again.

Sources: https://www.kubeflow.org/docs/components/trainer/operator-guides/runtime/, and of Trainer 2.3
https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/apis/trainer/v1alpha1/trainjob_types.go
"""

from __future__ import annotations

from typing import Any

from fairlead.specs.runtimes import kind_of
from fairlead.targets import naming
from fairlead.targets.hardware import devices
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import conditions
from fairlead.targets.training.gang_scheduling import pod_group_policy, queue_annotations
from fairlead.targets.training.job_set import NODE, job_set, places
from fairlead.targets.training.members import labels, member, metadata
from fairlead.targets.training.target import Gang, Resource, Target

PREFIX = "trainer.kubeflow.org/"
STEP = PREFIX + "trainjob-ancestor-step"
"""The label of the job in a runtime that trains; its container has to have the name `NODE`, as the job itself."""
FRAMEWORK = PREFIX + "framework"
"""The label of a runtime by which Kubeflow's own client knows what it is for."""

_GROUP, _VERSION = "trainer.kubeflow.org", "v1alpha1"
_RUNTIME = Resource(_GROUP, _VERSION, "TrainingRuntime", "trainingruntimes")
_JOB = Resource(_GROUP, _VERSION, "TrainJob", "trainjobs")

_RUNTIME_OPENED = frozenset({"metadata.annotations", "metadata.labels", "spec.podGroupPolicy"})
_JOB_OPENED = frozenset({"metadata.annotations", "metadata.labels", "spec.activeDeadlineSeconds"})
_TEMPLATE = ("spec", "template", "spec", "replicatedJobs", 0, "template", "spec", "template")


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    spec = job_set(gang, member(gang, places(gang), container=NODE))
    spec["replicatedJobs"][0]["template"]["metadata"] = {"labels": {STEP: "trainer"}}
    marks = {**naming.run_labels(gang.submission), FRAMEWORK: kind_of(gang.runtime)}
    queue = queue_annotations(gang)
    template = {**({"metadata": {"annotations": queue}} if queue else {}), "spec": spec}
    runtime = _made(gang, _RUNTIME, marks, {**_policy(gang), **pod_group_policy(gang), "template": template})
    train_job = _made(
        gang,
        _JOB,
        labels(gang),
        {
            "runtimeRef": {"apiGroup": _GROUP, "kind": _RUNTIME.kind, "name": gang.object_name},
            "trainer": {"numNodes": gang.runtime.nodes, "numProcPerNode": gang.runtime.processes_per_node},
        },
    )
    return [
        naming.marked(overlaid(gang.step, runtime, _TEMPLATE, _RUNTIME_OPENED)),
        naming.marked(overlaid(gang.step, train_job, None, _JOB_OPENED)),
    ]


def _made(gang: Gang, resource: Resource, marks: dict[str, str], spec: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata(gang, marks),
        "spec": spec,
    }


def _policy(gang: Gang) -> dict[str, Any]:
    """Return whose variables Trainer adds: torchrun's, or JAX's or XGBoost's, where these are those of the ranks.

    It makes both for one process on each node; for XGBoost for one on each GPU, all with the number of their node.
    """
    runtime = gang.runtime
    kind, is_single = kind_of(runtime), runtime.processes_per_node == 1
    has_one = sum(devices(gang.submission.context, gang.step).values()) <= 1
    is_known = kind == "torch" or (is_single and (kind == "jax" or (kind == "xgboost" and has_one)))
    return {"mlPolicy": {kind: {}}} if is_known else {}


TARGET = Target(
    name="trainjob",
    component="Kubeflow Trainer 2.3 or newer",
    runtimes=frozenset({"torch", "jax", "tensorflow", "mpi", "xgboost"}),
    resources=(_RUNTIME, _JOB),
    overlays=(_RUNTIME.kind,),
    groups_itself=True,
    render=render,
    state=conditions.state,
)
