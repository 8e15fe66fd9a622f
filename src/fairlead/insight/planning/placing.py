"""Whether there are nodes for the pods of a step: any that could take them were they empty, and any with room now.

What is certain, and nothing more: volumes of a zone may keep a pod off a node too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from fairlead.insight.findings import Layer
from fairlead.insight.planning.amounts import DEVICES, MIG, is_device, named, written
from fairlead.insight.planning.asked import Asked, Pods
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.planning.facts import Facts, unread
from fairlead.insight.planning.nodes import Misfit, Node, Nodes, give, is_open_to, label_of, misfits, room
from fairlead.insight.planning.priorities import Priority, preempts, priority_of
from fairlead.insight.planning.room import Refusal, Room
from fairlead.insight.planning.terms import topology_keys, unlooked
from fairlead.snapshots.parts import Evidence
from fairlead.snapshots.snapshot import Thing, Unread

_DOCS = "https://kubernetes.io/docs/concepts"
_ASSIGNING = f"{_DOCS}/scheduling-eviction/assign-pod-node/"
_TAINTS = f"{_DOCS}/scheduling-eviction/taint-and-toleration/"
_RESOURCES = f"{_DOCS}/configuration/manage-resources-containers/"
_PACKING = f"{_DOCS}/scheduling-eviction/resource-bin-packing/"
_PREEMPTING = f"{_DOCS}/scheduling-eviction/pod-priority-preemption/"
_ENDING_NAMED = 3
_PROFILE = re.compile(r"(\d+)g\.(\d+)gb")


class Place(NamedTuple):
    """Nodes that could take a pod, were they empty, or what keeps it off the nearest of those that can't."""

    nodes: list[Node]
    nearest: tuple[Misfit, ...]


def check(
    asked: Asked, facts: Facts, nodes: Nodes, more: Mapping[str, str], gone: Iterable[Thing] = ()
) -> Iterator[Reason | Unread]:
    """Yield what keeps the pods of a step from a node.

    Args:
        asked: The step.
        facts: The cluster.
        nodes: Its nodes.
        more: Labels that the step's queue wants of the nodes of its pods.
        gone: Workloads that it takes back for them.
    """
    if not facts.knows("Node"):
        yield from unread(["Node"], facts, "which node would take a pod")
        return
    places = {id(each): place(each, nodes, more if each in asked.queued else {}) for each in asked.sets}
    never = [each for each in asked.sets if not places[id(each)].nodes]
    for each in never:
        yield _soften(_never(each, places[id(each)], nodes), facts)
    yield from _unlooked(asked)
    if never:
        return
    yield from unread(["Pod"], facts, "what nodes have left")
    for together in (*((each,) for each in asked.own), asked.gang):
        yield from _together(together, places, facts, Room(nodes.nodes, gone if together == asked.queued else ()))


def place(pods: Pods, nodes: Nodes, more: Mapping[str, str]) -> Place:
    """Return which nodes could take a pod, were they empty."""
    fit: list[Node] = []
    nearest: tuple[Misfit, ...] | None = None
    for alike in nodes.alike:
        found = tuple(misfits(pods, alike[0], more))
        if not found:
            fit += alike
            continue
        if nearest is None or _distance(found) < _distance(nearest):
            nearest = found
    return Place(fit, nearest or ())


def _distance(found: Iterable[Misfit]) -> tuple[int, Decimal]:
    """Return how far a pod is from fitting: by what must change, and where that is an amount, by how much of it."""
    listed = list(found)
    lacking = sum((1 - each.has / each.asked for each in listed if each.asked), Decimal(0))
    return len(listed), lacking


def _never(pods: Pods, found: Place, nodes: Nodes) -> Reason:
    """Return why no node could ever take a pod: what keeps it off the nearest."""
    if not found.nearest:
        return reason("no-nodes", Layer.PLACEMENT, "never", "the cluster has no nodes",
                      remedy="add a node: kubectl get nodes")  # fmt: skip
    said = [each for sort in _SORTS if (each := sort(pods, found.nearest, nodes)) is not None]
    first, *others = said
    message = "; and ".join([first.message, *(each.message for each in others)])
    who = f"a pod ({pods.role})" if pods.role else "a pod"
    evidence = [each for misfit in found.nearest for each in misfit.evidence]
    asked = _cite_requests(pods, [each.what for each in found.nearest if each.sort == "resource"])
    fits = ", ".join(each.fits for each in said) if all(each.fits for each in said) else ""
    return reason(
        first.id, Layer.PLACEMENT, "never", f"{who} {message}: it fits on no node", *asked, *evidence, fits=fits,
        remedy=first.remedy, source=first.source,
    )  # fmt: skip


class _Said(NamedTuple):
    """What is to be said of one sort of misfits."""

    id: str
    message: str
    fits: str
    remedy: str
    source: str


def _unmatched(pods: Pods, found: Iterable[Misfit], nodes: Nodes) -> _Said | None:
    listed = [each for each in found if each.sort == "labels"]
    if not listed:
        return None
    has = {
        each.path.removeprefix('metadata.labels["').removesuffix('"]'): each.value
        for misfit in listed for each in misfit.evidence if each.value
    }  # fmt: skip
    return _Said(
        "node-labels-unmatched",
        f"goes to nodes with {' and '.join(each.what for each in listed)}, which none of {len(nodes.nodes)} has",
        ", ".join(f"{key}={value}" for key, value in has.items()),
        "correct gpus=… or the node selector: kubectl get nodes --show-labels", _ASSIGNING,
    )  # fmt: skip


def _untolerated(pods: Pods, found: Iterable[Misfit], nodes: Nodes) -> _Said | None:
    taints = [each.what for each in found if each.sort == "taint"]
    if not taints:
        return None
    return _Said(
        "untolerated-taint", f"does not tolerate the taint {' and '.join(taints)} of the nodes that come nearest",
        f"a toleration of {' and of '.join(taints)}",
        "tolerate it by an overlay of the kind Pod, or choose other nodes", _TAINTS,
    )  # fmt: skip


def _too_much(pods: Pods, found: Iterable[Misfit], nodes: Nodes) -> _Said | None:
    """Say that no node has as much as a pod asks for."""
    amounts = [each for each in found if each.sort == "resource"]
    if not amounts:
        return None
    asked = ", ".join(named(each.what, each.asked) for each in amounts)
    absent = next((each.what for each in amounts if not each.has), "")
    id = "device-claim-unmet" if _are_claimed(each.what for each in amounts) else "more-than-any-node"
    if absent.startswith(MIG):
        return _Said(
            "mig-profile-absent", f"asks for {asked}, and no node's cards are cut so", _other_profile(absent, nodes),
            "ask for a profile that there is, or have cards cut anew: the label nvidia.com/mig.config of a node",
            "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-operator-mig.html",
        )  # fmt: skip
    most = ", ".join(named(each.what, each.has) for each in amounts)
    if absent:
        is_nowhere = all(not node.allocatable.get(absent) for node in nodes.nodes)
        short = absent.removeprefix(DEVICES)
        what = f"no node has any {short}" if is_nowhere else f"the node that comes nearest has no {short}"
        look = "see what there is: kubectl get nodes -o custom-columns=N:.metadata.name,HAS:.status.allocatable"
        return _Said(id, f"asks for {asked}, and {what}", "", look, _RESOURCES)
    return _Said(
        id, f"asks for {asked}, and the node that comes nearest has {most}", most,
        f"ask for at most {most}, or add a node that has it", _RESOURCES,
    )  # fmt: skip


_SORTS = (_unmatched, _untolerated, _too_much)
"""What is said of misfits, in the order in which the scheduler asks."""


def _are_claimed(resources: Iterable[str]) -> bool:
    return any(each.startswith(DEVICES) for each in resources)


def _other_profile(resource: str, nodes: Nodes) -> str:
    """Return the profile that there is, and that is nearest to the one that is asked for, larger rather than less."""
    there = {
        name.removeprefix(MIG) for node in nodes.nodes for name, has in node.allocatable.items() if name.startswith(MIG)
        and has > 0
    }  # fmt: skip
    wanted = _size(resource.removeprefix(MIG))
    sizes = {name: _size(name) for name in sorted(there)}
    larger = {name: size for name, size in sizes.items() if size >= wanted}
    if larger:
        return f"mig-{min(larger, key=lambda name: larger[name])}"
    return f"mig-{max(sizes, key=lambda name: sizes[name])}" if sizes else ""


def _size(profile: str) -> tuple[int, int]:
    """Return the memory in GB and the compute slices of a profile: ``3g.20gb``."""
    found = _PROFILE.match(profile)
    return (int(found[2]), int(found[1])) if found else (0, 0)


def _cite_requests(pods: Pods, resources: Sequence[str]) -> tuple[Evidence, ...]:
    """Return where a pod asks for some resources."""
    claims = pods.pod.cite("spec.resourceClaims") if _are_claimed(resources) else ()
    return claims + tuple(
        Evidence(str(pods.pod.ref), f'{container.path}.resources.requests["{name}"]', str(found))
        for name in resources
        for container in pods.pod.each("spec.containers")
        if (found := container.mapping("resources.requests").get(name)) is not None
    )


def _soften(found: Reason, facts: Facts) -> Reason:
    """Return a reason as what may pass, where nodes are added as they are asked for."""
    scaler = facts.scaler
    if scaler is None:
        return found
    added = f"; {scaler.ref} adds nodes, and may add one"
    return reason(
        found.id, Layer.PLACEMENT, "not-now", found.message + added,
        *(Evidence(each.subject, each.path, each.value) for each in found.evidence), fits=found.fits,
        remedy=f"see whether it has such nodes: kubectl describe {scaler.ref.kind.lower()} {scaler.ref.name}",
        source=found.source,
    )  # fmt: skip


def _together(
    sets: tuple[Pods, ...], places: Mapping[int, Place], facts: Facts, space: Room
) -> Iterator[Reason | Unread]:
    """Yield that there is no room for pods that must be there at once."""
    for each in sets:
        most = sum(room(each.needs, node.allocatable) for node in places[id(each)].nodes if node.allocatable)
        unsaid = any(not node.allocatable for node in places[id(each)].nodes)
        if most < each.least and not unsaid:
            yield _soften(_never_whole(each, most, places[id(each)]), facts)
            return
    by = Priority(0, preempts=False)
    for each in sorted(sets, key=lambda each: sum(map(_weight, each.needs.items())), reverse=True):
        open_ = [node for node in places[id(each)].nodes if is_open_to(each, node)]
        placed, priority = space.put(each, open_, each.least), priority_of(each, facts)
        if placed < each.least and priority is None:
            yield from unread(["PriorityClass"], facts, "whether it preempts pods of lower priority")
        elif placed < each.least and priority is not None and priority.preempts:
            placed, by = placed + space.preempt(each, open_, each.least - placed, priority.value), priority
        if placed < each.least:
            refused = space.refusal(each, open_)
            yield _refused(each, refused, placed) if refused else _not_now(each, places[id(each)], open_, placed)
            return
    if space.preempted:
        gone = [(each.pod, each.priority) for each in space.preempted]
        yield preempts("pod", gone, Layer.PLACEMENT, by=by.of, source=_PREEMPTING,
                       remedy="with a class whose preemptionPolicy is Never it waits instead")  # fmt: skip


def _weight(asked: tuple[str, Decimal]) -> Decimal:
    """Return how hard an amount is to place: devices first."""
    name, value = asked
    return value * 10**15 if is_device(name) else value


def _never_whole(pods: Pods, most: int, found: Place) -> Reason:
    what = f"{pods.least} pods{f' ({pods.role})' if pods.role else ''}"
    asked = ", ".join(named(name, value) for name, value in sorted(pods.needs.items()) if value)
    cited = tuple(
        node.cite(name, f"{node.allocatable[name].normalize():f}")
        for node in found.nodes[:2]
        for name in pods.needs
        if name in node.allocatable
    )
    return reason(
        "gang-never-whole", Layer.PLACEMENT, "never",
        f"its {what} with {asked} each must run at once, and all nodes together, were they empty, take {most}",
        *cited, fits=f"{most} nodes" if most else "", source=_RESOURCES,
        remedy=f"ask for fewer nodes: nodes={most}, or less of each" if most else "ask for less of each",
    )  # fmt: skip


def _refused(pods: Pods, refused: Refusal, placed: int) -> Reason:
    """Return that pods could be where there is room, but for the pods that are there."""
    count = f"{placed} of its {pods.least} pods have a place; " if pods.least > 1 else ""
    node = refused.node.thing
    return reason(
        "spread-unmet", Layer.PLACEMENT, "not-now", f"{count}{node.ref.name} has room for it, and {refused.why}",
        *pods.pod.cite("spec.affinity.podAffinity", "spec.affinity.podAntiAffinity", "spec.topologySpreadConstraints"),
        *(label_of(refused.node, key) for key in topology_keys(pods.pod)), source=_ASSIGNING,
        remedy="wait until others have ended, or prefer it only: whenUnsatisfiable: ScheduleAnyway, "
        "preferredDuringSchedulingIgnoredDuringExecution",
    )  # fmt: skip


def _not_now(pods: Pods, found: Place, open_: list[Node], placed: int) -> Reason:
    """Return why there is no room for now."""
    asked = ", ".join(named(name, value) for name, value in sorted(pods.needs.items()) if value)
    if not open_:
        node = found.nodes[0]
        cited = (*node.thing.cite("spec.unschedulable", "spec.taints"), *_conditions(node))
        return reason(
            "node-cordoned", Layer.PLACEMENT, "not-now",
            f"the nodes that could take it ({len(found.nodes)}) are cordoned, or not ready", *cited,
            remedy=f"once it is well: kubectl uncordon {node.thing.ref.name}", source=_TAINTS,
        )  # fmt: skip
    if pods.least > 1:
        return reason(
            "gang-not-whole-now", Layer.PLACEMENT, "not-now",
            f"there is room for {placed} of its {pods.least} pods with {asked} each, which must run at once",
            *_left(open_, pods), fits=f"{placed} nodes" if placed else "",
            remedy="wait until others have ended, or ask for fewer nodes", source=_RESOURCES,
        )  # fmt: skip
    scattered = [
        name for name, value in pods.needs.items()
        if is_device(name) and value and sum(node.left.get(name, Decimal(0)) for node in open_) >= value
        and all(node.left.get(name, Decimal(0)) < value for node in open_)
    ]  # fmt: skip
    if scattered:
        most = max(node.left.get(scattered[0], Decimal(0)) for node in open_)
        return reason(
            "gpus-scattered", Layer.PLACEMENT, "not-now",
            f"as much as {named(scattered[0], pods.needs[scattered[0]])} is free in all, and on no node together",
            *_left(open_, pods), fits=named(scattered[0], most) if most > 0 else "",
            remedy="split it into ranks with fewer each, or wait until others have ended", source=_PACKING,
        )  # fmt: skip
    node = max(open_, key=lambda each: _nearness(pods, each))
    lacking = {name: node.left.get(name, Decimal(0)) for name, value in pods.needs.items()
               if value > node.left.get(name, Decimal(0))}  # fmt: skip
    fits = ", ".join(named(name, has) for name, has in sorted(lacking.items()) if has > 0)
    what = ", ".join(name.removeprefix(DEVICES) for name in sorted(lacking)) or "places for pods"
    return reason(
        "device-claim-unmet" if _are_claimed(lacking) else "insufficient-resources", Layer.PLACEMENT, "not-now",
        f"it asks for {asked}, and no node has so much {what} left{_after(pods, node)}",
        *_left([node], pods), fits=fits if len(fits.split(", ")) == len(lacking) else "",
        remedy="wait until others have ended, or ask for less", source=_RESOURCES,
    )  # fmt: skip


def _conditions(node: Node) -> tuple[Evidence, ...]:
    ready = node.thing.condition("Ready")
    return ready.cite("status", "reason") if ready is not None and ready.text("status") != "True" else ()


def _nearness(pods: Pods, node: Node) -> Decimal:
    """Return how much of what is asked for a node has left, at its worst."""
    left = node.left
    return min((left.get(name, Decimal(0)) / value for name, value in pods.needs.items() if value), default=Decimal(0))


def _left(nodes: Iterable[Node], pods: Pods) -> tuple[Evidence, ...]:
    """Return what nodes have left of what is asked for."""
    found = []
    for node in list(nodes)[:_ENDING_NAMED]:
        for name in sorted(pods.needs):
            if pods.needs[name] and name in node.allocatable:
                left = written(name, max(Decimal(0), node.left[name]))
                said = f"{written(name, node.allocatable[name])}, of which {left} are left"
                found.append(node.cite(name, said))
    return tuple(found)


def _after(pods: Pods, node: Node) -> str:
    """Return in words after the end of which pods there is room on a node: as few as will do."""
    left, ending = node.left, list[Thing]()
    lacking = {name: value for name, value in pods.needs.items() if value > left.get(name, Decimal(0))}
    running = list(node.held)
    running.sort(
        key=lambda each: min(each.requests.get(name, Decimal(0)) for name in lacking) if lacking else Decimal(0)
    )
    while running and room(pods.needs, left) < 1:
        held = running.pop()
        ending.append(held.pod)
        give(held.requests, left)
    if not ending or room(pods.needs, left) < 1:
        return ""
    said = ", ".join(each.ref.name for each in ending[:_ENDING_NAMED])
    more = f" and {len(ending) - _ENDING_NAMED} more" if len(ending) > _ENDING_NAMED else ""
    return f"; there is room on {node.thing.ref.name} once {said}{more} ended"


def _unlooked(asked: Asked) -> Iterator[Unread]:
    """Yield what of the pods may keep them off nodes and is not looked at."""
    for each in asked.sets:
        yield from unlooked(each.pod)
