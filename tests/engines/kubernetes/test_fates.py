"""What befalls pods on a real cluster, and what `get` says of it afterwards: with a recorder, and with a client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.kubernetes.fates import PATIENCE_S, attempts, causes, checkpoints, evict, pod_of, remove, runs, status_of
from engines.local.driving import Driver, wait_for
from fairlead.cli.main import call
from fairlead.kube.client import Client
from fairlead.kube.resources import DEPLOYMENT, POD
from fairlead.runs.home import home
from fairlead.runs.recording import render
from fairlead.runs.reporting import read_report
from fairlead.runs.timeline import read_timeline
from fairlead.specs.contexts import Context
from fairlead.store.history import read_compacted
from fairlead.store.opened import Store
from fairlead.store.records import Evidence
from fairlead.targets import naming
from fairlead.targets.podcauses import is_unplaced
from servers.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1200)]

FLOW = '''
import json
import os
import time
from pathlib import Path

from fairlead import Retries, checkpoint, flow, step

ONCE = Retries(user=0, infrastructure=0)


@step(cpu="50m", memory="128Mi", retries=ONCE, cache=False)
def deleted() -> int:
    time.sleep(600)
    return 1


@step(cpu="50m", memory="128Mi", retries=ONCE, cache=False)
def evicted() -> int:
    time.sleep(600)
    return 1


@step(cpu="50m", memory="160Mi", retries=Retries(user=0, infrastructure=3), cache=False)
def whole() -> int:
    """Have the kernel kill the worker, and not this process, when there is no memory left."""
    Path(f"/proc/{os.getppid()}/oom_score_adj").write_text("1000")
    print("about to take it all", flush=True)
    taken = [bytearray(8 << 20) for _ in range(64)]
    time.sleep(600)
    return len(taken)


@step(cpu="50m", memory="64Mi", image="localhost/nobody-has/this:1", retries=ONCE, cache=False)
def imageless() -> int:
    return 1


@step(cpu=500, memory="64Mi", cache=False)
def nowhere() -> int:
    return 1


@step(cpu="50m", memory="128Mi", cache=False)
def after(x: int) -> int:
    return x


@flow
def fates():
    deleted(), evicted(), whole(), imageless()
    after(nowhere())


@flow
def two_fates():
    deleted()
    after(nowhere())


@step(cpu="50m", memory="128Mi", retries=Retries(user=0, infrastructure=2), cache=False)
def trained(seed: int) -> list[int]:
    """Say at which epochs it began: at the one after its last checkpoint, each time."""
    folder = checkpoint()
    newest = folder.latest()
    begun = json.loads((newest / "begun").read_text()) if newest else []
    first = int(newest.name) + 1 if newest else 0
    begun.append(first)
    for epoch in range(first, 10):
        if epoch == 3 and len(begun) == 1:
            time.sleep(600)
        with folder.save(at=epoch) as unfinished:
            (unfinished / "begun").write_text(json.dumps(begun))
    return begun


@flow(dynamic=True)
def driving() -> list[int]:
    return trained(2)


@flow
def drained():
    trained.map([0, 1])
    driving()
'''


@pytest.fixture
def recorder(cluster: Cluster, registered: Context, client: Client) -> Iterator[Callable[[], str]]:
    """Run a recorder of the context in the cluster; gives what reads its log."""
    manifests = render(registered.name, everywhere=False, ends=True, nodes=True, replicas=1)
    cluster.apply(*manifests)
    name = manifests[-1]["metadata"]["name"]
    try:
        wait_for(lambda: client.get(DEPLOYMENT, name).get("status", {}).get("readyReplicas"), patience_s=PATIENCE_S)
        yield lambda: cluster.kubectl("logs", f"deployment/{name}")
    finally:
        for manifest in reversed(manifests):
            cluster.kubectl("delete", manifest["kind"].lower(), manifest["metadata"]["name"], "--ignore-not-found")


def test_a_recorder_sees_what_became_of_a_run_that_nobody_followed(
    registered: Context, recorder: Callable[[], str], client: Client, store: Store, file: Path, capsys: Any
) -> None:
    options = ("--detach", "--unschedulable", "fail-after 10s", "-o", "json")
    assert call(["run", f"{file}:fates", *options]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    try:
        waits = wait_for(lambda: _waiting(store, run), patience_s=PATIENCE_S)
        assert "nodes are available" in waits
        for step in ("deleted", "evicted"):
            wait_for(lambda step=step: runs(store, run, step), patience_s=PATIENCE_S)
        client.delete(POD, pod_of(client, run, "deleted")["metadata"]["name"])
        evict(client, pod_of(client, run, "evicted"))
        wait_for(lambda: read_report(store.backend, run).status == "failed", patience_s=PATIENCE_S)
        report = read_report(store.backend, run)
        found = causes(report)
        assert {name: error for name, (error, _) in found.items()} == {
            "deleted": "Deleted", "evicted": "Evicted", "whole": "Memory", "nowhere": "Unschedulable",
            "imageless": "Unschedulable",
        }, (found, recorder())  # fmt: skip
        assert "Eviction API" in found["evicted"][1]
        assert "could not be scheduled for 10.0 s" in found["nowhere"][1]
        assert "could not have its image for 10.0 s" in found["imageless"][1] and "this:1" in found["imageless"][1]
        assert {each.name: len(each.attempts) for each in report.steps if each.name in found} == dict.fromkeys(found, 1)
        assert status_of(report, "after") == "blocked"
        said = " ".join(each.message for each in read_timeline(store.backend, run))
        assert "Memory: used more than the memory limit" in said
        assert any(isinstance(each, Evidence) for each in read_compacted(store.backend, run))
        # The workflow is deleted under a run that has just begun: nobody but the recorder can say that it is over.
        assert call(["run", f"{file}:two_fates", *options]) == 0
        second = json.loads(capsys.readouterr().out)["run"]
        remove(client, second)
        wait_for(lambda: read_report(store.backend, second).status == "failed", patience_s=PATIENCE_S)
        assert second in recorder()
    finally:
        remove(client, run)


def test_a_client_that_follows_sees_the_same(registered: Context, client: Client, store: Store, file: Path) -> None:
    options = ("--unschedulable", "fail-if-never-fits", "-o", "json")
    driver = Driver(home(), "run", f"{file}:two_fates", *options, store=store)
    try:
        run = driver.run
        wait_for(lambda: runs(store, run, "deleted"), patience_s=PATIENCE_S)
        client.delete(POD, pod_of(client, run, "deleted")["metadata"]["name"])
        report = driver.ended(PATIENCE_S).report
        found = causes(report)
        assert {name: error for name, (error, _) in found.items()} == {"deleted": "Deleted", "nowhere": "Unschedulable"}
        assert "asks for 500" in found["nowhere"][1]
    finally:
        driver.end()
        remove(client, driver.run)


def test_a_drained_node_costs_no_retry_of_a_step(
    cluster: Cluster, registered: Context, client: Client, store: Store, file: Path
) -> None:
    """What ``kubectl drain`` does: no pod may come any more, and all that are there are evicted at once."""
    driver = Driver(home(), "run", f"{file}:drained", "-o", "json", store=store)
    try:
        run = driver.run
        wait_for(lambda: checkpoints(store, run, at=2) == 3, patience_s=PATIENCE_S)
        pods = client.list(POD, labels={naming.RUN: run}).items
        node = pods[0]["spec"]["nodeName"]
        cluster.kubectl("cordon", node)
        try:
            for pod in pods:
                if pod["status"]["phase"] == "Running":
                    evict(client, pod)
            wait_for(lambda: any(map(is_unplaced, client.list(POD, labels={naming.RUN: run}).items)), patience_s=15)
        finally:
            cluster.kubectl("uncordon", node)
        ended = driver.ended(PATIENCE_S)
        assert (ended.exit_code, ended.report.status) == (0, "succeeded")
        assert len(ended.report.steps) == 4
        for step in ended.report.steps:
            found = attempts(store, run, step.name, step.index)
            assert [(each.status, each.infrastructure) for each in found] == [("failed", True), ("succeeded", False)]
            error = found[0].error
            assert error is not None and error.type == "Evicted" and "Eviction API" in error.message, (step, error)
            assert store.values.load(step.artifacts[0]) == [0, 3]
    finally:
        driver.end()
        remove(client, driver.run)


def _waiting(store: Store, run: str) -> str:
    """Return the reason for which a step is said to wait for a place."""
    steps = read_report(store.backend, run).steps
    return next((each.reason or "" for each in steps if each.status == "waiting-placement"), "")
