"""A snapshot of a cluster as the planner has one: nodes, workloads, and what stands on which node.

Whatever can't be read, or is counted otherwise than it is, is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import Fault, UsageError
from fairlead.insight.nodes import has_ended, reach, requests_of
from fairlead.planner.nodes import GPU_MILLIS, GPUS_MOST, Node
from fairlead.planner.standing import Held, Pool, Standing, Where
from fairlead.planner.tables import NUMBER_MOST
from fairlead.planner.workloads import Demand, Pod
from fairlead.quantities import parse_quantity
from fairlead.runs.devices import Devices, devices, is_device
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Snapshot, Thing
from fairlead.targets.scheduling import SPOT

_MIB = 1 << 20
_NONE = Decimal(0)
_NOWHERE = "no node's"
"""Before a resource: the model of devices that no node has, or none that a pod may go to."""

Amounts = Mapping[str, Decimal]


def imported(snapshot: Snapshot) -> Standing:
    """Return a cluster as the planner has it."""
    return _Import(snapshot).standing


def bundle_with_nodes(file: Path) -> Snapshot:
    """Read a bundle that has nodes.

    Raises:
        UsageError: It can't be read, or has none.
    """
    snapshot = bundles.read(file)
    if not snapshot.of_kind("Node"):
        raise UsageError(
            "the bundle has no nodes",
            where=str(file),
            why="; ".join(f"{each.what}: {each.why}" for each in snapshot.meta.unread),
            next="fairlead snapshot -o FILE by who may list them",
        )
    return snapshot


def empty_nodes(file: Path, notes: list[str]) -> tuple[Node, ...]:
    """Return the nodes of a bundle as if nothing stood on them.

    Args:
        file: The bundle.
        notes: What could not be read, or is counted otherwise than it is, is added to these.

    Raises:
        UsageError: It can't be read, or has no nodes.
    """
    snapshot = bundle_with_nodes(file)
    standing = imported(snapshot)
    hosts = Counter(pool.host for pool in standing.pools)
    notes += [f"{file}: {each}" for each in standing.notes if each.path.startswith("Node ")]
    notes += [
        f"{file}: Node {host}: has devices of {count} kinds, each of which counts as a node with all of its CPU"
        for host, count in hosts.items() if count > 1
    ]  # fmt: skip
    return tuple(pool.node for pool in standing.pools)


class _Host:
    """A node: what it has for pods, its devices by their resource, and what pods have taken."""

    def __init__(self, thing: Thing, amounts: Amounts) -> None:
        self.thing = thing
        self.amounts = amounts
        self.devices: dict[str, Devices] = {}
        self.taken: Counter[str] = Counter()

    def pools(self) -> Iterator[Pool]:
        """Yield the node, for each kind of its devices."""
        name = self.thing.ref.name
        cpu, memory = _millis(self.amounts["cpu"], ROUND_FLOOR), _mib(self.amounts["memory"], ROUND_FLOOR)
        labels = tuple(sorted(self.thing.mapping("metadata.labels").items()))
        spot = not SPOT.labels.items().isdisjoint(labels)
        cpu_left, memory_left = cpu - self.taken["cpu"], memory - self.taken["memory"]
        for resource, each in self.devices.items():
            own = name if len(self.devices) == 1 else f"{name}/{resource}"
            yield Pool(
                node=Node(
                    name=own, cpu_millis=cpu, memory_mib=memory, gpus=each.count, model=each.model, labels=labels,
                    spot=spot,
                ),
                host=name, resource=resource, left=each.left(self.taken[resource]), cpu_left=cpu_left,
                memory_left=memory_left, slices=each.slices,
            )  # fmt: skip
        if not self.devices:
            node = Node(name=name, cpu_millis=cpu, memory_mib=memory, labels=labels, spot=spot)
            yield Pool(node=node, host=name, cpu_left=cpu_left, memory_left=memory_left)


class _Choice(NamedTuple):
    """The devices that a pod may have: their models, none where any will do, and how few pods share one."""

    models: tuple[str, ...]
    replicas: int


class _Import:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._notes: list[Fault] = []
        self._wheres: dict[Where, int] = {}
        self._reached: dict[int, int] = {}
        self._choices: dict[tuple[str, int], _Choice] = {}
        self._hosts = {host.thing.ref.name: host for node in snapshot.of_kind("Node") for host in self._read(node)}
        self._all_models = {each.model for host in self._hosts.values() for each in host.devices.values()}
        self._closed = frozenset(
            name for name, host in self._hosts.items()
            if (ready := host.thing.condition("Ready")) is not None and ready.text("status") != "True"
        )  # fmt: skip
        pods = tuple(held for pod in snapshot.of_kind("Pod") if not has_ended(pod) for held in self._held(pod))
        for name, host in self._hosts.items():
            for resource, each in host.devices.items():
                if host.taken[resource] > each.count * each.replicas - each.absent:
                    self._note(host.thing, f"pods on {name} have {host.taken[resource]} {resource}: more than it has")
        self.standing = Standing(
            pools=tuple(pool for host in self._hosts.values() for pool in host.pools()),
            pods=pods,
            wheres=tuple(self._wheres),
            notes=tuple(self._notes),
        )

    def _note(self, thing: Thing, message: str) -> None:
        self._notes.append(Fault(str(thing.ref), message))

    def _read(self, node: Thing) -> Iterator[_Host]:
        """Yield a node, where it can be read."""
        said = node.mapping("status.allocatable")
        fault = _fault_of(said)
        if not fault and not {"cpu", "memory"} <= said.keys():
            fault = "it does not say how much CPU and memory it has for pods"
        if fault:
            self._note(node, f"is left out: {fault}")
            return
        host = _Host(node, {name: parse_quantity(value) for name, value in said.items()})
        for found in devices(host.amounts, node.mapping("metadata.labels")):
            if isinstance(found, str):
                self._note(node, found)
            else:
                host.devices[found.resource] = found
        capacity = node.mapping("status.capacity")
        for resource in filter(is_device, capacity):
            for has in () if _fault_of({resource: capacity[resource]}) else (parse_quantity(capacity[resource]),):
                if has > host.amounts.get(resource, _NONE):
                    offered = host.amounts.get(resource, _NONE)
                    self._note(node, f"has {has:.9g} {resource}, and offers {offered:.9g} of them to pods")
        yield host

    def _held(self, pod: Thing) -> Iterator[Held]:
        """Yield a pod, where it can be read, and have its node know what it takes."""
        fault = _fault_of_pod(pod)
        if fault:
            self._note(pod, f"is left out: {fault}")
            return
        asked = requests_of(pod)
        name, host = pod.text("spec.nodeName"), None
        if name:
            host = self._hosts.get(name)
            if host is None:
                self._note(pod, f"is on the node {name}, which could not be read")
        if list(pod.each("spec.resourceClaims")):
            self._note(pod, "claims devices, which are not looked at")
        cpu, memory = _millis(asked.get("cpu", _NONE), ROUND_CEILING), _mib(asked.get("memory", _NONE), ROUND_CEILING)
        wanted = {resource: int(amount) for resource, amount in asked.items() if amount and is_device(resource)}
        if host is not None:
            host.taken.update({"cpu": cpu, "memory": memory, **wanted})
        full = f"{pod.ref.namespace}/{pod.ref.name}"
        if not wanted:
            yield Held(Pod(full, Demand(cpu, memory)), name)
            return
        if len(wanted) > 1:
            self._note(pod, f"asks for devices of several kinds ({', '.join(sorted(wanted))}), and is counted for one")
        resource = max(sorted(wanted), key=lambda each: wanted[each])
        where = self._where(pod)
        choice = self._choice(resource, where)
        own = host.devices.get(resource) if host is not None else None
        gpus, part = self._parts(pod, wanted[resource], own.replicas if own is not None else choice.replicas)
        yield Held(Pod(full, Demand(cpu, memory, gpus, part, choice.models)), name, where)

    def _where(self, pod: Thing) -> int:
        """Return the number of where a pod may go."""
        found = reach(pod, self._snapshot)
        if id(found) not in self._reached:  # the snapshot keeps it, so that its id stays
            selected, open_ = (frozenset(node.ref.name for node in nodes) for nodes in (found.selected, found.open))
            where = Where(selected, open_ - self._closed)
            self._reached[id(found)] = self._wheres.setdefault(where, len(self._wheres))
        return self._reached[id(found)]

    def _choice(self, resource: str, where: int) -> _Choice:
        """Return what devices pods with some place to go and some resource may have."""
        key = resource, where
        if key not in self._choices:
            selected = list(self._wheres)[where].selected
            shown = [
                host.devices[resource] for name, host in self._hosts.items()
                if resource in host.devices and name in selected
            ]  # fmt: skip
            found = {each.model for each in shown}
            models = () if found == self._all_models else tuple(sorted(found or {f"{_NOWHERE} {resource}"}))
            self._choices[key] = _Choice(models, min((each.replicas for each in shown), default=1))
        return self._choices[key]

    def _parts(self, pod: Thing, count: int, replicas: int) -> tuple[int, int]:
        """Return how many devices a pod asks for, and which part of each, where so many pods share one."""
        part = GPU_MILLIS // replicas
        if replicas == 1 or count == 1:
            return count, part
        self._note(
            pod, f"asks for {count} shares, {replicas} of which are a card, and is counted as if it had them of one"
        )
        return (1, count * part) if count < replicas else (-(-count // replicas), GPU_MILLIS)


def _millis(amount: Decimal, rounding: str) -> int:
    return int((amount * 1000).to_integral_value(rounding))


def _mib(amount: Decimal, rounding: str) -> int:
    return int((amount / _MIB).to_integral_value(rounding))


def _fault_of_pod(pod: Thing) -> str:
    """Say what of a pod can't be read; empty where all that counts can be."""
    said = pod.part("spec.containers").value
    containers = list(pod.each("spec.containers"))
    if not isinstance(said, list) or len(said) != len(containers):
        return "it has no list of containers"
    listed = [each.part("resources") for each in (*containers, *pod.each("spec.initContainers"))]
    amounts = [each.mapping(name) for each in (*listed, pod.part("spec.resources")) for name in ("limits", "requests")]
    return next(filter(None, map(_fault_of, (*amounts, pod.mapping("spec.overhead")))), "")


def _fault_of(amounts: Mapping[str, object]) -> str:
    """Say which of some amounts of resources can't be; empty where none is."""
    for name, value in amounts.items():
        if not _can_be(name, str(value)):
            return f"{name} is {str(value)[:40]!r}, which can't be"
    return ""


@lru_cache(10_000)  # a cluster's objects have the same few amounts
def _can_be(name: str, text: str) -> bool:
    try:
        amount = parse_quantity(text)
    except ValueError:
        return False
    if is_device(name):
        return amount == int(amount) and 0 <= amount <= GPUS_MOST * GPU_MILLIS
    return 0 <= amount * (1000 if name == "cpu" else 1) / (1 if name == "cpu" else _MIB) <= NUMBER_MOST
