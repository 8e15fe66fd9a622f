"""Steps for which a cluster of Ray or Dask works: made by the real operators, the same flow as on a laptop."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.kubernetes import beside
from engines.kubernetes.queues import admitted_whole, new_queue
from engines.local.driving import Driver, wait_for
from fairlead.cli.main import call
from fairlead.kube.client import Client
from fairlead.runs import contexts
from fairlead.runs.home import home
from fairlead.runs.logs import Log
from fairlead.runs.reporting import read_report
from fairlead.runs.results import flow_result
from fairlead.specs.contexts import Context
from fairlead.store.layout import Task
from fairlead.store.opened import Store
from fairlead.targets import naming
from servers.cluster import Cluster
from testbed import operators

pytestmark = [pytest.mark.components, pytest.mark.timeout(1200)]

PATIENCE_S = 600.0
with_ray, with_dask = pytest.mark.components("kuberay"), pytest.mark.components("dask-kubernetes")
ray, dask, image = beside.running(operators.kuberay), beside.running(operators.dask), beside.image("frameworks")
RAY = "rayjobs.ray.io,rayclusters.ray.io"
DASK = "daskjobs.kubernetes.dask.org,daskclusters.kubernetes.dask.org"
HELPER = """
import socket

def square(x: int) -> tuple[str, int]:
    return socket.gethostname(), x * x
"""
FLOW = '''
import time

import fairlead
from fairlead import Retries, flow, runtimes, step, sweep
from fairlead.space import uniform
from helper import square

SMALL = {"cpu": "200m", "memory": "1Gi", "cache": False, "image": "@IMAGE@"}
ONCE = Retries(user=0, infrastructure=0)


# Ray gives a node 30 seconds to begin, which 200m are too few for: it would be made again and again.
BY_ROLE = {"head": runtimes.role(cpu="400m", memory="2Gi"), "worker": runtimes.role(cpu="400m", memory="1Gi")}

@step(runtime=runtimes.ray(workers=1, roles=BY_ROLE), retries=ONCE, **SMALL)
def by_ray(count: int) -> tuple[int, int]:
    """Have Ray square numbers on as many nodes as there are."""
    return squared_by_ray(count)


def squared_by_ray(count: int) -> tuple[int, int]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init()
    while len(nodes := [node["NodeID"] for node in ray.nodes() if node["Alive"]]) < 2:
        time.sleep(1)
    each = ray.remote(square)
    there = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    asked = [each.options(scheduling_strategy=there[x % 2], num_cpus=0.1).remote(x) for x in range(count)]
    found = ray.get(asked)
    print(f"squared on {sorted({host for host, _ in found})}", flush=True)
    return sum(square for _, square in found), len({host for host, _ in found})


@step(runtime=runtimes.dask(workers=2), retries=ONCE, **SMALL)
def by_dask(count: int) -> tuple[int, int]:
    """Have Dask do the same."""
    return squared_by_dask(count)


def squared_by_dask(count: int) -> tuple[int, int]:
    from distributed import Client

    with Client() as client:
        client.wait_for_workers(2)
        found = client.gather(client.map(square, range(count), pure=False))
    print(f"squared on {sorted({host for host, _ in found})}", flush=True)
    return sum(square for _, square in found), len({host for host, _ in found})


@step(runtime=runtimes.ray(cluster="shared-ray"), retries=ONCE, **SMALL)
def into_ray(count: int) -> tuple[int, int]:
    """Have a Ray square them that stands."""
    return squared_by_ray(count)


@step(runtime=runtimes.dask(cluster="shared-dask"), retries=ONCE, **SMALL)
def into_dask(count: int) -> tuple[int, int]:
    """Have a Dask do the same."""
    return squared_by_dask(count)


@step(runtime=runtimes.dask(cluster="shared-dask"), retries=ONCE, **SMALL)
def asking_much() -> None:
    """Have a Dask work until somebody cancels it."""
    from distributed import Client

    with Client() as client:
        working = client.map(time.sleep, [0.5] * 2000, pure=False)
        working[0].result()
        print("begun", flush=True)
        client.gather(working)


@step(runtime=runtimes.dask(workers=1), retries=ONCE, **SMALL)
def broken() -> None:
    raise ValueError("no luck")


@step(runtime=runtimes.ray(workers=1, roles=BY_ROLE), retries=ONCE, **SMALL)
def endless() -> None:
    print("begun", flush=True)
    time.sleep(900)


@step(**SMALL)
def fit(rate: float, epochs: int) -> float:
    """Say which epochs were run."""
    print(f"begin {rate}", flush=True)
    for epoch in range(1, epochs + 1):
        time.sleep(1)
        print(f"epoch {rate}", flush=True)
        fairlead.log(loss=abs(rate - 0.5) + 1 / epoch, at=epoch)
    return rate


search = sweep(
    fit, over={"rate": uniform(0, 1)}, trials=6, minimize="loss", sampler="random", pruner="halving", seed=3
)


@flow
def with_ray(count: int = 40):
    return by_ray(count)


@flow
def with_dask(count: int = 40):
    return by_dask(count)


@flow
def with_shared_ray(count: int = 40):
    return into_ray(count)


@flow
def with_shared_dask(count: int = 40):
    return into_dask(count)


@flow
def waiting_for_shared():
    asking_much()


@flow
def breaking():
    broken()


@flow
def lasting():
    endless()
'''


def leftovers(cluster: Cluster, kinds: str, run: str) -> list[str]:
    """Return what a run has left of an operator's kinds."""
    listed = cluster.get(kinds, f"--selector={naming.RUN}={run}")["items"]
    return [f"{each['kind']} {each['metadata']['name']}" for each in listed]


@pytest.mark.parametrize(
    ("operator", "kinds"), [pytest.param("dask", DASK, marks=with_dask), pytest.param("ray", RAY, marks=with_ray)]
)
def test_the_nodes_of_a_cluster_run_the_project_s_functions_for_a_step(
    operator: str, kinds: str, request: Any, cluster: Cluster, store: Store, file: Path, capsys: Any
) -> None:
    request.getfixturevalue(operator)
    assert call(["run", f"{file}:with_{operator}", "--quiet", "-o", "json"]) == 0, capsys.readouterr()
    run = json.loads(capsys.readouterr().out)["run"]
    total, hosts = flow_result(store, run)
    assert (total, hosts >= 2) == (sum(x * x for x in range(40)), True)
    (step,) = read_report(store.backend, run).steps
    (attempt,) = step.attempts
    assert (attempt.status, attempt.rank) == ("succeeded", None)
    assert call(["logs", f"{run}/{step.name}/0"]) == 0
    assert "squared on ['" in capsys.readouterr().out
    wait_for(lambda: not leftovers(cluster, kinds, run), patience_s=PATIENCE_S)


@with_ray
def test_a_queue_admits_the_head_and_the_workers_of_a_ray_cluster_together(
    ray: None, registered: Context, cluster: Cluster, store: Store, client: Client, file: Path
) -> None:
    with new_queue(cluster, cpu="500m") as queue:  # the head alone
        contexts.add(msgspec.structs.replace(registered, queue=queue.name))
        run = admitted_whole(queue, store, client, f"{file}:with_ray", enough="800m", patience_s=PATIENCE_S)
        assert flow_result(store, run)[0] == sum(x * x for x in range(40))
        wait_for(lambda: not leftovers(cluster, RAY, run) and not queue.workloads(), patience_s=PATIENCE_S)


@with_dask
def test_a_queue_admits_the_pods_of_a_dask_cluster_together(
    dask: None, registered: Context, cluster: Cluster, store: Store, client: Client, file: Path
) -> None:
    with new_queue(cluster, cpu="500m") as queue:  # two of its four pods
        contexts.add(msgspec.structs.replace(registered, queue=queue.name))
        run = admitted_whole(queue, store, client, f"{file}:with_dask", enough="800m", patience_s=PATIENCE_S)
        assert flow_result(store, run)[0] == sum(x * x for x in range(40))
        wait_for(lambda: not leftovers(cluster, DASK, run) and not queue.workloads(), patience_s=PATIENCE_S)


@pytest.fixture
def shared_ray(ray: None, cluster: Cluster, file: Path, capsys: Any) -> Iterator[str]:
    """A RayCluster that stands, as it is rendered; yields its name."""
    with standing(
        cluster, "rayclusters.ray.io", [f"{file}:by_ray", "--as", "RayCluster", "--name", "shared-ray"], capsys
    ):
        yield "shared-ray"


@pytest.fixture
def shared_dask(dask: None, cluster: Cluster, file: Path, capsys: Any) -> Iterator[str]:
    """A DaskCluster that stands, likewise."""
    words = [f"{file}:by_dask", "--as", "DaskCluster", "--name", "shared-dask"]
    with standing(cluster, "daskclusters.kubernetes.dask.org", words, capsys):
        yield "shared-dask"


@contextmanager
def standing(cluster: Cluster, kind: str, words: list[str], capsys: Any) -> Iterator[None]:
    """Apply what is rendered, wait until all its nodes are ready, and remove it after that."""
    assert call(["render", *words, "-o", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    name = made["metadata"]["name"]
    cluster.apply(made)
    try:
        wait_for(lambda: len(ready(cluster, name)) >= 2, patience_s=PATIENCE_S)
        yield
    finally:
        cluster.kubectl("delete", kind, name, "--wait=true", "--timeout=120s")
        wait_for(lambda: not nodes(cluster, name), patience_s=PATIENCE_S)


def nodes(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    """Return the pods of a cluster of Ray or Dask."""
    both = [f"--selector={label}={name}" for label in ("ray.io/cluster", "dask.org/cluster-name")]
    return [pod for selector in both for pod in cluster.get("pods", selector)["items"]]


def ready(cluster: Cluster, name: str) -> list[str]:
    """Return the hosts of a cluster's pods that are ready."""
    return [
        each["metadata"]["name"]
        for each in nodes(cluster, name)
        if any(part["type"] == "Ready" and part["status"] == "True" for part in each["status"].get("conditions", ()))
    ]


@pytest.mark.parametrize("framework", [pytest.param("dask", marks=with_dask), pytest.param("ray", marks=with_ray)])
def test_a_step_sends_its_project_s_functions_into_a_cluster_that_stands(
    framework: str, request: Any, cluster: Cluster, store: Store, file: Path, capsys: Any
) -> None:
    name = request.getfixturevalue(f"shared_{framework}")
    assert call(["run", f"{file}:with_shared_{framework}", "--quiet", "-o", "json"]) == 0, capsys.readouterr()
    run = json.loads(capsys.readouterr().out)["run"]
    total, hosts = flow_result(store, run)
    assert (total, hosts >= 2) == (sum(x * x for x in range(40)), True)
    (step,) = read_report(store.backend, run).steps
    (attempt,) = step.attempts
    assert (attempt.status, attempt.rank) == ("succeeded", None)
    assert call(["logs", f"{run}/{step.name}/0"]) == 0
    (line,) = (each for each in capsys.readouterr().out.splitlines() if "squared on ['" in each)
    there = ready(cluster, name)
    assert sum(each in line for each in there) >= 2, (line, there)
    assert f"into-{framework}" not in line and f"into_{framework}" not in line
    assert not leftovers(cluster, RAY if framework == "ray" else DASK, run)


@with_dask
def test_a_step_that_is_cancelled_leaves_a_cluster_that_stands_to_others(
    shared_dask: str, cluster: Cluster, store: Store, file: Path, capsys: Any
) -> None:
    driver = Driver(home(), "run", f"{file}:waiting_for_shared", "-o", "json", store=store)
    try:
        logs = ["logs", f"{driver.run}/asking_much/0"]
        wait_for(lambda: call(logs) == 0 and "begun" in capsys.readouterr().out, patience_s=PATIENCE_S)
        assert call(["cancel", driver.run]) == 0
        assert driver.ended(PATIENCE_S).report.status == "cancelled"
    finally:
        driver.end()
    assert call(["run", f"{file}:with_shared_dask", "--quiet", "-o", "json"]) == 0, capsys.readouterr()


@with_dask
def test_an_error_of_a_step_is_the_step_s_and_its_cluster_is_taken_away(
    dask: None, cluster: Cluster, store: Store, file: Path, capsys: Any
) -> None:
    assert call(["run", f"{file}:breaking", "--quiet", "-o", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    (attempt,) = report["steps"][0]["attempts"]
    assert (attempt["status"], attempt["error"]["type"], attempt["error"]["message"]) == (
        "failed",
        "ValueError",
        "no luck",
    )
    wait_for(lambda: not leftovers(cluster, DASK, report["run"]), patience_s=PATIENCE_S)


@with_ray
def test_ray_tune_ends_trials_early_and_runs_none_again_that_ended_before_its_cluster_was_lost(
    ray: None, cluster: Cluster, store: Store, file: Path, capsys: Any
) -> None:
    driver = Driver(
        home(), "run", f"{file}:search", "--epochs", "8", "--target", "sweep=raytune", "-o", "json", store=store
    )
    try:
        run = driver.run
        wait_for(lambda: len(told(store, run, 1)) >= 2, patience_s=PATIENCE_S)
        cluster.kubectl("delete", "rayjobs.ray.io", f"--selector={naming.RUN}={run}", "--wait=false")
        assert driver.ended(PATIENCE_S).report.status == "succeeded"
    finally:
        driver.end()
    (step,) = read_report(store.backend, run).steps
    assert len(step.attempts) == 2, (
        "what the first lost with its cluster is not the step's error: it has no further try"
    )
    lines = [line for number in (1, 2) for line in log_of(store, run, number)]
    begun = Counter(float(line.partition("begin ")[2]) for line in lines if "begin " in line)
    assert len(begun) == 6
    assert {begun[each["parameters"]["rate"]] for each in told(store, run, 1)} == {1}
    states = Counter(each["state"] for each in told(store, run, 2))
    assert states.total() == 6 and states["pruned"] > 0
    assert sum("epoch " in line for line in lines) < 6 * 8
    assert flow_result(store, run)["value"] == flow_result(store, run)["parameters"]["rate"]
    wait_for(lambda: not leftovers(cluster, RAY, run), patience_s=PATIENCE_S)


def log_of(store: Store, run: str, number: int) -> list[str]:
    """Return the lines of an attempt of the sweep."""
    log = Log(store, run, Task("sweep-fit", 0, number, 0))
    return b"".join(log.blocks()).decode(errors="replace").splitlines()


def told(store: Store, run: str, number: int) -> list[dict[str, Any]]:
    """Return what an attempt of the sweep has said of its trials."""
    return [json.loads(line) for line in log_of(store, run, number) if line.startswith('{"trial":')]


@with_ray
def test_a_run_that_is_cancelled_takes_its_ray_cluster_with_it(
    ray: None, cluster: Cluster, store: Store, file: Path, capsys: Any
) -> None:
    driver = Driver(home(), "run", f"{file}:lasting", "-o", "json", store=store)
    try:
        run = driver.run
        logs = ["logs", f"{run}/endless/0"]
        wait_for(lambda: call(logs) == 0 and "begun" in capsys.readouterr().out, patience_s=PATIENCE_S)
        assert call(["cancel", run]) == 0
        assert driver.ended(PATIENCE_S).report.status == "cancelled"
    finally:
        driver.end()
    wait_for(lambda: not leftovers(cluster, RAY, run), patience_s=PATIENCE_S)
