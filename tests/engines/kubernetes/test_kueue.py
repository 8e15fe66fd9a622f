"""Steps on a real Kueue: a gang is admitted whole or not at all, and what waits for quota says so."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from engines.kubernetes.fates import attempts, checkpoints, remove
from engines.kubernetes.queues import new_queue
from engines.kubernetes.test_training import COMPONENTS
from engines.local.driving import Driver, flags, wait_for
from fairlead.engines.kubernetes.known import KnownRuns
from fairlead.kube.client import Client
from fairlead.kube.resources import POD
from fairlead.runs import contexts
from fairlead.runs.home import home
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.runs.reporting import read_report
from fairlead.runs.waits import WaitKeeper
from fairlead.store.backends import list_all
from fairlead.store.layout import waits_prefix
from fairlead.store.opened import Store
from fairlead.store.records import Waits, decode
from fairlead.targets import naming

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

PATIENCE_S = 300.0
FLOW = """
import json
import time
from fairlead import Retries, checkpoint, flow, runtimes, step

@step(runtime=runtimes.torch(nodes=2), cpu="200m", memory="128Mi", cache=False)
def gang(seconds: float) -> float:
    time.sleep(seconds)
    return seconds

@step(runtime=runtimes.torch(nodes=2), cpu="200m", memory="128Mi", cache=False,
      retries=Retries(user=0, infrastructure=1))
def trained() -> list[int]:
    # At which epochs it began; it waits in the first attempt until its place is taken away.
    folder = checkpoint()
    newest = folder.latest()
    begun = json.loads((newest / "begun").read_text()) if newest else []
    first = int(newest.name) + 1 if newest else 0
    begun.append(first)
    for epoch in range(first, 6):
        if epoch == 3 and len(begun) == 1:
            time.sleep(600)
        with folder.save(at=epoch) as unfinished:
            (unfinished / "begun").write_text(json.dumps(begun))
    return begun

@step(cpu="400m", memory="128Mi", cache=False)
def alone(seconds: float) -> float:
    time.sleep(seconds)
    return seconds

@flow
def several(seconds: float = 5.0):
    alone.map([seconds, seconds, seconds])

@flow
def training():
    trained()

@flow
def urgent(seconds: float = 10.0):
    gang(seconds)

@flow
def gangs(seconds: float = 5.0):
    gang(seconds)
    gang(seconds)
"""


@pytest.fixture
def narrow_queue(cluster):
    """A queue with quota for one gang of two ranks, and not for two."""
    with new_queue(cluster, cpu="600m") as queue:
        yield queue.name


@pytest.mark.parametrize("target", ["job", pytest.param("jobset", marks=pytest.mark.slow), "trainjob"])
def test_a_gang_waits_whole_for_quota_and_says_so(cluster, registered, narrow_queue, store, client, file, target):
    """Quota for exactly one of two gangs: the second starts when the first has ended, and nothing is deadlocked."""
    component = COMPONENTS[target]
    if component in cluster.absent:
        pytest.fail(cluster.absent[component])
    contexts.add(msgspec.structs.replace(registered, queue=narrow_queue))
    words = (f"{file}:gangs", *flags({"seconds": 5}), "--target", target)
    driver = Driver(home(), "run", *words, "-o", "json", store=store)
    try:
        said = wait_for(lambda: _waiting(store, driver.run), patience_s=PATIENCE_S)
        assert narrow_queue in said and "insufficient unused quota" in said
        queued = [each for each in cluster.get("workloads")["items"] if each["spec"].get("queueName") == narrow_queue]
        assert len(queued) == 2  # what a gang's object makes of itself is not queued beside it
        assert _kept(client, store, driver.run) == {("gang",): "quota"}
        ended = driver.ended(PATIENCE_S)
    finally:
        driver.end()
    assert ended.report.status == "succeeded"
    first, second = sorted((each.attempts[0] for each in ended.report.steps), key=lambda each: each.started or "")
    assert (second.started or "") >= (first.finished or "")


def test_a_queue_admits_steps_without_ranks_one_by_one(registered, narrow_queue, file):
    """Quota for one of three items: each waits for its turn, and says so."""
    contexts.add(msgspec.structs.replace(registered, queue=narrow_queue))
    said = _Said()
    run = launch(*load_flow(str(file), "several"), {"seconds": 5.0}, Options(on=registered.name), said)
    assert run.status == "succeeded"
    assert ("waiting-quota", f"waits to be admitted by the queue {narrow_queue}") in said.heard
    found = sorted((each.attempts[0] for each in run.report.steps), key=lambda each: each.started or "")
    assert len(found) == 3
    assert all((later.started or "") >= (former.finished or "") for former, later in pairwise(found))


def test_a_recorder_says_what_steps_without_ranks_wait_for(registered, narrow_queue, store, client, file):
    """Steps that are pods of a queue are known by the Workloads that the queue makes of them."""
    contexts.add(msgspec.structs.replace(registered, queue=narrow_queue))
    driver = Driver(home(), "run", f"{file}:several", *flags({"seconds": 15}), "-o", "json", store=store)
    try:
        assert wait_for(lambda: _kept(client, store, driver.run), patience_s=PATIENCE_S) == {("alone",): "quota"}
        assert driver.ended(PATIENCE_S).report.status == "succeeded"
    finally:
        driver.end()


class _Said(Silent):
    """An observer that keeps what it is told of steps."""

    def __init__(self):
        self.heard = set()

    def changed(self, instance):
        self.heard.add((instance.status, instance.reason))


@pytest.fixture
def urgent(cluster, registered, narrow_queue):
    """A context of the same queue whose runs have precedence over those of the registered one."""
    form = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass"}
    cluster.apply({**form, "metadata": {"name": narrow_queue}, "value": 1000})
    labels = {**registered.labels, "kueue.x-k8s.io/priority-class": narrow_queue}
    contexts.add(msgspec.structs.replace(registered, queue=narrow_queue))
    contexts.add(msgspec.structs.replace(registered, name="urgent", queue=narrow_queue, labels=labels))
    yield "urgent"
    cluster.kubectl("delete", "workloadpriorityclass", narrow_queue)


@pytest.mark.slow
def test_a_gang_whose_place_is_taken_goes_on_from_its_checkpoint(registered, urgent, store, client, file):
    """A queue suspends the gang's job; that costs the step nothing, and it waits for another place."""
    driver = Driver(home(), "run", f"{file}:training", "-o", "json", store=store)
    other = None
    try:
        run = driver.run
        wait_for(lambda: checkpoints(store, run, at=2), patience_s=PATIENCE_S)
        other = Driver(home(), "run", f"{file}:urgent", "--on", urgent, "-o", "json", store=store)
        first = other.ended(PATIENCE_S)
        ended = driver.ended(PATIENCE_S)
        assert (first.report.status, ended.report.status) == ("succeeded", "succeeded")
        found = attempts(store, run, "trained")
        assert [(each.status, each.infrastructure) for each in found] == [("failed", True), ("succeeded", False)]
        error = found[0].error
        assert error is not None and error.type == "Preempted" and "Preempted to accommodate" in error.message, error
        assert store.values.load(ended.report.steps[0].artifacts[0]) == [0, 3]
        assert (ended.report.steps[0].attempts[1].started or "") >= (first.report.steps[0].attempts[0].finished or "")
    finally:
        for each in (driver, other):
            if each is not None:
                each.end()
                remove(client, each.run)


def _kept(client: Client, store: Store, run: str) -> dict[tuple[str, ...], str]:
    """Have a recorder look once; return the layers of what it says that steps of a run wait for."""
    WaitKeeper(client, KnownRuns(store.backend)).keep(client.list(POD, labels={naming.RUN: run}).items)
    keys = [entry.key for entry in list_all(store.backend, waits_prefix(run))]
    causes = [cause for key in keys for cause in decode(store.backend.get(key), Waits, key=key).causes]
    return {cause.steps: cause.layer for cause in causes}


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
