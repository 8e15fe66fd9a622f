"""How much of a flavor's resource a ClusterQueue can have: ever, and by what is used now; its own and what it borrows.

The arithmetic is Kueue's: what a queue may lend goes up to its cohort, and what the cohort has left comes down, within
what each may borrow.

Source: https://github.com/kubernetes-sigs/kueue/blob/main/pkg/cache/scheduler/resource_node.go (of Kueue 0.19)
"""

from __future__ import annotations

from decimal import Decimal

from fairlead.insight.nodes import amount
from fairlead.insight.planning.facts import Facts
from fairlead.snapshots.snapshot import Thing

Line = tuple[str, str]
"""A flavor and a resource."""
_NONE = Decimal(0)


class Pool:
    """A ClusterQueue or a cohort, with its quotas.

    Args:
        thing: The object; None for a cohort that is named only.
    """

    def __init__(self, thing: Thing | None) -> None:
        self.thing = thing
        self.parent: Pool | None = None
        self.children: list[Pool] = []
        self.nominal: dict[Line, Decimal] = {}
        self.borrowing: dict[Line, Decimal] = {}
        self.lending: dict[Line, Decimal] = {}
        self.own_use: dict[Line, Decimal] = {}
        if thing is not None:
            self._read(thing)

    def _read(self, thing: Thing) -> None:
        for group in thing.each("spec.resourceGroups"):
            for flavor in group.each("flavors"):
                for each in flavor.each("resources"):
                    line = flavor.text("name"), each.text("name")
                    for field, into in (
                        ("nominalQuota", self.nominal),
                        ("borrowingLimit", self.borrowing),
                        ("lendingLimit", self.lending),
                    ):
                        if each.text(field):
                            into[line] = amount(each.text(field))
        for flavor in thing.each(self.usage):
            for each in flavor.each("resources"):
                self.own_use[flavor.text("name"), each.text("name")] = amount(each.text("total"))

    @property
    def usage(self) -> str:
        """Where a ClusterQueue says what is used of it: what is reserved counts, where it says that."""
        reserved = "status.flavorsReservation"
        has_said = self.thing is not None and self.thing.part(reserved).value
        return reserved if has_said else "status.flavorsUsage"

    def subtree(self, line: Line) -> Decimal:
        """Return the quota of it and of all below it, less what those keep for themselves."""
        lent = (each.subtree(line) - each._kept(line) for each in self.children)
        return self.nominal.get(line, _NONE) + sum(lent, _NONE)

    def used(self, line: Line) -> Decimal:
        """Return what is used of that."""
        beyond = (max(_NONE, each.used(line) - each._kept(line)) for each in self.children)
        return self.own_use.get(line, _NONE) + sum(beyond, _NONE)

    def most(self, line: Line) -> Decimal:
        """Return how much it could have, were nothing used."""
        if self.parent is None:
            return self.subtree(line)
        found = self._kept(line) + self.parent.most(line)
        limit = self.borrowing.get(line)
        return found if limit is None else min(found, self.subtree(line) + limit)

    def left(self, line: Line) -> Decimal:
        """Return how much it can have now."""
        if self.parent is None:
            return self.subtree(line) - self.used(line)
        kept, used = self._kept(line), self.used(line)
        above = self.parent.left(line)
        limit = self.borrowing.get(line)
        if limit is not None:
            above = min(above, self.subtree(line) - kept - max(_NONE, used - kept) + limit)
        return max(_NONE, kept - used) + above

    def _kept(self, line: Line) -> Decimal:
        """Return what it lends to nobody."""
        if line not in self.lending or self.parent is None:
            return _NONE
        return max(_NONE, self.subtree(line) - self.lending[line])


def pools(facts: Facts) -> dict[str, Pool]:
    """Return the ClusterQueues by name, each below its cohort."""
    queues = {each.ref.name: Pool(each) for each in facts.all("ClusterQueue")}
    cohorts = {each.ref.name: Pool(each) for each in facts.all("Cohort")}
    for pool in queues.values():
        assert pool.thing is not None
        name = pool.thing.text("spec.cohortName") or pool.thing.text("spec.cohort")
        if name:
            _put(pool, cohorts.setdefault(name, Pool(None)))
    for pool in list(cohorts.values()):
        name = pool.thing.text("spec.parentName") or pool.thing.text("spec.parent") if pool.thing is not None else ""
        if name:
            _put(pool, cohorts.setdefault(name, Pool(None)))
    return queues


def _put(pool: Pool, parent: Pool) -> None:
    """Put one below another, unless that is below it already, which no cluster bears."""
    above: Pool | None = parent
    while above is not None:
        if above is pool:
            return
        above = above.parent
    pool.parent = parent
    parent.children.append(pool)
