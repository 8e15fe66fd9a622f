"""Quota as a tree: what a queue or a cohort guarantees, lends, has in use, and can still give.

A cohort has what it guarantees itself and what those below lend it; what a queue uses beyond what it keeps for itself
is used of its cohort. Source: https://kueue.sigs.k8s.io/docs/concepts/cohort/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from fairlead.queues.specs import Amounts, ClusterQueue, Cohort, FlavorResource, Quota, quotas_of


class Pool:
    """A ClusterQueue's quota, or a cohort's.

    Args:
        name: Its name.
        quotas: Its own quotas.
        weight: How much of what is lent it may have beside others, where sharing is fair.
    """

    def __init__(self, name: str, quotas: Mapping[FlavorResource, Quota], weight: float = 1.0) -> None:
        self.name = name
        self.quotas = dict(quotas)
        self.weight = weight
        self.parent: Pool | None = None
        self.children: list[Pool] = []
        self.total: Amounts = {}
        self.used: Amounts = {}
        self._kept: Amounts = {}

    def adopt(self, child: Pool) -> None:
        """Have another pool lend to this one, and borrow from it."""
        child.parent = self
        self.children.append(child)

    def sum_up(self) -> None:
        """Add up what there is, from below: called once, at the top, when the tree is complete."""
        self.total = {what: quota.nominal for what, quota in self.quotas.items()}
        for child in self.children:
            child.sum_up()
            for what, amount in child.total.items():
                self.total[what] = self.total.get(what, 0) + amount - child.kept(what)
        for what, quota in self.quotas.items():
            if quota.lending_limit is not None:
                self._kept[what] = max(0, self.total[what] - quota.lending_limit)

    @property
    def above(self) -> Iterator[Pool]:
        """The pools above, the nearest first."""
        pool = self.parent
        while pool is not None:
            yield pool
            pool = pool.parent

    @property
    def root(self) -> Pool:
        """The topmost pool."""
        pool = self
        for pool in self.above:  # noqa: B007  # the last one
            pass
        return pool

    @property
    def height(self) -> int:
        """How many pools lie below each other here, a queue not counted."""
        cohorts = [child.height + 1 for child in self.children if child.children]
        return max([min(len(self.children), 1), *cohorts])

    @cached_property
    def lendable(self) -> Mapping[str, int]:
        """How much of each resource, of all flavors, those below could have if nothing were in use."""
        found: dict[str, int] = {}
        for what in self.root.total:
            found[what.resource] = found.get(what.resource, 0) + self.potential(what)
        return found

    def kept(self, what: FlavorResource) -> int:
        """Return what is never lent."""
        return self._kept.get(what, 0)

    def kept_and_free(self, what: FlavorResource) -> int:
        """Return how much of what is never lent is not in use."""
        return max(0, self.kept(what) - self.used.get(what, 0))

    def available(self, what: FlavorResource) -> int:
        """Return how much more can be used here: negative where more is used than there is."""
        used, total = self.used.get(what, 0), self.total.get(what, 0)
        if self.parent is None:
            return total - used
        above = self.parent.available(what)
        limit = self._borrowing_limit(what)
        if limit is not None:
            kept = self.kept(what)
            above = min(above, total - kept - max(0, used - kept) + limit)
        return self.kept_and_free(what) + above

    def potential(self, what: FlavorResource) -> int:
        """Return how much could be used here if nothing were in use."""
        total = self.total.get(what, 0)
        if self.parent is None:
            return total
        found = self.kept(what) + self.parent.potential(what)
        limit = self._borrowing_limit(what)
        return found if limit is None else min(found, total + limit)

    def borrows(self, what: FlavorResource, more: int = 0) -> bool:
        """Say whether more is used than is guaranteed, or would be."""
        return self.total.get(what, 0) < self.used.get(what, 0) + more

    def is_within(self, these: Iterable[FlavorResource]) -> bool:
        """Say whether of none of these more is used than is guaranteed."""
        return not any(self.borrows(what) for what in these)

    def use(self, what: FlavorResource, amount: int) -> None:
        """Take an amount into use: what is not kept here is taken from above."""
        free = self.kept_and_free(what)
        self.used[what] = self.used.get(what, 0) + amount
        if self.parent is not None and amount > free:
            self.parent.use(what, amount - free)

    def release(self, what: FlavorResource, amount: int) -> None:
        """Give an amount back: what was taken from above first."""
        from_above = self.used.get(what, 0) - self.kept(what)
        self.used[what] = self.used.get(what, 0) - amount
        if self.parent is not None and from_above > 0:
            self.parent.release(what, min(amount, from_above))

    def use_all(self, amounts: Mapping[FlavorResource, int]) -> None:
        """Take amounts into use."""
        for what, amount in amounts.items():
            self.use(what, amount)

    def release_all(self, amounts: Mapping[FlavorResource, int]) -> None:
        """Give amounts back."""
        for what, amount in amounts.items():
            self.release(what, amount)

    def level(self, what: FlavorResource, amount: int) -> tuple[int, bool]:
        """Return how far up must be borrowed for an amount, and whether there is anything above that.

        Returns:
            0 where nothing is borrowed, else the height of the lowest pool that guarantees the amount.
        """
        if self.parent is None or not self.borrows(what, amount):
            return 0, self.parent is not None
        left = amount - self.kept_and_free(what)
        for pool in self.above:
            if not pool.borrows(what, left):
                return pool.height, pool.parent is not None
            left -= pool.kept_and_free(what)
        return self.root.height, False

    def _borrowing_limit(self, what: FlavorResource) -> int | None:
        quota = self.quotas.get(what)
        return None if quota is None else quota.borrowing_limit


def fits(pool: Pool, amounts: Mapping[FlavorResource, int]) -> bool:
    """Say whether amounts can be used now."""
    return all(amount <= max(0, pool.available(what)) for what, amount in amounts.items())


@contextmanager
def released(taken: Iterable[tuple[Pool, Mapping[FlavorResource, int]]]) -> Iterator[None]:
    """Give amounts back for a while."""
    given = list(taken)
    for pool, amounts in given:
        pool.release_all(amounts)
    try:
        yield
    finally:
        for pool, amounts in given:
            pool.use_all(amounts)


def tree(queues: Iterable[ClusterQueue], cohorts: Iterable[Cohort] = ()) -> dict[str, Pool]:
    """Build the tree of quotas; returns the queues' pools by name.

    Args:
        queues: The queues.
        cohorts: The cohorts that have more than a name; none of them is above itself.
    """
    specs = {each.name: each for each in cohorts}
    found: dict[str, Pool] = {}
    above: dict[str, Pool] = {}

    def cohort(name: str) -> Pool:
        if name not in above:
            spec = specs.get(name, Cohort(name=name))
            above[name] = Pool(name, dict(quotas_of(spec.groups)), spec.weight)
            if spec.parent:
                cohort(spec.parent).adopt(above[name])
        return above[name]

    for name in specs:  # one without queues lends what it has itself
        cohort(name)
    for queue in queues:
        found[queue.name] = Pool(queue.name, dict(quotas_of(queue.groups)), queue.weight)
        if queue.cohort:
            cohort(queue.cohort).adopt(found[queue.name])
    for root in {pool.root for pool in found.values()}:
        root.sum_up()
    return found
