"""Queues of a test's own, whose quota is the test's to give."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from engines.kubernetes.fates import remove
from engines.local.driving import Driver, wait_for
from fairlead.kube.client import Client
from fairlead.kube.resources import POD
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.store.opened import Store
from fairlead.targets import naming
from servers.cluster import Cluster

_KUEUE = "kueue.x-k8s.io/v1beta2"


class Queue(NamedTuple):
    """A LocalQueue, and its ClusterQueue of the same name, in which a higher priority takes the place of a lower one."""

    cluster: Cluster
    name: str

    def grant(self, cpu: str) -> None:
        """Let it admit what asks for so many CPUs together; of nothing else it is short."""
        quotas = [("cpu", cpu), ("memory", "24Gi"), ("pods", "100")]
        resources = [{"name": resource, "nominalQuota": amount} for resource, amount in quotas]
        group = {
            "coveredResources": [resource for resource, _ in quotas],
            "flavors": [{"name": "default", "resources": resources}],
        }
        preemption = {"withinClusterQueue": "LowerPriority"}
        spec = {"namespaceSelector": {}, "preemption": preemption, "resourceGroups": [group]}
        self.cluster.apply(
            {"apiVersion": _KUEUE, "kind": "ClusterQueue", "metadata": {"name": self.name}, "spec": spec}
        )

    def workloads(self) -> list[dict[str, Any]]:
        """Return what stands in it, or was admitted by it."""
        found = self.cluster.get("workloads")["items"]
        return [each for each in found if each["spec"].get("queueName") == self.name]


@contextmanager
def new_queue(cluster: Cluster, *, cpu: str) -> Iterator[Queue]:
    """Make a queue with quota for so many CPUs, and remove it at the end."""
    if "kueue" in cluster.absent:
        pytest.fail(cluster.absent["kueue"])
    queue = Queue(cluster, f"queue-{uuid.uuid4().hex[:8]}")
    queue.grant(cpu)
    metadata = {"name": queue.name, "namespace": cluster.namespace}
    spec = {"clusterQueue": queue.name}
    cluster.apply({"apiVersion": _KUEUE, "kind": "LocalQueue", "metadata": metadata, "spec": spec})
    try:
        yield queue
    finally:
        cluster.kubectl("delete", "localqueue", queue.name)
        cluster.kubectl("delete", "clusterqueue", queue.name, "--wait=false")  # it goes when nothing is in it any more


def admitted_whole(queue: Queue, store: Store, client: Client, flow: str, *, enough: str, patience_s: float) -> str:
    """Run a flow of one gang whose queue has quota for a part of it, and later for all of it; returns the run.

    Args:
        queue: The queue of the context.
        store: The store of the context.
        client: A client of its cluster.
        flow: The flow, as it is run.
        enough: The CPUs that the gang asks for, or more.
        patience_s: Seconds until it waits, and until it has ended.
    """
    # its quota is not enough yet, for which a run is refused where nothing is said of waiting
    driver = Driver(home(), "run", flow, "--unschedulable", "warn", "-o", "json", store=store)
    try:
        said = wait_for(lambda: _waits_for(store, driver.run), patience_s=patience_s)
        assert queue.name in said
        assert not _let_go(client, driver.run)
        assert len(queue.workloads()) == 1  # what the gang's object makes of itself is not queued beside it
        queue.grant(enough)
        ended = driver.ended(patience_s)
    finally:
        driver.end()
        remove(client, driver.run)
    assert ended.report.status == "succeeded"
    (step,) = ended.report.steps
    assert [each.status for each in step.attempts] == ["succeeded"]
    return driver.run


def _waits_for(store: Store, run: str) -> str:
    """Return what the only step of a run says that waits for quota, in its queue's words; nothing before."""
    (step,) = read_report(store.backend, run).steps
    assert step.status != "running", "nothing holds it back: the cluster's Kueue does not manage its kind"
    return (step.reason or "") if step.status == "waiting-quota" and "insufficient" in (step.reason or "") else ""


def _let_go(client: Client, run: str) -> list[str]:
    """Return the names of the pods of a run's gangs that may be scheduled; those that wait for gangs are not of them."""
    found = [
        each for each in client.list(POD, labels={naming.RUN: run}).items if not each["spec"].get("schedulingGates")
    ]
    return [each["metadata"]["name"] for each in found if naming.GANG in each["metadata"].get("annotations", {})]
