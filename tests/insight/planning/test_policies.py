"""What a namespace allows: quotas, ranges, Pod Security; what is over the most is never, what is used up is not now."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.insight.planning.plans import judge
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import Overlay
from fairlead.specs.volumes import Volume
from insight.pictures import NAMESPACE, thing
from insight.planning.flows import BIG, against, asks, cluster_wide, facts, fit, ids


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    status = {"hard": hard, "used": {**dict.fromkeys(hard, "0"), **(used or {})}}
    return thing("ResourceQuota", "team", spec={"hard": hard, **spec}, status=status)


STEP = fit(resources=Resources(cpu=4, memory="8Gi"))


@pytest.mark.parametrize(
    ("hard", "used", "verdict", "fits"),
    [
        ({"requests.cpu": "2"}, {}, "never", "cpu 2"),
        ({"cpu": "8"}, {"cpu": "6"}, "not-now", "cpu 2"),
        ({"limits.memory": "7Gi"}, {}, "never", "memory 7Gi"),
        ({"pods": "5"}, {"pods": "5"}, "not-now", ""),
        ({"count/pods": "5"}, {"count/pods": "4"}, None, ""),
        ({"requests.cpu": "4"}, {}, None, ""),
        ({"count/jobs.batch": "0", "services": "0"}, {}, None, ""),
    ],
)  # fmt: skip
def test_a_quota_is_never_enough_or_used_up(hard: Any, used: Any, verdict: str | None, fits: str) -> None:
    found = against(asks(STEP), facts(BIG, quota(hard, used)))
    assert [(each.id, each.verdict, each.fits) for each in found] == (
        [("quota-of-namespace", verdict, fits)] if verdict else []
    )


def test_a_gang_takes_its_quota_whole() -> None:
    gang = fit(resources=Resources(cpu=4, memory="8Gi"), runtime=Torch(nodes=4))
    (reason,) = against(asks(gang), facts(BIG, quota({"requests.cpu": "12"})))
    assert (reason.verdict, reason.fits) == ("never", "cpu 3") and "4 pods together" in reason.message
    assert [each.path for each in reason.evidence][:1] == ['status.hard["requests.cpu"]']


@pytest.mark.parametrize(
    ("spec", "counts"),
    [
        ({"scopes": ["Terminating"]}, False),
        ({"scopes": ["NotTerminating", "NotBestEffort"]}, True),
        ({"scopes": ["Invented"]}, False),
        ({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}}, False),
        ({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "NotIn", "values": ["high"]}]}}, True),
    ],
)  # fmt: skip
def test_a_quota_counts_what_its_scopes_say(spec: Any, counts: bool) -> None:
    assert bool(ids(asks(STEP), facts(BIG, quota({"cpu": "1"}, **spec)))) == counts


def test_a_quota_wants_containers_to_say_what_it_counts() -> None:
    more = {"name": "beside", "image": "i", "securityContext": {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}  # fmt: skip
    step = fit(overlays=(Overlay(kind="Pod", patch={"containers": [more]}),))
    limited = quota({"limits.memory": "64Gi"})
    assert ids(asks(step), facts(BIG, limited)) == {"quota-needs-requests": "never"}
    defaults = thing("LimitRange", "d", spec={"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]})
    assert ids(asks(step), facts(BIG, limited, defaults)) == {}


def test_volumes_of_a_run_are_counted() -> None:
    step = fit(volumes=(Volume(name="w", path="/w", size="10Gi", lasts="run", access_mode="ReadWriteMany"),))
    default = cluster_wide("StorageClass", "c")
    default["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    for most, used, verdict in (("5Gi", "0", "never"), ("15Gi", "10Gi", "not-now")):
        found = quota({"requests.storage": most}, {"requests.storage": used})
        assert ids(asks(step), facts(BIG, default, found)) == {"quota-of-namespace": verdict}
    assert ids(asks(step), facts(BIG, default, quota({"requests.storage": "20Gi"}))) == {}


def test_a_quota_that_says_nothing_of_its_use_leaves_it_unknown() -> None:
    (judged, _) = judge(asks(STEP), facts(BIG, thing("ResourceQuota", "new", spec={"hard": {"cpu": "9"}}, status={})))
    assert not judged.reasons and [each.what for each in judged.unread] == ["what is used of the ResourceQuota new"]


@pytest.mark.parametrize(
    ("limit", "fits"),
    [
        ({"type": "Container", "max": {"cpu": "2"}}, "cpu 2"),
        ({"type": "Container", "min": {"memory": "16Gi"}}, "memory 16Gi"),
        ({"type": "Pod", "max": {"memory": "4Gi"}}, "memory 4Gi"),
        ({"type": "Container", "max": {"nvidia.com/gpu": "1"}}, "a limit of 1 GPU"),
    ],
)  # fmt: skip
def test_a_range_is_kept(limit: dict[str, Any], fits: str) -> None:
    limits = thing("LimitRange", "sizes", spec={"limits": [limit]})
    found = against(asks(STEP), facts(BIG, limits))
    assert found and {each.id for each in found} == {"limit-range"} and found[0].verdict == "never"
    assert fits in {each.fits for each in found} and "LimitRange sizes" in found[0].message


def test_a_ratio_of_a_range_is_kept() -> None:
    limits = thing("LimitRange", "r", spec={"limits": [{"type": "Container", "maxLimitRequestRatio": {"cpu": "3"}}]})
    (reason, *_) = against(asks(fit()), facts(BIG, limits))
    assert "times its request" in reason.message


def test_a_namespace_that_is_restricted_takes_what_runs_are_made_of() -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = cluster_wide("Namespace", NAMESPACE)
    namespace["metadata"]["labels"] = labels
    (asked, own) = asks(STEP)
    assert ids([asked, own], facts(BIG, namespace)) == {}
    loose = asked.own[0].pod.value["spec"]["containers"][0]
    loose["securityContext"] = {**loose["securityContext"], "privileged": True}
    (reason,) = against([asked], facts(BIG, namespace))
    assert reason.id == "pod-security" and "privileged" in reason.message
    assert {each.path for each in reason.evidence} >= {'metadata.labels["pod-security.kubernetes.io/enforce"]'}
