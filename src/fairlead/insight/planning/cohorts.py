"""ClusterQueues with what they can have of a flavor's resource: ever, now, and by taking back work of others.

The arithmetic is the planner's, which is Kueue's; what its objects say is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from fairlead.errors import SpecError
from fairlead.insight.nodes import amount
from fairlead.insight.planning.facts import Facts
from fairlead.queues.assigning import Oracle, assign
from fairlead.queues.candidates import Cluster, Running
from fairlead.queues.manifests import UNIT, read_cohort, read_queue
from fairlead.queues.pools import Pool, tree
from fairlead.queues.preempting import targets
from fairlead.queues.specs import Amounts, ClusterQueue, Cohort, FlavorResource, Workload
from fairlead.snapshots.snapshot import Thing

_T = TypeVar("_T")
_NEWEST = float("inf")


class Queue:
    """A ClusterQueue.

    Args:
        thing: The object.
        spec: What it says.
        pool: Its quota, with what is used of it.
    """

    def __init__(self, thing: Thing, spec: ClusterQueue, pool: Pool) -> None:
        self.thing, self.spec, self.pool = thing, spec, pool

    def most(self, line: FlavorResource) -> Decimal:
        """Return how much it could have, were nothing used."""
        return Decimal(self.pool.potential(line)) / UNIT

    def left(self, line: FlavorResource) -> Decimal:
        """Return how much it can have now."""
        return Decimal(self.pool.available(line)) / UNIT

    def limit(self, line: FlavorResource, needs: Decimal) -> Decimal | None:
        """Return how much it may borrow, where its cohort could lend it what it needs, but for that."""
        quota, above = self.pool.quotas.get(line), self.pool.parent
        if quota is None or quota.borrowing_limit is None or above is None or above.potential(line) < needs * UNIT:
            return None
        return Decimal(quota.borrowing_limit) / UNIT

    @property
    def may_preempt(self) -> bool:
        """Whether it takes back any work at all."""
        rules = self.spec.preemption
        return rules.within != "Never" or rules.reclaim != "Never"


class Cohorts:
    """All ClusterQueues, with the cohorts that they are in.

    Args:
        facts: What is known of the cluster.

    Attributes:
        queues: The ClusterQueues by name, without those whose specs say what is not known here.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        things = {each.ref.name: each for each in facts.all("ClusterQueue")}
        specs = {each.name: each for thing in things.values() for each in _read(read_queue, thing)}
        cohorts = [each for thing in facts.all("Cohort") for each in _read(read_cohort, thing)]
        pools = tree(specs.values(), _without_loops(cohorts))
        self.queues = {name: Queue(things[name], spec, pools[name]) for name, spec in specs.items()}
        for queue in self.queues.values():
            queue.pool.use_all(_used(queue.thing))

    def preempted(self, workload: Workload) -> list[Thing]:
        """Return the Workloads that are taken back so that another one is admitted; none where nothing would help.

        Args:
            workload: What is to be admitted, and comes now.
        """
        workload, queue = msgspec.structs.replace(workload, created=_NEWEST), self.queues[workload.queue]
        found = assign(queue.spec, queue.pool, workload, Oracle(self._cluster, workload))
        taken = targets(self._cluster, workload, found.needs, found.usage) if found.mode.takes_back else []
        return [self._admitted[each.workload.name] for each in taken]

    @cached_property
    def _admitted(self) -> dict[str, Thing]:
        return {
            str(each.ref): each for each in self._facts.snapshot.of_kind("Workload")
            if each.text("status.admission.clusterQueue") in self.queues and not _has(each, "Finished")
        }  # fmt: skip

    @cached_property
    def _cluster(self) -> Cluster:
        running: dict[str, list[Running]] = {name: [] for name in self.queues}
        for name, each in self._admitted.items():
            running[each.text("status.admission.clusterQueue")].append(_running(name, each))
        queues = self.queues.items()
        return Cluster({name: each.spec for name, each in queues}, {name: each.pool for name, each in queues}, running)


def amounts(wanted: Mapping[str, Decimal]) -> dict[str, int]:
    """Return amounts as the arithmetic has them."""
    return {name: int(value * UNIT) for name, value in wanted.items()}


def usage_of(queue: Thing) -> str:
    """Return where a ClusterQueue says what is used of it: what is reserved counts, where it says that."""
    reserved = "status.flavorsReservation"
    return reserved if queue.part(reserved).value else "status.flavorsUsage"


def _used(queue: Thing) -> Amounts:
    return {
        FlavorResource(flavor.text("name"), each.text("name")): int(amount(each.text("total")) * UNIT)
        for flavor in queue.each(usage_of(queue))
        for each in flavor.each("resources")
    }


def _read(read: Callable[[str, Mapping[str, Any], str], _T], thing: Thing) -> Iterator[_T]:
    with suppress(SpecError):
        yield read(thing.ref.name, thing.mapping("spec"), str(thing.ref))


def _without_loops(cohorts: Iterable[Cohort]) -> Iterator[Cohort]:
    """Yield cohorts none of which is above itself, which no cluster bears."""
    parents: dict[str, str] = {}
    for each in cohorts:
        above = each.parent
        while above and above != each.name:
            above = parents.get(above, "")
        parents[each.name] = "" if above else each.parent
        yield msgspec.structs.replace(each, parent=parents[each.name])


def _running(name: str, thing: Thing) -> Running:
    """Return an admitted Workload with what it uses."""
    usage: Amounts = {}
    for each in thing.each("status.admission.podSetAssignments"):
        flavors = each.mapping("flavors")
        for resource, quantity in each.mapping("resourceUsage").items():
            line = FlavorResource(str(flavors.get(resource, "")), resource)
            usage[line] = usage.get(line, 0) + int(amount(quantity) * UNIT)
    reserved = thing.condition("QuotaReserved")
    workload = Workload(
        name=name, queue=thing.text("status.admission.clusterQueue"), pod_sets=(), uid=thing.uid,
        priority=thing.number("spec.priority") or 0, created=_seconds(thing.text("metadata.creationTimestamp")),
    )  # fmt: skip
    return Running(workload, usage, _seconds(reserved.text("lastTransitionTime")) if reserved is not None else 0.0)


def _has(thing: Thing, condition: str) -> bool:
    found = thing.condition(condition)
    return found is not None and found.text("status") == "True"


def _seconds(text: str) -> float:
    with suppress(ValueError):
        return datetime.fromisoformat(text).timestamp()
    return 0.0
