"""Pods that have no node: what the scheduler says of them, and what the nodes say themselves where they are known.

The scheduler names for each node the first of its filters that turned the pod away. A node that came further is nearer
to taking the pod: its reason is the one to mend, and the others are cited beside it.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from fairlead.insight.findings import Finder, Found, Layer, Rule
from fairlead.insight.nodes import (
    CONTROL_PLANE,
    UNSCHEDULABLE,
    allocatable,
    amount,
    behind_taints,
    free,
    in_words,
    kept_by,
    knows_free,
    reach,
    requested,
)
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
    "volume limit": re.compile(r"exceed max volume count"),
    "volume": re.compile(r"volume|persistentvolumeclaim|free storage|available disk"),
    "claims": re.compile(r"resource ?claim|allocate all claims|allocate devices", re.IGNORECASE),
    "spread": re.compile(r"topology spread|anti-affinity|pod affinity"),
}
"""What the filters say, in the order in which the scheduler asks them."""


_NOT_HELPFUL = re.compile(r"preemption: 0/(?P<all>\d+) nodes are available: (?P<not>\d+) Preemption is not helpful")


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


def nearest(pod: Thing, snapshot: Snapshot, filter: str) -> tuple[Unplaced, Refusal] | None:
    """Return what turns a pod away, where the nodes that are nearest to a fit fail at this filter."""
    found = unplaced(pod, snapshot)
    if found is None or not found.refusals:
        return None
    refusal = _decisive(pod, snapshot, found.refusals)
    return (found, refusal) if refusal.filter == filter else None


def _decisive(pod: Thing, snapshot: Snapshot, refused: tuple[Refusal, ...]) -> Refusal:
    """Return the refusal that is to be mended: that of the nodes that the pod is meant for.

    A node's taints are asked about before its labels. So of nodes that differ in these the order says nothing: it
    depends on whether any node has the labels that the pod asks for, and, where nodes can't be read, on whether it asks
    for any and what the taints are.
    """
    first = refused[0]
    others = {each.filter: each for each in refused}
    if first.filter == "resources" and "taint" in others and _is_behind_taints(pod, snapshot, first, others["taint"]):
        return others["taint"]
    if first.filter != "affinity" or not others.keys() & {"taint", "cordon"}:
        return first
    other = others.get("taint") or others["cordon"]
    if snapshot.of_kind("Node"):
        return other if reach(pod, snapshot).selected else first
    of_control_plane = CONTROL_PLANE.search(other.text)
    return first if of_control_plane or not re.search(r"\{", other.text) else other


def _is_behind_taints(pod: Thing, snapshot: Snapshot, lacking: Refusal, taint: Refusal) -> bool:
    """Say whether what a pod asks for is there, on nodes with taints alone that it does not tolerate."""
    resource = lacking.text.removeprefix("Insufficient ")
    if "/" not in resource:  # devices have a domain
        return False
    if not snapshot.of_kind("Node"):
        return resource in taint.text
    return _largest(reach(pod, snapshot).open, resource) < requested(pod, resource) and bool(
        behind_taints(pod, snapshot)
    )


def _tainted(pod: Thing, snapshot: Snapshot) -> tuple[Unplaced, Refusal, list[str]] | None:
    """Return what turns a pod away, where it is taints; and these, those of most nodes first."""
    seen = nearest(pod, snapshot, "taint") or nearest(pod, snapshot, "cordon")
    if seen is None:
        return None
    named = re.findall(r"taint \{([^}]*)\}", seen[1].text)
    counted: Counter[str] = reach(pod, snapshot).taints if snapshot.of_kind("Node") else Counter()
    if seen[0].refusals[0].filter == "resources" and (nodes := behind_taints(pod, snapshot)):
        counted = kept_by(pod, nodes)
    taints = list(dict(counted.most_common())) if counted else [each.replace(": ", "=", 1) for each in named]
    if not taints and seen[1].filter == "cordon":
        taints = [UNSCHEDULABLE]
    return *seen, taints


_OF_NODE = re.compile(
    r"node\.kubernetes\.io/(not-ready|unreachable|network-unavailable|(memory|disk|pid)-pressure)|"
    r"node\.cloudprovider\.kubernetes\.io/(uninitialized|shutdown)|cilium\.io/agent-not-ready"
)


def _unready(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod whose nodes are not well, as their taints say."""
    seen = _tainted(pod, snapshot)
    if seen and (taints := [each for each in seen[2] if _OF_NODE.match(each)]) and _OF_NODE.match(seen[2][0]):
        yield Found(
            (*seen[0].evidence, *_of_taints(pod, snapshot)),
            f"the nodes that it could go to are not well: {', '.join(taints)}",
            "kubectl describe node shows why: its kubelet, network, memory or disk; or choose other nodes",
            seen[0].since,
        )


def _cordoned(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod whose nodes are cordoned."""
    seen = _tainted(pod, snapshot)
    if seen and seen[2] and seen[2][0].startswith(UNSCHEDULABLE):
        yield Found(
            (*seen[0].evidence, *_of_taints(pod, snapshot)),
            f"the nodes that it could go to are cordoned; {seen[1].nodes} say: {seen[1].text}",
            "kubectl uncordon NODE once it is well: kubectl get nodes shows which have SchedulingDisabled",
            seen[0].since,
        )


def _untolerated(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod whose nodes have a taint that it does not tolerate."""
    if seen := _tainted(pod, snapshot):
        taints = f": {', '.join(seen[2])}" if seen[2] else ""
        yield Found(
            (*seen[0].evidence, *_of_taints(pod, snapshot)),
            f"no node takes it; {seen[1].nodes}, which came nearest, have a taint that it does not tolerate{taints}",
            "add a toleration for this taint, or choose nodes without it",
            seen[0].since,
        )


def _of_taints(pod: Thing, snapshot: Snapshot) -> Iterator[Evidence]:
    """Yield the taints of the first node that a pod is kept from by them."""
    open_ = reach(pod, snapshot).open
    tainted = (node for node in reach(pod, snapshot).selected if node not in open_)
    yield from next(tainted, pod).cite("spec.taints", "spec.unschedulable")


def _turned_away(id: str, filter: str, source: str, remedy: str) -> Rule:
    """Make the rule of a filter whose words say all that there is to say."""

    def find(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
        if seen := nearest(pod, snapshot, filter):
            found, refusal = seen
            message = f"no node takes it; {refusal.nodes}, which came nearest, say: {refusal.text}"
            yield Found(found.evidence, message, remedy, found.since)

    return Rule(id, Layer.PLACEMENT, ("Pod",), _PLACES, find, f"{_DOCS}/{source}")


def _scattered(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for whose devices there is room on all nodes together, and on none alone."""
    seen = nearest(pod, snapshot, "resources")
    resource = seen[1].text.removeprefix("Insufficient ") if seen else ""
    if not seen or "/" not in resource or not knows_free(snapshot):  # devices have a domain
        return
    nodes, asked = reach(pod, snapshot).open, requested(pod, resource)
    left = {node.ref.name: free(node, snapshot, resource) for node in nodes}
    if left and max(left.values()) < asked <= sum(left.values()) and _largest(nodes, resource) >= asked:
        there = ", ".join(f"{name} has {number:f}" for name, number in sorted(left.items()) if number)
        yield Found(
            seen[0].evidence,
            f"{sum(left.values()):f} {resource} are free, and no node has {asked:f} of them together: {there}",
            "split it into ranks with fewer each, or have the scheduler pack pods: NodeResourcesFit with MostAllocated",
            seen[0].since,
        )


def _nodes_for(pod: Thing, snapshot: Snapshot) -> tuple[Thing, ...]:
    """Return the nodes that a pod may go to; those with the labels that it asks for where it may go to none."""
    found = reach(pod, snapshot)
    return found.open or found.selected


def lacking(pod: Thing, snapshot: Snapshot) -> tuple[Unplaced, str, Decimal, Decimal] | None:
    """Return a pod's resource of which no node that it could go to has as much, how much it asks for, and the most."""
    seen = nearest(pod, snapshot, "resources")
    nodes = _nodes_for(pod, snapshot)
    if not seen or not nodes:
        return None
    named = (each.text.removeprefix("Insufficient ") for each in seen[0].refusals if each.filter == "resources")
    for resource in named:
        asked, most = requested(pod, resource), _largest(nodes, resource)
        if asked > most:
            return seen[0], resource, asked, most
    return None


def _other_profile(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that asks for slices of cards as no card is cut, while others are free."""
    found = lacking(pod, snapshot)
    if not found or not found[1].startswith(_MIG) or found[3]:
        return
    nodes = _nodes_for(pod, snapshot)
    cards = {name for node in nodes for name in node.mapping("status.allocatable") if name.startswith((_MIG, _CARD))}
    known = knows_free(snapshot)
    left = {
        name: sum((free(node, snapshot, name) if known else allocatable(node, name) for node in nodes), Decimal(0))
        for name in cards
    }
    there = ", ".join(f"{count:f} {name}" for name, count in sorted(left.items()) if count > 0)
    are = "free are" if known else "there are"
    if there:
        yield Found(
            (*found[0].evidence, *nodes[0].cite("status.allocatable")),
            f"it asks for {found[2]:f} {found[1]}, and no card is cut so; {are} {there}",
            f"ask for one of these, or have cards cut anew for {found[1]}: the label nvidia.com/mig.config of a node",
            found[0].since,
        )


def _unoffered(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that asks for devices that no node has."""
    found = lacking(pod, snapshot)
    if found and not found[3] and "/" in found[1]:
        bringer = next(_not_brought(found[1], _nodes_for(pod, snapshot), snapshot), None)
        yield Found(
            (*found[0].evidence, *(bringer.cite("status.phase") if bringer else ())),
            f"it asks for {found[2]:f} {found[1]}, and no node that it could go to offers any"
            + (f": {bringer.ref}, which is to bring them, is not ready" if bringer else ""),
            f"fairlead why pod/{bringer.ref.name} -n {bringer.ref.namespace}"
            if bringer
            else "see that its device plugin runs on the nodes, and that the name is right: kubectl describe nodes",
            found[0].since,
        )


def _not_brought(resource: str, nodes: Iterable[Thing], snapshot: Snapshot) -> Iterator[Thing]:
    """Yield the pods on some nodes that are to make devices known there, and are not ready, drivers first."""
    vendor = re.split(r"[./]", resource)[0]
    for part in ("driver", "toolkit", "device-plugin"):
        for pod in (each for node in nodes for each in snapshot.on(node)):
            ready = pod.condition("Ready")
            if vendor in pod.ref.name and part in pod.ref.name and ready and ready.text("status") == "False":
                yield pod


def _unwell(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for whose devices there would be room if all of a node's were well."""
    found = lacking(pod, snapshot)
    if not found or "/" not in found[1]:
        return
    for node in _nodes_for(pod, snapshot):
        whole = amount(node.mapping("status.capacity").get(found[1], 0))
        if whole >= found[2] and whole > allocatable(node, found[1]):
            yield Found(
                (*found[0].evidence, *node.cite("status.capacity", "status.allocatable")),
                f"node {node.ref.name} has {whole:f} {found[1]}, and {allocatable(node, found[1]):f} of them are well",
                f"kubectl describe node {node.ref.name}; its device plugin's log says what is wrong with the others",
                found[0].since,
            )
            return


def _never(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that asks for more than any node has."""
    if found := lacking(pod, snapshot):
        asked, most = (in_words(each, found[1]) for each in found[2:])
        yield Found(
            found[0].evidence,
            f"it asks for {asked}, and no node that it could go to has more than {most}: it will never fit",
            f"ask for at most {most}, or add a node that has {asked}",
            found[0].since,
        )


_MIG, _CARD = "nvidia.com/mig-", "nvidia.com/gpu"


def _now(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for which there is no room for now, as far as is known."""
    if seen := nearest(pod, snapshot, "resources"):
        resource = seen[1].text.removeprefix("Insufficient ")
        said, remedy = "", f"wait until others have ended, ask for less {resource}, or add a node"
        if not snapshot.of_kind("Node") and _is_hopeless(seen[0].message):
            said = "; the scheduler says that nothing would fit if others went: such nodes have less in all"
            remedy = (
                f"ask for less {resource}, or add a node that has so much; kubectl describe nodes shows what they have"
            )
        yield Found(
            seen[0].evidence,
            f"no node has {in_words(requested(pod, resource), resource)} left; {seen[1].nodes} came nearest{said}",
            remedy,
            seen[0].since,
        )


def _is_hopeless(message: str) -> bool:
    """Say whether no node would take a pod even if all others went, as schedulers of 1.34 and newer say it.

    Source: https://github.com/kubernetes/kubernetes/pull/131345
    """
    said = _NOT_HELPFUL.search(message)
    return said is not None and said["all"] == said["not"]


def _largest(nodes: Iterable[Thing], resource: str) -> Decimal:
    return max((allocatable(node, resource) for node in nodes), default=Decimal(0))


def _unmatched(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod whose node selector no node has; with the values that there are."""
    seen = nearest(pod, snapshot, "affinity")
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


def unplaced_rule(id: str, layer: Layer, find: Finder, source: str, sure: float = 1.0) -> Rule:
    """Make a rule of pods that have no node, with its page in the documentation's concepts."""
    return Rule(id, layer, ("Pod",), _PLACES, find, f"https://kubernetes.io/docs/concepts/{source}", sure)


_TOGETHER = re.compile(
    r"(gang|pod ?group|PodGroup|coscheduling|enough sibling pods|minAvailable|minMember|Pending, \d+ minAvailable)",
    re.IGNORECASE,
)


def _ungrouped(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that is held back since not all of its gang can be placed."""
    found = unplaced(pod, snapshot)
    if found is not None and not found.refusals and _TOGETHER.search(found.message):
        yield Found(
            found.evidence,
            f"it waits until all of its gang can be placed: {found.message}",
            "look at those of its gang that have no node, and at the least number that the PodGroup asks for",
            found.since,
        )


def _nodeless(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod of a cluster without any node."""
    found = unplaced(pod, snapshot)
    if found is not None and re.search(r"no nodes available|^0/0 nodes", found.message):
        yield Found(found.evidence, "the cluster has no nodes", "add nodes, or see why none has joined", found.since)


RULES = (
    unplaced_rule("no-nodes", Layer.PLACEMENT, _nodeless, "architecture/nodes/"),
    unplaced_rule("mig-profile-absent", Layer.PLACEMENT, _other_profile, "configuration/manage-resources-containers/"),
    unplaced_rule("resource-not-offered", Layer.PLACEMENT, _unoffered,
        "extend-kubernetes/compute-storage-net/device-plugins/"),
    unplaced_rule("devices-unwell", Layer.PLACEMENT, _unwell, "extend-kubernetes/compute-storage-net/device-plugins/"),
    unplaced_rule("more-than-any-node", Layer.PLACEMENT, _never, "configuration/manage-resources-containers/"),
    unplaced_rule("gpus-scattered", Layer.PLACEMENT, _scattered, "scheduling-eviction/resource-bin-packing/"),
    unplaced_rule("insufficient-resources", Layer.PLACEMENT, _now, "configuration/manage-resources-containers/", 0.9),
    unplaced_rule("node-labels-unmatched", Layer.PLACEMENT, _unmatched, "scheduling-eviction/assign-pod-node/"),
    unplaced_rule("node-not-ready", Layer.PLACEMENT, _unready, "scheduling-eviction/taint-and-toleration/"),
    unplaced_rule("node-cordoned", Layer.PLACEMENT, _cordoned, "scheduling-eviction/taint-and-toleration/"),
    unplaced_rule("untolerated-taint", Layer.PLACEMENT, _untolerated, "scheduling-eviction/taint-and-toleration/"),
    _turned_away(
        "host-port-taken", "ports", "kube-scheduler/",
        "drop hostPort, or choose another: one pod of a node can have it",
    ),
    _turned_away(
        "too-many-pods", "pods", "kube-scheduler/",
        "wait until other pods have ended, or raise maxPods of the nodes' kubelets",
    ),
    _turned_away(
        "too-many-volumes", "volume limit", "kube-scheduler/",
        "use fewer volumes on a node, or more nodes: kubectl get csinodes -o yaml has the limits",
    ),
    _turned_away(
        "spread-unmet", "spread", "topology-spread-constraints/",
        "relax it: whenUnsatisfiable: ScheduleAnyway, or preferredDuringSchedulingIgnoredDuringExecution",
    ),
    _turned_away(
        "device-claim-unmet", "claims", "dynamic-resource-allocation/",
        "compare the claim with what there is: kubectl get resourceclaims,deviceclasses,resourceslices",
    ),
    unplaced_rule("gang-incomplete", Layer.PLACEMENT, _ungrouped, "scheduling-eviction/gang-scheduling/", 0.9),
    unplaced_rule("scheduling-gated", Layer.QUOTA, _gated, "scheduling-eviction/pod-scheduling-readiness/")._replace(
        is_consequence=True  # what has set the gate says more
    ),
    unplaced_rule("scheduler-missing", Layer.STRUCTURE, _ignored, "scheduling-eviction/kube-scheduler/"),
    unplaced_rule("no-node", Layer.PLACEMENT, _elsewhere, "scheduling-eviction/kube-scheduler/", 0.5),
)  # fmt: skip
