"""JobSet's ``JobSet``, with one job of as many pods as the gang has nodes.

Source: https://jobset.sigs.k8s.io/docs/reference/jobset.v1alpha2/
"""

from __future__ import annotations

from typing import Any

from fairlead.targets import naming
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import conditions
from fairlead.targets.training.indexed_job import KEPT_S, indexed
from fairlead.targets.training.members import INDEX, Places, labels, member, metadata
from fairlead.targets.training.target import Gang, Resource, Target

NODE = "node"
"""The name of the job in a JobSet."""

_OPENED = frozenset({"metadata.annotations", "metadata.labels", "spec.ttlSecondsAfterFinished"})
_TEMPLATE = ("spec", "replicatedJobs", 0, "template", "spec", "template")


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    made: Manifest = {
        "apiVersion": TARGET.awaited.api_version,
        "kind": TARGET.awaited.kind,
        "metadata": metadata(gang, labels(gang)),
        "spec": {**job_set(gang, member(gang, places(gang))), "ttlSecondsAfterFinished": KEPT_S},
    }
    return [naming.marked(overlaid(gang.step, made, _TEMPLATE, _OPENED))]


def job_set(gang: Gang, template: Manifest) -> dict[str, Any]:
    """Return the fields of a set's spec that run a gang's pods, and try none of them again."""
    return {
        "failurePolicy": {"maxRestarts": 0},
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True, "subdomain": gang.object_name},
        "replicatedJobs": [
            {"name": NODE, "replicas": 1, "template": {"spec": {**indexed(gang), "template": template}}}
        ],
    }


def places(gang: Gang) -> Places:
    """Return how the pods of a set find each other."""
    return Places(INDEX, f"{gang.object_name}-{NODE}-0-{{}}.{gang.object_name}")


TARGET = Target(
    name="jobset",
    component="JobSet",
    runtimes=frozenset({"torch", "jax", "tensorflow", "mpi", "xgboost"}),
    resources=(Resource("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets"),),
    render=render,
    state=conditions.state,
)
