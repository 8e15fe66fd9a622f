"""The testbed's Kueue, on an API server without nodes: it admits kinds that come after its start, go, and come again.

What becomes of gangs whose pods run is seen by the tests in ``tests/engines/kubernetes``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from engines.kubernetes.queues import Queue, new_queue
from engines.local.driving import wait_for
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Mpi, Ray
from fairlead.specs.steps import FunctionStep
from fairlead.targets import naming
from fairlead.targets.training import mpi_job, ray_job
from fairlead.targets.training.target import Gang, Target
from servers.cluster import Cluster
from servers.kueue import kueue_alone
from targets.refused import PLACE
from testbed import kubectl, operators
from testbed.components import kueue
from testbed.state import State

PATIENCE_S = 240.0
"""Kueue looks every two minutes for kinds that are not there."""


class Kind(NamedTuple):
    """A kind that Kueue admits, whose operator runs beside a testbed, and a step that becomes one.

    Attributes:
        pods: How many pods there are of each sort.
        asked: The CPUs that they ask for together, rounded up; a launcher asks for less than one.
    """

    target: Target
    step: FunctionStep
    operated: Callable[[State], AbstractContextManager[Any]]
    pods: dict[str, int]
    asked: int


ONE = Resources(cpu="1", memory="1Gi")
RANKS = FunctionStep(name="ranks", function="m:f", resources=ONE, runtime=Mpi(nodes=3))
BY_RAY = FunctionStep(name="by_ray", function="m:f", resources=ONE, runtime=Ray(workers=2))
KINDS = {
    "mpijob": Kind(mpi_job.TARGET, RANKS, operators.mpi, {"launcher": 1, "worker": 3}, 4),
    "rayjob": Kind(ray_job.TARGET, BY_RAY, operators.kuberay, {"head": 1, "worker": 2}, 3),
}


def test_each_kind_that_it_admits_has_the_webhooks_of_its_version() -> None:
    """What has no webhook would not be held back, whatever the configuration says."""
    text = (kubectl.MANIFESTS / "kueue-webhooks.yaml").read_text("utf-8")
    for document, verb in zip(yaml.safe_load_all(text), ("mutate", "validate"), strict=True):
        called = {}
        for webhook in document["webhooks"]:
            ((group,), (version,), (resource, *_)) = (
                webhook["rules"][0][field] for field in ("apiGroups", "apiVersions", "resources")
            )
            kind = resource.removesuffix("s")
            path = f"/{verb}-{group.replace('.', '-')}-{version}-{kind}"
            assert webhook["clientConfig"]["url"].endswith(path)
            called[f"{group}/{kind}".removeprefix("/")] = webhook.get("objectSelector")
        foreign = {name: selector for name, selector in called.items() if not name.startswith("kueue.x-k8s.io/")}
        assert sorted(foreign) == sorted(kueue.FRAMEWORKS)
        assert all(foreign.values())  # what names no queue needs no Kueue


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run Kueue beside an API server of its own, which has none of the operators' kinds yet."""
    with kueue_alone(tmp_path_factory.mktemp("testbed")) as cluster:
        yield cluster


@pytest.mark.components("kueue")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", KINDS)
def test_a_gang_of_a_kind_that_comes_later_is_admitted_whole_and_taken_back(furnished: Cluster, name: str) -> None:
    kind = KINDS[name]
    for attempt in (1, 2):  # the kind goes between them
        with new_queue(furnished, cpu=f"{kind.asked - 1}") as queue, kind.operated(State(furnished.kubeconfig.parent)):
            gang = _Queued(furnished, kind, queue, attempt)
            assert gang.word() == "waiting"  # from the first moment on
            _admit_and_take_back(gang, kind, queue)


class _Queued:
    """A gang that was created in a queue."""

    def __init__(self, cluster: Cluster, kind: Kind, queue: Queue, attempt: int) -> None:
        self._cluster, self._target = cluster, kind.target
        context = msgspec.structs.replace(PLACE.context, queue=queue.name)
        place = msgspec.structs.replace(PLACE, context=context, namespace=cluster.namespace)
        self._gang = Gang(place, kind.step, kind.step.name, 0, attempt)
        cluster.apply(*kind.target.render(self._gang))

    def found(self) -> dict[str, Any]:
        kind = self._target.awaited
        found: dict[str, Any] = self._cluster.get(f"{kind.plural}.{kind.group}", self._gang.object_name)
        return found

    def word(self) -> str:
        return self._target.state(self.found()).word

    def pods(self) -> int:
        """Return how many pods its operator has made: there is no node to run them, and nobody who collects them."""
        found = [each["metadata"].get("annotations", {}) for each in self._cluster.get("pods")["items"]]
        return sum(each.get(naming.GANG) == self._gang.attempt for each in found)


def _admit_and_take_back(gang: _Queued, kind: Kind, queue: Queue) -> None:
    (workload,) = wait_for(lambda: _refused(queue), patience_s=PATIENCE_S)
    assert {each["name"]: each["count"] for each in workload["spec"]["podSets"]} == kind.pods
    assert workload["metadata"]["labels"]["kueue.x-k8s.io/job-uid"] == gang.found()["metadata"]["uid"]
    assert gang.pods() == 0

    queue.grant(f"{kind.asked}")
    wait_for(lambda: gang.word() == "running" and gang.pods() == 3, patience_s=PATIENCE_S)

    stopped = '--patch={"spec": {"stopPolicy": "HoldAndDrain"}}'
    queue.cluster.kubectl("patch", "clusterqueue", queue.name, "--type=merge", stopped)
    wait_for(lambda: gang.word() == "waiting", patience_s=PATIENCE_S)


def _refused(queue: Queue) -> list[dict[str, Any]]:
    """Return what stands in a queue, as soon as that has said that it has no quota for it."""
    found = queue.workloads()
    said = [each["message"] for workload in found for each in workload.get("status", {}).get("conditions", ())]
    return found if any("insufficient quota" in each for each in said) else []
