"""What if: changes of a cluster and of what comes to it, each tried by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec

from fairlead.errors import Fault, UsageError, nearest
from fairlead.planner.lines import STRATEGIES
from fairlead.planner.nodes import GPUS_MOST, Node, gpu_millis_of
from fairlead.planner.policies.table import POLICIES
from fairlead.planner.tables import NUMBER_MOST
from fairlead.planner.workloads import Job

AS_IS = "as it is"
"""The name of what is changed in nothing."""
_COUNT_MOST = 100_000


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


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change; what it does not say stays as it is.

    Attributes:
        name: What it is called.
        add: Nodes that are added.
        remove: Nodes that are taken away, by name; ``*`` stands for anything in it.
        arrivals: How many times as fast jobs come; 2 is twice as many in an hour.
        policy: What places pods.
        queueing: Who of those that wait may begin.
    """

    name: str
    add: tuple[Addition, ...] = ()
    remove: tuple[str, ...] = ()
    arrivals: float = 1.0
    policy: str | None = None
    queueing: str | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of changes: ``[[change]]`` each."""

    change: tuple[Change, ...]


def change_faults(changes: Iterable[Change], nodes: Sequence[Node]) -> Iterator[Fault]:
    """Yield what of changes can't be on these nodes, with paths."""
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
        for field, known in (("policy", POLICIES), ("queueing", STRATEGIES)):
            said = getattr(each, field)
            if said is not None and said not in known:
                yield Fault(f"{path}.{field}", f"there is no {said!r}: {nearest(said, known)}")


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
    if change.arrivals == 1:
        return found, list(jobs)
    sooner = [msgspec.structs.replace(each, arrival_s=round(each.arrival_s / change.arrivals)) for each in jobs]
    return found, sooner


def _fresh(count: int, taken: set[str]) -> Iterator[str]:
    """Yield so many names that no node has, and take them."""
    number = 0
    for _ in range(count):
        while (name := f"added-{number}") in taken:
            number += 1
        taken.add(name)
        yield name
