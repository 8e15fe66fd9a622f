"""Steps with ranks on a real cluster, as each of the components' kinds: ranks that compute together, fail, or go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.local.driving import Driver, wait_for
from fairlead.cli.main import call
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.runs.results import flow_result
from fairlead.specs.reports import RunReport, StepReport
from fairlead.store.opened import Store
from fairlead.targets import naming
from fairlead.targets.training.table import targets
from servers.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

PATIENCE_S = 300.0
COMPONENTS = {"job": "kubernetes", "jobset": "jobset", "trainjob": "trainer"}
"""The targets that the testbed has a component for, and its name there."""
FLOW = '''
import os
import socket
import time

from fairlead import Retries, flow, runtimes, step

ASKED = {"cpu": "300m", "memory": "768Mi", "cache": False}


@step(runtime=runtimes.jax(nodes=2), **ASKED)
def reduced() -> float:
    """Add up what each rank has: XLA makes it an all-reduce over both pods."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    jax.distributed.initialize(address, num_processes=ranks, process_id=rank)
    mesh = Mesh(np.array(jax.devices()), ("ranks",))
    spread, everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("ranks",), ()))
    own = jax.make_array_from_process_local_data(spread, np.float32([10.0 ** rank]))
    total = float(jax.jit(jnp.sum, out_shardings=everywhere)(own))
    print(f"rank {rank} of {ranks} on {socket.gethostname()} has {total}", flush=True)
    jax.distributed.shutdown()
    return total + rank


@step(runtime=runtimes.torch(nodes=2), retries=Retries(user=1, infrastructure=0), cpu="50m", memory="128Mi", cache=False)
def broken() -> None:
    if os.environ["RANK"] == "1":
        raise ValueError(f"no luck in attempt {os.environ['FAIRLEAD_ATTEMPT']}")
    time.sleep(600)


@step(runtime=runtimes.torch(nodes=2), cpu="50m", memory="128Mi", cache=False)
def endless() -> None:
    print("begun", flush=True)
    time.sleep(600)


@flow
def reducing():
    return reduced()


@flow
def breaking():
    broken()


@flow
def lasting():
    endless()
'''


@pytest.fixture(params=COMPONENTS)
def target(request: pytest.FixtureRequest, cluster: Cluster) -> str:
    component = COMPONENTS[request.param]
    if component in cluster.absent:
        pytest.fail(f"the testbed is up without {component}: {cluster.absent[component]}")
    return str(request.param)


@pytest.fixture
def leftovers(cluster: Cluster, target: str) -> Callable[[str], list[str]]:
    """Return what lists the objects of a run's gangs that are still there, of all kinds that the target creates."""
    kinds = ",".join(f"{each.plural}.{each.group}".rstrip(".") for each in targets()[target].resources)

    def found(run: str) -> list[str]:
        listed = cluster.get(kinds, f"--selector={naming.RUN}={run}")["items"]
        return [f"{each['kind']} {each['metadata']['name']}" for each in listed]

    return found


def test_ranks_in_two_pods_reduce_together_and_rank_0_says_what_came_of_it(
    store: Store, file: Path, target: str, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    assert call(["run", f"{file}:reducing", "--target", target, "-o", "json"]) == 0, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]
    assert flow_result(store, run) == 11.0
    (attempt,) = _step(read_report(store.backend, run)).attempts
    assert (attempt.status, attempt.rank) == ("succeeded", None)
    for rank in (0, 1):
        assert call(["logs", f"{run}/reduced/0/{rank}"]) == 0
        said = capsys.readouterr().out
        name = f"-{rank}" if target == "job" else f"-1-0-1-node-0-{rank}"
        assert f"rank {rank} of 2 on reduced-" in said and f"{name} has 11.0" in said
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


@pytest.mark.slow
def test_a_rank_that_fails_ends_the_attempt_and_each_one_counts(
    store: Store, file: Path, target: str, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    assert call(["run", f"{file}:breaking", "--target", target, "-o", "json"]) == 1
    run = json.loads(capsys.readouterr().out)["run"]
    first, second = _step(read_report(store.backend, run)).attempts
    for number, attempt in enumerate((first, second), 1):
        assert (attempt.status, attempt.rank) == ("failed", 1)
        assert attempt.error is not None
        assert (attempt.error.type, attempt.error.message) == ("ValueError", f"no luck in attempt {number}")
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


@pytest.mark.slow
def test_a_pod_of_a_rank_is_entered_and_a_cancelled_run_leaves_nothing(
    store: Store, file: Path, target: str, leftovers: Callable[[str], list[str]], capfd: Any
) -> None:
    driver = Driver(home(), "run", f"{file}:lasting", "--target", target, "-o", "json", store=store)
    try:
        wait_for(lambda: _step(read_report(store.backend, driver.run)).status == "running", patience_s=PATIENCE_S)
        entered = ["exec", f"{driver.run}/endless", "--rank", "1", "--", "hostname"]
        wait_for(lambda: call(entered) == 0, patience_s=PATIENCE_S)
        assert "endless-" in capfd.readouterr().out
        assert leftovers(driver.run)
        assert call(["cancel", driver.run]) == 0
        assert driver.ended(PATIENCE_S).report.status == "cancelled"
    finally:
        driver.end()
    wait_for(lambda: not leftovers(driver.run), patience_s=PATIENCE_S)


def _step(report: RunReport) -> StepReport:
    (step,) = report.steps
    return step
