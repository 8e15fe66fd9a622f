"""What a plan reads of a cluster: some kinds only where steps have to do with them, and of each no more than it needs."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from fairlead.kube.client import Client
from fairlead.kube.discovery import Discovery
from fairlead.kube.failures import Call, NotFound, Status
from fairlead.kube.resources import RESOURCE_CLAIM_TEMPLATE, Kind
from fairlead.runs.surveying import Wanted, survey, wanted_by
from fairlead.specs.steps import Overlay
from insight.planning.flows import asks, fit

WORKLOAD = {
    "metadata": {"name": "w", "namespace": "team", "uid": "u", "ownerReferences": [{"kind": "Job", "uid": "j"}]},
    "spec": {"priority": 5, "podSets": [{"name": "main"}]}, "status": {"admission": {"clusterQueue": "q"}},
}  # fmt: skip
POD = {
    "metadata": {"name": "p", "namespace": "team", "labels": {"app": "a"}},
    "spec": {"nodeName": "n1", "priority": 7, "containers": [{"image": "i", "env": [{"name": "A", "value": "hunter2"}]}],
             "affinity": {"podAntiAffinity": {}}}, "status": {"phase": "Running", "startTime": "2026-11-20T10:00:00Z"},
}  # fmt: skip


class Recorded:
    """A cluster with a pod and a Workload, that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pages(self, path: str, *, shape: Any, limit: int) -> Iterator[Any]:
        self.asked.append(path)
        found = WORKLOAD if path.endswith("workloads") else POD
        yield SimpleNamespace(items=[msgspec.convert(found, shape)])

    def list(self, kind: Kind, *, namespace: str) -> Any:
        self.asked.append(kind.path(namespace))
        return SimpleNamespace(items=[])

    def get(self, kind: Kind, name: str, **_: Any) -> Any:
        self.asked.append(f"{kind.plural}/{name}")
        raise NotFound(Call("get"), "", 404, Status())


class Served:
    """All kinds are served but one."""

    def __init__(self, but: str = "") -> None:
        self.but = but

    def best(self, kind: Kind) -> Kind | None:
        return None if kind.kind == self.but else kind


def surveyed(wanted: list[Wanted], but: str = "") -> tuple[Any, list[str]]:
    client = Recorded()
    return survey(cast(Client, client), "team", wanted, served=cast(Discovery, Served(but))), client.asked


def test_queues_and_devices_are_looked_at_only_for_steps_that_have_any() -> None:
    patch = {"resourceClaims": [{"name": "r", "resourceClaimTemplateName": "t"}]}
    claiming = fit(overlays=(Overlay(kind="Pod", patch=patch),))
    kinds = {"Workload", "DeviceClass", "ResourceSlice", "ResourceClaim", "ResourceClaimTemplate"}
    for step, found in (
        (fit(), set()), (fit(queue="a"), {"Workload"}), (claiming, kinds - {"Workload"}),
    ):  # fmt: skip
        wanted = wanted_by(asks(step))
        assert {each.kind for each in wanted} & kinds == found
        assert set(map(surveyed(wanted)[0].knows, found)) <= {True}


def test_of_pods_and_workloads_only_what_counts_is_read() -> None:
    facts, asked = surveyed([Wanted("Workload")])
    (pod,), (workload,) = facts.snapshot.of_kind("Pod"), facts.snapshot.of_kind("Workload")
    assert "hunter2" not in str(pod.value) and pod.value["metadata"]["labels"] == {"app": "a"}
    assert (pod.number("spec.priority"), pod.text("status.startTime")) == (7, "2026-11-20T10:00:00Z")
    assert workload.owners == ("j",) and "podSets" not in workload.value["spec"]
    assert "/apis/kueue.x-k8s.io/v1beta2/workloads" in asked


def test_a_kind_that_is_not_served_has_no_objects() -> None:
    facts, asked = surveyed([Wanted("ResourceClaimTemplate", "t")], but=RESOURCE_CLAIM_TEMPLATE.kind)
    assert facts.knows("ResourceClaimTemplate") and "resourceclaimtemplates/t" not in asked
