"""Workloads that their queue holds back, as Kueue says it. Texts of 0.8 to 0.19 differ; both are here.

Source: https://kueue.sigs.k8s.io/docs/tasks/troubleshooting/troubleshooting_jobs/
"""

from __future__ import annotations

from fairlead.insight.findings import Layer
from fairlead.insight.signs import Sign, has, rule

_DOCS = "https://kueue.sigs.k8s.io/docs"
_QUEUES = f"{_DOCS}/concepts/cluster_queue/"
_WORKLOAD = ("Workload",)


def _waits(message: str, reason: str = "") -> tuple[Sign, ...]:
    return (has("QuotaReserved", "False", reason, message),)


RULES = (
    rule(
        "queue-missing",
        Layer.STRUCTURE,
        *_waits(r"LocalQueue (?P<queue>\S+) doesn't exist"),
        message="there is no queue {queue} in the namespace {namespace}",
        remedy="kubectl get localqueues -n {namespace}; name one of these",
        source=f"{_DOCS}/concepts/local_queue/",
        kinds=_WORKLOAD,
    ),
    rule(
        "cluster-queue-missing",
        Layer.STRUCTURE,
        *_waits(r"ClusterQueue (?P<queue>\S+) doesn't exist"),
        message="the LocalQueue leads to the ClusterQueue {queue}, which is not there",
        remedy="create the ClusterQueue {queue}, or have the LocalQueue name another one",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "queue-held",
        Layer.QUOTA,
        *_waits(r"is (stopped|on hold|held)|StopPolicy", ""),
        *_waits("", "Suspended"),
        message="the queue is held: {said}",
        remedy="ask whoever runs it: spec.stopPolicy of the ClusterQueue or the LocalQueue is Hold or HoldAndDrain",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "queue-inactive",
        Layer.STRUCTURE,
        *_waits(r"(ClusterQueue|LocalQueue) (?P<queue>\S+) is inactive"),
        message="the queue is not active: {said}",
        remedy="kubectl describe clusterqueue: its condition Active says what it lacks, a flavor or a check",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "quota-never-enough",
        Layer.QUOTA,
        *_waits(
            r"insufficient quota for (?P<resource>\S+) in flavor (?P<flavor>\S+?),"
            r".*request .*>\s*maximum capacity \((?P<most>[^)]+)\)"
        ),
        *_waits("", "ExceedsMaxQuota"),
        message="the queue will never have enough {resource}: {said}",
        remedy="ask for at most {most} {resource}, or raise nominalQuota or borrowingLimit of flavor {flavor}",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "borrowing-limit",
        Layer.QUOTA,
        *_waits(r"borrowing limit for (?P<resource>\S+) in flavor (?P<flavor>\S+) exceeded"),
        message="the queue may not borrow more {resource} of flavor {flavor}",
        remedy="wait, ask for less, or raise borrowingLimit of flavor {flavor}",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "no-flavor",
        Layer.PLACEMENT,
        *_waits(r"(untolerated taint|doesn't match node affinity|no flavor|flavor .* not found)", ""),
        *_waits("", "NoMatchingFlavor"),
        message="no flavor of the queue goes with it: {said}",
        remedy="change tolerations or node selectors to those of a flavor: kubectl get resourceflavors -o yaml",
        source=f"{_DOCS}/concepts/resource_flavor/",
        kinds=_WORKLOAD,
    ),
    rule(
        "topology-unfit",
        Layer.PLACEMENT,
        *_waits(r"topology .*(allows to fit only|doesn't allow to fit|cannot fit)|TopologyPlacement", ""),
        message="no place of the topology takes it whole: {said}",
        remedy="ask for preferred instead of required topology, a higher level, or fewer pods",
        source=f"{_DOCS}/concepts/topology_aware_scheduling/",
        kinds=_WORKLOAD,
    ),
    rule(
        "quota-used-up",
        Layer.QUOTA,
        *_waits(
            r"insufficient (unused )?quota (in cohort )?for (?P<resource>\S+) in flavor (?P<flavor>\S+?), "
            r"(?P<more>\S+) more needed"
        ),
        message="the quota is used up: {more} more {resource} of flavor {flavor} are needed",
        remedy="wait until others end: kubectl get workloads -A shows who has it; or ask for less {resource}",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "waits-for-preempted",
        Layer.QUOTA,
        *_waits(r"Pending the preemption of (?P<count>\d+) workload", ""),
        *_waits("", "WaitingForPreemptedWorkloads"),
        message="it waits for those that it takes the quota from: {said}",
        remedy="wait: they are being ended; kubectl get workloads -A shows them",
        source=f"{_DOCS}/concepts/preemption/",
        kinds=_WORKLOAD,
    ),
    rule(
        "waits-for-pods-ready",
        Layer.QUOTA,
        *_waits(r"waiting for all admitted workloads to be in (the )?PodsReady", ""),
        message="the queue admits nobody before the pods of another workload are ready: {said}",
        remedy="look at why those are not: kubectl get workloads -A; fairlead why workload/NAME",
        source=f"{_DOCS}/tasks/manage/setup_wait_for_pods_ready/",
        kinds=_WORKLOAD,
    ),
    rule(
        "workload-deactivated",
        Layer.POLICY,
        has("Evicted", "True", "Deactivated.*"),
        *_waits(r"workload is deactivated", ""),
        message="it was deactivated: {said}",
        remedy="once the cause is mended: kubectl patch workload {name} -n {namespace} --type merge -p "
        '\'{{"spec":{{"active":true}}}}\'',
        source=f"{_DOCS}/concepts/workload/",
        kinds=_WORKLOAD,
    ),
    rule(
        "workload-evicted",
        Layer.QUOTA,
        has("Evicted", "True"),
        message="its queue took the quota back ({reason}): {said}",
        remedy="it is queued again by itself; the queue's reclaim and priority rules say who may do that",
        source=f"{_DOCS}/concepts/preemption/",
        kinds=_WORKLOAD,
        is_consequence=True,
    ),
    rule(
        "quota-waits",
        Layer.QUOTA,
        *_waits(""),
        message="its queue has not let it in yet: {said}",
        remedy="kubectl describe workload {name} -n {namespace}",
        source=_QUEUES,
        kinds=_WORKLOAD,
        confidence=0.6,
    ),
)
