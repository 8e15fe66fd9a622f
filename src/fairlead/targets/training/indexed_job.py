"""An Indexed Job, which every cluster has: a headless Service gives each rank's pod a name.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
"""

from __future__ import annotations

from typing import Any

from fairlead.targets import naming
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import conditions
from fairlead.targets.training.members import INDEX, Places, labels, member, metadata
from fairlead.targets.training.target import Gang, Resource, Target

KEPT_S = 24 * 3600
"""Seconds that what has finished is kept, as a workflow is."""

_OPENED = frozenset(
    {"metadata.annotations", "metadata.labels", "spec.activeDeadlineSeconds", "spec.ttlSecondsAfterFinished"}
)


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    name = gang.object_name
    template = member(gang, Places(INDEX, f"{name}-{{}}.{name}"))
    job: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(gang, labels(gang)),
        "spec": {
            **indexed(gang),
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {**template, "spec": {**template["spec"], "subdomain": name}},
        },
    }
    service: Manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(gang, naming.run_labels(gang.submission)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,  # ranks find each other before any of them is ready
            "selector": {"batch.kubernetes.io/job-name": name},
        },
    }
    return [naming.marked(service), naming.marked(overlaid(gang.step, job, ("spec", "template"), _OPENED))]


def indexed(gang: Gang) -> dict[str, Any]:
    """Return the fields of a job's spec that start one pod for each node, each once."""
    nodes = gang.runtime.nodes
    return {"completionMode": "Indexed", "completions": nodes, "parallelism": nodes, "backoffLimit": 0}


TARGET = Target(
    name="job",
    component="Kubernetes itself",
    runtimes=frozenset({"torch", "jax", "tensorflow", "mpi", "xgboost"}),
    resources=(Resource("", "v1", "Service", "services"), Resource("batch", "v1", "Job", "jobs")),
    render=render,
    state=conditions.state,
)
