"""Fair sharing: how much of what a cohort can lend a queue below it has borrowed, and whose turn it is by that.

Source: https://kueue.sigs.k8s.io/docs/concepts/preemption/#fair-sharing
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeVar

from fairlead.queues.pools import Pool
from fairlead.queues.specs import Amounts, FlavorResource, Workload


class Share(NamedTuple):
    """What a queue or a cohort has borrowed.

    Attributes:
        ratio: Of the resource of which it is most, in thousandths of what can be lent.
        weight: What it is divided by.
        borrowed: Of what anything is.
    """

    ratio: float
    weight: float
    borrowed: frozenset[FlavorResource] = frozenset()

    @property
    def order(self) -> tuple[bool, float]:
        """By what shares are compared: of the weight 0 any is more than all others."""
        return self.weight == 0 and self.ratio > 0, self.ratio / (self.weight or 1.0)


def share_of(pool: Pool) -> Share:
    """Return the share of a pool; that of one that nothing is above is 0."""
    if pool.parent is None:
        return Share(0.0, pool.weight)
    borrowed: dict[str, int] = {}
    more = {what: used - total for what, total in pool.total.items() if (used := pool.used.get(what, 0)) > total}
    for what, amount in more.items():
        borrowed[what.resource] = borrowed.get(what.resource, 0) + amount
    lendable = pool.parent.lendable
    ratios = (amount * 1000.0 / lendable[name] for name, amount in borrowed.items() if lendable.get(name, 0) > 0)
    return Share(max(ratios, default=0.0), pool.weight, frozenset(more))


class _Asking(Protocol):
    """A workload whose turn it may be, and what it would use."""

    @property
    def workload(self) -> Workload: ...

    @property
    def usage(self) -> Amounts: ...


_A = TypeVar("_A", bound=_Asking)


def fairest(asking: Mapping[Pool, _A], queue: Pool) -> Pool:
    """Return the queue whose turn it is, of those with one above them all.

    In every cohort that one of those below wins that would have least of what is lent if it got what it asks for; one
    that would borrow nothing of what it asks for is before all that would.

    Args:
        asking: The queues in which a workload asks, with it.
        queue: One of them.
    """
    shares: dict[tuple[Pool, Pool], Share] = {}
    for pool, each in asking.items():
        if pool.root is not queue.root:
            continue
        pool.use_all(each.usage)
        share = share_of(pool)
        for above in pool.above:
            shares[above, pool] = share
            share = share_of(above)
        pool.release_all(each.usage)

    def best(top: Pool) -> Pool | None:
        if top in asking:
            return top
        found = [winner for child in _cohorts_first(top) if (winner := best(child)) is not None]
        return min(found, key=lambda pool: _turn(shares[top, pool], asking[pool]), default=None)

    winner = best(queue.root)
    assert winner is not None
    return winner


def _turn(share: Share, asking: _Asking) -> tuple[bool, tuple[bool, float], int, float]:
    borrows = any(asking.usage.get(what, 0) > 0 for what in share.borrowed)
    return borrows, share.order, -asking.workload.priority, asking.workload.created


def _cohorts_first(top: Pool) -> list[Pool]:
    return sorted(top.children, key=lambda child: not child.children)
