"""Steps on a real Kueue: a gang is admitted whole or not at all, and what waits for quota says so."""

from __future__ import annotations

import uuid
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from engines.kubernetes.test_training import COMPONENTS
from engines.local.driving import Driver, flags, wait_for
from fairlead.runs import contexts
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.specs.contexts import Context
from fairlead.store.opened import Store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

PATIENCE_S = 300.0
FLOW = """
import time
from fairlead import flow, runtimes, step

@step(runtime=runtimes.torch(nodes=2), cpu="200m", memory="128Mi", cache=False)
def gang(seconds: float) -> float:
    time.sleep(seconds)
    return seconds

@step(cpu="400m", memory="128Mi", cache=False)
def alone(seconds: float) -> float:
    time.sleep(seconds)
    return seconds

@flow
def several(seconds: float = 5.0):
    alone.map([seconds, seconds, seconds])

@flow
def gangs(seconds: float = 5.0):
    gang(seconds)
    gang(seconds)
"""


@pytest.fixture
def narrow_queue(cluster):
    """A queue with quota for one gang of two ranks, and not for two."""
    if "kueue" in cluster.absent:
        pytest.fail(cluster.absent["kueue"])
    name = f"narrow-{uuid.uuid4().hex[:8]}"
    quotas = [("cpu", "600m"), ("memory", "1Gi"), ("pods", "10")]
    resources = [{"name": resource, "nominalQuota": amount} for resource, amount in quotas]
    group = {
        "coveredResources": [resource for resource, _ in quotas],
        "flavors": [{"name": "default", "resources": resources}],
    }
    cluster.apply(
        {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "ClusterQueue",
            "metadata": {"name": name},
            "spec": {"namespaceSelector": {}, "resourceGroups": [group]},
        },
        {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "LocalQueue",
            "metadata": {"name": name, "namespace": cluster.namespace},
            "spec": {"clusterQueue": name},
        },
    )
    yield name
    cluster.kubectl("delete", "localqueue", name)
    cluster.kubectl("delete", "clusterqueue", name)


@pytest.mark.parametrize("target", ["job", pytest.param("jobset", marks=pytest.mark.slow), "trainjob"])
def test_a_gang_waits_whole_for_quota_and_says_so(cluster, registered, narrow_queue, tmp_path, target):
    """Quota for exactly one of two gangs: the second starts when the first has ended, and nothing is deadlocked."""
    component = COMPONENTS[target]
    if component in cluster.absent:
        pytest.fail(cluster.absent[component])
    driver, store = _begun(registered, narrow_queue, tmp_path, "gangs", "--target", target)
    try:
        said = wait_for(lambda: _waiting(store, driver.run), patience_s=PATIENCE_S)
        assert narrow_queue in said and "insufficient unused quota" in said
        queued = [each for each in cluster.get("workloads")["items"] if each["spec"].get("queueName") == narrow_queue]
        assert len(queued) == 2  # what a gang's object makes of itself is not queued beside it
        ended = driver.ended(PATIENCE_S)
    finally:
        driver.end()
    assert ended.report.status == "succeeded"
    first, second = sorted((each.attempts[0] for each in ended.report.steps), key=lambda each: each.started or "")
    assert (second.started or "") >= (first.finished or "")


def test_a_queue_admits_steps_without_ranks_one_by_one(registered, narrow_queue, tmp_path):
    """Quota for one of three items: each waits for its turn, and says so."""
    driver, store = _begun(registered, narrow_queue, tmp_path, "several")
    try:
        assert "insufficient unused quota" in wait_for(lambda: _waiting(store, driver.run), patience_s=PATIENCE_S)
        ended = driver.ended(PATIENCE_S)
    finally:
        driver.end()
    assert ended.report.status == "succeeded"
    attempts = sorted((each.attempts[0] for each in ended.report.steps), key=lambda each: each.started or "")
    assert len(attempts) == 3
    assert all((later.started or "") >= (former.finished or "") for former, later in pairwise(attempts))


def _begun(registered: Context, queue: str, folder: Path, flow: str, *options: str) -> tuple[Driver, Store]:
    contexts.add(msgspec.structs.replace(registered, queue=queue))
    project = folder / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "flow.py").write_text(FLOW)
    store = Store(registered.store, home() / "host")
    words = (f"{project / 'flow.py'}:{flow}", *flags({"seconds": 5}), *options)
    return Driver(home(), "run", *words, "-o", "json", store=store), store


def _waiting(store: Store, run: str) -> str:
    """Return what a step of the run says that waits for quota, while no step of it is more than one that runs."""
    steps = read_report(store.backend, run).steps
    assert sum(each.status == "running" for each in steps) <= 1
    return next(
        (
            each.reason or ""
            for each in steps
            if each.status == "waiting-quota" and "insufficient" in (each.reason or "")
        ),
        "",
    )
