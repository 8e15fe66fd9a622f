"""What if: changes of a cluster and of what comes to it, each tried by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from fairlead.errors import Fault, UsageError, nearest
from fairlead.planner.lines import Strategy
from fairlead.planner.nodes import GPUS_MOST, Node, gpu_millis_of
from fairlead.planner.policies.table import POLICIES
from fairlead.planner.tables import NUMBER_MOST
from fairlead.planner.workloads import Job
from fairlead.queues.manifests import Setup, amount_of
from fairlead.queues.specs import ClusterQueue, Quota, ResourceGroup, quotas_of

AS_IS = "as it is"
"""The name of what is changed in nothing."""
_COUNT_MOST = 100_000
_AMOUNTS = ("nominal", "borrowing_limit", "lending_limit")


class Addition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes that are added: like one that is there, or as they are written.

    Attributes:
        count: How many.
        like: The name of a node that is there.
        cpu_milli: CPU for pods, in thousandths of a core.
        memory_mib: Memory for pods, in MiB.
        gpus: How many GPUs each has.
        model: Their model.
    """

    count: int = 1
    like: str = ""
    cpu_milli: int = 0
    memory_mib: int = 0
    gpus: int = 0
    model: str = ""


class QuotaChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another quota of a queue; what it does not say stays.

    Attributes:
        queue: The ClusterQueue.
        resource: The resource, as the queue names it.
        flavor: Its flavor; every one that the queue has quota of where it is empty.
        nominal: What is guaranteed, as a Kubernetes quantity.
        borrowing_limit: How much more may be used of what others leave.
        lending_limit: How much others may use of it.
        lend_percent: The same as a share of what is guaranteed.
    """

    queue: str
    resource: str
    flavor: str = ""
    nominal: str | int | None = None
    borrowing_limit: str | int | None = None
    lending_limit: str | int | None = None
    lend_percent: float | None = None


class Move(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All jobs of one queue go to another."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change; what it does not say stays as it is.

    Attributes:
        name: What it is called.
        add: Nodes that are added.
        remove: Nodes that are taken away, by name; ``*`` stands for anything in it.
        arrivals: How many times as fast jobs come; 2 is twice as many in an hour.
        policy: What places pods.
        queueing: Who of those that wait may begin.
        quota: Other quotas of queues.
        move: Queues whose jobs go to others.
    """

    name: str
    add: tuple[Addition, ...] = ()
    remove: tuple[str, ...] = ()
    arrivals: float = 1.0
    policy: str | None = None
    queueing: Strategy | None = None
    quota: tuple[QuotaChange, ...] = ()
    move: tuple[Move, ...] = ()


class Changes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of changes: ``[[change]]`` each."""

    change: tuple[Change, ...]


def change_faults(changes: Iterable[Change], nodes: Sequence[Node], setup: Setup | None = None) -> Iterator[Fault]:
    """Yield what of changes can't be on these nodes and queues, with paths."""
    names = {AS_IS}
    for number, each in enumerate(changes):
        path = f"change[{number}]"
        if not each.name or each.name in names:
            yield Fault(f"{path}.name", "stands there twice" if each.name else "must be given")
        names.add(each.name)
        for place, added in enumerate(each.add):
            yield from _addition_faults(f"{path}.add[{place}]", added, nodes)
        for place, pattern in enumerate(each.remove):
            if not any(fnmatchcase(node.name, pattern) for node in nodes):
                yield Fault(f"{path}.remove[{place}]", f"no node is called {pattern!r}")
        if not 0 < each.arrivals < math.inf:
            yield Fault(f"{path}.arrivals", f"must be above 0, got {each.arrivals}")
        if each.policy is not None and each.policy not in POLICIES:
            yield Fault(f"{path}.policy", f"there is no {each.policy!r}: {nearest(each.policy, POLICIES)}")
        queues = {} if setup is None else {queue.name: queue for queue in setup.queues}
        for place, quota in enumerate(each.quota):
            yield from _quota_faults(f"{path}.quota[{place}]", quota, queues)
        for place, move in enumerate(each.move):
            for field, name in (("from", move.source), ("to", move.target)):
                if name not in queues:
                    yield _no_queue(f"{path}.move[{place}].{field}", name, queues)


def _no_queue(path: str, name: str, queues: Mapping[str, ClusterQueue]) -> Fault:
    if not queues:
        return Fault(path, "there are no queues: --queues FILE names them")
    return Fault(path, f"there is no ClusterQueue {name!r}: {nearest(name, list(queues))}")


def _quota_faults(path: str, change: QuotaChange, queues: Mapping[str, ClusterQueue]) -> Iterator[Fault]:
    if change.queue not in queues:
        yield _no_queue(f"{path}.queue", change.queue, queues)
        return
    known = [what for what, _ in quotas_of(queues[change.queue].groups)]
    named = {"resource": (change.resource, [what.resource for what in known])}
    if change.flavor:
        named["flavor"] = (change.flavor, [what.flavor for what in known])
    for field, (name, there) in named.items():
        if name not in there:
            yield Fault(f"{path}.{field}", f"{change.queue} has no quota of {name!r}: {nearest(name, there)}")
    for field in _AMOUNTS:
        try:
            amount_of(getattr(change, field))
        except ValueError as error:
            yield Fault(f"{path}.{field}", str(error))
    if change.lend_percent is not None:
        if change.lending_limit is not None:
            yield Fault(path, "lending_limit and lend_percent can't both be given")
        if not 0 <= change.lend_percent <= 100:
            yield Fault(f"{path}.lend_percent", f"must be 0 to 100, got {change.lend_percent}")


def _addition_faults(path: str, added: Addition, nodes: Sequence[Node]) -> Iterator[Fault]:
    if not 1 <= added.count <= _COUNT_MOST:
        yield Fault(f"{path}.count", f"must be 1 to {_COUNT_MOST}, got {added.count}")
    own = {name: getattr(added, name) for name in ("cpu_milli", "memory_mib", "gpus", "model")}
    if added.like:
        names = [node.name for node in nodes]
        if added.like not in names:
            yield Fault(f"{path}.like", f"no node is called {added.like!r}: {nearest(added.like, names)}")
        if given := [name for name, value in own.items() if value]:
            yield Fault(path, f"is like {added.like}, so {', '.join(given)} can't be given")
        return
    for name in ("cpu_milli", "memory_mib"):
        if not 1 <= own[name] <= NUMBER_MOST:
            yield Fault(f"{path}.{name}", f"must be 1 to {NUMBER_MOST}, got {own[name]}")
    if not 0 <= added.gpus <= GPUS_MOST:
        yield Fault(f"{path}.gpus", f"must be 0 to {GPUS_MOST}, got {added.gpus}")
    if bool(added.gpus) != bool(added.model):
        yield Fault(f"{path}.model", "must be given with gpus, and only then")


def changed(nodes: Sequence[Node], jobs: Sequence[Job], change: Change) -> tuple[list[Node], list[Job]]:
    """Return nodes and jobs with a change that has no faults.

    Raises:
        UsageError: No GPU is left.
    """
    found = [node for node in nodes if not any(fnmatchcase(node.name, pattern) for pattern in change.remove)]
    taken = {node.name for node in nodes}
    known = {node.name: node for node in nodes}
    for added in change.add:
        node = known.get(added.like) or Node(
            name="", cpu_millis=added.cpu_milli, memory_mib=added.memory_mib, gpus=added.gpus, model=added.model
        )
        for name in _fresh(added.count, taken):
            found.append(msgspec.structs.replace(node, name=name))
    if not gpu_millis_of(found):
        raise UsageError("no node with a GPU is left", where=f"change {change.name!r}", next="take fewer away")
    targets = {move.source: move.target for move in change.move}
    moved = [
        msgspec.structs.replace(each, queue=targets[each.queue]) if each.queue in targets else each for each in jobs
    ]
    if change.arrivals == 1:
        return found, moved
    sooner = [msgspec.structs.replace(each, arrival_s=round(each.arrival_s / change.arrivals)) for each in moved]
    return found, sooner


def requeued(setup: Setup, change: Change) -> Setup:
    """Return queues with a change that has no faults."""
    queues = {each.name: each for each in setup.queues}
    for each in change.quota:
        queue = queues[each.queue]
        queues[each.queue] = msgspec.structs.replace(queue, groups=tuple(_group(group, each) for group in queue.groups))
    return setup._replace(queues=tuple(queues.values()))


def _group(group: ResourceGroup, change: QuotaChange) -> ResourceGroup:
    flavors = tuple(
        msgspec.structs.replace(
            flavor, quotas={**flavor.quotas, change.resource: _quota(flavor.quotas[change.resource], change)}
        )
        if change.resource in flavor.quotas and change.flavor in ("", flavor.name)
        else flavor
        for flavor in group.flavors
    )
    return msgspec.structs.replace(group, flavors=flavors)


def _quota(quota: Quota, change: QuotaChange) -> Quota:
    given = {field: amount for field in _AMOUNTS if (amount := amount_of(getattr(change, field))) is not None}
    found = msgspec.structs.replace(quota, **given)
    if change.lend_percent is None:
        return found
    return msgspec.structs.replace(found, lending_limit=int(found.nominal * change.lend_percent / 100))


def _fresh(count: int, taken: set[str]) -> Iterator[str]:
    """Yield so many names that no node has, and take them."""
    number = 0
    for _ in range(count):
        while (name := f"added-{number}") in taken:
            number += 1
        taken.add(name)
        yield name
