"""Dask's own ``DaskJob``: a scheduler and workers for one attempt, and a pod with the step, which is their client.

The operator names the scheduler to that pod, so that ``Client()`` finds it.

Source: https://kubernetes.dask.org/en/latest/operator_resources.html#daskjob
"""

from __future__ import annotations

from typing import Literal

from fairlead.specs.runtimes import Dask
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import nodes
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
_SCHEDULER, _DASHBOARD = 8786, 8787


def render(gang: Gang) -> list[Manifest]:
    """Compile an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    assert isinstance(gang.cluster, Dask)
    chosen = {"dask.org/cluster-name": gang.object_name, "dask.org/component": "scheduler"}
    ports = {"tcp-comm": _SCHEDULER, "http-dashboard": _DASHBOARD}
    service = {
        "type": "ClusterIP",
        "selector": chosen,
        "ports": [{"name": name, "protocol": "TCP", "port": port, "targetPort": name} for name, port in ports.items()],
    }
    made: Manifest = {
        "apiVersion": _JOB.api_version,
        "kind": _JOB.kind,
        "metadata": _metadata(gang),
        "spec": {
            "job": nodes.driver(gang, "client"),
            "cluster": {
                "spec": {
                    "scheduler": {**_scheduler(gang, ports), "service": service},
                    "worker": {**_worker(gang), "replicas": gang.cluster.workers},
                }
            },
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
    count = sum(gang.cluster.nodes_by_role.values())
    grouped = {"kueue.x-k8s.io/pod-group-name": gang.object_name}
    total = {"kueue.x-k8s.io/pod-group-total-count": str(count)}
    return {**made, "labels": {**made["labels"], **grouped}, "annotations": {**made["annotations"], **total}}


def state(found: Manifest) -> State:
    """Return what a DaskJob says of its step. Total over everything that it says."""
    word = str((found.get("status") or {}).get("jobStatus") or "")
    return State(_WORDS[word]) if word in _WORDS else State("running", word)


def _scheduler(gang: Gang, ports: dict[str, int]) -> Manifest:
    address = [f"--port={_SCHEDULER}", f"--dashboard-address=:{_DASHBOARD}"]
    made = nodes.with_main(
        nodes.node(gang, "scheduler"),
        command=["python3", "-m", "distributed.cli.dask_scheduler", *address],
        ports=[{"name": name, "containerPort": port} for name, port in ports.items()],
        readinessProbe={"httpGet": {"path": "/health", "port": "http-dashboard"}, "periodSeconds": 2},
    )
    return _lasting(made)


def _worker(gang: Gang) -> Manifest:
    each = pods.of_role(gang.step, "worker").resources
    limits = [f"--nthreads={max(1, each.cpu_millis // 1000)}", f"--memory-limit={each.memory_bytes or 0}"]
    made = nodes.with_main(
        nodes.node(gang, "worker"),
        command=["python3", "-m", "distributed.cli.dask_worker", "--name=$(DASK_WORKER_NAME)", *limits],
    )
    return _lasting(made)


def _lasting(template: Manifest) -> Manifest:
    """Return the template of a pod of a Deployment, as the operator makes one: it runs for as long as its cluster."""
    return {**template, "spec": {**template["spec"], "restartPolicy": "Always"}}


TARGET = Target(
    name="daskjob",
    component="Dask's operator, 2025.4 or newer",
    runtimes=frozenset({"dask"}),
    resources=(_JOB,),
    faults=lambda _: (),
    groups_itself=True,
    render=render,
    state=state,
)
