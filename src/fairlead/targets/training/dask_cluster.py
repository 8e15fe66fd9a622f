"""Dask's own ``DaskCluster``: what a DaskJob has for one attempt, and what stands by itself for steps that share it.

Source: https://kubernetes.dask.org/en/latest/operator_resources.html#daskcluster
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.specs.runtimes import Dask
from fairlead.specs.steps import Step
from fairlead.targets import pods
from fairlead.targets.orders import Manifest
from fairlead.targets.training import nodes
from fairlead.targets.training.standing_cluster import Declared, made
from fairlead.targets.training.target import Resource

CLUSTER = Resource("kubernetes.dask.org", "v1", "DaskCluster", "daskclusters")
_SCHEDULER, _DASHBOARD = 8786, 8787


def render(declared: Declared) -> Manifest:
    """Compile a cluster that stands."""
    return made(declared, CLUSTER, spec_of(declared.name, declared.step, declared.node))


def spec_of(name: str, step: Step, node: Callable[[str], Manifest]) -> Manifest:
    """Return what a cluster is for a step.

    Args:
        name: The cluster's name.
        step: The step.
        node: Returns the template of a node of a role.
    """
    assert isinstance(step.runtime, Dask)
    ports = {"tcp-comm": _SCHEDULER, "http-dashboard": _DASHBOARD}
    service = {
        "type": "ClusterIP",
        "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
        "ports": [{"name": name, "protocol": "TCP", "port": port, "targetPort": name} for name, port in ports.items()],
    }
    return {
        "scheduler": {**_scheduler(node("scheduler"), ports), "service": service},
        "worker": {**_worker(step, node("worker")), "replicas": step.runtime.workers},
    }


def _scheduler(template: Manifest, ports: dict[str, int]) -> Manifest:
    address = [f"--port={_SCHEDULER}", f"--dashboard-address=:{_DASHBOARD}"]
    scheduler = nodes.with_main(
        template,
        command=["python3", "-m", "distributed.cli.dask_scheduler", *address],
        ports=[{"name": name, "containerPort": port} for name, port in ports.items()],
        readinessProbe={"httpGet": {"path": "/health", "port": "http-dashboard"}, "periodSeconds": 2},
    )
    return nodes.lasting(scheduler)


def _worker(step: Step, template: Manifest) -> Manifest:
    each = pods.of_role(step, "worker").resources
    limits = [f"--nthreads={max(1, each.cpu_millis // 1000)}", f"--memory-limit={each.memory_bytes or 0}"]
    worker = nodes.with_main(
        template,
        command=["python3", "-m", "distributed.cli.dask_worker", "--name=$(DASK_WORKER_NAME)", *limits],
    )
    return nodes.lasting(worker)
