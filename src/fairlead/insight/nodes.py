"""What nodes have, what pods on them have asked for, and which a pod could go to: as far as a snapshot shows them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import msgspec

from fairlead.quantities import format_bytes, parse_quantity
from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Snapshot, Thing
from fairlead.targets.fitting import is_chosen, tolerates, written

_ENDED = ("Succeeded", "Failed")
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
"""The taint that a cordoned node gets too."""
CONTROL_PLANE = re.compile(r"node-role\.kubernetes\.io/(control-plane|master)")
PODS_ELSEWHERE = "pods of other namespaces"
"""What a snapshot says of them that are not in it although they take what nodes have."""


def amount(text: object) -> Decimal:
    """Return a quantity as a number; 0 for what is none."""
    return _amount(str(text))


@lru_cache(10_000)  # the pods of a cluster ask for the same few amounts
def _amount(text: str) -> Decimal:
    try:
        return parse_quantity(text)
    except ValueError:
        return Decimal(0)


def in_words(value: Decimal, resource: str) -> str:
    """Return an amount of a resource as people write it, rounded down: ``96Gi memory``, ``0.5 cpu``."""
    mebibytes = int(value) // 2**20
    is_bytes = mebibytes and resource.startswith(("memory", "ephemeral-storage", "hugepages-"))
    return f"{format_bytes(mebibytes * 2**20) if is_bytes else f'{value.normalize():f}'} {resource}"


def requested(pod: Part, resource: str) -> Decimal:
    """Return how much of a resource a pod asks for, as the scheduler counts it."""
    return requests_of(pod).get(resource, Decimal(0))


def requests_of(pod: Part) -> dict[str, Decimal]:
    """Return how much a pod asks for of every resource, as the scheduler counts it.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    most: dict[str, Decimal] = {}
    running: dict[str, Decimal] = {}
    for each in pod.each("spec.initContainers"):
        asked = asked_by(each)
        if each.text("restartPolicy") == "Always":  # it goes on beside all that follows
            _add(running, asked)
            asked = running
        else:
            asked = {name: value + running.get(name, Decimal(0)) for name, value in asked.items()}
        _raise(most, asked)
    for each in pod.each("spec.containers"):
        _add(running, asked_by(each))
    _raise(most, running)
    most |= {name: amount(value) for name, value in pod.mapping("spec.resources.requests").items()}
    _add(most, {name: amount(value) for name, value in pod.mapping("spec.overhead").items()})
    return most


def asked_by(container: Part) -> dict[str, Decimal]:
    """Return what a container asks for: what is limited, and not asked for, is asked for."""
    said = {**container.mapping("resources.limits"), **container.mapping("resources.requests")}
    return {name: amount(value) for name, value in said.items()}


def has_ended(pod: Part) -> bool:
    """Say whether a pod takes nothing of its node any more."""
    return pod.text("status.phase") in _ENDED


def allocatable(node: Thing, resource: str) -> Decimal:
    """Return how much of a resource a node has for pods."""
    return amount(node.mapping("status.allocatable").get(resource, 0))


def free(node: Thing, snapshot: Snapshot, resource: str) -> Decimal:
    """Return how much of a resource a node has left; more than there is where its pods are not all in the snapshot."""
    taken = (requested(pod, resource) for pod in snapshot.on(node) if not has_ended(pod))
    return allocatable(node, resource) - sum(taken, Decimal(0))


def knows_free(snapshot: Snapshot) -> bool:
    """Say whether a snapshot has all pods that take something of its nodes, as far as it says itself."""
    return not any(each.what in ("pods", PODS_ELSEWHERE) for each in snapshot.meta.unread)


class Reach(NamedTuple):
    """The nodes that a pod could go to by what it says of them.

    Attributes:
        selected: Those with the labels that it asks for.
        open: Those of them that are neither cordoned nor have a taint that it does not tolerate.
        taints: The taints that keep it from the others of these, ``KEY=VALUE:EFFECT``, with the number of nodes.
    """

    selected: tuple[Thing, ...]
    open: tuple[Thing, ...]
    taints: Counter[str]


def reach(pod: Thing, snapshot: Snapshot) -> Reach:
    """Return which nodes a pod could go to; once for all pods that ask for the same."""
    spec = pod.part("spec")
    asked = [spec.mapping("nodeSelector"), spec.mapping("affinity.nodeAffinity"), spec.part("tolerations").value]
    return snapshot.once(("reach", msgspec.json.encode(asked)), lambda: _reach(spec, snapshot))


def _reach(spec: Part, snapshot: Snapshot) -> Reach:
    wanted = spec.mapping("nodeSelector").items()
    selected = tuple(
        node for node in snapshot.of_kind("Node")
        if wanted <= (labels := node.mapping("metadata.labels")).items() and is_chosen(spec, labels, node.ref.name)
    )  # fmt: skip
    tolerations = list(spec.each("tolerations"))
    kept = {node.ref: _kept(node, tolerations) for node in selected}
    taints = Counter(taint for each in kept.values() for taint in each)
    return Reach(selected, tuple(node for node in selected if not kept[node.ref]), taints)


def kept_by(pod: Thing, nodes: Iterable[Thing]) -> Counter[str]:
    """Return the taints that keep a pod from nodes, with the number of nodes."""
    tolerations = list(pod.each("spec.tolerations"))
    return Counter(taint for node in nodes for taint in _kept(node, tolerations))


def behind_taints(pod: Thing, snapshot: Snapshot) -> list[Thing]:
    """Return the nodes that have all that a pod asks for, and only a taint that keeps it away; no control planes."""
    found, asked = reach(pod, snapshot), requests_of(pod)
    return [
        node for node in found.selected
        if node not in found.open and all(allocatable(node, name) >= value for name, value in asked.items())
        and not any(CONTROL_PLANE.search(each.text("key")) for each in node.each("spec.taints"))
    ]  # fmt: skip


def _kept(node: Thing, tolerations: list[Part]) -> list[str]:
    """Return the taints of a node that are not tolerated, as they are written; that it is cordoned counts as one."""
    is_cordoned = node.part("spec.unschedulable").value is True
    untolerated = [taint for taint in node.each("spec.taints") if not tolerates(tolerations, taint)]
    others = [written(taint) for taint in untolerated if not (is_cordoned and taint.text("key") == UNSCHEDULABLE)]
    return [f"{UNSCHEDULABLE}=:NoSchedule", *others] if is_cordoned else others


def _add(total: dict[str, Decimal], more: dict[str, Decimal]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, Decimal(0)) + value


def _raise(most: dict[str, Decimal], asked: dict[str, Decimal]) -> None:
    for name, value in asked.items():
        most[name] = max(most.get(name, value), value)
