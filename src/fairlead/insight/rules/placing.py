"""Pods that have no node: what the scheduler says of them, and what the nodes say themselves where they are known.

The scheduler names for each node the first of its filters that turned the pod away. A node that came further is nearer
to taking the pod: its reason is the one to mend, and the others are cited beside it.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from fairlead.insight.findings import Finder, Found, Layer, Rule
from fairlead.insight.nodes import allocatable, free, requested
from fairlead.snapshots.parts import Evidence
from fairlead.snapshots.snapshot import Snapshot, Thing, message_of, time_of

_PLACES = frozenset({"unplaced"})
_DOCS = "https://kubernetes.io/docs/concepts/scheduling-eviction"
_COUNTED = re.compile(r"(\d+) ((?:[^,{.]|\{[^}]*\}|\.(?! |$))+)")
_FILTERS = {
    "cordon": re.compile(r"were unschedulable"),
    "taint": re.compile(r"untolerated taint|had taint"),
    "affinity": re.compile(r"match Pod's node affinity|match node selector"),
    "ports": re.compile(r"free ports"),
    "pods": re.compile(r"Too many pods"),
    "resources": re.compile(r"^Insufficient (?P<what>\S+)"),
    "volume": re.compile(r"volume|persistentvolumeclaim"),
    "claims": re.compile(r"resourceclaim|allocate all claims", re.IGNORECASE),
    "spread": re.compile(r"topology spread|anti-affinity|pod affinity"),
}
"""What the filters say, in the order in which the scheduler asks them."""


class Refusal(NamedTuple):
    """Why some nodes do not take a pod: the filter that turned it away, its words, and how many nodes it said so of."""

    filter: str
    text: str
    nodes: int


@lru_cache(1000)  # every rule asks, and many pods are told the same
def refusals(message: str) -> tuple[Refusal, ...]:
    """Return why nodes do not take a pod, the nearest to a fit first.

    Args:
        message: The scheduler's: ``0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had untolerated taint {…}.``
    """
    said = message.partition(" preemption:")[0].partition("available: ")[2]
    found = [
        Refusal(next((name for name, words in _FILTERS.items() if words.search(text)), ""), text.strip(), int(count))
        for count, text in _COUNTED.findall(said)
    ]
    order = list(_FILTERS)
    return tuple(sorted((each for each in found if each.filter), key=lambda each: -order.index(each.filter)))


class Unplaced(NamedTuple):
    """A pod without a node: the scheduler's words, what shows them, since when, and why nodes turned it away."""

    message: str
    evidence: tuple[Evidence, ...]
    since: str
    refusals: tuple[Refusal, ...]


def unplaced(pod: Thing, snapshot: Snapshot) -> Unplaced | None:
    """Return what the scheduler says of a pod that has no node; None where it has one, or was not looked at."""
    if pod.text("spec.nodeName") or pod.text("status.phase") not in ("", "Pending"):
        return None
    condition = pod.condition("PodScheduled")
    if condition is not None and condition.text("reason") == "Unschedulable":
        message, since = condition.text("message"), condition.text("lastTransitionTime")
        evidence = condition.cite("message")
    elif said := [each for each in snapshot.events_of(pod) if each.text("reason") == "FailedScheduling"]:
        message, since, evidence = message_of(said[-1]), time_of(said[-1]), said[-1].cite("message", "note")
    else:
        return None
    asked = tuple(cited for each in pod.each("spec.containers") for cited in each.cite("resources"))
    return Unplaced(message, evidence + asked, since, refusals(message))


def _nearest(pod: Thing, snapshot: Snapshot, filter: str) -> tuple[Unplaced, Refusal] | None:
    """Return what turns a pod away, where the nodes that are nearest to a fit fail at this filter."""
    found = unplaced(pod, snapshot)
    if found is None or not found.refusals or found.refusals[0].filter != filter:
        return None
    return found, found.refusals[0]


def _turned_away(id: str, filter: str, source: str, remedy: str) -> Rule:
    """Make the rule of a filter whose words say all that there is to say."""

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
        if seen := _nearest(pod, snapshot, filter):
            found, refusal = seen
            message = f"no node takes it; {refusal.nodes}, which came nearest, say: {refusal.text}"
            yield Found(found.evidence, message, remedy, found.since)

    return Rule(id, Layer.PLACEMENT, ("Pod",), _PLACES, find, f"{_DOCS}/{source}")


def _scattered(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for whose devices there is room on all nodes together, and on none alone."""
    seen = _nearest(pod, snapshot, "resources")
    resource = seen[1].text.removeprefix("Insufficient ") if seen else ""
    if not seen or "/" not in resource:  # devices have a domain
        return
    nodes, asked = snapshot.of_kind("Node"), requested(pod, resource)
    left = {node.ref.name: free(node, snapshot, resource) for node in nodes}
    if left and max(left.values()) < asked <= sum(left.values()) and _largest(nodes, resource) >= asked:
        there = ", ".join(f"{name} has {number:f}" for name, number in sorted(left.items()) if number)
        yield Found(
            seen[0].evidence,
            f"{sum(left.values()):f} {resource} are free, and no node has {asked:f} of them together: {there}",
            "split it into ranks with fewer each, or have the scheduler pack pods: NodeResourcesFit with MostAllocated",
            seen[0].since,
        )


def _never(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that asks for more than any node has."""
    seen, nodes = _nearest(pod, snapshot, "resources"), snapshot.of_kind("Node")
    resource = seen[1].text.removeprefix("Insufficient ") if seen else ""
    asked, most = requested(pod, resource), _largest(nodes, resource)
    if seen and nodes and asked > most:
        yield Found(
            seen[0].evidence,
            f"it asks for {asked:f} {resource}, and no node has more than {most:f}: it will never fit",
            f"ask for at most {most:f} {resource}, or add a node that has {asked:f}",
            seen[0].since,
        )


def _now(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for which there is no room for now, as far as is known."""
    if seen := _nearest(pod, snapshot, "resources"):
        resource = seen[1].text.removeprefix("Insufficient ")
        yield Found(
            seen[0].evidence,
            f"no node has {requested(pod, resource):f} {resource} left; {seen[1].nodes} came nearest",
            f"wait until others have ended, ask for less {resource}, or add a node",
            seen[0].since,
        )


def _largest(nodes: Iterable[Thing], resource: str) -> Decimal:
    return max((allocatable(node, resource) for node in nodes), default=Decimal(0))


def _unmatched(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod whose node selector no node has; with the values that there are."""
    seen = _nearest(pod, snapshot, "affinity")
    if not seen:
        return
    wanted = pod.mapping("spec.nodeSelector")
    labels = [node.mapping("metadata.labels") for node in snapshot.of_kind("Node")]
    said = [f"{key}={value}" for key, value in wanted.items()]
    known = {key: sorted({str(each[key]) for each in labels if key in each}) for key in wanted} if labels else {}
    lacking = [f"{key}={wanted[key]} ({', '.join(found) or 'no node has it'})" for key, found in known.items()
               if wanted[key] not in found]  # fmt: skip
    evidence = (*seen[0].evidence, *pod.cite("spec.nodeSelector", "spec.affinity.nodeAffinity"))
    told = f": it wants {', '.join(lacking or said)}" if said else ": its node affinity matches none"
    remedy = "correct the node selector or affinity: kubectl get nodes --show-labels"
    yield Found(evidence, f"no node has the labels that it asks for{told}", remedy, seen[0].since)


def _claimless(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod whose claim of a volume is not there, not bound, or bound elsewhere."""
    found = unplaced(pod, snapshot)
    if found is None:
        return
    for words, message, remedy in _VOLUMES:
        if said := re.search(words, found.message):
            claim = next((each.text("persistentVolumeClaim.claimName") for each in pod.each("spec.volumes")
                          if each.text("persistentVolumeClaim.claimName")), "")  # fmt: skip
            name = said.groupdict().get("claim") or claim
            yield Found(found.evidence, message.format(claim=name), remedy.format(claim=name), found.since)
            return


_VOLUMES = (
    (
        r'persistentvolumeclaim "(?P<claim>[^"]+)" not found',
        "it mounts the claim {claim}, which is not there",
        "create the claim {claim}, or name another: kubectl get pvc",
    ),
    (
        r"unbound immediate PersistentVolumeClaims|unbound .*claims",
        "its claim {claim} has no volume yet",
        "kubectl describe pvc {claim}: its storage class must be there, and its provisioner must run",
    ),
    (
        r"volume node affinity conflict",
        "the volume of its claim {claim} is in another zone than the nodes that would take it",
        "choose nodes of the volume's zone, or a storage class that waits for the first consumer",
    ),
    (
        r"didn't find available persistent volumes",
        "there is no volume for its claim {claim}",
        "create a volume that fits the claim {claim}, or a storage class with a provisioner",
    ),
)


def _gated(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that the scheduler is not to look at yet."""
    condition = pod.condition("PodScheduled")
    gates = [each.text("name") for each in pod.each("spec.schedulingGates")]
    if gates and condition is not None and condition.text("reason") == "SchedulingGated":
        yield Found(
            (*condition.cite("reason", "message"), *pod.cite("spec.schedulingGates")),
            f"the scheduler waits for {', '.join(gates)} to let it go",
            "look at what sets this gate: for kueue.x-k8s.io/admission, fairlead why workload/NAME",
            condition.text("lastTransitionTime"),
        )


def _ignored(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that no scheduler has ever looked at."""
    scheduler = pod.text("spec.schedulerName")
    is_new = pod.text("status.phase") == "Pending" and not pod.text("spec.nodeName")
    if is_new and scheduler not in ("", "default-scheduler") and not list(pod.each("status.conditions")):
        yield Found(
            pod.cite("spec.schedulerName"),
            f"no scheduler has looked at it: it asks for the scheduler {scheduler}",
            f"correct schedulerName, or see that {scheduler} runs",
            pod.text("metadata.creationTimestamp"),
        )


def _elsewhere(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that has no node for a reason that no other rule knows."""
    if found := unplaced(pod, snapshot):
        yield Found(
            found.evidence, f"no node takes it: {found.message}", "kubectl describe pod " + pod.ref.name, found.since
        )


def _rule(id: str, layer: Layer, find: Finder, source: str, sure: float = 1.0) -> Rule:
    return Rule(id, layer, ("Pod",), _PLACES, find, f"https://kubernetes.io/docs/concepts/{source}", sure)


RULES = (
    _rule("volume-claim-unready", Layer.VOLUME, _claimless, "storage/persistent-volumes/"),
    _rule("gpus-scattered", Layer.PLACEMENT, _scattered, "scheduling-eviction/resource-bin-packing/"),
    _rule("more-than-any-node", Layer.PLACEMENT, _never, "configuration/manage-resources-containers/"),
    _rule("insufficient-resources", Layer.PLACEMENT, _now, "configuration/manage-resources-containers/"),
    _rule("node-labels-unmatched", Layer.PLACEMENT, _unmatched, "scheduling-eviction/assign-pod-node/"),
    _turned_away(
        "untolerated-taint", "taint", "taint-and-toleration/",
        "add a toleration for this taint, or choose nodes without it",
    ),
    _turned_away(
        "node-cordoned", "cordon", "taint-and-toleration/",
        "kubectl uncordon NODE once it is well: kubectl get nodes shows which have SchedulingDisabled",
    ),
    _turned_away(
        "host-port-taken", "ports", "kube-scheduler/",
        "drop hostPort, or choose another: one pod of a node can have it",
    ),
    _turned_away(
        "too-many-pods", "pods", "kube-scheduler/",
        "wait until other pods have ended, or raise maxPods of the nodes' kubelets",
    ),
    _turned_away(
        "spread-unmet", "spread", "topology-spread-constraints/",
        "relax it: whenUnsatisfiable: ScheduleAnyway, or preferredDuringSchedulingIgnoredDuringExecution",
    ),
    _turned_away(
        "device-claim-unmet", "claims", "dynamic-resource-allocation/",
        "compare the claim with what there is: kubectl get resourceclaims,deviceclasses,resourceslices",
    ),
    _rule("scheduling-gated", Layer.QUOTA, _gated, "scheduling-eviction/pod-scheduling-readiness/"),
    _rule("scheduler-missing", Layer.STRUCTURE, _ignored, "scheduling-eviction/kube-scheduler/"),
    _rule("no-node", Layer.PLACEMENT, _elsewhere, "scheduling-eviction/kube-scheduler/", 0.6),
)  # fmt: skip
