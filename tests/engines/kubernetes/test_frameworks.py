"""Steps for which a cluster of Ray or Dask works: made by the real operators, the same flow as on a laptop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.local.driving import Driver, wait_for
from fairlead.cli.main import call
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.runs.results import flow_result
from fairlead.specs.contexts import Context
from fairlead.store.opened import Store
from fairlead.targets import naming
from servers.cluster import Cluster
from testbed import images, operators, state, versions

pytestmark = [pytest.mark.components, pytest.mark.timeout(1200)]

PATIENCE_S = 600.0
FILES = Path(__file__).parent / "frameworks"
RAY = "rayjobs.ray.io,rayclusters.ray.io"
DASK = "daskjobs.kubernetes.dask.org,daskclusters.kubernetes.dask.org"
HELPER = """
import socket

def square(x: int) -> tuple[str, int]:
    return socket.gethostname(), x * x
"""
FLOW = '''
import time

from fairlead import Retries, flow, runtimes, step
from helper import square

SMALL = {"cpu": "200m", "memory": "1Gi", "cache": False, "image": "@IMAGE@"}
ONCE = Retries(user=0, infrastructure=0)


@step(runtime=runtimes.ray(workers=1, roles={"head": runtimes.role(cpu="400m", memory="2Gi")}), retries=ONCE, **SMALL)
def by_ray(count: int) -> tuple[int, int]:
    """Have Ray square numbers on as many nodes as there are."""
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
    from distributed import Client

    with Client() as client:
        client.wait_for_workers(2)
        found = client.gather(client.map(square, range(count), pure=False))
    print(f"squared on {sorted({host for host, _ in found})}", flush=True)
    return sum(square for _, square in found), len({host for host, _ in found})


@step(runtime=runtimes.dask(workers=1), retries=ONCE, **SMALL)
def broken() -> None:
    raise ValueError("no luck")


@step(runtime=runtimes.ray(workers=1, roles={"head": runtimes.role(cpu="400m", memory="2Gi")}), retries=ONCE, **SMALL)
def endless() -> None:
    print("begun", flush=True)
    time.sleep(900)


@flow
def with_ray(count: int = 40):
    return by_ray(count)


@flow
def with_dask(count: int = 40):
    return by_dask(count)


@flow
def breaking():
    broken()


@flow
def lasting():
    endless()
'''


@pytest.fixture(scope="module")
def ray(cluster: Cluster) -> Iterator[None]:
    """KubeRay, beside the cluster."""
    with operators.kuberay(state.current()):
        yield


@pytest.fixture(scope="module")
def dask(cluster: Cluster) -> Iterator[None]:
    """Dask's operator, beside the cluster."""
    with operators.dask(state.current()):
        yield


@pytest.fixture(scope="module")
def image(cluster: Cluster) -> str:
    """An image with Ray and Dask, built where it is not there yet."""
    tag = versions.digest([(FILES / "Containerfile").read_bytes(), images.python_tag().encode()])
    images.load(FILES / "Containerfile", FILES, f"localhost/fairlead-frameworks:{tag}")
    return f"localhost/fairlead-frameworks:{tag}"


@pytest.fixture
def file(tmp_path: Path, image: str) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "flow.py").write_text(FLOW.replace("@IMAGE@", image))
    return tmp_path / "flow.py"


@pytest.fixture
def store(registered: Context) -> Store:
    return Store(registered.store, home() / "host")


def leftovers(cluster: Cluster, kinds: str, run: str) -> list[str]:
    """Return what a run has left of an operator's kinds."""
    listed = cluster.get(kinds, f"--selector={naming.RUN}={run}")["items"]
    return [f"{each['kind']} {each['metadata']['name']}" for each in listed]


@pytest.mark.parametrize(("operator", "kinds"), [("dask", DASK), ("ray", RAY)])
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
