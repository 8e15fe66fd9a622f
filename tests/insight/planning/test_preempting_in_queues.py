"""Queues that take work back: a plan has done to others what Kueue's scheduler does, and names them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import pytest

from fairlead.insight.planning.cohorts import Cohorts
from fairlead.insight.planning.plans import judge, plan
from fairlead.queues.admission import Queues
from fairlead.queues.manifests import UNIT
from fairlead.queues.specs import ClusterQueue, FlavorResource, Workload
from fairlead.specs.resources import Resources
from insight.pictures import condition, thing
from insight.planning.flows import BIG, asks, cluster_wide, facts, fit, ids
from insight.planning.test_preempting import HIGH, held
from insight.planning.test_queues import flavor, local, queue, space
from queues.random_queues import scenario
from queues.real_kueue import RESOURCES, cohort_manifest, queue_manifest

STEP = fit(queue="a", priority="high", resources=Resources(cpu=4, memory="1Gi"))
LOWER = {"preemption": {"withinClusterQueue": "LowerPriority"}}


def admitted(
    name: str, of: str, usage: dict[tuple[str, str], str], priority: int = 0, *, owner: str = ""
) -> dict[str, Any]:
    """Return a Workload with quota."""
    sets = [{"flavors": {resource: flavor}, "resourceUsage": {resource: amount}}
            for (flavor, resource), amount in usage.items()]  # fmt: skip
    status = {
        "admission": {"clusterQueue": of, "podSetAssignments": sets}, "conditions": [condition("QuotaReserved", "True")],
    }  # fmt: skip
    return thing("Workload", name, owner=owner, spec={"priority": priority}, status=status)


def cpu(amount: str) -> dict[tuple[str, str], str]:
    return {("plain", "cpu"): amount}


def cluster(*objects: dict[str, Any], **more: Any) -> Any:
    return facts(HIGH, flavor(), space(), local(), *objects, **more)


@pytest.mark.parametrize(
    ("rules", "priority", "starts"),
    [
        (LOWER, 0, True),
        (LOWER, 100, False),
        ({"preemption": {"withinClusterQueue": "LowerOrNewerEqualPriority"}}, 100, False),  # what comes is the newest
        ({"preemption": {"withinClusterQueue": "Never", "reclaimWithinCohort": "Any"}}, 0, False),
        ({}, 0, False),
    ],
)  # fmt: skip
def test_a_queue_takes_back_what_its_rules_allow(rules: dict[str, Any], priority: int, starts: bool) -> None:
    there = cluster(BIG, queue(used="6", **rules), admitted("w", "a", cpu("6"), priority))
    found = plan(asks(STEP), there, flow="f", context="lab").steps[0]
    if starts:
        assert (found.verdict, found.start) == ("now", "now, by preempting 1 workload of priority 0 (team/w)")
    else:
        assert ids(asks(STEP), there) == {"quota-used-up": "not-now"}


def test_what_others_have_borrowed_is_reclaimed() -> None:
    own = queue(cohort="all", cpu="4", preemption={"reclaimWithinCohort": "Any"})
    there = cluster(BIG, own, queue("b", "4", cohort="all", used="8"), admitted("w", "b", cpu("8"), 900))
    (reason, *_) = judge(asks(STEP), there)[0].reasons
    assert reason.message == "it starts by preempting 1 workload of priority 900 (team/w)" and reason.layer == "quota"


def test_the_room_of_what_is_taken_back_is_free() -> None:
    full = [held("p", "n1", 32), held("q", "n1", 32, 500)]
    full[0]["metadata"]["ownerReferences"] = [{"uid": "j"}]
    step = fit(queue="a", priority="high", resources=Resources(cpu=30, memory="1Gi"))
    two = (BIG, queue(cpu="64", used="64", **LOWER))
    assert ids(asks(step), cluster(*full, *two, admitted("w", "a", cpu("64"), owner="j"))) == {
        "preempts-others": "warning"
    }
    high = held("p", "n1", 32, 500)
    assert ids(asks(step), cluster(high, full[1], *two, admitted("w", "a", cpu("64"), owner="other"))) == {
        "preempts-others": "warning", "insufficient-resources": "not-now"
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["Workload", "PriorityClass"])
def test_what_could_not_be_read_is_said(kind: str) -> None:
    (judged, *_) = judge(asks(STEP), cluster(BIG, queue(used="6", **LOWER), unread=frozenset({kind})))
    assert "quota-used-up" in {each.id for each in judged.reasons}
    assert "whether the queue a preempts others" in {each.what for each in judged.unread}


OF_KUEUE = fit(
    queue="a", priority="high", labels={"kueue.x-k8s.io/priority-class": "top"},
    resources=Resources(cpu=4, memory="1Gi"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "found"), [(2000, {"preempts-others": "warning"}), (1, {"quota-used-up": "not-now"})]
)
def test_in_its_queue_a_class_of_kueue_s_own_counts(value: int, found: dict[str, str]) -> None:
    low = admitted("w", "a", cpu("6"), 10)
    own = {**cluster_wide("WorkloadPriorityClass", "top"), "value": value}
    assert ids(asks(OF_KUEUE), cluster(BIG, queue(used="6", **LOWER), low, own, HIGH)) == found


def test_a_class_of_kueue_s_own_that_is_not_there_or_not_known_is_said() -> None:
    there = BIG, queue(used="6", **LOWER), admitted("w", "a", cpu("6")), HIGH
    assert ids(asks(OF_KUEUE), cluster(*there)) == {"quota-used-up": "not-now", "priority-class-missing": "never"}
    (judged, *_) = judge(asks(OF_KUEUE), cluster(*there, unread=frozenset({"WorkloadPriorityClass"})))
    assert [each.id for each in judged.reasons] == ["quota-used-up"]
    assert {each.what for each in judged.unread} == {
        "whether the queue a preempts others", "WorkloadPriorityClass top",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(120))
def test_who_is_taken_back_is_who_is_by_the_scheduler_that_a_real_kueue_was_held_against(seed: int) -> None:
    made, since = scenario(seed), dict[str, int]()
    queues = Queues(made.queues, made.cohorts)
    for now, step in enumerate(made.steps):
        if step.what == "finish":
            queues.finish(step.workload)
            queues.settle(now)
            continue
        workload = made.workloads[step.workload]
        there = [*map(partial(cohort_manifest, "s"), made.cohorts), *(_queue(each, queues) for each in made.queues)]
        there += [_admitted(made.workloads[name], usage, since.get(name, 0)) for name, usage in queues.admitted.items()]
        seen = Cohorts(facts(*map(_typed, there))).preempted(_asking(workload))
        if queues.pending:
            return  # others come before it
        queues.submit(workload)
        changes = queues.settle(now)
        begins = next((at for at, each in enumerate(changes) if each.workload == workload.name), len(changes))
        assert {each.ref.name for each in seen} == {each.workload for each in changes[:begins]}
        since |= {each.workload: now for each in changes if each.what == "admitted"}


def _typed(value: dict[str, Any]) -> dict[str, Any]:
    kind = "Cohort" if "status" not in value else "Workload" if "admission" in value["status"] else "ClusterQueue"
    return {**value, "kind": kind}


def _queue(spec: ClusterQueue, queues: Queues) -> dict[str, Any]:
    usage = [{"name": what.flavor, "resources": [{"name": RESOURCES[what.resource], "total": str(amount)}]}
             for what, amount in queues.usage(spec.name).items()]  # fmt: skip
    return {**queue_manifest("s", spec), "status": {"flavorsReservation": usage}}


def _admitted(workload: Workload, usage: Mapping[FlavorResource, int], since: int) -> dict[str, Any]:
    lines = {(what.flavor, RESOURCES[what.resource]): str(amount) for what, amount in usage.items()}
    found = admitted(workload.name, f"s-{workload.queue}", lines, workload.priority)
    found["metadata"]["creationTimestamp"] = f"2026-11-20T10:00:{int(workload.created):02}Z"
    found["status"]["conditions"] = [condition("QuotaReserved", "True", at=f"2026-11-20T10:00:{since:02}Z")]
    return found


def _asking(workload: Workload) -> Workload:
    sets = tuple({RESOURCES[name]: amount * UNIT for name, amount in each.items()} for each in workload.pod_sets)
    return msgspec.structs.replace(workload, queue=f"s-{workload.queue}", pod_sets=sets)
