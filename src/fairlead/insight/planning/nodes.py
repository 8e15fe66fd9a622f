"""The nodes that there are, as pods find them: what each has in all, what it has left, and what keeps a pod away.

Nodes that are alike in what a pod may ask of them are looked at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from fairlead.insight.nodes import amount, has_ended, requests_of
from fairlead.insight.planning.amounts import DEVICES
from fairlead.insight.planning.asked import Pods
from fairlead.insight.planning.facts import Facts
from fairlead.insight.planning.terms import AWAY, terms, topology_keys
from fairlead.snapshots.parts import Evidence, Part
from fairlead.snapshots.snapshot import Snapshot, Thing
from fairlead.targets.fitting import REQUIRED_OF_NODES, is_chosen, is_lasting, tolerates, written

Amounts = Mapping[str, Decimal]
_NONE, _ONE = Decimal(0), Decimal(1)


class Misfit(NamedTuple):
    """What keeps a pod off a node.

    Attributes:
        sort: ``labels``, ``taint`` or ``resource``.
        what: The label with its value, the taint, or the name of the resource.
        asked: How much of the resource is asked for.
        has: How much there is.
        evidence: What of the node shows it.
    """

    sort: str
    what: str
    asked: Decimal = _NONE
    has: Decimal = _NONE
    evidence: tuple[Evidence, ...] = ()


class Held(NamedTuple):
    """A pod that has a node.

    Attributes:
        pod: The pod.
        requests: What it asks for.
        priority: How much it matters.
        since: When it began, as the cluster writes it.
    """

    pod: Thing
    requests: Amounts
    priority: int
    since: str


@dataclass
class Node:
    """A node.

    Args:
        thing: The object.
        labels: Its labels.
        taints: Its taints.
        allocatable: What it has for pods.
        taken: What pods on it have asked for.
        held: These pods.
        shy: Those of them that keep others away.
    """

    thing: Thing
    labels: Mapping[str, Any]
    taints: tuple[Part, ...]
    allocatable: dict[str, Decimal]
    taken: dict[str, Decimal] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    shy: list[Held] = field(default_factory=list)

    @property
    def left(self) -> dict[str, Decimal]:
        """What it has left; below zero where more is asked for than there is."""
        return {name: value - self.taken.get(name, _NONE) for name, value in self.allocatable.items()}

    def add(self, resource: str, *, is_taken: bool) -> None:
        """Have it have one more of a resource."""
        self.allocatable[resource] = self.allocatable.get(resource, _NONE) + 1
        self.taken[resource] = self.taken.get(resource, _NONE) + is_taken

    def cite(self, resource: str, said: str) -> Evidence:
        """Return what says how much it has of a resource."""
        path = "ResourceSlice spec.devices" if resource.startswith(DEVICES) else f'status.allocatable["{resource}"]'
        return Evidence(str(self.thing.ref), path, said)

    @property
    def is_open(self) -> bool:
        """Whether the scheduler puts new pods there at all, but for taints."""
        return self.thing.part("spec.unschedulable").value is not True


class Nodes:
    """All nodes.

    Args:
        facts: What is known of the cluster.
        pods: All pods that are to be placed: of the nodes' labels only those count that any of them asks for.
    """

    def __init__(self, facts: Facts, pods: Iterable[Pods]) -> None:
        listed = list(pods)
        self._keys = sorted({key for each in listed for key in _label_keys(each.pod.part("spec"))})
        self._topologies = sorted({key for each in listed for key in topology_keys(each.pod)})
        self.nodes = [_node(each) for each in facts.all("Node")]
        _fill(self.nodes, facts.snapshot)

    @cached_property
    def alike(self) -> list[list[Node]]:
        """The nodes, those together that are alike."""
        groups: dict[Any, list[Node]] = {}
        for node in self.nodes:
            labels = tuple(str(node.labels.get(key)) for key in self._keys)
            name = node.thing.ref.name if "metadata.name" in self._keys else ""
            topologies = tuple(key in node.labels for key in self._topologies)
            taints = tuple(msgspec.json.encode(each.value) for each in node.taints)
            key = labels, name, topologies, taints, tuple(sorted(node.allocatable.items()))
            groups.setdefault(key, []).append(node)
        return list(groups.values())


def _node(thing: Thing) -> Node:
    return Node(
        thing,
        thing.mapping("metadata.labels"),
        tuple(thing.each("spec.taints")),
        {name: amount(value) for name, value in thing.mapping("status.allocatable").items()},
    )


_ASKED = ("spec.containers", "spec.initContainers", "spec.resources", "spec.overhead")
"""What a pod's requests follow from."""


def _fill(nodes: Iterable[Node], snapshot: Snapshot) -> None:
    """Have each node know its pods, and what is taken of it."""
    known: dict[bytes, Amounts] = {}  # most pods ask for what others do
    for node in nodes:
        for pod in snapshot.on(node.thing):
            if not has_ended(pod):
                asked = msgspec.json.encode([pod.part(path).value for path in _ASKED])
                requests = known.get(asked) or known.setdefault(asked, requests_of(pod))
                held = Held(pod, requests, pod.number("spec.priority") or 0, pod.text("status.startTime"))
                node.held.append(held)
                if terms(pod, AWAY):
                    node.shy.append(held)
                for name, value in {**requests, "pods": _ONE}.items():
                    node.taken[name] = node.taken.get(name, _NONE) + value


def misfits(pods: Pods, node: Node, more: Mapping[str, str]) -> Iterator[Misfit]:
    """Yield what keeps a pod off a node that is empty; what the cluster itself sets and takes away does not count.

    Args:
        pods: The pods.
        node: The node.
        more: Labels that a queue wants its pods' nodes to have.
    """
    spec = pods.pod.part("spec")
    for key, value in sorted({**spec.mapping("nodeSelector"), **more}.items()):
        if node.labels.get(key) != value:
            yield Misfit("labels", f"{key}={value}", evidence=(label_of(node, key),))
    if not is_chosen(spec, node.labels, node.thing.ref.name):
        keys = [key for key in _required_keys(spec) if key != "metadata.name"]
        yield Misfit("labels", _wanted(spec), evidence=tuple(label_of(node, key) for key in keys))
    for key in topology_keys(pods.pod):
        if key not in node.labels:
            yield Misfit("labels", key, evidence=(label_of(node, key),))
    for taint in node.taints:
        if is_lasting(taint) and not tolerates(pods.tolerations, taint):
            shown = Evidence(str(node.thing.ref), taint.path, written(taint))
            yield Misfit("taint", written(taint), evidence=(shown,))
    if node.allocatable:  # else it has not said yet what it has
        for name, asked in sorted(_with_place(pods.needs, node.allocatable).items()):
            has = node.allocatable.get(name, _NONE)
            if asked > has:
                yield Misfit("resource", name, asked, has, (node.cite(name, f"{has.normalize():f}"),))


def is_open_to(pods: Pods, node: Node) -> bool:
    """Say whether the scheduler puts a pod on a node for now, were there room: the node is ready, and not cordoned."""
    return node.is_open and all(tolerates(pods.tolerations, each) for each in node.taints)


def room(requests: Amounts, left: Mapping[str, Decimal]) -> int:
    """Return how many pods that are alike have room in what is left."""
    asked = _with_place(requests, left)
    counts = [int(left.get(name, _NONE) // value) for name, value in asked.items() if value > 0]
    return max(0, min(counts, default=10**6))


def take(requests: Amounts, left: dict[str, Decimal], count: int) -> None:
    """Take from what is left what some pods ask for."""
    for name, value in {**requests, "pods": _ONE}.items():
        if name in left:
            left[name] -= value * count


def give(requests: Amounts, left: dict[str, Decimal]) -> None:
    """Add to what is left what a pod asks for that goes."""
    take(requests, left, -1)


def _with_place(requests: Amounts, has: Amounts) -> Amounts:
    """Return what a pod asks for, with the place for a pod that each takes of a node that counts them."""
    return {**requests, "pods": _ONE} if "pods" in has else requests


def label_of(node: Node, key: str) -> Evidence:
    """Return a label of a node; empty where it has none such."""
    return Evidence(str(node.thing.ref), f'metadata.labels["{key}"]', str(node.labels.get(key, "")))


def _label_keys(spec: Part) -> Iterator[str]:
    yield from spec.mapping("nodeSelector")
    yield from _required_keys(spec)


def _expressions(spec: Part) -> list[list[Part]]:
    """Return which labels a pod requires of its node: one of these lists."""
    return [
        [*term.each("matchExpressions"), *term.each("matchFields")]
        for term in spec.each(f"{REQUIRED_OF_NODES}.nodeSelectorTerms")
    ]


def _required_keys(spec: Part) -> list[str]:
    return [each.text("key") for term in _expressions(spec) for each in term]


def _wanted(spec: Part) -> str:
    """Return in words which labels a pod requires."""
    return " or ".join(" and ".join(map(_said, term)) for term in _expressions(spec))


def _said(wanted: Part) -> str:
    values = ", ".join(map(str, wanted.part("values").value or ()))
    return f"{wanted.text('key')} {wanted.text('operator')} {values}".rstrip()
