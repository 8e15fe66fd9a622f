"""Steps with the runtime ``mpi`` as jobs of the real MPI Operator: ranks that reduce together, fail, or are cancelled."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from fairlead.runs.reporting import read_report
from fairlead.runs.results import flow_result
from fairlead.specs.contexts import Context
from fairlead.specs.reports import RunReport, StepReport
from fairlead.store.opened import Store
from fairlead.targets import naming
from servers.cluster import Cluster
from testbed import operators

pytestmark = [pytest.mark.components("mpi-operator"), pytest.mark.usefixtures("operator"), pytest.mark.timeout(900)]

PATIENCE_S = 300.0
operator, image = beside.running(operators.mpi), beside.image("mpi")
FLOW = '''
import os
import socket
import time

from fairlead import Retries, flow, runtimes, step

SMALL = {"image": "@IMAGE@", "cpu": "100m", "memory": "256Mi", "cache": False}


def added() -> float:
    """Add up what each rank has, by MPI."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    rank, ranks = world.Get_rank(), world.Get_size()
    assert (str(rank), str(ranks)) == (os.environ["RANK"], os.environ["WORLD_SIZE"])
    total = world.allreduce(10.0**rank)
    print(f"rank {rank} of {ranks} on {socket.gethostname()} has {total}", flush=True)
    return total + rank


@step(runtime=runtimes.mpi(nodes=2), **SMALL)
def reduced() -> float:
    return added()


@step(runtime=runtimes.mpi(nodes=2, processes_per_node=2), **SMALL)
def packed() -> float:
    return added()


@step(runtime=runtimes.mpi(nodes=2), retries=Retries(user=1, infrastructure=0), **SMALL)
def broken() -> None:
    if os.environ["RANK"] == "1":
        raise ValueError(f"no luck in attempt {os.environ['FAIRLEAD_ATTEMPT']}")
    time.sleep(600)


@step(runtime=runtimes.mpi(nodes=2), **SMALL)
def endless() -> None:
    print("begun", flush=True)
    time.sleep(600)


@step(runtime=runtimes.mpi(nodes=2), cpu="50m", memory="128Mi", cache=False)
def bare() -> None:
    """Run in an image that has neither MPI nor SSH."""


@flow
def reducing():
    return reduced()


@flow
def packing():
    return packed()


@flow
def breaking():
    broken()


@flow
def lasting():
    endless()


@flow
def lacking():
    bare()
'''


@pytest.fixture
def leftovers(operator: Cluster) -> Callable[[str], list[str]]:
    def found(run: str) -> list[str]:
        listed = operator.get("mpijobs.kubeflow.org", f"--selector={naming.RUN}={run}")["items"]
        return [str(each["metadata"]["name"]) for each in listed]

    return found


@pytest.mark.parametrize(("flow", "value"), [("reducing", 11.0), ("packing", 1111.0)])
def test_ranks_are_one_world_over_both_pods_and_rank_0_says_what_came_of_it(
    flow: str, value: float, store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    assert call(["run", f"{file}:{flow}", "-o", "json"]) == 0, capsys.readouterr().err
    run = str(json.loads(capsys.readouterr().out)["run"])
    assert flow_result(store, run) == value
    step = _step(read_report(store.backend, run))
    (attempt,) = step.attempts
    assert (attempt.status, attempt.rank) == ("succeeded", None)
    ranks = len(str(int(value)))
    for rank in range(ranks):
        assert call(["logs", f"{run}/{step.name}/0/{rank}"]) == 0
        said = capsys.readouterr().out
        assert f"rank {rank} of {ranks} on {step.name}-" in said
        assert f"-worker-{rank * 2 // ranks} has {value}" in said
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_a_rank_that_fails_ends_the_attempt_and_each_one_counts(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    assert call(["run", f"{file}:breaking", "--target", "mpijob", "-o", "json"]) == 1
    run = json.loads(capsys.readouterr().out)["run"]
    first, second = _step(read_report(store.backend, run)).attempts
    for number, attempt in enumerate((first, second), 1):
        assert (attempt.status, attempt.rank) == ("failed", 1)
        assert attempt.error is not None
        assert (attempt.error.type, attempt.error.message) == ("ValueError", f"no luck in attempt {number}")
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_an_image_without_mpi_ends_the_step_at_once_and_is_told_what_it_lacks(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    assert call(["run", f"{file}:lacking", "-o", "json"]) == 1
    run = json.loads(capsys.readouterr().out)["run"]
    (attempt,) = _step(read_report(store.backend, run)).attempts
    assert attempt.error is not None
    assert attempt.error.type == "Launch" and "it has no mpirun" in attempt.error.message
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_a_pod_of_a_rank_is_entered_and_a_cancelled_run_leaves_nothing(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capfd: Any
) -> None:
    driver = Driver(home(), "run", f"{file}:lasting", "-o", "json", store=store)
    try:
        wait_for(lambda: _step(read_report(store.backend, driver.run)).status == "running", patience_s=PATIENCE_S)
        entered = ["exec", f"{driver.run}/endless", "--rank", "1", "--", "hostname"]
        wait_for(lambda: call(entered) == 0, patience_s=PATIENCE_S)
        assert "-worker-1" in capfd.readouterr().out
        assert leftovers(driver.run)
        assert call(["cancel", driver.run]) == 0
        assert driver.ended(PATIENCE_S).report.status == "cancelled"
    finally:
        driver.end()
    wait_for(lambda: not leftovers(driver.run), patience_s=PATIENCE_S)


def test_a_queue_admits_the_launcher_and_all_nodes_together(
    registered: Context,
    store: Store,
    client: Client,
    operator: Cluster,
    file: Path,
    leftovers: Callable[[str], list[str]],
) -> None:
    with new_queue(operator, cpu="350m") as queue:  # one node, and the launcher, which has 250m
        contexts.add(msgspec.structs.replace(registered, queue=queue.name))
        run = admitted_whole(queue, store, client, f"{file}:reducing", enough="450m", patience_s=PATIENCE_S)
        assert flow_result(store, run) == 11.0
        wait_for(lambda: not leftovers(run) and not queue.workloads(), patience_s=PATIENCE_S)


def _step(report: RunReport) -> StepReport:
    (step,) = report.steps
    return step
