"""Whose work is taken back where sharing is fair: that of who has borrowed most, as long as it still has more then.

Source: https://github.com/kubernetes-sigs/kueue/tree/main/keps/1714-fair-sharing
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import partial

from fairlead.queues.candidates import Cluster, Running, in_same_queue, may, pool_of, rank, without_the_needless
from fairlead.queues.pools import Pool, fits
from fairlead.queues.sharing import Share, share_of
from fairlead.queues.specs import FairSharing, FlavorResource, Strategy, Workload


def fair_targets(
    cluster: Cluster,
    rules: FairSharing,
    workload: Workload,
    needs: Set[FlavorResource],
    asked: Mapping[FlavorResource, int],
) -> list[Running]:
    """Return what is taken back so that a workload fits; empty where nothing would help.

    Args:
        cluster: What there is. It is changed meanwhile, and is as before at the end.
        rules: How it is shared.
        workload: What is to begin.
        needs: What there is not enough of.
        asked: All that it needs.
    """
    candidates = [*in_same_queue(cluster, workload, needs), *_borrowed(cluster, workload, needs)]
    candidates.sort(key=lambda each: rank(each, workload.queue))
    pool = cluster.pools[workload.queue]
    taking = _Taking(cluster, pool, asked)
    pool.use_all(asked)  # shares are those with it
    try:
        found = taking.until_it_fits(rules, candidates, needs)
    finally:
        pool.release_all(asked)
    try:
        return without_the_needless(cluster, taking.taken, partial(fits, pool, asked)) if found else []
    finally:
        for running in taking.taken:
            pool_of(cluster, running).use_all(running.usage)


def _borrowed(cluster: Cluster, workload: Workload, needs: Set[FlavorResource]) -> Iterator[Running]:
    """Yield the work of other queues below the same root, which have borrowed what is needed."""
    policy, own = cluster.queues[workload.queue].preemption.reclaim, cluster.pools[workload.queue]
    for name, pool in cluster.pools.items():
        if pool is own or pool.root is not own.root or pool.is_within(needs):
            continue
        for running in cluster.running[name]:
            if not needs.isdisjoint(running.usage) and may(policy, workload, running.workload):
                yield running


class _Taking:
    """Work that is taken back, one by one.

    Args:
        cluster: What there is.
        pool: The quota of what is to begin, which counts as using what it asks for.
        asked: What it asks for.
    """

    def __init__(self, cluster: Cluster, pool: Pool, asked: Mapping[FlavorResource, int]) -> None:
        self._cluster, self._pool, self._asked = cluster, pool, asked
        self.taken: list[Running] = []

    def until_it_fits(self, rules: FairSharing, candidates: Iterable[Running], needs: Set[FlavorResource]) -> bool:
        """Take work by one strategy, then, of what that left, by the other; say whether it fits."""
        first, *others = rules.strategies
        left: list[Running] = []
        if self._by_first(first, _Turns(self._cluster, self._pool, candidates), needs, left):
            return True
        return bool(others) and self._by_second(_Turns(self._cluster, self._pool, left))

    def _by_first(self, strategy: Strategy, turns: _Turns, needs: Set[FlavorResource], left: list[Running]) -> bool:
        is_guaranteed = self._pool.is_within(needs)
        for target in turns:
            if target is self._pool or is_guaranteed:
                if self._take(turns.pop(target)):
                    return True
                continue
            own, other = turns.ends(target)
            mine, before = share_of(own), share_of(other)
            while turns.has(target):
                running = turns.pop(target)
                if _is_right(strategy, mine, before, lambda: self._without(running, other)):  # noqa: B023  # called at once
                    if self._take(running):
                        return True
                    break  # another queue may have more now
                left.append(running)
        return False

    def _by_second(self, turns: _Turns) -> bool:
        """Take one of each queue that has more than it is to have then."""
        for target in turns:
            own, other = turns.ends(target)
            running = turns.pop(target)
            if share_of(own).order < share_of(other).order and self._take(running):
                return True
            turns.drop(target)
        return False

    def _take(self, running: Running) -> bool:
        """Take work back; say whether what is to begin fits then."""
        pool_of(self._cluster, running).release_all(running.usage)
        self.taken.append(running)
        self._pool.release_all(self._asked)
        try:
            return fits(self._pool, self._asked)
        finally:
            self._pool.use_all(self._asked)

    def _without(self, running: Running, other: Pool) -> Share:
        """Return the share that a pool would have without some work."""
        pool = pool_of(self._cluster, running)
        pool.release_all(running.usage)
        try:
            return share_of(other)
        finally:
            pool.use_all(running.usage)


class _Turns:
    """Queues whose work may be taken back, that which has borrowed most first, from the top down.

    A queue comes again as long as that is so; between two turns something of it has to be popped, or it dropped.

    Args:
        cluster: What there is.
        own: The quota of what is to begin.
        candidates: What may be taken back, in order.
    """

    def __init__(self, cluster: Cluster, own: Pool, candidates: Iterable[Running]) -> None:
        self._own, self._above = own, set(own.above)
        self._left: dict[Pool, list[Running]] = {}
        for each in candidates:
            self._left.setdefault(pool_of(cluster, each), []).append(each)
        self._pruned: set[Pool] = set()

    def __iter__(self) -> Iterator[Pool]:
        root = self._own.root
        while root not in self._pruned:
            if root is self._own and not self.has(root):
                return
            target = root if root is self._own else self._next(root)
            if target is not None:
                yield target

    def has(self, queue: Pool) -> bool:
        """Say whether any work of a queue is left."""
        return bool(self._left.get(queue))

    def pop(self, queue: Pool) -> Running:
        """Return the next work of a queue."""
        return self._left[queue].pop(0)

    def drop(self, queue: Pool) -> None:
        """Have a queue come no more."""
        self._pruned.add(queue)

    def ends(self, target: Pool) -> tuple[Pool, Pool]:
        """Return what is next below the lowest cohort above both, on the side of what is to begin and on the other."""
        meeting = next(above for above in target.above if above in self._above)
        own, other = (
            next(each for each in (pool, *pool.above) if each.parent is meeting) for pool in (self._own, target)
        )
        return own, other

    def _next(self, top: Pool) -> Pool | None:
        """Return the queue below a cohort whose turn it is; None where some were found to have none any more."""
        queue, cohort = self._first_queue(top), self._first_cohort(top)
        if queue is None and cohort is None:
            self._pruned.add(top)
            return None
        if cohort is not None and (queue is None or share_of(cohort).order >= share_of(queue).order):
            return self._next(cohort)
        return queue

    def _first_queue(self, top: Pool) -> Pool | None:
        found: list[tuple[Share, Pool]] = []
        for pool in top.children:
            if pool.children or pool in self._pruned:
                continue
            share = share_of(pool)
            if (not share.borrowed and pool is not self._own) or not self.has(pool):
                self._pruned.add(pool)
            else:
                found.append((share, pool))
        most = max((share.order for share, _ in found), default=None)
        same = [pool for share, pool in found if share.order == most]
        return min(same, key=lambda pool: rank(self._left[pool][0], self._own.name), default=None)

    def _first_cohort(self, top: Pool) -> Pool | None:
        found: list[tuple[Share, Pool]] = []
        for pool in top.children:
            if not pool.children or pool in self._pruned:
                continue
            share = share_of(pool)
            if not share.borrowed and pool not in self._above:
                self._pruned.add(pool)
            else:
                found.append((share, pool))
        return max(found, key=lambda each: each[0].order, default=(None, None))[1]


def _is_right(strategy: Strategy, mine: Share, before: Share, after: Callable[[], Share]) -> bool:
    """Say whether work may be taken back by a strategy, from who had and would have these shares."""
    if strategy == "LessThanInitialShare":
        return mine.order < before.order
    return mine.order <= after().order
