"""Scenarios in a real Kueue, all side by side: what it has admitted after each thing that happens."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists, Conflict
from fairlead.kube.mirror import Event
from fairlead.kube.resources import CLUSTER_QUEUE, LOCAL_QUEUE, RESOURCE_FLAVOR, WORKLOAD, Kind
from fairlead.kube.watching import Watch
from fairlead.queues.specs import ClusterQueue, Cohort, Quota, ResourceGroup, Workload
from queues.random_queues import Scenario

Admitted = dict[str, dict[str, int]]
"""What each admitted workload uses: by ``flavor/resource``."""

_COHORT = Kind("kueue.x-k8s.io", "v1beta2", "Cohort", "cohorts", namespaced=False)
RESOURCES = {"cpu": "cpu", "gpu": "example.com/gpu"}
"""Our names of resources, and Kueue's."""
_OURS = {theirs: ours for ours, theirs in RESOURCES.items()}
_QUIET_S = 5.0
"""Kueue looks again a second after something has ended."""
_PATIENCE_S = 40.0
"""Where work is taken back without end, it never is quiet."""
_NAMESPACE = "fairlead"


class RealKueue:
    """Plays scenarios, and ends what Kueue takes back, as the operators of jobs do.

    Args:
        client: Of the API server that Kueue is at.
        scenarios: By a name that is a part of all of a scenario's objects.
    """

    def __init__(self, client: Client, scenarios: Mapping[str, Scenario]) -> None:
        self._client = client
        self._scenarios = scenarios
        self._changed = time.monotonic()
        self._words: dict[str, tuple[bool, ...]] = {}
        self.uids: dict[str, dict[str, str]] = {name: {} for name in scenarios}

    def play(self) -> dict[str, list[Admitted]]:
        """Return what is admitted after each step of each scenario."""
        found: dict[str, list[Admitted]] = {name: [] for name in self._scenarios}
        with Watch(self._client, WORKLOAD, namespace=_NAMESPACE) as workloads:
            workloads.wait_synced(30)
            workloads.listen(self._see)
            self._make_queues()
            time.sleep(_QUIET_S)
            for number in range(max(len(each.steps) for each in self._scenarios.values())):
                for name, scenario in self._scenarios.items():
                    if number < len(scenario.steps):
                        self._do(name, scenario, number)
                self._wait()
                seen = {each["metadata"]["name"]: each for each in workloads.objects().values()}
                for name, scenario in self._scenarios.items():
                    if number < len(scenario.steps):
                        found[name].append(_admitted(name, scenario, seen))
        return found

    def _make_queues(self) -> None:
        for flavor in ("a", "b"):
            spec = {"nodeLabels": {"flavor": flavor}}
            with suppress(AlreadyExists):
                self._create(RESOURCE_FLAVOR, {"metadata": {"name": flavor}, "spec": spec})
        for name, scenario in self._scenarios.items():
            for cohort in scenario.cohorts:
                self._create(_COHORT, cohort_manifest(name, cohort))
            for queue in scenario.queues:
                self._create(CLUSTER_QUEUE, queue_manifest(name, queue))
                local = {"metadata": {"name": f"{name}-{queue.name}"}, "spec": {"clusterQueue": f"{name}-{queue.name}"}}
                self._create(LOCAL_QUEUE, local)

    def _create(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        typed = {"apiVersion": kind.api_version, "kind": kind.kind, **manifest}
        return self._client.create(kind, typed, namespace=_NAMESPACE if kind.namespaced else None)

    def _do(self, name: str, scenario: Scenario, number: int) -> None:
        step = scenario.steps[number]
        own = f"{name}-{step.workload}"
        if step.what == "submit":
            made = self._create(WORKLOAD, _workload(name, scenario.workloads[step.workload]))
            self.uids[name][step.workload] = made["metadata"]["uid"]
        else:
            self._edit(own, _finished)

    def _wait(self) -> None:
        """Wait until nothing has changed for a while; creation times have seconds, which must differ."""
        self._changed = began = time.monotonic()
        while time.monotonic() - self._changed < _QUIET_S and time.monotonic() - began < _PATIENCE_S:
            time.sleep(0.1)

    def _see(self, event: Event) -> None:
        """End what Kueue has taken back: quota is free again, and the workload waits as before."""
        words = tuple(_is(event.object, each) for each in ("QuotaReserved", "Evicted", "Finished"))
        if self._words.get(event.object["metadata"]["name"]) != words:  # messages change without end
            self._words[event.object["metadata"]["name"]] = words
            self._changed = time.monotonic()
        if event.type != "DELETED" and _is(event.object, "Evicted") and _is(event.object, "QuotaReserved"):
            self._edit(event.object["metadata"]["name"], _unreserved)

    def _edit(self, name: str, change: Any) -> None:
        while True:
            with suppress(Conflict):
                found = self._client.get(WORKLOAD, name, namespace=_NAMESPACE)
                if change(found):
                    self._client.replace(WORKLOAD, found, namespace=_NAMESPACE, subresource="status")
                return


def _is(workload: Mapping[str, Any], kind: str) -> bool:
    conditions = (workload.get("status") or {}).get("conditions") or ()
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)


def _set(workload: dict[str, Any], kind: str, status: str, reason: str) -> None:
    conditions = workload.setdefault("status", {}).setdefault("conditions", [])
    conditions[:] = [each for each in conditions if each["type"] != kind]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    conditions.append({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": now})


def _finished(workload: dict[str, Any]) -> bool:
    _set(workload, "Finished", "True", "Succeeded")
    return True


def _unreserved(workload: dict[str, Any]) -> bool:
    if not (_is(workload, "Evicted") and _is(workload, "QuotaReserved")):
        return False
    workload["status"].pop("admission", None)
    _set(workload, "QuotaReserved", "False", "Pending")
    _set(workload, "Admitted", "False", "NoReservation")
    return True


def _admitted(name: str, scenario: Scenario, seen: Mapping[str, Any]) -> Admitted:
    found: Admitted = {}
    for workload in scenario.workloads:
        there = seen.get(f"{name}-{workload}")
        if there is None or not _is(there, "QuotaReserved") or _is(there, "Finished"):
            continue
        usage: dict[str, int] = {}
        for each in there["status"]["admission"]["podSetAssignments"]:
            for resource, flavor in each["flavors"].items():
                what = f"{flavor}/{_OURS[resource]}"
                usage[what] = usage.get(what, 0) + int(each["resourceUsage"][resource])
        found[workload] = usage
    return found


def cohort_manifest(scenario: str, cohort: Cohort) -> dict[str, Any]:
    """Return a cohort as Kueue has it."""
    spec: dict[str, Any] = {"resourceGroups": _groups(cohort.groups)} if cohort.groups else {}
    if cohort.weight != 1.0:
        spec["fairSharing"] = {"weight": str(cohort.weight)}
    if cohort.parent:
        spec["parentName"] = f"{scenario}-{cohort.parent}"
    return {"metadata": {"name": f"{scenario}-{cohort.name}"}, "spec": spec}


def queue_manifest(scenario: str, queue: ClusterQueue) -> dict[str, Any]:
    """Return a queue as Kueue has it."""
    rules, fungibility = queue.preemption, queue.fungibility
    preemption: dict[str, Any] = {"withinClusterQueue": rules.within, "reclaimWithinCohort": rules.reclaim}
    if rules.borrow_within is not None:
        preemption["borrowWithinCohort"] = {"policy": "LowerPriority"}
        if rules.borrow_within.threshold is not None:
            preemption["borrowWithinCohort"]["maxPriorityThreshold"] = rules.borrow_within.threshold
    spec: dict[str, Any] = {
        "namespaceSelector": {},
        "queueingStrategy": queue.strategy,
        "preemption": preemption,
        "flavorFungibility": {
            "whenCanBorrow": fungibility.when_can_borrow,
            "whenCanPreempt": fungibility.when_can_preempt,
        },
        "resourceGroups": _groups(queue.groups),
    }
    if queue.weight != 1.0:
        spec["fairSharing"] = {"weight": str(queue.weight)}
    if queue.cohort:
        spec["cohortName"] = f"{scenario}-{queue.cohort}"
    return {"metadata": {"name": f"{scenario}-{queue.name}"}, "spec": spec}


def _groups(groups: Iterable[ResourceGroup]) -> list[dict[str, Any]]:
    return [
        {
            "coveredResources": [RESOURCES[resource] for resource in group.resources],
            "flavors": [
                {
                    "name": flavor.name,
                    "resources": [_quota(resource, flavor.quotas[resource]) for resource in group.resources],
                }
                for flavor in group.flavors
            ],
        }
        for group in groups
    ]


def _quota(resource: str, quota: Quota) -> dict[str, Any]:
    limits = {"borrowingLimit": quota.borrowing_limit, "lendingLimit": quota.lending_limit}
    given = {name: str(limit) for name, limit in limits.items() if limit is not None}
    return {"name": RESOURCES[resource], "nominalQuota": str(quota.nominal), **given}


def _workload(scenario: str, workload: Workload) -> dict[str, Any]:
    selector = {"flavor": next(iter(workload.flavors))} if workload.flavors else {}
    pod_sets = []
    for number, asked in enumerate(workload.pod_sets):
        requests = {RESOURCES[resource]: str(amount) for resource, amount in asked.items()}
        container = {"name": "main", "image": "none", "resources": {"requests": requests, "limits": requests}}
        spec = {"restartPolicy": "Never", "containers": [container], "nodeSelector": selector}
        pod_sets.append({"name": f"set{number}", "count": 1, "template": {"spec": spec}})
    return {
        "metadata": {"name": f"{scenario}-{workload.name}"},
        "spec": {
            "queueName": f"{scenario}-{workload.queue}", "priority": workload.priority, "podSets": pod_sets,
        },
    }  # fmt: skip
