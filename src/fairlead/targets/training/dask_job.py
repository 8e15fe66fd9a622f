"""Dask's own ``DaskJob``: a scheduler and workers for one attempt, and a pod with the step, which is their client.

The operator names the scheduler to that pod, so that ``Client()`` finds it.

Source: https://kubernetes.dask.org/en/latest/operator_resources.html#daskjob
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from fairlead.specs.runtimes import node_count
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import dask_cluster, nodes
from fairlead.targets.training.members import labels, metadata
from fairlead.targets.training.target import Gang, Resource, State, Target

_JOB = Resource("kubernetes.dask.org", "v1", "DaskJob", "daskjobs")
_OPENED = frozenset({"metadata.annotations", "metadata.labels"})
_WORDS: dict[str, Literal["running", "succeeded", "failed"]] = {
    "": "running",
    "JobCreated": "running",
    "ClusterCreated": "running",
    "Running": "running",
    "Successful": "succeeded",
    "Failed": "failed",
}


def render(gang: Gang) -> list[Manifest]:
    """Compile an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    made: Manifest = {
        "apiVersion": _JOB.api_version,
        "kind": _JOB.kind,
        "metadata": _metadata(gang),
        "spec": {
            "job": nodes.driver(gang, "client"),
            "cluster": {"spec": dask_cluster.spec_of(gang.object_name, gang.step, partial(nodes.node, gang))},
        },
    }
    return [naming.marked(overlaid(gang.step, made, None, _OPENED))]


def _metadata(gang: Gang) -> Manifest:
    """Return the metadata, which the operator gives to every pod: where there is a queue, they are a group for it.

    Source: https://kueue.sigs.k8s.io/docs/tasks/run/plain_pods/#running-a-group-of-pods-to-be-admitted-together
    """
    made = metadata(gang, labels(gang))
    if pods.QUEUE not in made["labels"]:
        return made
    count = node_count(gang.cluster)
    grouped = {pods.GROUP: gang.object_name}
    total = {"kueue.x-k8s.io/pod-group-total-count": str(count)}
    return {**made, "labels": {**made["labels"], **grouped}, "annotations": {**made["annotations"], **total}}


def state(found: Manifest) -> State:
    """Return what a DaskJob says of its step. Total over everything that it says."""
    word = str((found.get("status") or {}).get("jobStatus") or "")
    return State(_WORDS[word]) if word in _WORDS else State("running", word)


TARGET = Target(
    name="daskjob",
    component="Dask's operator, 2025.4 or newer",
    runtimes=frozenset({"dask"}),
    resources=(_JOB,),
    faults=lambda _: (),
    groups_itself=True,
    mounts_images=False,
    render=render,
    state=state,
)
