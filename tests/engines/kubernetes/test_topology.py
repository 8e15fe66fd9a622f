"""Gangs that Kueue admits near each other: it reads the level that a context's hardware names, and assigns nodes by it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from engines.local.driving import wait_for
from fairlead.engines.kubernetes.submitting import create, kind_of
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.resources import WORKLOAD
from fairlead.naming import new_run_id
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.hardware import Hardware, Topology
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import FunctionStep
from fairlead.targets.training.table import render
from fairlead.targets.training.target import Gang
from servers.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

PATIENCE_S = 60.0
KUEUE = "kueue.x-k8s.io/v1beta2"
LEVEL = "kubernetes.io/hostname"


@pytest.fixture
def near_queue(cluster: Cluster) -> Iterator[str]:
    """A queue whose one flavor has a topology of one level, the node."""
    if "kueue" in cluster.absent:
        pytest.fail(cluster.absent["kueue"])
    name = f"near-{uuid.uuid4().hex[:8]}"
    quotas = [{"name": each, "nominalQuota": amount} for each, amount in (("cpu", "1"), ("memory", "2Gi"))]
    group = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": name, "resources": quotas}]}
    made: tuple[tuple[str, dict[str, Any]], ...] = (
        ("Topology", {"levels": [{"nodeLabel": LEVEL}]}),
        ("ResourceFlavor", {"nodeLabels": {"kubernetes.io/os": "linux"}, "topologyName": name}),
        ("ClusterQueue", {"namespaceSelector": {}, "resourceGroups": [group]}),
        ("LocalQueue", {"clusterQueue": name}),
    )
    for kind, spec in made:
        metadata = {"name": name} | ({"namespace": cluster.namespace} if kind == "LocalQueue" else {})
        cluster.apply({"apiVersion": KUEUE, "kind": kind, "metadata": metadata, "spec": spec})
    yield name
    for kind, _ in reversed(made):
        cluster.kubectl("delete", kind.lower(), name)


@pytest.mark.parametrize("target", ["job", "jobset"])
def test_kueue_assigns_nodes_by_the_level_that_is_required(cluster: Cluster, near_queue: str, target: str) -> None:
    client = Client(connect("", kubeconfig=str(cluster.kubeconfig)))
    hardware = Hardware(topology=Topology(level=LEVEL, required=True))
    context = Context(
        name="c", store="s3://b", image="i", worker_image="w", user=1000, queue=near_queue, hardware=hardware
    )
    asked = Resources(cpu="100m", memory="64Mi")
    step = FunctionStep(name="near", function="m:f", runtime=Torch(nodes=2), resources=asked)
    run, namespace = new_run_id(datetime.now(UTC)), cluster.namespace
    place = Submission(run=run, flow="f", context=context, namespace=namespace, targets={"torch": target})
    made = [create(client, each) for each in render(Gang(place, step, "near", 0, 1))]
    owner = {"kueue.x-k8s.io/job-uid": made[-1]["metadata"]["uid"]}

    def workloads() -> list[dict[str, Any]]:
        return client.list(WORKLOAD, namespace=namespace, labels=owner).items

    def assigned() -> list[dict[str, Any]]:
        return [each for workload in workloads() for each in _assignments(workload)]

    try:
        (assignment,) = wait_for(assigned, patience_s=PATIENCE_S)
        (workload,) = workloads()
        assert workload["spec"]["podSets"][0]["topologyRequest"]["required"] == LEVEL
        assert (assignment["count"], assignment["topologyAssignment"]["levels"]) == (2, [LEVEL])
    finally:
        for each in reversed(made):
            client.delete(kind_of(each), each["metadata"]["name"], namespace=namespace, propagation="Background")
        wait_for(lambda: not workloads(), patience_s=PATIENCE_S)


def _assignments(workload: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (workload.get("status", {}).get("admission") or {}).get("podSetAssignments", [])
    return found
