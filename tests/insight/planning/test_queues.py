"""Kueue's queues: which flavors go with a step, and how much of them its queue can have, ever and now."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.insight.planning.cohorts import Cohorts
from fairlead.insight.planning.plans import judge, verdict_of
from fairlead.queues.specs import FlavorResource
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import Overlay
from insight.pictures import NAMESPACE, condition, node, thing
from insight.planning.flows import BIG, against, asks, cluster_wide, facts, fit, ids

STEP = fit(queue="a", resources=Resources(cpu=4, memory="1Gi"))


def flavor(name: str = "plain", **spec: Any) -> dict[str, Any]:
    return cluster_wide("ResourceFlavor", name, spec=spec)


def local(name: str = "a", of: str = "", **more: Any) -> dict[str, Any]:
    return thing("LocalQueue", name, spec={"clusterQueue": of or name, **more})


def queue(
    name: str = "a",
    cpu: str = "8",
    *,
    used: str = "0",
    cohort: str = "",
    flavors: tuple[str, ...] = ("plain",),
    status: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    line = {"name": "cpu", "nominalQuota": cpu, **{key: more.pop(key) for key in ("borrowingLimit", "lendingLimit")
                                                   if key in more}}  # fmt: skip
    memory = {"name": "memory", "nominalQuota": "1000Gi"}
    spec = {
        "namespaceSelector": {}, "resourceGroups": [{
            "coveredResources": ["cpu", "memory"],
            "flavors": [{"name": each, "resources": [line, memory]} for each in flavors],
        }], **({"cohortName": cohort} if cohort else {}), **more,
    }  # fmt: skip
    usage = [{"name": flavors[0], "resources": [{"name": "cpu", "total": used}]}]
    return cluster_wide("ClusterQueue", name, spec=spec, status={"flavorsReservation": usage, **(status or {})})


def space(**labels: str) -> dict[str, Any]:
    found = cluster_wide("Namespace", NAMESPACE)
    found["metadata"]["labels"] = labels
    return found


@pytest.mark.parametrize(
    ("queues", "id", "verdict", "fits"),
    [
        ((), "queue-missing", "never", ""),
        ((local(),), "cluster-queue-missing", "never", ""),
        ((local(), queue()), None, None, ""),
        ((local(), queue(cpu="3")), "quota-never-enough", "never", "cpu 3"),
        ((local(), queue(used="6")), "quota-used-up", "not-now", "cpu 2"),
        ((local(), queue(stopPolicy="Hold")), "queue-held", "not-now", ""),
        ((local(stopPolicy="HoldAndDrain"), queue()), "queue-held", "not-now", ""),
        ((local(), queue(status={"conditions": [condition("Active", "False", "FlavorNotFound", "no gpu")]})),
         "queue-inactive", "never", ""),
        ((local(), queue(namespaceSelector={"matchLabels": {"team": "b"}})), "queue-refuses-namespace", "never", ""),
        ((local(), queue(namespaceSelector=None)), "queue-refuses-namespace", "never", ""),
        ((local(), queue(namespaceSelector={"matchExpressions": [
            {"key": "team", "operator": "In", "values": ["a"]}]})), None, None, ""),
        ((local(), queue(flavors=("gone",))), "no-flavor", "never", ""),
        # of a cohort
        ((local(), queue(cpu="2", cohort="all"), queue("b", "6", cohort="all")), None, None, ""),
        ((local(), queue(cpu="2", cohort="all", borrowingLimit="1"), queue("b", "6", cohort="all")),
         "quota-never-enough", "never", "cpu 3"),
        ((local(), queue(cpu="2", cohort="all"), queue("b", "6", cohort="all", used="5")),
         "quota-used-up", "not-now", "cpu 3"),
        ((local(), queue(cpu="2", cohort="all"), queue("b", "6", cohort="all", lendingLimit="1")),
         "quota-never-enough", "never", "cpu 3"),
        # another one would do
        ((local(), queue(cpu="3"), local("b"), queue("b", "6")), "quota-never-enough", "never", "cpu 3, or queue b"),
        ((local(), queue(used="8"), local("b"), queue("b", "6")), "quota-used-up", "not-now", "queue b"),
        ((local("b"), queue("b", "6")), "queue-missing", "never", "queue b"),
    ],
)  # fmt: skip
def test_a_queue_admits_it_never_not_now_or_now(queues: Any, id: str | None, verdict: str | None, fits: str) -> None:
    found = against(asks(STEP), facts(BIG, flavor(), space(team="a"), *queues))
    assert [(each.id, each.verdict, each.fits) for each in found] == ([(id, verdict, fits)] if id else [])


def test_a_resource_without_a_quota_is_never_admitted() -> None:
    step = fit(queue="a", resources=Resources(gpus="A100-80GB:1", cpu=1))
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
    cluster = facts(node("n1", labels, **{"cpu": "9", "memory": "9Gi", "nvidia.com/gpu": "1"}), flavor(), local(),
                    queue(), space())  # fmt: skip
    assert ids(asks(step), cluster) == {"queue-lacks-resource": "never"}


def test_a_gang_is_admitted_whole_and_who_waits_for_it_is_not_queued() -> None:
    gang = fit(queue="a", resources=Resources(cpu=4, memory="1Gi"), runtime=Torch(nodes=3))
    (reason,) = against(asks(gang), facts(BIG, flavor(), local(), queue(cpu="9"), space()))
    assert (reason.id, reason.fits) == ("quota-never-enough", "cpu 3") and "3 pods ask together" in reason.message
    assert [(each.path, each.value) for each in reason.evidence if "nominalQuota" in each.path] == [
        ("spec.resourceGroups[0].flavors[0].resources[0].nominalQuota", "9")
    ]


def test_a_flavor_that_does_not_go_with_it_is_not_taken() -> None:
    tainted = flavor("spot", nodeTaints=[{"key": "spot", "value": "true", "effect": "NoSchedule"}])
    arm = flavor("arm", nodeLabels={"arch": "arm64"})
    both = (local(), queue(flavors=("spot", "arm")), space())
    wants = fit(queue="a", resources=Resources(cpu=4, memory="1Gi"),
                overlays=(Overlay(kind="Pod", patch={"nodeSelector": {"arch": "amd64"}}),))  # fmt: skip
    amd = node("n1", {"arch": "amd64"}, cpu="9", memory="9Gi")
    (reason,) = against(asks(wants), facts(amd, tainted, arm, *both))
    assert reason.id == "no-flavor" and "spot=true:NoSchedule" in reason.message and "arm64" in reason.message
    plain = against(asks(STEP), facts(amd, tainted, arm, *both))  # it gets the flavor arm, whose nodes are not there
    assert [(each.id, each.fits) for each in plain] == [("node-labels-unmatched", "arch=amd64")]


def test_a_flavor_is_judged_by_its_own_labels_alone() -> None:
    terms = [{"matchExpressions": [{"key": "other", "operator": "In", "values": ["x"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    step = fit(queue="a", overlays=(Overlay(kind="Pod", patch={"affinity": {"nodeAffinity": required}}),))
    there = node("n1", {"other": "x", "arch": "arm64"}, cpu="9", memory="9Gi")
    assert ids(asks(step), facts(there, flavor(nodeLabels={"arch": "arm64"}), local(), queue(), space())) == {}


def test_queues_that_could_not_be_read_leave_it_unknown() -> None:
    for unread in ("LocalQueue", "ClusterQueue"):
        seen = () if unread == "LocalQueue" else (local(),)
        (judged, *_) = judge(asks(STEP), facts(BIG, *seen, unread=frozenset({unread})))
        assert verdict_of(judged.reasons, judged.unread) == "unknown"


def test_a_queue_that_says_what_is_not_known_leaves_it_unknown() -> None:
    (judged, *_) = judge(asks(STEP), facts(BIG, flavor(), local(), queue(cpu="many"), space()))
    assert verdict_of(judged.reasons, judged.unread) == "unknown"
    assert [each.why for each in judged.unread] == ["its ClusterQueue a could not be read"]


def test_admission_checks_are_said_not_to_be_looked_at() -> None:
    (judged, *_) = judge(asks(STEP), facts(BIG, flavor(), local(), queue(admissionChecks=["cloud"]), space()))
    assert [each.why for each in judged.unread] == ["cloud decide when it asks"]


def test_cohorts_of_cohorts_lend_and_borrow_too() -> None:
    cohorts = (
        cluster_wide("Cohort", "team", spec={"parentName": "org"}),
        cluster_wide("Cohort", "org", spec={"resourceGroups": [{"coveredResources": ["cpu"], "flavors": [
            {"name": "plain", "resources": [{"name": "cpu", "nominalQuota": "10"}]}]}]}),
        cluster_wide("Cohort", "loop", spec={"parentName": "loop"}),
    )  # fmt: skip
    line = FlavorResource("plain", "cpu")
    queues = (queue("a", "2", cohort="team", used="1"), queue("b", "3", cohort="team", used="5"))
    found = Cohorts(facts(*cohorts, *queues)).queues["a"]
    assert (found.most(line), found.left(line)) == (Decimal(15), Decimal(9))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5), st.none() | st.integers(0, 5)), min_size=1, max_size=4)
)  # fmt: skip
def test_with_nothing_used_what_is_left_is_all_and_borrowing_never_makes_quota(quotas: list[Any]) -> None:
    queues = [
        queue(str(number), str(nominal), cohort="all", **{
            name: str(value) for name, value in (("borrowingLimit", borrows), ("lendingLimit", lends)) if value is not None
        }) for number, (nominal, borrows, lends) in enumerate(quotas)
    ]  # fmt: skip
    found, line = Cohorts(facts(*queues)).queues, FlavorResource("plain", "cpu")
    for each, (nominal, _, lends) in zip(found.values(), quotas, strict=True):
        assert each.left(line) == each.most(line) <= sum(nominal for nominal, *_ in quotas)
        assert each.most(line) >= (nominal if lends is None else min(nominal, lends))
