"""Workloads that their queue holds back, as Kueue says it. Texts of 0.8 to 0.19 differ; both are here.

Source: https://kueue.sigs.k8s.io/docs/tasks/troubleshooting/troubleshooting_jobs/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.insight.findings import Layer
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import QUEUED, has, rule
from fairlead.snapshots.snapshot import Snapshot, Thing

_DOCS = "https://kueue.sigs.k8s.io/docs"
_QUEUES = f"{_DOCS}/concepts/cluster_queue/"
_WORKLOAD = ("Workload",)
_TOO_MUCH_AS_IT_IS = r"insufficient quota for (?P<resource>\S+) in flavor (?P<flavor>[^\s,]+)"
_TOO_MUCH = (
    r"insufficient quota for (?P<resource>\S+) in flavor (?P<flavor>\S+?),"
    r".*request .*>\s*maximum capacity \((?:[^)>]*> )?(?P<most>[^)]+)\)"
)


def _waits(message: str, reason: str = "") -> tuple[Sign, ...]:
    return (has("QuotaReserved", "False", reason, message),)


def _queue_of(workload: Thing, snapshot: Snapshot) -> Thing | None:
    """Return the ClusterQueue that a workload stands in; None where it can't be read."""
    local = snapshot.find("LocalQueue", workload.text("spec.queueName"), workload.ref.namespace)
    return snapshot.find("ClusterQueue", local.text("spec.clusterQueue")) if local else None


def _inactive(workload: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload whose queue is not active, with what the queue says of that."""
    condition, queue = workload.condition("QuotaReserved"), _queue_of(workload, snapshot)
    said = condition.text("message") if condition and condition.text("status") == "False" else ""
    if condition is None or " is inactive" not in said:
        return
    active = queue.condition("Active") if queue else None
    evidence = (*condition.cite("message", "reason"), *(active.cite("message", "reason") if active else ()))
    words = {"said": active.text("message") if active else said}
    yield Seen(evidence, words, condition.text("lastTransitionTime"), explains=QUEUED)


def _stopped(workload: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload whose queue is not active since somebody has stopped it."""
    local = snapshot.find("LocalQueue", workload.text("spec.queueName"), workload.ref.namespace)
    queues = [each for each in (local, _queue_of(workload, snapshot)) if each is not None]
    for queue in queues if is_queued(workload) else ():
        if queue.text("spec.stopPolicy") in ("Hold", "HoldAndDrain"):
            words = {"said": f"{queue.ref} has the stopPolicy {queue.text('spec.stopPolicy')}"}
            yield Seen(
                queue.cite("spec.stopPolicy"), words, workload.text("metadata.creationTimestamp"), explains=QUEUED
            )


def _inert(workload: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload that somebody has taken out of its queue."""
    if workload.part("spec.active").value is False and is_queued(workload):
        evicted = workload.condition("Evicted")
        said = evicted.text("message") if evicted else "spec.active is false"
        cited = (*workload.part("spec").cite("active"), *(evicted.cite("message", "reason") if evicted else ()))
        evidence = cited or workload.cite("metadata.name")
        yield Seen(evidence, {"said": said}, workload.text("metadata.creationTimestamp"), explains=QUEUED)


def is_queued(workload: Thing) -> bool:
    """Say whether a workload waits for its quota."""
    reserved, finished = workload.condition("QuotaReserved"), workload.condition("Finished")
    return not any(each is not None and each.text("status") == "True" for each in (reserved, finished))


def _rank(workload: Thing) -> tuple[int, str]:
    return -(workload.number("spec.priority") or 0), workload.text("metadata.creationTimestamp")


def _behind(workload: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload that stands in a strict queue behind one that does not fit."""
    queue, reserved = _queue_of(workload, snapshot), workload.condition("QuotaReserved")
    if queue is None or queue.text("spec.queueingStrategy") != "StrictFIFO" or not is_queued(workload):
        return
    if reserved is not None and "needed" in reserved.text("message"):  # it was looked at itself
        return
    before = [
        each
        for each in snapshot.of_kind("Workload")
        if each.ref != workload.ref and is_queued(each) and _rank(each) < _rank(workload)
        and (other := _queue_of(each, snapshot)) is not None and other.ref == queue.ref
    ]  # fmt: skip
    if before:
        head = min(before, key=_rank)
        condition = head.condition("QuotaReserved")
        said = condition.text("message") if condition else "it does not fit"
        evidence = (
            *queue.cite("spec.queueingStrategy"),
            *(condition.cite("message") if condition else head.cite("spec.queueName")),
        )
        words = {"queue": queue.ref.name, "head": str(head.ref), "said": said}
        yield Seen(evidence, words, workload.text("metadata.creationTimestamp"), explains=QUEUED)


def _capped(workload: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload that would fit if its queue might borrow more."""
    condition, queue = workload.condition("QuotaReserved"), _queue_of(workload, snapshot)
    said = re.search(_TOO_MUCH_AS_IT_IS, condition.text("message")) if condition else None
    if (
        condition is None
        or queue is None
        or said is None
        or not queue.text("spec.cohortName") + queue.text("spec.cohort")
    ):
        return
    for flavor in (each for group in queue.each("spec.resourceGroups") for each in group.each("flavors")):
        for each in flavor.each("resources"):
            if (flavor.text("name"), each.text("name")) == (said["flavor"], said["resource"]) and each.text(
                "borrowingLimit"
            ):
                evidence = (*condition.cite("message"), *each.cite("borrowingLimit", "nominalQuota"))
                yield Seen(evidence, said.groupdict(), condition.text("lastTransitionTime"), explains=QUEUED)


def _checked(*states: str) -> Sign:
    """An admission check of a workload in one of these states."""

    def find(workload: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        for each in workload.each("status.admissionChecks"):
            if each.text("state") in states:
                words = {"check": each.text("name"), "state": each.text("state"), "said": each.text("message")}
                cited = each.cite("name", "state", "message")
                check = snapshot.find("AdmissionCheck", each.text("name"))
                active = check.condition("Active") if check else None
                if active and active.text("status") == "False":
                    words["said"] = f"{words['said']} {active.text('message')}".strip()
                    cited += active.cite("message", "reason")
                yield Seen(cited, words, each.text("lastTransitionTime"), explains=QUEUED)

    return Sign("checks", find)


_UNPROVIDED = (
    r"Retrying after (failure|booking expired|capacity revoked)|RESOURCE_POOL_EXHAUSTED|"
    r"not have enough resources|out of (capacity|resources)|stock-?out|insufficient ?capacity"
)


def _unprovided(workload: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a workload for which an autoscaler was asked for machines, and had none."""
    for seen in _checked("Pending").find(workload, snapshot):
        requests = [each for each in snapshot.below(workload) if each.ref.kind == "ProvisioningRequest"]
        failed = [said for each in requests if (said := each.condition("Failed")) and said.text("status") == "True"]
        if failed and not seen.words["said"]:
            seen = seen._replace(
                evidence=failed[-1].cite("message", "reason"), words={**seen.words, "said": failed[-1].text("message")}
            )
        if failed or re.search(_UNPROVIDED, seen.words["said"], re.IGNORECASE):
            yield seen


RULES = (
    rule(
        "queue-missing",
        Layer.STRUCTURE,
        *_waits(r"LocalQueue (?P<queue>\S+) (doesn't|does not) exist"),
        message="there is no queue {queue} in the namespace {namespace}",
        remedy="kubectl get localqueues -n {namespace}; name one of these",
        source=f"{_DOCS}/concepts/local_queue/",
        kinds=_WORKLOAD,
    ),
    rule(
        "cluster-queue-missing",
        Layer.STRUCTURE,
        *_waits(r"ClusterQueue (?P<queue>\S+) ((doesn't|does not) exist|not found)"),
        message="the LocalQueue leads to the ClusterQueue {queue}, which is not there",
        remedy="create the ClusterQueue {queue}, or have the LocalQueue name another one",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "queue-held",
        Layer.QUOTA,
        *_waits(r"(Queue|queue) (\S+ )?is (stopped|on hold|held)|StopPolicy", ""),
        Sign("condition QuotaReserved", _stopped),
        has("Evicted", "True", "(ClusterQueue|LocalQueue)Stopped"),
        message="the queue is held: {said}",
        remedy="ask whoever runs it: spec.stopPolicy of the ClusterQueue or the LocalQueue is Hold or HoldAndDrain",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "queue-inactive",
        Layer.STRUCTURE,
        Sign("condition QuotaReserved", _inactive),
        message="the queue is not active: {said}",
        remedy="create or mend what it lacks: kubectl get resourceflavors,admissionchecks,topologies",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "queue-not-for-namespace",
        Layer.POLICY,
        *_waits(r"namespace doesn't match ClusterQueue selector"),
        message="the ClusterQueue does not serve the namespace {namespace}",
        remedy="label the namespace as namespaceSelector of the ClusterQueue wants it, or use another queue",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "limit-range",
        Layer.POLICY,
        *_waits(r"didn't satisfy LimitRange constraints|(?P<bound>exceeds|below) .*LimitRange"),
        message="it is not within the LimitRange of the namespace: {said}",
        remedy="keep within it: kubectl describe limitrange -n {namespace}",
        source="https://kubernetes.io/docs/concepts/policy/limit-range/",
        kinds=_WORKLOAD,
    ),
    rule(
        "resource-not-in-queue",
        Layer.QUOTA,
        *_waits(r"resource (?P<resource>\S+) unavailable in ClusterQueue"),
        message="the queue has no quota for {resource} at all",
        remedy="do not ask for {resource}, or have it added to coveredResources of the ClusterQueue",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "execution-time-exceeded",
        Layer.RUN,
        has("Evicted", "True", ".*MaximumExecutionTimeExceeded"),
        has("Finished", "True", "MaximumExecutionTimeExceeded"),
        *_waits(r"exceeding the maximum execution time|maximum execution time .*exceeded", ""),
        message="it ran longer than the queue lets it: {said}",
        remedy="raise the label kueue.x-k8s.io/max-exec-time-seconds, or have it do less",
        source=f"{_DOCS}/concepts/workload/#maximum-execution-time",
        kinds=_WORKLOAD,
    ),
    rule(
        "admission-check-refused",
        Layer.QUOTA,
        _checked("Rejected", "Retry"),
        Sign("checks", _unprovided),
        has("Evicted", "True", "(DeactivatedDueTo)?AdmissionCheck(Rejected)?"),
        message="the admission check {check} does not let it through: {said}",
        remedy="see what this check asks for; where that is machines of the cloud, try others, or another zone: "
        "kubectl get provisioningrequests -A",
        source=f"{_DOCS}/concepts/admission_check/",
        kinds=_WORKLOAD,
    ),
    rule(
        "pods-not-ready-in-time",
        Layer.QUOTA,
        has("Evicted", "True", "(DeactivatedDueTo)?(PodsReadyTimeout|RequeuingLimitExceeded)"),
        *_waits(r"Exceeded the PodsReady timeout", ""),
        message="its pods were not all ready in time, so the queue took the quota back: {said}",
        remedy="look at why they were not, such as images or nodes, or raise waitForPodsReady.timeout; where it was"
        ' deactivated: kubectl patch workload {name} -n {namespace} --type merge -p \'{{"spec":{{"active":true}}}}\'',
        source=f"{_DOCS}/tasks/manage/setup_wait_for_pods_ready/",
        kinds=_WORKLOAD,
        confidence=0.8,
    ),
    rule(
        "workload-preempted",
        Layer.QUOTA,
        has("Preempted", "True"),
        has("Evicted", "True", "Preempted"),
        message="another workload took its quota: {said}",
        remedy="it is queued again by itself; give it a higher priority, or a queue whose preemption does not touch it",
        source=f"{_DOCS}/concepts/preemption/",
        kinds=_WORKLOAD,
    ),
    rule(
        "workload-deactivated",
        Layer.POLICY,
        Sign("queued", _inert),
        has("Evicted", "True", "(Inactive)?Workload.*|Deactivated.*|Deactivated"),
        *_waits(r"workload is deactivated", ""),
        message="it was deactivated: {said}",
        remedy="once the cause is mended: kubectl patch workload {name} -n {namespace} --type merge -p "
        '\'{{"spec":{{"active":true}}}}\'',
        source=f"{_DOCS}/concepts/workload/",
        kinds=_WORKLOAD,
    ),
    rule(
        "fifo-head-blocks",
        Layer.QUOTA,
        Sign("queued", _behind),
        message="the queue {queue} is strict, and {head}, which comes first, does not fit: {said}",
        remedy="wait for it, have it ask for less or removed, or have queueingStrategy set to BestEffortFIFO",
        source=f"{_QUEUES}#queueing-strategy",
        kinds=_WORKLOAD,
    ),
    rule(
        "borrowing-limit",
        Layer.QUOTA,
        *_waits(r"borrowing limit for (?P<resource>\S+) in flavor (?P<flavor>\S+) exceeded"),
        Sign("condition QuotaReserved", _capped),
        message="the queue may not borrow more {resource} of flavor {flavor}",
        remedy="wait, ask for less, or raise borrowingLimit of flavor {flavor}",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "quota-never-enough",
        Layer.QUOTA,
        *_waits(_TOO_MUCH),
        *_waits(r"insufficient quota for (?P<resource>\S+) in flavor (?P<flavor>\S+?),? .*ClusterQueue", ""),
        *_waits("", "ExceedsMaxQuota"),
        message="the queue will never have enough {resource}: {said}",
        remedy="ask for at most {most} {resource}, or raise nominalQuota or borrowingLimit of flavor {flavor}",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "no-flavor",
        Layer.PLACEMENT,
        *_waits(
            r"untolerated taint|doesn't match node affinity|no flavor|flavor .* not found|flavor .* doesn't match", ""
        ),
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
        *_waits("", "TopologyPlacementFailed"),
        message="no place of the topology takes it whole: {said}",
        remedy="ask for preferred instead of required topology, a higher level, or fewer pods",
        source=f"{_DOCS}/concepts/topology_aware_scheduling/",
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
        "quota-used-up",
        Layer.QUOTA,
        *_waits(
            r"insufficient (unused )?quota (in cohort )?for (?P<resource>\S+) in flavor (?P<flavor>\S+?), "
            r"(?P<more>\S+) more needed"
        ),
        *_waits("", "WaitingForQuota"),
        message="the quota is used up: {more} more {resource} of flavor {flavor} are needed",
        remedy="wait until others end: kubectl get workloads -A shows who has it; or ask for less {resource}",
        source=_QUEUES,
        kinds=_WORKLOAD,
    ),
    rule(
        "waits-for-pods-ready",
        Layer.QUOTA,
        *_waits(r"waiting for all admitted workloads to be in (the )?PodsReady", ""),
        *_waits("", "WaitingForPodsReady"),
        message="the queue admits nobody before the pods of another workload are ready: {said}",
        remedy="look at why those are not: kubectl get workloads -A; fairlead why workload/NAME",
        source=f"{_DOCS}/tasks/manage/setup_wait_for_pods_ready/",
        kinds=_WORKLOAD,
    ),
    rule(
        "admission-check-waits",
        Layer.QUOTA,
        _checked("Pending", ""),
        message="it has its quota, and waits for the admission check {check}: {said}",
        remedy="see that the controller of this check runs: kubectl describe admissioncheck {check}",
        source=f"{_DOCS}/concepts/admission_check/",
        kinds=_WORKLOAD,
        confidence=0.9,
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
