"""Steps with ranks as jobs of the real Training Operator: ranks that train together, fail, are cancelled, or come again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.kubernetes import beside
from engines.local.driving import Driver, wait_for
from fairlead.cli.main import call
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.runs.results import flow_result
from fairlead.specs.reports import RunReport, StepReport
from fairlead.store.opened import Store
from fairlead.targets import naming
from servers.cluster import Cluster
from testbed import training_operator

pytestmark = [
    pytest.mark.components("training-operator"),
    pytest.mark.usefixtures("operator"),
    pytest.mark.timeout(900),
]

PATIENCE_S = 300.0
operator, image = beside.running(training_operator.operated), beside.image("torch")
FLOW = '''
import os
import socket
import time

from fairlead import Retries, flow, runtimes, step
from fairlead.specs.steps import Overlay

TORCH = "@IMAGE@"
# Debian's torch 1.13 does not get along with the flags of Python 3.11 where all ranks are alike; no node here has a rank 9.
ALIKE = [{"name": name, "value": "9:1"} for name in ("PET_REDIRECTS", "PET_TEE")]
AGENT = [Overlay(kind="Pod", patch={"containers": [{"name": "main", "env": ALIKE}]})]
SMALL = {"cpu": "100m", "memory": "512Mi", "cache": False}


@step(runtime=runtimes.jax(nodes=2), cpu="300m", memory="768Mi", cache=False)
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


def most_rounds() -> int:
    """Return how often agents have begun anew because of a rank of theirs: each counts its own."""
    import torch
    import torch.distributed as dist

    found = torch.tensor([int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))])
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return int(found)


def trained() -> tuple[float, int]:
    """Fit y = 3 x, each rank on data of its own; both end with the same weight only if gradients are averaged."""
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    dist.init_process_group("gloo")
    torch.manual_seed(dist.get_rank())
    model = DistributedDataParallel(torch.nn.Linear(1, 1, bias=False))
    steps = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(60):
        x = torch.rand(16, 1)
        steps.zero_grad()
        torch.nn.functional.mse_loss(model(x), 3 * x).backward()
        steps.step()
    weight = float(next(model.parameters()))
    both = [torch.zeros(1) for _ in range(dist.get_world_size())]
    dist.all_gather(both, torch.tensor([weight]))
    print(f"rank {dist.get_rank()} on {socket.gethostname()} has {weight}", flush=True)
    assert len({float(each) for each in both}) == 1 and len(both) == 2
    rounds = most_rounds()
    time.sleep(1)  # gloo's threads of torch 1.13 let go of tensors, which needs the lock that their end is waited for with
    dist.destroy_process_group()
    return weight, rounds


@step(runtime=runtimes.torch(nodes=2), image=TORCH, **SMALL)
def together() -> float:
    return trained()[0]


@step(runtime=runtimes.torch(nodes=2, nodes_min=1), image=TORCH, overlays=AGENT, **SMALL)
def elastic() -> tuple[float, int]:
    if (os.environ["TORCHELASTIC_RESTART_COUNT"], os.environ["RANK"]) == ("0", "1"):
        os._exit(7)
    return trained()


@step(runtime=runtimes.torch(nodes=2, nodes_min=1), image=TORCH, overlays=AGENT, **SMALL)
def deserted() -> int:
    """Go on until another round has begun; a rank that loses the others has an error, and its agent begins one."""
    import torch.distributed as dist

    dist.init_process_group("gloo")
    print(f"round {most_rounds()} with {dist.get_world_size()}", flush=True)
    while not (found := most_rounds()):
        time.sleep(0.2)
    dist.destroy_process_group()
    return found


@step(runtime=runtimes.torch(nodes=2), retries=Retries(user=1, infrastructure=0), cpu="50m", memory="128Mi", cache=False)
def broken() -> None:
    if os.environ["RANK"] == "1":
        raise ValueError(f"no luck in attempt {os.environ['FAIRLEAD_ATTEMPT']}")
    time.sleep(600)


@step(runtime=runtimes.tensorflow(nodes=2), cpu="50m", memory="128Mi", cache=False)
def configured() -> list[str]:
    import json

    config = json.loads(os.environ["TF_CONFIG"])
    return [*config["cluster"]["worker"], config["task"]["type"], str(config["task"]["index"])]


@step(runtime=runtimes.xgboost(nodes=3), cpu="50m", memory="128Mi", cache=False)
def tracked() -> list[str]:
    """Be the first to end, as rank 0; the others leave their records all the same."""
    import socket

    rank = os.environ["DMLC_TASK_ID"]
    if rank != "0":
        time.sleep(8)
    print(f"rank {rank} on {socket.gethostname()}", flush=True)
    return [os.environ[f"DMLC_{name}"] for name in ("TRACKER_URI", "TRACKER_PORT", "NUM_WORKER", "TASK_ID")]


@step(runtime=runtimes.jax(nodes=2), cpu="50m", memory="128Mi", cache=False)
def endless() -> None:
    print("begun", flush=True)
    time.sleep(600)


@flow
def reducing():
    return reduced()


@flow
def training():
    return together()


@flow
def coming_again():
    return elastic()


@flow
def deserting():
    return deserted()


@flow
def breaking():
    broken()


@flow
def configuring():
    return configured()


@flow
def tracking():
    return tracked()


@flow
def lasting():
    endless()
'''


@pytest.fixture
def leftovers(operator: Cluster) -> Callable[[str], list[str]]:
    kinds = ",".join(f"{kind}s.kubeflow.org" for kind in training_operator.KINDS)

    def found(run: str) -> list[str]:
        listed = operator.get(kinds, f"--selector={naming.RUN}={run}")["items"]
        return [f"{each['kind']} {each['metadata']['name']}" for each in listed]

    return found


def test_ranks_of_a_jaxjob_reduce_together_and_rank_0_says_what_came_of_it(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    run = _succeeded(f"{file}:reducing", "jaxjob", capsys)
    assert flow_result(store, run) == 11.0
    (attempt,) = _step(read_report(store.backend, run)).attempts
    assert (attempt.status, attempt.rank) == ("succeeded", None)
    for rank in (0, 1):
        assert call(["logs", f"{run}/reduced/0/{rank}"]) == 0
        said = capsys.readouterr().out
        assert f"rank {rank} of 2 on reduced-" in said and f"-worker-{rank} has 11.0" in said
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_two_ranks_of_a_pytorchjob_train_one_model(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    run = _succeeded(f"{file}:training", "pytorchjob", capsys)
    assert flow_result(store, run) == pytest.approx(3.0, abs=0.5)
    for rank in (0, 1):
        assert call(["logs", f"{run}/together/0/{rank}"]) == 0
        assert f"-worker-{rank} has " in capsys.readouterr().out
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_an_elastic_gang_begins_anew_in_the_same_attempt_when_a_rank_dies(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    run = _succeeded(f"{file}:coming_again", "pytorchjob", capsys)
    weight, round_ = flow_result(store, run)
    assert (weight, round_) == (pytest.approx(3.0, abs=0.5), 1)
    (attempt,) = _step(read_report(store.backend, run)).attempts
    assert (attempt.status, attempt.rank) == ("succeeded", None)
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_an_elastic_gang_outlives_the_pod_of_a_node(
    store: Store, operator: Cluster, file: Path, leftovers: Callable[[str], list[str]]
) -> None:
    flow = f"{file}:deserting"
    driver = Driver(home(), "run", flow, "--target", "pytorchjob", "-o", "json", store=store)
    try:
        wait_for(lambda: _are_both_there(operator, driver.run), patience_s=PATIENCE_S)
        operator.kubectl("delete", "pod", f"{_job(operator, driver.run)}-worker-1", "--wait=false")
        ended = driver.ended(PATIENCE_S)
        assert ended.report.status == "succeeded"
        (attempt,) = _step(ended.report).attempts
        assert (attempt.status, attempt.rank) == ("succeeded", None)
        assert flow_result(store, driver.run) >= 1
    finally:
        driver.end()
    wait_for(lambda: not leftovers(driver.run), patience_s=PATIENCE_S)


def test_workers_of_a_tfjob_have_a_place_for_each_rank(store: Store, file: Path, capsys: Any) -> None:
    run = _succeeded(f"{file}:configuring", "tfjob", capsys)
    *workers, kind, index = flow_result(store, run)
    assert [each.rpartition("-worker-")[2] for each in workers] == ["0:29501", "1:29501"]
    assert (kind, index) == ("worker", "0")


def test_ranks_of_an_xgboostjob_know_its_tracker_and_outlive_the_master_that_is_done_first(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    run = _succeeded(f"{file}:tracking", "xgboostjob", capsys)
    uri, *others = flow_result(store, run)
    assert uri.endswith("-master-0") and others == ["29500", "3", "0"]
    for rank, pod in enumerate(("master-0", "worker-0", "worker-1")):
        assert call(["logs", f"{run}/tracked/0/{rank}"]) == 0
        assert capsys.readouterr().out.rstrip().endswith(f"-{pod}")
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_a_rank_that_fails_ends_the_attempt_and_each_one_counts(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capsys: Any
) -> None:
    assert call(["run", f"{file}:breaking", "--target", "pytorchjob", "-o", "json"]) == 1
    run = json.loads(capsys.readouterr().out)["run"]
    first, second = _step(read_report(store.backend, run)).attempts
    for number, attempt in enumerate((first, second), 1):
        assert (attempt.status, attempt.rank) == ("failed", 1)
        assert attempt.error is not None
        assert (attempt.error.type, attempt.error.message) == ("ValueError", f"no luck in attempt {number}")
    wait_for(lambda: not leftovers(run), patience_s=PATIENCE_S)


def test_a_pod_of_a_rank_is_entered_and_a_cancelled_run_leaves_nothing(
    store: Store, file: Path, leftovers: Callable[[str], list[str]], capfd: Any
) -> None:
    driver = Driver(home(), "run", f"{file}:lasting", "--target", "jaxjob", "-o", "json", store=store)
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


def _job(cluster: Cluster, run: str) -> str:
    (job,) = cluster.get("pytorchjobs", f"--selector={naming.RUN}={run}")["items"]
    return str(job["metadata"]["name"])


def _are_both_there(cluster: Cluster, run: str) -> bool:
    """Say whether both ranks have found each other."""
    jobs = cluster.get("pytorchjobs", f"--selector={naming.RUN}={run}")["items"]
    pods = cluster.get("pods", f"--selector={naming.RUN}={run},training.kubeflow.org/replica-index")["items"]
    if not jobs or len(pods) < 2 or any(each["status"]["phase"] != "Running" for each in pods):
        return False
    return all("round 0 with 2" in cluster.kubectl("logs", each["metadata"]["name"]) for each in pods)


def _succeeded(flow: str, target: str, capsys: Any) -> str:
    assert call(["run", flow, "--target", target, "-o", "json"]) == 0, capsys.readouterr().err
    return str(json.loads(capsys.readouterr().out)["run"])


def _step(report: RunReport) -> StepReport:
    (step,) = report.steps
    return step
