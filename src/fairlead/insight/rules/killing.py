"""Pods and containers that something outside has ended: preemption, eviction, nodes, deadlines, the kernel, probes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from fairlead.insight.findings import Layer
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import ENDED, ended, event, fails, has, rule, step
from fairlead.snapshots.parts import Ref
from fairlead.snapshots.snapshot import INITS, MAINS, Snapshot, Thing, message_of, moment

_DOCS = "https://kubernetes.io/docs"
_PROBES = f"{_DOCS}/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"
_DISRUPTIONS = f"{_DOCS}/concepts/workloads/pods/disruptions/"
_TARGET = "DisruptionTarget"
_SPOT = (
    "cloud.google.com/gke-spot", "cloud.google.com/gke-preemptible", "eks.amazonaws.com/capacityType",
    "karpenter.sh/capacity-type", "kubernetes.azure.com/scalesetpriority", "node.kubernetes.io/lifecycle",
)  # fmt: skip
_LATE = timedelta(seconds=30)


def _deleted(pod: Thing, snapshot: Snapshot, *, stuck: bool) -> Iterator[Seen]:
    """See an object that is being deleted: in its time, or longer than that."""
    until, now = moment(pod.text("metadata.deletionTimestamp")), snapshot.now
    over = any(each.part("state.terminated").value for each in pod.containers) and pod.part("metadata.finalizers").value
    is_late = bool(over) or bool(until and now and now > until + _LATE)
    if is_late is stuck:
        finalizers = pod.part("metadata.finalizers").value
        named = ", ".join(map(str, finalizers)) if isinstance(finalizers, list) else ""
        words = _keeps(pod, named)
        evidence = pod.cite("metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds", "metadata.finalizers")
        yield Seen(evidence, words, pod.text("metadata.deletionTimestamp"))


def _keeps(thing: Thing, finalizers: str) -> dict[str, str]:
    """Return who keeps an object that is to go, and what to do about it."""
    kind, name, space = thing.ref.kind.lower(), thing.ref.name, thing.ref.namespace
    named = f"{kind} {name}" + (f" -n {space}" if space else "")
    if finalizers:
        patch = f'kubectl patch {named} --type=merge -p \'{{"metadata":{{"finalizers":null}}}}\''
        then = f"see what is to remove the finalizer; only where that is gone for good: {patch}"
        return {"said": f"the finalizers {finalizers}", "then": then}
    if thing.ref.kind == "Pod":
        node = thing.text("spec.nodeName")
        then = f"see what became of the node; only where that is gone for good: kubectl delete {named} --force"
        return {"said": f"the kubelet of {node or 'its node'}", "then": then}
    on = [each for each in thing.conditions.values() if each.text("status") == "True"]
    said = "; ".join(each.text("message") for each in on if each.text("message"))
    return {"said": said or "something of it", "then": f"remove or mend what it names: kubectl describe {named}"}


def _stuck(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    return _deleted(pod, snapshot, stuck=True)


def _going(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    condition = pod.condition(_TARGET)
    return iter(()) if condition and condition.text("status") == "True" else _deleted(pod, snapshot, stuck=False)


def _reclaimed(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod that its node's end has ended, where the node is one that its cloud may take back."""
    condition, node = pod.condition(_TARGET), snapshot.find("Node", pod.text("spec.nodeName"))
    reason = condition.text("reason") if condition and condition.text("status") == "True" else pod.text("status.reason")
    if reason not in ("DeletionByTaintManager", "DeletionByPodGC", "TerminationByKubelet", "NodeShutdown", "Terminated",
                      "NodeLost", "EvictionByEvictionAPI"):  # fmt: skip
        return
    told = [
        each
        for ref in (Ref("Node", "", pod.text("spec.nodeName")), pod.ref)
        for each in snapshot.events_about(ref)
        if ref.kind == "Node" or each.text("reason") == "Evicted"
        if _RECLAIM.search(f"{each.text('reason')} {message_of(each)}")
    ]
    asked = {each.text("key"): each.text("value") or "true" for each in pod.each("spec.tolerations")}
    labels = node.mapping("metadata.labels") if node else {**asked, **pod.mapping("spec.nodeSelector")}
    spot = [
        f"{key}={labels[key]}"
        for key in _SPOT
        if str(labels.get(key, "")).lower() in ("true", "spot", "ec2spot", "preemptible")
    ]
    is_gone = reason != "EvictionByEvictionAPI" and spot
    if told or is_gone:
        shown = condition.cite("reason", "message") if condition else pod.cite("status.reason", "status.message")
        of_node = node.cite("metadata.labels") if node else pod.cite("spec.nodeSelector", "spec.tolerations")
        evidence = (*shown, *(told[-1].cite("message", "note", "reason") if told else of_node))
        said = message_of(told[-1]) if told else ", ".join(spot)
        since = condition.text("lastTransitionTime") if condition else ""
        yield Seen(evidence, {"node": pod.text("spec.nodeName"), "said": said}, since, explains=ENDED)


def _node_down(pod: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a pod that has not ended, and whose node says nothing any more, or that it is not well."""
    node = snapshot.find("Node", pod.text("spec.nodeName"))
    ready = node.condition("Ready") if node else None
    if ready is not None and ready.text("status") in ("False", "Unknown") and pod.text("status.phase") not in _DONE:
        words = {"said": f"node {pod.text('spec.nodeName')} is not ready: {ready.text('message')}"}
        yield Seen(ready.cite("status", "reason", "message"), words, ready.text("lastTransitionTime"))


_DONE = ("Succeeded", "Failed")
_RECLAIM = re.compile(
    r"spot ?interrupt|rebalance ?recommend|preempt.*(instance|node|vm)|(instance|node|vm).*preempt|"
    r"imminent node shutdown|spot ?(instance|node)?.*(terminat|reclaim|evict)|ScheduledEvent.*Preempt",
    re.IGNORECASE,
)

RULES = (
    rule(
        "preempted-by-priority",
        Layer.RUN,
        has(_TARGET, "True", "PreemptionByScheduler"),
        event("Preempted"),
        fails("Preempting"),
        message="a pod with a higher priority took its place: {said}",
        remedy="let it be retried from its checkpoint, or give it a higher priority class",
        source=_DISRUPTIONS,
    ),
    rule(
        "quota-taken-back",
        Layer.QUOTA,
        has("TerminationTarget", "True", "WorkloadEvicted.*"),
        message="its queue took the quota back: {said}",
        remedy="let it be retried from its checkpoint; the queue's reclaim and priority rules say who may",
        source="https://kueue.sigs.k8s.io/docs/concepts/preemption/",
    ),
    rule(
        "disk-limit-exceeded",
        Layer.RUN,
        fails("Evicted", r"exceed(s|ed) (its local ephemeral storage limit|the total limit of containers)"),
        message="it was evicted since it wrote more than its limit: {said}",
        remedy="raise resources.limits.ephemeral-storage, or write to a volume",
        source=f"{_DOCS}/concepts/storage/ephemeral-storage/",
    ),
    rule(
        "node-lacks-disk",
        Layer.RUN,
        fails("Evicted", r"low on resource: (ephemeral-storage|inodes)|DiskPressure|imagefs|nodefs|inodes"),
        message="the disk of its node was full, and it was among those that used more than they had asked for: {said}",
        remedy="ask for the disk that it uses (requests of ephemeral-storage), or write to a volume",
        source=f"{_DOCS}/concepts/scheduling-eviction/node-pressure-eviction/",
    ),
    rule(
        "volume-too-large",
        Layer.RUN,
        fails("Evicted", r"emptyDir volume .* exceeds"),
        message="it was evicted: {said}",
        remedy="raise the sizeLimit of the emptyDir, or write less to it",
        source=f"{_DOCS}/concepts/storage/volumes/#emptydir",
    ),
    rule(
        "node-lacks-memory",
        Layer.RUN,
        fails("Evicted", r"low on resource: memory|MemoryPressure|memory"),
        message="the node had too little memory, and it was among those that used more than they had asked for: {said}",
        remedy="ask for the memory that it uses: requests equal to limits",
        source=f"{_DOCS}/concepts/scheduling-eviction/node-pressure-eviction/",
    ),
    rule(
        "spot-reclaimed",
        Layer.RUN,
        Sign(f"condition {_TARGET}", _reclaimed),
        Sign("failed", _reclaimed),
        message="its node {node} was one that the cloud may take back, and did: {said}",
        remedy="let it be retried from its checkpoint, or keep it on nodes on demand",
        source="https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/",
    ),
    rule(
        "node-lost",
        Layer.RUN,
        has(_TARGET, "True", "DeletionByTaintManager"),
        has("Ready", "False", "NodeNotReady|NodeLost"),
        Sign("placed", _node_down),
        fails("NodeLost|NodeShutdown|Terminated|Shutdown"),
        has(_TARGET, "True", "TerminationByKubelet", "shutdown"),
        event("TaintManagerEviction"),
        message="its node went away or was tainted: {said}",
        remedy="let it be retried elsewhere: kubectl get nodes shows what became of the node",
        source=_DISRUPTIONS,
    ),
    rule(
        "evicted-by-request",
        Layer.RUN,
        has(_TARGET, "True", "EvictionByEvictionAPI"),
        message="somebody had it evicted, as a drain of its node does: {said}",
        remedy="let it be retried from its checkpoint; a PodDisruptionBudget holds drains back",
        source=_DISRUPTIONS,
    ),
    rule(
        "evicted-by-node",
        Layer.RUN,
        has(_TARGET, "True", "TerminationByKubelet"),
        fails("Evicted"),
        message="the node evicted it: {said}",
        remedy="let it be retried elsewhere; kubectl describe node shows the pressure",
        source=f"{_DOCS}/concepts/scheduling-eviction/node-pressure-eviction/",
    ),
    rule(
        "removed-with-its-node",
        Layer.RUN,
        has(_TARGET, "True", "DeletionByPodGC"),
        message="it was removed since its node is no more: {said}",
        remedy="let it be retried elsewhere",
        source=_DISRUPTIONS,
    ),
    rule(
        "deadline-of-pod",
        Layer.RUN,
        fails("DeadlineExceeded"),
        step(r"active on the node longer than the specified deadline"),
        message="it ran longer than activeDeadlineSeconds allows: {said}",
        remedy="raise the step's timeout, or have it do less",
        source=f"{_DOCS}/concepts/workloads/controllers/job/#job-termination-and-cleanup",
        kinds=("Pod", "Workflow"),
    ),
    rule(
        "stuck-terminating",
        Layer.RUN,
        Sign("deleting", _stuck),
        message="it is deleted, and does not go: what keeps it is {said}",
        remedy="{then}",
        source=f"{_DOCS}/concepts/overview/working-with-objects/finalizers/",
        kinds=(),
    ),
    rule(
        "deleted",
        Layer.RUN,
        Sign("deleting", _going),
        message="somebody deleted it, and it has until then to end",
        remedy="who did it is in the audit log; what owns it may have it created again",
        source=f"{_DOCS}/concepts/workloads/pods/pod-lifecycle/#pod-termination",
        kinds=(),
        confidence=0.9,
    ),
    rule(
        "out-of-memory",
        Layer.RUN,
        ended("OOMKilled", lists=(MAINS,)),
        step(r"^OOMKilled"),
        message="container {container} used more memory than its limit",
        remedy="raise its resources.limits.memory (of a step: memory), or lower what it holds at once: batch size,"
        " workers of loaders",
        source=f"{_DOCS}/tasks/configure-pod-container/assign-memory-resource/",
        kinds=("Pod", "Workflow"),
    ),
    rule(
        "liveness-probe-failed",
        Layer.RUN,
        event("Unhealthy", r"Liveness probe"),
        event("Killing", r"failed liveness probe"),
        message="container {container} is ended again and again, since its liveness probe fails: {said}",
        remedy="correct the probe, or give it more time: initialDelaySeconds, timeoutSeconds, failureThreshold",
        source=_PROBES,
    ),
    rule(
        "startup-probe-failed",
        Layer.START,
        event("Unhealthy", r"Startup probe"),
        event("Killing", r"failed startup probe"),
        message="container {container} is not up in time for its startup probe: {said}",
        remedy="correct the probe, or give it more time: failureThreshold times periodSeconds",
        source=_PROBES,
    ),
    rule(
        "init-failed",
        Layer.INIT,
        ended(lists=(INITS,)),
        message="init container {container} ended with exit code {code}: {said}",
        remedy="kubectl logs {name} -c {container} -n {namespace} --previous",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-init-containers/",
    ),
)
