"""Queues are read as Kueue's objects say them, in both of its versions; what can't be is named."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.errors import SpecError
from fairlead.queues.manifests import amount_of, read_setup
from fairlead.queues.specs import (
    BorrowWithin,
    ClusterQueue,
    Cohort,
    FairSharing,
    FlavorQuotas,
    Fungibility,
    Preemption,
    Quota,
    ResourceGroup,
)

V1, V2 = "kueue.x-k8s.io/v1beta1", "kueue.x-k8s.io/v1beta2"
GROUP = {
    "coveredResources": ["cpu", "memory"],
    "flavors": [
        {
            "name": "spot",
            "resources": [
                {"name": "cpu", "nominalQuota": "1500m", "borrowingLimit": 2, "lendingLimit": "0"},
                {"name": "memory", "nominalQuota": "1Ki"},
            ],
        }
    ],
}
QUOTAS = {"cpu": Quota(nominal=1500, borrowing_limit=2000, lending_limit=0), "memory": Quota(nominal=1024_000)}
GROUPS = (ResourceGroup(resources=("cpu", "memory"), flavors=(FlavorQuotas(name="spot", quotas=QUOTAS),)),)


def made(version: str, kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def test_a_queue_is_read_from_both_versions() -> None:
    common = {"resourceGroups": [GROUP], "queueingStrategy": "StrictFIFO"}
    rules = {
        "withinClusterQueue": "LowerPriority",
        "reclaimWithinCohort": "Any",
        "borrowWithinCohort": {"policy": "LowerPriority", "maxPriorityThreshold": 7},
    }
    old = made(
        V1, "ClusterQueue", "q", **common, cohort="all", preemption=rules,
        flavorFungibility={"whenCanBorrow": "TryNextFlavor", "whenCanPreempt": "Preempt"},
    )  # fmt: skip
    new = made(
        V2, "ClusterQueue", "q", **common, cohortName="all", preemption=rules,
        flavorFungibility={"whenCanBorrow": "TryNextFlavor", "whenCanPreempt": "MayStopSearch"},
    )  # fmt: skip
    expected = ClusterQueue(
        name="q", groups=GROUPS, cohort="all", strategy="StrictFIFO",
        preemption=Preemption(within="LowerPriority", reclaim="Any", borrow_within=BorrowWithin(threshold=7)),
        fungibility=Fungibility(when_can_borrow="TryNextFlavor", when_can_preempt="MayStopSearch"),
    )  # fmt: skip
    for manifest in (old, new):
        assert read_setup([manifest], "f").queues == (expected,)


def test_what_says_nothing_of_quota_is_let_be() -> None:
    queue = made(V2, "ClusterQueue", "q", resourceGroups=[GROUP], namespaceSelector={}, admissionScope={"mode": "x"})
    flavor = made(V2, "ResourceFlavor", "spot", nodeLabels={"a": "b"}, nodeTaints=[], topologyName="rack")
    found = read_setup([queue, flavor], "f")
    assert found.queues[0].groups == GROUPS and found.flavors == {"spot": {"a": "b"}}


def test_what_a_queue_does_not_say_is_what_kueue_takes_then() -> None:
    (queue,) = read_setup([made(V2, "ClusterQueue", "q")], "f").queues
    assert queue == ClusterQueue(name="q", groups=())


def test_lists_cohorts_and_flavors_are_read_and_others_left_alone() -> None:
    listed = {
        "kind": "List", "apiVersion": "v1",
        "items": [
            made(V2, "Cohort", "left", parentName="top", resourceGroups=[GROUP]), made(V1, "Cohort", "old", parent="top"),
            made(V2, "ResourceFlavor", "spot", nodeLabels={"pool": "spot"}), made(V2, "LocalQueue", "l"),
            made("v1", "ConfigMap", "c"),
        ],
    }  # fmt: skip
    setup = read_setup([listed], "f")
    assert setup.cohorts == (Cohort(name="left", parent="top", groups=GROUPS), Cohort(name="old", parent="top"))
    assert (setup.queues, setup.flavors, setup.notes) == ((), {"spot": {"pool": "spot"}}, ())


def test_what_is_left_out_and_what_is_not_known_is_said() -> None:
    stopped = made(V2, "ClusterQueue", "q", resourceGroups=[GROUP], stopPolicy="Hold", fairSharing={"weight": "2"})
    assert read_setup([stopped], "f").notes == (
        "f: ClusterQueue q: stopPolicy Hold is left out: it admits as if it were not stopped",
        "f: ClusterQueue q: its weight is left out: there is no Configuration with fairSharing",
        "f: there is no ResourceFlavor spot: every node counts as one of it",
    )


@pytest.mark.parametrize(
    ("sharing", "fair"),
    [
        ({}, FairSharing()),
        ({"enable": True, "preemptionStrategies": []}, FairSharing()),
        ({"preemptionStrategies": ["LessThanInitialShare"]}, FairSharing(strategies=("LessThanInitialShare",))),
        ({"enable": False}, None),
        (None, None),
    ],
)
def test_fair_sharing_is_kueue_s_own_setting_and_weights_are_of_queues(sharing: Any, fair: FairSharing | None) -> None:
    configuration = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2", "kind": "Configuration", "fairSharing": sharing,
        "webhook": {"port": 9443},
    }  # fmt: skip
    queue = made(V2, "ClusterQueue", "q", fairSharing={"weight": "500m"})
    cohort = made(V2, "Cohort", "c", fairSharing={"weight": 0})
    found = read_setup([configuration, queue, cohort], "f")
    assert (found.fair, found.queues[0].weight, found.cohorts[0].weight) == (fair, 0.5, 0.0)
    assert bool(found.notes) == (fair is None)


@pytest.mark.parametrize(
    ("manifests", "said"),
    [
        ([made(V2, "ClusterQueue", "q", queueingStrategy="LIFO")], "queueingStrategy"),
        ([made(V2, "ClusterQueue", "q")] * 2, "ClusterQueue q: stands there twice"),
        ([made(V2, "Cohort", "a", parentName="b"), made(V2, "Cohort", "b", parentName="a")], "Cohort a: is above itself"),
        ([made(V2, "ClusterQueue", "")], "ClusterQueue: has no name"),
        ([made(V2, "ClusterQueue", "q", fairSharing={"weight": "-1"})], "fairSharing.weight: must be at least 0"),
        ([made(V2, "Cohort", "c", fairSharing={"weight": "heavy"})], "fairSharing.weight"),
        (
            [made(V2, "Cohort", "c", resourceGroups=[{"coveredResources": ["cpu"], "flavors": [
                {"name": "f", "resources": [{"name": "cpu", "nominalQuota": "many"}]}]}])],
            "resourceGroups[0].flavors[0].resources[0].nominalQuota",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_is_named(manifests: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_setup(manifests, "f")
    assert said in "\n".join([str(raised.value), *map(str, raised.value.faults)])


@pytest.mark.parametrize(
    ("quantity", "amount"), [("1", 1000), (2, 2000), ("500m", 500), ("1Gi", 1000 << 30), (None, None)]
)
def test_amounts_are_thousandths(quantity: str | int | None, amount: int | None) -> None:
    assert amount_of(quantity) == amount
    with pytest.raises(ValueError, match="at least 0"):
        amount_of("-1")
