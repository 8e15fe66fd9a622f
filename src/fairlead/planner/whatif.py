"""What if: changes of a cluster and of what comes to it, each tried by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from fairlead.errors import Fault, UsageError, nearest
from fairlead.planner.lines import Strategy
from fairlead.planner.mig.cutting import cut_fault, read_cut
from fairlead.planner.nodes import GPUS_MOST, Node, gpu_millis_of
from fairlead.planner.policies.table import POLICIES
from fairlead.planner.reclaims import rate_of
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


class SpotChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes that become such as their provider may take away, at the price that the price book has for these.

    Attributes:
        nodes: Which, by name; ``*`` stands for anything in it.
        reclaim_rate: How often each is taken away in an hour; as for all others where it is not said.
        back_after: After how long it is there again, as a duration; given with the rate.
    """

    nodes: str
    reclaim_rate: float | None = None
    back_after: str | float | None = None


class MigChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nodes whose GPUs are cut otherwise.

    Attributes:
        nodes: Which, by name; ``*`` stands for anything in it.
        layout: What each of their GPUs is cut into, or ``as-asked``; nothing, and they are whole, where it is empty.
    """

    nodes: str
    layout: str


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change; what it does not say stays as it is.

    Attributes:
        name: What it is called.
        add: Nodes that are added.
        remove: Nodes that are taken away, by name; ``*`` stands for anything in it.
        spot: Nodes that become spot nodes; those that are added like one of them are, too.
        mig: Nodes whose GPUs are cut otherwise, those that are added like one of them too.
        arrivals: How many times as fast jobs come; 2 is twice as many in an hour.
        policy: What places pods.
        queueing: Who of those that wait may begin.
        quota: Other quotas of queues.
        move: Queues whose jobs go to others.
    """

    name: str
    add: tuple[Addition, ...] = ()
    remove: tuple[str, ...] = ()
    spot: tuple[SpotChange, ...] = ()
    mig: tuple[MigChange, ...] = ()
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
        for place, spot in enumerate(each.spot):
            yield from _spot_faults(f"{path}.spot[{place}]", spot, nodes)
        for place, cut in enumerate(each.mig):
            yield from _mig_faults(f"{path}.mig[{place}]", cut, nodes)
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


def _spot_faults(path: str, change: SpotChange, nodes: Sequence[Node]) -> Iterator[Fault]:
    if not any(fnmatchcase(node.name, change.nodes) for node in nodes):
        yield Fault(f"{path}.nodes", f"no node is called {change.nodes!r}")
    try:
        rate_of(change.reclaim_rate, change.back_after)
    except ValueError as error:
        yield Fault(path, str(error))


def _mig_faults(path: str, change: MigChange, nodes: Sequence[Node]) -> Iterator[Fault]:
    chosen = [node for node in nodes if fnmatchcase(node.name, change.nodes)]
    if not chosen:
        yield Fault(f"{path}.nodes", f"no node is called {change.nodes!r}")
    for model in sorted({node.model for node in chosen}) if change.layout else ():
        if why := cut_fault(model, change.layout):
            yield Fault(f"{path}.layout", why)


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
    there = [_with_mig(_with_spot(node, change.spot), change.mig) for node in nodes]
    found = [node for node in there if not any(fnmatchcase(node.name, pattern) for pattern in change.remove)]
    taken = {node.name for node in nodes}
    known = {node.name: node for node in there}
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


def _with_spot(node: Node, changes: Iterable[SpotChange]) -> Node:
    for each in changes:
        if fnmatchcase(node.name, each.nodes):
            rate = rate_of(each.reclaim_rate, each.back_after)
            node = msgspec.structs.replace(node, spot=True, reclaims=rate)
    return node


def _with_mig(node: Node, changes: Iterable[MigChange]) -> Node:
    for each in changes:
        if fnmatchcase(node.name, each.nodes):
            node = msgspec.structs.replace(node, cut=read_cut(node.model, each.layout) if each.layout else None)
    return node


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
